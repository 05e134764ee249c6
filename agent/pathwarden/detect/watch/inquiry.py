"""Following up one suspicion, from the stranger to the verdict.

Rules:
1. Recheck: the hop is asked again after 0.3, 1 and 3 s, its neighbours once. An answer by a known responder, or none at all, ends it.
2. Remap: when a stranger answered again, the new route is pieced together (see `remap`). What does not fit together wants a trace.
3. Balance: fresh flows are sent to the first strange hop, whether or not the whole is known. If one of them meets a responder known
   there, a balancer has merely moved our flow: whoever answered joins the known responders, and nothing is told. Flows are sent until
   one member more can be ruled out (the stopping rule of MDA, at `MISS`): eleven where all meet the same responder. Silence counts
   for nothing: a router that limits its answers is asked more slowly, and after `MOST_SILENT` flows in vain the next strange hop is.
4. Insist: the strange hops are asked again until the detector is sure, or `MOST_INSISTED` times in vain.
5. The detector judges every answer as it comes (`Detector.on_glimpse`); once it has dropped the suspicion, the inquiry is over.
"""

from collections.abc import Sequence
from enum import Enum
from math import ceil, log

from pathwarden.detect.compare import hop_at, strangers
from pathwarden.detect.detector import Detector
from pathwarden.detect.watch.remap import Rows, remap, seen
from pathwarden.detect.watch.values import Look, Whole
from pathwarden.model.history import Route

RECHECK_NS = (300_000_000, 1_000_000_000, 3_000_000_000)
REMAP_NS = 250_000_000  # a router that is asked again in a remap has so much time
MISS = 1e-3  # how likely one more member of a balancer may go unseen; each flow costs a probe, and this comes with a real change only
FLOWS_AT_ONCE = 4
SLOW_NS = 1_000_000_000  # between two flows where one stayed without an answer: the usual limit is one answer a second
MOST_FLOWS = 161  # answered ones: rules out a seventeenth member
MOST_SILENT = 48  # one answer in five is enough
MOST_INSISTED = 12
STRANGE_AT_ONCE = 4


class Stage(Enum):
    """Where an inquiry stands."""

    RECHECK = "recheck"
    REMAP = "remap"
    BALANCE = "balance"
    INSIST = "insist"
    OVER = "over"


class Inquiry:
    """One suspicion of one target. `looks` and `take` by turns, until `stage` is OVER; `wants_trace` then says that it could not tell."""

    def __init__(self, route: Route, ttl: int, *, can_vary: bool, first_flow: int) -> None:
        self.stage = Stage.RECHECK
        self.route = route
        self.wants_trace = False
        self.cleared = False
        self.members: dict[int, tuple[str, ...]] = {}
        self.whole: Whole | None = None
        self._ttl = ttl
        self._can_vary = can_vary
        self._rows: dict[int, list[str | None]] = {}
        self._fresh: list[str | None] = []
        self._hasty = True
        self._unheard: set[int] = set()  # strange hops that answer too little
        self._first_flow = self._next_flow = first_flow
        self._rechecks = 0
        self._insisted = 0

    @property
    def rows(self) -> Rows:
        """By ttl, what the monitored flow was answered since the inquiry began."""
        return self._rows

    def looks(self) -> tuple[tuple[Look, ...], int]:
        """What to ask next, and after how long (ns); () when it is over."""
        if self.stage is Stage.RECHECK:
            around = (self._ttl, self._ttl - 1, self._ttl + 1) if not self._rechecks else (self._ttl,)
            last = self.route.length or len(self.route.hops)
            return tuple(Look(ttl) for ttl in around if ttl == self._ttl or 1 <= ttl <= last), RECHECK_NS[self._rechecks]
        if self.stage is Stage.REMAP:
            found = remap(self.route.hops, self.route.length, self.route.address, self._rows)
            if not isinstance(found, Whole) and found:
                return tuple(map(Look, found)), REMAP_NS if any(ttl in self._rows for ttl in found) else 0
            self._mapped(found if isinstance(found, Whole) else None)
        if self.stage is Stage.BALANCE:
            flows = range(self._next_flow, self._next_flow + (FLOWS_AT_ONCE if self._hasty else 1))
            return tuple(Look(self._ttl, flow) for flow in flows), REMAP_NS if self._hasty else SLOW_NS
        if self.stage is Stage.INSIST:
            return tuple(Look(ttl) for ttl in self._strange()[:STRANGE_AT_ONCE]), REMAP_NS if self._insisted else 0
        return (), 0

    def take(self, looks: Sequence[Look], responders: Sequence[str | None]) -> None:
        """What those looks got."""
        for look, who in zip(looks, responders, strict=True):
            if look.flow_no:
                self._fresh.append(who)
            else:
                self._rows.setdefault(look.ttl, []).append(who)
        if self.stage is Stage.RECHECK:
            self._rechecked()
        elif self.stage is Stage.BALANCE:
            self._next_flow += len(looks)
            self._hasty = None not in responders
            self._balanced()
        elif self.stage is Stage.INSIST:
            self._insisted += 1
            if self._insisted >= MOST_INSISTED:
                self._end(wants_trace=True)

    def met_stranger(self, looks: Sequence[Look]) -> bool:
        """Whether one of these looks went to a ttl where strangers were met."""
        strange = self._strange()
        return any(not look.flow_no and look.ttl in strange for look in looks)

    def judge(self, detector: Detector) -> None:
        """End if the detector has come to a verdict, or the route is another one by now."""
        if detector.state.suspicion is None or detector.route is None or detector.route.route_id != self.route.route_id:
            self._end()

    def _rechecked(self) -> None:
        self._rechecks += 1
        if any(who is not None for who in self._rows[self._ttl]):
            self.stage = Stage.REMAP
        elif self._rechecks == len(RECHECK_NS):
            self._end()

    def _mapped(self, whole: Whole | None) -> None:
        self.whole = whole
        strange = self._strange()
        if not strange:
            self._end(wants_trace=True)
            return
        self._ttl = strange[0]
        self.stage = Stage.BALANCE
        if not self._can_vary:
            self._clear()

    def _next_strange(self) -> None:
        """Ask the next strange hop: this one answers too little. Without another one nobody can tell."""
        self._unheard.add(self._ttl)
        others = [ttl for ttl in self._strange() if ttl not in self._unheard]
        if not others:
            self._end()
            return
        self._ttl, self._next_flow, self._hasty = others[0], self._first_flow, True
        self._fresh.clear()

    def _balanced(self) -> None:
        known, met = hop_at(self.route.hops, self._ttl), {who for who in self._fresh if who is not None}
        if met & set(known):
            self.members = {ttl: seen(self._rows, ttl) for ttl in self._strange()}
            self.members[self._ttl] = tuple(sorted(met | set(self.members[self._ttl])))
            self._end()
            return
        answered = sum(who is not None for who in self._fresh)
        if answered >= min(_flows_needed(len(met | set(seen(self._rows, self._ttl)))), MOST_FLOWS):
            self._clear()
        elif len(self._fresh) - answered >= MOST_SILENT:
            self._next_strange()

    def _clear(self) -> None:
        self.cleared = True
        if self.whole is None:
            self._end(wants_trace=True)
        else:
            self.stage = Stage.INSIST

    def _strange(self) -> list[int]:
        """The ttls where strangers answered, or where the destination did that has been farther away."""
        hops = self.route.hops
        found = strangers(hops, [seen(self._rows, ttl) for ttl in range(1, len(hops) + 1)])
        nearer = [ttl for ttl, row in self._rows.items() if self.route.address in row and ttl < (self.route.length or 0)]
        return sorted({*found, *nearer[:1]})

    def _end(self, *, wants_trace: bool = False) -> None:
        self.stage = Stage.OVER
        self.wants_trace = wants_trace


def _flows_needed(members: int) -> int:
    """How many flows rule out one member more than were seen, but for the probability `MISS`."""
    more = max(members, 1) + 1
    return ceil(log(MISS / more) / log((more - 1) / more))
