"""The one loop that drives trace sessions over a transport, under one pace.

Rules:
1. A session has news when it is new, got a reply, or a time-out of its own is due. It is asked at once then, whatever the pace,
   since it may have come to its end; afterwards it waits in line.
2. As far as the pace allows, the sessions in line take turns, so that traces run side by side; urgent ones go before all others.
   One that wants no more leaves the line until it has news. So the work for a probe does not grow with the number of traces.
3. A probe that the kernel's full queue refused goes back to its session, and nothing is sent for a moment; a probe that cannot leave
   at all ends its trace.
4. A patient session has time: while no other awaits replies, its own lie in the sockets until something else wakes us, for
   `LONGEST_PAUSE_NS` at most, and so do its time-outs. Replies are read before time-outs are looked at, so none is missed by that.
"""

import heapq
from collections import deque
from collections.abc import Callable
from typing import cast

from pathwarden.engine.correlator import Correlator, Session, Slot
from pathwarden.engine.pacing import Pace
from pathwarden.errors import ProbeError
from pathwarden.model.probe import Binding
from pathwarden.model.protocols import Clock, Transport

TURN = 16  # probes a session may send before the next one's turn: a whole window, since each turn costs as much as several probes
FULL_QUEUE_NS = 10_000_000  # a full queue drains in milliseconds; a stalled link must not make us spin
LONGEST_PAUSE_NS = 2_000_000_000  # what comes meanwhile bears the kernel's receive stamp, which is believed for longer (see `net.ears`)
LONGEST_WAIT_NS = 3_600_000_000_000


class _Entry:
    """A session with its binding and its line; `wake_ns` is the soonest time it is filed under (0: none)."""

    __slots__ = ("binding", "finished", "has_news", "in_line", "line", "patient", "session", "wake_ns")

    def __init__(
        self, session: Session, binding: Binding, finished: Callable[[Session], None], line: "deque[_Entry]", patient: bool
    ) -> None:
        self.session = session
        self.binding = binding
        self.finished = finished
        self.line = line
        self.patient = patient
        self.in_line = False
        self.has_news = False
        self.wake_ns = 0


class Driver:
    """Runs any number of sessions over one transport. Not thread-safe: the prober's thread alone calls it."""

    def __init__(self, transport: Transport, clock: Clock, correlator: Correlator, pace: Pace) -> None:
        self.correlator = correlator
        self._transport = transport
        self._clock = clock
        self._pace = pace
        self._entries: dict[Session, _Entry] = {}
        self._patient: dict[Session, _Entry] = {}  # those of them that are
        self._news: list[_Entry] = []
        self._urgent: deque[_Entry] = deque()
        self._usual: deque[_Entry] = deque()
        self._wakeups: list[tuple[int, int, _Entry]] = []
        self._filed = 0
        self._blocked_ns = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(
        self, session: Session, binding: Binding, finished: Callable[[Session], None], *, urgent: bool = False, patient: bool = False
    ) -> None:
        """Take a session in; `finished` is called once, when it is done. A patient one may hear of its replies late."""
        entry = _Entry(session, binding, finished, self._urgent if urgent else self._usual, patient)
        self._entries[session] = entry
        if patient:
            self._patient[session] = entry
        self._note(entry)

    def step(self, longest_wait_ns: int = LONGEST_WAIT_NS) -> None:
        """Send what may leave now, wait for replies at most this long (less if a time-out or the pace comes first), and book them."""
        now_ns = self._clock.mono_ns()
        running = len(self._entries)
        self._hear_news(now_ns)
        if now_ns >= self._blocked_ns:
            self._take_turns(now_ns)
        if len(self._entries) < running:
            longest_wait_ns = 0  # who waits for that session may have something to do at once
        wait_ns = self._wait_ns(longest_wait_ns)
        if wait_ns > 0 and (self._usual or self._urgent or 0 < len(self._entries) == len(self._patient)):
            # Nothing that comes now would let a probe leave sooner; each waking up costs as much as some probes.
            self._transport.pause(min(wait_ns, LONGEST_PAUSE_NS))
            wait_ns = 0
        for reply in self._transport.receive(wait_ns):
            owner = self.correlator.dispatch(reply)
            if owner is not None:
                entry = self._entries.get(cast("Session", owner))
                if entry is not None:
                    self._note(entry)
        now_ns = self._clock.mono_ns()
        self._wake_due(now_ns)
        self._hear_news(now_ns)  # at once: what follows from it leaves with what is due next

    def _note(self, entry: _Entry) -> None:
        if not entry.has_news:
            entry.has_news = True
            self._news.append(entry)

    def _wake_due(self, now_ns: int) -> None:
        wakeups = self._wakeups
        while wakeups and wakeups[0][0] <= now_ns:
            wake_ns, _, entry = heapq.heappop(wakeups)
            if wake_ns != entry.wake_ns:
                continue  # it was filed anew, under a sooner time
            entry.wake_ns = 0
            if not entry.session.done:
                self._note(entry)
        for entry in self._patient.values():
            wake_at_ns = entry.session.next_wakeup()
            if wake_at_ns is not None and wake_at_ns <= now_ns:
                self._note(entry)

    def _hear_news(self, now_ns: int) -> None:
        news, self._news = self._news, []
        for entry in news:
            entry.has_news = False
            entry.session.poll(now_ns, 0)
            if entry.session.done:
                self._finish(entry)
                continue
            if not entry.in_line:
                entry.in_line = True
                entry.line.append(entry)
            self._file(entry)

    def _take_turns(self, now_ns: int) -> None:
        left = self._pace.available(now_ns)
        for line in (self._urgent, self._usual):
            for _ in range(len(line)):
                if left <= 0:
                    return
                sent = self._take_turn(line[0], now_ns, min(left, TURN))
                if sent is None:
                    self._blocked_ns = now_ns + FULL_QUEUE_NS
                    return
                left -= sent

    def _take_turn(self, entry: _Entry, now_ns: int, budget: int) -> int | None:
        """Let the first in its line send what it may; how much that was, None when the kernel's queue is full, and then it stays first."""
        slots = entry.session.poll(now_ns, budget)
        if slots and not self._send_all(entry, slots):
            return None
        if entry.session.done:
            self._finish(entry)
            return len(slots)
        entry.line.popleft()
        entry.in_line = len(slots) == budget
        if entry.in_line:
            entry.line.append(entry)
        self._file(entry)
        return len(slots)

    def _send_all(self, entry: _Entry, slots: list[Slot]) -> bool:
        """Send these probes; False when the kernel's queue is full."""
        send, sent, binding = self._transport.send, self.correlator.sent, entry.binding
        left = last_ns = 0
        try:
            for slot in slots:
                sent_ns = send(slot.probe, binding)
                if not sent_ns:
                    break
                sent(slot, sent_ns)
                left, last_ns = left + 1, sent_ns
        except ProbeError as error:
            entry.session.fail(error.code)
            return True
        finally:
            if left:
                self._pace.take(left, last_ns)
        for refused in reversed(slots[left:]):
            entry.session.unsent(refused)
        return left == len(slots)

    def _file(self, entry: _Entry) -> None:
        wake_ns = None if entry.patient else entry.session.next_wakeup()
        if wake_ns is not None and (not entry.wake_ns or wake_ns < entry.wake_ns):
            entry.wake_ns = wake_ns
            self._filed += 1
            heapq.heappush(self._wakeups, (wake_ns, self._filed, entry))

    def _finish(self, entry: _Entry) -> None:
        del self._entries[entry.session]
        self._patient.pop(entry.session, None)
        entry.wake_ns = 0
        if entry.in_line:
            entry.line.remove(entry)
        entry.finished(entry.session)

    def _wait_ns(self, longest_wait_ns: int) -> int:
        wait_ns = longest_wait_ns
        now_ns = self._clock.mono_ns()
        if self._usual or self._urgent:
            wait_ns = min(wait_ns, max(self._pace.next_ns() - now_ns, self._blocked_ns - now_ns, 0))
        wakeups = self._wakeups
        while wakeups and wakeups[0][0] != wakeups[0][2].wake_ns:
            heapq.heappop(wakeups)  # who has ended, or was filed anew, need not be woken for
        if wakeups:
            wait_ns = min(wait_ns, max(wakeups[0][0] - now_ns, 0))
        return wait_ns
