"""Lays a graph out by Graphviz' dot where that is installed; what is drawn on its coordinates looks as ever.

Rules:
1. dot is given sizes and numbers, and no word of anybody's. It runs without a shell, for some seconds at most.
2. Edges leave and enter boxes at the middle of their sides, as our own layout has it; those that close a circle lead back.
3. Nodes of one network are a cluster, so they stand together.
"""

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pathwarden.errors import OperatorError
from pathwarden.picture.layout import Layout, Pair, Size, back_edges

PROGRAM = "dot"
_PX = 72  # an inch of dot's
_MOST_S = 20  # 60 ways of 15 hops take it one or two


class Plain(NamedTuple):
    """What `dot -Tplain` says, in px, y growing downwards: the middle of each node, and each edge's curve."""

    nodes: dict[int, tuple[float, float]]
    edges: dict[tuple[int, int], tuple[tuple[float, float], ...]]


def installed() -> bool:
    """Whether dot is."""
    return shutil.which(PROGRAM) is not None


def arrange(sizes: Mapping[str, Size], edges: Sequence[Pair], groups: Mapping[str, int], between: float, apart: float) -> Layout:
    """A layout as `layout.arrange` makes it; `groups` are the clusters of nodes. Raises OperatorError, if dot fails or takes too long."""
    numbers = {name: number for number, name in enumerate(sizes)}
    back = back_edges(sizes, edges)
    links = [(numbers[a], numbers[b], (a, b) in back) for a, b in edges]
    clusters: dict[int, list[int]] = {}
    for name, group in groups.items():
        clusters.setdefault(group, []).append(numbers[name])
    return _layout(sizes, edges, back, _read(_ask(_asked(sizes.values(), links, clusters.values(), between, apart))))


def _asked(
    sizes: Iterable[Size], links: Iterable[tuple[int, int, bool]], clusters: Iterable[Sequence[int]], between: float, apart: float
) -> str:
    return "\n".join(
        [
            f'digraph {{ rankdir=LR; ranksep="{between / _PX:.4f}"; nodesep="{apart / _PX:.4f}"; edge [arrowhead=none];',
            'node [shape=box, fixedsize=true, label=""];',
            *(f"n{number} [width={size.width / _PX:.4f}, height={size.height / _PX:.4f}];" for number, size in enumerate(sizes)),
            *(f"subgraph cluster_{number} {{ {' '.join(f'n{each};' for each in members)} }}" for number, members in enumerate(clusters)),
            *(f"n{a} -> n{b} [{'tailport=w, headport=e' if back else 'tailport=e, headport=w'}];" for a, b, back in links),
            "}",
        ]
    )


def _ask(text: str) -> str:
    try:
        command = [PROGRAM, "-Tplain"]
        done = subprocess.run(command, input=text, text=True, check=True, capture_output=True, timeout=_MOST_S)  # noqa: S603 - no shell
    except OSError as error:
        raise OperatorError(f"{PROGRAM} does not run: {error.strerror}", "install graphviz, or choose --layout builtin") from error
    except subprocess.TimeoutExpired as error:
        raise OperatorError(f"{PROGRAM} takes longer than {_MOST_S} s", "choose --layout builtin") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        raise OperatorError(f"{PROGRAM} failed: {said[0] if said else error.returncode}", "choose --layout builtin") from error
    return done.stdout


def _read(text: str) -> Plain:
    """`node n0 x y …`, `edge n0 n1 COUNT x y x y …`, in inches from below."""
    nodes: dict[int, tuple[float, float]] = {}
    edges: dict[tuple[int, int], tuple[tuple[float, float], ...]] = {}
    try:
        for words in map(str.split, text.splitlines()):
            if words[0] == "node":
                nodes[int(words[1][1:])] = _point(words[2], words[3])
            elif words[0] == "edge":
                count = int(words[3])
                points = words[4 : 4 + 2 * count]
                edges[int(words[1][1:]), int(words[2][1:])] = tuple(map(_point, points[::2], points[1::2]))
    except (ValueError, IndexError) as error:
        raise OperatorError(f"{PROGRAM} tells something else than a layout", "choose --layout builtin") from error
    return Plain(nodes, edges)


def _point(x: str, y: str) -> tuple[float, float]:
    return float(x) * _PX, -float(y) * _PX


def _layout(sizes: Mapping[str, Size], edges: Sequence[Pair], back: frozenset[Pair], found: Plain) -> Layout:
    numbers = {name: number for number, name in enumerate(sizes)}
    try:
        middles = {name: found.nodes[number] for name, number in numbers.items()}
        curves = {(a, b): found.edges[numbers[a], numbers[b]] for a, b in edges}
    except KeyError as error:
        raise OperatorError(f"{PROGRAM} left something out", "choose --layout builtin") from error
    corners = [*_corners(sizes, middles), *(point for curve in curves.values() for point in curve)]
    left, top = (min((corner[axis] for corner in corners), default=0.0) for axis in (0, 1))
    right, bottom = (max((corner[axis] for corner in corners), default=0.0) for axis in (0, 1))
    moved = {name: (x - left, y - top) for name, (x, y) in middles.items()}
    moved_curves = {pair: tuple((x - left, y - top) for x, y in curve) for pair, curve in curves.items()}
    return Layout(moved, {}, back, right - left, bottom - top, moved_curves)


def _corners(sizes: Mapping[str, Size], middles: Mapping[str, tuple[float, float]]) -> Iterator[tuple[float, float]]:
    for name, (x, y) in middles.items():
        size = sizes[name]
        yield x - size.width / 2, y - size.height / 2
        yield x + size.width / 2, y + size.height / 2
