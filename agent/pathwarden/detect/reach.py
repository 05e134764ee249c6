"""Whether a target answers, judged by what is usual for it.

Rules:
1. A target that never answered is unknown, not unreachable.
2. `rate` is the share of probes that the destination usually answers, silent traces included; about the last `MEMORY` probes count. The
   silence of an outage is no habit and does not count.
3. It is lost when so many probes in a row found it silent that chance explains it less than once in 10,000 times, and never by
   fewer than three traces: a destination that answers one probe in ten is not lost after nine.
4. It is back when a trace finds it with no probe lost, or two traces in a row find it at all.
"""

from dataclasses import dataclass, replace
from math import ceil, log

CHANCE = 1e-4  # how unlikely silence must be before it is called a loss
LEAST_TRACES = 3
MEMORY = 200  # probes; fewer would know a share of one in ten too badly, more would hold on to old habits
MOST_EARLY = 20  # silent probes before the first answer that count as a habit: the target may just not have been up


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known of a target's answers: `hits` of `tries` probes (fading). `first_missed_at` is when the present silence began."""

    answered: bool = False
    lost: bool = False
    hits: float = 0.0
    tries: float = 0.0
    missed_traces: int = 0
    missed_probes: int = 0
    first_missed_at: int = 0
    back_traces: int = 0

    @property
    def rate(self) -> float:
        """The usual share of answers; half a probe in favour of silence, as long as little is known."""
        return (self.hits + 0.5) / (self.tries + 1)


def after_answer(reach: Reach, sent: int, lost: int) -> Reach:
    """The state after a trace that the destination answered: `lost` of `sent` probes to it were silent."""
    tries = reach.tries + sent + (0 if reach.lost else reach.missed_probes)
    fading = min(1.0, MEMORY / tries)
    hits, tries = (reach.hits + sent - lost) * fading, tries * fading
    if reach.lost and lost and not reach.back_traces:
        return replace(reach, hits=hits, tries=tries, back_traces=1)
    return Reach(answered=True, hits=hits, tries=tries)


def after_silence(reach: Reach, probes: int, at: int) -> Reach:
    """The state after a trace in which `probes` probes found the destination silent."""
    missed = reach.missed_probes + probes
    if not reach.answered:
        return replace(reach, missed_probes=min(missed, MOST_EARLY))
    traces = reach.missed_traces + 1
    lost = reach.lost or (traces >= LEAST_TRACES and missed >= probes_needed(reach.rate))
    return replace(
        reach,
        lost=lost,
        missed_traces=traces,
        missed_probes=missed,
        first_missed_at=reach.first_missed_at or at,
        back_traces=0,
    )


def probes_needed(rate: float) -> int:
    """How many silent probes in a row it takes at this usual answer rate (0..1)."""
    rate = min(max(rate, 0.02), 0.99)
    return ceil(log(CHANCE) / log(1 - rate))
