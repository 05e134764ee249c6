"""Classifying a path change: from two routes to the classes of the event, the worst first.

Rules:
1. loop: the new route meets a responder twice that the old one did not (see `loops`).
2. as_path: at least two known hops that came are of an AS that the old route does not touch, or two that went of one that the new route
   does not touch. One address between two networks is their border, and is numbered from either. Addresses of exchanges belong to
   nobody. Hops whose AS is unknown say nothing, and take no part: without AS numbers all other classes stay as they are.
3. reroute: two or more known hops were replaced, came or went; hop: one.
4. length: the destination is at another ttl. Alone it means that nothing visible changed: a hidden tunnel.
5. renumbered: a responder was replaced by one on the same link. A change that is nothing but that is no change of the path.
6. Silence is never a difference; the routes are aligned first (see `align`), so that a hop more does not replace all behind it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from pathwarden.detect.align import Op, Row, align
from pathwarden.detect.compare import Hop, lengths_differ
from pathwarden.detect.loops import circles
from pathwarden.model.history import Route
from pathwarden.model.network import Whose, exchanges, numbers

LEAST_AS_HOPS = 2
MORE_HOPS = 3  # a route this much longer is a warning
_LINK_BITS = {4: 2, 6: 2}  # /30 and /126 hold the two ends of a link; /31 and /127 lie within
_LAN_BITS = {4: 2, 6: 64}  # IPv6 links are /64 as well, but so is an operator's whole backbone: enough for one hop, not for several

AsOf = Callable[[str], int | None]
Ixp = Callable[[str], bool]


class Classes(NamedTuple):
    """The classes of a change, headline first; `severity` is a hint that knows no latency (info, notice, warning, critical).

    `attribute`: the whole difference is a renumbering, so it is to be told as `path_attribute_changed`. `as_before` and `as_after` are
    the AS paths, without single border addresses, exchanges and unknown hops.
    """

    labels: tuple[str, ...]
    severity: str
    attribute: bool
    as_before: tuple[int, ...]
    as_after: tuple[int, ...]


def classify(old: Route, new: Route, as_of: AsOf, ixp: Ixp) -> Classes:
    """The classes of a confirmed change between two routes; `as_of` gives a responder's AS or None, `ixp` whether it is an exchange's."""
    # Without AS numbers: what is known of networks must not change which hops count as replaced.
    rows = align(old.hops, new.hops, old_ends=old.length is not None, new_ends=new.length is not None)
    touched, renumbered = _touched(rows, old.hops, new.hops, ixp)
    longer = lengths_differ(old.length, new.length)
    known = {loop.responder for loop in circles(old.hops, old.address)}
    facts = {
        "loop": any(loop.responder not in known for loop in circles(new.hops, new.address)),
        "as_path": _networks_changed(touched, old, new, as_of, ixp),
        "reroute": len(touched) > 1,
        "hop": len(touched) == 1,
        "length": longer,
        "renumbered": bool(renumbered),
    }
    # Routes that differ in nothing of this kind moved known hops to other places, between silent ones.
    labels = tuple(label for label, holds in facts.items() if holds) or ("hop",)
    before, after = as_path(old.hops, as_of, ixp), as_path(new.hops, as_of, ixp)
    return Classes(labels, _severity(labels, old, new), labels == ("renumbered",), before, after)


def as_path(hops: Sequence[Hop], as_of: AsOf, ixp: Ixp) -> tuple[int, ...]:
    """The networks along a route: one hop alone between two networks is their border, and does not count."""
    numbers = [networks.pop() for hop in hops if len(networks := set(_networks(hop, as_of, ixp))) == 1]
    runs = _runs((number, 1) for number in numbers)
    last = len(runs) - 1
    inner = (run for place, run in enumerate(runs) if run[1] >= LEAST_AS_HOPS or place in (0, last))
    return tuple(number for number, _ in _runs(inner))


def as_path_of(route: Route | None, whose: Whose) -> tuple[int, ...]:
    """The networks along a route as far as they are known; none without a route."""
    return () if route is None else as_path(route.hops, numbers(whose), exchanges(whose))


def same_link(a: str, b: str, bits: dict[int, int] = _LINK_BITS) -> bool:
    """Whether two addresses are of one network with so many bits left for its members; False for what is no address."""
    try:
        one, other = ip_address(a), ip_address(b)
    except ValueError:
        return False
    return one.version == other.version and int(one) >> bits[one.version] == int(other) >> bits[one.version]


def _touched(rows: Iterable[Row], old: Sequence[Hop], new: Sequence[Hop], ixp: Ixp) -> tuple[list[Row], list[Row]]:
    """The rows in which known hops were replaced, came or went; and those that were merely renumbered."""
    touched = [
        row
        for row in rows
        if row.op is Op.REPLACED or (row.op is Op.ADDED and _hop(new, row.new_ttl)) or (row.op is Op.REMOVED and _hop(old, row.old_ttl))
    ]
    bits = _LAN_BITS if len(touched) == 1 else _LINK_BITS
    renumbered = [
        row for row in touched if row.op is Op.REPLACED and _moved_on_link(_hop(old, row.old_ttl), _hop(new, row.new_ttl), ixp, bits)
    ]
    return [row for row in touched if row not in renumbered], renumbered


def _moved_on_link(old: Hop, new: Hop, ixp: Ixp, bits: dict[int, int]) -> bool:
    # An exchange's network is one link with all its members on it: another address there is another network's router.
    return all(any(same_link(before, after, bits) and not ixp(after) for before in old) for after in new)


def _networks_changed(touched: Sequence[Row], old: Route, new: Route, as_of: AsOf, ixp: Ixp) -> bool:
    everywhere_old = {number for hop in old.hops for number in _networks(hop, as_of, ixp)}
    everywhere_new = {number for hop in new.hops for number in _networks(hop, as_of, ixp)}
    votes: Counter[int] = Counter()
    for row in touched:
        before, after = _hop(old.hops, row.old_ttl), _hop(new.hops, row.new_ttl)
        if not (_told(before, as_of, ixp) and _told(after, as_of, ixp)):
            continue
        # Of a route that is not known to its end nobody can say which networks it does not touch.
        if old.length is not None:
            votes.update(_networks(after, as_of, ixp) - everywhere_old)
        if new.length is not None:
            votes.update(_networks(before, as_of, ixp) - everywhere_new)
    return any(count >= LEAST_AS_HOPS for count in votes.values())


def _networks(hop: Hop, as_of: AsOf, ixp: Ixp) -> frozenset[int]:
    return frozenset(number for who in hop if not ixp(who) and (number := as_of(who)) is not None)


def _told(hop: Hop, as_of: AsOf, ixp: Ixp) -> bool:
    """Whether it is known of each responder whose it is; so it is where there is none."""
    return all(ixp(who) or as_of(who) is not None for who in hop)


def _runs(counted: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Equal neighbours put together, with their counts."""
    runs: list[tuple[int, int]] = []
    for number, count in counted:
        if runs and runs[-1][0] == number:
            runs[-1] = (number, runs[-1][1] + count)
        else:
            runs.append((number, count))
    return runs


def _hop(hops: Sequence[Hop], ttl: int | None) -> Hop:
    return hops[ttl - 1] if ttl is not None else ()


def _severity(labels: tuple[str, ...], old: Route, new: Route) -> str:
    if "loop" in labels:
        # A lasting A, B, A on the way to a destination that answers is odd numbering rather than an outage.
        return "critical" if new.length is None else "warning"
    if labels == ("renumbered",):
        return "info"
    longer = (new.length or 0) - (old.length or new.length or 0)
    return "warning" if "as_path" in labels or longer >= MORE_HOPS else "notice"
