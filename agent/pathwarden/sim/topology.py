"""The simulated network's routers and routes as they are at an instant, and the way that a flow takes through them."""

import hashlib
from random import Random
from typing import NamedTuple
from zlib import crc32

from pathwarden.model.probe import Extension, Flow, MplsLabel, MplsStack
from pathwarden.sim.scenario import Change, Destination, Router, Scenario

CIRCLE_HOPS = 64  # a circle is unrolled so far; no trace goes beyond
_ONES = 0xFFFF  # ones' complement of 16 bits counts modulo this


class Place(NamedTuple):
    """A router on a way, with the round-trip time up to it, and what the way has done to a probe when it gets here."""

    router: Router
    base_ns: int
    tos_mask: int
    nat: int
    extensions: tuple[Extension, ...]


class Way(NamedTuple):
    """The places a flow meets, the destination last if it `arrives`; `hazards` are those that may drop, delay or refuse, by position."""

    places: tuple[Place, ...]
    hazards: tuple[tuple[int, Router], ...]
    arrives: bool


class Topology:
    """Routers, routes, links and destinations. Balancers hash with `seed` (links) and the changes' `hash`; per packet `random` decides."""

    def __init__(self, scenario: Scenario, seed: int, random: Random) -> None:
        self.destinations = {destination.address: destination for destination in scenario.destinations}
        self.addresses = {destination.name: destination.address for destination in scenario.destinations}
        self._routers = {router.name: router for router in scenario.routers}
        self._routes = dict(scenario.routes)
        self._links = dict(scenario.links)
        self._random = random
        self._hash_key = str(seed).encode()[:64]  # the longest that blake2b takes
        self._salt = ""
        self._ways: dict[Flow, Way] = {}
        self._per_packet: set[str] = set()
        self._note_per_packet()

    def apply(self, change: Change) -> None:
        """Let one change happen, as far as it concerns routers, routes or destinations."""
        if change.target:
            self._move(change)
        elif change.hops:
            self._routes[change.route] = change.hops
        if change.router:
            self._routers[change.router] = self._routers[change.router]._replace(**dict(change.values))
        if change.links:
            self._links[change.router] = change.links
        self._salt = change.hash or self._salt
        self._ways.clear()
        self._note_per_packet()

    def way(self, flow: Flow, destination: Destination) -> Way:
        """The way of a flow's next packet."""
        way = self._ways.get(flow)
        if way is None:
            way = self._make(flow, destination)
            if destination.route not in self._per_packet:
                self._ways[flow] = way
        return way

    def _move(self, change: Change) -> None:
        for address, destination in list(self.destinations.items()):
            if destination.name == change.target:
                self.destinations[address] = destination._replace(route=change.route or destination.route)
        if change.address is not None:
            old = next(each for each in self.destinations.values() if each.name == change.target)
            self.addresses[change.target] = change.address
            if change.address:
                # The old address goes on answering: probes to it are still on their way.
                self.destinations[change.address] = old._replace(address=change.address)

    def _note_per_packet(self) -> None:
        self._per_packet = {name for name, hops in self._routes.items() if any(choice[0].startswith("?") for choice in hops)}
        if any(hops[0].startswith("?") for hops in self._links.values()):
            self._per_packet = set(self._routes)

    def _make(self, flow: Flow, destination: Destination) -> Way:
        hops = self._routes[destination.route]
        circle = int(hops[-1][0][1:]) if hops and hops[-1][0].startswith("@") else 0
        routers = [
            self._routers[(choice[0] if len(choice) == 1 else self._choose(flow, number, choice)).lstrip("?")]
            for number, choice in enumerate(hops[:-1] if circle else hops)
        ]
        if circle:
            while len(routers) < CIRCLE_HOPS:
                routers.append(routers[-circle])
        else:
            while routers and (name := routers[-1].name) in self._links:
                routers.append(self._routers[self._share(flow, name).lstrip("?")])
            routers.append(self._routers[destination.name])
        hazards = tuple((number, router) for number, router in enumerate(routers) if _is_hazard(router))
        return Way(_places(routers), hazards, not circle)

    def _choose(self, flow: Flow, number: int, choice: tuple[str, ...]) -> str:
        if choice[0].startswith("?"):
            return self._random.choice(choice)
        fields = f"{flow.src}|{flow.dst}|{flow.sport}|{flow.dport}|{flow.label}"
        if self._salt:
            # By the balancer's name, not its place: a detour before it that is a hop longer does not share its flows anew.
            return choice[_digest(f"{choice[0]}|{fields}|{self._salt}") % len(choice)]
        return choice[crc32(f"{number}|{fields}".encode()) % len(choice)]

    def _share(self, flow: Flow, name: str) -> str:
        """Where a router with links sends a flow: its own hash of addresses, ports (ICMP: identifier, checksum) and flow label."""
        hops = self._links[name]
        if hops[0].startswith("?"):
            return self._random.choice(hops)
        key = self._routers[name].hash_key
        # A CRC is linear: neighbouring ports would fall into patterns that no other key changes.
        fields = f"{name}|{flow.src}|{flow.dst}|{flow.sport}|{flow.dport}|{flow.label}{self._salt}{key or ''}"
        return hops[_digest(fields, self._hash_key) % len(hops)]


def _digest(text: str, key: bytes = b"") -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, key=key).digest(), "big")


def _is_hazard(router: Router) -> bool:
    return bool(router.down or router.loss or router.burst_loss or router.queue_ms or router.mtu < Router._field_defaults["mtu"])


def _places(routers: list[Router]) -> tuple[Place, ...]:
    places, total_ms, tos_mask, nat = [], 0.0, 255, 0
    for router in routers:
        total_ms += router.adds_ms
        places.append(Place(router, round(total_ms * 1e6), tos_mask, nat, _stack(router.mpls)))
        tos_mask &= router.keeps_tos
        nat = (nat + router.nat) % _ONES
    return tuple(places)


def _stack(labels: tuple[int, ...]) -> tuple[Extension, ...]:
    if not labels:
        return ()
    return (MplsStack(tuple(MplsLabel(label, 0, number == len(labels), 1) for number, label in enumerate(labels, start=1))),)
