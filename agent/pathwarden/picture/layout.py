"""Lays a graph out in layers, from left to right (Sugiyama, Tagawa and Toda 1981), without a library.

Rules:
1. A node stands in the layer behind the deepest of those that lead to it. An edge that leads back, as a loop has one, is turned for that.
2. An edge over several layers passes through a place of its own in each.
3. The order within a layer is that of the mean of the neighbours in the layer before, then in the one behind, in turns; the order with the
   fewest crossings is kept. Ties stay in the order of the graph.
4. Nodes stand as near to the mean of their neighbours as their order and their heights let them: least squares, solved exactly for each
   layer by pooling (Ayer and others 1955), in turns from both sides.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import NamedTuple

_TURNS = 12  # more change nothing that one sees
_PLACES = 8

Pair = tuple[str, str]


class Size(NamedTuple):
    """Width and height."""

    width: float
    height: float


class Layout(NamedTuple):
    """The middle of each node, and the points through which each edge goes, its ends not among them; back edges go from right to left.

    `curves` has, where somebody else drew them, the whole way of edges as Bezier curves: a point, and three more for each curve.
    """

    middles: dict[str, tuple[float, float]]
    bends: dict[Pair, tuple[tuple[float, float], ...]]
    back: frozenset[Pair]
    width: float
    height: float
    curves: Mapping[Pair, tuple[tuple[float, float], ...]] = MappingProxyType({})


def arrange(sizes: Mapping[str, Size], edges: Sequence[Pair], between: float, apart: float) -> Layout:
    """Lay out nodes of these sizes; `between` is the room between layers, `apart` that between the nodes of one."""
    back = back_edges(sizes, edges)
    forward = [(b, a) if (a, b) in back else (a, b) for a, b in edges]
    layer = _layers(sizes, forward)
    heights = {name: size.height for name, size in sizes.items()}
    chains = {pair: _chain(way, layer, heights) for pair, way in zip(edges, forward, strict=True)}
    links = [link for chain in chains.values() for link in pairwise(chain)]
    before, behind = _neighbours(links), _neighbours((b, a) for a, b in links)
    rows = _order(_rows(layer), before, behind)
    ys = _places(rows, before, behind, heights, apart)
    xs, width = _columns(rows, sizes, between)
    middles = {name: (xs[layer[name]], ys[name]) for name in sizes}
    bends = {}
    for pair, chain in chains.items():
        points = tuple((xs[layer[name]], ys[name]) for name in chain[1:-1])
        bends[pair] = points[::-1] if pair in back else points
    height = max((ys[name] + heights[name] / 2 for name in heights), default=0.0)
    return Layout(middles, bends, back, width, height)


def back_edges(names: Iterable[str], edges: Sequence[Pair]) -> frozenset[Pair]:
    """The edges that close a circle, found by a search into the depth from each node in turn."""
    following = _neighbours((b, a) for a, b in edges)
    back: set[Pair] = set()
    done: set[str] = set()
    for root in names:
        if root in done:
            continue
        path, stack = {root: None}, [(root, iter(following.get(root, ())))]
        done.add(root)
        while stack:
            name, rest = stack[-1]
            for other in rest:
                if other in path:
                    back.add((name, other))
                elif other not in done:
                    done.add(other)
                    path[other] = None
                    stack.append((other, iter(following.get(other, ()))))
                    break
            else:
                stack.pop()
                del path[name]
    return frozenset(back)


def _layers(names: Iterable[str], edges: Sequence[Pair]) -> dict[str, int]:
    """Rule 1, without circles: the length of the longest way to each node."""
    following, waits = _neighbours((b, a) for a, b in edges), dict.fromkeys(names, 0)
    for _, end in edges:
        waits[end] += 1
    layer = dict.fromkeys(waits, 0)
    ready = [name for name, count in waits.items() if not count]
    for name in ready:
        for other in following.get(name, ()):
            layer[other] = max(layer[other], layer[name] + 1)
            waits[other] -= 1
            if not waits[other]:
                ready.append(other)
    return layer


def _chain(pair: Pair, layer: dict[str, int], heights: dict[str, float]) -> list[str]:
    """The node where an edge begins, its places in the layers between, and the node where it ends."""
    start, end = pair
    places = [f"{start}\0{end}\0{number}" for number in range(layer[start] + 1, layer[end])]
    for number, name in enumerate(places, layer[start] + 1):
        layer[name], heights[name] = number, 0.0
    return [start, *places, end]


def _neighbours(links: Iterable[Pair]) -> dict[str, list[str]]:
    """By the end of each link, where they begin."""
    found: dict[str, list[str]] = {}
    for start, end in links:
        found.setdefault(end, []).append(start)
    return found


def _rows(layer: Mapping[str, int]) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for name, number in layer.items():
        rows[number].append(name)
    return rows


def _order(rows: list[list[str]], before: Mapping[str, Sequence[str]], behind: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Rule 3."""
    best, fewest = rows, _crossings(rows, before)
    for turn in range(_TURNS):
        if not fewest:
            break
        forth = turn % 2 == 0
        ordered = [list(row) for row in (rows if forth else rows[::-1])]
        for row, next_row in pairwise(ordered):
            place = {name: number for number, name in enumerate(row)}
            means = {name: number for number, name in enumerate(next_row)} | {
                name: _mean([place[other] for other in others])
                for name in next_row
                if (others := [each for each in (before if forth else behind).get(name, ()) if each in place])
            }
            next_row.sort(key=means.__getitem__)
        rows = ordered if forth else ordered[::-1]
        count = _crossings(rows, before)
        if count < fewest:
            best, fewest = rows, count
    return best


def _crossings(rows: Sequence[Sequence[str]], before: Mapping[str, Sequence[str]]) -> int:
    count = 0
    for row, next_row in pairwise(rows):
        place = {name: number for number, name in enumerate(row)}
        seen: list[int] = []
        for name in next_row:
            starts = [place[other] for other in before.get(name, ())]
            count += sum(len(seen) - bisect_right(seen, start) for start in starts)
            for start in starts:
                insort(seen, start)
    return count


def _places(
    rows: Sequence[Sequence[str]],
    before: Mapping[str, Sequence[str]],
    behind: Mapping[str, Sequence[str]],
    heights: Mapping[str, float],
    apart: float,
) -> dict[str, float]:
    """Rule 4: the middle of each node from above."""
    offsets: dict[str, float] = {}
    ys: dict[str, float] = {}
    for row in rows:
        steps = [(heights[a] + heights[b]) / 2 + apart for a, b in pairwise(row)]
        offsets.update(zip(row, accumulate(steps, initial=0.0), strict=True))
        ys.update((name, offsets[name] - offsets[row[-1]] / 2) for name in row)
    for turn in range(_PLACES):
        forth = turn % 2 == 0
        for row in rows if forth else rows[::-1]:
            wishes = []
            for name in row:
                near = (before if forth else behind).get(name) or (behind if forth else before).get(name, ())
                wishes.append((_mean([ys[other] for other in near]) if near else ys[name]) - offsets[name])
            ys.update((name, y + offsets[name]) for name, y in zip(row, _rising(wishes), strict=True))
    top = min((ys[name] - heights[name] / 2 for name in ys), default=0.0)
    return {name: y - top for name, y in ys.items()}


def _rising(wishes: Sequence[float]) -> list[float]:
    """The values nearest to these (least squares) that never fall: neighbours that would are put together at their mean."""
    pools: list[tuple[float, int]] = []
    for wish in wishes:
        total, count = wish, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            more, members = pools.pop()
            total, count = total + more, count + members
        pools.append((total, count))
    return [total / count for total, count in pools for _ in range(count)]


def _columns(rows: Sequence[Sequence[str]], sizes: Mapping[str, Size], between: float) -> tuple[list[float], float]:
    """The middle of each layer, and the width of all."""
    xs: list[float] = []
    right = 0.0
    for row in rows:
        width = max((sizes[name].width for name in row if name in sizes), default=0.0)
        xs.append(right + width / 2)
        right += width + between
    return xs, right - between if rows else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
