"""The packets of real traces, every method, as tshark reads them: none malformed, no wrong checksum, each with its comment."""

import json
import re
import subprocess
from dataclasses import replace

import pytest

from equipment.traced import Traced
from netlab import Lab
from netlab import responder as net
from netlab.responder import PORT, TARGET, Responder, Says, hop
from pathwarden.export.pcapng import Recorder
from pathwarden.model.probe import Extra, Method
from pathwarden.net.clock import SystemClock
from pathwarden.net.raw import RawTransport

BAD = "0"  # a checksum's status, as tshark prints it
CHECKED = ("ip", "udp", "tcp", "dccp", "icmp", "icmpv6")  # UDP-Lite has UDP's
FIELDS = (
    "frame.time_epoch",
    "frame.comment",
    "frame.protocols",
    "frame.p2p_dir",
    "_ws.malformed",
    "_ws.expert.severity",
    "_ws.expert.message",
    "ip.ttl",
    "ipv6.hlim",
    *(f"{protocol}.checksum.status" for protocol in CHECKED),
)
ANSWERS = {
    Method.UDP: Says(PORT),
    Method.ICMP: Says(direct=net.echo_reply),
    Method.TCP: Says(direct=net.tcp(0x12, net.mss(1400))),
    Method.UDPLITE: Says(PORT),
    Method.DCCP: Says(direct=net.dccp(7)),
    Method.RAW: Says({4: (3, 2), 6: (4, 1)}),  # the target does not know the protocol
}
LAYER = {Method.UDP: "udp", Method.TCP: "tcp", Method.UDPLITE: "udplite", Method.DCCP: "dccp", Method.RAW: "data"}
SERIOUS = 0x800000  # PI_ERROR of Wireshark's expert information


@pytest.fixture(scope="module")
def network():
    with Lab() as lab:
        lab.host("agent")
        with Responder(lab, "agent") as responder, lab.enter("agent"):
            yield responder


@pytest.fixture
def transport(network):  # noqa: ARG001 - the namespace that it opens sockets in
    made = RawTransport()
    yield made
    made.close()


def dissected(tshark, path):
    """A dictionary of lists of values for each packet."""
    on = [word for protocol in ("ip", "udp", "udplite", "tcp", "dccp") for word in ("-o", f"{protocol}.check_checksum:TRUE")]
    command = [tshark, "-n", "-r", path, *on, "-T", "json", *(word for field in FIELDS for word in ("-e", field))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [each["_source"]["layers"] for each in json.loads(done.stdout)]


def faults(packet):
    wrong = [name for name in CHECKED if BAD in packet.get(f"{name}.checksum.status", ())]
    serious = [severity for severity in packet.get("_ws.expert.severity", ()) if int(severity) >= SERIOUS]
    return [*wrong, *serious, *packet.get("_ws.malformed", ())]


@pytest.mark.parametrize("af", [4, 6])
@pytest.mark.parametrize("method", ANSWERS)
def test_a_trace(network, transport, need, tmp_path, method, af):
    path = tmp_path / "trace.pcapng"
    stack = net.structure(net.mpls((100, 5, 1)))
    # The target is asked last and answers late: a trace does not wait for a copy of its last answer.
    network.play({1: Says(), 2: Says(structure=stack, copies=2), 3: replace(ANSWERS[method], delay_s=0.05)})
    clock = SystemClock()
    begun_s = clock.wall_ns() / 1e9
    with Recorder(path, clock) as recorder:
        transport.record = recorder.record
        port = 33434 if method is Method.UDPLITE else 0  # its own is 53, where tshark takes the payload for a malformed question
        extra = Extra(tcp_options=net.mss(1460))
        traced = Traced(transport, TARGET[af], method, port=port, tos=0x28, queries=2, extra=extra, by_hop=True)
        transport.record = None
    assert traced.outcome.reached_ttl == 3, traced.outcome
    assert traced.outcome.duplicates == 2
    packets = dissected(need("tshark"), path)
    assert [faults(packet) for packet in packets] == [[]] * len(packets), packets
    assert len(packets) == 6 + 8
    comments = [packet["frame.comment"][0] for packet in packets]
    sent = {int(comment.split()[1].strip(":")): comment for comment in comments if comment.startswith("probe ")}
    assert len(sent) == 6
    assert sorted(re.sub(r"probe \d+", "probe", comment) for comment in sent.values()) == [
        f"probe: {method} to {TARGET[af]}, ttl {ttl}, query {query}" for ttl in (1, 2, 3) for query in (1, 2)
    ]
    layer = LAYER.get(method, "icmp" if af == 4 else "icmpv6")
    times = [float(packet["frame.time_epoch"][0]) for packet in packets]
    assert times == sorted(times)
    assert begun_s - 1 < times[0] < times[-1] < begun_s + 60
    left = {}
    for packet, comment, time in zip(packets, comments, times, strict=True):
        if comment.startswith("probe "):
            assert layer in packet["frame.protocols"][0].split(":")
            left[int(comment.split()[1].strip(":"))] = time
            continue
        responder, ident, ttl, rtt_ms = re.match(
            r".* from (\S+): answers probe (\d+), ttl (\d), query \d, after ([\d.]+) ms", comment
        ).groups()
        assert responder == (TARGET[af] if ttl == "3" else hop(af, int(ttl)))
        assert f"ttl {ttl}," in sent[int(ident)]
        assert time - left[int(ident)] == pytest.approx(float(rtt_ms) / 1000, abs=2e-6)
    assert sum(comment.endswith("; duplicate: the probe had an answer already") for comment in comments) == 2
    assert recorder.left_out == 0


@pytest.mark.parametrize("af", [4, 6])
def test_a_probe_in_pieces(network, transport, need, tmp_path, af):
    """Each fragment is a packet of its own; put together again they are whole."""
    network.play({1: Says(), 2: Says(PORT)})
    with Recorder(tmp_path / "a", SystemClock()) as recorder:
        transport.record = recorder.record
        traced = Traced(transport, TARGET[af], max_ttl=1, size=3000, extra=Extra(split=True))
        transport.record = None
    assert traced.only(1).responder == hop(af, 1)
    packets = dissected(need("tshark"), tmp_path / "a")
    assert [faults(packet) for packet in packets] == [[]] * 4
    assert [packet["frame.comment"][0].split(":")[0] for packet in packets[:3]] == ["probe 1"] * 3
    assert "udp" in packets[2]["frame.protocols"][0].split(":")  # only there the datagram is complete


def test_packets_of_other_programs_are_left_out(network, transport, need, tmp_path):
    network.play({1: Says(), 2: Says(PORT)})
    other = RawTransport()  # has a port of its own
    with Recorder(tmp_path / "a", SystemClock()) as recorder:
        transport.record = recorder.record
        for probing in (other, transport, other):
            assert Traced(probing, TARGET[4], max_ttl=2).outcome.reached_ttl == 2
        transport.record = None
    other.close()
    assert len(dissected(need("tshark"), tmp_path / "a")) == 4
    assert recorder.foreign == 0
