"""How much one target may notify, and what its owner does not want to hear.

Rules of the quota:
1. Within any hour at most `MOST_AN_HOUR` of a target's events notify. What comes beyond is held back: counted by type, with the
   instants of the first and the last.
2. As soon as there is room again, an hour after the oldest of those that notified, one digest tells what was held back. It notifies,
   and counts.

Rules of muting:
1. A muted target notifies nothing until an instant.
2. A pair of routes that is muted, in either direction, is an alternation that the owner knows: going from one to the other notifies
   nothing, and is no flapping, until the owner says otherwise. Routes are named by the letters that people see; a letter is never
   given to another route.
3. Whatever is muted is recorded and published all the same.

An instant noted ahead of the present one comes from a clock that was wrong since: it counts as the present.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pathwarden.model.instants import ClockShift

MOST_AN_HOUR = 6
HOUR_NS = 3_600_000_000_000
MOST_PAIRS = 32  # of sixteen routes; the oldest wish goes first

Pair = tuple[str, str]


class Held(NamedTuple):
    """What the quota held back: counts by event type, and the instants of the first and the last (0, 0 if nothing)."""

    counts: tuple[tuple[str, int], ...] = ()
    first_at: int = 0
    last_at: int = 0
    severity: str = ""

    @property
    def total(self) -> int:
        """How many events that were."""
        return sum(count for _, count in self.counts)


NOTHING_HELD = Held()


class Quota:
    """One target's share of attention. Instants are wall-clock nanoseconds."""

    def __init__(self, told: Sequence[int] = (), held: Held = NOTHING_HELD) -> None:
        self._told = tuple(told)
        self.held = held

    def ask(self, at: int, event_type: str, severity: str, rank: Sequence[str]) -> bool:
        """Whether an event may notify now; if not, it is held back. `rank` orders severities, the least first."""
        self._forget(at)
        if len(self._told) < MOST_AN_HOUR and not self.held.counts:
            self._told += (at,)
            return True
        counts = dict(self.held.counts)
        counts[event_type] = counts.get(event_type, 0) + 1
        worst = max((severity, self.held.severity or severity), key=rank.index)
        self.held = Held(tuple(counts.items()), self.held.first_at or at, at, worst)
        return False

    def tick(self, at: int) -> Held:
        """Time passed: what a digest must tell now, `NOTHING_HELD` if none is due."""
        self._forget(at)
        if not self.held.counts or len(self._told) >= MOST_AN_HOUR:
            return NOTHING_HELD
        held, self.held = self.held, NOTHING_HELD
        self._told += (at,)
        return held

    def due_at(self) -> int | None:
        """When a digest is due; None if nothing is held back."""
        if not self.held.counts:
            return None
        return self._told[0] + HOUR_NS if len(self._told) >= MOST_AN_HOUR else self.held.last_at

    def drop(self) -> None:
        """Forget what was held back: nobody tells it."""
        self.held = NOTHING_HELD

    def shift(self, shift: ClockShift) -> None:
        """The clock became right."""
        self._told = tuple(shift.of(at) for at in self._told)
        self.held = self.held._replace(first_at=shift.of(self.held.first_at), last_at=shift.of(self.held.last_at))

    def export(self) -> dict[str, object]:
        """The state as JSON-ready values, for `restore`."""
        counts, *rest = self.held
        return {"told": list(self._told), "held": [dict(counts), *rest]}

    @classmethod
    def restore(cls, values: Mapping[str, object]) -> "Quota":
        """A quota as it was exported. Raises ValueError, TypeError or KeyError on anything else."""
        told, held = values["told"], values["held"]
        if not isinstance(told, list) or not isinstance(held, list):
            raise TypeError("a quota has two lists")
        counts, first_at, last_at, severity = held
        if not isinstance(counts, dict) or not isinstance(severity, str):
            raise TypeError("what is held back has counts and a severity")
        pairs = tuple((str(kind), int(count)) for kind, count in counts.items())
        return cls([int(at) for at in told][-MOST_AN_HOUR:], Held(pairs, int(first_at), int(last_at), severity))

    def _forget(self, at: int) -> None:
        self._told = tuple(min(then, at) for then in self._told if then > at - HOUR_NS)


class Mute(NamedTuple):
    """What the owner of a target does not want to hear: anything in [from_at, until_at), and going between two routes of `pairs`."""

    from_at: int = 0
    until_at: int = 0
    pairs: tuple[Pair, ...] = ()

    def until(self, from_at: int, until_at: int) -> "Mute":
        """Muted from one instant (now) until another; not at all if that is not later."""
        return self._replace(from_at=from_at, until_at=until_at)

    def between(self, one: str, other: str, *, muted: bool) -> "Mute":
        """Two routes, by their letters, muted in both directions, or not any more. Raises ValueError for one route alone."""
        if one == other:
            raise ValueError("a pair is two routes")
        pair = _pair(one, other)
        rest = tuple(known for known in self.pairs if known != pair)
        return self._replace(pairs=(*rest, pair)[-MOST_PAIRS:] if muted else rest)

    def covers(self, at: int) -> bool:
        """Whether the target is muted at this instant."""
        # Not before it began either: a clock that was years ahead would mute for years.
        return self.from_at <= at < self.until_at

    def knows(self, one: str, other: str) -> bool:
        """Whether going between these two routes is muted."""
        return _pair(one, other) in self.pairs

    def shift(self, shift: ClockShift) -> "Mute":
        """The clock became right: a span that the wrong one began is as long as it was."""
        from_at = shift.of(self.from_at)
        return self._replace(from_at=from_at, until_at=self.until_at + from_at - self.from_at)

    def export(self) -> dict[str, object]:
        """The wishes as JSON-ready values, for `restore`."""
        return {"from_at": self.from_at, "until_at": self.until_at, "pairs": [list(pair) for pair in self.pairs]}

    @classmethod
    def restore(cls, values: Mapping[str, object]) -> "Mute":
        """Wishes as they were exported. Raises ValueError, TypeError or KeyError on anything else."""
        from_at, until_at, pairs = values["from_at"], values["until_at"], values["pairs"]
        if not isinstance(from_at, int) or not isinstance(until_at, int) or not isinstance(pairs, list):
            raise TypeError("a mute has two instants and pairs")
        return cls(from_at, until_at, tuple(_pair(str(one), str(other)) for one, other in pairs[-MOST_PAIRS:]))


def _pair(one: str, other: str) -> Pair:
    return (one, other) if one < other else (other, one)
