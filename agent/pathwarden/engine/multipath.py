"""The search for all paths to a target as a state machine: replies and the clock in, probes out.

Rules:
1. What to ask is `multipath_search`'s matter. What it wants at one time leaves in random order, over all hops: no router gets a burst.
2. At most `window` probes are on their way, and `per_flow` of one flow (a transport may not tell more apart).
3. The target is reached when it answers itself with anything but Time Exceeded; any other unreachable ends its flow there. An
   unreachable from our own address is silence, as in a trace (see `session`).
4. A probe is silent after min(wait, max(0.8 s, 3 x the largest RTT so far + 0.2 s)).
5. At `max_probes` nothing more is sent, and the result says that it is not complete.
"""

from collections import Counter, deque
from dataclasses import dataclass

from pathwarden.engine.correlator import Correlator, Slot
from pathwarden.engine.flows import nth
from pathwarden.engine.multipath_graph import graph
from pathwarden.engine.multipath_search import Search, Want
from pathwarden.engine.spec import SHORTEST_WAIT_NS, WAIT_MARGIN_NS, Shuffler
from pathwarden.model.multipath import Limit, Multipath
from pathwarden.model.probe import Flow, Reply
from pathwarden.model.trace import Ending

MAX_PROBES = 3000  # as scamper's tracelb: three times what a path with two diamonds of 16 needs
MAX_FLOWS = 1024  # enough for more than 60 next hops at 99 %


@dataclass(frozen=True, slots=True)
class MultipathSpec:
    """What to search. `failure` (0..1, neither end; 0.05 is "at 95 %") is the accepted probability that the graph lacks something.

    `wait_ns` is the longest wait for a reply, `gap_limit` 0 means none, `per_flow` how many probes of one flow may be on their way
    (`Transport.window`), `max_flows` 2..4096.
    """

    flow: Flow
    first_ttl: int
    max_ttl: int
    wait_ns: int
    gap_limit: int
    window: int
    per_flow: int
    failure: float = 0.05
    max_probes: int = MAX_PROBES
    max_flows: int = MAX_FLOWS


class MultipathSession:
    """Searches all paths of one target. Feed it with `poll` and `on_reply` until `done`, then read `outcome()`."""

    def __init__(self, spec: MultipathSpec, correlator: Correlator, shuffler: Shuffler) -> None:
        self.spec = spec
        self.done = False
        self.late = 0
        self.duplicates = 0
        self.probes = 0
        self.correlator = correlator
        self._shuffler = shuffler
        self._search = Search(spec.failure, spec.first_ttl, spec.max_ttl, spec.gap_limit, spec.max_flows)
        self._flows: dict[int, Flow] = {}
        self._queue: deque[Want] = deque()
        self._in_flight: deque[Slot] = deque()
        self._open: Counter[int] = Counter()  # flow -> probes on their way
        self._news = True
        self._longest_rtt_ns = 0
        self._capped = False
        self._error = ""

    def poll(self, mono_ns: int, budget: int) -> list[Slot]:
        """Probes to send now, at most `budget`; expired ones become silent first. Fewer than `budget` means: nothing more for now."""
        self._expire(mono_ns)
        slots: list[Slot] = []
        budget = min(budget, self.spec.window - self._open.total())
        self._refill()
        while len(slots) < budget and (want := self._next()):
            slot = self._issue(want, mono_ns)
            if slot is None:
                break
            slots.append(slot)
            self._refill()
        return slots

    def unsent(self, slot: Slot) -> None:
        """Take back a probe that the kernel's full queue refused; it will be asked for again."""
        self.correlator.withdraw(slot)
        self._in_flight.remove(slot)
        self.probes -= 1
        ttl, flow = slot.probe.ttl, slot.probe.query
        self._open[flow] -= 1
        self._queue.appendleft((ttl, flow))

    def fail(self, reason: str) -> None:
        """End the search: no probe can leave, for this reason (the code of a `ProbeError`)."""
        self._error = reason
        self.done = True
        for slot in self._in_flight:
            self.correlator.withdraw(slot)

    def on_reply(self, slot: Slot, reply: Reply) -> None:
        """Book the first reply to a probe."""
        probe = slot.probe
        if reply.responder == probe.flow.src != probe.flow.dst:
            self._silent(slot)
            return
        rtt_ns = max(reply.at_ns - slot.sent_ns, 0)
        self._longest_rtt_ns = max(self._longest_rtt_ns, rtt_ns)
        kind = (reply.kind, reply.icmp_type, reply.icmp_code)
        self._search.note_answer(probe.ttl, probe.query, reply.responder, rtt_ns, kind)
        self._landed(slot)

    def next_wakeup(self) -> int | None:
        """When the next probe times out; None if none is in flight."""
        in_flight = self._in_flight
        while in_flight and in_flight[0].answered:
            in_flight.popleft()
        if not in_flight:
            return None
        return (in_flight[0].sent_ns or in_flight[0].issued_ns) + self._wait_ns()

    def outcome(self) -> Multipath:
        """What was found so far; final once `done`."""
        search, spec = self._search, self.spec
        found = graph(search, spec.flow.dst)
        limits = found.limits | ({Limit.PROBES} if self._capped else set())
        return Multipath(
            flow=spec.flow,
            ending=self._ending(bool(found.reached_ttls)),
            error=self._error,
            reached_ttls=found.reached_ttls,
            vertices=found.vertices,
            edges=found.edges,
            hops=found.hops,
            diamonds=found.diamonds,
            complete=self.done and not limits and not self._error,
            limits=tuple(limit for limit in Limit if limit in limits),
            failure_probability=spec.failure,
            per_decision=search.single,
            flow_count=len(self._flows),
            probes=self.probes,
            late=self.late,
            duplicates=self.duplicates,
        )

    def _ending(self, reached: bool) -> Ending:
        search = self._search
        if reached:
            return Ending.REACHED
        if self._error:
            return Ending.ERROR
        if search.ended:
            return Ending.UNREACHABLE
        return Ending.MAX_TTL if search.last_ttl >= self.spec.max_ttl else Ending.GAP

    def _next(self) -> Want | None:
        """The first in line whose flow may have one more probe on its way."""
        for place, want in enumerate(self._queue):
            if self._open[want[1]] < self.spec.per_flow:
                del self._queue[place]
                return want
        return None

    def _issue(self, want: Want, mono_ns: int) -> Slot | None:
        ttl, number = want
        flow = self._flows.get(number) or self._flows.setdefault(number, nth(self.spec.flow, number))
        slot = self.correlator.issue(self, flow, ttl, number, mono_ns)
        if slot is None:
            self._queue.appendleft(want)
            return None
        self._in_flight.append(slot)
        self._open[number] += 1
        self.probes += 1
        return slot

    def _refill(self) -> None:
        """Ask the search for more once the line is empty and something new is known."""
        if self.probes >= self.spec.max_probes and (self._queue or self._news):
            self._capped = self._capped or bool(self._queue or self._search.wants())
            self._queue.clear()
        elif not self._queue and self._news:
            wants = self._search.wants()
            order = list(range(len(wants)))
            self._shuffler.shuffle(order)
            self._queue.extend(wants[place] for place in order)
            for want in wants:
                self._search.note_asked(*want)
            self._news = False
        if not self._queue and not self._open.total():
            self.done = True

    def _landed(self, slot: Slot) -> None:
        self._open[slot.probe.query] -= 1
        self._news = self._news or not self._search.hops[slot.probe.ttl].pending

    def _silent(self, slot: Slot) -> None:
        self._search.note_silence(slot.probe.ttl)
        self._landed(slot)

    def _wait_ns(self) -> int:
        return min(self.spec.wait_ns, max(SHORTEST_WAIT_NS, 3 * self._longest_rtt_ns + WAIT_MARGIN_NS))

    def _expire(self, mono_ns: int) -> None:
        in_flight = self._in_flight
        while in_flight:
            slot = in_flight[0]
            if not slot.answered:
                if (slot.sent_ns or slot.issued_ns) + self._wait_ns() > mono_ns:
                    return
                slot.timed_out = True
                self._silent(slot)
            in_flight.popleft()
