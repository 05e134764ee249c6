"""Traces as text: the layout of traceroute(8), byte for byte."""

import pytest

from pathwarden.model.probe import Extension, InterfaceInfo, MplsLabel, MplsStack, OtherObject, ReplyKind
from pathwarden.model.trace import Answer, Hop, Marks
from pathwarden.present.text import Show, extension, heading, hop_line, quoted_mss, segment

NAMES = {"192.0.2.1": "gw.example", "10.0.0.1": ""}


def answered(who: str | None, rtt_ms: float = 0.0, icmp: tuple[int, int] = (11, 0)) -> Answer:
    if who is None:
        return Answer(0)
    return Answer(0, who, round(rtt_ms * 1e6), ReplyKind.TIME_EXCEEDED, *icmp)


def line(ttl: int, *answers: Answer, names: dict[str, str] | None = None, af: int = 4) -> str:
    return hop_line(Hop(ttl, answers), af, names)


def test_the_first_line() -> None:
    expected = "traceroute to example.net (198.51.100.7), 30 hops max, 60 byte packets"
    assert heading("example.net", "198.51.100.7", 30, 60) == expected


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        (" 1  192.0.2.1  0.412 ms  0.388 ms  12.000 ms", [("192.0.2.1", 0.412), ("192.0.2.1", 0.388), ("192.0.2.1", 12)]),
        (" 1  * * *", [(None, 0), (None, 0), (None, 0)]),
        (" 1  * 192.0.2.1  1.500 ms *", [(None, 0), ("192.0.2.1", 1.5), (None, 0)]),
        (" 1  192.0.2.1  1.500 ms *  2.000 ms", [("192.0.2.1", 1.5), (None, 0), ("192.0.2.1", 2)]),
        (
            " 1  10.0.0.1  1.000 ms 10.0.0.2  2.000 ms 10.0.0.1  3.000 ms",
            [("10.0.0.1", 1), ("10.0.0.2", 2), ("10.0.0.1", 3)],
        ),
    ],
)
def test_addresses_alone(text: str, answers: list[tuple[str | None, float]]) -> None:
    assert line(1, *(answered(who, rtt) for who, rtt in answers)) == text


def test_names_before_addresses() -> None:
    text = " 9  gw.example (192.0.2.1)  1.000 ms 10.0.0.1 (10.0.0.1)  2.000 ms 10.0.0.9 (10.0.0.9)  3.000 ms"
    assert line(9, answered("192.0.2.1", 1), answered("10.0.0.1", 2), answered("10.0.0.9", 3), names=NAMES) == text


def test_two_digits_need_no_space() -> None:
    assert line(12, answered(None)) == "12  *"


@pytest.mark.parametrize(
    ("icmp", "af", "mark"),
    [
        ((11, 0), 4, ""),
        ((3, 3), 4, ""),
        ((0, 0), 4, ""),
        ((3, 0), 4, " !N"),
        ((3, 1), 4, " !H"),
        ((3, 13), 4, " !X"),
        ((1, 1), 6, " !X"),
        ((1, 4), 6, ""),
    ],
)
def test_annotations_follow_the_time(icmp: tuple[int, int], af: int, mark: str) -> None:
    assert line(3, answered("r", 1, icmp), answered("r", 2, icmp), af=af) == f" 3  r  1.000 ms{mark}  2.000 ms{mark}"


STACK = MplsStack((MplsLabel(24001, 5, False, 1), MplsLabel(3, 0, True, 255)))
TWO = (STACK, InterfaceInfo("INC", 4, "192.0.2.9", "eth0", 1500))
SYN_ACK = bytes.fromhex("0050ee48 00000001 00000002 a0 12 faf0 00000000 020405b4 0402 080a0000000100000000 01 030307".replace(" ", ""))
HEADERS = [(SYN_ACK, "syn,ack,mss=1460,sack,timestamps,window_scaling"), (b"short", "")]
RESET = bytes.fromhex("0050ee48000000000000000250140000" + "00" * 4)
HEADERS.append((RESET, "rst,ack"))


def marked(**marks: object) -> Answer:
    return answered("192.0.2.1", 1)._replace(marks=Marks(**marks), reply_ttl=60)


@pytest.mark.parametrize(
    ("each", "text"),
    [
        (STACK, "MPLS:L=24001,E=5,S=0,T=1/L=3,E=0,S=1,T=255"),
        (MplsStack(()), "1/1:"),
        (InterfaceInfo("INC", 1, "192.0.2.1", "eth0", 1500), 'INC:1,192.0.2.1,"eth0",mtu=1500'),
        (InterfaceInfo("OUT", name="ge-0/0/1"), 'OUT:"ge-0/0/1"'),
        (InterfaceInfo("SUB", 7), "SUB:7"),
        (InterfaceInfo("NXT", address="2001:db8::1", mtu=9000), "NXT:2001:db8::1,mtu=9000"),
        (InterfaceInfo("INC", name='a"b %\x1b[31mü'), 'INC:"a%22b%20%25%1B[31m%C3%BC"'),
        (OtherObject(3, 2, bytes.fromhex("00010203deadbeef")), "3/2:00010203,deadbeef"),
        (OtherObject(247, 0, b""), "247/0:"),
    ],
)
def test_each_extension_as_traceroute_writes_it(each: Extension, text: str) -> None:
    assert extension(each) == text


def test_extensions_stand_after_the_address_joined_by_semicolons() -> None:
    text = ' 1  192.0.2.1 <MPLS:L=24001,E=5,S=0,T=1/L=3,E=0,S=1,T=255;INC:4,192.0.2.9,"eth0",mtu=1500>  1.000 ms'
    hop = Hop(1, (marked(extensions=TWO),))
    assert hop_line(hop, 4, show=Show(extensions=True)) == text
    assert hop_line(hop, 4) == " 1  192.0.2.1  1.000 ms"


def test_an_address_is_told_again_with_other_extensions() -> None:
    hop = Hop(1, (marked(), marked(extensions=(STACK,)), marked(extensions=(STACK,)), marked()))
    stack = " <MPLS:L=24001,E=5,S=0,T=1/L=3,E=0,S=1,T=255>"
    expected = f" 1  192.0.2.1  1.000 ms 192.0.2.1{stack}  1.000 ms  1.000 ms 192.0.2.1  1.000 ms"
    assert hop_line(hop, 4, show=Show(extensions=True)) == expected


def test_the_way_back_shows_where_it_has_another_length() -> None:
    answers = tuple(marked()._replace(reply_ttl=ttl) for ttl in (60, 60, 0, 62, 250))
    at_5, back = Hop(5, answers), Show(back=True)
    assert hop_line(at_5, 4, show=back) == (
        " 5  192.0.2.1  1.000 ms  1.000 ms 192.0.2.1  1.000 ms 192.0.2.1 '-3'  1.000 ms 192.0.2.1 '-6'  1.000 ms"
    )
    assert "'" not in hop_line(at_5, 4)


def test_as_numbers_come_before_everything_else_beside_the_address() -> None:
    show = Show(NAMES, {"192.0.2.1": "AS64500/AS64501"}, extensions=True, back=True)
    hop = Hop(1, (marked(extensions=(OtherObject(3, 1, b""),)), answered("10.0.0.1", 2)))
    assert (
        hop_line(hop, 4, show=show)
        == " 1  gw.example (192.0.2.1) [AS64500/AS64501] <3/1:> '-5'  1.000 ms 10.0.0.1 (10.0.0.1) [*]  2.000 ms"
    )


@pytest.mark.parametrize(
    ("header", "text"), [(SYN_ACK, "syn,ack,mss=1460,sack,timestamps,window_scaling"), (RESET, "rst,ack"), (b"short", "")]
)
def test_what_tcp_said(header: bytes, text: str) -> None:
    assert segment(header) == text


def test_what_tcp_said_stands_where_extensions_do() -> None:
    final = marked(segment=RESET)._replace(kind=ReplyKind.CLOSED, icmp_type=0)
    assert hop_line(Hop(9, (final, final)), 4, show=Show(segment=True)) == " 9  192.0.2.1 <rst,ack>  1.000 ms  1.000 ms"
    assert hop_line(Hop(9, (final,)), 6) == " 9  192.0.2.1  1.000 ms"


def test_sizes_follow_the_time() -> None:
    too_big = marked(mtu=1400)._replace(kind=ReplyKind.PACKET_TOO_BIG, icmp_type=3, icmp_code=4)
    silent = Answer(0, marks=Marks(mtu=1280))
    assert hop_line(Hop(1, (too_big,)), 4) == " 1  192.0.2.1  1.000 ms !F-1400"
    assert hop_line(Hop(1, (marked(mtu=1492), marked(), silent)), 4) == " 1  192.0.2.1  1.000 ms F=1492  1.000 ms * F=1280"


def test_a_clamped_segment_size_is_told_once() -> None:
    before, here = Hop(4, (marked(), answered(None))), Hop(5, (marked(mss=1400), marked(mss=1400), marked(mss=1360), marked()))
    assert quoted_mss(before) == 0
    assert hop_line(here, 4, mss=0) == " 5  192.0.2.1  1.000 ms M=1400  1.000 ms  1.000 ms M=1360  1.000 ms"
    assert quoted_mss(here) == 1360
    assert quoted_mss(before, 1360) == 1360
    assert hop_line(Hop(6, (marked(mss=1360),)), 4, mss=1360) == " 6  192.0.2.1  1.000 ms"
