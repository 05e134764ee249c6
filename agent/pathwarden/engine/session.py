"""A trace as a state machine: replies and the clock in, probes out.

Rules:
1. Climb: the first query goes to ttl after ttl, never further than `gap_limit` beyond the last hop that answered, never past the
   destination. When the length is expected, its ttls go first, in random order: a router's rate limit then does not always hit
   the same hop.
2. Then each further query goes once over all ttls up to the end, again in random order, but whoever was asked just now is not among the
   first (decision 7). With `by_hop` all queries of a ttl go together, in order, as a reader of traceroute's lines expects.
3. Where the pace leaves a session waiting for its turn longer than the largest RTT so far, the climb does not run ahead of its
   answers: it stands while the probe before is unanswered and younger than 1.5 times that RTT (or 100 ms), and further queries to ttls that
   answered fill the turn meanwhile. So no probe passes the destination, and none that could leave waits.
4. The destination is reached when it answers itself with anything but Time Exceeded. An unreachable from a router on the way ends the
   trace there and is no arrival, and says nothing once the destination answered. Time Exceeded from the destination's own address is
   no arrival either; nor is anybody else's answer to a handshake or an echo request, which does not even end the trace.
5. Whoever says "administratively prohibited" is heeded: no further probe goes to its ttl or beyond.
6. After `gap_limit` silent hops in a row one last probe with the largest ttl asks the destination itself. A router that calls the
   destination unreachable then ends the trace and is no hop: it may be anywhere on the way. (`by_hop` shows its answer where it came.)
7. An unreachable from our own address means that the kernel got no answer from the next hop: that is silence, and no hop. (Only a
   reader of traceroute's lines, `by_hop`, expects to see it.)
8. A probe is silent after min(wait, max(0.8 s, 3 x the largest RTT so far + 0.2 s)), or with `waits` after what traceroute(8)
   waits; a reply after that is late and books nowhere.
9. With `rising_port` the probes, in the order of sending, are flows of their own, as those of the classic traceroute.
"""

from collections.abc import Iterable

from pathwarden.engine.correlator import Correlator, Slot
from pathwarden.engine.distance import pull_back
from pathwarden.engine.flows import risen
from pathwarden.engine.marks import marks_of
from pathwarden.engine.pacing import APART, apart
from pathwarden.engine.spec import ENDS, PROHIBITED, SHORTEST_WAIT_NS, WAIT_MARGIN_NS, Outcome, Shuffler, TraceSpec
from pathwarden.engine.waits import Waits, scaled_ns
from pathwarden.model.probe import Flow, Method, Reply, ReplyKind
from pathwarden.model.trace import Answer, Ending, Hop

_SHORTEST_HOLD_NS = 100_000_000  # twice what a quick pace gathers: the answer is in by the next turn, and nobody wakes up for it
_new = tuple.__new__  # a tuple's constructor is faster than a named tuple's, and one runs for each reply
_RISING = frozenset({Method.UDP, Method.ICMP})


class TraceSession:
    """Traces one flow. Feed it with `poll` and `on_reply` until `done`, then read `outcome()`."""

    # A thousand may run side by side: without slots each takes a third more memory.
    __slots__ = (
        "_asked",
        "_asked_last",
        "_cells",
        "_end",
        "_error",
        "_front",
        "_hold_ns",
        "_in_flight",
        "_late",
        "_limit",
        "_longest_rtt_ns",
        "_next_query",
        "_next_ttl",
        "_open",
        "_paced",
        "_queue",
        "_reached",
        "_ready_ns",
        "_rising",
        "_shuffler",
        "_spare",
        "_top",
        "_wait_ns",
        "correlator",
        "done",
        "duplicates",
        "late",
        "probes",
        "spec",
    )

    def __init__(self, spec: TraceSpec, correlator: Correlator, shuffler: Shuffler) -> None:
        self.spec = spec
        self.done = False
        self.late = 0
        self.duplicates = 0
        self.probes = 0
        self.correlator = correlator
        self._shuffler = shuffler
        self._rising = spec.rising_port and spec.flow.method in _RISING
        self._cells: dict[int, list[Answer | None]] = {}
        self._queue: list[tuple[int, int]] = []  # what goes next is last; lists, since a deque takes 760 bytes even when empty
        self._in_flight: list[Slot] = []
        self._open = 0
        self._next_ttl = spec.first_ttl
        self._next_query = spec.queries if spec.by_hop else 1
        self._late: list[int] = []  # ttls that the round before asked last
        self._spare: list[int] = []  # ttls that answered and may be asked again before the climb ends
        self._asked: dict[int, int] = {}  # how many queries went to a ttl ahead of their round
        self._front: Slot | None = None  # the latest first query
        self._ready_ns = 0  # since when a turn is waited for; 0: none is
        self._paced = False
        self._hold_ns = 0  # when the climb may go on unanswered, while it stands
        self._top = spec.first_ttl - 1
        self._end: int | None = None
        self._reached: int | None = None
        self._limit: int | None = None  # no probe may go here or beyond
        self._longest_rtt_ns = 0
        self._wait_ns = min(spec.wait_ns, SHORTEST_WAIT_NS)
        self._asked_last = False
        self._error = ""
        if spec.expected_ttl >= spec.first_ttl and not spec.by_hop:
            self._enqueue_round(0, min(spec.expected_ttl, spec.max_ttl))

    def poll(self, mono_ns: int, budget: int) -> list[Slot]:
        """Probes to send now, at most `budget`; expired ones become silent first. Fewer than `budget` means: nothing more for now."""
        self._expire(mono_ns)
        self._hold_ns = 0
        slots: list[Slot] = []
        queue = self._queue
        if not budget:
            self._ready_ns = self._ready_ns or mono_ns
            if not queue:
                self._refill(mono_ns, 1)
            return slots
        spec, cells, issue, rising = self.spec, self._cells, self.correlator.issue, self._rising
        longest_ns = self._longest_rtt_ns
        if not (self._paced and longest_ns <= _SHORTEST_HOLD_NS):  # what costs so little is kept up when the line gets shorter
            self._paced = 0 < longest_ns <= mono_ns - (self._ready_ns or mono_ns)
        most = min(budget, spec.window - self._open)
        while len(slots) < most:
            if not queue:
                self._refill(mono_ns, most - len(slots))
                if not queue:
                    break
            ttl, query = queue.pop()
            slot = issue(self, risen(spec.flow, self.probes) if rising else spec.flow, ttl, query, mono_ns)
            if slot is None:
                queue.append((ttl, query))
                break
            self._in_flight.append(slot)
            if not query:
                self._front = slot
            if ttl not in cells:
                cells[ttl] = [None] * spec.queries
            self._open += 1
            self.probes += 1
            slots.append(slot)
        self._ready_ns = mono_ns if len(slots) == budget else 0
        return slots

    def unsent(self, slot: Slot) -> None:
        """Take back a probe that the kernel's full queue refused; it will be asked for again."""
        self.correlator.withdraw(slot)
        self._in_flight.remove(slot)
        self._open -= 1
        self.probes -= 1
        self._queue.append((slot.probe.ttl, slot.probe.query))

    def fail(self, reason: str) -> None:
        """End the trace: no probe can leave, for this reason (the code of a `ProbeError`)."""
        self._error = reason
        self.done = True
        for slot in self._in_flight:
            self.correlator.withdraw(slot)

    def on_reply(self, slot: Slot, reply: Reply) -> None:
        """Book the first reply to a probe."""
        self._open -= 1
        _, flow, ttl, query = probe = slot.probe
        responder, at_ns, kind = reply.responder, reply.at_ns, reply.kind
        if responder == flow.src != flow.dst and not self.spec.by_hop:
            self._cells[ttl][query] = Answer(query)
            return
        rtt_ns = at_ns - slot.sent_ns if at_ns > slot.sent_ns else 0
        if rtt_ns > self._longest_rtt_ns:
            self._longest_rtt_ns = rtt_ns
            self._wait_ns = min(self.spec.wait_ns, max(SHORTEST_WAIT_NS, 3 * rtt_ns + WAIT_MARGIN_NS))
        marks = marks_of(probe, reply)
        answer = (query, responder, rtt_ns, kind, reply.icmp_type, reply.icmp_code, reply.ttl, reply.quoted_ttl, marks)
        self._cells[ttl][query] = _new(Answer, answer)
        if ttl > self._top:
            self._top = ttl
        if kind is not ReplyKind.TIME_EXCEEDED:
            self._heed(ttl, flow, reply)
        elif query < self._next_query == 1:
            self._spare.append(ttl)

    def next_wakeup(self) -> int | None:
        """When the next probe times out, or the climb may go on; None if nothing is waited for."""
        in_flight = self._in_flight
        while in_flight and in_flight[0].answered:
            in_flight.pop(0)
        if not in_flight:
            return None
        if self.spec.waits is not None:
            timeout_ns = min(slot.left_ns + self._adaptive_wait_ns(slot) for slot in in_flight if not slot.answered)
        else:
            timeout_ns = in_flight[0].left_ns + self._wait_ns
        return min(timeout_ns, self._hold_ns) if self._hold_ns else timeout_ns

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
            hops, reached = pull_back(hops, reached)
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
        if self._asked_last and self._reached is None and self._end == self.spec.max_ttl and not self.spec.by_hop:
            end -= 1  # nor is a refused one, and between it and the gap nobody was asked
        known = [(ttl, tuple([a for a in answers if a is not None])) for ttl, answers in sorted(self._cells.items()) if ttl <= end]
        return tuple([_new(Hop, each) for each in known if each[1]])

    def _heed(self, ttl: int, flow: Flow, reply: Reply) -> None:
        """Take in what is no Time Exceeded."""
        is_destination = reply.responder == flow.dst
        if is_destination or reply.kind in ENDS:
            self._arrived(ttl, is_destination)
        if (flow.af, reply.icmp_type, reply.icmp_code) in PROHIBITED and (self._limit is None or ttl < self._limit):
            self._limit = ttl
            self._drop_queued(ttl)

    def _arrived(self, ttl: int, is_destination: bool) -> None:
        if self._reached is not None and (not is_destination or ttl >= self._reached):
            return
        if is_destination:
            self._reached = ttl
        if is_destination or self._end is None or ttl < self._end:
            self._end = ttl
            self._drop_queued(ttl + 1)

    def _drop_queued(self, first_ttl: int) -> None:
        self._queue[:] = [cell for cell in self._queue if cell[0] < first_ttl]

    def _adaptive_wait_ns(self, slot: Slot) -> int:
        """How long traceroute(8) waits for this probe, by what is known now."""
        waits, ttl, query = self.spec.waits or Waits(), slot.probe.ttl, slot.probe.query
        if waits.here:
            for answer in self._cells[ttl]:
                if answer is not None and answer.rtt_ns:
                    return min(self.spec.wait_ns, scaled_ns(waits.here, answer.rtt_ns))
        if waits.near:
            for later in range(ttl, self._next_ttl):
                for answer in self._cells.get(later, ()):
                    if answer is not None and answer.rtt_ns and (later > ttl or answer.query > query):
                        return min(self.spec.wait_ns, scaled_ns(waits.near, answer.rtt_ns))
        return self.spec.wait_ns

    def _expire(self, mono_ns: int) -> None:
        if self.spec.waits is not None:
            self._expire_each(mono_ns)
            return
        in_flight = self._in_flight
        while in_flight:
            slot = in_flight[0]
            if not slot.answered:
                if slot.left_ns + self._wait_ns > mono_ns:
                    return
                self._silence(slot)
            in_flight.pop(0)

    def _expire_each(self, mono_ns: int) -> None:
        """Each probe has its own time-out here, so a later one may be silent before an earlier one."""
        waiting: list[Slot] = []
        for slot in self._in_flight:
            if slot.answered:
                continue
            if slot.left_ns + self._adaptive_wait_ns(slot) > mono_ns:
                waiting.append(slot)
            else:
                self._silence(slot)
        self._in_flight = waiting

    def _silence(self, slot: Slot) -> None:
        slot.timed_out = True
        self._open -= 1
        self._cells[slot.probe.ttl][slot.probe.query] = Answer(slot.probe.query)

    def _climb(self, mono_ns: int, room: int) -> bool:
        """Queue the next ttl of the climb if it may be probed yet, or what is asked while it stands."""
        spec, ttl = self.spec, self._next_ttl
        if ttl > spec.max_ttl or self._asked_last or (self._end is not None and ttl > self._end):
            return False
        if spec.gap_limit and ttl > self._top + spec.gap_limit:
            return False
        if spec.expected_ttl and self._open:
            return False  # the expected end may answer yet; probing past it would be a waste
        front = self._front
        if self._paced and front is not None and not (front.answered or front.timed_out):
            until_ns = front.left_ns + max(self._longest_rtt_ns * 3 // 2, _SHORTEST_HOLD_NS)
            if mono_ns < until_ns:
                self._hold_ns = until_ns
                return self._ask_again(room)
        self._enqueue(ttl)
        self._next_ttl += 1
        return True

    def _ask_again(self, most: int) -> bool:
        """While the climb stands, queue further queries to ttls that answered."""
        spare, queries = self._spare, self.spec.queries
        while spare and len(self._queue) < most:
            ttl = spare.pop(0)
            query = self._asked.get(ttl, 0) + 1
            if query < queries and self._wanted(ttl):
                self._asked[ttl] = query
                self._queue.append((ttl, query))
                spare.append(ttl)
        return bool(self._queue)

    def _wanted(self, ttl: int) -> bool:
        return (self._end is None or ttl <= self._end) and (self._limit is None or ttl < self._limit)

    def _refill(self, mono_ns: int, room: int) -> None:
        """Queue the next stage once the one before can tell nothing more; of what may wait no more than there is room for."""
        if self.done or self._climb(mono_ns, room):
            return
        if self._open and self._reached is None:
            return  # an answer on its way may still move the end
        spec = self.spec
        if self._end is None and not self._asked_last and self._next_ttl <= spec.max_ttl:
            self._asked_last = True
            self._enqueue(spec.max_ttl)
            return
        # Where nobody answered, nobody is asked again; a round may be empty when its queries went ahead, or are prohibited.
        while not self._queue and self._next_query < spec.queries and self._top >= spec.first_ttl:
            self._enqueue_round(self._next_query, self._top if self._end is None else self._end)
            self._next_query += 1
        if not self._queue and not self._open:
            self.done = True
            self._front = None  # it names this session: what refers to itself is freed late, and by a search of all memory

    def _enqueue(self, ttl: int) -> None:
        """Queue the first queries to a ttl; the queue is empty."""
        if self.spec.by_hop:
            self._queue.extend((ttl, query) for query in range(self.spec.queries - 1, -1, -1))
        else:
            self._queue.append((ttl, 0))
            self._late = [ttl - 1, ttl]

    def _enqueue_round(self, query: int, last_ttl: int) -> None:
        # Ttls between the gap and the last probe were never asked, and are not asked now.
        below = last_ttl + 1 if self._limit is None else min(last_ttl + 1, self._limit)
        asked = self._asked
        ttls = [ttl for ttl in range(self.spec.first_ttl, below) if query == 0 or (ttl in self._cells and asked.get(ttl, 0) < query)]
        self._shuffler.shuffle(ttls)
        ttls = apart(ttls, self._late)
        self._late = ttls[1 - APART :]
        self._queue.extend((ttl, query) for ttl in reversed(ttls))
        self._next_ttl = max(self._next_ttl, last_ttl + 1)
