"""Figures as people read them: least, median and greatest of several runs, ratios pair by pair, and a table 100 columns wide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a figure of one contestant over all runs, and the same runs' figures that it is held against."""

    name: str
    unit: str
    values: tuple[float, ...]
    against: tuple[float, ...] = ()
    most: float | None = None  # the target: of the median ratio if there is one to hold it against, else of the median

    @property
    def ratio(self) -> float | None:
        """The median of the ratios, run by run; None without anything to hold it against."""
        return median(a / b for a, b in zip(self.values, self.against, strict=True)) if self.against else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.most is None:
            return None
        return (median(self.values) if self.ratio is None else self.ratio) <= self.most

    def json(self) -> dict[str, object]:
        """Everything, for `--json`."""
        least, middle, greatest = min(self.values), median(self.values), max(self.values)
        figures = {"min": least, "median": middle, "max": greatest, "ratio": self.ratio, "target": self.most, "met": self.met}
        return {"name": self.name, "unit": self.unit, "runs": len(self.values), **figures}


def table(title: str, rows: Sequence[Row]) -> str:
    """Rows with the same kind of figure, aligned."""
    lines = ["", f"{title:<50}{'min':>8}{'median':>9}{'max':>8}{'ratio':>8}  target", "-" * 100]
    for row in rows:
        values = "".join(f"{_short(value):>{width}}" for value, width in zip(_three(row), (8, 9, 8), strict=True))
        lines.append(f"{row.name:<50}{values}{_short(row.ratio):>8}  {_verdict(row)}".rstrip())
    return "\n".join(lines)


def markdown(groups: Mapping[str, Sequence[Row]], *, all_rows: bool = False) -> str:
    """The rows that have a target or are held against something, or all, for the documents."""
    lines = ["| What | Who | Median | Ratio | Target |", "|---|---|---|---|---|"]
    for title, rows in groups.items():
        lines += [
            f"| {title} | {row.name} | {_short(median(row.values))} | {_short(row.ratio)} | {_verdict(row)} |"
            for row in rows
            if all_rows or row.against or row.most is not None
        ]
    return "\n".join(lines)


def _three(row: Row) -> tuple[float, float, float]:
    return min(row.values), median(row.values), max(row.values)


def _verdict(row: Row) -> str:
    return "" if row.most is None else f"<= {row.most:g}: {'met' if row.met else 'not met'}"


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
