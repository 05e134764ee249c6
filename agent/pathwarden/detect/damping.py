"""Flapping: whether a target's path changes so often that single changes are no news.

Rules:
1. Each change of the path adds `A_CHANGE` to the penalty; half of it is gone after every `HALF_LIFE_NS`. It never exceeds `MOST`.
2. At `SUPPRESS` the path is unstable; it is stable again once the penalty has fallen to `REUSE`. In between, single changes go on to be
   recorded and published, and notify nobody.
3. An instant noted ahead of the present one comes from a clock that was wrong since: it counts as the present.

The figures are those of route flap damping (RFC 2439), with a lower bar for reuse.
"""

from collections.abc import Mapping
from enum import Enum
from math import ceil, exp2, log2

from pathwarden.model.instants import ClockShift

A_CHANGE = 1000.0
HALF_LIFE_NS = 900_000_000_000
SUPPRESS = 3000.0
REUSE = 750.0
MOST = 12_000.0  # four half-lives above REUSE: however wild it was, an hour without changes is calm (RFC 2439, 4.2)


class Turn(Enum):
    """What became of a path's stability."""

    NONE = "none"
    UNSTABLE = "unstable"
    STABLE = "stable"


class Damper:
    """One target's penalty. Instants are wall-clock nanoseconds."""

    def __init__(self, penalty: float = 0.0, at: int = 0, *, unstable: bool = False) -> None:
        self._penalty = penalty
        self._at = at
        self.unstable = unstable

    def changed(self, at: int) -> Turn:
        """The path changed; whether that made it unstable."""
        self._penalty = min(self.penalty(at) + A_CHANGE, MOST)
        self._at = at
        if self.unstable or self._penalty < SUPPRESS:
            return Turn.NONE
        self.unstable = True
        return Turn.UNSTABLE

    def tick(self, at: int) -> Turn:
        """Time passed; whether that made the path stable."""
        self._at = min(self._at, at)
        due_at = self.due_at()
        if due_at is None or at < due_at:
            return Turn.NONE
        self._penalty, self._at, self.unstable = self.penalty(at), at, False
        return Turn.STABLE

    def due_at(self) -> int | None:
        """When the path becomes stable if nothing changes any more; None if it is stable."""
        if not self.unstable:
            return None
        return self._at + max(ceil(HALF_LIFE_NS * log2(self._penalty / REUSE)), 0)

    def penalty(self, at: int) -> float:
        """What is left of the penalty."""
        return self._penalty * exp2(-max(at - self._at, 0) / HALF_LIFE_NS)

    def shift(self, shift: ClockShift) -> None:
        """The clock became right."""
        self._at = shift.of(self._at)

    def export(self) -> dict[str, object]:
        """The state as JSON-ready values, for `restore`."""
        return {"penalty": self._penalty, "at": self._at, "unstable": self.unstable}

    @classmethod
    def restore(cls, values: Mapping[str, object]) -> "Damper":
        """A damper as it was exported. Raises ValueError, TypeError or KeyError on anything else."""
        penalty, at, unstable = values["penalty"], values["at"], values["unstable"]
        if not isinstance(penalty, int | float) or not isinstance(at, int) or not isinstance(unstable, bool):
            raise TypeError("a damper has a penalty, an instant and a flag")
        if not 0 <= penalty <= MOST or (unstable and penalty < REUSE):
            raise ValueError("no such penalty")
        return cls(float(penalty), at, unstable=unstable)
