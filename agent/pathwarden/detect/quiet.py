"""A hop that falls quiet, and answers again: the one trait that silence may tell, and only by test.

Rules:
1. Only traces count that asked the hop and found a known responder deeper: else the silence may be anybody's. A trace that got any
   answer from the hop is a hit, whatever else was lost. Counting traces rather than probes supposes nothing about how the silences within
   one hang together (a rate limit, a burst of loss).
2. A hop that answered `LEAST_HITS` traces is quiet after at least `LEAST_MISSES` in a row, if that its share of hits is what it was
   explains them by less than `CHANCE` (likelihoods; about the last `MEMORY` traces count). Where the share p is known well, that
   is (1-p)^m < `CHANCE` for m misses; where it is not, it takes more. It also takes `LEAST_NS`: two targets whose traces fall together
   may take a slow router's answers from each other for hours.
3. It answers again when it answers two traces in a row by at least two answers. Its silence meanwhile is no habit and does not count.
"""

from math import log
from typing import NamedTuple, Self

from pathwarden.detect.steady import log_chance, numbers
from pathwarden.model.instants import ClockShift

# A row of misses may begin a hundred times a day, at each of fifteen hops: 1e-4, enough to call a hop quiet, is too much to tell it.
CHANCE = 1e-6
LEAST_HITS = 3
LEAST_MISSES = 3  # two may be one burst
LEAST_NS = 6 * 3_600 * 10**9  # a filter that somebody set stays for longer
MEMORY = 200
BACK = 2


class Fell(NamedTuple):
    """A hop fell quiet, or answers again (`quiet` False)."""

    quiet: bool
    first_seen_at: int
    confirmations: int


class Quiet:
    """Whether one hop is quiet."""

    __slots__ = ("_answers", "_at", "_hits", "_row", "_tries", "quiet")

    def __init__(self) -> None:
        self.quiet = False
        self._hits = 0
        self._tries = 0
        self._row = 0  # misses in a row, or hits while quiet
        self._answers = 0  # of that row of hits
        self._at = 0  # when that row began

    def see(self, answers: int, at: int) -> Fell | None:
        """Take a trace that asked the hop and got so many answers."""
        if self.quiet:
            return self._listen(answers, at)
        if answers:
            self._hits, self._tries = self._hits + 1, self._tries + self._row + 1
            if self._tries > MEMORY:
                self._hits, self._tries = self._hits // 2, self._tries // 2
            self._row = self._at = 0
            return None
        self._at = self._at or at
        self._row = min(self._row + 1, MEMORY)
        if self._hits < LEAST_HITS or self._row < LEAST_MISSES or at - self._at < LEAST_NS:
            return None
        if log_chance(self._hits, self._tries, 0, self._row) > log(CHANCE):
            return None
        fell = Fell(quiet=True, first_seen_at=self._at, confirmations=self._row)
        self.quiet, self._row, self._at = True, 0, 0
        return fell

    def shift(self, shift: ClockShift) -> None:
        """Correct the instants noted by a wrong clock."""
        self._at = shift.of(self._at)

    def export(self) -> list[object]:
        """All there is, JSON-ready."""
        return [int(self.quiet), self._hits, self._tries, self._row, self._answers, self._at]

    @classmethod
    def restore(cls, values: object) -> Self:
        """What `export` gave. Raises ValueError or TypeError on anything else."""
        made = cls()
        quiet, made._hits, made._tries, made._row, made._answers, made._at = numbers(values, 6)
        made.quiet = bool(quiet)
        return made

    def _listen(self, answers: int, at: int) -> Fell | None:
        if not answers:
            self._row = self._answers = self._at = 0
            return None
        self._at = self._at or at
        self._row, self._answers = self._row + 1, self._answers + answers
        if self._row < BACK:
            return None
        fell = Fell(quiet=False, first_seen_at=self._at, confirmations=self._row)
        self.quiet, self._row, self._answers, self._at = False, 0, 0, 0
        return fell
