"""A check: a few probes to chosen hops, and what each of them got.

Rules:
1. Every ask is sent once, in order, at most `window` at a time, and waits `wait_ns`. A check never asks again: who wants that makes another
   check.
2. What a reply tells is booked as in a trace (see `session`); an unreachable from our own address is silence.
3. An administrative prohibition is reported like any answer: it is for the asker to heed.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pathwarden.engine.correlator import Correlator, Slot
from pathwarden.engine.marks import marks_of
from pathwarden.model.probe import Flow, Reply
from pathwarden.model.trace import Answer


class Ask(NamedTuple):
    """One probe to send."""

    flow: Flow
    ttl: int


class Check:
    """A session (see `engine.correlator.Session`). When `done`, `answers` holds one answer per ask, in their order."""

    __slots__ = ("_asks", "_in_flight", "_next", "_wait_ns", "_window", "answers", "correlator", "done", "duplicates", "error", "late")

    def __init__(self, asks: Sequence[Ask], correlator: Correlator, wait_ns: int, window: int = 1000) -> None:
        self.correlator = correlator
        self.done = False
        self.error = ""
        self.late = 0
        self.duplicates = 0
        self.answers = [Answer(number) for number in range(len(asks))]
        self._asks = asks
        self._next = 0
        self._wait_ns = wait_ns
        self._window = window
        self._in_flight: list[Slot] = []

    def poll(self, mono_ns: int, budget: int) -> list[Slot]:
        """Probes to send now, at most `budget`; expired ones become silent first."""
        in_flight = self._in_flight
        while in_flight and (in_flight[0].answered or in_flight[0].left_ns + self._wait_ns <= mono_ns):
            slot = in_flight.pop(0)
            slot.timed_out = not slot.answered
        slots: list[Slot] = []
        most = min(budget, self._window - sum(not slot.answered for slot in in_flight))
        while len(slots) < most and self._next < len(self._asks):
            flow, ttl = self._asks[self._next]
            slot_or_none = self.correlator.issue(self, flow, ttl, self._next, mono_ns)
            if slot_or_none is None:
                break
            self._next += 1
            slots.append(slot_or_none)
        in_flight.extend(slots)
        self.done = self._next == len(self._asks) and all(slot.answered for slot in in_flight)
        return slots

    def unsent(self, slot: Slot) -> None:
        """Take back a probe that the kernel's full queue refused; it and those after it are asked again."""
        self.correlator.withdraw(slot)
        self._in_flight.remove(slot)
        self._next = min(self._next, slot.probe.query)
        self.done = False

    def fail(self, reason: str) -> None:
        """End: no probe can leave, for this reason."""
        self.error = reason
        self.done = True
        for slot in self._in_flight:
            self.correlator.withdraw(slot)

    def on_reply(self, slot: Slot, reply: Reply) -> None:
        """Book the first reply to a probe."""
        probe = slot.probe
        flow, number = probe.flow, probe.query
        if reply.responder == flow.src != flow.dst:
            return
        rtt_ns = max(reply.at_ns - slot.sent_ns, 0)
        self.answers[number] = Answer(
            number, reply.responder, rtt_ns, reply.kind, reply.icmp_type, reply.icmp_code, reply.ttl, reply.quoted_ttl,
            marks_of(probe, reply),
        )  # fmt: skip

    def next_wakeup(self) -> int | None:
        """When the next probe times out; None if none is in flight."""
        waiting = [slot.left_ns for slot in self._in_flight if not slot.answered]
        return min(waiting) + self._wait_ns if waiting else None
