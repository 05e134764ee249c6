"""Pathwarden itself: the real prober, driver, detectors and watch on the benchmark's network, in virtual time.

Scheduled traces come once at the start, which is the initial map; in the equal-budget table never again, in the second table at
their usual interval, beside the watch and at their own cost. AS numbers are told as by a database on the router. What the prober hands
to the store is what was told, when it was told.
"""

from bench.detect.budget import Metered
from bench.detect.score import Alarm
from bench.detect.world import World, whose
from equipment.campaign import Campaign, Told, sim_target

NEVER_S = 315_360_000  # ten years
PATH_EVENTS = frozenset({"path_changed", "path_reverted"})
REACH_EVENTS = {"target_unreachable": True, "target_reachable": False}


def ours(world: World, network: Metered, pps: float, interval_s: int = NEVER_S) -> list[Alarm]:
    """Run the agent's measuring half through a world."""
    addresses = {destination.name: destination.address for destination in world.scenario.destinations}
    targets = [sim_target(name, addresses[name], interval_s) for name in world.targets]
    campaign = Campaign(network, targets, world.seed, pps, whose=whose)
    campaign.run_until(world.ends_s)
    return [alarm for told in campaign.told if (alarm := _alarm(told)) is not None]


def _alarm(told: Told) -> Alarm | None:
    """What an event says, None if it is about neither path nor reachability."""
    event, at_s = told.event, told.at_s
    body = event.body
    location = body.get("location")
    segment = str(location.get("segment", "")) if isinstance(location, dict) else ""
    said = {"classes": str(body.get("change", "")), "segment": segment, "incident": str(body.get("group_id", ""))}
    detail = f"{event.event_type} {body.get('changes')} +{body.get('hops_added')} -{body.get('hops_removed')} {body.get('message')}"
    if event.event_type in PATH_EVENTS:
        return Alarm(event.target, at_s, None, **said, detail=detail)
    lost = REACH_EVENTS.get(event.event_type)
    return None if lost is None else Alarm(event.target, at_s, lost, **said, detail=detail)
