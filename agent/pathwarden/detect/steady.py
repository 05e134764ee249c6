"""A value that is known steadily, then seen differently: when that is a change, and when it is noise.

Rules:
1. A value is known once it was sighted `SIGHTINGS` times. Before that another value simply takes its place.
2. Another value is a candidate. It becomes the value, and that is a turn, when it was sighted as often in a row as asked for, by at
   least `LEAST_ANSWERS` answers, and, where answers may differ by chance, when chance cannot explain it: were both values there all the
   time behind something that picks one for each packet, k answers of the one and then n of the other would come with k^k n^n / (k+n)^(k+n)
   at most, whatever their shares. `ENOUGH` answers in a row are enough however little was known.
3. What contradicts itself (the old value again, or both at once) is no candidate, and the value must be learned anew. After
   `MOST_UNSTEADY` such contradictions the value turns without a word, until `CALM` sightings in a row found nothing of the kind.
   But a trace takes seconds, and what turns meanwhile is both at once: if another value comes next, it was that one's beginning.
4. Parts of a value that nobody told (`UNTOLD`) differ from nothing and are filled in. No sighting at all changes nothing.
"""

from math import log
from typing import NamedTuple

from pathwarden.model.instants import ClockShift

UNTOLD = -1
SIGHTINGS = 3
LEAST_ANSWERS = 2
CHANCE = 1e-5  # as for a path: a trait of each of fifteen hops is looked at some 300 times a day
ENOUGH = 30  # ten traces of three queries
MOST_UNSTEADY = 3
CALM = 30  # sightings: two and a half hours of a trace every five minutes
_MOST = 99  # counting further makes no judgement surer

Value = tuple[int, ...]


class Rule(NamedTuple):
    """How a value turns: how many sightings in a row it takes, and whether answers may differ by chance, packet by packet."""

    sightings: int
    by_chance: bool


class Turn(NamedTuple):
    """A value that changed for good, and since when."""

    before: Value
    after: Value
    first_seen_at: int
    confirmations: int


class _Doubt(NamedTuple):
    """Another value in a row; none yet after both at once."""

    value: Value
    sightings: int
    answers: int
    at: int


def log_chance(hits: int, tries: int, later_hits: int, later_tries: int) -> float:
    """How well one constant share explains two series, against a share for each: the logarithm of the likelihoods' ratio (0 or less)."""
    together = _fit(hits + later_hits, tries + later_tries)
    return min(together - _fit(hits, tries) - _fit(later_hits, later_tries), 0.0)


def _fit(hits: int, tries: int) -> float:
    return sum(count * log(count / tries) for count in (hits, tries - hits) if count > 0)


def differ(a: Value, b: Value) -> bool:
    """Whether two values contradict each other in a part that both tell."""
    return any(UNTOLD not in (one, other) and one != other for one, other in zip(a, b, strict=True))


def fill(value: Value, more: Value) -> Value:
    """The value with its untold parts from another."""
    return tuple(other if one == UNTOLD else one for one, other in zip(value, more, strict=True))


def _agreed(a: Value, b: Value) -> Value:
    """The parts that two values tell alike; the others are untold."""
    return tuple(one if one == other else UNTOLD for one, other in zip(a, b, strict=True))


class Steady:
    """One value under watch. `see` takes what a trace told of it, `waver` that its answers disagreed."""

    __slots__ = ("_answers", "_calm", "_doubt", "_sightings", "_unsteady", "value")

    def __init__(self) -> None:
        self.value: Value = ()
        self._sightings = 0
        self._answers = 0
        self._unsteady = 0
        self._calm = 0
        self._doubt: _Doubt | None = None

    @property
    def known(self) -> bool:
        """Whether the value was sighted often enough, and nothing speaks against it."""
        return self._sightings >= SIGHTINGS and self._doubt is None

    def see(self, value: Value, answers: int, at: int, rule: Rule) -> Turn | None:
        """Take a sighting by so many answers; a turn if it made one that is to be told."""
        if not self._sightings:
            self._know(fill(value, self.value) if self.value and not differ(value, self.value) else value, 1, answers)
            return None
        if value == self.value and self._doubt is None:  # as nearly always
            self._know(value, self._sightings + 1, self._answers + answers)
            self._rest()
            return None
        if not differ(value, self.value):
            if self._doubt is not None:
                self._contradict()
            self._know(fill(self.value, value), self._sightings + 1, self._answers + answers)
            self._rest()
            return None
        if self._sightings < SIGHTINGS:
            self._contradict()
            self._know(value, 1, answers)
            return None
        return self._weigh(value, answers, at, rule)

    def waver(self, at: int) -> None:
        """Take a sighting of both at once."""
        if self.known:
            self._doubt = _Doubt((), 0, 0, at)
        else:
            self._contradict()

    def _contradict(self) -> None:
        """Two values at once, or one that did not last: nothing is known steadily any more."""
        self._unsteady = min(self._unsteady + 1, MOST_UNSTEADY)
        self._calm = self._sightings = self._answers = 0
        self._doubt = None

    def shift(self, shift: ClockShift) -> None:
        """Correct the instants noted by a wrong clock."""
        if self._doubt is not None:
            self._doubt = self._doubt._replace(at=shift.of(self._doubt.at))

    def export(self) -> list[object]:
        """All there is, JSON-ready."""
        doubt = self._doubt and [list(self._doubt.value), *self._doubt[1:]]
        return [list(self.value), self._sightings, self._answers, self._unsteady, self._calm, doubt]

    @classmethod
    def restore(cls, values: object, parts: int) -> "Steady":
        """What `export` gave, for a value of so many parts. Raises ValueError or TypeError on anything else."""
        if not isinstance(values, list) or len(values) != 6:
            raise ValueError("a steady value has six fields")
        steady = cls()
        value, *counts, doubt = values
        steady.value = tuple(numbers(value, 0 if value == [] else parts))
        steady._sightings, steady._answers, steady._unsteady, steady._calm = numbers(counts, 4)
        if doubt is not None:
            if not isinstance(doubt, list) or len(doubt) != 4:
                raise ValueError("a doubt has four fields")
            steady._doubt = _Doubt(tuple(numbers(doubt[0], 0 if doubt[0] == [] else parts)), *numbers(doubt[1:], 3))
        if (steady._sightings or steady._doubt) and not steady.value:
            raise ValueError("nothing was sighted so often")
        return steady

    def _know(self, value: Value, sightings: int, answers: int) -> None:
        self.value = value
        self._sightings = min(sightings, _MOST)
        self._answers = min(answers, _MOST)

    def _rest(self) -> None:
        self._calm = min(self._calm + 1, CALM)
        if self._calm == CALM:
            self._unsteady = 0

    def _weigh(self, value: Value, answers: int, at: int, rule: Rule) -> Turn | None:
        doubt = self._doubt
        if doubt is not None and doubt.sightings and differ(value, doubt.value):
            # Neither the value nor the candidate: what moves so fast is not steady.
            self._contradict()
            self._know(value, 1, answers)
            return None
        both = _agreed(doubt.value, value) if doubt is not None and doubt.sightings else value
        if doubt is None or not differ(both, self.value):
            doubt = _Doubt(value, 1, answers, at)
        else:
            doubt = _Doubt(both, doubt.sightings + 1, min(doubt.answers + answers, _MOST), doubt.at)
        self._doubt = doubt
        if doubt.sightings < rule.sightings or doubt.answers < LEAST_ANSWERS or (rule.by_chance and not self._beyond_chance(doubt.answers)):
            return None
        before, told = self.value, self._unsteady < MOST_UNSTEADY
        self._know(fill(doubt.value, before), doubt.sightings, doubt.answers)
        self._doubt = None
        return Turn(before, self.value, doubt.at, doubt.sightings) if told else None

    def _beyond_chance(self, answers: int) -> bool:
        return answers >= ENOUGH or log_chance(0, self._answers, answers, answers) <= log(CHANCE)


def numbers(values: object, count: int) -> list[int]:
    """A list of exactly so many whole numbers. Raises TypeError or ValueError on anything else."""
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"not a list of {count} numbers")
    if not all(type(value) is int for value in values):
        raise TypeError("not a list of whole numbers")
    return values
