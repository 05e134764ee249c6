"""The rolling table as lines of a terminal of any width: mtr's columns, and the latest round-trip times as a line of bars."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pathwarden.cli.terminal import clean, fitted, local, width
from pathwarden.cli.tracing.rolling import Row, Table
from pathwarden.detect import loss
from pathwarden.model.network import Whose, nobody

KEYS = "q quit  p pause  r reset  d detail"
NEXT_KEY = "  n next"
_NO_HOST = "*"
_HOST = 15  # columns that an IPv4 address needs
_TTL = 3
_BARS = 8  # fewer bars tell nothing
_LATEST = 3  # changes below the table
_LEAST_ROWS = 4
_STEADY = 0.5  # a spread of less than half the best RTT is no news,
_STEADY_NS = 1_000_000  # nor is one below a millisecond
# Figures: their heading, their columns, and which goes first where there is no room, the largest number first.
_FIGURES = (("Loss%", 6, 0), ("Snt", 5, 4), ("Last", 7, 2), ("Avg", 7, 1), ("Best", 7, 5), ("Wrst", 7, 3), ("StDev", 7, 6))
_HABITS = {loss.Habit.RATE_LIMITED: "limits its answers", loss.Habit.QUIET: "never answers", loss.Habit.NONE: ""}


class Signs(NamedTuple):
    """What bars are drawn with, from the lowest to the highest, and what a loss is."""

    bars: str
    lost: str


BLOCKS = Signs("▁▂▃▄▅▆▇█", "×")
ASCII = Signs("_.-~=^", "x")


class View(NamedTuple):
    """How to draw: `height` 0 means all lines and no keys, as a report; `place` is the target's number and how many there are."""

    columns: int
    height: int
    paint: Callable[[str, str], str]
    signs: Signs = ASCII
    names: Mapping[str, str] = {}
    as_of: Mapping[str, str] = {}
    whose: Whose = nobody
    detail: bool = False
    paused: bool = False
    place: tuple[int, int] = (1, 1)


def signs(encoding: str | None) -> Signs:
    """Blocks, or their stand-ins where the terminal's encoding lacks them."""
    try:
        "".join(BLOCKS).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BLOCKS


def lines(title: str, table: Table, view: View) -> list[str]:
    """The whole picture, no line wider than the terminal and no more lines than it has."""
    number, targets = view.place
    head = [_cut(f"{title}{f'  {number} of {targets}' if targets > 1 else ''}", view), _cut(_state(table, view), view)]
    body, last = _body(table, view)
    news = [_cut(f"{local(at)[11:]} {text}", view) for at, text in table.told]
    if not view.height:
        return [*head, *body, *news]
    news = news[-_LATEST:] if view.height > _LEAST_ROWS + len(head) + _LATEST else []
    keys = [view.paint(_cut(KEYS + (NEXT_KEY if targets > 1 else ""), view), "dim")]
    room = view.height - len(head) - len(news) - len(keys)
    if len(body) > room:
        kept = max(room - last - 1, 1)
        body = [*body[:kept], view.paint(_cut(f"  ({len(body) - kept - last} lines have no room)", view), "dim"), *body[-last:]]
    return [*head, *body, *news, *keys][: view.height]


def _state(table: Table, view: View) -> str:
    rounds = f"{table.rounds} round{'' if table.rounds == 1 else 's'}" if table.rounds else "no round is complete yet"
    return ", ".join(filter(None, [rounds, "paused" if view.paused else "", table.problem]))


def _body(table: Table, view: View) -> tuple[list[str], int]:
    """The heading and the rows, and how many lines the last row takes."""
    rows = list(table.rows())
    counts = [row.count for _, row in rows]
    hosts = [_host(row, row.current, view) for _, row in rows]
    chosen, host, bars = _widths(max(map(width, hosts), default=0), view)
    heading = " " * _TTL + fitted("Host", host) + "".join(name.rjust(room) for name, room, _ in chosen)
    result = [view.paint(_cut(heading, view), "bold")]
    last = 1
    for (ttl, row), name, persisting, habit in zip(rows, hosts, loss.shown(counts), loss.habits(counts), strict=True):
        here = [_line(ttl, row, name, persisting, (chosen, host, bars), view), *_below(row, habit, view)]
        result += here
        last = len(here)
    return result, last


_Widths = tuple[Sequence[tuple[str, int, int]], int, int]


def _widths(needed: int, view: View) -> _Widths:
    """The figures that there is room for, and the columns of hosts and of bars (0: none)."""
    chosen = list(_FIGURES)
    while chosen and view.columns - _TTL - sum(room for _, room, _ in chosen) < (_HOST if len(chosen) > 1 else 1):
        chosen.remove(max(chosen, key=lambda each: each[2]))
    left = max(view.columns - _TTL - sum(room for _, room, _ in chosen), 1)
    bars = left - 1 - max(min(needed, left - 1 - _BARS), _HOST) if view.height else 0
    if bars < _BARS:
        return chosen, left, 0
    return chosen, left - 1 - bars, bars


def _line(ttl: int, row: Row, name: str, persisting: float | None, widths: _Widths, view: View) -> str:
    chosen, host, bars = widths
    figures = {
        "Loss%": "" if persisting is None else f"{persisting * 100:.1f}",
        "Snt": str(row.sent),
        "Last": _ms(row.last_ns),
        "Avg": _ms(row.mean_ns if row.answered else None),
        "Best": _ms(row.best_ns),
        "Wrst": _ms(row.worst_ns),
        "StDev": _ms(row.deviation_ns),
    }
    start = _cut(f"{ttl:2d} {fitted(name, host)}", view)
    cells = "".join(view.paint(figures[key].rjust(room), "red" if key == "Loss%" and persisting else "") for key, room, _ in chosen)
    return (start + cells + (f" {_spark(row, bars, view)}" if bars else "")).rstrip()


def _spark(row: Row, room: int, view: View) -> str:
    """The latest round-trip times, from the row's best to its worst; small differences stay low."""
    best = row.best_ns or 0
    spread = max((row.worst_ns or 0) - best, best * _STEADY, _STEADY_NS)
    top = len(view.signs.bars) - 1
    lost = view.paint(view.signs.lost, "red")
    recent = list(row.recent)[-room:]
    return "".join(lost if rtt_ns is None else view.signs.bars[round((rtt_ns - best) / spread * top)] for rtt_ns in recent)


def _host(row: Row, responder: str, view: View) -> str:
    if not responder:
        return _NO_HOST
    network = view.whose(responder)
    number = view.as_of.get(responder, "") if network.asn is None else f"AS{network.asn}"
    said = [number, view.names.get(responder) or responder, row.mark if responder == row.current else ""]
    return clean(" ".join(filter(None, said)))


def _below(row: Row, habit: loss.Habit, view: View) -> list[str]:
    """What stands below a hop: others that answer there, and with `detail` all that is known."""
    found = []
    for responder, times in row.responders.items():
        if responder != row.current:
            when = "earlier" if responder in row.replaced and not row.shared else "also"
            found.append(f"{when} {_host(row, responder, view)}  {times / row.answered * 100:.0f} %")
        elif view.detail:
            found.append(_known(responder, view))
    if view.detail and row.sent and row.answered < row.sent:
        own = f"{(1 - row.answered / row.sent) * 100:.1f} % of its own answers are missing"
        found.append(own + (f": it {_HABITS[habit]}" if habit else ""))
    return [view.paint(_cut(" " * (_TTL + 2) + text, view), "dim") for text in found if text]


def _known(responder: str, view: View) -> str:
    network = view.whose(responder)
    named = responder if view.names.get(responder) else ""
    where = network.special or " ".join(filter(None, [network.as_name, network.prefix, network.ixp, network.city, network.country]))
    return "  ".join(filter(None, [named, where]))


def _cut(text: str, view: View) -> str:
    text = clean(text)
    return text if width(text) <= view.columns else fitted(text, view.columns)


def _ms(value_ns: float | None) -> str:
    """Milliseconds in at most six columns."""
    if value_ns is None:
        return "-"
    value = value_ns / 1e6
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"
