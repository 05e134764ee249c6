"""All paths to a target: the graph that many flows took."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from pathwarden.model.probe import Flow, ReplyKind
from pathwarden.model.trace import Ending

SHOWN = 16  # flow numbers and round-trip times kept per vertex and edge; the counts are whole


class Limit(StrEnum):
    """What kept a search from its end."""

    PROBES = "probes"  # the cap on probes
    FLOWS = "flows"  # the cap on flows
    ANSWERS = "answers"  # a hop answered too seldom


class Vertex(NamedTuple):
    """A responder at a ttl. `address` None stands for silence, which may be one router or several.

    `flows` are the numbers of the first few flows seen there (see `engine.flows.nth`), of `flow_count` in all; `rtts_ns` the first
    few round-trip times, () for silence. `final`: flows end here, at the target or at a router that said unreachable; `kind` and the
    ICMP fields are the last answer's (None, 0, 0 for silence).
    """

    ttl: int
    address: str | None
    flows: tuple[int, ...]
    flow_count: int
    rtts_ns: tuple[int, ...] = ()
    final: bool = False
    kind: ReplyKind | None = None
    icmp_type: int = 0
    icmp_code: int = 0


class Edge(NamedTuple):
    """From a vertex at `ttl` to one at `ttl` + 1, by their addresses (None: silence), with the first few flows that took it."""

    ttl: int
    near: str | None
    far: str | None
    flows: tuple[int, ...]
    flow_count: int


class HopSearch(NamedTuple):
    """How the vertices of one ttl were searched.

    `asked` and `answered` count flows. `by_vertex`: each vertex before it had its own stopping rule (MDA), else the hop had one (MDA-Lite).
    `per_packet`: the same flow got different answers, so flows say nothing about which vertices are neighbours. `closed`: the
    stopping rule was met, or nobody answers here. `least_share`: a vertex that takes at least this part of the flows would have been
    seen, but for the probability per decision (None if nobody answers).
    """

    ttl: int
    asked: int
    answered: int
    by_vertex: bool
    per_packet: bool
    closed: bool
    least_share: float | None


class Diamond(NamedTuple):
    """A stretch in which flows part and meet again.

    `ttl` is where they part (the last ttl with one vertex; one less than the first ttl if the source itself shares them), `end_ttl` where
    they meet, or the last ttl of the graph, and then `joined` is False. `length` is `end_ttl` - `ttl`, `width` the largest number of
    vertices of one ttl in between. `meshed`: branches cross. `asymmetric`: branches differ in vertices or in length.
    """

    ttl: int
    end_ttl: int
    length: int
    width: int
    meshed: bool
    asymmetric: bool
    per_packet: bool
    joined: bool


@dataclass(frozen=True, slots=True)
class Multipath:
    """What a search for all paths found.

    `reached_ttls` are the distances at which the target itself answered (branches may differ in length), () if it did not.
    `complete`: every hop is closed; else `limits` says what stopped the search. `failure_probability`: with at most this probability a
    complete graph lacks something, if balancers spread flows evenly, and where hops were not searched `by_vertex`, if what differs between
    branches is seen by two flows per member; `per_decision` is its share for one branching point.
    """

    flow: Flow
    ending: Ending
    error: str
    reached_ttls: tuple[int, ...]
    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]
    hops: tuple[HopSearch, ...]
    diamonds: tuple[Diamond, ...]
    complete: bool
    limits: tuple[Limit, ...]
    failure_probability: float
    per_decision: float
    flow_count: int
    probes: int
    late: int
    duplicates: int
