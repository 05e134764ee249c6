"""The daemon's randomness."""

from collections import Counter
from itertools import permutations

from pathwarden.daemon.dice import Dice


def test_a_shuffle_gives_every_order_about_equally_often():
    dice, found = Dice(1), Counter()
    for _ in range(6000):
        order = [1, 2, 3]
        dice.shuffle(order)
        found[tuple(order)] += 1
    assert set(found) == set(permutations([1, 2, 3]))
    assert max(abs(times - 1000) for times in found.values()) < 150  # five standard deviations of a thousand in six


def test_the_same_seed_gives_the_same_order():
    orders = [list(range(20)) for _ in range(2)]
    for order in orders:
        Dice(7).shuffle(order)
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == list(range(20)) != orders[0]
