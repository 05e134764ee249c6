"""Methods of `pathwarden trace` and what their options come to on the wire."""

from pathlib import Path

import pytest

from pathwarden.cli.main import main
from pathwarden.cli.tracing import methods
from pathwarden.cli.tracing.methods import MODULES, chosen, options_help
from pathwarden.model.probe import PLAIN, Extra, Method

SYN, ACK, ECE, CWR = 0x02, 0x10, 0x40, 0x80
MSS4, MSS6 = bytes.fromhex("020405b4"), bytes.fromhex("020405a0")
SACK, SCALE = bytes.fromhex("01010402"), bytes.fromhex("01030302")
STAMPS, SACK_STAMPS = bytes.fromhex("0101080a0000000100000000"), bytes.fromhex("0402080a0000000100000000")


@pytest.fixture(autouse=True)
def sysctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with SACK and window scaling, without timestamps, and with ECN only if asked for."""
    for name, value in {"ecn": "2", "sack": "1", "timestamps": "0", "window_scaling": "1"}.items():
        (tmp_path / f"tcp_{name}").write_text(f"{value}\n")
    monkeypatch.setattr(methods, "_SYSCTL", tmp_path)
    return tmp_path


def tcp(*words: str, af: int = 4) -> tuple[int, bytes]:
    extra = chosen("tcp", words).carried(af)
    assert extra == Extra(tcp_flags=extra.tcp_flags, tcp_options=extra.tcp_options)
    return extra.tcp_flags, extra.tcp_options


@pytest.mark.parametrize(
    ("words", "flags", "options"),
    [
        ((), SYN, MSS4 + SACK + SCALE),
        (("sysctl",), SYN, MSS4 + SACK + SCALE),
        (("info",), SYN, MSS4 + SACK + SCALE),
        (("mss",), SYN, MSS4 + SACK + SCALE),
        (("mss=1000",), SYN, bytes.fromhex("020403e8") + SACK + SCALE),
        (("syn",), SYN, MSS4),
        (("syn,sysctl",), SYN, MSS4 + SACK + SCALE),
        (("ack",), ACK, b""),
        (("syn,ack", "psh"), SYN | ACK | 0x08, MSS4),
        (("fin,rst,urg,ece,cwr",), 0x01 | 0x04 | 0x20 | ECE | CWR, b""),
        (("ecn",), SYN | ECE | CWR, MSS4),
        (("sack",), SYN, MSS4 + SACK),
        (("timestamps",), SYN, MSS4 + STAMPS),
        (("sack,timestamps",), SYN, MSS4 + SACK_STAMPS),
        (("window_scaling",), SYN, MSS4 + SCALE),
        (("ack,timestamps",), ACK, bytes.fromhex("0101080a0000000100000001")),
        (("fastopen",), SYN, MSS4 + SACK + SCALE + bytes.fromhex("22020101")),
        (("flags=0x10",), ACK, b""),
        (("flags=0",), 0, b""),
        (("flags=0x1c2",), 0x1C2, MSS4),
    ],
)
def test_tcp_flags_and_options(words: tuple[str, ...], flags: int, options: bytes) -> None:
    assert tcp(*words) == (flags, options)
    assert len(options) % 4 == 0


def test_the_segment_size_of_ipv6_leaves_room_for_its_header() -> None:
    assert tcp("syn", af=6) == (SYN, MSS6)


def test_ecn_follows_the_machine(sysctl: Path) -> None:
    (sysctl / "tcp_ecn").write_text("1\n")
    assert tcp() == (SYN | ECE | CWR, MSS4 + SACK + SCALE)


def test_a_machine_that_shows_nothing_sends_a_plain_syn(sysctl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "_SYSCTL", sysctl / "absent")
    assert tcp() == (SYN, MSS4)


def test_options_of_the_other_methods() -> None:
    assert chosen("udplite", ["coverage=20"]).carried(4) == PLAIN._replace(coverage=20)
    assert chosen("dccp", ["service=0x41"]).carried(6) == PLAIN._replace(service=0x41)
    assert chosen("raw", ["protocol=99"]).carried(4) == PLAIN._replace(protocol=99)
    assert chosen("raw", ["protocol=igmp"]).carried(4) == PLAIN._replace(protocol=2)
    for name, module in MODULES.items():
        if module.method is not Method.TCP:
            assert chosen(name, []).carried(4) == PLAIN


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["-D", "-O", "help"], ["Options of the method dccp:", "  service=NUM      Service code."]),
        (["-O", "help"], ["Options of the method udp: none"]),
        (["-M", "tcpconn", "-O", "help"], ["Options of the method tcpconn: none"]),
    ],
)
def test_o_help_lists_the_options_and_sends_nothing(words: list[str], lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", *words]) == 0
    assert capsys.readouterr() == ("\n".join([*lines, ""]), "")


def test_o_help_fits_the_screen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["trace", "-T", "-O", "help"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= 80
    assert [written for written, _ in options_help("tcp")] == [line.split()[0] for line in shown[1:] if line[2] != " "]
