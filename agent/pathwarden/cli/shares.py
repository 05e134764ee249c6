"""How a target's paths shared a stretch of time.

Rules:
1. A trace stands for the time up to the next one, whether that one found the same path or another.
2. Time nobody looked at counts for no path: after the last trace, and where two of them are further apart than the detector lets pass for
   one stretch.
3. What could not be sent has no path.
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
        return Route(*name, self.first_at, self.last_at, round(self.held_ns / _SECOND), self.traces, rtt_ms, self.loss_pct / self.traces)


def shares(target: str, routes: Mapping[str, Route], traces: Iterable[StoredTrace]) -> list[Route]:
    """The paths of these traces (oldest first) as routes whose figures are of this time alone, most time first.

    `rtt_ms` is the mean of the traces' medians. A path that no route stands for has neither id nor label. Raises `OperatorError` if there
    are too many.
    """
    ways = Ways(routes.values())
    found: dict[Way, _Share] = {}
    before: StoredTrace | None = None
    current: _Share | None = None
    for stored in traces:
        at = stored.trace.at
        if before is not None and current is not None and 0 < at - before.trace.at < LONGEST_STEP_NS:
            current.held_ns += at - before.trace.at
        before, current = stored, None
        if stored.trace.ending is not Ending.ERROR:
            way = ways.of(stored)
            current = found.setdefault(way, _Share(at, at))
            _count(current, stored)
    made = [share.route(way, routes.get(way.route_id or ""), target) for way, share in found.items()]
    return sorted(made, key=lambda route: (-route.held_s, -route.traces))


def _count(share: _Share, stored: StoredTrace) -> None:
    seen = hops.destination(stored.trace)
    share.traces += 1
    share.last_at = stored.trace.at
    share.loss_pct += seen.loss_pct or 0.0
    if seen.rtt_ms is not None:
        share.rtts += 1
        share.rtt_ms += seen.rtt_ms
