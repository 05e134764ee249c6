"""One trace as a state machine: replies and the clock in, probes out.

Rules:
1. Climb: the first query goes to ttl after ttl, never further than `gap_limit` beyond the last hop that answered, never past the
   destination. When the length is expected, its ttls go first, in random order: a router's rate limit then does not always hit
   the same hop.
2. Then each further query goes once over all ttls up to the end, again in random order. With `by_hop` all queries of a ttl go
   together, in order, as a reader of traceroute's lines expects.
3. The destination is reached when it answers itself with anything but Time Exceeded. An unreachable from a router on the way ends the
   trace there and is no arrival, and says nothing once the destination answered. Time Exceeded from the destination's own address is
   no arrival either.
4. After `gap_limit` silent hops in a row one last probe with the largest ttl asks the destination itself.
5. An unreachable from our own address means that the kernel got no answer from the next hop: that is silence, and no hop. (Only a
   reader of traceroute's lines, `by_hop`, expects to see it.)
6. A probe is silent after min(wait, max(0.8 s, 3 x the largest RTT so far + 0.2 s)); a reply after that is late and books nowhere.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pathwarden.engine.correlator import Correlator, Slot
from pathwarden.engine.marks import marks_of
from pathwarden.model.probe import Flow, Reply, ReplyKind
from pathwarden.model.trace import Answer, Ending, Hop

SHORTEST_WAIT_NS = 800_000_000  # a router's slow path alone may take half a second
WAIT_MARGIN_NS = 200_000_000


class Shuffler(Protocol):
    """A source of randomness: `random.Random` is one."""

    def shuffle(self, x: list[int], /) -> None:
        """Shuffle in place."""
        ...


@dataclass(frozen=True, slots=True)
class TraceSpec:
    """What to trace. `wait_ns` is the longest wait for a reply, `gap_limit` 0 means none, `expected_ttl` 0 means unknown."""

    flow: Flow
    first_ttl: int
    max_ttl: int
    queries: int
    wait_ns: int
    gap_limit: int
    window: int
    expected_ttl: int = 0
    by_hop: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a session found."""

    ending: Ending
    error: str
    reached_ttl: int | None
    hops: tuple[Hop, ...]
    probes: int
    late: int
    duplicates: int


class TraceSession:
    """Traces one flow. Feed it with `poll` and `on_reply` until `done`, then read `outcome()`."""

    def __init__(self, spec: TraceSpec, correlator: Correlator, shuffler: Shuffler) -> None:
        self.spec = spec
        self.done = False
        self.late = 0
        self.duplicates = 0
        self.probes = 0
        self.correlator = correlator
        self._shuffler = shuffler
        self._cells: dict[int, list[Answer | None]] = {}
        self._queue: deque[tuple[int, int]] = deque()
        self._in_flight: deque[Slot] = deque()
        self._open = 0
        self._next_ttl = spec.first_ttl
        self._next_query = spec.queries if spec.by_hop else 1
        self._top = spec.first_ttl - 1
        self._end: int | None = None
        self._reached: int | None = None
        self._longest_rtt_ns = 0
        self._asked_last = False
        self._error = ""
        if spec.expected_ttl >= spec.first_ttl and not spec.by_hop:
            self._enqueue_round(0, min(spec.expected_ttl, spec.max_ttl))

    def poll(self, mono_ns: int, budget: int) -> list[Slot]:
        """Probes to send now, at most `budget`; expired ones become silent first. Fewer than `budget` means: nothing more for now."""
        self._expire(mono_ns)
        if not self._queue:
            self._refill()
        slots: list[Slot] = []
        budget = min(budget, self.spec.window - self._open)
        while len(slots) < budget and self._queue:
            ttl, query = self._queue.popleft()
            slot = self.correlator.issue(self, self.spec.flow, ttl, query, mono_ns)
            if slot is None:
                self._queue.appendleft((ttl, query))
                break
            self._in_flight.append(slot)
            if ttl not in self._cells:
                self._cells[ttl] = [None] * self.spec.queries
            self._open += 1
            self.probes += 1
            slots.append(slot)
            if not self._queue:
                self._refill()
        return slots

    def unsent(self, slot: Slot) -> None:
        """Take back a probe that the kernel's full queue refused; it will be asked for again."""
        self.correlator.withdraw(slot)
        self._in_flight.remove(slot)
        self._open -= 1
        self.probes -= 1
        self._queue.appendleft((slot.probe.ttl, slot.probe.query))

    def fail(self, reason: str) -> None:
        """End the trace: no probe can leave, for this reason (the code of a `ProbeError`)."""
        self._error = reason
        self.done = True
        for slot in self._in_flight:
            self.correlator.withdraw(slot)

    def on_reply(self, slot: Slot, reply: Reply) -> None:
        """Book the first reply to a probe."""
        self._open -= 1
        probe = slot.probe
        if reply.responder == probe.flow.src != probe.flow.dst and not self.spec.by_hop:
            self._cells[probe.ttl][probe.query] = Answer(probe.query)
            return
        rtt_ns = max(reply.at_ns - slot.sent_ns, 0)
        self._longest_rtt_ns = max(self._longest_rtt_ns, rtt_ns)
        self._cells[probe.ttl][probe.query] = Answer(
            probe.query,
            reply.responder,
            rtt_ns,
            reply.kind,
            reply.icmp_type,
            reply.icmp_code,
            reply.ttl,
            reply.quoted_ttl,
            marks_of(probe, reply),
        )
        if probe.ttl > self._top:
            self._top = probe.ttl
        if reply.kind is not ReplyKind.TIME_EXCEEDED:
            self._arrived(probe.ttl, reply.responder == probe.flow.dst)

    def next_wakeup(self) -> int | None:
        """When the next probe times out; None if none is in flight."""
        in_flight = self._in_flight
        while in_flight and in_flight[0].answered:
            in_flight.popleft()
        if not in_flight:
            return None
        return (in_flight[0].sent_ns or in_flight[0].issued_ns) + self._wait_ns()

    def known_hops(self) -> Iterable[Hop]:
        """Hops whose answers are all in, from the first on, as far as nothing is missing (for printing while tracing)."""
        for ttl in range(self.spec.first_ttl, self.spec.max_ttl + 1):
            if self._end is not None and ttl > self._end:
                return
            answers = self._cells.get(ttl, [])
            known = [a for a in answers if a is not None]
            if len(known) < self.spec.queries:
                return
            yield Hop(ttl, tuple(known))

    def outcome(self) -> Outcome:
        """What the trace found; hops beyond the end are left out."""
        hops = self._hops()
        reached = self._reached
        if reached is not None:
            hops, reached = _pull_back(hops, reached)
        return Outcome(self._ending(), self._error, reached, hops, self.probes, self.late, self.duplicates)

    def _ending(self) -> Ending:
        if self._reached is not None:
            return Ending.REACHED
        if self._error:
            return Ending.ERROR
        if self._end is not None:
            return Ending.UNREACHABLE
        return Ending.GAP if self._asked_last else Ending.MAX_TTL

    def _hops(self) -> tuple[Hop, ...]:
        end = self._end or max(self._next_ttl - 1, self._top)  # an unanswered last probe is no hop
        return tuple(
            Hop(ttl, tuple(a for a in self._cells[ttl] if a is not None))
            for ttl in sorted(self._cells)
            if ttl <= end and any(a is not None for a in self._cells[ttl])
        )

    def _arrived(self, ttl: int, is_destination: bool) -> None:
        if self._reached is not None and (not is_destination or ttl >= self._reached):
            return
        if is_destination:
            self._reached = ttl
        if is_destination or self._end is None or ttl < self._end:
            self._end = ttl
            self._queue = deque(cell for cell in self._queue if cell[0] <= ttl)

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
                self._open -= 1
                self._cells[slot.probe.ttl][slot.probe.query] = Answer(slot.probe.query)
            in_flight.popleft()

    def _climb(self) -> bool:
        """Queue the next ttl of the climb if it may be probed yet."""
        spec, ttl = self.spec, self._next_ttl
        if ttl > spec.max_ttl or self._asked_last or (self._end is not None and ttl > self._end):
            return False
        if spec.gap_limit and ttl > self._top + spec.gap_limit:
            return False
        if spec.expected_ttl and self._open:
            return False  # the expected end may answer yet; probing past it would be a waste
        self._queue.extend((ttl, query) for query in range(spec.queries if spec.by_hop else 1))
        self._next_ttl += 1
        return True

    def _refill(self) -> None:
        """Queue the next stage once the one before can tell nothing more."""
        if self.done or self._climb():
            return
        if self._open and self._reached is None:
            return  # an answer on its way may still move the end
        if self._end is None and not self._asked_last and self._next_ttl <= self.spec.max_ttl:
            self._asked_last = True
            self._queue.extend((self.spec.max_ttl, query) for query in range(self.spec.queries if self.spec.by_hop else 1))
        elif self._next_query < self.spec.queries and self._top >= self.spec.first_ttl:  # where nobody answered, nobody is asked again
            self._enqueue_round(self._next_query, self._top if self._end is None else self._end)
            self._next_query += 1
        elif not self._open:
            self.done = True

    def _enqueue_round(self, query: int, last_ttl: int) -> None:
        # Ttls between the gap and the last probe were never asked, and are not asked now.
        ttls = [ttl for ttl in range(self.spec.first_ttl, last_ttl + 1) if query == 0 or ttl in self._cells]
        self._shuffler.shuffle(ttls)
        self._queue.extend((ttl, query) for ttl in ttls)
        self._next_ttl = max(self._next_ttl, last_ttl + 1)


def _pull_back(hops: tuple[Hop, ...], reached: int) -> tuple[tuple[Hop, ...], int]:
    """Move a destination that answered a too large ttl only back to its true distance, if its quote tells that.

    A port unreachable quotes the TTL that was left on arrival. When the nearer ttls were silent (lost, or never probed), the true
    distance is the probe's ttl minus what was left (as traceroute(8) does in check_expired).
    """
    final = next(hop for hop in hops if hop.ttl == reached)
    left = {a.quoted_ttl for a in final.answers if a.kind is ReplyKind.PORT_UNREACHABLE}
    if len(left) != 1:
        return hops, reached
    true_ttl = reached - left.pop() + 1
    between = [hop for hop in hops if true_ttl <= hop.ttl < reached]
    if not 1 <= true_ttl < reached or any(hop.responders for hop in between):
        return hops, reached
    nearer = tuple(hop for hop in hops if hop.ttl < true_ttl)
    return (*nearer, Hop(true_ttl, final.answers)), true_ttl
