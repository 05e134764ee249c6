"""The search for a path's MTU as a state machine: a trace whose probes are as long as they may be, and grow shorter on the way.

Rules:
1. One probe at a time, none may be fragmented: hop by hop, all queries of a hop in order, beginning with the size of the flow.
2. What says that a probe is too long and names a size that it takes is trusted first: the size is lowered to it, and the same probe
   goes again. A size that is not shorter, or shorter than any link must take (RFC 791: 68 bytes, RFC 8200: 1280), is a lie.
3. A hop that does not answer is asked with the shortest size. If it answers now, what is longer vanishes on the way without a word (a
   black hole): the longest size that passes is searched by halves. So it is after a lie, and where the kernel refuses a size and
   names none; then a size that leaves has passed.
4. While searching, a size counts as too long only after `TRIES` probes of it were silent: one may be lost.
5. The answer at which the size became known has it as its mark `mtu`, and so it is told as `F=NUM`; each hop is asked anew with it.
6. The trace ends as others do: at an answer of the destination, at an unreachable, after `gap_limit` silent hops, at the largest ttl.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pathwarden.engine.correlator import Correlator, Slot
from pathwarden.engine.marks import marks_of
from pathwarden.engine.spec import ENDS, PROHIBITED, SHORTEST_WAIT_NS, WAIT_MARGIN_NS, Outcome, TraceSpec
from pathwarden.model.probe import Reply, ReplyKind
from pathwarden.model.trace import Answer, Ending, Hop

LEAST = {4: 68, 6: 1280}  # bytes that every link must take (RFC 791, RFC 8200 section 5)
TRIES = 2  # silences before a size counts as too long
TOO_LONG = "too_long"  # the reason of a `ProbeError`: the kernel does not let so long a datagram leave


class How(StrEnum):
    """How a smaller size became known."""

    SAID = "said"  # a router said it
    DEVICE = "device"  # the first device takes no more
    SEARCHED = "searched"  # longer ones vanish without a word


@dataclass(frozen=True, slots=True)
class Drop:
    """Where the size had to be lowered: to `mtu` bytes, on the way to `ttl`, as `responder` said ('' for our own device and a search)."""

    ttl: int
    mtu: int
    how: How
    responder: str = ""


class _Search:
    """Halves the sizes between one that passes (0: not known yet) and one that does not. `local`: our own device is asked."""

    __slots__ = ("high", "local", "low", "silences")

    def __init__(self, low: int, high: int, *, local: bool) -> None:
        self.low = low
        self.high = high
        self.local = local
        self.silences = 0


class MtuSession:
    """Traces one flow with the longest probes that pass. `mtu` is the size so far, in the end the path's MTU; `drops` tell where it fell.

    A `Session`; of the spec `window`, `by_hop`, `expected_ttl`, `rising_port` and `waits` are not looked at.
    """

    def __init__(self, spec: TraceSpec, correlator: Correlator) -> None:
        self.spec = spec
        self.done = False
        self.late = 0
        self.duplicates = 0
        self.probes = 0
        self.mtu = spec.flow.size
        self.correlator = correlator
        self._least = LEAST[spec.flow.af]
        self._drops: list[Drop] = []
        self._cells: dict[int, list[Answer]] = {}
        self._ttl = spec.first_ttl
        self._slot: Slot | None = None
        self._search: _Search | None = None
        self._fell_to = 0  # a size to be told with the next answer
        self._ended = False
        self._reached: int | None = None
        self._limit: int | None = None
        self._gap = 0
        self._longest_rtt_ns = 0
        self._refused = False
        self._error = ""

    @property
    def drops(self) -> tuple[Drop, ...]:
        """Where the size fell, in order."""
        return tuple(self._drops)

    def poll(self, mono_ns: int, budget: int) -> list[Slot]:
        """The next probe, if none is on its way; see `Session`."""
        self._refused = False
        slot = self._slot
        if slot is not None and not self.done and (slot.sent_ns or slot.issued_ns) + self._wait_ns() <= mono_ns:
            slot.timed_out = True
            self._slot = None
            self._silent(slot)
        if self.done or self._slot is not None or budget <= 0:
            return []
        flow, query = self.spec.flow, len(self._cells.setdefault(self._ttl, []))
        slot = self.correlator.issue(self, flow._replace(size=self._size()), self._ttl, min(query, self.spec.queries - 1), mono_ns)
        if slot is None:
            return []
        self._slot = slot
        self.probes += 1
        return [slot]

    def unsent(self, slot: Slot) -> None:
        """Take back a probe that the kernel's full queue refused; it will be asked for again."""
        self.correlator.withdraw(slot)
        self._slot = None
        self.probes -= 1

    def fail(self, reason: str) -> None:
        """Take the kernel's word that the probe is too long; end for any other reason (the code of a `ProbeError`)."""
        slot, self._slot = self._slot, None
        if slot is not None:
            self.correlator.withdraw(slot)
        code, _, detail = reason.partition(": ")
        if code != TOO_LONG or slot is None or slot.probe.flow.size <= self._least:
            self._error = reason
            self.done = True
            return
        self.probes -= 1
        self._refused = True
        mtu = int(detail) if detail.isdecimal() else 0
        if self._believable(mtu, slot):
            self._fall(mtu, How.DEVICE)
        elif self._search is None:
            self._search = _Search(self._least, slot.probe.flow.size, local=True)
        else:
            self._narrow(slot.probe.flow.size, passed=False)

    def on_reply(self, slot: Slot, reply: Reply) -> None:
        """Book the answer to the one probe on its way."""
        self._slot = None
        flow = slot.probe.flow
        if reply.responder == flow.src != flow.dst:
            self._silent(slot)
            return
        rtt_ns = max(reply.at_ns - slot.sent_ns, 0)
        self._longest_rtt_ns = max(self._longest_rtt_ns, rtt_ns)
        if reply.kind is ReplyKind.PACKET_TOO_BIG and reply.responder != flow.dst:
            self._too_big(slot, reply)
        elif self._search is not None:
            self._narrow(flow.size, passed=True)
        else:
            self._heed(reply)
            marks = marks_of(slot.probe, reply)._replace(mtu=self._fell_to)
            said = (reply.kind, reply.icmp_type, reply.icmp_code, reply.ttl, reply.quoted_ttl, marks)
            self._book(Answer(slot.probe.query, reply.responder, rtt_ns, *said))

    def next_wakeup(self) -> int | None:
        """When the probe on its way times out; at once after the kernel refused a size; None if neither is."""
        if self._refused and not self.done:
            return 1
        slot = self._slot
        return None if slot is None else (slot.sent_ns or slot.issued_ns) + self._wait_ns()

    def known_hops(self) -> Iterable[Hop]:
        """Hops that are through (for printing while tracing)."""
        return [Hop(ttl, tuple(answers)) for ttl, answers in self._cells.items() if answers and (ttl < self._ttl or self.done)]

    def outcome(self) -> Outcome:
        """What the trace found, as any trace's."""
        hops = tuple(Hop(ttl, tuple(answers)) for ttl, answers in self._cells.items() if answers)
        return Outcome(self._ending(), self._error, self._reached, hops, self.probes, self.late, self.duplicates)

    def _ending(self) -> Ending:
        if self._reached is not None:
            return Ending.REACHED
        if self._error:
            return Ending.ERROR
        if self._ended:
            return Ending.UNREACHABLE
        return Ending.GAP if self.spec.gap_limit and self._gap >= self.spec.gap_limit else Ending.MAX_TTL

    def _wait_ns(self) -> int:
        return min(self.spec.wait_ns, max(SHORTEST_WAIT_NS, 3 * self._longest_rtt_ns + WAIT_MARGIN_NS))

    def _size(self) -> int:
        search = self._search
        if search is None:
            return self.mtu
        return (search.low + search.high) // 2 if search.low else self._least

    def _believable(self, mtu: int, slot: Slot) -> bool:
        return self._least <= mtu < slot.probe.flow.size

    def _too_big(self, slot: Slot, reply: Reply) -> None:
        if self._believable(reply.mtu, slot):
            self._fall(reply.mtu, How.SAID, reply.responder)
        elif self._search is None:
            self._search = _Search(0, slot.probe.flow.size, local=False)
        else:
            self._narrow(slot.probe.flow.size, passed=False)

    def _fall(self, mtu: int, how: How, responder: str = "") -> None:
        """Go on with a smaller size; the hop's queries that were silent are asked anew."""
        self.mtu = self._fell_to = mtu
        self._drops.append(Drop(self._ttl, mtu, how, responder))
        self._search = None
        answers = self._cells.setdefault(self._ttl, [])
        if not any(answer.responder for answer in answers):
            answers.clear()

    def _silent(self, slot: Slot) -> None:
        search = self._search
        if search is None:
            mark = Answer(slot.probe.query)
            self._book(mark._replace(marks=mark.marks._replace(mtu=self._fell_to)) if self._fell_to else mark)
            return
        if search.local:  # it left: that was the question
            self._narrow(slot.probe.flow.size, passed=True)
            return
        search.silences += 1
        if search.silences >= TRIES:
            self._narrow(slot.probe.flow.size, passed=False)

    def _narrow(self, size: int, *, passed: bool) -> None:
        """Take in that a size passed, or did not."""
        search = self._search
        if search is None:
            return
        search.silences = 0
        if passed:
            search.low = size
        else:
            search.high = size
        if not passed and size <= self._least:  # not even the shortest: the hop is silent, whatever the size
            self._search = None
            self._next_hop()
        elif search.low and search.high - search.low <= 1:
            self._fall(search.low, How.DEVICE if search.local else How.SEARCHED)

    def _book(self, answer: Answer) -> None:
        self._fell_to = 0
        answers = self._cells[self._ttl]
        answers.append(answer)
        if self._limit is not None:
            self.done = True
        elif len(answers) >= self.spec.queries:
            if self.mtu > self._least and not any(each.responder for each in answers):
                self._search = _Search(0, self.mtu, local=False)
            else:
                self._next_hop()

    def _next_hop(self) -> None:
        answered = any(answer.responder for answer in self._cells[self._ttl])
        self._gap = 0 if answered else self._gap + 1
        at_gap = self.spec.gap_limit and self._gap >= self.spec.gap_limit
        if self._ended or at_gap or self._ttl >= self.spec.max_ttl:
            self.done = True
        else:
            self._ttl += 1

    def _heed(self, reply: Reply) -> None:
        """Take in what is no Time Exceeded."""
        flow = self.spec.flow
        if reply.kind is not ReplyKind.TIME_EXCEEDED:
            if reply.responder == flow.dst:
                self._reached, self._ended = self._ttl, True
            elif reply.kind in ENDS:
                self._ended = True
        if (flow.af, reply.icmp_type, reply.icmp_code) in PROHIBITED:
            self._limit = self._ttl
