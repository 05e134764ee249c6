"""Whether a target is slower at the same hours every day: the mark of a link that is full when people are at home.

Rules:
1. Each hour keeps the median of its samples, as an excess over the least sample of their series: so the hours of different routes can be
   put side by side though their levels cannot. Seven days are kept. An hour without replies is unknown, not quiet.
2. An hour is busy if its excess is `BUSY_MS` above the lower quartile of all hours.
3. It is diurnal if busy hours were seen on `BUSY_DAYS` days, and of the hours 24 h after a busy one at least two thirds are busy, but of
   those 12 h after it at most one third. (A level that moved once makes the latter busy too.)

The lags stand for the hours of the day, so neither time zone nor a clock that was wrong by hours matters.
"""

from array import array
from collections.abc import Mapping
from typing import Self

from pathwarden.detect.rtt import median, whole
from pathwarden.model.instants import ClockShift

HOUR_NS = 3600 * 10**9
DAY = 24
KEPT = 7 * DAY
KNOWN = 5 * DAY  # of the kept hours; with fewer, a few evenings would make a habit
PER_HOUR = 30  # samples; the newest ones make a median good enough
BUSY_MS = 5.0  # as much as a latency shift takes
BUSY_DAYS = 4  # more days than not
AGAIN, OPPOSITE = 2 / 3, 1 / 3  # one day of three may be a holiday; a busy stretch may last 14 hours
UNKNOWN = 0xFFFF
UNIT_MS = 0.1  # two bytes an hour hold up to 6.5 s


class Hours:
    """The hourly medians of one target; below 1 kB."""

    __slots__ = ("_begin_at", "_excesses", "_hours", "_least_ms")

    def __init__(self) -> None:
        self._hours = array("H")  # finished hours in `UNIT_MS`, oldest first
        self._begin_at: int | None = None  # of the present hour
        self._excesses = array("f")  # its newest samples
        self._least_ms: float | None = None

    def part(self) -> None:
        """Another series begins: its least sample is its own."""
        self._least_ms = None

    def add(self, sample_ms: float, at: int) -> None:
        """Take a sample of the live series."""
        self._turn(at)
        self._least_ms = sample_ms if self._least_ms is None else min(self._least_ms, sample_ms)
        self._excesses.append(sample_ms - self._least_ms)
        del self._excesses[:-PER_HOUR]

    def diurnal(self) -> bool:
        """Rules 2 and 3."""
        hours = self._hours
        known = sorted(value for value in hours if value != UNKNOWN)
        if len(known) < KNOWN:
            return False
        bar = known[len(known) // 4] + BUSY_MS / UNIT_MS
        busy = [None if value == UNKNOWN else value >= bar for value in hours]
        days = sum(any(busy[begin : begin + DAY]) for begin in range(0, len(busy), DAY))
        return days >= BUSY_DAYS and _echo(busy, DAY) >= AGAIN and _echo(busy, DAY // 2) <= OPPOSITE

    def export(self) -> dict[str, object]:
        """The state, JSON-ready."""
        return {
            "hours": list(self._hours),
            "begin_at": self._begin_at,
            "excesses": list(self._excesses),
            "least_ms": self._least_ms,
        }

    @classmethod
    def restore(cls, values: Mapping[str, object]) -> Self:
        """The hours as they were exported; raises ValueError, TypeError or KeyError on anything else."""
        self = cls()
        hours, excesses, begin_at, least_ms = (values[name] for name in ("hours", "excesses", "begin_at", "least_ms"))
        if not isinstance(hours, list) or not isinstance(excesses, list) or not isinstance(least_ms, int | float | None):
            raise TypeError("lists of numbers are wanted")
        if len(hours) > KEPT or len(excesses) > PER_HOUR or not all(0 <= whole(hour) <= UNKNOWN for hour in hours):
            raise ValueError("no state of hours")
        self._hours.extend(hours)
        self._excesses.extend(excesses)
        self._begin_at = None if begin_at is None else whole(begin_at)
        self._least_ms = least_ms
        return self

    def shift(self, shift: ClockShift) -> None:
        """Correct the instants that a wrong wall clock noted."""
        if self._begin_at is not None:
            self._begin_at = shift.of(self._begin_at)

    def _turn(self, at: int) -> None:
        """Close the present hour when it is over; hours in between are unknown, and a clock that went back far begins anew."""
        if self._begin_at is None or at < self._begin_at - HOUR_NS:
            self._begin_at = at
        passed = (at - self._begin_at) // HOUR_NS
        if passed <= 0:
            return
        self._hours.append(min(round(median(sorted(self._excesses)) / UNIT_MS), UNKNOWN - 1) if self._excesses else UNKNOWN)
        self._hours.extend([UNKNOWN] * min(passed - 1, KEPT))
        del self._hours[:-KEPT], self._excesses[:]
        self._begin_at += passed * HOUR_NS


def _echo(busy: list[bool | None], lag: int) -> float:
    """Which share of the hours so long after a busy one is busy, too; 0 if none is known."""
    after = [later for now, later in zip(busy, busy[lag:], strict=False) if now and later is not None]
    return sum(after) / len(after) if after else 0.0
