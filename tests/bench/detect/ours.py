"""Pathwarden itself: the real prober, driver, detectors and watch on the benchmark's network, in virtual time.

Scheduled traces come once at the start, which is the initial map; in the equal-budget table never again, in the second table at
their usual interval, beside the watch and at their own cost. What the prober hands to the store is what was told, when it was told.
"""

import random
from dataclasses import replace

from bench.detect.budget import SECOND, WORLD_START_NS, Metered
from bench.detect.score import Alarm
from bench.detect.world import World
from equipment.fakes import make_settings, make_target
from pathwarden.daemon.drive import Driver
from pathwarden.daemon.prober import Prober
from pathwarden.daemon.sources import DeviceNames
from pathwarden.detect.detector import Detector
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.model.history import Event, Record
from pathwarden.model.settings import Settings
from pathwarden.sim.names import SimNames

CEILING_PPS = 10.0  # the agent's default `max_pps`, for all it sends
NEVER_S = 315_360_000  # ten years
PATH_EVENTS = frozenset({"path_changed", "path_reverted"})
REACH_EVENTS = {"target_unreachable": True, "target_reachable": False}
LEARN_S = 86_400


def settings_for(world: World, watch_pps: float, interval_s: int) -> Settings:
    """The agent's settings for a world: watched at `watch_pps`, traced every `interval_s`."""
    addresses = {destination.name: destination.address for destination in world.scenario.destinations}
    targets = tuple(replace(make_target(name), host=addresses[name], interval_s=interval_s) for name in world.targets)
    base = make_settings()
    if not hasattr(base.agent, "watch_pps"):  # without a watch the whole budget goes into traces of about 45 probes
        every_s = round(45 * len(targets) / watch_pps)
        return replace(base, targets=tuple(replace(target, interval_s=min(every_s, interval_s)) for target in targets))
    return replace(base, agent=replace(base.agent, watch_pps=watch_pps), targets=targets)


def ours(world: World, network: Metered, pps: float, interval_s: int = NEVER_S) -> list[Alarm]:
    """Run the agent's measuring half through a world."""
    settings = settings_for(world, pps, interval_s)
    dice = random.Random(f"ours {world.seed}")
    alarms: list[Alarm] = []

    def keep(record: Record) -> None:
        alarms.extend(alarm for event in record.events if (alarm := _alarm(event, network.elapsed_s)) is not None)

    prober = Prober(
        settings,
        network,
        network,
        network,
        DeviceNames(),
        SimNames(network),
        Driver(network, network, Correlator(), TokenBucket(CEILING_PPS)),
        {target.tid: Detector(target.tid, LEARN_S) for target in settings.targets},
        keep,
        dice.randbytes,
        dice,
    )
    until_ns = WORLD_START_NS + round(world.ends_s * SECOND)
    while network.now_ns < until_ns:
        prober.turn(until_ns - network.now_ns)
    return alarms


def _alarm(event: Event, at_s: float) -> Alarm | None:
    """What an event says, None if it is about neither path nor reachability."""
    body = event.body
    location = body.get("location")
    segment = str(location.get("segment", "")) if isinstance(location, dict) else ""
    told = {"classes": str(body.get("change", "")), "segment": segment, "incident": str(body.get("group_id", ""))}
    detail = f"{event.event_type} {body.get('changes')} +{body.get('hops_added')} -{body.get('hops_removed')} {body.get('message')}"
    if event.event_type in PATH_EVENTS:
        return Alarm(event.target, at_s, None, **told, detail=detail)
    lost = REACH_EVENTS.get(event.event_type)
    return None if lost is None else Alarm(event.target, at_s, lost, **told, detail=detail)
