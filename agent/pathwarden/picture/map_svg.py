"""The world map as SVG: the coast, the ways over it, a mark for each place, and below it what has no room or no position.

Nothing is told by colour alone: RTTs stand beside the marks, broken lines have unknown hops between, a mark that cannot be where it is has
a `!`. Equal ways give equal files.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate, pairwise
from math import hypot, log2
from pathlib import Path
from typing import NamedTuple

from pathwarden.picture.map_places import Atlas
from pathwarden.picture.map_sphere import Point, arc
from pathwarden.picture.map_view import MARK, Box, Mark, Rooms, Window, frame, marks, window
from pathwarden.picture.map_wording import below, label, least, told, told_leg, wrong
from pathwarden.picture.svg import FONT, LETTER, LIGHT, LINE, Theme, escaped, short
from pathwarden.picture.wording import longest, width
from pathwarden.picture.words import Words

_NUMBER = re.compile(r"-?\d+")
_COAST = Path(__file__).parent / "coastline.json"
_SOURCE = 14.0  # px: half of the source's diamond, around a mark's circle
_MARGIN = 16.0
ROOM = 1232  # px: the map is 1,200 broad, with these margins
_LABEL = 13.0  # px: a label's height
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SAMPLE = 26.0  # px of a line in the legend


class Colours(NamedTuple):
    """The map's colours: of the sea, of land, and of lines by RTT."""

    sea: str
    land: str
    rtts: tuple[str, ...]


# Lines have Okabe and Ito's colours: the bands differ by what people notice, a town, a country, a continent, an ocean, a satellite.
BANDS_MS = (20, 50, 100, 200)
_LIGHT = Colours("#eef4f8", "#dedad0", ("#009e73", "#0072b2", "#e69f00", "#d55e00", "#cc79a7"))
_DARK = Colours("#10151a", "#30353c", ("#009e73", "#56b4e9", "#e69f00", "#d55e00", "#cc79a7"))


def svg(atlas: Atlas, theme: Theme = LIGHT, language: str = "en", room: int = ROOM) -> str:
    """The whole document, `room` px broad. How many places it shows is in `data-places`, for who shows it."""
    say, size = Words(language), frame(room - 2 * _MARGIN)
    colours = _LIGHT if theme is LIGHT else _DARK
    arcs = [arc(leg.start, leg.end) for leg in atlas.legs]
    view = window(_shown(atlas), arcs, size)
    found = [mark for mark in marks(atlas.places, atlas.source, view) if view.shows(mark.x, mark.y)]
    draw = _Drawing(atlas, view, found, theme, colours, say)
    words = [*draw.labels()]
    legend, deep = _legend(theme, colours, say, size.width)
    texts = list(below(atlas, found, draw.keys, say, int(size.width / LETTER)))
    w, h = size.width + 2 * _MARGIN, size.height + 3 * _MARGIN + deep + len(texts) * LINE
    outer = f'width="{short(w)}" height="{short(h)}" viewBox="0 0 {short(w)} {short(h)}"'
    inner = f'width="{short(size.width)}" height="{short(size.height)}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {outer} role="img" data-places="{len(atlas.places)}" {FONT}>',
            f"<title>{escaped(say('map'))}</title>",
            f'<rect width="100%" height="100%" fill="{theme.ground}"/>',
            f'<svg x="{short(_MARGIN)}" y="{short(_MARGIN)}" {inner} overflow="hidden">',
            f'<rect {inner} fill="{colours.sea}"/>',
            *_land(view, colours),
            *draw.lines(arcs),
            *draw.source(),
            *draw.marks(),
            *words,
            "</svg>",
            f'<g transform="translate({short(_MARGIN)} {short(size.height + 2 * _MARGIN)})">',
            *legend,
            *(
                f'<text y="{short(deep + LINE * (number + 1) - 4)}" fill="{theme.text}">{escaped(text)}</text>'
                for number, text in enumerate(texts)
            ),
            "</g></svg>",
            "",
        ]
    )


class _Coast(NamedTuple):
    """One coast as a path, in tenths of a degree, and between which longitudes it is."""

    path: str
    west: float
    east: float


def _shown(atlas: Atlas) -> list[Point]:
    """What has to be on the map; places where nothing can be are, if they happen to lie on it: below it they are told anyway."""
    true = [place.point for place in atlas.places if not all(each.contradiction for each in place.responders)]
    points = [*true, *([atlas.source] if atlas.source else [])]
    return points or [place.point for place in atlas.places]


@cache
def _coasts() -> list[_Coast]:
    """All coasts; each is `M`, a place, `l` and steps."""
    found = []
    for part in json.loads(_COAST.read_text("utf-8"))["path"].removesuffix("z").split("z"):
        start, *steps = (int(number) for number in _NUMBER.findall(part)[::2])
        at = list(accumulate(steps, initial=start))
        found.append(_Coast(f"{part}z", min(at) / 10, max(at) / 10))
    return found


def _land(view: Window, colours: Colours) -> Iterator[str]:
    """The land, brought to where the window is; twice what is seen at both of its edges."""
    turns: dict[float, str] = {}
    for coast in _coasts():
        for turn in view.turns((coast.west, coast.east)):
            turns[turn] = turns.get(turn, "") + coast.path
    for turn, path in turns.items():
        move = f"translate({short(view.x(turn))} {short(view.y(0))}) scale({view.across / 10:.4f} {view.down / 10:.4f})"
        yield f'<path transform="{move}" d="{path}" fill="{colours.land}" fill-rule="evenodd"/>'


class _Drawing:
    """The parts of one map. `keys` has, once the labels were placed, the marks without words."""

    def __init__(self, atlas: Atlas, view: Window, found: Sequence[Mark], theme: Theme, colours: Colours, say: Words) -> None:
        self._atlas = atlas
        self._view = view
        self._marks = found
        self._theme = theme
        self._colours = colours
        self._say = say
        self._here = view.xy(atlas.source) if atlas.source is not None else None
        self._host = min((mark for mark in found if self._meets(mark)), key=self._far, default=None)
        self.keys: list[tuple[str, Mark]] = []

    def lines(self, arcs: Iterable[Sequence[tuple[float, float]]]) -> Iterator[str]:
        """Great circles, the broader the more targets."""
        for leg, line in zip(self._atlas.legs, arcs, strict=True):
            wide = 1.4 + log2(len(leg.targets)) / 2
            dashes = "" if leg.whole else ' stroke-dasharray="6 4"'
            way = "".join(self._way(line, turn) for turn in self._view.turns([longitude for _, longitude in line]))
            stroke = f'fill="none" stroke="{self._colour(leg.rtt_ms)}" stroke-width="{short(wide)}"{dashes}'
            yield f'<g><title>{escaped(told_leg(leg, self._say))}</title><path d="{way}" {stroke}/></g>'

    def _way(self, line: Sequence[tuple[float, float]], turn: float) -> str:
        points = [f"{short(self._view.x(longitude + turn))} {short(self._view.y(latitude))}" for latitude, longitude in line]
        return f"M{points[0]}L{' '.join(points[1:])}"

    def source(self) -> Iterator[str]:
        """A diamond where the ways begin."""
        if self._here is not None:
            x, y, r = *map(short, self._here), short(_SOURCE)
            ink = f'fill="{self._theme.ground}" stroke="{self._theme.text}" stroke-width="1.5"'
            shape = f'<path d="M{x} {y}m-{r} 0l{r} -{r} {r} {r} -{r} {r}z" {ink}/>'
            yield f"<g><title>{escaped(self._say('here'))}</title>{shape}</g>"

    def marks(self) -> Iterator[str]:
        """A dot for a responder, a ring with their number for more; with a frame if one is a destination."""
        for mark in reversed(self._marks):
            tip, x, y = "\n".join(map(escaped, told(mark, self._say))), short(mark.x), short(mark.y)
            colour = self._theme.gone if wrong(mark) else self._colour(least(mark))
            text = "!" if wrong(mark) else str(mark.number) if mark.number > 1 else ""
            r, fill = (MARK - 1, self._theme.ground) if text else (MARK / 2, colour)
            end = any(each.destination for place in mark.places for each in place.responders)
            side = short(2 * MARK - 2)
            corner = f'x="{short(mark.x - MARK + 1)}" y="{short(mark.y - MARK + 1)}"'
            frame = f'<rect {corner} width="{side}" height="{side}" rx="2" fill="{self._theme.ground}" stroke="{colour}" stroke-width="2"/>'
            ring = f'<circle cx="{x}" cy="{y}" r="{short(r)}" fill="{fill}" stroke="{colour}" stroke-width="2"/>'
            shape = frame + (ring if not text else "") if end else ring
            small = 9 if len(text) < 3 else 7  # px: three figures have to stand in it
            place = f'x="{x}" y="{short(mark.y + 3)}" text-anchor="middle" font-size="{small}"'
            words = f'<text {place} fill="{self._theme.text}">{text}</text>' if text else ""
            yield f"<g><title>{tip}</title>{shape}{words}</g>"

    def labels(self) -> Iterator[str]:
        """Words beside the marks, where there is room; the others' in `keys`."""
        boxes = [self._box(mark) for mark in self._marks]
        source = [] if self._here is None else [self._source_box(*self._here)]
        rooms, here = Rooms(self._view.frame, [*boxes, *source]), self._say("here")
        if self._host is None:
            yield from (each for box in source for each in self._label(here, rooms.beside(box, width(here) * LETTER, _LABEL)))
        without = []
        for mark, box in zip(self._marks, boxes, strict=True):
            text = label(mark, self._say, here=mark is self._host)
            room = rooms.beside(box, longest([text]) * LETTER, _LABEL)
            yield from self._label(text, room)
            if room is None:
                without.append((mark, box))
        for number, (mark, box) in enumerate(without):
            key = _LETTERS[number // 26 - 1 : number // 26] + _LETTERS[number % 26] if number < 26 * 27 else ""
            room = rooms.beside(box, len(key) * LETTER, _LABEL) if key else None
            yield from self._label(key, room)
            self.keys.append((key if room else "", mark))

    def _label(self, text: str, room: Box | None) -> Iterator[str]:
        if room is not None:
            halo = f'paint-order="stroke" stroke="{self._theme.ground}" stroke-width="3" stroke-linejoin="round"'
            place = f'x="{short(room.left)}" y="{short(room.bottom - 3)}"'
            yield f'<text {place} fill="{self._theme.text}" {halo}>{escaped(text)}</text>'

    def _far(self, mark: Mark) -> float:
        x, y = self._here or (mark.x, mark.y)
        return hypot(mark.x - x, mark.y - y)

    def _meets(self, mark: Mark) -> bool:
        """Whether a mark is where the source's diamond is."""
        return self._here is not None and self._far(mark) < _SOURCE

    def _box(self, mark: Mark) -> Box:
        """What a mark covers, with the source if that is its."""
        if self._here is None or mark is not self._host:
            return mark.box
        one, two = mark.box, self._source_box(*self._here)
        return Box(min(one.left, two.left), min(one.top, two.top), max(one.right, two.right), max(one.bottom, two.bottom))

    @staticmethod
    def _source_box(x: float, y: float) -> Box:
        return Box(x - _SOURCE, y - _SOURCE, x + _SOURCE, y + _SOURCE)

    def _colour(self, rtt_ms: float | None) -> str:
        if rtt_ms is None:
            return self._theme.line
        return self._colours.rtts[sum(rtt_ms >= band for band in BANDS_MS)]


def _legend(theme: Theme, colours: Colours, say: Words, most: float) -> tuple[list[str], float]:
    """What lines and marks mean, in as many lines as this width (px) needs, and how high that is."""
    tops = [say("band.between", low=low, high=high) for low, high in pairwise(BANDS_MS)]
    bands = (say("band.first", high=BANDS_MS[0]), *tops, say("band.last", low=BANDS_MS[-1]))
    line = f'<path d="M0 -4h{short(_SAMPLE - 6)}" '
    circle = f'<circle cx="12" cy="-4" r="7" fill="{theme.ground}" stroke-width="2" '
    number = f'<text x="12" y="-1" text-anchor="middle" font-size="9" fill="{theme.text}">'
    signs = [
        *((f'{line}stroke="{colour}" stroke-width="3"/>', text) for colour, text in zip(colours.rtts, bands, strict=True)),
        (f'{line}stroke="{theme.line}" stroke-width="2" stroke-dasharray="6 4"/>', say("key.gap")),
        (f'{circle}stroke="{theme.line}"/>{number}3</text>', say("key.number", count=3)),
        (
            f'<rect x="5" y="-11" width="14" height="14" rx="2" fill="{theme.ground}" stroke="{theme.line}" stroke-width="2"/>',
            say("key.destination"),
        ),
        (f'{circle}stroke="{theme.gone}"/>{number}!</text>', say("key.wrong")),
    ]
    drawn, x, y = [], 0.0, LINE
    for sign, text in signs:
        wide = _SAMPLE + width(text) * LETTER
        if x + wide > most:
            x, y = 0.0, y + LINE + 4
        words = f'<text x="{short(_SAMPLE)}" fill="{theme.text}">{escaped(text)}</text>'
        drawn.append(f'<g transform="translate({short(x)} {short(y)})">{sign}{words}</g>')
        x += wide + _MARGIN
    return drawn, y + LINE
