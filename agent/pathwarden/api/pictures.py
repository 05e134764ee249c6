"""The routes that draw the ways to the targets: as a graph, and on a map of the world."""

from collections.abc import Callable

import bottle

from pathwarden.api.answers import Answers
from pathwarden.api.live import query
from pathwarden.api.problem import Problem
from pathwarden.api.query import Query
from pathwarden.model.protocols import Clock, Pictures
from pathwarden.model.settings import Target

_THEMES = ("light", "dark")


class PictureRoutes:
    """Pictures. The method may run in several threads at once."""

    def __init__(self, pictures: Callable[[], Pictures | None], targets: tuple[Target, ...], clock: Clock, answers: Answers) -> None:
        self._pictures = pictures
        self._targets = targets
        self._clock = clock
        self._answers = answers

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.get("/api/v1/graph.svg", callback=self.graph)
        app.get("/api/v1/map.svg", callback=self.map)

    def graph(self) -> bottle.HTTPResponse:
        """The ways to all targets, or to one, at an instant, and what is different from those `before`."""
        asked = _Asked(query("target", "at", "before", "theme"))
        before = asked.query.instant("before")
        return self._answer(asked, lambda pictures, targets, at: pictures.graph(targets, at, before, dark=asked.dark))

    def map(self) -> bottle.HTTPResponse:
        """The places on the ways to all targets, or to one, at an instant."""
        asked = _Asked(query("target", "at", "theme"))
        return self._answer(asked, lambda pictures, targets, at: pictures.map(targets, at, dark=asked.dark))

    def _answer(self, asked: "_Asked", draw: Callable[[Pictures, tuple[Target, ...], int], str | None]) -> bottle.HTTPResponse:
        targets = self._targets if asked.tid is None else (self._answers.known(asked.tid),)
        pictures = self._pictures()
        if pictures is None:
            raise Problem(404, "not_installed", "what draws is not installed; it is in the package pathwarden-tools")
        drawn = draw(pictures, targets, self._clock.wall_ns() if asked.at is None else asked.at)
        if drawn is None:
            raise Problem(404, "no_trace", "there is no trace as old as that")
        return bottle.HTTPResponse(drawn.encode("utf-8", "replace"), 200, {"Content-Type": "image/svg+xml"})


class _Asked:
    """What every picture is asked with. Raises `Problem`."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.tid, self.at = query.text("target"), query.instant("at")
        theme = query.text("theme") or _THEMES[0]
        if theme not in _THEMES:
            raise Problem(400, "bad_parameter", f"'theme' must be one of {', '.join(_THEMES)}", parameter="theme")
        self.dark = theme == "dark"
