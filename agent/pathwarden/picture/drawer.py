"""Pictures of what this agent measured, for its page."""

from collections.abc import Iterable, Iterator

from pathwarden.model.look import Look
from pathwarden.model.network import Whose
from pathwarden.model.protocols import HistoryReader
from pathwarden.model.settings import Target
from pathwarden.model.trace import Ending, Trace
from pathwarden.picture.graph import Way, graph, way_of
from pathwarden.picture.map_places import Course, atlas, course_of
from pathwarden.picture.map_svg import svg as map_svg
from pathwarden.picture.svg import DARK, LIGHT, Theme, svg


class Drawer:
    """Implements `protocols.Pictures`."""

    def __init__(self, reader: HistoryReader, whose: Whose) -> None:
        self._reader = reader
        self._whose = whose

    def graph(self, targets: Iterable[Target], at: int, before: int | None, look: Look) -> str | None:
        """The ways to these targets at an instant, compared with those `before`, as SVG; None if none was traced by then."""
        chosen = list(targets)
        ways = list(ways_at(self._reader, chosen, at))
        earlier = None if before is None else list(ways_at(self._reader, chosen, before))
        return svg(graph(ways, earlier, self._whose), _theme(look), look.language) if ways else None

    def map(self, targets: Iterable[Target], at: int, look: Look) -> str | None:
        """The places on the ways to these targets at an instant on a map of the world, as SVG; None if none was traced by then."""
        courses = [course for each in targets for course in course_at(self._reader, each.tid, each.label or each.tid, at)]
        return map_svg(atlas(courses, self._whose), _theme(look), look.language, look.width) if courses else None


def ways_at(reader: HistoryReader, targets: Iterable[Target], at: int) -> Iterator[Way]:
    """The way of each target at an instant; none of one that was not traced before, or whose name did not resolve."""
    for target in targets:
        yield from way_at(reader, target.tid, target.label or target.tid, at)


def way_at(reader: HistoryReader, tid: str, name: str, at: int) -> Iterator[Way]:
    """A target's way, if there is one."""
    stored = reader.trace_at(tid, at)
    if stored is not None and _left(stored.trace):
        yield way_of(name, stored.trace, None if stored.route_id is None else reader.route(stored.route_id))


def course_at(reader: HistoryReader, tid: str, name: str, at: int) -> Iterator[Course]:
    """What the map needs of a target's way, if there is one."""
    stored = reader.trace_at(tid, at)
    if stored is not None and _left(stored.trace):
        yield course_of(name, stored.trace)


def _left(trace: Trace) -> bool:
    """Whether probes went out: a trace that ended before says nothing of a way."""
    return bool(trace.address) and trace.ending is not Ending.ERROR


def _theme(look: Look) -> Theme:
    return DARK if look.dark else LIGHT
