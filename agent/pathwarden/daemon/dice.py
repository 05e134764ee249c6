"""The daemon's randomness: jitter, order and numbers to begin with. It guards nothing."""

from collections.abc import MutableSequence
from random import Random
from typing import Any


class Dice(Random):
    """A `Random` whose `shuffle` takes half the time, which each trace spends three times."""

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Shuffle in place; two equal draws, once in 2^53, leave two elements as they were."""
        x[:] = sorted(x, key=lambda _: self.random())
