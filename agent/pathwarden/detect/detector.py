"""One target's detector: traces in, route and changes out.

Rules:
1. The first trace of an epoch (device, source address, gateway) and address is believed: it is a known route again or a new one,
   and nothing is told. A changed epoch re-hashes every load balancer, so comparing across it would cry wolf. Whether the target
   answers is the target's own affair and outlives epochs: a line that comes back dead is told.
2. A later trace that fits the route fills in hops that were silent. One that does not fit raises a suspicion, which re-traces settle
   (see `suspicion`). A trace that could not be sent is no evidence of anything.
3. A confirmed new route that was known before is a return (`path_reverted`), else a change (`path_changed`).
4. Sixteen routes are remembered; the one not seen for longest is forgotten first.
5. A target is being learned for its first `LEARN_ROUNDS` traces or `learn_s`, whichever ends first.
6. Between traces the watch (see `watch`) probes single hops. What it sees is judged by the same rules, as a trace that saw only those
   hops; but a change is confirmed only once the watch knows the whole new route. It also tells how the destination answers. A detector
   that is not `alone` leaves it to the watch to clear a suspicion of balancers (see `watch.inquiry`), and confirms none before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat

from pathwarden.detect.changes import change_of
from pathwarden.detect.classify import classify
from pathwarden.detect.compare import Hop, compatible, fill, merge, strangers
from pathwarden.detect.labels import label, number_of
from pathwarden.detect.loops import clean
from pathwarden.detect.reach import Reach, after_answer, after_silence
from pathwarden.detect.routes import carried_over, filled, measured, new_route, shared_hops
from pathwarden.detect.sights import one_more, sight_of, silent_at_destination
from pathwarden.detect.state import State, decode, encode
from pathwarden.detect.suspicion import Finding, Known, Sight, Suspicion, suspect, too_far, weigh
from pathwarden.detect.usual import accept
from pathwarden.detect.watch.values import Whole
from pathwarden.model.change import Change, ChangeKind
from pathwarden.model.history import Route
from pathwarden.model.instants import ClockShift
from pathwarden.model.network import Whose, exchanges, nobody, numbers
from pathwarden.model.trace import Ending, Reason, Trace

MOST_ROUTES = 16
LEARN_ROUNDS = 20
RETRACE_AFTER_NS = 1_000_000_000  # routers that limit answers to one a second have a fresh token by then
MOST_QUICK_MISSES = 6  # re-traces after silence; then the schedule goes on looking
MOST_QUICK_RETRACES = 12  # re-traces of one suspicion, likewise: enough for a route that was seen only once before
LONGEST_STEP_NS = 172_800_000_000_000  # the longest interval is a day; a longer pause (suspended) is not time on the route
MOST_STEADY = 1000  # answers in a row beyond this make no judgement surer


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one trace led to: the route it belongs to (None while undecided), changes to tell, when to trace again (None: as scheduled)."""

    route: Route | None
    changes: tuple[Change, ...]
    retrace_after_ns: int | None


class Detector:
    """Holds one target's state. `on_trace` is its only input; `export` and the routes are what the store keeps."""

    def __init__(self, target: str, learn_s: int, state: State | None = None, routes: tuple[Route, ...] = ()) -> None:
        self.alone = True
        self.whose: Whose = nobody
        self.state = state or State()
        newest = sorted(routes, key=lambda route: route.last_at, reverse=True)[:MOST_ROUTES]
        # In the order in which they were learned, as ever: of two routes that fit equally well, the same one is taken after a restart.
        self.routes = {route.route_id: route for route in sorted(newest, key=lambda route: number_of(route.label))}
        self._target = target
        self._learn_s = learn_s
        self._last_mono_ns: int | None = None
        labels = max((number_of(route.label) for route in routes), default=0)
        self.state = self.state._replace(labels=max(labels, self.state.labels))

    @property
    def route(self) -> Route | None:
        """The route in force."""
        return self.routes.get(self.state.route_id)

    @property
    def usual(self) -> Route | None:
        """The route with most time to the present address, or the one that the owner accepted as such (see `usual`)."""
        routes = [route for route in self.routes.values() if route.address == self.state.address]
        return max(routes, key=self.state.accepted.weight, default=None)

    @property
    def learning(self) -> bool:
        """Whether changes of the path are still held back from notifying."""
        return self.state.rounds < LEARN_ROUNDS and self.state.learned_s < self._learn_s

    def on_trace(self, trace: Trace) -> Verdict:
        """Take one finished trace."""
        if trace.ending is Ending.ERROR:
            return Verdict(None, (), None)
        self._pass_time(trace)
        changes: list[Change] = []
        moved = self._enter_epoch(trace)
        if moved is not None:
            changes.append(moved)
        settled = self._follow_route(trace)
        if settled is not None:
            changes.append(settled)
        reach_change = self._follow_reach(trace)
        if reach_change is not None:
            changes.append(reach_change)
        self._measure(trace)
        return Verdict(self.route if self.state.suspicion is None else None, tuple(changes), self._retrace_after())

    def on_glimpse(self, glimpse: Trace, whole: Whole | None = None) -> Verdict:
        """Take what the watch saw at a few hops; `whole` is the new route as it pieced it together, which a confirmation needs.

        A glimpse of another epoch or address is no evidence: the next trace enters it.
        """
        epoch = glimpse.kernel_route.epoch if glimpse.kernel_route else ""
        if self.route is None or (glimpse.address, epoch) != (self.state.address, self.state.epoch):
            return Verdict(None, (), None)
        settled = self._follow_route(glimpse, whole, partly=True)
        return Verdict(self.route if self.state.suspicion is None else None, (settled,) if settled else (), None)

    def on_known(self, ttl: int) -> None:
        """The watch saw a known responder at this ttl, while nothing is suspected: what `on_glimpse` would make of it, without its work."""
        self.state = self.state._replace(steady=one_more(self.state.steady, ttl, MOST_STEADY))

    def on_sibling(self, glimpse: Trace, whole: Whole) -> Change | None:
        """Another target's route changed, and this one's shows the same stranger where `whole` expects it: that is confirmation enough."""
        route = self.route
        epoch = glimpse.kernel_route.epoch if glimpse.kernel_route else ""
        if route is None or (glimpse.address, epoch) != (self.state.address, self.state.epoch):
            return None
        self.state = self.state._replace(suspicion=None)
        return self._confirm(glimpse, route, Suspicion(glimpse.at, whole.hops, whole.length, (), 0, agreeing=1))

    def drop_suspicion(self) -> None:
        """Forget a suspicion that nothing confirmed."""
        self.state = self.state._replace(suspicion=None)

    def join(self, members: Mapping[int, Hop]) -> None:
        """By ttl, who belongs to the route as well: other members of a balancer."""
        route = self.route
        if route is not None:
            joining = tuple(members.get(ttl, ()) if hop else () for ttl, hop in enumerate(route.hops, start=1))
            self._put(route._replace(hops=merge(route.hops, joining)))

    def clear_suspicion(self) -> None:
        """No balancer explains the strangers: what confirms them now is a change."""
        if self.state.suspicion is not None:
            self.state = self.state._replace(suspicion=replace(self.state.suspicion, cleared=True))

    def accept(self) -> None:
        """The owner takes the route in force for the usual one."""
        route = self.route
        if route is not None:
            self.state = self.state._replace(accepted=accept(route, self.routes.values()))

    def answers_other(self, value: bool) -> None:
        """Whether it is another method than the traces' that the destination answers."""
        self.state = self.state._replace(other=value)

    def on_silence(self, glimpse: Trace, probes: int, last_ttl: int) -> Change | None:
        """The watch found the destination silent so many times in a row, `last_ttl` being the last hop that still answers (0: none)."""
        reach = self.state.reach
        for _ in range(probes):
            reach = after_silence(reach, 1, glimpse.at)
        return self._reached(glimpse, reach, last_ttl)

    def on_answers(self, glimpse: Trace, sent: int, silent: int) -> Change | None:
        """The watch asked the destination `sent` times, of which `silent` stayed without an answer, but not all."""
        return self._reached(glimpse, after_answer(self.state.reach, sent, silent), 0)

    def _reached(self, glimpse: Trace, reach: Reach, last_ttl: int) -> Change | None:
        before, self.state = self.state.reach, self.state._replace(reach=reach)
        return None if reach.lost == before.lost else self._reach_change(glimpse, before, reach, last_ttl)

    def shift(self, shift: ClockShift) -> None:
        """The clock became right: correct every instant noted before."""
        state, of = self.state, shift.of
        suspicion = state.suspicion and replace(state.suspicion, first_seen_at=of(state.suspicion.first_seen_at))
        reach = replace(state.reach, first_missed_at=of(state.reach.first_missed_at))
        self.state = state._replace(route_since=of(state.route_since), suspicion=suspicion, reach=reach)
        for route in self.routes.values():
            self.routes[route.route_id] = route._replace(first_at=of(route.first_at), last_at=of(route.last_at))

    def export(self) -> str:
        """The state as JSON text, for `restore`."""
        return encode(self.state)

    @classmethod
    def restore(cls, target: str, learn_s: int, text: str, routes: tuple[Route, ...]) -> "Detector":
        """A detector as it was when `export` wrote this text; raises ValueError, TypeError or KeyError on anything else."""
        return cls(target, learn_s, decode(text), routes)

    def _pass_time(self, trace: Trace) -> None:
        """Credit the time since the last trace to the route and to learning."""
        step_s = 0
        if self._last_mono_ns is not None:
            step_ns = trace.mono_ns - self._last_mono_ns
            step_s = round(step_ns / 1e9) if 0 < step_ns < LONGEST_STEP_NS else 0
        self._last_mono_ns = trace.mono_ns
        rounds = self.state.rounds + (trace.reason is Reason.SCHEDULE)
        self.state = self.state._replace(rounds=rounds, learned_s=self.state.learned_s + step_s)
        if self.route is not None:
            self._put(self.route._replace(held_s=self.route.held_s + step_s))

    def _enter_epoch(self, trace: Trace) -> Change | None:
        """Begin anew when address or epoch are not what they were; tells of a moved address."""
        epoch = trace.kernel_route.epoch if trace.kernel_route else ""
        old_address = self.state.address
        if (trace.address, epoch) == (old_address, self.state.epoch):
            return None
        old, since = self.route, self.state.route_since
        self.state = self.state._replace(address=trace.address, epoch=epoch, route_id="", suspicion=None)
        if not old_address or old_address == trace.address:
            return None
        kind, labels = ChangeKind.TARGET_ADDRESS_CHANGED, ("address",)
        return change_of(
            kind, trace, trace.at, 1, old, None, since, labels, learning=self.learning, whose=self.whose, old_address=old_address
        )

    def _follow_route(self, trace: Trace, whole: Whole | None = None, *, partly: bool = False) -> Change | None:
        sight = sight_of(trace)
        if not sight.answers:
            return None
        route = self.route
        if route is None:
            self._adopt(trace, sight.hops, sight.length)
            self._count(sight)
            return None
        suspicion = self.state.suspicion
        if suspicion is None and (sight.hops, sight.length) == (route.hops, route.length):  # as nearly always
            self._count(sight)
            return None
        route, known = self._corrected(route, sight)
        if suspicion is None:
            suspicion = suspect(known, sight, trace.at)
            if suspicion is None:
                self._absorb(route, sight)
            else:
                self.state = self.state._replace(suspicion=suspicion)
            return None
        finding, suspicion = weigh(suspicion, known, sight, partly=partly, was=self._was_known)
        if finding is Finding.CONFIRMED and ((partly and whole is None) or not (self.alone or suspicion.cleared)):
            finding = Finding.UNDECIDED
        elif finding is Finding.CONFIRMED and whole is not None:
            suspicion = replace(suspicion, hops=whole.hops, length=whole.length)
        self.state = self.state._replace(suspicion=suspicion if finding is Finding.UNDECIDED else None)
        if finding is Finding.CONFIRMED:
            return self._confirm(trace, route, suspicion)
        if finding is not Finding.UNDECIDED:
            self._dismiss(route, finding, suspicion, sight, trace.at)
        return None

    def _corrected(self, route: Route, sight: Sight) -> tuple[Route, Known]:
        """The route, nearer if its length was only a silence, and what is known of it."""
        known = Known(route.hops, route.length, self.state.steady, self.state.reach.rate)
        if too_far(known, sight):
            route = route._replace(length=sight.length, hops=fill(route.hops, sight.hops)[: sight.length])
            self._put(route)
            known = known._replace(hops=route.hops, length=route.length)
        return route, known

    def _dismiss(self, route: Route, finding: Finding, suspicion: Suspicion, sight: Sight, at: int) -> None:
        """End a suspicion that was none: where strangers were, known responders count from nought again."""
        strange = strangers(route.hops, suspicion.hops)
        steady = tuple(0 if ttl in strange else count for ttl, count in enumerate(self.state.steady, start=1))
        self.state = self.state._replace(steady=steady)
        if finding is Finding.PER_PACKET:
            self._put(route._replace(hops=merge(route.hops, suspicion.hops)))
        elif suspect(Known(route.hops, route.length, steady, self.state.reach.rate), sight, at) is None:
            self._absorb(route, sight)

    def _adopt(self, trace: Trace, hops: tuple[Hop, ...], length: int | None) -> tuple[Route, bool]:
        """Make the route with these hops the one in force; the second value tells whether it was known before."""
        known = self._remembered(hops, length)
        if known is None:
            self.state = self.state._replace(labels=self.state.labels + 1)
            route = new_route(trace, self._target, label(self.state.labels), self.state.epoch, hops, length)
        else:
            route = filled(known, hops, length)
        self._put(route)
        self.state = self.state._replace(route_id=route.route_id, route_since=trace.at, steady=())
        return route, known is not None

    def _absorb(self, route: Route, sight: Sight) -> None:
        """Take what a trace that fits adds to the route."""
        more = filled(route, sight.hops, sight.length)
        if more is not route:
            self._put(more)
        self._count(sight)

    def _count(self, sight: Sight) -> None:
        """Count the answers of a trace that fits."""
        route, steady = self.route, self.state.steady
        if route is None:
            return
        counts = []
        for hop, row, before in zip(route.hops, chain(sight.answers, repeat(())), chain(steady, repeat(0)), strict=False):
            known = row.count(hop[0]) if len(hop) == 1 else sum([who in hop for who in row])
            counts.append(min(before + known, MOST_STEADY))
        self.state = self.state._replace(steady=tuple(counts))

    def _confirm(self, trace: Trace, old: Route, suspicion: Suspicion) -> Change:
        usual = self.usual
        old_since, steady = self.state.route_since, self.state.steady
        new, known = self._adopt(trace, suspicion.hops, suspicion.length)
        self.state = self.state._replace(steady=carried_over(steady, old, new, suspicion))
        classes = classify(old, new, numbers(self.whose), exchanges(self.whose))
        kind = ChangeKind.PATH_REVERTED if known else ChangeKind.PATH_CHANGED
        if classes.attribute:
            kind = ChangeKind.PATH_ATTRIBUTE_CHANGED
        returns = known and usual is not None and usual.route_id == new.route_id
        return change_of(
            kind,
            trace,
            suspicion.first_seen_at,
            suspicion.agreeing + 1,
            old,
            new,
            old_since,
            classes.labels,
            learning=self.learning,
            whose=self.whose,
            known=known,
            returns_to_usual=returns,
        )

    def _remembered(self, hops: tuple[Hop, ...], length: int | None) -> Route | None:
        """The known route of this address and epoch that fits best, if any fits."""
        fitting = [
            route
            for route in self.routes.values()
            if (route.address, route.epoch) == (self.state.address, self.state.epoch) and compatible(route.hops, route.length, hops, length)
        ]
        return max(fitting, key=lambda route: (shared_hops(route.hops, hops), route.held_s), default=None)

    def _was_known(self, hops: Sequence[Hop], length: int | None) -> bool:
        """Whether these hops fit a route that is remembered, but is not in force."""
        route = self._remembered(tuple(hops), length)
        return route is not None and route.route_id != self.state.route_id

    def _follow_reach(self, trace: Trace) -> Change | None:
        if self.state.other and trace.reached_ttl is None:
            return None
        reach, silent = self.state.reach, silent_at_destination(trace, self.route)
        if trace.reached_ttl is not None:
            now = after_answer(reach, len(trace.destination_rtts_ns) + silent, silent)
            self.state = self.state._replace(other=False, reach=now)
        else:
            now = after_silence(reach, silent + 1, trace.at)  # the last probe, with the largest ttl, is no hop
            self.state = self.state._replace(reach=now)
        if now.lost == reach.lost:
            return None
        return self._reach_change(trace, reach, now, max((hop.ttl for hop in clean(trace) if hop.responders), default=0))

    def _reach_change(self, trace: Trace, before: Reach, now: Reach, last_ttl: int) -> Change:
        kind, at, seen, last = ChangeKind.TARGET_REACHABLE, trace.at, before.back_traces + 1, None
        if now.lost:
            kind, at, seen, last = ChangeKind.TARGET_UNREACHABLE, now.first_missed_at, now.missed_traces, last_ttl
        route, since = self.route, self.state.route_since
        return change_of(
            kind, trace, at, seen, route, route, since, ("lost",), learning=self.learning, whose=self.whose, lost_after_ttl=last
        )

    def _measure(self, trace: Trace) -> None:
        """Book the trace's RTT and loss on the route it followed."""
        if self.route is not None and self.state.suspicion is None:
            self._put(measured(self.route, trace))

    def _retrace_after(self) -> int | None:
        reach = self.state.reach
        suspicion = self.state.suspicion
        silent_lately = reach.missed_traces and not reach.lost and reach.missed_traces <= MOST_QUICK_MISSES
        mine = suspicion if suspicion is not None and (self.alone or suspicion.cleared) else None
        undecided = (mine is not None and mine.retraces < MOST_QUICK_RETRACES) or silent_lately or reach.back_traces
        return RETRACE_AFTER_NS if undecided else None

    def _put(self, route: Route) -> None:
        self.routes[route.route_id] = route
        if len(self.routes) > MOST_ROUTES:
            others = [r for r in self.routes.values() if r.route_id not in (route.route_id, self.state.route_id)]
            del self.routes[min(others, key=lambda r: r.last_at).route_id]
