"""The rolling table as it is drawn: at every width, and whatever strangers call their routers."""

import random
import unicodedata

import pytest

from equipment.glass import Glass
from pathwarden.cli.terminal import width
from pathwarden.cli.tracing.rolling import Table
from pathwarden.cli.tracing.rolling_view import ASCII, BLOCKS, KEYS, View, lines, signs
from pathwarden.engine.spec import Outcome
from pathwarden.model.network import Network
from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Answer, Ending, Hop

A, B, DST = "192.0.2.1", "192.0.2.2", "203.0.113.9"
AT = 1_800_000_000_000_000_000
# What a stranger may put into a name: steering, wide and combining characters, other directions, line ends, lone halves.
HOSTILE = "\x1b]0;x\x07\x9b2J\r\n\t\x00\u202e\u2066\u200f\u2028\ufeff漢字🙂e\u0301\u0e31ab.-\x7f\ud800"


def plain(text: str, _color: str) -> str:
    return text


def colored(text: str, color: str) -> str:
    return f"\x1b[31m{text}\x1b[0m" if color else text


def table(rounds: int = 12, hops: int = 3, changing: bool = True) -> Table:
    """A limited first hop, a second one that two share from the third round on, and a destination that lost one answer."""
    found = Table(DST, 4, 1)
    for number in range(rounds):
        told: list[Hop] = []
        for ttl in range(1, hops + 1):
            who: str | None = DST if ttl == hops else A if ttl == 1 else f"192.0.2.{ttl}"
            if ttl == 2 and changing and number % 3 == 2:
                who = "192.0.2.222"
            if (ttl == 1 and number % 2) or (ttl == hops and number == 4):
                who = None
            kind = ReplyKind.PORT_UNREACHABLE if who == DST else ReplyKind.TIME_EXCEEDED
            told.append(Hop(ttl, (Answer(0) if who is None else Answer(0, who, (10 + number % 4 * 4) * 1_000_000, kind, 11, 0),)))
        reached = hops if number != 4 else None
        found.book(Outcome(Ending.REACHED, "", reached, tuple(told), hops, 0, 0), AT)
    return found


def test_at_80_columns() -> None:
    assert lines("web.example (203.0.113.9)  udp 33434", table(), View(80, 24, plain, BLOCKS)) == [
        "web.example (203.0.113.9)  udp 33434",
        "12 rounds",
        "   Host            Loss%  Snt   Last    Avg   Best   Wrst  StDev",
        " 1 192.0.2.1         0.0   12   18.0   14.0   10.0   18.0    4.4 ▁×█×▁×█×▁×█×",
        " 2 192.0.2.2         0.0   12   22.0   16.0   10.0   22.0    4.7 ▁▃▆█▁▃▆█▁▃▆█",
        "     also 192.0.2.222  33 %",
        " 3 203.0.113.9       8.3   12   22.0   16.5   10.0   22.0    4.5 ▁▃▆█×▃▆█▁▃▆█",
        KEYS,
    ]


def test_at_40_columns_what_matters_least_is_left_out() -> None:
    assert lines("web.example", table(), View(40, 24, plain, BLOCKS))[2:5] == [
        "   Host              Loss%   Last    Avg",
        " 1 192.0.2.1           0.0   18.0   14.0",
        " 2 192.0.2.2           0.0   22.0   16.0",
    ]


def test_detail_tells_what_is_known_of_a_hop() -> None:
    network = Network(asn=64500, as_name="Example", city="Bern", country="CH")
    view = View(
        100, 24, plain, BLOCKS, {A: "gw.example"}, {"192.0.2.2": "AS64501"}, lambda each: network if each == A else Network(), detail=True
    )
    drawn = lines("x", table(40), view)
    assert drawn[3].startswith(" 1 AS64500 gw.example")
    assert drawn[4] == "     192.0.2.1  Example Bern CH"
    assert drawn[5] == "     50.0 % of its own answers are missing: it limits its answers"
    assert drawn[6].startswith(" 2 AS64501 192.0.2.2")


def test_a_terminal_that_is_too_low_keeps_the_destination() -> None:
    drawn = lines("x", table(hops=20, changing=False), View(80, 10, plain, BLOCKS))
    assert len(drawn) == 10
    assert drawn[-3] == "  (15 lines have no room)"
    assert drawn[-2].startswith("20 203.0.113.9")
    assert drawn[-1] == KEYS


def test_the_latest_changes_stand_below() -> None:
    found = table()
    found.told.extend((AT + number, f"change {number}") for number in range(5))
    drawn = lines("x", found, View(80, 24, plain))
    assert [line.partition(" ")[2] for line in drawn[-4:-1]] == ["change 2", "change 3", "change 4"]
    assert sum("change" in line for line in lines("x", found, View(80, 0, plain))) == 5, "a report tells all of them"


def test_a_report_has_no_keys_and_no_bars() -> None:
    drawn = lines("x", table(), View(80, 0, plain, BLOCKS))
    assert KEYS not in drawn
    assert not set("".join(drawn)) & set(BLOCKS.bars)


def test_the_state_is_said() -> None:
    nothing = Table(DST, 4, 1)
    assert lines("x", nothing, View(80, 24, plain, place=(2, 3)))[:2] == ["x  2 of 3", "no round is complete yet"]
    nothing.book(Outcome(Ending.ERROR, "down", None, (), 0, 0, 0), AT)
    assert lines("x", nothing, View(80, 24, plain, paused=True))[1] == "no round is complete yet, paused, down"


def test_who_was_replaced_is_told_from_who_shares() -> None:
    found = Table(DST, 4, 1)
    for who, below in ((A, ""), (A, ""), (B, "also 192.0.2.2"), (B, "also 192.0.2.2"), (B, "earlier 192.0.2.1"), (A, "earlier 192.0.2.1")):
        hops = (Hop(1, (Answer(0, who, 1_000_000, ReplyKind.TIME_EXCEEDED, 11, 0),)),)
        found.book(Outcome(Ending.GAP, "", None, hops, 1, 0, 0), AT)
        drawn = [line.strip().partition("  ")[0] for line in lines("x", found, View(80, 24, plain))[3:]]
        assert [line for line in drawn if line.startswith(("also", "earlier"))] == ([below] if below else [])


def test_bars_where_the_encoding_lacks_blocks() -> None:
    assert (signs("utf-8"), signs("ascii"), signs("latin-1"), signs(None), signs("nonsense")) == (BLOCKS, ASCII, ASCII, ASCII, ASCII)
    assert "".join(lines("x", table(), View(80, 24, plain, ASCII))).isascii()


def test_small_differences_stay_low() -> None:
    found = Table(DST, 4, 1)
    for rtt_ns in (100_000, 160_000, 120_000):
        hops = (Hop(1, (Answer(0, DST, rtt_ns, ReplyKind.PORT_UNREACHABLE, 3, 3),)),)
        found.book(Outcome(Ending.REACHED, "", 1, hops, 1, 0, 0), AT)
    assert lines("x", found, View(80, 24, plain, BLOCKS))[3].endswith(" ▁▁▁")


@pytest.mark.parametrize("seed", range(40))
def test_no_name_steers_the_terminal_or_breaks_the_table(seed: int) -> None:
    dice = random.Random(seed)
    names = {each: "".join(dice.choices(HOSTILE, k=dice.randrange(1, 90))) for each in (A, B, "192.0.2.222", DST)}
    network = Network(asn=1, as_name=names[A], city=names[B], country="CH")
    found = table()
    found.told.append((AT, names[B]))
    columns, height = dice.choice([80, 40, 20, 7, 200]), dice.choice([0, 24, 8, 3])
    view = View(columns, height, plain, BLOCKS, names, {}, lambda _each: network, detail=dice.random() < 0.5)
    drawn = lines(names[DST], found, view)
    assert not height or len(drawn) <= height
    for line in drawn:
        assert line.isprintable(), repr(line)
        assert width(line) <= columns, (seed, line)
        assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in line)


def test_colours_change_nothing_but_colours() -> None:
    found, glass = table(), Glass(80, 24)
    glass.feed("\x1b[?1049h")
    for row, line in enumerate(lines("x", found, View(80, 24, colored, BLOCKS)), 1):
        glass.feed(f"\x1b[{row};1H\x1b[2K{line}")
    assert glass.colored
    assert glass.text().splitlines() == lines("x", found, View(80, 24, plain, BLOCKS))
