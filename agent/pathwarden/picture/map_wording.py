"""What is said on the world map, beside its marks and below it."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from pathwarden.model.network import Network
from pathwarden.picture.map_places import HERE, Atlas, Contradiction, Leg, Place, Responder, least_of
from pathwarden.picture.map_view import Mark
from pathwarden.picture.wording import fit
from pathwarden.present.instants import rfc3339

COLUMNS = 176  # of the lines below the map, as broad as it is
_NAME = 24  # columns of a town's name
_LISTED = 240  # addresses without a position that are named: about 30 lines
_DAY = 10  # of an instant, its date


def town(network: Network) -> str:
    """`Delft, NL`, or as much of it as is known, else the position."""
    names = [name for name in (fit(network.city, _NAME), network.country) if name]
    return ", ".join(names) or f"{network.latitude:.1f} {network.longitude:.1f}"


def rtt(milliseconds: float | None) -> str:
    """`12.3 ms`, '' if it is unknown."""
    return "" if milliseconds is None else f"{milliseconds:.1f} ms"


def wrong(mark: Mark) -> bool:
    """Whether none of a mark's responders can be there."""
    return all(each.contradiction for place in mark.places for each in place.responders)


def least(mark: Mark) -> float | None:
    """The least RTT to a mark's places, of those that can be there, if any can."""
    responders = [each for place in mark.places for each in place.responders]
    return least_of(*(each.rtt_ms for each in responders if each.contradiction is None or wrong(mark)))


def label(mark: Mark, *, here: bool) -> str:
    """`Delft, NL 12.3 ms`; with how many more places it stands for."""
    first = town(mark.places[0].responders[0].network)
    more = f"+{len(mark.places) - 1}" if len(mark.places) > 1 else ""
    parts = ("!" if wrong(mark) else "", "here," if here else "", first, more, rtt(least(mark)))
    return " ".join(part for part in parts if part)


def told(mark: Mark) -> list[str]:
    """Every responder of a mark, a line each."""
    return [_responder(each, place) for place in mark.places for each in place.responders]


def _responder(each: Responder, place: Place) -> str:
    network = each.network
    owner = f"AS{network.asn} {network.as_name}".strip() if network.asn is not None else ""
    accuracy = f"good to about {network.accuracy_km} km" if network.accuracy_km is not None else "an estimate"
    where = f"{town(network)} ({place.point.latitude:g} {place.point.longitude:g}, {accuracy})"
    parts = (each.address, owner, where, rtt(each.rtt_ms), f"for {', '.join(each.targets)}", _why(each.contradiction))
    return "; ".join(part for part in parts if part)


def _why(found: Contradiction | None) -> str:
    if found is None:
        return ""
    far = f"{found.km:.0f} km from {'here' if found.other == HERE else found.other}"
    passed = "both took together" if found.other != HERE else "it took"
    return f"cannot be there: {far}, light in fibre needs {found.least_ms:.1f} ms there and back, {passed} {found.seen_ms:.1f} ms"


def told_leg(leg: Leg) -> str:
    """What is said of a line."""
    parts = (rtt(leg.rtt_ms), f"for {', '.join(leg.targets)}", "" if leg.whole else "with unknown hops between")
    return ", ".join(part for part in parts if part)


def below(atlas: Atlas, marks: Iterable[Mark], keys: Sequence[tuple[str, Mark]]) -> Iterator[str]:
    """The lines below the map; `keys` are letters and the marks that have them instead of words, '' for no letter."""
    bases = ", ".join(_databases(atlas))
    yield f"Positions are estimates{f' ({bases})' if bases else ''}. Lines are great circles, not the ways of cables."
    if atlas.places and atlas.source is None:
        yield "Where this agent is, is unknown: ways begin at their first known place, and positions are compared with one another."
    if not atlas.places:
        yield "No position is known: there is no database of places (see pathwarden enrich), or none of these addresses is in one."
    yield from _listed("One mark for several places: ", [*_several(marks)], "; ")
    told_keys = [f"{key or '-'}: {label(mark, here=False)}" for key, mark in keys]
    yield from _listed("Places without room for words: ", told_keys, "; ")
    bad = [(place, each) for place in atlas.places for each in place.responders if each.contradiction]
    for place, each in bad:
        yield from _listed("! ", [f"{each.address} is said to be in {town(place.responders[0].network)}, and {_why(each.contradiction)}"])
    yield from _listed("Position unknown: ", _unknown(atlas.unknown), "; ")


def _several(marks: Iterable[Mark]) -> Iterator[str]:
    for mark in marks:
        if len(mark.places) > 1:
            first, *more = (place.responders[0].network for place in mark.places)
            yield f"{town(first)} + {', '.join(map(town, more))}"


def _unknown(responders: Sequence[Responder]) -> list[str]:
    """The addresses of each special range together, then all others."""
    kinds: dict[str, list[str]] = {}
    for each in sorted(responders[:_LISTED], key=lambda each: not each.network.special):
        kinds.setdefault(each.network.special, []).append(each.address)
    more = [f"and {len(responders) - _LISTED} more"] if len(responders) > _LISTED else []
    return [f"{', '.join(addresses)}{f' ({kind})' if kind else ''}" for kind, addresses in kinds.items()] + more


def _listed(title: str, items: Sequence[str], between: str = "") -> list[str]:
    return wrap(title + between.join(items), COLUMNS, subsequent_indent="  ", break_on_hyphens=False) if items else []


def _databases(atlas: Atlas) -> Iterable[str]:
    """The databases that told the positions, with their dates."""
    sources = [source for place in atlas.places for each in place.responders for source in each.network.sources if source.gives == "place"]
    return sorted({f"{fit(each.name)} {rfc3339(each.at)[:_DAY] if each.at is not None else ''}".strip() for each in sources})
