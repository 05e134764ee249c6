"""How a target's paths shared a stretch of time.

Rules:
1. A trace stands for the time up to the next one, whether that one found the same path or another.
2. Time nobody looked at counts for no path: after the last trace, and where two of them are further apart than the detector lets pass for
   one stretch.
3. What could not be sent has no path.
4. Of the time before the first trace that is still kept, the history knows the routes alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pathwarden.detect.detector import LONGEST_STEP_NS
from pathwarden.export.ways import Way, Ways
from pathwarden.model.history import Route, StoredTrace
from pathwarden.model.trace import Ending
from pathwarden.present import hops

_SECOND = 1_000_000_000


@dataclass(slots=True)
class _Share:
    first_at: int
    last_at: int
    held_ns: int = 0
    traces: int = 0
    rtts: int = 0
    rtt_ms: float = 0.0
    loss_pct: float = 0.0

    def route(self, way: Way, known: Route | None, target: str) -> Route:
        """The way as a route, with the figures of this time."""
        hops = known.hops if known else way.hops
        length = known.length if known else way.length
        name = (way.route_id or "", target, known.label if known else "", way.address, known.epoch if known else "", hops, length)
        rtt_ms = self.rtt_ms / self.rtts if self.rtts else None
        loss_pct = self.loss_pct / self.traces if self.traces else 0.0
        return Route(*name, self.first_at, self.last_at, round(self.held_ns / _SECOND), self.traces, rtt_ms, loss_pct)


def shares(
    target: str, routes: Mapping[str, Route], traces: Iterable[StoredTrace], at_from: int, older_s: Mapping[str, int]
) -> list[Route]:
    """The paths of these traces (oldest first) as routes whose figures are of the time from `at_from` on alone, most time first.

    A trace of before counts for the time alone in which it was in force, and so do `older_s`: the seconds by route of which no traces
    are left (rule 4). `rtt_ms` is the mean of the traces' medians. A path that no route stands for has neither id nor label. Raises
    `OperatorError` if there are too many.
    """
    ways = Ways(routes.values())
    found: dict[Way, _Share] = {}
    before: StoredTrace | None = None
    current: _Share | None = None
    for stored in traces:
        at = stored.trace.at
        if before is not None and current is not None and 0 < at - before.trace.at < LONGEST_STEP_NS:
            current.held_ns += at - max(before.trace.at, at_from)
        before, current = stored, None
        if stored.trace.ending is not Ending.ERROR:
            current = found.setdefault(ways.of(stored), _Share(at, at))
            if at >= at_from:
                _count(current, stored)
    made = [share.route(way, routes.get(way.route_id or ""), target) for way, share in found.items()]
    made = [route._replace(held_s=route.held_s + older_s.get(route.route_id, 0)) for route in made]
    seen = {route.route_id for route in made}
    gone = [routes[route_id]._replace(held_s=held_s, traces=0) for route_id, held_s in older_s.items() if route_id in routes.keys() - seen]
    return sorted((route for route in made + gone if route.traces or route.held_s), key=lambda route: (-route.held_s, -route.traces))


def _count(share: _Share, stored: StoredTrace) -> None:
    seen = hops.destination(stored.trace)
    share.traces += 1
    share.last_at = stored.trace.at
    share.loss_pct += seen.loss_pct or 0.0
    if seen.rtt_ms is not None:
        share.rtts += 1
        share.rtt_ms += seen.rtt_ms
