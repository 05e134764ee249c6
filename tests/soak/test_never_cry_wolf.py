"""Nothing that happens in E14 to E19 and E30 is a change, so nothing may notify: balancers that share flows anew or per packet, diamonds,
hops that go silent, rate limits, loss in bursts; all with noise. 10,000 simulated target-days in full.

Each campaign runs a scenario file's world with ten times its targets, with the watch and a trace an hour, under a seed of its own.
PATHWARDEN_SOAK_SHARE is the share to run, 1 for the whole; of a part a tenth is run, since these days are dearer than other campaigns.
A part is always the same days, so that only a change of the code can fail it; the whole draws new ones.
"""

import os
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest

from equipment.campaign import Campaign, Told, sim_target
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import parse

SCENARIOS = Path(__file__).parents[1] / "sim" / "scenarios"
NAMES = ("e14_rehash", "e15_per_packet", "e16_diamonds", "e17_goes_silent", "e18_rate_limits", "e19_bursts", "e30_nothing")
FULL_DAYS = 10_000
SHARE = float(os.environ.get("PATHWARDEN_SOAK_SHARE") or 0.02)
DAYS = FULL_DAYS / len(NAMES) * (SHARE if SHARE >= 1 else SHARE / 10)
COPIES = 10
MOST_HOURS = 3.0  # of a campaign: the next one has another seed
INTERVAL_S = 3600
WATCH_PPS = 0.5  # the default's 1 pps for 40 targets


def crowded(document: dict[str, Any]) -> dict[str, Any]:
    """The world with each target ten times, and with its noise."""
    noise = document.pop("noise")
    targets, routers = [], dict(document["routers"])
    for number, target in enumerate(document["targets"]):
        for copy in range(COPIES):
            name = f"{target['name']}{copy}"
            targets.append({**target, "name": name, "address": f"198.18.{number}.{copy + 1}"})
            routers[name] = routers[target["name"]]
    routers = {name: {**noise.get("each", {}), **noise.get(name, {}), **values} for name, values in routers.items()}
    return {**document, "targets": targets, "routers": routers}


def campaign_of(name: str, seed: int) -> tuple[list[Told], float]:
    """What notified, and how many target-days it took."""
    document = tomllib.loads((SCENARIOS / f"{name}.toml").read_text())
    hours = min(document.pop("run")["hours"], MOST_HOURS)
    scenario = parse(crowded(document))
    targets = [sim_target(destination.name, destination.address, INTERVAL_S) for destination in scenario.destinations]
    campaign = Campaign(SimNetwork(scenario, seed), targets, seed, WATCH_PPS)
    campaign.run_until(hours * 3600)
    return [told for told in campaign.told if told.event.notify], len(targets) * hours / 24


@pytest.mark.parametrize("name", NAMES)
def test_nothing_notifies(name: str, seed: int) -> None:
    seed = seed if SHARE >= 1 else 0
    dice = random.Random(f"{seed} {name}")
    days, campaigns = 0.0, 0
    while days < DAYS:
        world_seed = dice.randrange(2**32)
        told, lasted = campaign_of(name, world_seed)
        assert told == [], f"{name}, seed {world_seed}"
        days, campaigns = days + lasted, campaigns + 1
    print(f"{name}: {campaigns} campaigns, {days:.0f} target-days, nothing notified (seed {seed})")
