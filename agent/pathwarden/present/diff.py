"""Two paths of a target side by side, aligned as a reader would (detect.align), as JSON-ready dicts."""

from collections.abc import Mapping
from typing import NamedTuple

from pathwarden.detect.align import Op, align
from pathwarden.detect.classify import as_path
from pathwarden.detect.compare import Hop
from pathwarden.model.history import Route
from pathwarden.model.network import Whose, exchanges, nobody, numbers
from pathwarden.model.trace import Trace
from pathwarden.present.hops import destination, median_ms, network
from pathwarden.present.instants import rfc3339


class Side(NamedTuple):
    """One of the two: its hops, the ttl of its destination (None if it did not answer), and RTTs in ms, by ttl and to the destination.

    `route` is what it belongs to, None if nothing stands for it; `at` is the instant of the trace that the RTTs are from, None without.
    """

    hops: tuple[Hop, ...]
    length: int | None
    route: Route | None = None
    at: int | None = None
    rtts_ms: Mapping[int, float | None] = {}
    rtt_ms: float | None = None

    @property
    def whole(self) -> bool:
        """Whether its last hop is the destination's."""
        return self.length is not None and self.length == len(self.hops)


def side(route: Route | None, trace: Trace | None) -> Side:
    """A side by the route, by the trace where no route is known; RTTs are the trace's."""
    rtts = {} if trace is None else {hop.ttl: median_ms(hop.rtts_ns) for hop in trace.hops}
    if route is None:
        path = () if trace is None else trace.path.hops
        length = None if trace is None else trace.reached_ttl
    else:
        path, length = route.hops, route.length
    rtt_ms = destination(trace).rtt_ms if trace else None
    return Side(path, length, route, None if trace is None else trace.at, rtts, rtt_ms)


def differ(target: str, old: Side, new: Side, whose: Whose = nobody) -> dict[str, object]:
    """Both sides and their rows. `same` tells that no hop differs that is known in both.

    A row's `op` is one of `align.Op`; its responders are [] and its ttl None where that side has no hop for it.
    """
    rows = align(old.hops, new.hops, old_ends=old.whole, new_ends=new.whole)
    return {
        "target": target,
        "same": all(row.op in (Op.SAME, Op.UNKNOWN) for row in rows),
        "old": _about(old, whose),
        "new": _about(new, whose),
        "rows": [
            {
                "op": row.op.value,
                "old_ttl": row.old_ttl,
                "new_ttl": row.new_ttl,
                "old": _responders(old, row.old_ttl),
                "new": _responders(new, row.new_ttl),
                "old_network": network(_responders(old, row.old_ttl), whose),
                "new_network": network(_responders(new, row.new_ttl), whose),
                "old_rtt_ms": old.rtts_ms.get(row.old_ttl or 0),
                "new_rtt_ms": new.rtts_ms.get(row.new_ttl or 0),
            }
            for row in rows
        ],
    }


def _about(one: Side, whose: Whose) -> dict[str, object]:
    route = one.route
    return {
        "path_id": route.route_id if route else None,
        "label": route.label if route else None,
        "at": None if one.at is None else rfc3339(one.at),
        "length": one.length,
        "as_path": list(as_path(one.hops, numbers(whose), exchanges(whose))),
        "rtt_ms": one.rtt_ms,
    }


def _responders(one: Side, ttl: int | None) -> list[str]:
    return [] if ttl is None else list(one.hops[ttl - 1])
