"""A target's routes as values: made from a trace, filled, and compared."""

from hashlib import sha256

from pathwarden.detect.compare import Hop, fill, hop_at
from pathwarden.detect.suspicion import Suspicion
from pathwarden.model.history import Route
from pathwarden.model.trace import Trace

SMOOTHING = 0.2  # of a trace in a route's RTT and loss: the last ten or so count


def new_route(trace: Trace, target: str, label: str, epoch: str, hops: tuple[Hop, ...], length: int | None) -> Route:
    """A route that this trace is the first to see."""
    seed = f"{target}|{label}|{trace.address}|{epoch}|{trace.at}|{hops}"
    route_id = sha256(seed.encode()).hexdigest()[:12]
    return Route(route_id, target, label, trace.address, epoch, hops, length, trace.at, trace.at, 0, 0, None, 0.0)


def filled(route: Route, hops: tuple[Hop, ...], length: int | None) -> Route:
    """The route with hops that were silent until now, and its length if that was unknown; nothing lies beyond the destination.

    The same object if nothing is new.
    """
    length = route.length or length
    more = (hops if hops == route.hops else fill(route.hops, hops))[:length]
    return route if (more, length) == (route.hops, route.length) else route._replace(hops=more, length=length)


def measured(route: Route, trace: Trace) -> Route:
    """The route with the RTT and the loss of one more trace that followed it."""
    rtts = sorted(trace.destination_rtts_ns)
    rtt_ms = route.rtt_ms
    if rtts:
        median_ms = rtts[len(rtts) // 2] / 1e6
        rtt_ms = median_ms if rtt_ms is None else rtt_ms + SMOOTHING * (median_ms - rtt_ms)
    sent = next((len(hop.answers) for hop in reversed(trace.hops) if hop.ttl == trace.reached_ttl), 1)
    lost_pct = 100 * (1 - len(rtts) / sent)
    loss_pct = route.loss_pct + SMOOTHING * (lost_pct - route.loss_pct)
    return route._replace(last_at=trace.at, traces=route.traces + 1, rtt_ms=rtt_ms, loss_pct=round(loss_pct, 2))


def carried_over(steady: tuple[int, ...], old: Route, new: Route, suspicion: Suspicion) -> tuple[int, ...]:
    """Answers in a row on a confirmed route: as before where it did not change, else those of the strangers."""
    counts = []
    for ttl, hop in enumerate(new.hops, start=1):
        same = not set(hop).isdisjoint(hop_at(old.hops, ttl))
        rows = steady if same else suspicion.rows
        counts.append(rows[ttl - 1] if ttl <= len(rows) else 0)
    return tuple(counts)


def shared_hops(a: tuple[Hop, ...], b: tuple[Hop, ...]) -> int:
    """At how many ttls two routes have a responder in common."""
    return sum(bool(set(x) & set(y)) for x, y in zip(a, b, strict=False))
