"""A suspicion: somebody unknown answered on a known route. Re-traces decide what it was.

Rules, applied to each re-trace at the ttls where strangers were seen:
1. Strangers again and nobody of the old route: the re-trace agrees. Two agreeing re-traces confirm a change, if chance cannot explain
   it: were the old responders still there behind a router that balances per packet, n strangers in a row after k known answers in a
   row would come with q^k (1-q)^n, which is at most k^k n^n / (k+n)^(k+n) whatever their share q; ttls multiply. It must be below
   `CHANCE`. So a route known for long falls after two re-traces, one that few probes have seen after more; `ENOUGH` strangers in a
   row are enough however little was known. Those who were known here before need but `BACK` in a row: the change away from them has ruled
   out a router that balances per packet, and who is known since then has not been so for long enough to count.
2. Somebody of the old route and no stranger: it was passing; the suspicion is dropped and nothing is learned from it.
3. Responders that change twice within one re-trace at one ttl (A, B, A): the router before it balances per packet. So it does when
   `MOST_UNSTEADY` re-traces saw old and new responders together, or saw others than the re-trace before. Where all strangers are
   of this kind they join the known responders and nothing is told: such a ttl never makes a change by itself.
4. Strangers nobody suspected: the route moves on; the count of agreeing re-traces starts again.
5. Silence decides nothing. After `MOST_UNDECIDED` such re-traces the suspicion is dropped; the next trace may raise it again.

A different length counts like a stranger at the destination. A longer one whose nearer ttl is merely silent may be loss: that silence
must be as unlikely as the one that makes a target unreachable (see `reach`). If the silence that made the known length was not, a
nearer answer corrects it. Where the nearer ttl balances between the destination and others, lengths say nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise
from math import log
from typing import NamedTuple

from pathwarden.detect.compare import Hop, compatible, hop_at, lengths_differ, merge, strangers
from pathwarden.detect.reach import probes_needed

CONFIRMATIONS = 2  # agreeing re-traces before a change is told
CHANCE = 1e-5  # per suspicion; with 1e-4 a few false alarms in 10,000 rounds were left
ENOUGH = 30  # strangers in a row: ten traces of three queries
BACK = 8  # a balancer of equal shares that has begun since then gives as many once in 256 times, and fresh flows tell it
MOST_UNDECIDED = 6  # enough for two agreeing ones through 50 % loss
MOST_UNSTEADY = 3  # a route that settles may move on twice while it is watched


class Finding(Enum):
    """What a re-trace made of a suspicion."""

    UNDECIDED = "undecided"
    CONFIRMED = "confirmed"
    PASSING = "passing"
    PER_PACKET = "per_packet"


class Sight(NamedTuple):
    """What one trace saw: for ttl 1, 2, … its answers in the order of queries (None is silence), and where the destination was."""

    answers: tuple[tuple[str | None, ...], ...]
    length: int | None

    @property
    def hops(self) -> tuple[Hop, ...]:
        """The responders by ttl, sorted."""
        return tuple([_who(row) for row in self.answers])


class Known(NamedTuple):
    """What is known of a route: `steady` counts, by ttl, answers in a row from known responders; `rate` is the destination's."""

    hops: tuple[Hop, ...]
    length: int | None
    steady: tuple[int, ...]
    rate: float


@dataclass(frozen=True, slots=True)
class Suspicion:
    """`hops` and `length` are the new route as far as agreeing traces saw it; `agreeing` counts re-traces, not the first trace.

    `rows` counts the strangers in a row at each ttl, `off_length` the probes in a row that speak against the known length. `cleared`
    tells that fresh flows were sent, and no balancer that moved our flow explains the strangers.
    """

    first_seen_at: int
    hops: tuple[Hop, ...]
    length: int | None
    rows: tuple[int, ...]
    off_length: int
    agreeing: int = 0
    retraces: int = 0
    undecided: int = 0
    unsteady: int = 0
    cleared: bool = False


def suspect(known: Known, sight: Sight, at: int) -> Suspicion | None:
    """A suspicion if this trace does not fit the route, else None."""
    seen = sight.hops
    if strangers(known.hops, seen) or _length_moved(known, sight):
        return Suspicion(at, seen, sight.length, _rows((), known, sight), _off_length(known, sight))
    return None


def never(_hops: Sequence[Hop], _length: int | None) -> bool:
    """Whether this was the route before: it was not."""
    return False


def weigh(
    suspicion: Suspicion, known: Known, sight: Sight, *, partly: bool = False, was: Callable[[Sequence[Hop], int | None], bool] = never
) -> tuple[Finding, Suspicion]:
    """Judge one re-trace; the second value is the suspicion as it stands afterwards. With PER_PACKET its hops are who joins.

    `partly` tells that only some hops were asked: a destination that answers is then at that ttl or nearer. `was` tells whether what is
    suspected is a route that was known before.
    """
    seen = sight.hops
    new, moved = strangers(known.hops, seen), _length_moved(known, sight)
    mixed = {ttl for ttl in new if not set(known.hops[ttl - 1]).isdisjoint(seen[ttl - 1])}
    lengths = (None, None) if partly else (suspicion.length, sight.length)
    moves_on = bool(suspicion.agreeing and (new or moved) and not compatible(suspicion.hops, lengths[0], seen, lengths[1]))
    after = replace(
        suspicion,
        rows=_rows(suspicion.rows, known, sight),
        off_length=suspicion.off_length + _off_length(known, sight),
        retraces=suspicion.retraces + 1,
        unsteady=suspicion.unsteady + bool(mixed or moves_on),
    )
    balanced = new.keys() if after.unsteady >= MOST_UNSTEADY else {ttl for ttl in new if _switches(sight.answers[ttl - 1]) > 1}
    steady = new.keys() - balanced
    moved = moved and min(known.length or 0, sight.length or 0) not in balanced
    if new and not steady and not moved:
        joining = merge(suspicion.hops, seen)
        return Finding.PER_PACKET, replace(after, hops=tuple(hop if ttl in balanced else () for ttl, hop in enumerate(joining, 1)))
    if not new and not moved:
        return (Finding.PASSING, after) if _back(suspicion, known, sight) else _undecided(after)
    if mixed & steady:
        return _undecided(replace(after, agreeing=0))
    if moves_on or not suspicion.agreeing:
        # The first trace may have caught the route while it moved: half old, half new. Only re-traces describe the new route.
        after = replace(after, hops=seen, length=sight.length, agreeing=1, undecided=0)
    else:
        hops, length = merge(suspicion.hops, seen), min(filter(None, (suspicion.length, sight.length)), default=None)
        after = replace(after, hops=hops, length=length, agreeing=suspicion.agreeing + 1, undecided=0)
    beyond_chance = _beyond_chance(after, known) or (_often(after, known) and was(after.hops, after.length))
    sure = after.agreeing >= CONFIRMATIONS and beyond_chance
    return (Finding.CONFIRMED if sure else Finding.UNDECIDED), after


def too_far(known: Known, sight: Sight) -> bool:
    """Whether the known length is but a destination that was silent at its true ttl, where it answered now."""
    if known.length is None or sight.length is None or sight.length >= known.length or hop_at(known.hops, sight.length):
        return False
    return _at(known.steady, known.length) < probes_needed(known.rate)


def _who(row: tuple[str | None, ...]) -> Hop:
    """Who answered, sorted."""
    if row and row[0] is not None and row.count(row[0]) == len(row):  # as nearly everywhere
        return row[:1]  # type: ignore[return-value] # which is nobody's silence
    return tuple(sorted({who for who in row if who is not None}))


def _undecided(suspicion: Suspicion) -> tuple[Finding, Suspicion]:
    after = replace(suspicion, undecided=suspicion.undecided + 1)
    return (Finding.PASSING if after.undecided >= MOST_UNDECIDED else Finding.UNDECIDED), after


def _back(suspicion: Suspicion, known: Known, sight: Sight) -> bool:
    """Whether a trace without strangers saw the old route where somebody else was suspected."""
    suspected = strangers(known.hops, suspicion.hops)
    return any(hop_at(sight.hops, ttl) for ttl in suspected) if suspected else sight.length is not None


def _beyond_chance(suspicion: Suspicion, known: Known) -> bool:
    ttls = strangers(known.hops, suspicion.hops)
    if ttls:
        return _improbable([(_at(known.steady, ttl), _at(suspicion.rows, ttl)) for ttl in ttls])
    needed = probes_needed(known.rate)
    return suspicion.off_length >= needed and _improbable([(_at(known.steady, known.length or 0), suspicion.off_length)])


def _often(suspicion: Suspicion, known: Known) -> bool:
    """Whether strangers answered `BACK` times in a row at one of their ttls."""
    return any(_at(suspicion.rows, ttl) >= BACK for ttl in strangers(known.hops, suspicion.hops))


def _improbable(runs: Sequence[tuple[int, int]]) -> bool:
    """Rule 1 for pairs of k and n."""
    if any(n >= ENOUGH for _, n in runs):
        return True
    return sum(k * log(k / (k + n)) + n * log(n / (k + n)) for k, n in runs if k and n) <= log(CHANCE)


def _rows(before: Sequence[int], known: Known, sight: Sight) -> tuple[int, ...]:
    """Strangers in a row at each ttl of the known route."""
    rows = []
    for ttl, hop in enumerate(known.hops, start=1):
        row = _at(before, ttl)
        for who in sight.answers[ttl - 1] if hop and ttl <= len(sight.answers) else ():
            if who is not None:
                row = 0 if who in hop else row + 1
        rows.append(row)
    return tuple(rows)


def _length_moved(known: Known, sight: Sight) -> bool:
    if not lengths_differ(known.length, sight.length):
        return False
    nearer = hop_at(known.hops, min(known.length or 0, sight.length or 0))
    return not (len(nearer) > 1 and set(nearer) & set(hop_at(known.hops, known.length or 0)))


def _off_length(known: Known, sight: Sight) -> int:
    """How many probes of this trace speak against the known length: the destination nearer, or the known ttl silent before it."""
    if known.length is None or sight.length is None or known.length == sight.length:
        return 0
    if sight.length < known.length:
        return sum(who is not None for who in sight.answers[sight.length - 1])
    return len(sight.answers[known.length - 1])


def _switches(answers: Sequence[str | None]) -> int:
    """How often the responder changes from one answer to the next."""
    return sum(a != b for a, b in pairwise([who for who in answers if who is not None]))


def _at(values: Sequence[int], ttl: int) -> int:
    return values[ttl - 1] if 1 <= ttl <= len(values) else 0
