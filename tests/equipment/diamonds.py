"""Networks with balanced stretches, made by rule, and the graph that a perfect search would find in them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

from pathwarden.daemon.drive import Driver
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.multipath import MultipathSession, MultipathSpec
from pathwarden.engine.pacing import TokenBucket
from pathwarden.model.multipath import Multipath
from pathwarden.model.probe import Binding, Method
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import Scenario, parse

TARGET = {4: "198.51.100.7", 6: "2001:db8:ffff::7"}
SOURCE = {4: "192.0.2.10", 6: "2001:db8::10"}


class World(NamedTuple):
    """A scenario, with the vertices and edges of its graph as a search should name them (silence is None)."""

    scenario: Scenario
    vertices: frozenset[tuple[int, str | None]]
    edges: frozenset[tuple[int, str | None, str | None]]


def world(links: Mapping[str, Sequence[str]], af: int = 4, **routers: dict[str, Any]) -> World:
    """A network that begins at router `a`; what has no links is followed by the target. `routers` gives some of them other values.

    Weights and "?" as in a scenario file. The addresses follow from the names' order.
    """
    names = sorted({"a"} | set(links) | {_name(hop) for hops in links.values() for hop in hops})
    addresses = {
        name: (f"10.0.{number // 250}.{number % 250 + 1}" if af == 4 else f"2001:db8:1::{number + 1:x}")
        for number, name in enumerate(names)
    }
    document = {
        "network": {"source": SOURCE[af], "gateway": addresses["a"]},
        "routers": {name: {f"address{af}": addresses[name]} | routers.get(name, {}) for name in names}
        | {"site": {f"address{af}": TARGET[af]} | routers.get("site", {})},
        "routes": {"main": ["a"]},
        "links": {name: list(hops) for name, hops in links.items()},
        "targets": [{"name": "site", "address": TARGET[af], "route": "main"}],
    }
    seen = {name: None if routers.get(name, {}).get("silent") else addresses[name] for name in names} | {"site": TARGET[af]}
    vertices, edges = set(), set()
    layer, ttl = {"a"}, 1
    while layer:
        vertices |= {(ttl, seen[name]) for name in layer}
        nearby = {(name, _name(hop)) for name in layer for hop in links.get(name, ["site"]) if name != "site"}
        edges |= {(ttl, seen[one], seen[other]) for one, other in nearby}
        layer, ttl = {other for _, other in nearby}, ttl + 1
    return World(parse(document), frozenset(vertices), frozenset(edges))


def layers(*widths: int, meshed: Iterable[int] = ()) -> dict[str, list[str]]:
    """Links of hops so wide, the first of width 1. Branches stay apart as far as widths allow; a layer of `meshed` crosses to the next."""
    names = [
        [f"{chr(97 + layer)}{number}" if width > 1 else chr(97 + layer) for number in range(width)] for layer, width in enumerate(widths)
    ]
    links: dict[str, list[str]] = {}
    for layer, (near, far) in enumerate(pairwise(names)):
        for place, name in enumerate(near):
            if layer in meshed:
                links[name] = far
            elif len(far) >= len(near):
                links[name] = far[place * len(far) // len(near) : (place + 1) * len(far) // len(near)]
            else:
                links[name] = [far[place * len(far) // len(near)]]
    return links


def search(made: World, seed: int, *, method: Method = Method.UDP, af: int = 4, pps: float = 1000, **spec: Any) -> Multipath:
    """Search all paths in virtual time."""
    network = SimNetwork(made.scenario, seed)
    flow = network.flow(TARGET[af], method, 0, Binding(), 0, 0)
    values: dict[str, Any] = {"first_ttl": 1, "max_ttl": 30, "wait_ns": 3_000_000_000, "gap_limit": 5, "window": 64, "per_flow": 64}
    correlator = Correlator()
    session = MultipathSession(MultipathSpec(flow, **(values | spec)), correlator, Random(seed))
    driver = Driver(network, network, correlator, TokenBucket(pps))
    driver.add(session, Binding(), lambda _: None)
    until_ns = network.now_ns + 600_000_000_000
    while len(driver):
        driver.step(60_000_000_000)
        assert network.now_ns < until_ns, "the search does not end"
    return session.outcome()


def found(made: World, result: Multipath) -> bool:
    """Whether the search found the whole graph."""
    return vertices_of(result) >= made.vertices and edges_of(result) >= made.edges


def exact(made: World, result: Multipath) -> bool:
    """Whether it found the graph and nothing besides."""
    return vertices_of(result) == made.vertices and edges_of(result) == made.edges


def vertices_of(result: Multipath) -> frozenset[tuple[int, str | None]]:
    """The vertices as `World` has them."""
    return frozenset((vertex.ttl, vertex.address) for vertex in result.vertices)


def edges_of(result: Multipath) -> frozenset[tuple[int, str | None, str | None]]:
    """The edges as `World` has them."""
    return frozenset((edge.ttl, edge.near, edge.far) for edge in result.edges)


def _name(hop: str) -> str:
    return hop.lstrip("?").partition("*")[0]
