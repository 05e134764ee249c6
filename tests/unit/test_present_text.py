"""Traces as text: the layout of traceroute(8), byte for byte."""

import pytest

from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Answer, Hop
from pathwarden.present.text import heading, hop_line

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
