"""When each target is traced next.

Rules:
1. A target's traces keep their own phase: the next is due one interval after the last was due, give or take its jitter, never sooner
   than a second after the last one ended.
2. The first traces are spread over the first seconds, so that a start is no burst.
3. What a person asked for goes first, then re-traces that settle a suspicion, then the schedule; only the schedule waits until
   there is room.
4. A target is never traced twice at once.
5. What is due within `TOGETHER_NS` begins with what is due now.
6. A trace that cannot begin yet is put off; nothing of the target is due before.
7. A paused target is traced only when a person asks for it. When it is resumed, what has become due meanwhile is due at once.
"""

from dataclasses import dataclass
from random import Random

from pathwarden.model.settings import Target
from pathwarden.model.trace import Reason

START_SPREAD_NS = 4_000_000_000  # a first result should be seen within ten seconds
TOGETHER_NS = 50_000_000  # traces that begin together share each waking up, which costs more CPU than some probes (see `engine.pacing`)
LEAST_PAUSE_NS = 1_000_000_000
NEVER_NS = 2**63
PRIORITY = {Reason.COMMAND: 0, Reason.CONFIRM: 1, Reason.WATCH: 1, Reason.SCHEDULE: 2}


@dataclass(slots=True)
class _Slot:
    target: Target
    due_ns: int
    again_ns: int | None = None
    again_reason: Reason = Reason.CONFIRM
    asked: bool = False
    running: bool = False
    put_off_ns: int = 0
    paused: bool = False

    def when(self) -> tuple[int, Reason]:
        if self.asked:
            return self.put_off_ns, Reason.COMMAND
        if self.paused:
            return NEVER_NS, Reason.SCHEDULE
        if self.again_ns is not None and self.again_ns < self.due_ns:
            return max(self.again_ns, self.put_off_ns), self.again_reason
        return max(self.due_ns, self.put_off_ns), Reason.SCHEDULE


class Schedule:
    """Due times on the monotonic clock. Not thread-safe: the prober's thread alone calls it."""

    def __init__(self, targets: tuple[Target, ...], random: Random, mono_ns: int) -> None:
        self._random = random
        enabled = [target for target in targets if target.enabled]
        step_ns = START_SPREAD_NS // max(len(enabled), 1)
        self._slots = {t.tid: _Slot(t, mono_ns + min(n * step_ns, t.interval_s * 10**9)) for n, t in enumerate(enabled)}
        # When those are due that do not run, and the soonest of all (None: to be found anew): the prober asks at every turn.
        self._scheduled: dict[str, int] = {}
        self._urgent: dict[str, tuple[int, Reason]] = {}
        self._next_ns: int | None = None
        for tid in self._slots:
            self._file(tid)

    def due(self, mono_ns: int, most: int) -> list[tuple[Target, Reason]]:
        """The targets to trace now: all urgent ones, and of the schedule at most so many. They count as running until `finished`."""
        next_ns = self.next_ns()
        if next_ns is None or next_ns > mono_ns:
            return []
        urgent = sorted((PRIORITY[reason], when_ns, tid, reason) for tid, (when_ns, reason) in self._urgent.items() if when_ns <= mono_ns)
        chosen = [(tid, reason) for _, _, tid, reason in urgent]
        room = most - len(chosen)
        if room > 0:
            usual = sorted((when_ns, tid) for tid, when_ns in self._scheduled.items() if when_ns <= mono_ns + TOGETHER_NS)
            chosen += [(tid, Reason.SCHEDULE) for _, tid in usual[:room]]
        for tid, _ in chosen:
            self._slots[tid].running = True
            self._file(tid)
        return [(self._slots[tid].target, reason) for tid, reason in chosen]

    def finished(self, tid: str, reason: Reason, mono_ns: int, again_after_ns: int | None) -> None:
        """A trace ended; `again_after_ns` asks for a re-trace after this pause."""
        slot = self._slots[tid]
        slot.running = False
        slot.again_ns = None if again_after_ns is None else mono_ns + again_after_ns
        slot.again_reason = Reason.CONFIRM
        if reason is Reason.COMMAND:
            slot.asked = False
        if reason is Reason.SCHEDULE:
            interval_ns = slot.target.interval_s * 10**9
            jitter_ns = round(interval_ns * slot.target.jitter_pct / 100 * self._random.uniform(-1, 1))
            missed = max((mono_ns - slot.due_ns) // interval_ns, 0)
            slot.due_ns = max(slot.due_ns + (missed + 1) * interval_ns + jitter_ns, mono_ns + LEAST_PAUSE_NS)
        self._file(tid)

    def put_off(self, tid: str, until_ns: int) -> None:
        """A trace handed out by `due` could not begin; hand it out again then."""
        slot = self._slots[tid]
        slot.running = False
        slot.put_off_ns = until_ns
        self._file(tid)

    def again(self, tid: str, mono_ns: int, reason: Reason) -> None:
        """Trace a target once more at this instant, unless it is traced just now; it stays in its phase."""
        slot = self._slots[tid]
        if not slot.running:
            slot.again_ns, slot.again_reason = mono_ns, reason
            self._file(tid)

    def ask(self, tid: str) -> bool:
        """Trace a target as soon as possible; False if there is no such target, or it is disabled. A trace that runs already counts."""
        slot = self._slots.get(tid)
        if slot is None:
            return False
        slot.asked = slot.asked or not slot.running
        self._file(tid)
        return True

    def pause(self, tid: str, *, paused: bool) -> None:
        """Trace a target no more but on demand, or again."""
        self._slots[tid].paused = paused
        self._file(tid)

    def is_paused(self, tid: str) -> bool:
        """Whether a target is paused."""
        return self._slots[tid].paused

    def next_ns(self) -> int | None:
        """When something is due next; None if everything runs already or nothing is scheduled."""
        if self._next_ns is None:
            urgent_ns = min((when_ns for when_ns, _ in self._urgent.values()), default=NEVER_NS)
            self._next_ns = min(urgent_ns, min(self._scheduled.values(), default=NEVER_NS))
        return None if self._next_ns == NEVER_NS else self._next_ns

    def _file(self, tid: str) -> None:
        """Note when a target is due, after anything about it has changed."""
        self._next_ns = None
        self._scheduled.pop(tid, None)
        self._urgent.pop(tid, None)
        slot = self._slots[tid]
        if slot.running:
            return
        when_ns, reason = slot.when()
        if reason is Reason.SCHEDULE:
            self._scheduled[tid] = when_ns
        else:
            self._urgent[tid] = (when_ns, reason)

    def next_run_ns(self, tid: str) -> int | None:
        """When a target's next scheduled trace is due; None if it is not scheduled, or paused."""
        slot = self._slots.get(tid)
        return slot.due_ns if slot and not slot.paused else None
