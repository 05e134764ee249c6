"""All that is known of one target, and what follows from what was measured: its route, its traits, when what was last seen to answer.

The route's state goes into the history with every trace (`export`), the rest only now and then and with whatever is told (`export_rest`):
it is larger, and what a power cut takes from it is measured again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pathwarden.detect.changes import change_of
from pathwarden.detect.detector import Detector, Verdict
from pathwarden.detect.latency import Latency, LatencyShift, blame, classes
from pathwarden.detect.minima import Minima
from pathwarden.detect.saying import TraitChange
from pathwarden.detect.traits import Traits
from pathwarden.detect.watch.values import Errand, Kind
from pathwarden.model.change import NOWHERE, Change, ChangeKind, Location
from pathwarden.model.history import Route
from pathwarden.model.instants import ClockShift
from pathwarden.model.trace import Answer, Hop, KernelRoute, Reason, Trace

REST_EVERY = 24  # traces: two hours at the default interval
MOVES = frozenset({ChangeKind.PATH_CHANGED, ChangeKind.PATH_REVERTED})


class Judge:
    """One target. `verified` holds, by ttl of the route in force, when a known responder last answered there (wall-clock ns, 0: never)."""

    __slots__ = (
        "_impact_told",
        "_latency",
        "_minima",
        "_traces",
        "_traits",
        "_watch",
        "answered_at",
        "detector",
        "kernel_route",
        "kernel_route_before",
        "location",
        "verified",
    )

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.kernel_route: KernelRoute | None = None
        self.kernel_route_before: KernelRoute | None = None  # as of the measurement before the newest
        self.location: Location = NOWHERE  # where the fault is while the target is lost
        self.verified: list[int] = []
        self.answered_at = 0
        self._traits = Traits()
        self._latency = Latency()
        self._impact_told = False
        self._minima = Minima()
        self._watch: Mapping[str, object] = {}
        self._traces = 0

    @property
    def watch(self) -> Mapping[str, object]:
        """What the watch kept of this target, {} if nothing."""
        return self._watch

    def on_trace(self, trace: Trace) -> Verdict:
        """Take a finished trace."""
        before = self._series(trace)
        verdict = self.detector.on_trace(trace)
        self._traces += 1
        self._note(trace)
        self._minima.add(trace)
        changes = self._of_traits(self._traits.on_trace(trace, verdict.route), trace)
        rtts = trace.destination_rtts_ns
        if verdict.route is not None and (rtts or trace.hops):
            changes += self._of_latency(before, verdict.changes, min(rtts) / 1e6 if rtts else None, trace)
        return Verdict(verdict.route, (*verdict.changes, *changes), verdict.retrace_after_ns) if changes else verdict

    def on_watch(self, errand: Errand, answers: Sequence[Answer], glimpse: Trace, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Take what the watch saw, after the detector did and found these changes: what it says of the route's traits and latency."""
        before = self._series(glimpse, next((change.old for change in changes if change.kind in MOVES), None))
        self._note(glimpse)
        more = self._of_latency(before, changes, None, glimpse) if changes else ()
        found: list[TraitChange] = []
        quiet = self.detector.state.suspicion is None and self._traits.are_of(self.detector.route)
        for look, answer in zip(errand.looks, answers, strict=True):
            if errand.kind is Kind.AUDIT and quiet:
                found += self._traits.on_audit(look.ttl, look.flow_no, answer.responder, glimpse.at)
            elif look.sentinel and answer.responder == glimpse.address:
                self.answered_at = max(self.answered_at, glimpse.at)
                if not look.other:
                    found += self._traits.on_sentinel(answer.reply_ttl, quiet, glimpse.at)
                    more += self._of_latency(before, (), (answer.rtt_ns or 0) / 1e6, glimpse)
            elif look.sentinel and not look.other and answer.responder is None:
                more += self._of_latency(before, (), None, glimpse)
        return (*self._of_traits(found, glimpse), *more)

    def shift(self, shift: ClockShift) -> None:
        """The clock became right: correct every instant noted before."""
        self.detector.shift(shift)
        self._traits.shift(shift)
        self._latency.shift(shift)
        self._minima.shift(shift)
        self.verified = [shift.of(at) for at in self.verified]
        self.answered_at = shift.of(self.answered_at)

    def export(self) -> str:
        """The route's state, as JSON text."""
        return self.detector.export()

    def rest_is_due(self) -> bool:
        """Whether it is time to write the rest."""
        return self._traces % REST_EVERY == 0

    def export_rest(self, watch: Mapping[str, object]) -> str:
        """The rest of the state, with what the watch keeps, as JSON text."""
        rest = {"traits": self._traits.export(), "latency": self._latency.export(), "watch": watch}
        return json.dumps(rest, separators=(",", ":"))

    def restore_rest(self, text: str) -> None:
        """Go on from what `export_rest` wrote. Raises ValueError, TypeError or KeyError on anything else."""
        values = json.loads(text)
        self._traits = Traits.restore(values["traits"])
        self._latency = Latency.restore(values["latency"])
        self._watch = dict(values["watch"])

    def _note(self, trace: Trace) -> None:
        """When what was last seen to answer."""
        route = self.detector.route
        if route is None:
            return
        self.kernel_route_before, self.kernel_route = self.kernel_route, trace.kernel_route or self.kernel_route
        del self.verified[len(route.hops) :]
        self.verified += [0] * (len(route.hops) - len(self.verified))
        for hop in trace.hops:
            if hop.ttl <= len(route.hops) and _answers(hop, route.hops[hop.ttl - 1]):
                self.verified[hop.ttl - 1] = max(self.verified[hop.ttl - 1], trace.at)
        if trace.reached_ttl is not None:
            self.answered_at = max(self.answered_at, trace.at)

    def _series(self, trace: Trace, route: Route | None = None) -> str:
        """What round-trip times may be compared with each other: those of one flow, epoch and route."""
        state, flow = self.detector.state, trace.flow
        return f"{flow.method.value}|{flow.sport}|{flow.dport}|{flow.size}|{state.epoch}|{route.route_id if route else state.route_id}"

    def _of_latency(self, before: str, changes: Sequence[Change], rtt_ms: float | None, trace: Trace) -> tuple[Change, ...]:
        """A latency shift that this sample, or a path change, makes worth telling."""
        now, found = self._series(trace), []
        moves = [change for change in changes if change.kind in MOVES]
        if moves:
            self._impact_told = any(change.rtt_delta_ms is not None for change in moves)
            found.append(self._latency.on_path_change(before, now, trace.at, trace.mono_ns))
        elif not changes or trace.reason is not Reason.WATCH:
            found.append(self._latency.on_sample(now, rtt_ms, trace.at, trace.mono_ns))
        # What a change of the path did to the latency is told with it, if the trace that confirmed it saw that.
        return tuple(self._told(shift, trace) for shift in found if shift is not None and not (shift.joined and self._impact_told))

    def _told(self, shift: LatencyShift, trace: Trace) -> Change:
        ttl = blame(*self._minima.around(shift.since_at)) or 0
        words = f"{shift.before_ms:.1f} ms", f"{shift.after_ms:.1f} ms"
        change = self._stays(ChangeKind.LATENCY_SHIFT, trace, classes(shift, ttl or None), (ttl, ttl), words, shift.since_at, 1)
        return replace(change, rtt_delta_ms=round(shift.after_ms - shift.before_ms, 3))

    def _of_traits(self, found: Iterable[TraitChange], trace: Trace) -> tuple[Change, ...]:
        kind = ChangeKind.PATH_ATTRIBUTE_CHANGED
        return tuple(
            self._stays(kind, trace, (e.cls,), (e.first_ttl, e.last_ttl), (e.before, e.after), e.first_seen_at, e.confirmations)
            for e in found
        )

    def _stays(
        self,
        kind: ChangeKind,
        trace: Trace,
        labels: tuple[str, ...],
        ttls: tuple[int, int],
        words: tuple[str, str],
        first_seen_at: int,
        confirmations: int,
    ) -> Change:
        """A change of what a route does, while it stays in force."""
        detector = self.detector
        route, since = detector.route, detector.state.route_since
        change = change_of(
            kind, trace, first_seen_at, confirmations, route, route, since, labels, learning=detector.learning, whose=detector.whose
        )
        return replace(change, first_ttl=ttls[0], last_ttl=ttls[1], before=words[0], after=words[1])


def _answers(hop: Hop, known: Sequence[str]) -> bool:
    return bool([answer for answer in hop.answers if answer.responder in known])  # for so few a list costs half of what `any` does
