"""Searches for all paths, again and again: no more graphs lack something than the result states (one-sided binomial test at 95 %).

PATHWARDEN_SOAK_SHARE is the share of the full count to run: 0.05 unless given, 1 for the whole campaign.
"""

import os
import random
from math import comb

import pytest

from equipment.diamonds import World, found, layers, search, world

FULL_COUNT = 2000
COUNT = max(20, round(FULL_COUNT * float(os.environ.get("PATHWARDEN_SOAK_SHARE") or 0.05)))
DOUBT = 0.05 / 13  # of the test of each world, so that all together mislead once in twenty full campaigns at the stated edge
SILENT = {"silent": True}
WORLDS: dict[str, World] = {
    **{f"{width} wide": world(layers(1, width, 1)) for width in (2, 3, 5, 8, 16)},
    "two": world(layers(1, 3, 1, 4, 1)),
    "meshed": world(layers(1, 3, 3, 1, meshed=[1])),
    "unequal lengths": world({"a": ["b", "c"], "b": ["d"], "d": ["e"], "c": ["e"], "e": ["f"]}),
    "unequal shares": world({"a": ["b*2", "c", "e"], "b": ["d"], "c": ["d"], "e": ["d"]}),
    "nested": world({"a": ["b", "c"], "b": ["d", "e"], "c": ["f"], "d": ["g"], "e": ["g"], "f": ["g"]}),
    "silent join": world(layers(1, 4, 1), c=SILENT),
    "silent member": world(layers(1, 4, 1), b1=SILENT),
    "loss": world(layers(1, 4, 1), a={"loss": 0.05}, c={"loss": 0.1}),
}


def at_least(misses: int, count: int, probability: float) -> float:
    """How probable so many misses or more are."""
    return 1 - sum(comb(count, each) * probability**each * (1 - probability) ** (count - each) for each in range(misses))


@pytest.mark.parametrize("name", WORLDS)
def test_the_failure_rate_is_within_the_stated_probability(name: str, seed: int) -> None:
    rng = random.Random(f"{seed} {name}")
    results = [search(WORLDS[name], rng.randrange(2**32)) for _ in range(COUNT)]
    misses = sum(result.complete and not found(WORLDS[name], result) for result in results)
    stated = max(result.failure_probability for result in results)
    print(f"{name}: {misses} of {COUNT} searches missed something, stated {stated:.1%} (seed {seed})")
    assert at_least(misses, COUNT, stated) > DOUBT
