"""What part of the Earth the map shows, and where marks and labels stand on it.

Rules:
1. The map is equirectangular, true to shape at the middle latitude of what it shows: all ways and all places that can be true, and no
   less than 20 degrees of latitude, as the coast is no finer. Where the places go around more than half of the Earth, it shows all of it.
2. Places whose marks would touch share one, at the place of the first: the source's, else the one with most responders.
3. A label stands beside its mark where it covers no mark and no other label. Where there is no room for it, a letter stands there, or
   nothing; the words are below the map then.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import cos, radians
from typing import NamedTuple

from pathwarden.picture.map_places import Place
from pathwarden.picture.map_sphere import Point

_SIDE, _TOP = 0.11, 0.1  # of the width and the height, left free for labels
_LEAST_HEIGHT = 220.0  # px: a phone's map is less broad
_FEWEST = 20.0  # degrees of latitude (rule 1)
_STEEPEST = 60.0  # degrees: nearer to the poles shapes are drawn broad, as there is nothing to see
_HALF, _AROUND = 180.0, 360.0
_FEW = 120.0  # degrees of latitude: the window has 144 then
_EMPTY = 14.0  # the middle latitude of land without Antarctica
_TOUCH = 20.0  # px between the middles of marks
_GAP = 3.0
MARK = 8.5  # px: the radius of a mark with a number


class Frame(NamedTuple):
    """How large the map is, in px."""

    width: float
    height: float


def frame(width: float) -> Frame:
    """The frame of this width."""
    return Frame(width, max(width / 2, _LEAST_HEIGHT))


class Box(NamedTuple):
    """A rectangle in px."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Whether they overlap."""
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom

    def within(self, other: "Box") -> bool:
        """Whether nothing of it is outside another one."""
        return self.left >= other.left and self.top >= other.top and self.right <= other.right and self.bottom <= other.bottom


class Window(NamedTuple):
    """What the map shows: how large it is, its middle, and how many px a degree has from west to east and from north to south."""

    frame: Frame
    middle: Point
    across: float
    down: float

    def x(self, longitude: float) -> float:
        """Px from the left."""
        return self.frame.width / 2 + (longitude - self.middle.longitude) * self.across

    def y(self, latitude: float) -> float:
        """Px from the top."""
        return self.frame.height / 2 - (latitude - self.middle.latitude) * self.down

    def turns(self, longitudes: Iterable[float]) -> Iterator[float]:
        """The whole turns by which something between these longitudes is seen in the window; more than one at its edges."""
        seen = list(longitudes)
        for turn in (-360.0, 0.0, 360.0):
            if self.x(max(seen) + turn) >= 0 and self.x(min(seen) + turn) <= self.frame.width:
                yield turn

    def xy(self, point: Point) -> tuple[float, float]:
        """Where a point is seen."""
        longitude = point.longitude - 360 * round((point.longitude - self.middle.longitude) / 360)
        return self.x(longitude), self.y(point.latitude)

    def shows(self, x: float, y: float) -> bool:
        """Whether a place is in the frame."""
        return 0 <= x <= self.frame.width and 0 <= y <= self.frame.height


def window(points: Sequence[Point], lines: Sequence[Sequence[Point]], size: Frame) -> Window:
    """The window of this size for these points and the lines between them; the whole Earth without any."""
    if not points:
        return _world(_EMPTY, 0.0, size)
    west, span = _extent([point.longitude for point in points])
    if span > _HALF:
        west, span = -_HALF, _AROUND
    latitudes = [point.latitude for line in (points, *lines) for point in line]
    if span < _AROUND:
        middle = west + span / 2
        longitudes = [lon for line in lines for lon in _around([point.longitude for point in line], middle)]
        low, high = min([west, *longitudes]), max([west + span, *longitudes])
        west, span = low, high - low
    middle_latitude = (min(latitudes) + max(latitudes)) / 2
    tall = max(max(latitudes) - min(latitudes), 1e-9)
    squeeze = cos(radians(min(abs(middle_latitude), _STEEPEST)))
    down = min((1 - 2 * _SIDE) * size.width / max(span, 1e-9) / squeeze, (1 - 2 * _TOP) * size.height / tall, size.height / _FEWEST)
    if down <= size.width / _AROUND / squeeze:
        return _world(middle_latitude, tall, size)
    return Window(size, Point(_within(middle_latitude, down, size), west + span / 2), down * squeeze, down)


def _world(middle: float, tall: float, size: Frame) -> Window:
    """All longitudes, and as many latitudes as have a place in it; true to shape at 37 degrees where they are few enough."""
    down = max(size.width / _AROUND / (0.8 if tall <= _FEW else 1.0), size.height / _HALF)
    return Window(size, Point(_within(middle, down, size), 0.0), size.width / _AROUND, down)


def _within(latitude: float, down: float, size: Frame) -> float:
    """The middle latitude nearest to this one with which the window does not reach beyond a pole."""
    free = max(90 - size.height / down / 2, 0.0)
    return max(-free, min(free, latitude))


def _extent(longitudes: Iterable[float]) -> tuple[float, float]:
    """The western end and the length of the shortest arc of longitudes that has them all."""
    ring = sorted({lon % 360 for lon in longitudes})
    gaps = [(after - before, after) for before, after in pairwise([*ring, ring[0] + 360])]
    gap, west = max(gaps)
    return west % 360 if west % 360 <= _HALF else west % 360 - 360, 360 - gap


def _around(longitudes: Sequence[float], middle: float) -> list[float]:
    turn = 360 * round(((min(longitudes) + max(longitudes)) / 2 - middle) / 360)
    return [lon - turn for lon in longitudes]


class Mark(NamedTuple):
    """One mark for one or more places that are near one another."""

    x: float
    y: float
    places: tuple[Place, ...]

    @property
    def number(self) -> int:
        """How many responders it stands for."""
        return sum(len(place.responders) for place in self.places)

    @property
    def box(self) -> Box:
        """What it covers."""
        return Box(self.x - MARK, self.y - MARK, self.x + MARK, self.y + MARK)


def marks(places: Iterable[Place], source: Point | None, view: Window) -> list[Mark]:
    """The marks of these places (rule 2), the source's first."""
    found: list[Mark] = []
    for place in sorted(places, key=lambda each: (each.point != source, -len(each.responders), each.point)):
        x, y = view.xy(place.point)
        for number, mark in enumerate(found):
            if (mark.x - x) ** 2 + (mark.y - y) ** 2 < _TOUCH**2:
                found[number] = mark._replace(places=(*mark.places, place))
                break
        else:
            found.append(Mark(x, y, (place,)))
    return found


class Rooms:
    """What of the map is taken."""

    def __init__(self, size: Frame, taken: Iterable[Box]) -> None:
        self._all = Box(0.0, 0.0, *size)
        self._taken = list(taken)

    def beside(self, mark: Box, width: float, height: float) -> Box | None:
        """A free place for a label beside a mark, taken from now on; None without room."""
        for box in _beside(mark, width, height):
            if box.within(self._all) and not any(map(box.meets, self._taken)):
                self._taken.append(box)
                return box
        return None


def _beside(mark: Box, width: float, height: float) -> Iterator[Box]:
    """The places beside a mark, the best first: right and left of it, above and below, then at its corners."""
    x, y = (mark.left + mark.right) / 2, (mark.top + mark.bottom) / 2
    right, left = mark.right + _GAP, mark.left - _GAP - width
    above, below = mark.top - _GAP - height, mark.bottom + _GAP
    for at, top in (
        (right, y - height / 2), (left, y - height / 2), (x - width / 2, above), (x - width / 2, below),
        (right, above), (right, below), (left, above), (left, below), (x, above), (x, below), (x - width, above), (x - width, below),
    ):  # fmt: skip
        yield Box(at, top, at + width, top + height)
