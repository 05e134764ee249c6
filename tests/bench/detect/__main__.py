"""`python -m bench.detect`: run the contest, print its tables, write its chart.

Seeds 0-999 are for tuning, 1000-1999 for reporting; whatever lies beyond is sealed, so that nobody can tune on it.
"""

import argparse
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.detect import table
from bench.detect.chart import chart
from bench.detect.contest import CONTESTANTS, SCHEDULED, Job, run
from bench.detect.score import Score
from bench.report import write_table

BUDGETS = (0.1, 0.25, 0.5, 1.0, 2.0)
LAST_TUNING, LAST_REPORTING = 999, 1999
MARKERS = ("<!-- detection: make bench-detect WRITE=1 -->", "<!-- end of detection -->")
CHART = Path(__file__).with_name("delay.svg")  # the one that the README shows
USUAL = 1.0  # probes a second: what the agent is shipped with
PARIS, DTRACK = "Paris, * as a wildcard", "DTRACK-like"


def seeds(text: str) -> list[int]:
    """The seeds of `0-4`, `7` or `1,2,1000-1003`. Raises ArgumentTypeError on sealed ones."""
    chosen: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            chosen += range(int(first), int(last or first) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: write seeds as 0-4 or 1,2,3") from None
    if not chosen or min(chosen) < 0 or max(chosen) > LAST_REPORTING:
        raise argparse.ArgumentTypeError(f"{text}: seeds 0-{LAST_TUNING} are for tuning, {LAST_TUNING + 1}-{LAST_REPORTING} for reporting")
    return chosen


def contest(pool: ProcessPoolExecutor, jobs: Iterable[Job]) -> dict[tuple[str, float], Score]:
    """Run jobs; the scores of all seeds are added up by contestant and budget."""
    jobs = list(jobs)
    scores: dict[tuple[str, float], Score] = {}
    for job, score in zip(jobs, pool.map(run, jobs), strict=True):
        print(f"\r{job.contestant}, seed {job.seed}, {job.pps:g} pps" + 30 * " ", end="", file=sys.stderr, flush=True)
        scores.setdefault((job.contestant, job.pps), Score()).add(score)
        for alarm in (*score.false, *score.false_lost) if "Pathwarden" in job.contestant else ():
            print(
                f"\rfalse: {job.contestant}, seed {job.seed}, {job.pps:g} pps: {alarm.target} at {alarm.at_s:.1f} s: {alarm.detail}",
                file=sys.stderr,
            )
    print(file=sys.stderr)
    return scores


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(prog="bench-detect", description=__doc__)
    parser.add_argument("--seeds", type=seeds, default=seeds("1000-1009"))
    parser.add_argument("--days", type=float, default=2.0)
    parser.add_argument("--pps", type=lambda text: [float(each) for each in text.split(",")], default=list(BUDGETS))
    parser.add_argument("--only", default="", help="contestants whose name contains this")
    parser.add_argument("--svg", type=Path, default=None, help="where to write the chart")
    parser.add_argument("--write", action="store_true", help="put the table and the chart into README.md")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--equal-only", action="store_true", help="leave out the second table and the mix of short changes")
    chosen = parser.parse_args()
    names = [name for name in CONTESTANTS if chosen.only in name]
    with ProcessPoolExecutor(chosen.jobs) as pool:
        jobs = [Job(name, seed, chosen.days, pps) for name in names for pps in chosen.pps for seed in chosen.seeds]
        scores = contest(pool, jobs)
        span = f"seeds {min(chosen.seeds)}-{max(chosen.seeds)}, {chosen.days:g} {'day' if chosen.days == 1 else 'days'}, 40 targets"
        print(f"Equal budgets, scheduled traces off ({span})\n{table.table(scores)}\n")
        for (name, pps), score in scores.items():
            if "Pathwarden" in name:
                _details(f"{name}, {pps:g} pps", score)
        for path in (chosen.svg, CHART if chosen.write else None):
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(chart(scores, f"Change detection, {span}"))
        if chosen.write:
            budget = _usual(chosen.pps)
            write_table("README.md", f"Equal budgets, {span}.", table.markdown(scores, "Pathwarden", budget), MARKERS)
        if not chosen.equal_only:
            _more(pool, chosen.seeds, chosen.days, chosen.pps)


def _details(title: str, score: Score) -> None:
    print(title)
    for line in (table.shared(score), table.reachability(score), table.classes(score), f"unobservable events: {score.unobservable}"):
        print(f"  {line}")


def _usual(budgets: list[float]) -> float:
    return USUAL if USUAL in budgets else budgets[0]


def _more(pool: ProcessPoolExecutor, chosen: list[int], days: float, budgets: list[float]) -> None:
    """The second table, for one budget (the traces cost five times as much), and what DTRACK's way finds more where changes are short."""
    pps = _usual(budgets)
    scores = contest(pool, [Job(SCHEDULED, seed, days, pps) for seed in chosen])
    print(f"\nScheduled traces on, at their own cost\n{table.table(scores)}\n")
    scores = contest(pool, [Job(name, seed, days, pps, "short") for name in (PARIS, DTRACK, "Pathwarden") for seed in chosen])
    found = {name: sum(match.alarm is not None for match in score.paths) for (name, _), score in scores.items()}
    print(f"\nNine departures of ten short, {pps:g} pps\n{table.table(scores)}")
    if found[PARIS]:
        print(f"DTRACK-like finds {found[DTRACK] / found[PARIS] - 1:+.0%} changes against Paris tracing")


if __name__ == "__main__":
    main()
