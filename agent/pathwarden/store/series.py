"""A target's samples in equal buckets, from traces where they are kept and from the levels before."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from pathwarden.model.history import Figures, Level, Series
from pathwarden.store.blocks import DAY_NS
from pathwarden.store.levels import DAY_S, HOUR_S, Group, Ticks, decode_day
from pathwarden.store.past import Past
from pathwarden.store.rows import Row

_NS = 1_000_000_000
_TICKS_PER_MS = 100
_DAYS = """
    SELECT day, whole, figures FROM main.days LEFT JOIN main.hours ON hours.id = days.id
    WHERE target = ? AND day BETWEEN ? AND ? ORDER BY day, days.id
"""


class _Bucket:
    """What came together in one bucket."""

    def __init__(self) -> None:
        self.least: int | None = None
        self.greatest: int | None = None
        self.sent = 0
        self.lost = 0
        self.routes: Counter[str] = Counter()
        self._medians: list[tuple[int, int]] = []

    def add(self, rtts: tuple[int, int, int] | None, sent: int, lost: int, route_id: str | None, traces: int = 1) -> None:
        """Take a trace, or as many of one route together; `rtts` are the least, the median and the greatest."""
        if rtts is not None:
            least, median, greatest = rtts
            self.least = least if self.least is None else min(self.least, least)
            self.greatest = greatest if self.greatest is None else max(self.greatest, greatest)
            self._medians.append((median, traces))
        self.sent += sent
        self.lost += lost
        if route_id is not None:
            self.routes[route_id] += traces

    def median(self) -> float | None:
        """The median of the traces' medians; of traces that are kept together only by a level, each has the median of all."""
        if not self._medians:
            return None
        self._medians.sort()
        last = sum(weight for _, weight in self._medians) - 1
        return (self._at(last // 2) + self._at((last + 1) // 2)) / 2

    def route(self) -> str | None:
        """The route that most traces followed; of equally many always the same."""
        return max(self.routes, key=lambda route_id: (self.routes[route_id], route_id), default=None)

    def _at(self, place: int) -> int:
        for median, weight in self._medians:
            place -= weight
            if place < 0:
                return median
        raise AssertionError("beyond the last")


def series(past: Past, tid: str, at_from: int, at_to: int, points: int) -> Series:
    """See `Reader.series`."""
    days = days_of(past, tid, at_from, at_to)
    seconds = max(1, -(-(at_to - at_from) // (points * _NS)), finest_s(days))
    width = seconds * _NS
    buckets: defaultdict[int, _Bucket] = defaultdict(_Bucket)
    for at, route_id, least, median, greatest, sent, lost in past.samples(tid, at_from, at_to):
        rtts = None if least is None or median is None or greatest is None else (least, median, greatest)
        buckets[(at - at_from) // width].add(rtts, sent, lost, route_id)
    for day, whole, hours in days:
        for start_s, width_s, group in decode_day(whole, hours, with_hops=False):
            start = day * DAY_NS + start_s * _NS
            if at_from < start + width_s * _NS and start < at_to:
                _add_group(past, buckets[(max(start, at_from) - at_from) // width], group)
    empty = _Bucket()
    numbers = range(-(-(at_to - at_from) // width))
    rows = [buckets.get(number, empty) for number in numbers]
    return Series(
        at_s=[at_from // _NS + number * seconds for number in numbers],
        rtt_min_ms=[_ms(row.least) for row in rows],
        rtt_median_ms=[_ms(row.median()) for row in rows],
        rtt_max_ms=[_ms(row.greatest) for row in rows],
        sent=[row.sent for row in rows],
        lost=[row.lost for row in rows],
        routes=[row.route() for row in rows],
    )


def _add_group(past: Past, bucket: _Bucket, group: Group) -> None:
    figures = group.destination
    rtts = (figures.rtts[0], figures.rtts[2], figures.rtts[4]) if figures.rtts else None
    bucket.add(rtts, figures.sent, figures.lost, past.main.route_id(group.route) if group.route else None, group.traces)


def levels(past: Past, tid: str, at_from: int, at_to: int) -> list[Level]:
    """See `Reader.levels`."""
    found = [
        _level(past, day * DAY_S + start_s, width_s, group)
        for day, whole, hours in days_of(past, tid, at_from, at_to)
        for start_s, width_s, group in decode_day(whole, hours, with_hops=True)
    ]
    return [level for level in found if at_from < (level.at_s + level.width_s) * _NS and level.at_s * _NS < at_to]


def _level(past: Past, at_s: int, width_s: int, group: Group) -> Level:
    route_id = past.main.route_id(group.route) if group.route else None
    hops = {group.first_ttl + place: _figures(hop) for place, hop in enumerate(group.hops)}
    return Level(at_s, width_s, route_id, group.traces, _figures(group.destination), hops)


def _figures(ticks: Ticks) -> Figures:
    least, low, median, high, greatest = map(_ms, ticks.rtts or [None] * 5)
    return Figures(ticks.sent, ticks.lost, least, low, median, high, greatest)


def days_of(past: Past, tid: str, at_from: int, at_to: int) -> list[Row]:
    """A target's days that touch [at_from, at_to): number of the day, its figures, and those of its hours, None where they are gone."""
    known = past.target(tid)
    if known is None or at_from >= at_to:
        return []
    return past.db.execute(_DAYS, (known[0], at_from // DAY_NS, (at_to - 1) // DAY_NS)).fetchall()


def finest_s(days: Sequence[Row]) -> int:
    """No bucket may be shorter than the coarsest level in it, or it would look as if nothing had been measured."""
    if any(hours is None for _, _, hours in days):
        return DAY_S
    return HOUR_S if days else 1


def _ms(ticks: float | None) -> float | None:
    return None if ticks is None else ticks / _TICKS_PER_MS
