"""What the metrics tell beyond the states: counted since the start, as traces end and events are told.

The board owns one and guards it. Everything is computed from what the board is told anyway; nothing grows but the counts.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from pathwarden.model.history import StoredEvent
from pathwarden.model.trace import Reason, Trace
from pathwarden.present.metrics import BOUNDS_NS, CHANGES, Figures, OfTarget, hops_of


class _Row:
    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_NS) + 1)
        self.sum_ns = 0
        self.changes = dict.fromkeys(CHANGES, 0)
        self.due_ns: int | None = None
        self.lag_ns = 0


class Tally:
    """The counts of all targets, and of the rounds."""

    def __init__(self, tids: Iterable[str], *, hops: bool) -> None:
        self._rows = {tid: _Row() for tid in tids}
        self._hops = hops
        self._began_ns: int | None = None
        self._ended_ns = 0
        self._round: tuple[int, int] | None = None  # when the last whole one began and ended

    def traced(self, tid: str, trace: Trace, next_run_ns: int | None) -> None:
        """A trace ended; the next scheduled one is due at this monotonic instant."""
        row = self._rows[tid]
        for rtt_ns in trace.destination_rtts_ns:
            row.buckets[bisect_left(BOUNDS_NS, rtt_ns)] += 1
            row.sum_ns += rtt_ns
        if trace.reason is Reason.SCHEDULE and row.due_ns is not None:
            row.lag_ns = max(trace.mono_ns - row.due_ns, 0)
        row.due_ns = next_run_ns
        self._began_ns = trace.mono_ns if self._began_ns is None else min(self._began_ns, trace.mono_ns)
        self._ended_ns = max(self._ended_ns, trace.mono_ns + trace.duration_ns)

    def paused(self, tid: str) -> None:
        """What is due meanwhile waits for the owner, which is no lag."""
        self._rows[tid].due_ns = None

    def round_over(self) -> None:
        """Each target was traced once."""
        if self._began_ns is not None:
            self._round = self._began_ns, self._ended_ns
            self._began_ns = None

    def told(self, tid: str, event_type: str) -> None:
        """There is an event of a target."""
        changes = self._rows[tid].changes
        if event_type in changes:
            changes[event_type] += 1

    def figures(self, shift_ns: int, events: Mapping[str, Sequence[StoredEvent]], traces: Mapping[str, Trace | None]) -> Figures:
        """All of it; `shift_ns` leads from the monotonic clock to the wall clock, `events` and `traces` are each target's newest."""
        began_ns, ended_ns = self._round or (None, None)
        targets = {
            tid: OfTarget(
                tuple(row.buckets),
                row.sum_ns,
                dict(row.changes),
                next((event.at for event in reversed(events[tid]) if event.event_type in CHANGES), None),
                hops_of(traces[tid]) if self._hops else (),
            )
            for tid, row in self._rows.items()
        }
        return Figures(
            targets,
            None if began_ns is None or ended_ns is None else ended_ns - began_ns,
            None if ended_ns is None else ended_ns + shift_ns,
            max((row.lag_ns for row in self._rows.values()), default=0),
        )
