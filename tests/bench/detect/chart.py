"""Delay against false alarms, one curve for each contestant over the budgets, as SVG."""

from collections.abc import Mapping
from html import escape
from math import log10

from bench.detect.score import MISSED, Score, median

WIDTH, HEIGHT, LEFT, TOP, PLOT_W, PLOT_H = 860, 480, 70, 30, 520, 390
COLOURS = ("#8a8a8a", "#b58900", "#6c71c4", "#268bd2", "#2aa198", "#d33682")
LEAST_FALSE, MOST_FALSE = 1e-4, 1e2  # none at all stands at the left edge
LEAST_S, MOST_S = 10.0, 1e5  # most events missed stands at the upper edge


def chart(scores: Mapping[tuple[str, float], Score], title: str) -> str:
    """The drawing; a point's name is its budget in probes a second."""
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">']
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/><text x="{LEFT}" y="18">{escape(title)}</text>')
    parts += _grid()
    names = list(dict.fromkeys(name for name, _ in scores))
    for number, name in enumerate(names):
        colour = COLOURS[number % len(COLOURS)]
        points = [(pps, *_point(score)) for (each, pps), score in scores.items() if each == name]
        line = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for pps, x, y in points:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{escape(name)}: {pps:g} pps</title></circle>')
            parts.append(f'<text x="{x + 6:.1f}" y="{y - 5:.1f}" font-size="10" fill="{colour}">{pps:g}</text>')
        y = TOP + 20 + number * 20
        parts.append(f'<text x="{LEFT + PLOT_W + 20}" y="{y}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _grid() -> list[str]:
    parts = [f'<rect x="{LEFT}" y="{TOP}" width="{PLOT_W}" height="{PLOT_H}" fill="none" stroke="black"/>']
    for power in range(-4, 3):
        x = _x(10.0**power)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{TOP + PLOT_H}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP + PLOT_H + 16}" text-anchor="middle">{10.0**power:g}</text>')
    for seconds in (10, 100, 1000, 10_000, 100_000):
        y = _y(seconds)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + PLOT_W}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{seconds}</text>')
    parts.append(f'<text x="{LEFT + PLOT_W / 2}" y="{HEIGHT - 12}" text-anchor="middle">false alarms a target and day</text>')
    middle = TOP + PLOT_H / 2
    parts.append(f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">median delay, s</text>')
    return parts


def _point(score: Score) -> tuple[float, float]:
    delay = median([match.delay_s for match in score.paths])
    return _x(score.false_per_target_day), _y(MOST_S if delay is None or delay == MISSED else delay)


def _x(false: float) -> float:
    return LEFT + PLOT_W * log10(min(max(false, LEAST_FALSE), MOST_FALSE) / LEAST_FALSE) / log10(MOST_FALSE / LEAST_FALSE)


def _y(seconds: float) -> float:
    return TOP + PLOT_H * (1 - log10(min(max(seconds, LEAST_S), MOST_S) / LEAST_S) / log10(MOST_S / LEAST_S))
