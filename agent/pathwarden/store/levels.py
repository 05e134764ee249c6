"""Levels: what is left of a target's day when its traces go.

Rules:
1. `roll` makes one row of `days` of a target's blocks of one UTC day: figures of the whole day; and one of `hours` with those of each
   hour that had traces.
2. Figures are kept for each route that traces followed (0: none was known), for its destination and for each of its hops.
3. Of the destination: least and greatest round-trip time of all probes; 10 %, median and 90 % of the traces' medians. Of a hop: all
   five of its probes. Sent and lost are probes; a hop that a trace did not ask adds nothing.

Both `whole` and `figures` of `hours` (this one compressed with zlib, RFC 1950) are periods; `whole` has one with the hour 0. Hops come
after all the rest, since a series needs none. All numbers are varints as in `codec`, round-trip times in steps of 0.01 ms:

    periods       their number; then for each: hour of the day, number of groups, and each group's route, traces and figures of the
                  destination
    hops          for each group of each period again: first ttl, number of hops, and each hop's figures
    figures       sent; lost; if anything came back: least, and how much more 10 %, median, 90 % and greatest are than the one before
"""

import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pathwarden.model.trace import Hop
from pathwarden.store.blocks import DAY_NS, Head, decode
from pathwarden.store.codec import decode_trace, ticks
from pathwarden.store.compact import Bytes, put
from pathwarden.store.rows import Meanings, Row

HOUR_S = 3600
DAY_S = 86_400
_HOUR_NS = HOUR_S * 1_000_000_000


class Ticks(NamedTuple):
    """Figures; `rtts` are least, 10 %, median, 90 % and greatest, () if nothing came back."""

    sent: int
    lost: int
    rtts: tuple[int, ...]


class Group(NamedTuple):
    """What followed one route (a number, 0 for none); `hops` from `first_ttl` on, () where they were not asked for."""

    route: int
    traces: int
    destination: Ticks
    first_ttl: int = 1
    hops: tuple[Ticks, ...] = ()


Periods = Mapping[int, Sequence[Group]]  # by hour of the day


# Bytes


def encode(periods: Periods) -> bytes:
    """The figures of some periods."""
    out = bytearray()
    put(out, len(periods))
    for hour, groups in periods.items():
        put(out, hour)
        put(out, len(groups))
        for group in groups:
            put(out, group.route)
            put(out, group.traces)
            _put(out, group.destination)
    for group in (group for groups in periods.values() for group in groups):
        put(out, group.first_ttl)
        put(out, len(group.hops))
        for hop in group.hops:
            _put(out, hop)
    return bytes(out)


def decode_periods(data: bytes, *, with_hops: bool) -> Periods:
    """The opposite of `encode`; without hops the groups have none."""
    source = Bytes(data)
    periods = {
        source.number(): [Group(source.number(), source.number(), _take(source)) for _ in range(source.number())]
        for _ in range(source.number())
    }
    if with_hops:
        for groups in periods.values():
            groups[:] = [group._replace(first_ttl=source.number(), hops=_take_hops(source)) for group in groups]
    return periods


def decode_day(whole: bytes, hours: bytes | None, *, with_hops: bool) -> Iterator[tuple[int, int, Group]]:
    """The finest figures of a day: start in seconds of the day, seconds, and group."""
    periods = decode_periods(whole if hours is None else zlib.decompress(hours), with_hops=with_hops)
    width_s = DAY_S if hours is None else HOUR_S
    return ((hour * HOUR_S, width_s, group) for hour, groups in periods.items() for group in groups)


def _take_hops(source: Bytes) -> tuple[Ticks, ...]:
    return tuple(_take(source) for _ in range(source.number()))


def _put(out: bytearray, figures: Ticks) -> None:
    put(out, figures.sent)
    put(out, figures.lost)
    before = 0
    for rtt in figures.rtts:
        put(out, rtt - before)
        before = rtt


def _take(source: Bytes) -> Ticks:
    sent, lost = source.number(), source.number()
    rtts, rtt = [], 0
    for _ in range(5 if sent > lost else 0):
        rtt += source.number()
        rtts.append(rtt)
    return Ticks(sent, lost, tuple(rtts))


# From traces to figures


_BLOCKS = """
    SELECT id, at_from, heads, details, traces FROM blocks
    WHERE target = ? AND at_to >= ? AND at_from < ? AND day = ? AND last_id <= ? ORDER BY id
"""


def roll(db: sqlite3.Connection, target: int, day: int, most: int, last: int = 2**63 - 1) -> int:
    """Replace a target's oldest blocks of a day by figures; how many traces went. To be called in a transaction.

    `most` is about how many traces go, `last` the last number that may be among them.
    """
    found = db.execute(_BLOCKS, (target, day * DAY_NS, (day + 1) * DAY_NS, day, last)).fetchall()
    taken: list[Row] = []
    traces = 0
    for block in found:
        if taken and traces + block[-1] > most:
            break
        taken.append(block)
        traces += block[-1]
    meanings = Meanings(db)
    rows = [row for number, at_from, heads, details, _ in taken for row in decode(number, at_from, heads, details)]
    seen = [(row, _hops(meanings, row)) for row in rows]
    hours = {}
    for hour in sorted({row.at % DAY_NS // _HOUR_NS for row in rows}):
        hours[hour] = _groups(each for each in seen if each[0].at % DAY_NS // _HOUR_NS == hour)
    db.executemany("DELETE FROM blocks WHERE id = ?", [(block[0],) for block in taken])
    values = (target, day, traces, encode({0: _groups(seen)}))
    number = db.execute("INSERT INTO days (target, day, traces, whole) VALUES (?, ?, ?, ?)", values).lastrowid
    db.execute("INSERT INTO hours VALUES (?, ?)", (number, zlib.compress(encode(hours), 9)))
    return traces


def _hops(meanings: Meanings, row: Head) -> tuple[Hop, ...]:
    told = meanings.content(row)
    return decode_trace(told.form, row.detail, told.path).hops


def _groups(seen: Iterable[tuple[Head, tuple[Hop, ...]]]) -> list[Group]:
    by_route = defaultdict(list)
    for row, hops in seen:
        by_route[row.route or 0].append((row, hops))
    return [_group(route, followed) for route, followed in sorted(by_route.items())]


def _group(route: int, followed: list[tuple[Head, tuple[Hop, ...]]]) -> Group:
    rows = [row for row, _ in followed]
    sent: dict[int, int] = defaultdict(int)
    rtts: dict[int, list[int]] = defaultdict(list)
    for _, hops in followed:
        for hop in hops:
            sent[hop.ttl] += len(hop.answers)
            rtts[hop.ttl] += map(ticks, hop.rtts_ns)
    asked = range(min(sent, default=1), max(sent, default=0) + 1)
    figures = tuple(_figures(sent.get(ttl, 0), rtts.get(ttl, [])) for ttl in asked)
    return Group(route, len(rows), _destination(rows), asked.start, figures)


def _destination(rows: list[Head]) -> Ticks:
    sent, lost = sum(row.sent for row in rows), sum(row.lost for row in rows)
    medians = sorted(row.rtt_median for row in rows if row.rtt_median is not None)
    if not medians:
        return Ticks(sent, sent, ())
    least = min(row.rtt_min for row in rows if row.rtt_min is not None)
    greatest = max(row.rtt_max for row in rows if row.rtt_max is not None)
    return Ticks(sent, lost, (least, *_middle(medians), greatest))


def _figures(sent: int, rtts: list[int]) -> Ticks:
    if not rtts:
        return Ticks(sent, sent, ())
    rtts.sort()
    return Ticks(sent, sent - len(rtts), (rtts[0], *_middle(rtts), rtts[-1]))


def _middle(values: list[int]) -> tuple[int, int, int]:
    """10 %, median and 90 % of sorted values: the nearest ones, and for the median the mean of the middle two."""
    last = len(values) - 1
    return values[round(last * 0.1)], (values[last // 2] + values[(last + 1) // 2]) // 2, values[round(last * 0.9)]
