"""The graph that a search for all paths found, as values.

Rules:
1. A diamond begins at the last hop with one vertex before hops with several, and ends at the next hop with one. A hop where nobody
   answers neither begins nor ends one.
2. Its branches are compared as the search compared them, between neighbouring hops; so crossing branches are seen through silent hops only
   where the silent ones are seen, too.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from pathwarden.engine.multipath_hop import HopState
from pathwarden.engine.multipath_search import SILENCE, Search
from pathwarden.engine.stopping import least_share
from pathwarden.model.multipath import SHOWN, Diamond, Edge, HopSearch, Limit, Vertex
from pathwarden.model.probe import ReplyKind


class Graph(NamedTuple):
    """A graph, and what kept the search from closing it."""

    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]
    hops: tuple[HopSearch, ...]
    diamonds: tuple[Diamond, ...]
    reached_ttls: tuple[int, ...]
    limits: frozenset[Limit]


def graph(search: Search, dst: str) -> Graph:
    """What the search knows now."""
    ttls = _ttls(search)
    groups = {ttl: search.groups(ttl) for ttl in ttls}
    vertices = tuple(_vertex(search, ttl, who, flows) for ttl in ttls for who, flows in _ordered(groups[ttl]))
    edges = tuple(
        Edge(near, one or None, other or None, _first(flows), len(flows))
        for near, far in pairwise(ttls)
        for (one, other), flows in sorted(search.links(near).items())
        if far in groups
    )
    hops = tuple(_hop(search, ttl) for ttl in ttls)
    limits = {
        Limit.ANSWERS: any(search.hops[ttl].given_up for ttl in ttls),
        Limit.FLOWS: any(search.hops[ttl].out_of_flows for ttl in ttls),
    }
    return Graph(
        vertices,
        edges,
        hops,
        _diamonds(search, ttls),
        tuple(vertex.ttl for vertex in vertices if vertex.final and vertex.address == dst),
        frozenset(limit for limit, hit in limits.items() if hit),
    )


def _ttls(search: Search) -> range:
    """From the first ttl to the last that flows still reach; silence at the end is no hop."""
    last = max((ttl for ttl in search.hops if any(search.groups(ttl).keys() - {SILENCE})), default=search.first_ttl - 1)
    return range(search.first_ttl, last + 1)


def _ordered(groups: dict[str, list[int]]) -> list[tuple[str, list[int]]]:
    """Most flows first would change from search to search; by address it does not. Silence is the last."""
    return sorted(groups.items(), key=lambda item: (not item[0], item[0]))


def _first(flows: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(flows)[:SHOWN])


def _vertex(search: Search, ttl: int, who: str, flows: list[int]) -> Vertex:
    if not who:
        return Vertex(ttl, None, _first(flows), len(flows))
    hop = search.hops[ttl]
    kind, icmp_type, icmp_code = hop.kinds[who]
    final = kind is not ReplyKind.TIME_EXCEEDED
    return Vertex(ttl, who, _first(flows), len(flows), tuple(hop.rtts[who]), final, kind, icmp_type, icmp_code)


def _hop(search: Search, ttl: int) -> HopSearch:
    hop = search.hops[ttl]
    closed = not hop.given_up and not hop.out_of_flows
    return HopSearch(ttl, len(hop.asked), len(hop.answer), hop.by_vertex, hop.per_packet, closed, _least_share(search, hop))


def _least_share(search: Search, hop: HopState) -> float | None:
    """Of the vertex before that the fewest flows were seen to leave, where each has its own rule."""
    counts = [len(hop.answer)]
    if hop.by_vertex:
        counts = [sum(flow in hop.answer for flow in flows) for flows in search.going(hop.ttl - 1).values()]
    fewest = min(counts, default=0)
    return least_share(fewest, search.single) if fewest else None


def _diamonds(search: Search, ttls: range) -> tuple[Diamond, ...]:
    diamonds = []
    widths = {ttl: len(search.groups(ttl)) if search.hops[ttl].answer else 0 for ttl in ttls}
    begin = ttls.start - 1
    inside: list[int] = []
    for ttl in ttls:
        if widths[ttl] > 1:
            inside.append(ttl)
        elif widths[ttl] == 1:
            if inside:
                diamonds.append(_diamond(search, begin, ttl, widths, joined=True))
            begin, inside = ttl, []
    if inside:
        diamonds.append(_diamond(search, begin, ttls[-1], widths, joined=False))
    return tuple(diamonds)


def _diamond(search: Search, begin: int, end: int, widths: dict[int, int], *, joined: bool) -> Diamond:
    hops = [search.hops[ttl] for ttl in range(begin + 1, end + 1)]
    return Diamond(
        ttl=begin,
        end_ttl=end,
        length=end - begin,
        width=max(widths[hop.ttl] for hop in hops),
        meshed=any(hop.meshed for hop in hops),
        asymmetric=any(hop.asymmetric for hop in hops),
        per_packet=any(hop.per_packet for hop in hops),
        joined=joined,
    )
