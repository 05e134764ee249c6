"""Level shifts of round-trip times, online: the trigger stage.

Rules:
1. The baseline of a level is its last `BASELINE` replies, without those of the newest `FURTHER` + 1 samples, which are still being
   judged. A level is known after `RUN` replies. Silence is no value: it shifts nothing.
2. The band of values is three of their scales (1.4826 MAD), at least `LEAST_STEP_MS`.
3. A step: the newest `RUN` replies or more, all on one side of the baseline's median and beyond its band. Its onset is the first of them.
4. The end of a noisy stretch: RTTs have a floor, so its quiet end lies within the band of the noise. It is a shift where the newest `RUN`
   replies are all below the baseline's lowest fifth, by more than their own band, and that band is `QUIETER` times narrower.
5. A path that balances between levels keeps coming back to them. Where `VISITED` of the `LATELY` replies before a step were nearer
   to its new level than to the old one, the step must be `RESTLESS` times what neighbouring replies usually differ by; else it is no shift.
6. After a shift the replies since its onset are the new level. A shift is decided from at most `FURTHER` samples after its onset.

The constants were chosen on 25 series labelled by hand; `python -m bench.rtt` scores them. They sit on a plateau: changing any one by a
quarter moves F1 by at most 0.01. Without rule 4 it falls by 0.013, without rule 5 by 0.022.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, Self

FURTHER = 5  # samples after the onset; later, a shift is no news
RUN = 5  # one less than `FURTHER` allows, so that one lost reply hides no shift; four win 3 points of recall and lose 5 of precision
BASELINE = 30  # replies; a median of fewer moves with a burst; 22 to 90 score alike
SCALES = 3  # the usual test for an outlier; 2 to 4 score alike
LEAST_STEP_MS = 1.0  # people begin to label steps about there; the jitter of a quiet path is 0.1 to 0.3 ms
MAD_TO_SIGMA = 1.4826  # of a normal distribution
LOW_SHARE = 5  # the lowest fifth: by chance five in a row lie there once in 3,000 times
QUIETER = 8  # a stretch that is merely half as noisy is no other level; 6 to 10 score alike
LATELY = 30  # replies; as long as the baseline
VISITED = 0.1  # of them: more than two or three stray replies
NEIGHBOURS = 100  # replies; the habit of a path shows only over a long time: 30 cost 0.01 of F1
RESTLESS = 10  # times the upper quartile of neighbours' differences: in a mixture of two levels that quartile is the step itself


class Shift(NamedTuple):
    """A level shift. Indices count samples from 0, silent ones included; levels are medians in ms."""

    onset_index: int
    decision_index: int
    before_ms: float
    after_ms: float


def detect_shifts(samples_ms: Iterable[float | None]) -> Iterator[Shift]:
    """The level shifts of a series of RTTs in ms (None is no reply), each as soon as it is decided; nothing looks ahead."""
    trigger = Trigger()
    for sample_ms in samples_ms:
        shift = trigger.push(sample_ms)
        if shift is not None:
            yield shift


class Trigger:
    """The state machine of one series; about 1 kB."""

    __slots__ = ("_index", "_indices", "_recent", "_settled")

    def __init__(self) -> None:
        self._recent = array("f")  # the newest replies, those being judged included
        self._indices: list[int] = []  # of the replies being judged
        self._settled = 0  # replies of the baseline, just before those being judged
        self._index = 0

    @property
    def level_ms(self) -> float | None:
        """The median of the baseline; None before it is known."""
        return None if self._settled < RUN else median(self._baseline())

    @property
    def reach_ms(self) -> float | None:
        """How far from the level all but `VISITED` of the baseline lie, at least its band; None before it is known."""
        if self._settled < RUN:
            return None
        baseline = self._baseline()
        deviations = _deviations(baseline)
        return max(_width(deviations), deviations[-1 - int(VISITED * len(baseline))])

    def push(self, sample_ms: float | None) -> Shift | None:
        """Take the next sample; the shift that it decided, else None."""
        index, self._index = self._index, self._index + 1
        if sample_ms is None:
            return None
        indices, recent = self._indices, self._recent
        while indices and index - indices[0] > FURTHER:
            del indices[0]
            self._settled = min(self._settled + 1, BASELINE)
        indices.append(index)
        recent.append(sample_ms)
        if len(recent) > NEIGHBOURS + FURTHER + 1:
            del recent[0]
        if self._settled < RUN or len(indices) < RUN:
            return None
        baseline = self._baseline()
        count = self._step(baseline) or self._quiet(baseline)
        return self._shift(count, baseline) if count else None

    def export(self) -> dict[str, object]:
        """The state, JSON-ready."""
        return {"recent": list(self._recent), "indices": list(self._indices), "settled": self._settled, "index": self._index}

    @classmethod
    def restore(cls, values: Mapping[str, object]) -> Self:
        """The machine as it was exported; raises ValueError, TypeError or KeyError on anything else."""
        self = cls()
        recent, indices = values["recent"], values["indices"]
        if not isinstance(recent, list) or not isinstance(indices, list):
            raise TypeError("lists of numbers are wanted")
        self._recent.extend(recent)
        self._indices = [whole(index) for index in indices]
        self._settled, self._index = whole(values["settled"]), whole(values["index"])
        orderly = all(a < b for a, b in zip([-1, *self._indices], [*self._indices, self._index], strict=True))
        bounded = self._settled <= BASELINE and len(recent) <= NEIGHBOURS + FURTHER + 1 and len(indices) <= FURTHER + 1
        if not (orderly and bounded and self._settled + len(indices) <= len(recent)):
            raise ValueError("no state of a trigger")
        return self

    def _baseline(self) -> list[float]:
        """Its replies, sorted."""
        end = len(self._recent) - len(self._indices)
        return sorted(self._recent[end - self._settled : end])

    def _step(self, baseline: Sequence[float]) -> int:
        """Rules 3 and 5: how many of the newest replies make a step, else 0."""
        recent, judged = self._recent, len(self._indices)
        level = median(baseline)
        if abs(recent[-1] - level) <= LEAST_STEP_MS:  # no band is narrower: spares most samples the rest
            return 0
        band, side, count = _band(baseline), 1 if recent[-1] > level else -1, 1
        while count < judged and (recent[-count - 1] - level) * side > band:
            count += 1
        beyond = (recent[-1] - level) * side > band and count >= RUN
        return count if beyond and not self._habit(level, median(sorted(recent[-count:])), count) else 0

    def _habit(self, level: float, new: float, count: int) -> bool:
        """Rule 5: whether going to and fro between these levels is what this path does."""
        before = self._recent[:-count]
        lately = before[-LATELY:]
        visits = sum(abs(value - new) < abs(value - level) for value in lately)
        if visits <= VISITED * len(lately):
            return False
        differences = sorted(abs(a - b) for a, b in pairwise(before))
        return abs(new - level) < RESTLESS * differences[len(differences) * 3 // 4]

    def _quiet(self, baseline: Sequence[float]) -> int:
        """Rule 4: how many of the newest replies are a quiet end, else 0."""
        recent, judged, count = self._recent, len(self._indices), 0
        low = baseline[len(baseline) // LOW_SHARE]
        while count < judged and recent[-count - 1] < low:
            count += 1
        if count < RUN:
            return 0
        run = sorted(recent[-count:])
        band = _band(run)
        return count if median(baseline) - median(run) > band and _band(baseline) >= QUIETER * band else 0

    def _shift(self, count: int, baseline: Sequence[float]) -> Shift:
        onset = self._indices[-count]
        self._settled = count
        self._indices.clear()
        return Shift(onset, self._index - 1, median(baseline), median(sorted(self._recent[-count:])))


def whole(value: object) -> int:
    """A restored count or instant; raises TypeError or ValueError if it is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"a whole number is wanted, not {value!r}")
    if value < 0:
        raise ValueError(f"a count is wanted, not {value!r}")
    return value


def median(ordered: Sequence[float]) -> float:
    """Of sorted values, at least one; `statistics` would take half a megabyte."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _band(ordered: Sequence[float]) -> float:
    """Rule 2, of sorted values."""
    return _width(_deviations(ordered))


def _width(deviations: Sequence[float]) -> float:
    """Rule 2, of sorted deviations."""
    return max(LEAST_STEP_MS, SCALES * MAD_TO_SIGMA * median(deviations))


def _deviations(ordered: Sequence[float]) -> list[float]:
    """How far sorted values are from their median, sorted."""
    middle = median(ordered)
    return sorted([abs(value - middle) for value in ordered])
