"""Comparing what a trace saw with what is known of a route.

A hop is a tuple of responders; the empty tuple is a silent hop. It is missing data: it matches everything and differs from nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

Hop = tuple[str, ...]
SILENT: Hop = ()
MOST_MEMBERS = 64  # load balancers seldom have more members; a hop where so many are known has no strangers


class Difference(NamedTuple):
    """Where two routes differ: `first_ttl..last_ttl` of the new one (last < first if it only lost hops), and who came and went."""

    first_ttl: int
    last_ttl: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    similarity: float


def hop_at(hops: Sequence[Hop], ttl: int) -> Hop:
    """The responders at a ttl; silent beyond the end."""
    return hops[ttl - 1] if 1 <= ttl <= len(hops) else SILENT


def strangers(known: Sequence[Hop], seen: Sequence[Hop]) -> dict[int, Hop]:
    """By ttl, the responders seen that are not among the known ones; hops where nobody is known yet have no strangers."""
    if known == seen:  # as nearly always
        return {}
    found = {}
    for ttl, (known_hop, seen_hop) in enumerate(zip(known, seen, strict=False), start=1):
        if 0 < len(known_hop) < MOST_MEMBERS:
            new = tuple(responder for responder in seen_hop if responder not in known_hop)
            if new:
                found[ttl] = new
    return found


def lengths_differ(known: int | None, seen: int | None) -> bool:
    """Whether the destination was found at two different ttls; an unknown length differs from nothing."""
    return known is not None and seen is not None and known != seen


def compatible(known: Sequence[Hop], known_length: int | None, seen: Sequence[Hop], seen_length: int | None) -> bool:
    """Whether two routes can be the same: no hop where both are known and share nobody, and lengths agree where both are known."""
    if lengths_differ(known_length, seen_length):
        return False
    return all(_meet(a, b) for a, b in zip(known, seen, strict=False))


def merge(*paths: Sequence[Hop]) -> tuple[Hop, ...]:
    """All responders of several paths, hop by hop, sorted."""
    length = max((len(path) for path in paths), default=0)
    return tuple(tuple(sorted({r for path in paths for r in hop_at(path, ttl)})) for ttl in range(1, length + 1))


def fill(known: Sequence[Hop], seen: Sequence[Hop]) -> tuple[Hop, ...]:
    """The known hops, with hops that were silent until now filled from what was seen."""
    length = max(len(known), len(seen))
    return tuple(hop_at(known, ttl) or hop_at(seen, ttl) for ttl in range(1, length + 1))


def difference(old: Sequence[Hop], new: Sequence[Hop]) -> Difference:
    """The stretch between the common beginning and the common end of two routes (the end aligned at the destination)."""
    shorter = min(len(old), len(new))
    # A silent hop meets everything, but the destination is the destination: it stays with the other one's.
    reserved = 1 if shorter and set(old[-1]) & set(new[-1]) and len(old) != len(new) else 0
    head = 0
    while head < shorter - reserved and _meet(old[head], new[head]):
        head += 1
    tail = 0
    while tail < shorter - head and _meet(old[-1 - tail], new[-1 - tail]):
        tail += 1
    gone, come = old[head : len(old) - tail], new[head : len(new) - tail]
    gone_all, come_all = {r for hop in gone for r in hop}, {r for hop in come for r in hop}
    same = 1 - max(len(gone), len(come)) / max(len(old), len(new), 1)
    return Difference(head + 1, len(new) - tail, tuple(sorted(come_all - gone_all)), tuple(sorted(gone_all - come_all)), round(same, 3))


def _meet(a: Hop, b: Hop) -> bool:
    return not a or not b or not set(a).isdisjoint(b)
