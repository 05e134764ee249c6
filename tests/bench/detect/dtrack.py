"""A DTRACK-like baseline: what Cunha, Teixeira, Veitch and Diot published (SIGCOMM 2011, ToN 2014), as far as a few lines can have it.

Rules:
1. Each slot of the budget is one probe to the target with the largest deficit. A target's share is the square root of its change rate,
   as its own history shows it (half a change in the first day taken for granted), between 0.3 and 4 times the mean.
2. The probe verifies one hop of the known path on the monitored flow: those that are known, in random order, all before any twice.
3. The known responder's answer is fine, silence says nothing. Any other answer, and the destination nearer or farther than known,
   leads to a full remap: a Paris traceroute, which the next slots pay for.
4. A remap that cannot be the same path is a change. A compatible one fills silent hops.

DTRACK itself predicts changes from more features than the rate, and maps all branches of balancers; here the flow stays the same, so
branches need no map.
"""

from math import sqrt
from random import Random

from bench.detect.baselines import Paris, differ, merged, paris
from bench.detect.budget import Metered
from bench.detect.score import Alarm
from bench.detect.tracing import Prober, Seen
from bench.detect.world import DAY_S, World
from pathwarden.model.probe import Flow

LEAST, MOST = 0.3, 4.0
PRIOR_CHANGES, PRIOR_DAYS = 0.5, 1.0


class _Watched:
    """One target: its flow, its known path, what is left to verify of it, and its deficit."""

    def __init__(self, flow: Flow, path: Paris) -> None:
        self.flow, self.path = flow, path
        self.changes = 0
        self.deficit = 0.0
        self.left: list[int] = []

    def next_ttl(self, dice: Random) -> int:
        """The next hop to verify."""
        if not self.left:
            self.left = [ttl for ttl, responder in enumerate(self.path.hops, start=1) if responder] or [1]
            dice.shuffle(self.left)
        return self.left.pop()

    def fits(self, ttl: int, seen: Seen | None) -> bool:
        """Whether an answer, or silence, is no reason to remap."""
        hops = self.path.hops
        if seen is None or ttl > len(hops):
            return True
        at_end = self.path.reached and ttl == len(hops)
        return seen.responder == hops[ttl - 1] and seen.arrived == at_end


def dtrack_like(world: World, network: Metered, pps: float) -> list[Alarm]:
    """See the head of this module."""
    prober, dice, alarms = Prober(world, network, pps), Random(f"dtrack {world.seed}"), list[Alarm]()
    watched = {target: _Watched(prober.flow(target), paris(prober, target)) for target in world.targets}
    network.wait_until(world.starts_s)
    shares = dict.fromkeys(watched, 1 / len(watched))
    while True:
        prober.pay()
        if network.elapsed_s >= world.ends_s:
            return alarms
        for target, each in watched.items():
            each.deficit += shares[target]
        target = max(watched, key=lambda name: watched[name].deficit)
        each = watched[target]
        each.deficit -= 1
        ttl = each.next_ttl(dice)
        if each.fits(ttl, prober.ask(each.flow, ttl)):
            continue
        new = paris(prober, target)
        if differ(each.path, new):
            alarms.append(Alarm(target, network.elapsed_s))
            each.changes += 1
            each.path = new
            shares = _shares(watched, network.elapsed_s)
        else:
            each.path = merged(each.path, new)
        each.left.clear()


def _shares(watched: dict[str, _Watched], elapsed_s: float) -> dict[str, float]:
    """Rule 1; they add up to 1."""
    days = elapsed_s / DAY_S + PRIOR_DAYS
    roots = {target: sqrt((each.changes + PRIOR_CHANGES) / days) for target, each in watched.items()}
    mean = sum(roots.values()) / len(roots)
    clamped = {target: min(max(root / mean, LEAST), MOST) for target, root in roots.items()}
    total = sum(clamped.values())
    return {target: value / total for target, value in clamped.items()}
