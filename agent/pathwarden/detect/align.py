"""Aligning two routes hop by hop, as a reader would: what stayed, what was replaced, what came and what went.

Rules:
1. The alignment with the least cost is taken: hops with a responder in common 0, a silent hop beside any hop 0.2, other routers 1
   (2 if they are known to be of different AS), a hop more or less 1.5, a silent one more or less 0.5.
2. Among alignments of equal cost hops stay side by side as long as possible, from the destination backwards: so what came or went is told
   where the routes part.
3. Where a route is not known up to the destination, what lies beyond its end costs nothing: nobody looked there.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from pathwarden.detect.compare import Hop

# The costs, in tenths, so that sums are exact.
_WILDCARD = 2
_SAME_AS = 10
_OTHER_AS = 20
_KNOWN_MORE = 15
_SILENT_MORE = 5


class Op(StrEnum):
    """What became of a hop."""

    SAME = "same"
    UNKNOWN = "unknown"  # silent on one side, or beyond where that route is known
    REPLACED = "replaced"
    ADDED = "added"
    REMOVED = "removed"


class Row(NamedTuple):
    """One line of the aligned routes: the ttls side by side; None where the other route has no hop for it."""

    old_ttl: int | None
    new_ttl: int | None
    op: Op


def no_as(_address: str) -> int | None:
    """Knows no AS at all."""
    return None


def align(
    old: Sequence[Hop],
    new: Sequence[Hop],
    as_of: Callable[[str], int | None] = no_as,
    *,
    old_ends: bool = True,
    new_ends: bool = True,
) -> tuple[Row, ...]:
    """The rows of two aligned routes, in order; `as_of` gives the AS of a responder, None if unknown.

    `old_ends` and `new_ends`: the last hop is the destination's, so nothing lies beyond.
    Takes time in proportion to the product of the lengths.
    """
    pair = _Pair(old, new, as_of, old_ends=old_ends, new_ends=new_ends)
    costs = _costs(pair, len(old), len(new))
    rows: list[Row] = []
    i, j = len(old), len(new)
    while i or j:
        if i and j and costs[i][j] == costs[i - 1][j - 1] + pair.beside(i - 1, j - 1):
            i, j = i - 1, j - 1
            rows.append(Row(i + 1, j + 1, _op(old[i], new[j])))
        elif i and costs[i][j] == costs[i - 1][j] + pair.gone(i - 1, j):
            i -= 1
            rows.append(Row(i + 1, None, Op.UNKNOWN if pair.beyond_new(j) else Op.REMOVED))
        else:
            j -= 1
            rows.append(Row(None, j + 1, Op.UNKNOWN if pair.beyond_old(i) else Op.ADDED))
    return tuple(reversed(rows))


class _Pair:
    """Two routes and what it costs to put their hops side by side (places count from 0)."""

    def __init__(
        self, old: Sequence[Hop], new: Sequence[Hop], as_of: Callable[[str], int | None], *, old_ends: bool, new_ends: bool
    ) -> None:
        self._old, self._new = old, new
        self._old_ends, self._new_ends = old_ends, new_ends
        self._old_as = [_networks(hop, as_of) for hop in old]
        self._new_as = [_networks(hop, as_of) for hop in new]

    def beside(self, i: int, j: int) -> int:
        a, b = self._old[i], self._new[j]
        if not a or not b:
            return _WILDCARD
        if not set(a).isdisjoint(b):
            return 0
        mine, other = self._old_as[i], self._new_as[j]
        return _OTHER_AS if mine and other and mine.isdisjoint(other) else _SAME_AS

    def gone(self, i: int, j: int) -> int:
        """The hop at `i` of the old route has nothing beside it, before the hop at `j` of the new one."""
        return 0 if self.beyond_new(j) else _more(self._old[i])

    def come(self, i: int, j: int) -> int:
        return 0 if self.beyond_old(i) else _more(self._new[j])

    def beyond_new(self, j: int) -> bool:
        return not self._new_ends and j == len(self._new)

    def beyond_old(self, i: int) -> bool:
        return not self._old_ends and i == len(self._old)


def _costs(pair: _Pair, olds: int, news: int) -> list[list[int]]:
    """By place the least cost of the first `i` hops of the one and `j` of the other."""
    costs = [[0] * (news + 1) for _ in range(olds + 1)]
    for i in range(olds + 1):
        for j in range(news + 1):
            ways = [costs[i - 1][j - 1] + pair.beside(i - 1, j - 1)] if i and j else []
            if i:
                ways.append(costs[i - 1][j] + pair.gone(i - 1, j))
            if j:
                ways.append(costs[i][j - 1] + pair.come(i, j - 1))
            costs[i][j] = min(ways, default=0)
    return costs


def _networks(hop: Hop, as_of: Callable[[str], int | None]) -> frozenset[int]:
    return frozenset(number for who in hop if (number := as_of(who)) is not None)


def _more(hop: Hop) -> int:
    return _KNOWN_MORE if hop else _SILENT_MORE


def _op(old: Hop, new: Hop) -> Op:
    if not old or not new:
        return Op.UNKNOWN
    return Op.REPLACED if set(old).isdisjoint(new) else Op.SAME
