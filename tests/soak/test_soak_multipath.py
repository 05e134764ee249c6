"""Searches for all paths, again and again: no more graphs lack something than the result states (one-sided binomial tests).

PATHWARDEN_SOAK_SHARE is the share of the full count to run: 0.05 unless given, 1 for the whole campaign.
"""

import os
import random
from functools import cache
from math import exp, lgamma, log

import pytest

from equipment.diamonds import World, found, layers, search, world

FULL_COUNT = 2000
COUNT = max(60, round(FULL_COUNT * float(os.environ.get("PATHWARDEN_SOAK_SHARE") or 0.05)))
DOUBT = 1e-9  # of each test: how seldom chance fails it, even if as many are missed as is stated
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
    ways = ((lgamma(count + 1) - lgamma(each + 1) - lgamma(count - each + 1), each) for each in range(misses, count + 1))
    return sum(exp(way + each * log(probability) + (count - each) * log(1 - probability)) for way, each in ways)


@cache
def searched(name: str, seed: int) -> tuple[int, float]:
    """How many searches missed something, and the largest probability of it that one of them stated."""
    rng = random.Random(f"{seed} {name}")
    results = [search(WORLDS[name], rng.randrange(2**32)) for _ in range(COUNT)]
    return sum(result.complete and not found(WORLDS[name], result) for result in results), max(r.failure_probability for r in results)


@pytest.mark.parametrize("name", WORLDS)
def test_the_failure_rate_is_within_the_stated_probability(name: str, seed: int) -> None:
    """At 5 % stated, up to 17 of 60 searches may miss something, or 163 of 2,000."""
    misses, stated = searched(name, seed)
    print(f"{name}: {misses} of {COUNT} searches missed something, stated {stated:.1%} (seed {seed})")
    assert at_least(misses, COUNT, stated) > DOUBT


def test_the_failure_rate_of_all_together_is_within_the_stated_probability(seed: int) -> None:
    """At 5 % stated, up to 80 of 780 searches may miss something, or 1,516 of 26,000: what is a little wrong in many worlds shows here."""
    every = [searched(name, seed) for name in WORLDS]
    misses, count = sum(each[0] for each in every), COUNT * len(WORLDS)
    print(f"{misses} of all {count} searches missed something (seed {seed})")
    assert at_least(misses, count, max(stated for _, stated in every)) > DOUBT
