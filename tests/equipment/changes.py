"""Changes in shorthand, as the detector would make them."""

from pathwarden.model.change import NO_CAUSE, NOWHERE, Cause, Change, ChangeKind, Location
from pathwarden.model.history import Route

START_AT = 1_795_250_700_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
EPOCH = "wan|192.0.2.10|192.0.2.1"

WAYS = {"A": ("gw", "isp", "a", "D"), "B": ("gw", "isp", "b", "D"), "C": ("gw", "isp", "c", "D")}


def route(label: str = "A", hops: tuple[str, ...] = (), target: str = "site") -> Route:
    """A route with this letter, its hops being those of `WAYS` unless given; '' is a silent hop."""
    names = hops or WAYS[label]
    rows = tuple((name,) if name else () for name in names)
    return Route(f"{target}-{label}", target, label, names[-1], EPOCH, rows, len(rows), START_AT, START_AT, 100, 3, 10.0, 0.0)


def change(
    kind: ChangeKind = ChangeKind.PATH_CHANGED,
    old: Route | None = None,
    new: Route | None = None,
    at: int = START_AT,
    *,
    first_ttl: int = 3,
    classes: tuple[str, ...] = ("hop",),
    lost_after_ttl: int | None = None,
    to_usual: bool = False,
    learning: bool = False,
    delta_ms: float | None = None,
    before: str = "",
    after: str = "",
    cause: Cause = NO_CAUSE,
    location: Location = NOWHERE,
) -> Change:
    """A change; from A to B unless told otherwise."""
    old, new = old or route("A"), new or route("B")
    return Change(
        kind=kind,
        first_seen_at=at - 3 * SECOND,
        at=at,
        confirmations=3,
        old=old,
        new=new,
        old_address="203.0.113.9",
        new_address="203.0.113.9",
        old_seconds=100,
        classes=classes,
        first_ttl=first_ttl,
        last_ttl=first_ttl,
        added=(),
        removed=(),
        similarity=0.75,
        known=kind is ChangeKind.PATH_REVERTED,
        returns_to_usual=to_usual,
        rtt_delta_ms=delta_ms,
        lost_after_ttl=lost_after_ttl,
        learning=learning,
        before=before,
        after=after,
        cause=cause,
        location=location,
    )


def moved(old: str = "A", new: str = "B", at: int = START_AT, *, target: str = "site", **values: object) -> Change:
    """A change of the path by its letters; back to A is a return to the usual one."""
    to_usual = new == "A"
    kind = ChangeKind.PATH_REVERTED if to_usual else ChangeKind.PATH_CHANGED
    sides = route(old, target=target), route(new, target=target)
    return change(kind, *sides, at, to_usual=to_usual, **values)  # type: ignore[arg-type] - shorthand


def lost(at: int = START_AT, way: Route | None = None, after_ttl: int = 2, **values: object) -> Change:
    """The target does not answer any more."""
    way = way or route("A")
    return change(ChangeKind.TARGET_UNREACHABLE, way, way, at, first_ttl=0, classes=("lost",), lost_after_ttl=after_ttl, **values)  # type: ignore[arg-type] - shorthand


def back(at: int = START_AT, way: Route | None = None) -> Change:
    """The target answers again."""
    way = way or route("A")
    return change(ChangeKind.TARGET_REACHABLE, way, way, at, first_ttl=0, classes=("lost",))


def attribute(name: str = "mpls", at: int = START_AT, **values: object) -> Change:
    """Something about the path changed."""
    return change(ChangeKind.PATH_ATTRIBUTE_CHANGED, route("A"), route("A"), at, classes=(name,), **values)  # type: ignore[arg-type] - shorthand
