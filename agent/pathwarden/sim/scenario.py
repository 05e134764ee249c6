"""Scenario files: a small network and what happens to it, as TOML.

[network]
source = "192.0.2.10"
gateway = "192.0.2.1"
device = "wan"               # the uplink; a change of source, gateway or device is a new epoch

[routers.gw]                 # name = anything
address4 = "192.0.2.1"
adds_ms = 0.4                # what this hop adds to the round-trip time
jitter_ms = 0.05             # mean of the exponential extra delay of its own answers
queue_ms = 0                 # mean of the exponential extra delay of what it passes on: a full queue
loss = 0.0                   # 0..1, each packet that comes here
burst_loss = 0.0             # 0..1, the same while a burst lasts: on average `burst_s` long,
burst_s = 2                  # with `burst_every_s` between two (Gilbert's model in continuous time)
burst_every_s = 600
silent = false               # never answers, but forwards
down = false                 # drops everything
rate_pps = 0                 # ICMP answers a second; 0: no limit
rate_burst = 1
duplicate = 0.0              # 0..1, answers sent twice
late = 0.0                   # 0..1, answers that come `late_s` later than they should
late_s = 5
spoofed = 0.0                # 0..1, answers that a forged one accompanies, from an address and with an ident of its own
mpls = [16001, 17]           # the labels that a probe carries when it gets here, top first
keeps_tos = 255              # bits of ToS or traffic class that it passes on: 0 bleaches all, 3 the DSCP, 252 ECN
nat = 0                      # what it adds (ones' complement) to the checksum of what it passes on, as a translator does
mtu = 65535                  # the longest datagram that it passes on,
mtu_silent = false           # without a word if it is too long
initial_ttl = 64             # with which its answers leave,
back_hops = 0                # and how much longer their way back is than the probe's was
hash_key = 0                 # another number and its links share the flows anew

[routes]                     # names of routers; a list in the list is a balancer: per flow, or per packet with "?" before names
main = ["gw", ["a", "b"], "core"]
circle = ["gw", "a", "b", "@2"]  # never arrives: the last two hand it to each other

[links]                      # where a route's last router goes on, and so forth until one without links: next hops that share
core = ["x*3", "y"]          # the flows, here three to one; each router for itself, so branches may differ, cross and meet
x = ["?v", "w"]              # "?" before the first: per packet

[[targets]]                  # the destination is a router of the same name
name = "site"
address = "198.51.100.7"
route = "main"
label = "Example site"

[[changes]]                  # at an instant, a target takes another route, or moves to another `address` ("": its name is lost);
at_s = 600                   # or a `router` gets other values, or other `links`; or a `route` gets other `hops`;
target = "site"              # or the network gets another `source`, `gateway` or `device`; or all balancers share their flows anew
route = "backup"             # (`hash`, any word); or the wall clock steps by `clock_step_s`
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
    queue_ms: float = 0.0
    burst_loss: float = 0.0
    burst_s: float = 2.0
    burst_every_s: float = 600.0
    late: float = 0.0
    late_s: float = 5.0
    spoofed: float = 0.0
    mpls: tuple[int, ...] = ()
    keeps_tos: int = 255
    nat: int = 0
    mtu: int = 65535
    mtu_silent: bool = False
    initial_ttl: int = 64
    back_hops: int = 0
    hash_key: int = 0

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
    """Something that happens at an instant; what is '', (), None or 0 stays as it is.

    `target` takes `route` or moves to `address`; `route` alone gets other `hops`; `router` gets new `values` or other `links`; `uplink`
    holds a new source, gateway or device; `hash` is the balancers' new key.
    """

    at_s: float
    target: str = ""
    route: str = ""
    router: str = ""
    values: tuple[tuple[str, Any], ...] = ()
    address: str | None = None
    hops: tuple[tuple[str, ...], ...] = ()
    links: tuple[str, ...] = ()
    uplink: tuple[tuple[str, str], ...] = ()
    hash: str = ""
    clock_step_s: float = 0.0


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
    device: str = "wan"


UPLINK = ("source", "gateway", "device")


def load(path: Path) -> Scenario:
    """Read a scenario file; raises `ConfigError` naming the file and what is wrong in it."""
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{path}: {error}", "see the head of pathwarden/sim/scenario.py for the form") from None


def parse(document: dict[str, Any]) -> Scenario:
    """Make a scenario of a parsed TOML document. Raises KeyError, TypeError or ValueError."""
    network = _table(document["network"])
    routers = tuple(Router(name=name, **_values(_table(values))) for name, values in _table(document["routers"]).items())
    routes = tuple((name, tuple(_choice(hop) for hop in hops)) for name, hops in _table(document["routes"]).items())
    destinations = tuple(Destination(**table) for table in _tables(document["targets"]))
    changes = tuple(_change(table) for table in _tables(document.get("changes", [])))
    links = tuple((name, _shares(hops)) for name, hops in _table(document.get("links", {})).items())
    source, gateway, device = (str(network.get(key, "wan")) if key == "device" else str(network[key]) for key in UPLINK)
    scenario = Scenario(source, gateway, routers, routes, destinations, changes, links, device)
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


def _values(table: dict[str, Any]) -> dict[str, Any]:
    """A router's values; a list becomes a tuple."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def _change(table: dict[str, Any]) -> Change:
    left = dict(table)
    known = {key: left.pop(key) for key in ("at_s", "target", "route", "router", "address", "hash", "clock_step_s") if key in left}
    hops = tuple(_choice(hop) for hop in left.pop("hops", ()))
    links = _shares(left.pop("links")) if "links" in left else ()
    # A router may be given other addresses, but has no source.
    uplink = () if "router" in known else tuple((key, str(left.pop(key))) for key in UPLINK if key in left)
    return Change(**known, values=tuple(_values(left).items()), hops=hops, links=links, uplink=uplink)


def _check(scenario: Scenario) -> None:
    names = {router.name for router in scenario.routers}
    routes = {name for name, _ in scenario.routes}
    for name, hops in scenario.routes:
        _check_hops(name, hops, names)
    _check_links(dict(scenario.links), names)
    for destination in scenario.destinations:
        if destination.name not in names:
            raise ValueError(f"targets.{destination.name}: a router of that name is missing")
        if destination.route not in routes:
            raise ValueError(f"targets.{destination.name}: unknown route {destination.route}")
    targets = {destination.name for destination in scenario.destinations}
    for change in scenario.changes:
        _check_change(change, names, routes, targets)


def _check_hops(name: str, hops: tuple[tuple[str, ...], ...], names: set[str]) -> None:
    circle = int(hops[-1][0][1:]) if hops and hops[-1][0].startswith("@") else 0
    if circle and circle >= len(hops):
        raise ValueError(f"routes.{name}: {hops[-1][0]} is longer than the route")
    unknown = {router.lstrip("?") for choice in (hops[:-1] if circle else hops) for router in choice} - names
    if unknown:
        raise ValueError(f"routes.{name}: unknown router {min(unknown)}")


def _check_change(change: Change, names: set[str], routes: set[str], targets: set[str]) -> None:
    if change.router and change.router not in names:
        raise ValueError(f"changes: unknown router {change.router}")
    if change.target and change.target not in targets:
        raise ValueError(f"changes: unknown target {change.target}")
    if change.route not in routes and (change.route or (change.target and change.address is None)):
        raise ValueError(f"changes: unknown route {change.route}")
    if change.hops:
        _check_hops(change.route, change.hops, names)
    _check_links({change.router: change.links} if change.links else {}, names)
    unknown = {key for key, _ in change.values} - (set(Router._fields) if change.router else set())
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
