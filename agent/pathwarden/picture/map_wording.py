"""What is said on the world map, beside its marks and below it."""

from collections.abc import Iterable, Iterator, Sequence

from pathwarden.model.network import Network
from pathwarden.picture.map_places import HERE, Atlas, Contradiction, Leg, Place, Responder, least_of
from pathwarden.picture.map_view import Mark
from pathwarden.picture.wording import fit, wrapped
from pathwarden.picture.words import Words
from pathwarden.present.instants import rfc3339

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


def label(mark: Mark, say: Words, *, here: bool) -> str:
    """`Delft, NL 12.3 ms`; with how many more places it stands for."""
    first = town(mark.places[0].responders[0].network)
    more = f"+{len(mark.places) - 1}" if len(mark.places) > 1 else ""
    parts = ("!" if wrong(mark) else "", f"{say('here')}," if here else "", first, more, rtt(least(mark)))
    return " ".join(part for part in parts if part)


def told(mark: Mark, say: Words) -> list[str]:
    """Every responder of a mark, a line each."""
    return [_responder(each, place, say) for place in mark.places for each in place.responders]


def _responder(each: Responder, place: Place, say: Words) -> str:
    network = each.network
    owner = f"AS{network.asn} {network.as_name}".strip() if network.asn is not None else ""
    accuracy = say("accuracy", km=network.accuracy_km) if network.accuracy_km is not None else say("estimate")
    where = f"{town(network)} ({place.point.latitude:g} {place.point.longitude:g}{say('list')}{accuracy})"
    parts = (each.address, owner, where, rtt(each.rtt_ms), _for(each.targets, say), _why(each.contradiction, say))
    return say("parts").join(part for part in parts if part)


def _for(targets: Sequence[str], say: Words) -> str:
    return say("for", names=say("list").join(targets))


def _why(found: Contradiction | None, say: Words) -> str:
    if found is None:
        return ""
    figures = {"km": f"{found.km:.0f}", "least": f"{found.least_ms:.1f}", "seen": f"{found.seen_ms:.1f}"}
    return say("why.source", **figures) if found.other == HERE else say("why.other", other=found.other, **figures)


def told_leg(leg: Leg, say: Words) -> str:
    """What is said of a line."""
    parts = (rtt(leg.rtt_ms), _for(leg.targets, say), "" if leg.whole else say("gap"))
    return say("list").join(part for part in parts if part)


def below(atlas: Atlas, marks: Iterable[Mark], keys: Sequence[tuple[str, Mark]], say: Words, columns: int) -> Iterator[str]:
    """The lines below the map; `keys` are letters and the marks that have them instead of words, '' for no letter."""
    for text in _below(atlas, marks, keys, say):
        yield from wrapped(text, columns)


def _below(atlas: Atlas, marks: Iterable[Mark], keys: Sequence[tuple[str, Mark]], say: Words) -> Iterator[str]:
    bases = say("list").join(_databases(atlas))
    yield say("below.bases", bases=bases) if bases else say("below.estimates")
    if atlas.places and atlas.source is None:
        yield say("below.source")
    if not atlas.places:
        yield say("below.none")
    lists = {
        "several": [*_several(marks, say)],
        "room": [f"{key or '-'}: {label(mark, say, here=False)}" for key, mark in keys],
    }
    yield from (say(f"below.{key}", items=say("parts").join(items)) for key, items in lists.items() if items)
    for place in atlas.places:
        for each in place.responders:
            if each.contradiction:
                where = town(place.responders[0].network)
                yield say("below.wrong", address=each.address, place=where, why=_why(each.contradiction, say))
    if atlas.unknown:
        yield say("below.unknown", items=say("parts").join(_unknown(atlas.unknown, say)))


def _several(marks: Iterable[Mark], say: Words) -> Iterator[str]:
    for mark in marks:
        if len(mark.places) > 1:
            first, *more = (place.responders[0].network for place in mark.places)
            yield f"{town(first)} + {say('list').join(map(town, more))}"


def _unknown(responders: Sequence[Responder], say: Words) -> list[str]:
    """The addresses of each special range together, then all others."""
    kinds: dict[str, list[str]] = {}
    for each in sorted(responders[:_LISTED], key=lambda each: not each.network.special):
        kinds.setdefault(say.special(each.network.special), []).append(each.address)
    more = [say("below.more", count=len(responders) - _LISTED)] if len(responders) > _LISTED else []
    return [f"{say('list').join(addresses)}{f' ({kind})' if kind else ''}" for kind, addresses in kinds.items()] + more


def _databases(atlas: Atlas) -> Iterable[str]:
    """The databases that told the positions, with their dates."""
    sources = [source for place in atlas.places for each in place.responders for source in each.network.sources if source.gives == "place"]
    return sorted({f"{fit(each.name)} {rfc3339(each.at)[:_DAY] if each.at is not None else ''}".strip() for each in sources})
