"""When enough flows were asked: the arithmetic of the multipath detection algorithm.

Augustin, Friedman, Teixeira, "Multipath Tracing with Paris Traceroute" (E2EMON 2007); Veitch, Augustin, Teixeira, Friedman,
"Failure Control in Multipath Route Tracing" (INFOCOM 2009). All suppose that a balancer gives each next hop the same share.
"""

from functools import cache
from math import ceil, comb, expm1, log, log1p


def per_decision(failure: float, decisions: int) -> float:
    """How improbable a single wrong stop must be, so that so many of them (1..) keep the whole below `failure` (0..1, neither end)."""
    return -expm1(log1p(-failure) / decisions)


@cache
def stopping_point(hops: int, failure: float) -> int:
    """How many flows must agree on fewer than `hops` (2..) next hops to rule so many out, but for this probability.

    Of so many flows the chance that none takes one certain next hop of `hops` is `failure` / `hops`, and there are `hops` to be missed.
    """
    return ceil(log(failure / hops) / log((hops - 1) / hops))


@cache
def branch_point(members: int, failure: float) -> int:
    """How many flows through so many members (2..), which share them evenly, miss neither of two next hops of any one of them.

    But for this probability: each of the two takes half of its member's share.
    """
    return ceil(log(failure / 2) / log1p(-1 / (2 * members)))


@cache
def sightings_point(hops: int, sightings: int, failure: float) -> int:
    """How many flows show one certain next hop of `hops` (2..) at least so many times, but for this probability."""
    share, flows = 1 / hops, sightings
    while sum(comb(flows, seen) * share**seen * (1 - share) ** (flows - seen) for seen in range(sightings)) > failure:
        flows += 1
    return flows


@cache
def repeats(hops: int, failure: float) -> int:
    """How many answers must repeat themselves to rule out a balancer per packet over `hops` (2..) next hops, but for this probability.

    By chance one in `hops` does.
    """
    return ceil(log(failure) / log(1 / hops))


def least_share(flows: int, failure: float) -> float:
    """The smallest part of the flows with which a next hop would have been seen by so many (1..), but for this probability.

    This supposes nothing about the other shares.
    """
    return -expm1(log(failure) / flows)
