"""All that is known of one target, and what follows from what was measured: its route, its traits, when what was last seen to answer.

The route's state goes into the history with every trace (`export`), the rest only now and then and with whatever is told (`export_rest`):
it is larger, and what a power cut takes from it is measured again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from pathwarden.detect.detector import Detector, Verdict
from pathwarden.detect.saying import TraitChange
from pathwarden.detect.traits import Traits
from pathwarden.detect.watch.values import Errand, Kind
from pathwarden.model.change import NOWHERE, Change, Location
from pathwarden.model.instants import ClockShift
from pathwarden.model.trace import Answer, Hop, KernelRoute, Trace

REST_EVERY = 24  # traces: two hours at the default interval


class Judge:
    """One target. `verified` holds, by ttl of the route in force, when a known responder last answered there (wall-clock ns, 0: never)."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.kernel_route: KernelRoute | None = None
        self.kernel_route_before: KernelRoute | None = None  # as of the measurement before the newest
        self.location: Location = NOWHERE  # where the fault is while the target is lost
        self.verified: list[int] = []
        self.answered_at = 0
        self._traits = Traits()
        self._watch: Mapping[str, object] = {}
        self._traces = 0

    @property
    def watch(self) -> Mapping[str, object]:
        """What the watch kept of this target, {} if nothing."""
        return self._watch

    def on_trace(self, trace: Trace) -> Verdict:
        """Take a finished trace."""
        verdict = self.detector.on_trace(trace)
        self._traces += 1
        self._note(trace)
        changes = self._of_traits(self._traits.on_trace(trace, verdict.route), trace)
        return Verdict(verdict.route, (*verdict.changes, *changes), verdict.retrace_after_ns) if changes else verdict

    def on_watch(self, errand: Errand, answers: Sequence[Answer], glimpse: Trace) -> tuple[Change, ...]:
        """Take what the watch saw, after the detector did: what it says of the route's traits."""
        self._note(glimpse)
        found: list[TraitChange] = []
        quiet = self.detector.state.suspicion is None
        for look, answer in zip(errand.looks, answers, strict=True):
            if errand.kind is Kind.AUDIT and quiet:
                found += self._traits.on_audit(look.ttl, look.flow_no, answer.responder, glimpse.at)
            elif look.sentinel and answer.responder == glimpse.address:
                self.answered_at = max(self.answered_at, glimpse.at)
                if not look.other:
                    found += self._traits.on_sentinel(answer.reply_ttl, quiet, glimpse.at)
        return self._of_traits(found, glimpse)

    def shift(self, shift: ClockShift) -> None:
        """The clock became right: correct every instant noted before."""
        self.detector.shift(shift)
        self._traits.shift(shift)
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
        return json.dumps({"traits": self._traits.export(), "watch": watch}, separators=(",", ":"))

    def restore_rest(self, text: str) -> None:
        """Go on from what `export_rest` wrote. Raises ValueError, TypeError or KeyError on anything else."""
        values = json.loads(text)
        self._traits = Traits.restore(values["traits"])
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

    def _of_traits(self, found: Iterable[TraitChange], trace: Trace) -> tuple[Change, ...]:
        return tuple(
            self.detector.attribute_change(
                trace, each.cls, each.first_ttl, each.last_ttl, each.before, each.after, each.first_seen_at, each.confirmations
            )
            for each in found
        )


def _answers(hop: Hop, known: Sequence[str]) -> bool:
    return any(answer.responder in known for answer in hop.answers if answer.responder is not None)
