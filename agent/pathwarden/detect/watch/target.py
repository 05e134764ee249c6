"""One target under watch: which probe it wants next, and what an answer leads to.

Rules:
1. Of a target's steady probes `SHARES` go to the destination (sentinel), to the answering hop verified longest ago (verify), to a hop on
   a fresh flow (audit), and to a hop that never answered (learn, twice as seldom after each silence). A turn without use is skipped.
2. A known responder is fine. A stranger starts an inquiry. A stranger on a fresh flow is looked for on the monitored flow first: if a
   known responder answers there, the stranger is a member of a balancer.
3. Silence is never evidence of a change. It only asks whether the destination still answers.
4. What an answer tells of distance (TTL left, reply TTL) or RTT only leads to hops being verified, never to a change (see `pulse`).
5. A silent sentinel begins a vigil (see `vigil`).
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from math import exp, inf

from pathwarden.detect.compare import hop_at
from pathwarden.detect.detector import Detector
from pathwarden.detect.watch.inquiry import Inquiry, Stage
from pathwarden.detect.watch.outcome import Got, Outcome
from pathwarden.detect.watch.pulse import Pulse, Sign
from pathwarden.detect.watch.values import OTHER_SENTINEL, Errand, Kind, Look
from pathwarden.detect.watch.vigil import Vigil
from pathwarden.detect.watch.worths import Worth, worths
from pathwarden.model.history import Route
from pathwarden.model.trace import Answer, Trace

SECOND_NS = 1_000_000_000
SHARES = {Kind.SENTINEL: 0.33, Kind.VERIFY: 0.6, Kind.AUDIT: 0.04, Kind.LEARN: 0.03}
TURNS = 8  # that may pass unused at once; a target without hops or answers has few, and is nobody to hurry for
SIBLING_TRIES = 3
SIBLING_EVERY_NS = 2 * SECOND_NS  # a router that everybody asks at once may answer one a second
RELIABLE = 1  # answers after which one silence is worth a sentinel: it costs one probe, and an outage is seen hops before its place
BURST = 12  # hops verified when an answer looks different: most routes have no more that others do not look at as well
LONGEST_BACK_OFF = 64
MOST_AUDITS = 3800  # flows of a base flow (see engine.flows.MOST) that audits take by turns,
FRESH_FLOW = 3801  # and from where inquiries take theirs
HOLD_NS = 120 * SECOND_NS  # for so long a verdict waits for the gateway to answer
HOLD_EVERY_NS = 5 * SECOND_NS
MEMORY_NS = 259_200 * SECOND_NS  # changes fade within days from the estimate of how often a target changes
PRIOR = 0.3  # changes in that time that any target is thought capable of


class TargetWatch:
    """One target. `steady` gives its next probe, `done` takes what an errand got."""

    __slots__ = (
        "_asked_ns",
        "_audits",
        "_back_off",
        "_changes",
        "_changes_ns",
        "_doubts",
        "_dues",
        "_gate",
        "_held_since_ns",
        "_inquiries",
        "_pulse",
        "_weighed",
        "_worths",
        "can_vary",
        "credit",
        "detector",
        "inquiry",
        "seen",
        "served",
        "tid",
        "vigil",
    )

    def __init__(self, tid: str, detector: Detector, gate: Callable[[str, int], bool]) -> None:
        self.tid = tid
        self.detector = detector
        self.can_vary = True
        self.credit = 0.0
        self.served: Mapping[tuple[int, str], int] = {}  # how many targets have this only responder at this ttl,
        self.seen: Mapping[tuple[int, str], int] = {}  # and when it answered any of them (monotonic ns)
        self.inquiry: Inquiry | None = None
        self.vigil = Vigil(tid, detector, gate)
        self._gate = gate
        self._pulse = Pulse()
        self._dues = array("d", bytes(8 * len(SHARES)))
        self._asked_ns = array("q")  # by ttl from 1 on, 0 for never
        self._back_off: dict[int, int] = {}
        self._audits: dict[int, int] = {}
        self._doubts: dict[int, tuple[str, str]] = {}  # by ttl, who answered a fresh flow, and on which route
        self._inquiries = 0
        self._held_since_ns = 0
        self._changes = 0.0
        self._changes_ns: int | None = None
        self._worths: tuple[tuple[object, ...], tuple[Worth, ...]] = ((), ())
        self._weighed: Mapping[tuple[int, str], int] = self.served  # as it was then: held, since another one may be made where it lay

    def changes(self, mono_ns: int) -> float:
        """How many changes it had lately, fading: what the share of a target in the probes is made of."""
        if self._changes_ns is not None:
            self._changes *= exp(-max(mono_ns - self._changes_ns, 0) / MEMORY_NS)
        self._changes_ns = mono_ns
        return self._changes + PRIOR

    def export(self) -> dict[str, object]:
        """What must survive a restart, JSON-ready."""
        audits, back_off = ({str(ttl): value for ttl, value in each.items()} for each in (self._audits, self._back_off))
        return {"changes": round(self._changes, 3), "audits": audits, "back_off": back_off}

    def restore(self, values: Mapping[str, object]) -> None:
        """Go on from what `export` gave. Raises ValueError, TypeError or KeyError on anything else."""
        changes, audits, back_off = (values[key] for key in ("changes", "audits", "back_off"))
        if not isinstance(changes, float | int) or not isinstance(audits, dict) or not isinstance(back_off, dict):
            raise TypeError("a watch has numbers")
        if not 0 <= changes < inf:
            raise ValueError("nothing changes so often")
        audits, back_off = ({int(ttl): int(value) for ttl, value in each.items()} for each in (audits, back_off))
        self._changes, self._audits, self._back_off = float(changes), audits, back_off

    def reset(self) -> None:
        """Its way out or its address moved: what was under way is void."""
        self.inquiry = None
        self.vigil.reset()
        self._doubts.clear()
        del self._asked_ns[:]
        self._pulse = Pulse()
        if self.detector.state.suspicion is not None:
            self.detector.drop_suspicion()

    def traced(self, trace: Trace) -> None:
        """Learn from a whole trace that was judged what answers usually look like."""
        if self.detector.route is not None and self.detector.state.suspicion is None:
            self._pulse.traced(trace)

    def follow_up(self, mono_ns: int) -> tuple[Errand, ...]:
        """What a trace that ended just now leaves to the watch: its suspicion."""
        suspicion, route = self.detector.state.suspicion, self.detector.route
        if self.inquiry is not None or suspicion is None or suspicion.cleared or route is None:
            return ()
        strange = [
            ttl for ttl, hop in enumerate(suspicion.hops, 1) if hop and hop_at(route.hops, ttl) and not set(hop) & set(route.hops[ttl - 1])
        ]
        return self._inquire(min(strange, default=suspicion.length or 1), mono_ns)

    def steady(self, mono_ns: int) -> Errand | None:
        """The next probe of the steady watch; None while there is nothing to watch."""
        route = self.detector.route
        if route is None or self.inquiry is not None:
            return None
        dues = self._dues
        for _ in range(TURNS):
            for number, share in enumerate(SHARES.values()):
                dues[number] += share
            number = max(range(len(dues)), key=dues.__getitem__)
            dues[number] -= 1
            look = self._look(_KINDS[number], route, mono_ns)
            if look is not None:
                return Errand(self.tid, _KINDS[number], (look,), mono_ns, patient=True)
        return None

    def done(self, errand: Errand, answers: Sequence[Answer], glimpse: Trace, mono_ns: int) -> Outcome:
        """Take what an errand got: `answers` in the order of its looks, `glimpse` with those of the monitored flow by hop."""
        out = Outcome()
        {
            Kind.SENTINEL: self._sentinel_done,
            Kind.VIGIL: self.vigil.done,
            Kind.SWEEP: self.vigil.swept,
            Kind.AUDIT: self._audit_done,
            Kind.LEARN: self._learn_done,
            Kind.VERIFY: self._verify_done,
            Kind.SIBLING: self._sibling_done,
            Kind.INQUIRY: self._inquiry_done,
        }[errand.kind](Got(errand, answers, glimpse, mono_ns), out)
        for _ in out.changes:
            self.count_change(mono_ns)
        return out

    def _look(self, kind: Kind, route: Route, mono_ns: int) -> Look | None:
        if kind is Kind.VERIFY:
            return self._verifying(route, mono_ns)
        answered = self.detector.state.reach.answered
        if kind is Kind.SENTINEL:
            return self.vigil.sentinel() if answered else None
        if kind is Kind.LEARN:
            if not answered:
                return self._learning(0, OTHER_SENTINEL)
            silent = [ttl for ttl, hop in enumerate(route.hops[: route.length or None], 1) if not hop]
            ttl = min(silent, key=lambda ttl: self._back_off.get(ttl, 0), default=0)
            return self._learning(ttl, Look(ttl)) if ttl else None
        answering = _answering(route)
        if not answering or not self.can_vary:
            return None
        # Each hop has its own next flow: a balancer that hashes ports badly would show but one member to every n-th.
        ttl = min(answering, key=lambda ttl: self._audits.get(ttl, 0))
        return Look(ttl, self._audits.get(ttl, 0) % MOST_AUDITS + 1)

    def _verifying(self, route: Route, mono_ns: int) -> Look | None:
        key = (route.route_id, route.hops, route.length, len(self.detector.routes), self.detector.state.reach.answered)
        if self._worths[0] != key or self._weighed is not self.served:
            self._worths, self._weighed = (key, worths(self.detector, self.served)), self.served
        found = self._worths[1]
        if not found:
            return None
        asked_ns = self._asked_ns
        due = [each.due(mono_ns, _at(asked_ns, each.ttl), self._seen_ns(route, each.ttl) if each.served > 1 else 0) for each in found]
        return Look(found[due.index(max(due))].ttl)

    def _seen_ns(self, route: Route, ttl: int) -> int:
        """When the only responder of a ttl that is shared was seen last by anybody, 0 for never."""
        hop = route.hops[ttl - 1]
        return self.seen.get((ttl, hop[0]), 0) if len(hop) == 1 else 0

    def _learning(self, ttl: int, look: Look) -> Look | None:
        """A look at what never answered, in every n-th turn: n doubles with each silence."""
        self._back_off[ttl] = wait = self._back_off.get(ttl, 1) + 1
        return look if wait & (wait - 1) == 0 or wait % LONGEST_BACK_OFF == 0 else None

    def _verify_done(self, got: Got, out: Outcome) -> None:
        route, steady = self.detector.route, self.detector.state.steady
        if self._is_as_known(got):
            self.detector.on_known(got.errand.looks[0].ttl)
        elif self.inquiry is None or self._confirms(got):
            self.detector.on_glimpse(got.glimpse)
        for look, answer in zip(got.errand.looks, got.answers, strict=True):
            _note(self._asked_ns, look.ttl, got.mono_ns)
            doubt = self._doubts.pop(look.ttl, None)
            if answer.responder is None:
                count = steady[look.ttl - 1] if look.ttl <= len(steady) else 0
                if count >= RELIABLE and self.vigil.idle:
                    out.errands.append(Errand(self.tid, Kind.SENTINEL, (self.vigil.sentinel(),), got.mono_ns))
            elif route is not None and answer.responder in hop_at(route.hops, look.ttl):
                if doubt and doubt[1] == route.route_id:
                    self.detector.join({look.ttl: (doubt[0],)})
                if self.inquiry is None and answer.rtt_ns is not None:
                    self._feel(self._pulse.hop(look.ttl, answer.rtt_ns, got.mono_ns), look, got, out)
        self._take_up(got.errand.looks[0].ttl, got.mono_ns, out)

    def _is_as_known(self, got: Got) -> bool:
        """Whether one look found a router that belongs there, and there is nothing to weigh it against: as nearly always."""
        route = self.detector.route
        if route is None or self.detector.state.suspicion is not None or self.inquiry is not None or len(got.answers) != 1:
            return False
        return got.glimpse.reached_ttl is None and got.answers[0].responder in hop_at(route.hops, got.errand.looks[0].ttl)

    def _confirms(self, got: Got) -> bool:
        """Whether what was seen beside an inquiry is a stranger: known responders elsewhere would count as looks in vain."""
        route = self.detector.route
        known = route.hops if route else ()
        pairs = zip(got.errand.looks, got.answers, strict=True)
        return any(answer.responder not in (None, *hop_at(known, look.ttl)) for look, answer in pairs)

    def _sibling_done(self, got: Got, out: Outcome) -> None:
        errand, look, who, route = got.errand, got.errand.looks[0], got.answers[0].responder, self.detector.route
        if who is None:
            if errand.tries < SIBLING_TRIES:
                after_ns = got.mono_ns + SIBLING_EVERY_NS
                out.errands.append(errand._replace(not_before_ns=after_ns, tries=errand.tries + 1))
        elif route and errand.whole and who in hop_at(errand.whole.hops, look.ttl) and who not in hop_at(route.hops, look.ttl):
            out.changes += filter(None, [self.detector.on_sibling(got.glimpse, errand.whole)])
            self.inquiry = None
        else:
            self._verify_done(got, out)

    def _learn_done(self, got: Got, out: Outcome) -> None:
        look, answer = got.errand.looks[0], got.answers[0]
        if not look.sentinel:
            self._verify_done(got, out)
        elif answer.responder == got.glimpse.address:
            if len(got.errand.looks) == 1:
                out.errands.append(Errand(self.tid, Kind.LEARN, (look,) * 3, got.mono_ns))
            elif all(answer.responder == got.glimpse.address for answer in got.answers):
                self.detector.answers_other(True)
                out.changes += filter(None, [self.detector.on_answers(got.glimpse, len(got.answers), 0)])

    def _audit_done(self, got: Got, out: Outcome) -> None:
        look, who = got.errand.looks[0], got.answers[0].responder
        self._audits[look.ttl] = look.flow_no
        route = self.detector.route
        if who is None or route is None:
            return
        known = hop_at(route.hops, look.ttl)
        if known and who not in known:
            self._doubts[look.ttl] = who, route.route_id
            out.errands.append(Errand(self.tid, Kind.VERIFY, (Look(look.ttl),), got.mono_ns))

    def _sentinel_done(self, got: Got, out: Outcome) -> None:
        answer, lost = got.answers[0], self.detector.state.reach.lost
        if answer.responder != got.glimpse.address:
            if self.vigil.idle:
                out.errands.append(self.vigil.begin(got.mono_ns))
        elif lost:
            out.errands.append(Errand(self.tid, Kind.VIGIL, (got.errand.looks[0],) * 2, got.mono_ns))
        else:
            out.changes += filter(None, [self.detector.on_answers(got.glimpse, 1, 0)])
            self._feel(self._pulse.sentinel(answer, got.mono_ns), got.errand.looks[0], got, out)

    def _feel(self, sign: Sign, look: Look, got: Got, out: Outcome) -> None:
        """Follow up what the pulse says of an answer to this look."""
        if sign is Sign.DIFFERENT:
            out.errands += self.verify_burst(got.mono_ns, look.ttl or None)
        elif sign is Sign.DOUBT:
            out.errands.append(Errand(self.tid, Kind.SENTINEL if look.sentinel else Kind.VERIFY, (look,), got.mono_ns))

    def verify_burst(self, mono_ns: int, before: int | None = None) -> list[Errand]:
        """Something looks different: verify hops along the route, or those `before` a ttl; first those that nobody saw for longest."""
        route = self.detector.route
        if route is None or self.inquiry is not None:
            return []
        answering = [ttl for ttl in _answering(route) if before is None or ttl < before]
        answering.sort(key=lambda ttl: max(_at(self._asked_ns, ttl), self._seen_ns(route, ttl)))
        return [Errand(self.tid, Kind.VERIFY, (Look(ttl),), mono_ns) for ttl in sorted(answering[:BURST], reverse=True)]

    def _take_up(self, ttl: int, mono_ns: int, out: Outcome) -> None:
        """Begin an inquiry if there is a suspicion that nobody follows up."""
        if self.detector.state.suspicion is not None and self.inquiry is None:
            out.errands += self._inquire(ttl, mono_ns)

    def _inquire(self, ttl: int, mono_ns: int) -> tuple[Errand, ...]:
        route = self.detector.route
        if route is None:
            return ()
        self._held_since_ns = 0
        self._inquiries += 1
        self.inquiry = Inquiry(route, ttl, can_vary=self.can_vary, first_flow=FRESH_FLOW)
        looks, after_ns = self.inquiry.looks()
        return (Errand(self.tid, Kind.INQUIRY, looks, mono_ns + after_ns, number=self._inquiries),)

    def _inquiry_done(self, got: Got, out: Outcome) -> None:
        inquiry, detector = self.inquiry, self.detector
        if inquiry is None or got.errand.number != self._inquiries:
            return
        inquiry.take(got.errand.looks, [answer.responder for answer in got.answers])
        if inquiry.cleared:
            detector.clear_suspicion()
        green = self._gate(self.tid, got.mono_ns)
        if inquiry.stage is not Stage.REMAP or inquiry.met_stranger(got.errand.looks):
            # Known responders elsewhere tell nothing of the stranger, but would count as looks in vain.
            out.changes += detector.on_glimpse(got.glimpse, inquiry.whole if inquiry.stage is Stage.INSIST and green else None).changes
        inquiry.judge(detector)
        looks, after_ns = inquiry.looks()
        if inquiry.cleared:
            detector.clear_suspicion()
        if looks and not green and inquiry.stage is Stage.INSIST:
            self._held_since_ns = self._held_since_ns or got.mono_ns
            after_ns = HOLD_EVERY_NS
            looks = looks if got.mono_ns - self._held_since_ns < HOLD_NS else ()
        if looks:
            out.errands.append(Errand(self.tid, Kind.INQUIRY, looks, got.mono_ns + after_ns, number=self._inquiries))
            return
        self.inquiry = None
        out.wants_trace = inquiry.wants_trace
        out.follow = bool(out.changes)
        if detector.state.suspicion is not None and not inquiry.wants_trace:
            detector.drop_suspicion()
            detector.join(inquiry.members)

    def count_change(self, mono_ns: int) -> None:
        """A change was told."""
        self.changes(mono_ns)
        self._changes += 1
        self._pulse.moved()


_KINDS = tuple(SHARES)


def _answering(route: Route) -> list[int]:
    """The ttls of a route where somebody answers."""
    return [ttl for ttl, hop in enumerate(route.hops[: route.length or None], 1) if hop]


def _at(instants: "array[int]", ttl: int) -> int:
    return instants[ttl - 1] if ttl <= len(instants) else 0


def _note(instants: "array[int]", ttl: int, mono_ns: int) -> None:
    """Note when a ttl was looked at."""
    instants.extend([0] * (ttl - len(instants)))
    instants[ttl - 1] = mono_ns
