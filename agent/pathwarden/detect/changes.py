"""A change as a value: what the routes before and after differ in."""

from collections.abc import Iterable

from pathwarden.detect.classify import as_path_of
from pathwarden.detect.compare import difference
from pathwarden.model.change import Change, ChangeKind
from pathwarden.model.history import Route
from pathwarden.model.network import Whose
from pathwarden.model.trace import Trace


def change_of(
    kind: ChangeKind,
    trace: Trace,
    first_seen_at: int,
    confirmations: int,
    old: Route | None,
    new: Route | None,
    old_since: int,
    classes: tuple[str, ...],
    *,
    learning: bool,
    whose: Whose,
    old_address: str | None = None,
    known: bool = False,
    returns_to_usual: bool = False,
    lost_after_ttl: int | None = None,
) -> Change:
    """A change that `trace` confirms; the route before it was in force since `old_since` (0: nobody knows)."""
    differ = difference(old.hops, new.hops) if old and new and old is not new else None
    rtts = sorted(trace.destination_rtts_ns)
    delta_ms = None
    if old and new and old is not new and old.rtt_ms is not None and rtts:
        delta_ms = round(rtts[len(rtts) // 2] / 1e6 - old.rtt_ms, 3)
    before, after = as_path_of(old, whose), as_path_of(new, whose)
    return Change(
        kind=kind,
        first_seen_at=first_seen_at,
        at=trace.at,
        confirmations=confirmations,
        old=old,
        new=new,
        old_address=old_address or trace.address,
        new_address=trace.address,
        old_seconds=max(round((first_seen_at - old_since) / 1e9), 0) if old_since else 0,
        classes=classes,
        first_ttl=differ.first_ttl if differ else 0,
        last_ttl=differ.last_ttl if differ else 0,
        added=differ.added if differ else (),
        removed=differ.removed if differ else (),
        similarity=differ.similarity if differ else 1.0,
        known=known,
        returns_to_usual=returns_to_usual,
        rtt_delta_ms=delta_ms,
        lost_after_ttl=lost_after_ttl,
        learning=learning,
        as_before=before,
        as_after=after,
        as_names=_names({*before} ^ {*after}, (old, new), whose),
    )


def _names(wanted: set[int], routes: Iterable[Route | None], whose: Whose) -> tuple[tuple[int, str], ...]:
    """What these networks are called that are on these routes, as far as it is known."""
    found: dict[int, str] = {}
    if wanted:
        for network in (whose(responder) for route in routes if route for hop in route.hops for responder in hop):
            if network.asn in wanted and network.as_name:
                found.setdefault(network.asn, network.as_name)
    return tuple(found.items())
