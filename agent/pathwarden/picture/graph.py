"""Many ways as one directed graph: who answered where, seen from one source.

Rules:
1. Hops are one node by their address, whatever way they are on; destinations by address, method and port, since these have an outcome each.
2. Silent hops are nodes of their own. Those between the same two hops, as many of them, are the same: nobody knows otherwise. A destination
   that did not answer hangs behind one that stands for all that is not known.
3. Where several routers share a hop, each of them leads to each of the next hop: which flow takes which is not kept.
4. Of two times a node or an edge is of both (same), of the earlier one alone (gone), or of the later one (come). Silence is no difference:
   hops that were silent at one time are those of the other, where the ways are as long and meet before and behind them.
5. Everything stands in the order in which the ways bring it, so that equal ways give an equal graph.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

from pathwarden.model.history import Route
from pathwarden.model.network import Network, Whose, nobody
from pathwarden.model.probe import Method, ReplyKind
from pathwarden.model.trace import Trace
from pathwarden.present.hops import median_ms

SOURCE = "source"
_PORTS = (Method.TCP, Method.TCP_CONNECT, Method.DCCP)  # a port of these is a service, with an outcome of its own
_Item = TypeVar("_Item", "Node", "Edge")
_Key = TypeVar("_Key")
Hops = tuple[tuple[str, ...], ...]


class Kind(StrEnum):
    """What a node is."""

    SOURCE = "source"
    HOP = "hop"
    UNKNOWN = "unknown"
    DESTINATION = "destination"


class Outcome(StrEnum):
    """What became of a destination."""

    NONE = ""
    ANSWERS = "answers"
    OPEN = "open"
    CLOSED = "closed"
    SILENT = "silent"


class State(StrEnum):
    """Of which of two times something is."""

    SAME = "same"
    GONE = "gone"
    COME = "come"


class Way(NamedTuple):
    """One target's way: its names, the responders by ttl with () for silent ones, the last ones being the destination's if it answered.

    `rtts_ms` is by address, the destination's own by ''.
    """

    names: tuple[str, ...]
    service: str
    address: str
    hops: Hops
    outcome: Outcome
    rtts_ms: Mapping[str, float]


class Node(NamedTuple):
    """A node; `name` is unique. `lines` is what stands in it."""

    name: str
    kind: Kind
    lines: tuple[str, ...] = ()
    network: Network = Network()
    outcome: Outcome = Outcome.NONE
    rtt_ms: float | None = None
    state: State = State.SAME


class Edge(NamedTuple):
    """An edge between two nodes by their names: the targets whose ways take it, and the least RTT to its end."""

    start: str
    end: str
    targets: tuple[str, ...]
    rtt_ms: float | None = None
    state: State = State.SAME


class Graph(NamedTuple):
    """The nodes, the source first, and the edges."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def way_of(name: str, trace: Trace, route: Route | None = None) -> Way:
    """What a trace saw of a target with this name; the route, if it followed one, knows other members of load balancers as well."""
    length = trace.reached_ttl
    seen = list(trace.path.hops)
    known = route.hops if route is not None and route.address == trace.address else ()
    hops = [tuple(dict.fromkeys((*here, *(known[place] if place < len(known) else ())))) for place, here in enumerate(seen)]
    rtts = {}
    for hop in trace.hops:
        for responder in hop.responders:
            rtt = median_ms([answer.rtt_ns for answer in hop.answers if answer.responder == responder and answer.rtt_ns is not None])
            if rtt is not None:
                rtts["" if hop.ttl == length else responder] = rtt
    method = trace.flow.method
    service = f"{method.value} {trace.flow.dport}" if method in _PORTS else method.value
    return Way((name,), service, trace.address, tuple(hops[: length and length - 1]), _outcome(trace), rtts)


def graph(ways: Sequence[Way], before: Sequence[Way] | None = None, whose: Whose = nobody) -> Graph:
    """The graph of these ways; with `before` that of two times."""
    if before is None:
        alone = _Part(ways, whose)
        return Graph(tuple(alone.nodes.values()), tuple(alone.edges.values()))
    later, earlier = _Part(_filled(ways, before), whose), _Part(_filled(before, ways), whose)
    return Graph(tuple(_both(later.nodes, earlier.nodes)), tuple(_both(later.edges, earlier.edges)))


def as_json(drawn: Graph) -> dict[str, object]:
    """The graph as JSON-ready values; what is not known is null."""
    nodes = [
        {
            "name": node.name,
            "kind": node.kind.value,
            "lines": list(node.lines),
            "outcome": node.outcome.value or None,
            "rtt_ms": node.rtt_ms,
            "asn": node.network.asn,
            "as_name": node.network.as_name or None,
            "state": node.state.value,
        }
        for node in drawn.nodes
    ]
    edges = [{"start": e.start, "end": e.end, "targets": list(e.targets), "rtt_ms": e.rtt_ms, "state": e.state.value} for e in drawn.edges]
    return {"nodes": nodes, "edges": edges}


class _Part:
    """The ways of one time."""

    def __init__(self, ways: Iterable[Way], whose: Whose) -> None:
        self.nodes: dict[str, Node] = {SOURCE: Node(SOURCE, Kind.SOURCE, ("here",))}
        self.edges: dict[tuple[str, str], Edge] = {}
        self._whose = whose
        for way in ways:
            self._add(way)

    def _add(self, way: Way) -> None:
        at: tuple[str, ...] = (SOURCE,)
        for stage in _stages(way):
            for name, node in stage.items():
                self._put(name, node)
            for start in at:
                for end in stage:
                    self._join(start, end, way)
            at = tuple(stage)

    def _put(self, name: str, node: Node) -> None:
        old = self.nodes.get(name)
        if old is not None:
            lines = tuple(dict.fromkeys((*old.lines, *node.lines)))
            self.nodes[name] = old._replace(lines=lines, rtt_ms=_least(old.rtt_ms, node.rtt_ms))
        elif node.kind is Kind.UNKNOWN:
            self.nodes[name] = node
        else:
            self.nodes[name] = node._replace(network=self._whose(node.lines[0]))

    def _join(self, start: str, end: str, way: Way) -> None:
        if start == end:
            return
        old = self.edges.get((start, end))
        targets = tuple(dict.fromkeys((*(old.targets if old else ()), *way.names)))
        self.edges[start, end] = Edge(start, end, targets, _least(old.rtt_ms if old else None, self.nodes[end].rtt_ms))


def _stages(way: Way) -> Iterator[dict[str, Node]]:
    """The nodes of each hop, the destination's last."""
    hops = list(way.hops)
    last = max((place for place, hop in enumerate(hops, 1) if hop), default=0)
    silent = way.outcome is Outcome.SILENT
    if silent:
        del hops[last:]
        hops.append(())
    end = f"{way.address} {way.service}"
    place = 0
    while place < len(hops):
        if hops[place]:
            yield {address: Node(address, Kind.HOP, (address,), rtt_ms=way.rtts_ms.get(address)) for address in hops[place]}
            place += 1
            continue
        gap = next((each for each in range(place, len(hops)) if hops[each]), len(hops)) - place
        near = "|".join(hops[place - 1]) if place else SOURCE
        far = "|".join(hops[place + gap]) if place + gap < len(hops) else end
        for number in range(gap):
            name = f"? {near} > {far} {number + 1}/{gap}"
            yield {name: Node(name, Kind.UNKNOWN)}
        place += gap
    titles = tuple(dict.fromkeys((way.address, way.service, *way.names)))
    yield {end: Node(end, Kind.DESTINATION, titles, outcome=way.outcome, rtt_ms=way.rtts_ms.get(""))}


def _filled(ways: Iterable[Way], others: Iterable[Way]) -> Iterator[Way]:
    """The ways, with silent hops as the same target's way of the other time knows them (rule 4)."""
    known = {(way.names, way.service, way.address, len(way.hops)): way.hops for way in others}
    for way in ways:
        hops = known.get((way.names, way.service, way.address, len(way.hops)))
        yield way if hops is None else way._replace(hops=tuple(_meeting(way.hops, hops)))


def _meeting(hops: Hops, other: Hops) -> Iterator[tuple[str, ...]]:
    """The silent hops filled where the next hops on both sides that both know have a responder in common, or there are none."""
    both = [set(one) & set(two) if one and two else None for one, two in zip(hops, other, strict=True)]
    for place, hop in enumerate(hops):
        near = next((common for common in reversed(both[:place]) if common is not None), True)
        far = next((common for common in both[place + 1 :] if common is not None), True)
        yield other[place] if not hop and near and far else hop


def _least(*values: float | None) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _outcome(trace: Trace) -> Outcome:
    if trace.reached_ttl is None:
        return Outcome.SILENT
    kinds = {answer.kind for hop in trace.hops if hop.ttl == trace.reached_ttl for answer in hop.answers}
    return Outcome.OPEN if ReplyKind.OPEN in kinds else Outcome.CLOSED if ReplyKind.CLOSED in kinds else Outcome.ANSWERS


def _both(later: Mapping[_Key, _Item], earlier: Mapping[_Key, _Item]) -> Iterator[_Item]:
    """What is of both times or one; what is of both as it is in the later one."""
    for key, item in later.items():
        yield item if key in earlier else item._replace(state=State.COME)
    for key, item in earlier.items():
        if key not in later:
            yield item._replace(state=State.GONE)
