#!/usr/bin/env python3
"""Makes the world map's coast, agent/pathwarden/picture/coastline.json, of Natural Earth's land at 1:110m, which is in the public domain.

    coastline.py land-110m.json agent/pathwarden/picture/coastline.json

The source is `land-110m.json` of version 2.0.2 of the npm package world-atlas: Natural Earth 4.1.0 as TopoJSON. It is generalised by
Douglas and Peucker's algorithm (1973). The coast is one SVG path in tenths of a degree, east and south being positive, in relative steps;
its longitudes go on where a coast passes 180 degrees.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

TOLERANCE = 2.5  # tenths of a degree: with it the file has 12 kB
LEAST_AREA = 30.0  # square tenths of a degree: islands smaller than that are not drawn
AROUND = 3600.0  # tenths of a degree
SOUTH = 600.0  # tenths of a degree: beyond it is Antarctica alone, where nobody has a network: its islands are left out,
MAINLAND = 10_000.0  # which have less than so many square tenths of a degree,
COARSER = 6  # and its coast is so much coarser

Ring = list[tuple[float, float]]


def rings(topology: dict[str, Any]) -> list[Ring]:
    """The rings of all polygons, in tenths of a degree."""
    (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs: list[Ring] = []
    for steps in topology["arcs"]:
        x = y = 0
        arcs.append([((((x := x + dx) * sx + tx) * 10), -((y := y + dy) * sy + ty) * 10) for dx, dy in steps])
    (land,) = topology["objects"]["land"]["geometries"]
    found = []
    for polygon in land["arcs"]:
        for numbers in polygon:
            ring: Ring = []
            for number in numbers:
                arc = arcs[number] if number >= 0 else arcs[~number][::-1]
                ring += arc[bool(ring) :]
            found.append(unwrapped(ring))
    return found


def unwrapped(ring: Ring) -> Ring:
    """The ring with longitudes that go on where it passes 180 degrees; one that goes around the pole is closed there."""
    (x, y), *rest = ring
    line = [(x, y)]
    for to_x, to_y in rest:
        x += (to_x - x + AROUND / 2) % AROUND - AROUND / 2
        line.append((x, to_y))
    if abs(line[-1][0] - line[0][0]) > AROUND / 2:
        line += [(line[-1][0], AROUND / 4), (line[0][0], AROUND / 4), line[0]]
    turn = AROUND * round((min(line)[0] + max(line)[0]) / 2 / AROUND)
    return [(x - turn, y) for x, y in line]


def simplified(line: Ring, tolerance: float) -> Ring:
    """The line without the points that are nearer than the tolerance to the line between those kept."""
    (x1, y1), (x2, y2) = line[0], line[-1]
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    worst, place = 0.0, 0
    for at, (x, y) in enumerate(line[1:-1], 1):
        off = abs((x2 - x1) * (y1 - y) - (x1 - x) * (y2 - y1)) / length if length else ((x - x1) ** 2 + (y - y1) ** 2) ** 0.5
        if off > worst:
            worst, place = off, at
    if worst <= tolerance:
        return [line[0], line[-1]]
    return simplified(line[: place + 1], tolerance)[:-1] + simplified(line[place:], tolerance)


def area(ring: Ring) -> float:
    """The area of a ring whose last point is its first."""
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(ring))) / 2


def path(ring: Ring) -> str:
    """The ring as a part of an SVG path."""
    whole = [(round(x), round(y)) for x, y in ring[:-1]]
    (x, y), *rest = whole
    steps = []
    for to_x, to_y in rest:
        if (to_x, to_y) != (x, y):
            steps += [to_x - x, to_y - y]
        x, y = to_x, to_y
    words = "".join(f"{'' if step < 0 or not place else ' '}{step}" for place, step in enumerate(steps))
    return f"M{whole[0][0]} {whole[0][1]}l{words}z"


def main() -> None:
    """Read, generalise and write."""
    source, to = map(Path, sys.argv[1:])
    parts = []
    for ring in rings(json.loads(source.read_text("utf-8"))):
        antarctic = min(y for _, y in ring) > SOUTH
        if area(ring) < (MAINLAND if antarctic else LEAST_AREA):
            continue
        coarse = simplified(ring, TOLERANCE * (COARSER if antarctic else 1))
        if len(coarse) > 3 and area(coarse) >= LEAST_AREA:
            parts.append(path(coarse))
    content = {
        "source": "Natural Earth 4.1.0, land at 1:110m, naturalearthdata.com; generalised by packaging/dev/coastline.py",
        "licence": "public domain",
        "unit": "a tenth of a degree; east and south are positive",
        "path": "".join(parts),
    }
    to.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
