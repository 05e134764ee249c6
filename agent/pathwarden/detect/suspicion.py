"""A suspicion: somebody unknown answered on a known route. Re-traces decide what it was.

Rules, applied to each re-trace at the ttls where strangers were seen:
1. Strangers again and nobody of the old route: the re-trace agrees. Two agreeing re-traces confirm a change.
2. Somebody of the old route and no stranger: it was passing; the suspicion is dropped and nothing is learned from it.
3. Both at one ttl: the router before it balances per packet. The strangers join the known responders and nothing is told.
4. Strangers nobody suspected: the route moves on; the count of agreeing re-traces starts again.
5. Silence decides nothing. After `MOST_RETRACES` without a decision the suspicion is dropped; the next trace may raise it again.

A different length counts like a stranger at the destination.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pathwarden.detect.compare import Hop, compatible, hop_at, lengths_differ, merge, strangers

CONFIRMATIONS = 2  # agreeing re-traces before a change is told
MOST_RETRACES = 6  # enough for two agreeing ones through 50 % loss; bounds what one suspicion may cost


class Finding(Enum):
    """What a re-trace made of a suspicion."""

    UNDECIDED = "undecided"
    CONFIRMED = "confirmed"
    PASSING = "passing"
    PER_PACKET = "per_packet"


@dataclass(frozen=True, slots=True)
class Suspicion:
    """`hops` and `length` are the new route as far as agreeing traces saw it; `agreeing` counts re-traces, not the first trace."""

    first_seen_at: int
    hops: tuple[Hop, ...]
    length: int | None
    agreeing: int
    retraces: int


def suspect(known: Sequence[Hop], known_length: int | None, seen: tuple[Hop, ...], length: int | None, at: int) -> Suspicion | None:
    """A suspicion if this trace does not fit the route, else None."""
    if strangers(known, seen) or lengths_differ(known_length, length):
        return Suspicion(at, seen, length, 0, 0)
    return None


def weigh(
    suspicion: Suspicion, known: Sequence[Hop], known_length: int | None, seen: tuple[Hop, ...], length: int | None
) -> tuple[Finding, Suspicion]:
    """Judge one re-trace; the second value is the suspicion as it stands afterwards."""
    suspected = strangers(known, suspicion.hops)
    new = strangers(known, seen)
    old_again = {ttl for ttl in suspected.keys() | new.keys() if set(hop_at(known, ttl)) & set(hop_at(seen, ttl))}
    if old_again & new.keys():
        return Finding.PER_PACKET, suspicion
    length_moved = lengths_differ(known_length, length)
    if not new and not length_moved:
        back_to_old = bool(old_again) or (not suspected and length is not None)
        return (Finding.PASSING if back_to_old else _or_give_up(suspicion)), _again(suspicion)
    if old_again:
        return _or_give_up(suspicion), _again(suspicion)
    if suspicion.agreeing and not compatible(suspicion.hops, suspicion.length, seen, length):
        return _or_give_up(suspicion), _restart(suspicion, seen, length)
    if not suspicion.agreeing:
        # The first trace may have caught the route while it moved: half old, half new. Only re-traces describe the new route.
        agreeing = Suspicion(suspicion.first_seen_at, seen, length, 1, suspicion.retraces + 1)
    else:
        hops = merge(suspicion.hops, seen)
        agreeing = Suspicion(suspicion.first_seen_at, hops, suspicion.length or length, suspicion.agreeing + 1, suspicion.retraces + 1)
    return (Finding.CONFIRMED if agreeing.agreeing >= CONFIRMATIONS else Finding.UNDECIDED), agreeing


def _or_give_up(suspicion: Suspicion) -> Finding:
    return Finding.PASSING if suspicion.retraces + 1 >= MOST_RETRACES else Finding.UNDECIDED


def _again(suspicion: Suspicion) -> Suspicion:
    return Suspicion(suspicion.first_seen_at, suspicion.hops, suspicion.length, suspicion.agreeing, suspicion.retraces + 1)


def _restart(suspicion: Suspicion, seen: tuple[Hop, ...], length: int | None) -> Suspicion:
    return Suspicion(suspicion.first_seen_at, seen, length, 1, suspicion.retraces + 1)
