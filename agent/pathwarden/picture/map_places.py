"""Where the responders of many ways are, as far as it is known, and which of the positions cannot be true.

Rules:
1. A position is what a database tells of an address: an estimate. What has none stays without, and is listed.
2. Responders with equal positions (to a hundredth of a degree) are at one place. A way leads from place to place; where hops between two
   places are silent or without a position, it is not whole there.
3. Light in fibre sets a limit: in its least RTT a responder is at most that far from the source. The accuracy that a database tells for a
   position is allowed for.
4. Where the source's own position is known, a responder beyond that limit is not where it is said to be. Where it is not, two responders
   contradict each other if they are farther apart than both limits together: neither has to be wrong alone. The one that contradicts
   most others is taken as wrong, then the next, until none is left; of equals all.
5. No way leads through a place where its responder cannot be.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from pathwarden.model.network import Network, Whose, nobody
from pathwarden.model.trace import Trace
from pathwarden.picture.map_sphere import LIGHT_KM_PER_MS, Point, distance_km

HERE = "source"
_SLACK_KM = 100  # a database that tells no accuracy means a town, with what is around it
_NS_PER_MS = 1_000_000


class Sight(NamedTuple):
    """A responder as a trace saw it, with its least RTT."""

    address: str
    rtt_ms: float | None


class Course(NamedTuple):
    """A target's way: its name, the source's address, and the responders by ttl, () for silent hops.

    The last is the destination if that was `reached`.
    """

    name: str
    source: str
    hops: tuple[tuple[Sight, ...], ...]
    reached: bool


class Contradiction(NamedTuple):
    """Why a position cannot be true: it is `km` from `other` (an address, or HERE), for which light needs `least_ms`; `seen_ms` passed."""

    other: str
    km: float
    least_ms: float
    seen_ms: float


class Responder(NamedTuple):
    """A responder at a place: its least RTT, the targets on whose ways it is, and what its position contradicts."""

    address: str
    rtt_ms: float | None
    targets: tuple[str, ...]
    destination: bool
    network: Network
    contradiction: Contradiction | None = None


class Place(NamedTuple):
    """A place with all responders that are said to be there."""

    point: Point
    responders: tuple[Responder, ...]


class Leg(NamedTuple):
    """A way from one place to another: the targets whose ways take it, the least RTT at its far end, whether it is known whole."""

    start: Point
    end: Point
    targets: tuple[str, ...]
    rtt_ms: float | None
    whole: bool


class Atlas(NamedTuple):
    """What the map shows. `source` is None where its position is unknown; `unknown` are responders without a position."""

    source: Point | None
    places: tuple[Place, ...]
    legs: tuple[Leg, ...]
    unknown: tuple[Responder, ...]


def course_of(name: str, trace: Trace) -> Course:
    """What a trace saw of a target with this name."""
    by_ttl: dict[int, tuple[Sight, ...]] = {}
    for hop in trace.hops:
        least: dict[str, float | None] = {}
        for answer in hop.answers:
            if answer.responder is not None:
                rtt = None if answer.rtt_ns is None else answer.rtt_ns / _NS_PER_MS
                least[answer.responder] = least_of(least.get(answer.responder), rtt)
        by_ttl[hop.ttl] = tuple(Sight(*each) for each in sorted(least.items()))
    last = trace.reached_ttl or max((ttl for ttl, sights in by_ttl.items() if sights), default=0)
    hops = tuple(by_ttl.get(ttl, ()) for ttl in range(1, last + 1))
    return Course(name, trace.flow.src, hops, trace.reached_ttl is not None)


def atlas(courses: Sequence[Course], whose: Whose = nobody, source: Point | None = None) -> Atlas:
    """Where these ways lead; `source` is where they begin, if the owner says so, else it is looked up."""
    found = _responders(courses, whose)
    begin, accuracy = (source, 0) if source is not None else _begin(courses, whose)
    points = {address: point for address, each in found.items() if (point := position(each.network)) is not None}
    known = [found[address] for address in points]
    judged = list(_by_source(known, points, begin, accuracy) if begin is not None else _by_one_another(known, points))
    places: dict[Point, list[Responder]] = {}
    for each in judged:
        places.setdefault(points[each.address], []).append(each)
    true = {each.address: points[each.address] for each in judged if each.contradiction is None}
    return Atlas(
        begin,
        tuple(Place(point, tuple(there)) for point, there in places.items()),
        tuple(_legs(courses, begin, true)),
        tuple(each for address, each in found.items() if address not in points),
    )


def as_json(found: Atlas) -> dict[str, object]:
    """The map as JSON-ready values; what is not known is null."""
    return {
        "source": None if found.source is None else found.source._asdict(),
        "places": [
            place.point._asdict()
            | {"city": place.responders[0].network.city or None, "country": place.responders[0].network.country or None}
            | {"responders": [_as_json(each) for each in place.responders]}
            for place in found.places
        ],
        "ways": [leg._asdict() | {"start": leg.start._asdict(), "end": leg.end._asdict()} for leg in found.legs],
        "unknown": [_as_json(each) for each in found.unknown],
    }


def _as_json(each: Responder) -> dict[str, object]:
    return {
        "address": each.address,
        "rtt_ms": each.rtt_ms,
        "targets": list(each.targets),
        "destination": each.destination,
        "special": each.network.special or None,
        "accuracy_km": each.network.accuracy_km,
        "contradiction": None if each.contradiction is None else each.contradiction._asdict(),
    }


def position(network: Network) -> Point | None:
    """Where a network's address is, None where that is not known."""
    lat, lon = network.latitude, network.longitude
    if lat is None or lon is None or not (-90 <= lat <= 90 and -180 <= lon <= 180):
        return None
    return Point(round(lat, 2), round(lon, 2))


def least_of(*values: float | None) -> float | None:
    """The least of those that are known."""
    return min((value for value in values if value is not None), default=None)


def _begin(courses: Iterable[Course], whose: Whose) -> tuple[Point | None, int]:
    """The source's position and how many km it may be off, by its addresses."""
    for address in dict.fromkeys(course.source for course in courses):
        network = whose(address)
        point = position(network)
        if point is not None:
            return point, _accuracy_km(network)
    return None, 0


def _responders(courses: Iterable[Course], whose: Whose) -> dict[str, Responder]:
    """All responders by address, in the order in which the ways bring them."""
    found: dict[str, Responder] = {}
    for course in courses:
        for ttl, sights in enumerate(course.hops, 1):
            end = course.reached and ttl == len(course.hops)
            for sight in sights:
                old = found.get(sight.address) or Responder(sight.address, None, (), False, whose(sight.address))
                targets = old.targets if course.name in old.targets else (*old.targets, course.name)
                rtt = least_of(old.rtt_ms, sight.rtt_ms)
                found[sight.address] = old._replace(targets=targets, rtt_ms=rtt, destination=old.destination or end)
    return found


def _limit_km(responder: Responder) -> float | None:
    """How far from the source its position may be at most (rule 3); None if nothing limits it."""
    if responder.rtt_ms is None:
        return None
    return responder.rtt_ms / 2 * LIGHT_KM_PER_MS + _accuracy_km(responder.network)


def _accuracy_km(network: Network) -> int:
    return _SLACK_KM if network.accuracy_km is None else network.accuracy_km


def _by_source(known: Iterable[Responder], points: Mapping[str, Point], source: Point, accuracy_km: int) -> Iterator[Responder]:
    for each in known:
        km, limit = distance_km(source, points[each.address]), _limit_km(each)
        if limit is None or each.rtt_ms is None or km <= limit + accuracy_km:
            yield each
        else:
            yield each._replace(contradiction=Contradiction(HERE, km, 2 * km / LIGHT_KM_PER_MS, each.rtt_ms))


def _by_one_another(known: Sequence[Responder], points: Mapping[str, Point]) -> Iterator[Responder]:
    """Rule 4, where the source's position is unknown."""
    against = _contradictions(known, points)
    wrong: dict[str, Contradiction] = {}
    left = {address: set(others) for address, others in against.items()}
    while most := max(map(len, left.values()), default=0):
        worst = [address for address, others in left.items() if len(others) == most]
        for address in worst:
            wrong[address] = max((against[address][other] for other in left[address]), key=lambda each: each.least_ms - each.seen_ms)
        left = {address: others - set(worst) for address, others in left.items() if address not in worst}
    yield from (each._replace(contradiction=wrong.get(each.address)) for each in known)


def _contradictions(known: Iterable[Responder], points: Mapping[str, Point]) -> dict[str, dict[str, Contradiction]]:
    """What each responder contradicts, by the other's address."""
    places: dict[Point, list[tuple[Responder, float, float]]] = {}
    for each in known:
        limit = _limit_km(each)
        if limit is not None and each.rtt_ms is not None:
            places.setdefault(points[each.address], []).append((each, limit, each.rtt_ms))
    against: dict[str, dict[str, Contradiction]] = {}
    for (here, ones), (there, twos) in combinations(places.items(), 2):
        km = distance_km(here, there)
        for one, limit, rtt in ones:
            for two, other_limit, other_rtt in twos:
                if km > limit + other_limit:
                    least, seen = 2 * km / LIGHT_KM_PER_MS, rtt + other_rtt
                    against.setdefault(one.address, {})[two.address] = Contradiction(two.address, km, least, seen)
                    against.setdefault(two.address, {})[one.address] = Contradiction(one.address, km, least, seen)
    return against


def _legs(courses: Iterable[Course], source: Point | None, true: dict[str, Point]) -> Iterator[Leg]:
    """The ways from place to place; one in both directions is one."""
    legs: dict[tuple[Point, Point], Leg] = {}
    for course in courses:
        at: tuple[Point, ...] = () if source is None else (source,)
        whole = True
        for sights in course.hops:
            there: dict[Point, float | None] = {}
            for sight in sights:
                if sight.address in true:
                    point = true[sight.address]
                    there[point] = least_of(there.get(point), sight.rtt_ms)
            if not there:
                whole = False
                continue
            for start in at:
                for end, rtt in there.items():
                    if start != end:
                        pair = (start, end) if (end, start) not in legs else (end, start)
                        old = legs.get(pair, Leg(*pair, (), None, False))
                        targets = old.targets if course.name in old.targets else (*old.targets, course.name)
                        legs[pair] = Leg(*pair, targets, least_of(old.rtt_ms, rtt), old.whole or whole)
            at, whole = tuple(there), True
    yield from legs.values()
