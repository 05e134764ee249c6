"""The least RTT of every hop in the last traces: what a latency shift is blamed by."""

from array import array
from collections.abc import Iterable

from pathwarden.model.instants import ClockShift
from pathwarden.model.trace import Trace

MOST = 16  # traces: before and after a shift that had to last for half an hour
STEP_MS = 0.05  # a shift that is told is a hundred times as much
_STEP_NS = STEP_MS * 1e6
_LARGEST = 65_535


class Minima:
    """Of one target's traces, the newest last; each takes two bytes a hop, in steps of `STEP_MS`."""

    __slots__ = ("_ats", "_rows")

    def __init__(self) -> None:
        self._ats = array("q")
        self._rows: tuple[bytes, ...] = ()

    def add(self, trace: Trace) -> None:
        """Take a trace; the oldest one beyond `MOST` is forgotten."""
        by_ttl = {hop.ttl: min(rtts_ns) for hop in trace.hops if (rtts_ns := hop.rtts_ns)}
        row = array("H", bytes(2 * max(by_ttl, default=0)))
        for ttl, rtt_ns in by_ttl.items():
            row[ttl - 1] = min(max(round(rtt_ns / _STEP_NS), 1), _LARGEST) if rtt_ns else 0
        self._ats.append(trace.at)
        del self._ats[:-MOST]
        self._rows = (*self._rows[1 - MOST :], row.tobytes())

    def around(self, at: int) -> tuple[dict[int, float], dict[int, float]]:
        """By ttl, the least RTT (ms) of the traces before an instant, and of those since."""
        before = [row for then, row in zip(self._ats, self._rows, strict=True) if then < at]
        return _least(before), _least(self._rows[len(before) :])

    def shift(self, shift: ClockShift) -> None:
        """The clock became right: correct every instant noted before."""
        self._ats = array("q", map(shift.of, self._ats))


def _least(rows: Iterable[bytes]) -> dict[int, float]:
    found: dict[int, float] = {}
    for row in rows:
        for ttl, steps in enumerate(memoryview(row).cast("H"), 1):
            if steps:
                rtt_ms = steps * STEP_MS
                found[ttl] = min(found.get(ttl, rtt_ms), rtt_ms)
    return found
