"""Whether a target answers, judged by what is usual for it.

Rules:
1. A target that never answered is unknown, not unreachable.
2. `rate` is the share of probes that the destination usually answers (a running mean over its answered traces).
3. It is lost when so many probes in a row found it silent that chance explains it less than once in 10,000 times, and never by
   fewer than three traces: a destination that answers one probe in ten is not lost after nine.
4. It is back when a trace finds it with no probe lost, or two traces in a row find it at all.
"""

from dataclasses import dataclass, replace
from math import ceil, log

CHANCE = 1e-4  # how unlikely silence must be before it is called a loss
LEAST_TRACES = 3
SMOOTHING = 0.1  # weight of a new trace in the running mean: about the last ten count


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known of a target's answers. `first_missed_at` is when the present silence began."""

    answered: bool = False
    lost: bool = False
    rate: float = 1.0
    missed_traces: int = 0
    missed_probes: int = 0
    first_missed_at: int = 0
    back_traces: int = 0


def after_answer(reach: Reach, sent: int, lost: int) -> Reach:
    """The state after a trace that the destination answered: `lost` of `sent` probes to it were silent."""
    share = (sent - lost) / sent
    rate = share if not reach.answered else reach.rate + SMOOTHING * (share - reach.rate)
    if reach.lost and lost and not reach.back_traces:
        return replace(reach, rate=rate, back_traces=1)
    return Reach(answered=True, rate=rate)


def after_silence(reach: Reach, probes: int, at: int) -> Reach:
    """The state after a trace in which `probes` probes found the destination silent."""
    if not reach.answered:
        return reach
    traces = reach.missed_traces + 1
    missed = reach.missed_probes + probes
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
