"""Honest loss: what may be called a loss of packets, and what is only a router's habit.

Rules:
1. A router may answer seldom and still forward everything. So the loss shown for a hop is the smallest of the losses from there to the
   end: what does not persist to the end is no loss.
2. A hop that never answered, while a deeper one did, is quiet.
3. A hop that lost more than a deeper one limits its answers, if chance cannot explain it: were both ratios the same, the losses of the two
   together would fall on this hop as coins fall, with a binomial distribution; as many on it as there are, or more, must come less than
   once in 100 times. Each of the two must have seen `LEAST` probes. (A binomial with the deeper hop's own ratio would take for exact what
   is the luckiest of several estimates: of hops that all lose 20 % it would accuse one in six.)
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from math import comb
from typing import NamedTuple

from pathwarden.model.trace import Trace

LEAST = 30  # with fewer probes no limit below one half of them would stand out
CHANCE = 0.01


class Count(NamedTuple):
    """How many probes were sent to a ttl, and how many of them found no answer."""

    sent: int = 0
    lost: int = 0

    @property
    def ratio(self) -> float | None:
        """The part that was lost, 0..1; None if none was sent."""
        return self.lost / self.sent if self.sent else None


class Habit(StrEnum):
    """What a hop that loses more than the hops behind it does."""

    NONE = ""
    QUIET = "quiet"
    RATE_LIMITED = "rate_limited"


def shown(counts: Sequence[Count]) -> list[float | None]:
    """For each hop the smallest loss from there to the end, 0..1; None where nothing was sent from there on."""
    return from_here([count.ratio for count in counts])


def from_here(values: Sequence[float | None]) -> list[float | None]:
    """For each place the smallest value from there to the end; None where none is left."""
    result: list[float | None] = []
    smallest: float | None = None
    for value in reversed(values):
        if value is not None and (smallest is None or value < smallest):
            smallest = value
        result.append(smallest)
    return result[::-1]


def habits(counts: Sequence[Count]) -> list[Habit]:
    """The habit of each hop, by counts from the first hop to the last."""
    result = []
    answered, best = False, Count()  # of the hops behind the present one: whether any answered, and the one with the smallest loss
    for count in reversed(counts):
        result.append(_habit(count, best, answered=answered))
        answered = answered or count.lost < count.sent
        if count.sent >= LEAST and (not best.sent or count.lost * best.sent < best.lost * count.sent):
            best = count
    return result[::-1]


def tally(traces: Iterable[Trace]) -> dict[int, Count]:
    """Probes by ttl over several traces of one route.

    Only those that reached the destination count: the others stop somewhere, so hops before that place saw losses that hops behind did not.
    """
    totals: dict[int, Count] = {}
    for trace in traces:
        if trace.reached_ttl is not None:
            for hop in trace.hops:
                before = totals.get(hop.ttl, Count())
                sent = len(hop.answers)
                totals[hop.ttl] = Count(before.sent + sent, before.lost + sent - len(hop.rtts_ns))
    return totals


def _habit(count: Count, best: Count, *, answered: bool) -> Habit:
    if count.sent and count.lost == count.sent and answered:
        return Habit.QUIET
    if count.sent < LEAST or not best.sent or count.lost * best.sent <= best.lost * count.sent:
        return Habit.NONE
    return Habit.RATE_LIMITED if _by_chance(count, best) < CHANCE else Habit.NONE


def _by_chance(count: Count, best: Count) -> float:
    """How likely at least so many of the losses of both fall on the first, if both lose alike."""
    losses = count.lost + best.lost
    share = count.sent / (count.sent + best.sent)
    return sum(comb(losses, k) * share**k * (1 - share) ** (losses - k) for k in range(count.lost, losses + 1))
