"""Where a fault lies: between which hops, in which part of the way, how surely, and why we say so.

All targets of one uplink and address family are judged together. Rules:
1. Local evidence first: no carrier, no address, no default route; a gateway that used to answer and does not, while nothing comes back
   through it.
2. A link leads from one known hop of a route to the next; silent hops between make it longer. Responders seen at one hop are one router,
   so that targets behind a load balancer share its links. Of a target that fails, the links behind the last hop that answered since are
   suspect (an answer to a direct probe counts); of one whose route changed, the links that the new route does not have; of one that fails
   on a route that runs in a circle, the links of the circle, whose hops all answer. What an answer for any other target has come
   through since is not.
3. A link's score is the number of targets in trouble that suspect it, less twice the number of healthy ones (that answered since) it
   leads to. The best explains its targets, and so on until every target is explained. Among equals it is the one that the targets come
   to first: a hop behind it would have answered. Where only routes changed, an answer since tells nothing of a link that it was not seen
   to come through: whoever moves first is compared with those that moved as well, and were not traced again yet.
4. Confidence: `LOCAL` by local evidence; `SEPARATED` where at least two targets tell both ends of the link, `SIGNALS` where one target
   does by two signals, else `AFTER`: at the hop or behind it. A segment that only addresses suggest is never surer than `SIGNALS`.
5. Direction: a route that moved or runs in a circle and a router that refuses speak of the way there. Silence speaks of either: a router
   behind the fault may get our probes, and its answers be lost. One vantage point cannot tell, so it is unknown.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from pathwarden.detect.compare import Hop, hop_at
from pathwarden.detect.loops import Loop, circles
from pathwarden.detect.segments import SEGMENTS, Owner, Part, Surroundings, alike, owners, part
from pathwarden.model.change import NOWHERE, Direction, Location, Segment

LOCAL = 0.95
SEPARATED = 0.9
SIGNALS = 0.7
AFTER = 0.5
UNLIKE = 3  # so many networks, and half of all, share little but the ISP, or whom it buys its way out from


class Standing(StrEnum):
    """How a target is."""

    HEALTHY = "healthy"
    FAILED = "failed"
    CHANGED = "changed"


class Evidence(StrEnum):
    """Why a location is what it is: the closed set of a location's `evidence`; the first one says most."""

    NO_CARRIER = "no_carrier"
    NO_ADDRESS = "no_address"
    NO_DEFAULT_ROUTE = "no_default_route"
    GATEWAY_SILENT = "gateway_silent"
    LAST_ANSWER = "last_answer"
    SEVERAL_FAIL = "several_fail"
    OTHERS_FINE = "others_fine"
    NEXT_SILENT = "next_silent"
    REFUSED = "refused"
    ROUTE_LEFT = "route_left"
    EXCHANGE = "exchange"
    HIDDEN_HOPS = "hidden_hops"
    BY_ADDRESS = "by_address"


class Sighting(NamedTuple):
    """One target as its watch knows it. Instants are wall-clock ns.

    `hops` is its last good route, `length` the ttl of the destination there (None if its probes never reached it). `since` is when it
    failed or changed, `last_ttl` the deepest hop of that route that answered since (0: none). `verified` says, by ttl, when an
    answer last came through the link into that hop (0: never), `answered_at` when the destination last answered. `limited` are ttls
    that answer too seldom for their silence to mean anything. `direct` are probes since to the hops' own addresses: ttl, and whether
    it answered. `refused_ttl` is the hop that said since that the destination cannot be reached. `now` is a changed target's new route.
    """

    target: str
    address: str
    hops: tuple[Hop, ...]
    length: int | None
    standing: Standing = Standing.HEALTHY
    since: int = 0
    last_ttl: int = 0
    verified: tuple[int, ...] = ()
    answered_at: int = 0
    limited: frozenset[int] = frozenset()
    direct: tuple[tuple[int, bool], ...] = ()
    refused_ttl: int | None = None
    now: tuple[Hop, ...] = ()

    @property
    def alive_ttl(self) -> int:
        """The deepest hop that is known to have answered since, in whatever way."""
        return max(self.last_ttl, self.refused_ttl or 0, *(ttl for ttl, answered in self.direct if answered))

    @property
    def circle(self) -> Loop | None:
        """Where its route comes back to a hop."""
        return next(iter(circles(self.hops, self.address)), None)


class Home(NamedTuple):
    """What is known of our own end of the uplink; None where nothing is. `gateway` is its address, `answers` whether it still does."""

    carrier: bool | None = None
    address: bool | None = None
    default_route: bool | None = None
    gateway: str = ""
    answers: bool | None = None


class _Link(NamedTuple):
    """A link on one target's route, named by the routers at its ends ('' is our own)."""

    near: str
    far: str
    near_ttl: int
    far_ttl: int

    @property
    def name(self) -> tuple[str, str]:
        return self.near, self.far

    @property
    def hidden(self) -> bool:
        """Whether silent hops lie between."""
        return self.far_ttl > self.near_ttl + 1


class _Case(NamedTuple):
    """A target in trouble, and the links it suspects."""

    seen: Sighting
    suspects: tuple[_Link, ...]


def locate(sightings: Sequence[Sighting], home: Home, around: Surroundings) -> dict[str, Location]:
    """The location of each failed or changed target's fault, by target; `NOWHERE` where nothing can be said."""
    result = {each.target: NOWHERE for each in sightings if each.standing is not Standing.HEALTHY}
    local = _local(sightings, home, around)
    scene = _Scene(sightings, around)
    cases = []
    for each in sightings:
        if local is not None and each.standing is Standing.FAILED:
            result[each.target] = local
        elif each.target in result and (suspects := scene.suspects(each)):
            cases.append(_Case(each, suspects))
    for name, explained in scene.cover(cases):
        for case in explained:
            result[case.seen.target] = scene.location(name, case, len(explained))
    return result


# -- local evidence


def _local(sightings: Sequence[Sighting], home: Home, around: Surroundings) -> Location | None:
    for known, segment, why in (
        (home.carrier, Segment.LAN, Evidence.NO_CARRIER),
        (home.address, Segment.WAN, Evidence.NO_ADDRESS),
        (home.default_route, Segment.LAN, Evidence.NO_DEFAULT_ROUTE),
    ):
        if known is False:
            return Location(segment, None, LOCAL, Direction.UNKNOWN, (why,))
    failed = [each for each in sightings if each.standing is Standing.FAILED]
    if home.answers is not False or not failed:
        return None
    since = min(each.since for each in failed)
    if any(each.alive_ttl > 1 for each in failed) or any(at > since for each in sightings for at in each.verified[1:]):
        return None  # something comes back through it: it only does not answer for itself
    owned = owners([(home.gateway,)], "", around)[0]
    segment = SEGMENTS[part(None, owned, adjacent=True)] if owned.owner is not Owner.UNKNOWN else Segment.WAN
    return Location(segment, ((), (home.gateway,)), LOCAL, Direction.UNKNOWN, (Evidence.GATEWAY_SILENT,))


# -- routers and links


class _Routers:
    """Responders that answer at the same hop of a route are one router; its name is one of them."""

    def __init__(self, sightings: Iterable[Sighting]) -> None:
        self._leader: dict[str, str] = {}
        for each in sightings:
            for hop in (*each.hops, *each.now):
                for responder in hop:
                    self._leader[self._lead(responder)] = self._lead(hop[0])

    def links(self, seen: Sighting) -> tuple[_Link, ...]:
        """The links of the last good route, to the destination."""
        known = [(ttl, self._lead(hop[0])) for ttl, hop in enumerate(seen.hops[: seen.length], start=1) if hop]
        end = self._lead(seen.address)
        if not known or (known[-1][1] != end and known[-1][0] != seen.length):
            # The path's own probes may never have come so far; the destination is behind all the same.
            known.append((max(seen.length or 0, len(seen.hops) + (seen.length is None)), end))
        return tuple(_Link(a, b, near, far) for (near, a), (far, b) in pairwise([(0, ""), *known]))

    def names(self, hops: Sequence[Hop]) -> set[tuple[str, str]]:
        """The names of all links of a route, whose silent hops may hide others."""
        known = ["", *(self._lead(hop[0]) for hop in hops if hop)]
        return set(pairwise(known))

    def _lead(self, responder: str) -> str:
        leader = self._leader.setdefault(responder, responder)
        while leader != self._leader[leader]:
            leader = self._leader[leader]
        return leader


class _Scene:
    """All targets side by side."""

    def __init__(self, sightings: Sequence[Sighting], around: Surroundings) -> None:
        self._sightings = sightings
        self._around = around
        self._routers = _Routers(sightings)
        self._ways = {each.target: self._routers.links(each) for each in sightings}
        self._shared = self._shared_by_most()
        self._passed = _Latest()
        self._answered = _Latest()
        for each in sightings:
            for link in self._ways[each.target]:
                at = _passed_at(each, link)
                self._passed.note(link.name, at, each.target)
                self._answered.note(link.far, at, each.target)

    def suspects(self, seen: Sighting) -> tuple[_Link, ...]:
        """Rule 2."""
        mine = self._ways[seen.target]
        circle = seen.circle
        if seen.standing is Standing.CHANGED:
            kept = self._routers.names(seen.now)
            mine = tuple(link for link in mine if link.name not in kept)
        elif circle is not None:
            # The last one sends packets back, and is the first to blame.
            mine = tuple(link for link in reversed(mine) if circle.first_ttl <= link.near_ttl and link.far_ttl <= circle.again_ttl)
        else:
            mine = tuple(link for link in mine if link.far_ttl > seen.alive_ttl)
        return tuple(link for link in mine if not self._passed.since(link.name, seen))

    def cover(self, cases: Sequence[_Case]) -> Iterator[tuple[tuple[str, str], list[_Case]]]:
        """Rule 3: links by name, each with the targets it explains."""
        left = list(cases)
        since = min((case.seen.since for case in cases), default=0)
        well = [each for each in self._sightings if each.standing is Standing.HEALTHY and each.answered_at > since]
        failing = {link.name for case in cases if case.seen.standing is Standing.FAILED for link in case.suspects}
        led_to = Counter(name for each in well for name in failing & {link.name for link in self._ways[each.target]})
        while left:
            places: dict[tuple[str, str], list[int]] = {}
            for case in left:
                for place, link in enumerate(case.suspects):
                    places.setdefault(link.name, []).append(place)
            ranks = {name: (2 * led_to[name] - len(at), sum(at) / len(at), name) for name, at in places.items()}
            best = min(ranks, key=ranks.__getitem__)
            yield best, [case for case in left if any(link.name == best for link in case.suspects)]
            left = [case for case in left if all(link.name != best for link in case.suspects)]

    def location(self, name: tuple[str, str], case: _Case, explained: int) -> Location:
        """What is said of a target whose trouble this link explains, as it does for so many targets."""
        seen = case.seen
        link = next(each for each in case.suspects if each.name == name)
        hops = _with_destination(seen, link)
        owned = owners(hops, seen.address, self._around, self._shared_ttl(seen))
        near, far = owned[link.near_ttl - 1] if link.near_ttl else None, owned[link.far_ttl - 1]
        where = part(near, far, adjacent=not link.hidden)
        why = self._evidence(link, seen, explained)
        confidence = _confidence(link, seen, why)
        if where is Part.IXP:
            why.append(Evidence.EXCHANGE)
        if far.guessed or (near is not None and near.guessed):
            why.append(Evidence.BY_ADDRESS)
            confidence = min(confidence, SIGNALS)
        forward = seen.standing is Standing.CHANGED or seen.circle is not None or Evidence.REFUSED in why
        direction = Direction.FORWARD if forward else Direction.UNKNOWN
        next_ttl = link.near_ttl + 1 if link.near_ttl else link.far_ttl  # of our own router and a silent hop nothing could be told
        between = (hop_at(hops, link.near_ttl), hop_at(hops, next_ttl))
        return Location(SEGMENTS[where], between, confidence, direction, tuple(why))

    def _evidence(self, link: _Link, seen: Sighting, explained: int) -> list[Evidence]:
        facts = {
            Evidence.ROUTE_LEFT: seen.standing is Standing.CHANGED,
            Evidence.SEVERAL_FAIL: explained > 1,
            Evidence.OTHERS_FINE: self._answered.since(link.near, seen),
            Evidence.LAST_ANSWER: 0 < link.near_ttl <= seen.alive_ttl and seen.standing is Standing.FAILED,
            Evidence.REFUSED: seen.refused_ttl is not None and seen.refused_ttl == link.near_ttl,
            Evidence.NEXT_SILENT: _next_silent(link, seen),
            Evidence.HIDDEN_HOPS: link.hidden,
        }
        return [evidence for evidence, holds in facts.items() if holds]

    def _shared_by_most(self) -> frozenset[str]:
        """Routers that lead to at least `UNLIKE` networks, and to half of all that the targets are in."""
        networks: list[str] = []  # an address of each
        leads_to: dict[str, set[str]] = {}
        for each in self._sightings:
            network = next((other for other in networks if each.address == other or alike(each.address, other)), each.address)
            networks.extend([network] if network not in networks else [])
            for link in self._ways[each.target]:
                leads_to.setdefault(link.far, set()).add(network)
        least = max(UNLIKE, len(networks) / 2)
        return frozenset(router for router, found in leads_to.items() if len(found) >= least)

    def _shared_ttl(self, seen: Sighting) -> int:
        return max((link.far_ttl for link in self._ways[seen.target] if link.far in self._shared), default=0)


class _Latest:
    """By key, the two targets that something held for last: whichever of them asks, the other remains."""

    def __init__(self) -> None:
        self._of: dict[Hashable, list[tuple[int, str]]] = {}

    def note(self, key: Hashable, at: int, target: str) -> None:
        """It held for a target at an instant."""
        others = [each for each in self._of.get(key, []) if each[1] != target or each[0] > at]
        if all(each[1] != target for each in others):
            others.append((at, target))
        self._of[key] = sorted(others, reverse=True)[:2]

    def since(self, key: Hashable, seen: Sighting) -> bool:
        """Whether it held for another target since this one was in trouble."""
        return any(at > seen.since and target != seen.target for at, target in self._of.get(key, ()))


def _passed_at(seen: Sighting, link: _Link) -> int:
    """When an answer for this target last came through the link; 0 if never."""
    verified = seen.verified[link.far_ttl - 1] if link.far_ttl <= len(seen.verified) else 0
    # The hops of a failed target that still answer did so after it failed.
    answered = seen.since + 1 if seen.standing is Standing.FAILED and link.far_ttl <= seen.last_ttl else 0
    return max(verified, answered)


def _confidence(link: _Link, seen: Sighting, why: Sequence[Evidence]) -> float:
    """Rule 4."""
    if link.hidden:
        return AFTER
    here = link.near_ttl == 0 or Evidence.LAST_ANSWER in why or Evidence.ROUTE_LEFT in why
    behind = not {Evidence.NEXT_SILENT, Evidence.REFUSED, Evidence.ROUTE_LEFT}.isdisjoint(why)
    several = not {Evidence.SEVERAL_FAIL, Evidence.OTHERS_FINE}.isdisjoint(why)
    if several and (here or Evidence.OTHERS_FINE in why) and (behind or link.far_ttl not in seen.limited):
        return SEPARATED
    return SIGNALS if here and behind else AFTER


def _next_silent(link: _Link, seen: Sighting) -> bool:
    """Whether direct probes to one of the two hops behind the link were not answered, and none was."""
    behind = [answered for ttl, answered in seen.direct if link.far_ttl <= ttl <= link.far_ttl + 1]
    return bool(behind) and not any(behind)


def _with_destination(seen: Sighting, link: _Link) -> tuple[Hop, ...]:
    """The hops of the route as far as the link needs them; where it leads to the destination, that is its end."""
    hops = tuple(hop_at(seen.hops, ttl) for ttl in range(1, max(len(seen.hops), link.far_ttl) + 1))
    return hops if hops[link.far_ttl - 1] else (*hops[: link.far_ttl - 1], (seen.address,), *hops[link.far_ttl :])
