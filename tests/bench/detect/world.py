"""The random world of the detection benchmark. Every number in it is chosen here, and stands in `Numbers` with what it means.

One home with a gateway, one provider with two trunks, 8 networks behind them, 40 targets, 5 in each network. A target leaves its
base path for one of three others (a departure), some of which lead through another carrier, and returns. Each carrier, each site and the
provider is an AS of its own, which whoever asks is told (see `whose`). Now and then a trunk changes under all 20 targets behind it, and now
and then a target or the border of a network fails. Loss, silence and rate limits are there all the time and change nothing.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from math import exp, log
from random import Random
from typing import NamedTuple

from bench.detect.truth import Happening, View, What, class_of, first_difference, observable
from pathwarden.model.network import UNKNOWN, Network, numbers
from pathwarden.sim.scenario import Change, Destination, Router, Scenario

DAY_S = 86_400.0
NEAR_HOPS = 6  # gateway, two of the provider's, two of a trunk, a border
SITE_HOPS = 2  # before the destination, in its own network
GATEWAY = "192.168.1.1"
ISP = "240.0"  # prefixes of 240.0.0.0/4, which nobody has: each network's own, as in the Internet,
FIRST_AS = 64512  # and its AS: those for private use (RFC 6996) begin here
Hops = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The world's numbers. Shares are 0..1, rates a day, lengths seconds or hops; pairs are least and most."""

    targets: int = 40
    networks: int = 8
    trunks: int = 2
    length: tuple[int, int] = (12, 18)  # hops, the destination included
    transit: tuple[int, int] = (2, 4)  # hops that all targets of a network share behind its border
    balanced: float = 0.75  # of base paths have one or two diamonds
    second_diamond: float = 0.4  # of those have two
    widths: tuple[tuple[int, float], ...] = ((2, 0.5), (3, 0.15), (4, 0.2), (8, 0.1), (16, 0.05))
    detour_balanced: float = 0.3  # of detours have a diamond where they are new
    silent: float = 0.07  # of hops beyond the gateway, trunks excepted; a diamond's members are silent together
    limited: float = 0.13  # of routers answer at most so often:
    limit_pps: tuple[float, float] = (0.5, 10.0)  # log-uniform
    limit_burst: int = 3
    loss: float = 0.0005  # each router, each packet
    bursty: float = 0.25  # of routers lose packets in bursts as well:
    burst: tuple[float, float, float] = (0.3, 30.0, 21_600.0)  # share lost, mean length, mean pause
    adds_ms: tuple[float, float] = (0.3, 1.5)  # least, and mean of the exponential part above it
    jitter_ms: float = 0.3
    # Departures a day from the base path, share of targets. Who is away, often for hours, does not depart: about 27 of 65 remain.
    rates: tuple[tuple[float, float], ...] = ((0.12, 0.6), (1.2, 0.3), (12.0, 0.1))
    short_share: float = 0.45  # of departures
    short: tuple[float, float] = (240.0, 1.2)  # log-normal: median and sigma
    long: tuple[float, float] = (21_600.0, 1.4)
    least_s: float = 20.0
    pause_s: float = 60.0  # between a return and the next departure
    detours: int = 3  # a target's other paths; the first is taken half of the time
    shapes: tuple[tuple[str, float], ...] = (("one", 0.3), ("several", 0.3), ("length", 0.25), ("carrier", 0.15))
    carriers: int = 4  # that nothing but detours leads through
    shared_rate: float = 0.5  # changes a day and trunk, as short and long as departures
    outage_rate: float = 0.05  # a day and target, log-normal as short departures
    border_rate: float = 0.1  # a day and network, likewise
    quiet_s: float = 1800.0  # before anything happens: the initial map, which no budget counts, takes the first `map_s`
    map_s: float = 600.0


@dataclass(slots=True)
class World:
    """A scenario, the names of its targets, how long it lasts after the map, and what happens."""

    seed: int
    scenario: Scenario
    targets: tuple[str, ...]
    starts_s: float
    ends_s: float
    happenings: list[Happening] = field(default_factory=list)


class _Target(NamedTuple):
    name: str
    network: int
    trunk: int
    address: str
    rate: float
    base: Hops
    detours: tuple[Hops, ...]
    segments: tuple[str, ...]


def make(seed: int, days: float, numbers: Numbers | None = None) -> World:
    """The world of a seed, whole days after its map."""
    return _Maker(seed, days, numbers or Numbers()).world()


class _Maker:
    def __init__(self, seed: int, days: float, numbers: Numbers) -> None:
        self.seed, self.numbers = seed, numbers
        self.dice = Random(f"world {seed}")
        self.ends_s = numbers.map_s + days * DAY_S
        self.routers: dict[str, Router] = {}
        self.changes: list[Change] = [Change(0.0, hash=f"w{seed}")]  # balancers by name: see `Topology`
        self.happenings: list[Happening] = []
        self.causes = 0
        self.addresses: Counter[str] = Counter()

    def world(self) -> World:
        targets = self._targets()
        routes = []
        for target in targets:
            routes += [(f"{target.name}.{number}", hops) for number, hops in enumerate((target.base, *target.detours))]
        destinations = tuple(Destination(t.name, t.address, f"{t.name}.0") for t in targets)
        for target in targets:
            self._depart(target)
        self._share(targets)
        self._fail(targets)
        scenario = Scenario("192.168.1.10", GATEWAY, tuple(self.routers.values()), tuple(routes), destinations, tuple(self.changes))
        self.happenings.sort(key=lambda each: each.at_s)
        names = tuple(target.name for target in targets)
        return World(self.seed, scenario, names, self.numbers.map_s, self.ends_s, self.happenings)

    # The network.

    def _targets(self) -> list[_Target]:
        numbers, dice = self.numbers, self.dice
        self.routers["gw"] = Router("gw", GATEWAY, adds_ms=0.4, jitter_ms=0.1)
        near = [("gw",), self._hop(ISP), self._hop(ISP)]
        trunks = [[self._hop(ISP, answers=True), self._hop(ISP, answers=True)] for _ in range(numbers.trunks)]
        self.trunk_names = [[hop[0] for hop in trunk] for trunk in trunks]
        self.borders = []
        rates = [rate for rate, share in numbers.rates for _ in range(round(share * numbers.targets))]
        dice.shuffle(rates)
        targets = []
        for network in range(numbers.networks):
            carrier = _carrier(network)
            border, transit = self._hop(carrier), [self._hop(carrier) for _ in range(dice.randint(*numbers.transit))]
            self.borders.append(border[0])
            trunk = network % numbers.trunks
            shared = [*near, *trunks[trunk], border, *transit]
            for _ in range(numbers.targets // numbers.networks):
                targets.append(self._target(len(targets), network, trunk, shared, rates[len(targets)]))
        return targets

    def _target(self, number: int, network: int, trunk: int, shared: list[tuple[str, ...]], rate: float) -> _Target:
        numbers, dice = self.numbers, self.dice
        tail_length = max(dice.randint(*numbers.length) - len(shared) - 1, 1)
        prefixes = [_carrier(network)] * (tail_length - SITE_HOPS) + [_site(network)] * min(SITE_HOPS, tail_length)
        tail: list[tuple[str, ...]] = [self._hop(prefix) for prefix in prefixes]
        if dice.random() < numbers.balanced:
            for place in dice.sample(range(tail_length), min(1 + (dice.random() < numbers.second_diamond), tail_length)):
                tail[place] = self._hop(prefixes[place], self._width())
        base = (*shared, *tail)
        self.routers[f"t{number}"] = self._router(f"t{number}", "", answers=True)
        detours = tuple(self._detour(base, network, len(shared)) for _ in range(numbers.detours))
        segments = ("lan", "wan", "isp", "isp", "isp", "border", *["transit"] * (len(base) - NEAR_HOPS))
        site = max(len(base) - SITE_HOPS, len(shared))
        address = self._address(_site(network))
        return _Target(f"t{number}", network, trunk, address, rate, base, detours, (*segments[:site], *["destination"] * 9))

    def _detour(self, base: Hops, network: int, shared: int) -> Hops:
        """Another path: one hop, several hops, or a number of hops by one to three more or less replaced; or some by another carrier's."""
        numbers, dice = self.numbers, self.dice
        shape = _drawn(dice, numbers.shapes)
        site = max(len(base) - SITE_HOPS, shared)
        abroad = shape == "carrier"
        start = dice.randrange(NEAR_HOPS, site - 1 if abroad else len(base))  # behind the border
        stop = min(start + (1 if shape == "one" else dice.randint(2, 4)), site if abroad else len(base))
        size = stop - start
        if shape == "length":
            more = dice.choice([-1, -2, 1, 1, 2, 3])
            # What does not fit, for too short a stretch or too long a path, becomes one hop less.
            size += more if size + more >= 0 and len(base) + more < numbers.length[1] else -1
        prefix = _site(network) if start >= site else _carrier(network)
        if abroad:
            prefix = _carrier(numbers.networks + dice.randrange(numbers.carriers))
        new: list[tuple[str, ...]] = [self._hop(prefix) for _ in range(size)]
        if new and dice.random() < numbers.detour_balanced:
            new[dice.randrange(size)] = self._hop(prefix, self._width())
        return (*base[:start], *new, *base[stop:])

    def _hop(self, prefix: str, width: int = 1, *, answers: bool = False) -> tuple[str, ...]:
        silent = not answers and self.dice.random() < self.numbers.silent
        names = []
        for _ in range(width):
            name = f"r{len(self.routers)}"
            self.routers[name] = self._router(name, self._address(prefix), answers=answers)._replace(silent=silent)
            names.append(name)
        return tuple(names)

    def _router(self, name: str, address: str, *, answers: bool = False) -> Router:
        numbers, dice = self.numbers, self.dice
        least, most = numbers.limit_pps
        limited = not answers and dice.random() < numbers.limited
        burst_loss, burst_s, every_s = numbers.burst if dice.random() < numbers.bursty else (0.0, 2.0, 600.0)
        return Router(
            name,
            address,
            adds_ms=numbers.adds_ms[0] + dice.expovariate(1 / numbers.adds_ms[1]),
            jitter_ms=numbers.jitter_ms,
            loss=numbers.loss,
            rate_pps=exp(dice.uniform(log(least), log(most))) if limited else 0.0,
            rate_burst=numbers.limit_burst if limited else 1,
            burst_loss=burst_loss,
            burst_s=burst_s,
            burst_every_s=every_s,
        )

    def _address(self, prefix: str) -> str:
        """The next address of a prefix; neighbours lie in different /24, so that none is taken for the other renumbered."""
        self.addresses[prefix] += 1
        number = self.addresses[prefix]
        return f"{prefix}.{number % 250}.{number // 250 + 1}"

    def _width(self) -> int:
        return int(_drawn(self.dice, self.numbers.widths))

    # What happens.

    def _depart(self, target: _Target) -> None:
        numbers, dice = self.numbers, self.dice
        mean_s = DAY_S / target.rate
        at_s = numbers.quiet_s + dice.expovariate(1 / mean_s)
        while at_s < self.ends_s:
            number = 1 + _drawn(dice, [(0, 0.5), *((other, 0.5 / (numbers.detours - 1)) for other in range(1, numbers.detours))])
            back_s = at_s + self._lasts_s()
            next_s = back_s + numbers.pause_s + dice.expovariate(1 / mean_s)
            before, after = self._view(target, target.base), self._view(target, target.detours[number - 1])
            self.causes += 1
            self._path(target, What.DEPARTURE, at_s, min(back_s, self.ends_s), before, after)
            self.changes.append(Change(at_s, target.name, f"{target.name}.{number}"))
            if back_s < self.ends_s:
                self._path(target, What.RETURN, back_s, min(next_s, self.ends_s), after, before)
                self.changes.append(Change(back_s, target.name, f"{target.name}.0"))
            at_s = next_s

    def _share(self, targets: list[_Target]) -> None:
        """A trunk's first router, or both, have other addresses for a while."""
        numbers, dice = self.numbers, self.dice
        for trunk, names in enumerate(self.trunk_names):
            for at_s, back_s, next_s in self._times(numbers.shared_rate, short=False):
                chosen = names if dice.random() < 0.5 else names[:1]
                others = {name: self._address(ISP) for name in chosen}
                self.causes += 1
                for name, address in others.items():
                    self.changes.append(Change(at_s, router=name, values=(("address4", address),)))
                    self.changes.append(Change(back_s, router=name, values=(("address4", self.routers[name].address4),)))
                for target in targets:
                    if target.trunk == trunk:
                        before = self._view(target, target.base)
                        after = self._view(target, target.base, others)
                        self._path(target, What.SHARED, at_s, min(back_s, self.ends_s), before, after)
                        if back_s < self.ends_s:
                            self._path(target, What.SHARED_RETURN, back_s, min(next_s, self.ends_s), after, before)

    def _fail(self, targets: list[_Target]) -> None:
        """Targets and borders drop everything for a while, where no departure of a target concerned is under way or near."""
        for target in targets:
            self._outages(target.name, [target], self.numbers.outage_rate)
        for network, border in enumerate(self.borders):
            self._outages(border, [target for target in targets if target.network == network], self.numbers.border_rate)

    def _outages(self, router: str, concerned: list[_Target], rate: float) -> None:
        names = {target.name for target in concerned}
        for at_s, back_s, next_s in self._times(rate, short=True):
            if any(_meets(each, at_s - 900, back_s + 900) for each in self.happenings if each.target in names):
                continue
            self.causes += 1
            self.changes += [
                Change(at_s, router=router, values=(("down", True),)),
                Change(back_s, router=router, values=(("down", False),)),
            ]
            for target in concerned:
                segment = "border" if router in self.borders else "destination"
                self.happenings.append(
                    Happening(target.name, What.LOST, at_s, min(back_s, self.ends_s), self.causes, True, "lost", segment)
                )
                if back_s < self.ends_s:
                    self.happenings.append(Happening(target.name, What.BACK, back_s, min(next_s, self.ends_s), self.causes, True, "lost"))

    def _times(self, rate: float, *, short: bool) -> Iterator[tuple[float, float, float]]:
        """When something begins, ends, and begins again."""
        mean_s = DAY_S / rate
        at_s = self.numbers.quiet_s + self.dice.expovariate(1 / mean_s)
        while at_s < self.ends_s:
            back_s = at_s + self._lasts_s(short=short)
            next_s = back_s + self.numbers.pause_s + self.dice.expovariate(1 / mean_s)
            yield at_s, back_s, next_s
            at_s = next_s

    def _lasts_s(self, *, short: bool = False) -> float:
        numbers, dice = self.numbers, self.dice
        median_s, sigma = numbers.short if short or dice.random() < numbers.short_share else numbers.long
        return max(median_s * exp(sigma * dice.gauss(0, 1)), numbers.least_s)

    def _path(self, target: _Target, what: What, at_s: float, until_s: float, before: View, after: View) -> None:
        seen = observable(before, after)
        first = first_difference(before, after)
        segment = target.segments[min(first, len(target.segments)) - 1]
        self.happenings.append(Happening(target.name, what, at_s, until_s, self.causes, seen, class_of(before, after, AS_OF), segment))

    def _view(self, target: _Target, hops: Hops, others: dict[str, str] | None = None) -> View:
        others = others or {}
        view = [frozenset(others.get(name, self.routers[name].address4) for name in hop if not self.routers[name].silent) for hop in hops]
        return (*view, frozenset({target.address}))


def _meets(happening: Happening, from_s: float, to_s: float) -> bool:
    """Whether a target is away from its base path, or returns to it, or is lost, at any time between these."""
    if happening.what in (What.DEPARTURE, What.LOST):
        return happening.at_s < to_s and from_s < happening.until_s
    return happening.what in (What.RETURN, What.BACK) and from_s < happening.at_s < to_s


def _drawn(dice: Random, shares: "tuple[tuple[object, float], ...] | list[tuple[object, float]]") -> "object":
    """One of these by its share."""
    return dice.choices([each for each, _ in shares], [share for _, share in shares])[0]


@lru_cache(4096)
def whose(address: str) -> Network:
    """Whose an address of a world is, as enrichment would tell it; what is at home is nobody's."""
    first, prefix, *_ = address.split(".")
    return Network(asn=FIRST_AS + int(prefix)) if first == ISP.split(".", maxsplit=1)[0] else UNKNOWN


AS_OF = numbers(whose)


def _carrier(network: int) -> str:
    """The prefix of what carries traffic to a network; beyond the last network, of carriers that only detours lead through."""
    return f"240.{16 + network}"


def _site(network: int) -> str:
    """The prefix of the network's own routers and hosts."""
    return f"240.{64 + network}"
