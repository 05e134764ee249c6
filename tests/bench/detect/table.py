"""The figures of a contest as text."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from bench.detect.score import MISSED, Score, median

COLUMNS = (
    "", "pps", "false/target/day", "precision", "recall >=5 min", "in 60 s", "in 300 s", "median s", "returns", "extra",
)  # fmt: skip
_WRONG = re.compile(r"[,;] most wrong \[.*?\](?=;|$)")  # what only helps to find out why


def table(scores: Mapping[tuple[str, float], Score]) -> str:
    """A row for each contestant and budget."""
    rows = [_row(name, score) for (name, _), score in scores.items()]
    return _aligned([COLUMNS, *rows])


def markdown(scores: Mapping[tuple[str, float], Score], ours: str, budget: float) -> str:
    """All contestants at one budget, then ours at the others, and what else there is to say of ours: for the README."""
    shown = {key: score for key, score in scores.items() if key[1] == budget}
    shown |= {key: score for key, score in scores.items() if key[0] == ours and key[1] != budget}
    head = ("", "probes a second", "false a target and day", "precision", "recall, 5 min and longer", "in 60 s", "in 300 s", "median, s")
    rows = [head, ("---",) * len(head), *(_row(name, score)[: len(head)] for (name, _), score in shown.items())]
    of = scores[ours, budget]
    said = (_WRONG.sub("", line) for line in (shared(of), reachability(of), classes(of)))
    told = [f"Of {ours} at {budget:g} pps:", "", *(f"- {line}" for line in said)]
    return "\n".join(["\n".join(f"| {' | '.join(row)} |" for row in rows), "", *told])


def reachability(score: Score) -> str:
    """How losses of reachability were told."""
    told = [match.delay_s for match in score.losses]
    seen = sum(delay < MISSED for delay in told)
    return f"losses of reachability: {seen} of {len(told)} told, median {_seconds(median(told))} s, false {len(score.false_lost)}"


def shared(score: Score) -> str:
    """How soon nine of ten targets concerned by one shared change were told, and as how many incidents."""
    causes: dict[tuple[int, float], list[float]] = {}
    incidents: dict[tuple[int, float], set[str]] = {}
    for match in score.paths:
        if match.event.what == "shared":
            key = (match.event.cause, match.event.at_s)
            causes.setdefault(key, []).append(match.delay_s)
            if match.alarm:
                incidents.setdefault(key, set()).add(match.alarm.incident)
    ninth = [sorted(delays)[max(round(0.9 * len(delays)) - 1, 0)] for delays in causes.values()]
    count = [len(each) for each in incidents.values()]
    mean = f"{sum(count) / len(count):.1f}" if count else "-"
    return f"shared changes: {len(causes)}, 90 % of targets told after {_seconds(median(ninth))} s (median), incidents each {mean}"


def classes(score: Score) -> str:
    """Right classes and segments among the changes told, and the macro mean of F1 over the classes."""
    pairs = [(match.event.classes, match.alarm.classes) for match in score.paths if match.alarm and match.alarm.classes]
    if not pairs:
        return "classes: none told"
    names = sorted({truth for truth, _ in pairs})
    ones = [_f1(pairs, name) for name in names]
    segments = [(m.event.segment, m.alarm.segment) for m in score.paths if m.alarm and m.alarm.segment not in ("", "unknown")]
    right = f"{sum(a == b for a, b in segments) / len(segments):.2f} of {len(segments)} told" if segments else "none told"
    wrong = Counter(pair for pair in pairs if pair[0] != pair[1]).most_common(4)
    astray = Counter(pair for pair in segments if pair[0] != pair[1]).most_common(4)
    each = ", ".join(f"{name} {one:.2f}" for name, one in zip(names, ones, strict=True))
    return f"classes: macro F1 {sum(ones) / len(ones):.2f} ({each}); most wrong {wrong}; segment right {right}, most wrong {astray}"


def _f1(pairs: Sequence[tuple[str, str]], name: str) -> float:
    right = sum(truth == told == name for truth, told in pairs)
    return 2 * right / max(sum((truth == name) + (told == name) for truth, told in pairs), 1)


def _row(name: str, score: Score) -> tuple[str, ...]:
    returns = sum(match.alarm is not None for match in score.returns) / len(score.returns) if score.returns else None
    return (
        name,
        f"{score.pps:.2f}" + ("!" if score.over_budget else ""),
        f"{score.false_per_target_day:.4f}",
        _share(score.precision, 4),
        _share(score.recall()),
        _share(score.within(60)),
        _share(score.within(300)),
        _seconds(median([match.delay_s for match in score.paths])),
        _share(returns),
        str(score.extra),
    )


def _share(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else "missed" if value == MISSED else f"{value:.0f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
