"""The pcapng file, read by a reader that knows the draft and not the writer."""

import stat
import struct
from pathlib import Path
from typing import NamedTuple

import pytest

from equipment.fakes import NOW, SECOND, FakeClock
from pathwarden.errors import OperatorError
from pathwarden.export.pcapng import Recorder
from pathwarden.model.probe import Flow, Method, Probe, Reply, ReplyKind
from pathwarden.wire.probe_codec import encoder

FLOW = Flow(4, Method.UDP, "192.0.2.1", "198.51.100.7", 61001, 33434, 0, 0, 60)
ROUTER = "203.0.113.9"
MS = 1_000_000


class Packet(NamedTuple):
    at: int
    data: bytes
    direction: int
    comment: str


def blocks(data):
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0
        assert struct.unpack_from("<I", data, at + length - 4) == (length,)
        yield kind, data[at + 8 : at + length - 4]
        at += length
    assert at == len(data)


def options(data):
    found, at = {}, 0
    while True:
        code, length = struct.unpack_from("<HH", data, at)
        if not code:
            assert at + 4 == len(data)
            return found
        found[code] = data[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4


def read(path):
    """The packets, and how many the statistics say were dropped."""
    section, interface, *rest = blocks(path.read_bytes())
    assert section[0] == 0x0A0D0D0A
    assert struct.unpack_from("<IHH", section[1]) == (0x1A2B3C4D, 1, 0)
    assert interface[0] == 1
    assert struct.unpack_from("<HHI", interface[1]) == (101, 0, 0)
    assert options(interface[1][8:])[9] == b"\x09"
    packets = []
    for kind, body in rest[:-1]:
        assert kind == 6
        number, high, low, captured, original = struct.unpack_from("<IIIII", body)
        assert (number, captured) == (0, original)
        told = options(body[20 + captured + -captured % 4 :])
        packets.append(Packet(high << 32 | low, body[20 : 20 + captured], struct.unpack("<I", told[2])[0], told[1].decode()))
    kind, statistics = rest[-1]
    assert kind == 5
    return packets, struct.unpack("<Q", options(statistics[12:])[5])[0]


def probe(ident, ttl=3, query=0, flow=FLOW):
    return Probe(ident, flow, ttl, query)


def reply(ident, flow=FLOW, **changes):
    made = Reply(ReplyKind.TIME_EXCEEDED, ROUTER, 0, flow.method, flow.dst, flow.sport, flow.dport, ident, ident, 11, 0, 250, 1)
    return made._replace(**changes)


def recorded(path, *packets, **options):
    with Recorder(path, FakeClock(), **options) as recorder:
        for packet in packets:
            recorder.record(*packet)
    return recorder


def test_each_packet_says_what_it_is(tmp_path):
    path = tmp_path / "trace.pcapng"
    sent = encoder(FLOW)(17, 3)
    recorded(path, (sent, SECOND, probe(17, query=1)), (b"answer", SECOND + 12_345_678, reply(17)))
    packets, dropped = read(path)
    assert packets == [
        Packet(NOW, sent, 2, "probe 17: udp to 198.51.100.7, ttl 3, query 2"),
        Packet(NOW + 12_345_678, b"answer", 1, "time exceeded from 203.0.113.9: answers probe 17, ttl 3, query 2, after 12.346 ms"),
    ]
    assert dropped == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_packets_stand_in_the_order_of_time(tmp_path):
    path = tmp_path / "a"
    recorded(path, (b"1", SECOND, probe(1)), (b"2", SECOND + 9 * MS, probe(2)), (b"r1", SECOND + 4 * MS, reply(1)))
    assert [packet.data for packet in read(path)[0]] == [b"1", b"r1", b"2"]


def test_a_second_answer_is_called_duplicate_and_a_slow_one_late(tmp_path):
    path = tmp_path / "a"
    answers = [(b"r", SECOND + ms * MS, reply(1)) for ms in (10, 20, 1200)]
    recorded(path, (b"1", SECOND, probe(1)), *answers, wait_ns=1000 * MS)
    ends = [packet.comment.partition(" ms")[2] for packet in read(path)[0][1:]]
    assert ends == ["", "; duplicate: the probe had an answer already", "; late; duplicate: the probe had an answer already"]


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"ident": 0}, True),  # the checksum names it
        ({"ident_checksum": 4711}, True),  # NAT: the IP-ID names it
        ({"ident": 0, "ident_checksum": 0}, True),  # a short quote, and only one probe waits
        ({"ident": 5, "ident_checksum": 5}, False),
        ({"dst": "198.51.100.8"}, False),
        ({"sport": 61002}, False),
        ({"method": Method.ICMP}, False),
    ],
)
def test_only_answers_to_recorded_probes_are_kept(tmp_path, changes, taken):
    path = tmp_path / "a"
    recorder = recorded(path, (b"1", SECOND, probe(1)), (b"r", SECOND, reply(1)._replace(**changes)), (b"junk", SECOND, None))
    assert [packet.data for packet in read(path)[0]] == ([b"1", b"r"] if taken else [b"1"])
    assert recorder.foreign == (1 if taken else 2)


def test_a_short_quote_is_nobodys_when_two_probes_wait(tmp_path):
    path = tmp_path / "a"
    nameless = reply(0)
    both = ((b"1", SECOND, probe(1)), (b"2", SECOND, probe(2)))
    recorded(path, *both, (b"?", SECOND + 1, nameless), (b"r2", SECOND + 2, reply(2)), (b"r1", SECOND + 3, nameless))
    assert [packet.data for packet in read(path)[0]] == [b"1", b"2", b"r2", b"r1"]


def test_an_ident_used_again_is_a_new_probe(tmp_path):
    path = tmp_path / "a"
    recorded(
        path,
        (b"1", SECOND, probe(1)),
        (b"r", SECOND + MS, reply(1)),
        (b"1 again", SECOND + 5 * MS, probe(1, ttl=9)),
        (b"r", SECOND + 7 * MS, reply(1)),
    )
    assert read(path)[0][3].comment == "time exceeded from 203.0.113.9: answers probe 1, ttl 9, query 1, after 2.000 ms"


def test_the_size_is_bounded_and_what_is_left_out_is_counted(tmp_path):
    path = tmp_path / "a"
    packets = [(bytes(60), SECOND + number, probe(number)) for number in range(1, 1000)]
    recorder = recorded(path, *packets, most_bytes=20_000)
    kept, dropped = read(path)
    assert 0 < len(kept) == 999 - dropped
    assert dropped == recorder.left_out
    assert path.stat().st_size < 20_300


def test_a_file_that_was_there_is_overwritten_only_at_the_end(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"before")
    recorder = Recorder(path, FakeClock())
    recorder.record(b"1", SECOND, probe(1))
    assert path.read_bytes() == b"before"
    recorder.close()
    assert [packet.data for packet in read(path)[0]] == [b"1"]
    recorder.close()
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "a")
    recorded(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "a") == ([], 0)


@pytest.mark.parametrize("name", [".", "missing/a"])
def test_what_cannot_be_a_file_is_refused_before_the_trace(tmp_path, name):
    with pytest.raises(OperatorError, match="; "):
        Recorder(tmp_path / name, FakeClock())
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_not_replaced():
    with pytest.raises(OperatorError, match="/dev/null is no file; give the name of a file to write packets to"):
        Recorder(Path("/dev/null"), FakeClock())


def test_a_folder_that_vanishes_is_the_operators_error(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    recorder = Recorder(folder / "a", FakeClock())
    next(folder.iterdir()).unlink()
    folder.rmdir()
    with pytest.raises(OperatorError, match=r"cannot write .*/folder/a: No such file or directory; name a file"):
        recorder.close()
