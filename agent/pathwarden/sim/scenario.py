"""Scenario files: a small network and what happens to it, as TOML.

[network]
source = "192.0.2.10"
gateway = "192.0.2.1"

[routers.gw]                 # name = anything
address4 = "192.0.2.1"
adds_ms = 0.4                # what this hop adds to the round-trip time
jitter_ms = 0.05             # mean of the exponential extra delay
loss = 0.0                   # 0..1, each packet that comes here
silent = false               # never answers, but forwards
down = false                 # drops everything
rate_pps = 0                 # ICMP answers a second; 0: no limit
rate_burst = 1
duplicate = 0.0              # 0..1, answers sent twice

[routes]                     # names of routers; a list in the list is a balancer: per flow, or per packet with "?" before names
main = ["gw", ["a", "b"], "core"]

[links]                      # where a route's last router goes on, and so forth until one without links: next hops that share
core = ["x*3", "y"]          # the flows, here three to one; each router for itself, so branches may differ, cross and meet
x = ["?v", "w"]              # "?" before the first: per packet

[[targets]]                  # the destination is a router of the same name
name = "site"
address = "198.51.100.7"
route = "main"
label = "Example site"

[[changes]]                  # at an instant, a target takes another route, or a router changes
at_s = 600
target = "site"
route = "backup"
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pathwarden.errors import ConfigError


class Router(NamedTuple):
    """One router; see the scenario file's keys."""

    name: str
    address4: str = ""
    address6: str = ""
    adds_ms: float = 1.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    silent: bool = False
    down: bool = False
    rate_pps: float = 0.0
    rate_burst: int = 1
    duplicate: float = 0.0

    def address(self, af: int) -> str:
        """The address it answers with."""
        return self.address4 if af == 4 else self.address6


class Destination(NamedTuple):
    """A target of the scenario and the route it is reached by."""

    name: str
    address: str
    route: str
    label: str = ""


class Change(NamedTuple):
    """Something that happens: `target` takes `route`, or `router` gets new `values`."""

    at_s: float
    target: str = ""
    route: str = ""
    router: str = ""
    values: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A network and its changes. `routes` holds, per hop, the routers that share it (one: no balancer).

    `links` holds, per router, its next hops as a list in which one stands as often as its weight says; "?" marks it per packet.
    """

    source: str
    gateway: str
    routers: tuple[Router, ...]
    routes: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    destinations: tuple[Destination, ...]
    changes: tuple[Change, ...] = ()
    links: tuple[tuple[str, tuple[str, ...]], ...] = ()


def load(path: Path) -> Scenario:
    """Read a scenario file; raises `ConfigError` naming the file and what is wrong in it."""
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{path}: {error}", "see the head of pathwarden/sim/scenario.py for the form") from None


def parse(document: dict[str, Any]) -> Scenario:
    """Make a scenario of a parsed TOML document. Raises KeyError, TypeError or ValueError."""
    network = _table(document["network"])
    routers = tuple(Router(name=name, **_table(values)) for name, values in _table(document["routers"]).items())
    routes = tuple((name, tuple(_choice(hop) for hop in hops)) for name, hops in _table(document["routes"]).items())
    destinations = tuple(Destination(**table) for table in _tables(document["targets"]))
    changes = tuple(_change(table) for table in _tables(document.get("changes", [])))
    links = tuple((name, _shares(hops)) for name, hops in _table(document.get("links", {})).items())
    scenario = Scenario(str(network["source"]), str(network["gateway"]), routers, routes, destinations, changes, links)
    _check(scenario)
    return scenario


def _table(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no table")
    return value


def _tables(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list of tables")
    return [_table(item) for item in value]


def _choice(hop: str | list[str]) -> tuple[str, ...]:
    return (hop,) if isinstance(hop, str) else tuple(hop)


def _shares(hops: list[str]) -> tuple[str, ...]:
    """Each next hop as often as its weight says: "x*3" thrice."""
    shares: list[str] = []
    for hop in hops:
        name, _, weight = hop.partition("*")
        shares += [name] * int(weight or 1)
    if not shares:
        raise ValueError("links: a router without next hops needs no line")
    return tuple(shares)


def _change(table: dict[str, Any]) -> Change:
    known = {key: table.pop(key) for key in ("at_s", "target", "route", "router") if key in table}
    return Change(**known, values=tuple(table.items()))


def _check(scenario: Scenario) -> None:
    names = {router.name for router in scenario.routers}
    routes = {name for name, _ in scenario.routes}
    for name, hops in scenario.routes:
        unknown = {router.lstrip("?") for choice in hops for router in choice} - names
        if unknown:
            raise ValueError(f"routes.{name}: unknown router {min(unknown)}")
    _check_links(dict(scenario.links), names)
    for destination in scenario.destinations:
        if destination.name not in names:
            raise ValueError(f"targets.{destination.name}: a router of that name is missing")
        if destination.route not in routes:
            raise ValueError(f"targets.{destination.name}: unknown route {destination.route}")
    for change in scenario.changes:
        if change.router and change.router not in names:
            raise ValueError(f"changes: unknown router {change.router}")
        if change.target and change.route not in routes:
            raise ValueError(f"changes: unknown route {change.route}")
        unknown = {key for key, _ in change.values} - set(Router._fields)
        if unknown:
            raise ValueError(f"changes: unknown value {min(unknown)}")


def _check_links(links: dict[str, tuple[str, ...]], names: set[str]) -> None:
    unknown = ({*links} | {hop.lstrip("?") for hops in links.values() for hop in hops}) - names
    if unknown:
        raise ValueError(f"links: unknown router {min(unknown)}")
    left = {name: {hop.lstrip("?") for hop in hops} for name, hops in links.items()}
    while left:
        ends = {name for name, hops in left.items() if not hops & left.keys()}
        if not ends:
            raise ValueError(f"links: {min(left)} is part of a circle")
        for name in ends:
            del left[name]
