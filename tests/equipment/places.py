"""Random worlds with one broken link, for the tests of localisation: networks and their routers, what a watch would know, the truth.

The parameters, none of them taken from a measurement of the Internet unless said so: eight destination networks behind one ISP with two
border routers, as in the benchmark's world; 12 to 18 hops where transit lies between, fewer with direct peering (30 %, half of that at an
exchange). 7 % of routers are silent and 13 % limit their answers (to 20..70 %), as in the benchmark. A quarter of homes sit behind a
router of their own, a quarter behind carrier-grade NAT. Providers number their links to customers; of direct peerings either side
does. AS data know 95 % of the
routers' addresses, all targets' and 90 % of the exchanges. The broken link is any one in use, all alike, and drops everything both ways.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from pathwarden.detect.locate import Home, Sighting, Standing
from pathwarden.detect.segments import Surroundings
from pathwarden.model.change import Segment

BROKEN_AT = 1_795_250_700_000_000_000
SECOND = 1_000_000_000
SILENT, LIMITED = 0.07, 0.13
PROBES = 6  # that each hop of a failed target got since
VERIFIED = 0.6  # of a healthy target's links were verified since
ANSWERED = 0.8  # of healthy targets answered themselves since
UNNOTICED = 0.1  # of the failed targets still count as healthy
ECHO = 0.85  # of routers answer when they are probed directly
BALANCED = 0.15  # of hops are two or three routers

HOME, ISP, DESTINATION, HOST = "home", "isp", "destination", "host"


class Router(NamedTuple):
    """A hop: its responders, whose it is, and the part of probes it answers."""

    responders: tuple[str, ...]
    owner: str
    answers: float
    echoes: bool


class World(NamedTuple):
    """What `locate` is given, and the truth: the segment of the broken link, and the targets behind it with the routers at its ends."""

    sightings: tuple[Sighting, ...]
    around: Surroundings
    segment: Segment
    behind: dict[str, tuple[Router | None, Router]]


class _Net:
    """One network: a few prefixes, and addresses out of them."""

    def __init__(self, chance: random.Random, number: int, owner: str, prefixes: Sequence[str]) -> None:
        self.number, self.owner, self.prefixes = number, owner, prefixes
        self._chance = chance

    def address(self) -> str:
        """A fresh address."""
        return f"{self._chance.choice(self.prefixes)}.{self._chance.randrange(256)}.{self._chance.randrange(1, 255)}"


class _Maker:
    def __init__(self, seed: int, *, informed: bool) -> None:
        self.chance = random.Random(seed)
        self.informed = informed
        self.numbers = 64500
        self.nets: list[_Net] = []
        self.prefixes = [f"{first}.{second}" for first in (5, 23, 45, 62, 81, 93, 109, 146, 185, 212) for second in range(0, 256, 7)]
        self.chance.shuffle(self.prefixes)
        self.exchange = f"80.249.{self.chance.randrange(256)}"

    def net(self, owner: str) -> _Net:
        self.numbers += 1
        prefixes = [self.prefixes.pop() for _ in range(self.chance.randint(1, 3))]
        self.nets.append(_Net(self.chance, self.numbers, owner, prefixes))
        return self.nets[-1]

    def router(self, net: _Net, owner: str | None = None, address: str = "") -> Router:
        chance = self.chance
        members = chance.randint(2, 3) if not address and chance.random() < BALANCED else 1
        responders = tuple(sorted({address or net.address() for _ in range(members)}))
        draw = chance.random()
        answers = 0.0 if draw < SILENT else chance.uniform(0.2, 0.7) if draw < SILENT + LIMITED else 0.98
        return Router(responders, owner or net.owner, answers, chance.random() < ECHO)

    def chain(self, net: _Net, least: int, most: int) -> list[Router]:
        return [self.router(net) for _ in range(self.chance.randint(least, most))]

    def private(self, owner: str, address: str) -> Router:
        return self.router(self.nets[0], owner, address)

    def way_in(self, isp: _Net) -> tuple[str, str, list[Router]]:
        """Own address, public address, and the hops from the home to the ISP's core."""
        kind = self.chance.random()
        first = self.router(isp)
        if kind < 0.25:
            home = self.private(HOME, "192.168.1.1")._replace(answers=0.98)
            return "192.168.1.10", isp.address() if self.chance.random() < 0.5 else "", [home, first]
        if kind < 0.5:
            return "100.64.7.9", "", [self.private(ISP, "100.64.0.1"), first]
        own = isp.address()
        access = [self.private(ISP, f"10.{self.chance.randrange(256)}.0.1")] if self.chance.random() < 0.15 else []
        return own, own, [*access, first]


def _border(maker: _Maker, provider: _Net, customer: _Net) -> Router:
    """The customer's first router, with an address of the provider."""
    return maker.router(provider, customer.owner)


def _beyond(maker: _Maker, isp: _Net, transits: Sequence[_Net], middle: dict[int, list[Router]], site: _Net) -> list[Router]:
    """The routers from the ISP's border to the network of a destination."""
    chance = maker.chance
    if chance.random() < 0.3:
        at_exchange = chance.random() < 0.5
        address = f"{maker.exchange}.{chance.randrange(1, 255)}" if at_exchange else ""
        first = maker.router(chance.choice([isp, site]), DESTINATION, address)
        return [first, *maker.chain(site, 1, 3)]
    place = chance.randrange(len(transits))
    first_net = transits[place]
    routers = [*middle[place], *maker.chain(first_net, 1, 3)]
    last = first_net
    if chance.random() < 0.5:
        last = transits[place - 1]
        routers += [maker.router(chance.choice([first_net, last]), last.owner), *maker.chain(last, 1, 2)]
    return [*routers, _border(maker, last, site), *maker.chain(site, 0, 2)]


def make_world(seed: int, targets: int, *, informed: bool) -> World:
    """A world with so many targets and one broken link; `informed` tells whether AS numbers are known."""
    maker = _Maker(seed, informed=informed)
    chance = maker.chance
    isp = maker.net(ISP)
    own, public, start = maker.way_in(isp)
    core = maker.chain(isp, 1, 3)
    edges = [maker.chain(isp, 1, 2) for _ in range(2)]
    transits = [maker.net(f"transit{n}") for n in range(3)]
    # A transit numbers its link to the ISP, its customer, so its first router has an address of its own.
    middle = {n: maker.chain(net, 1, 2) for n, net in enumerate(transits)}
    sites = [maker.net(DESTINATION) for _ in range(8)]
    ways = [[*start, *core, *chance.choice(edges), *_beyond(maker, isp, transits, middle, site)] for site in sites]
    routes: dict[str, list[Router]] = {}
    for n in range(targets):
        at = chance.randrange(len(sites))
        host = maker.router(sites[at], HOST, sites[at].address())._replace(answers=0.99)
        routes[f"t{n}"] = [*ways[at], host]
    links = sorted({pair for route in routes.values() for pair in _pairs(route)}, key=repr)
    broken = chance.choice(links)
    sightings = tuple(_sighting(chance, tid, route, broken) for tid, route in routes.items())
    if all(each.standing is Standing.HEALTHY for each in sightings):  # somebody must have noticed
        first = next(tid for tid, route in routes.items() if broken in _pairs(route))
        sightings = tuple(
            _failed(chance, tid, routes[tid], broken) if tid == first else each for each in sightings for tid in [each.target]
        )
    behind = {tid: broken for tid, route in routes.items() if broken in _pairs(route)}
    return World(sightings, _around(maker, own, public, [each.address for each in sightings]), _segment(*broken), behind)


def _pairs(route: Sequence[Router]) -> list[tuple[Router | None, Router]]:
    return list(zip([None, *route], route, strict=False))


def _segment(near: Router | None, far: Router) -> Segment:
    before = HOME if near is None else near.owner
    if far.owner == HOME:
        return Segment.LAN
    if far.owner == ISP:
        return Segment.WAN if before == HOME else Segment.ISP
    if before == ISP:
        return Segment.BORDER
    return Segment.DESTINATION if far.owner in (DESTINATION, HOST) else Segment.TRANSIT


def _sighting(chance: random.Random, tid: str, route: Sequence[Router], broken: tuple[Router | None, Router]) -> Sighting:
    if broken in _pairs(route) and chance.random() >= UNNOTICED:
        return _failed(chance, tid, route, broken)
    hidden = broken in _pairs(route)
    lit = _pairs(route).index(broken) if hidden else len(route)
    verified = tuple(
        BROKEN_AT + (20 if place < lit and router.answers and chance.random() < VERIFIED else -300) * SECOND
        for place, router in enumerate(route)
    )
    answered_at = BROKEN_AT + (-300 if hidden or chance.random() > ANSWERED else 20) * SECOND
    return Sighting(tid, route[-1].responders[0], _hops(route), len(route), verified=verified, answered_at=answered_at)


def _failed(chance: random.Random, tid: str, route: Sequence[Router], broken: tuple[Router | None, Router]) -> Sighting:
    place = _pairs(route).index(broken)  # so many hops are before it
    last = max((ttl for ttl, router in enumerate(route[:place], start=1) if _answered(chance, router)), default=0)
    following = [ttl for ttl in range(last + 1, len(route)) if route[ttl - 1].answers][:2]
    direct = tuple((ttl, ttl <= place and route[ttl - 1].echoes) for ttl in following)
    limited = frozenset(ttl for ttl, router in enumerate(route, start=1) if 0 < router.answers < 0.9 and chance.random() < 0.8)
    verified = (BROKEN_AT - 300 * SECOND,) * len(route)
    return Sighting(
        tid, route[-1].responders[0], _hops(route), len(route), Standing.FAILED, BROKEN_AT, last, verified, limited=limited, direct=direct
    )


def _answered(chance: random.Random, router: Router) -> bool:
    return chance.random() < 1 - (1 - router.answers) ** PROBES


def _hops(route: Sequence[Router]) -> tuple[tuple[str, ...], ...]:
    return tuple(router.responders if router.answers else () for router in route)


def _around(maker: _Maker, own: str, public: str, targets: Sequence[str]) -> Surroundings:
    if not maker.informed:
        return Surroundings(own, public)
    numbers = {prefix: net.number for net in maker.nets for prefix in net.prefixes}
    known_exchange = maker.chance.random() < 0.9
    salt = maker.chance.randrange(2**16)

    def as_of(address: str) -> int | None:
        # Everybody's routes lead to a target, so its network is known.
        told = address in targets or random.Random(f"{salt} {address}").random() < 0.95
        return numbers.get(".".join(address.split(".")[:2])) if told else None

    return Surroundings(
        own,
        public,
        as_of=as_of,
        ixp=lambda address: known_exchange and address.startswith(f"{maker.exchange}."),
    )


HOME_KNOWS_NOTHING = Home()
