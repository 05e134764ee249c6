"""One contestant, one world, one budget: the unit of work that processes share."""

from collections.abc import Callable
from typing import NamedTuple

from bench.detect import baselines
from bench.detect.budget import Metered
from bench.detect.dtrack import dtrack_like
from bench.detect.ours import ours
from bench.detect.score import Alarm, Score, judge
from bench.detect.world import DAY_S, Numbers, World, make

OVER = 1.02  # a budget exceeded by more than this share is no equal one
SCHEDULED_S = 300  # the agent's default interval of scheduled traces, for the second table
# Nine departures of ten are short: what DTRACK was made for.
MOSTLY_SHORT = Numbers(short_share=0.9)
MIXES = {"usual": Numbers(), "short": MOSTLY_SHORT}

CONTESTANTS: dict[str, Callable[[World, Metered, float], list[Alarm]]] = {
    "classic traceroute -q3, text diff": baselines.classic,
    "mtr --report, text diff": baselines.mtr,
    "Paris, * as a value": baselines.paris_literal,
    "Paris, * as a wildcard": baselines.paris_wildcard,
    "DTRACK-like": dtrack_like,
    "Pathwarden": ours,
}
SCHEDULED = "Pathwarden, scheduled traces on"


class Job(NamedTuple):
    """What to run."""

    contestant: str
    seed: int
    days: float
    pps: float
    mix: str = "usual"


def run(job: Job) -> Score:
    """Run it, and judge what it told."""
    world = make(job.seed, job.days, MIXES[job.mix])
    network = Metered(world.scenario, job.seed, world.starts_s)
    scheduled = job.contestant == SCHEDULED
    alarms = ours(world, network, job.pps, SCHEDULED_S) if scheduled else CONTESTANTS[job.contestant](world, network, job.pps)
    # The map is before the measured time: what is told while it is made is about nothing that happened.
    score = judge(world.happenings, [alarm for alarm in alarms if alarm.at_s >= world.starts_s])
    score.seconds = world.ends_s - world.starts_s
    score.days = score.seconds / DAY_S * len(world.targets)
    score.spent = network.spent
    score.over_budget = not scheduled and network.spent > OVER * job.pps * score.seconds
    return score
