"""`PYTHONPATH=tests python -m bench.rtt`: the trigger of RTT level shifts against labels made by hand, beside the plain trigger.

Score: one-to-one matching of the detected and the labelled onsets that lie at most `WINDOW` samples apart, as many pairs as possible.
Leave-one-out: the constants of the grid that score best on all other series (ties: the first) are scored on the one left out; so no series
tells of itself by its own constants. The rules were found by looking at all of them, which no split can undo.
"""

import gzip
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from statistics import median
from typing import NamedTuple
from unittest.mock import patch

from pathwarden.detect import rtt
from pathwarden.detect.rtt import Shift, detect_shifts

CORPUS = Path(__file__).parents[1] / "corpus" / "rtt_changepoints"
WINDOW = 5  # samples
NO_REPLY_MS = 1000  # what the data set writes for a lost probe
SHIPPED = {name: getattr(rtt, name) for name in ("RUN", "SCALES", "LEAST_STEP_MS", "RESTLESS", "QUIETER")}
GRID = [dict(zip(SHIPPED, values, strict=True)) for values in product((5, 6), (3, 2, 4), (1.0, 0.75, 1.5), (10, 7, 14), (8, 5, 12))]

Detector = Callable[[Iterable[float | None]], Iterator[Shift]]


class Labelled(NamedTuple):
    """A series (None is no reply) and the indices where somebody saw a change."""

    samples_ms: list[float | None]
    onsets: list[int]


class Score(NamedTuple):
    """Counts of pairs, of detected and of labelled onsets."""

    pairs: int
    detected: int
    labelled: int

    @property
    def precision(self) -> float:
        return self.pairs / self.detected if self.detected else 1.0

    @property
    def recall(self) -> float:
        return self.pairs / self.labelled if self.labelled else 1.0

    @property
    def f1(self) -> float:
        return 2 * self.pairs / ((self.detected + self.labelled) or 1)

    def __str__(self) -> str:
        return f"{self.precision:6.3f} {self.recall:6.3f} {self.f1:6.3f}"


def corpus() -> dict[str, Labelled]:
    """Every series, by name."""
    return {path.name.split(".")[0]: _read(path) for path in sorted(CORPUS.glob("*.csv.gz"))}


def pairs(detected: Iterable[int], labelled: Iterable[int], window: int = WINDOW) -> int:
    """How many pairs a maximum matching has. On a line, pairing the earliest first makes as many as the one of least cost."""
    count, mine = 0, deque(sorted(detected))
    for onset in sorted(labelled):
        while mine and mine[0] < onset - window:
            mine.popleft()
        if mine and mine[0] <= onset + window:
            mine.popleft()
            count += 1
    return count


def score(detector: Detector, series: Labelled) -> Score:
    """One detector on one series."""
    onsets = [shift.onset_index for shift in detector(series.samples_ms)]
    return Score(pairs(onsets, series.onsets), len(onsets), len(series.onsets))


def total(scores: Iterable[Score]) -> Score:
    """Of several series: all onsets count alike."""
    return Score(*(sum(column) for column in zip(*scores, strict=True)))


def plain(samples_ms: Iterable[float | None]) -> Iterator[Shift]:
    """The peer: `run` in a row on one side of the median of up to 30, beyond the greatest of 1.5 ms, 1 % and 3 scales."""
    run, levels, beyond, side = 5, deque[float](maxlen=30), list[tuple[int, float]](), 0
    for index, sample in enumerate(samples_ms):
        if sample is None:
            continue
        level, now = 0.0, 0
        if len(levels) >= run:
            level = median(levels)
            scale = max(1.4826 * median(abs(value - level) for value in levels), 0.3)
            now = (abs(sample - level) > max(1.5, 0.01 * level, 3 * scale)) * (1 if sample > level else -1)
        if not now or now != side:
            levels.extend(value for _, value in beyond)
            beyond = []
        side = now
        if now:
            beyond.append((index, sample))
        else:
            levels.append(sample)
        if len(beyond) == run:
            values = [value for _, value in beyond]
            yield Shift(beyond[0][0], index, level, median(values))
            levels, beyond, side = deque(values, maxlen=30), [], 0


def tuned(rows: Sequence[Sequence[Score]], on: Sequence[int]) -> int:
    """Which row of the grid scores best on these series."""
    return max(range(len(rows)), key=lambda number: total(rows[number][one] for one in on).f1)


def main() -> None:
    """Measure and print."""
    series = corpus()
    names, count = list(series), len(series)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(_row, GRID))
    peer, shipped = [score(plain, series[name]) for name in names], rows[GRID.index(SHIPPED)]
    left_out = [rows[tuned(rows, [other for other in range(count) if other != one])][one] for one in range(count)]
    print(
        f"{count} series, {sum(len(one.samples_ms) for one in series.values())} samples, window +-{WINDOW}, {len(GRID)} rows in the grid\n"
    )
    print(f"{'':8}{'labels':>7}   {'plain trigger':^20}   {'shipped constants':^20}   {'leave-one-out':^20}")
    print(f"{'series':8}{'':7}" + f"   {'P':>6} {'R':>6} {'F1':>6}" * 3)
    for name, *scores in zip(names, peer, shipped, left_out, strict=True):
        print(f"{name:8}{scores[0].labelled:7}   {'   '.join(map(str, scores))}")
    for title, part in {"all": slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}.items():
        scores = [total(found[part]) for found in (peer, shipped, left_out)]
        print(f"{title:8}{scores[0].labelled:7}   {'   '.join(map(str, scores))}")
    print("\ntuned on one half, scored on the other (even and odd by place in this list):")
    for title, begin in {"even, scored on odd": 0, "odd, scored on even": 1}.items():
        best = tuned(rows, range(begin, count, 2))
        mine, theirs = total(rows[best][begin::2]), total(rows[best][1 - begin :: 2])
        print(f"  {title}: F1 {mine.f1:.3f} -> {theirs.f1:.3f}   {_changed(GRID[best])}")
    print(f"best on all: F1 {total(rows[tuned(rows, range(count))]).f1:.3f}   {_changed(GRID[tuned(rows, range(count))])}")


def _row(constants: Mapping[str, float]) -> list[Score]:
    with patch.multiple(rtt, **constants):
        return [score(detect_shifts, series) for series in corpus().values()]


def _changed(constants: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in constants.items() if value != SHIPPED[name]) or "as shipped"


def _read(path: Path) -> Labelled:
    lines = gzip.decompress(path.read_bytes()).decode().replace("\r", "\n").split("\n")[1:]
    rows = [line.replace(",", ".").split(";") for line in lines if line]
    rtts = [float(row[1]) for row in rows]
    return Labelled([value if 0 < value < NO_REPLY_MS else None for value in rtts], [at for at, row in enumerate(rows) if row[2] == "1"])


if __name__ == "__main__":
    main()
