"""The route that draws the ways to the targets."""

from collections.abc import Callable

import bottle

from pathwarden.api.answers import Answers
from pathwarden.api.live import query
from pathwarden.api.problem import Problem
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
        """Register the route."""
        app.get("/api/v1/graph.svg", callback=self.graph)

    def graph(self) -> bottle.HTTPResponse:
        """The ways to all targets, or to one, at an instant, and what is different from those `before`."""
        asked = query("target", "at", "before", "theme")
        tid, theme = asked.text("target"), asked.text("theme") or _THEMES[0]
        at, before = asked.instant("at"), asked.instant("before")
        if theme not in _THEMES:
            raise Problem(400, "bad_parameter", f"'theme' must be one of {', '.join(_THEMES)}", parameter="theme")
        targets = self._targets if tid is None else (self._answers.known(tid),)
        pictures = self._pictures()
        if pictures is None:
            raise Problem(404, "not_installed", "what draws is not installed; it is in the package pathwarden-tools")
        drawn = pictures.graph(targets, self._clock.wall_ns() if at is None else at, before, dark=theme == "dark")
        if drawn is None:
            raise Problem(404, "no_trace", "there is no trace as old as that")
        return bottle.HTTPResponse(drawn.encode("utf-8", "replace"), 200, {"Content-Type": "image/svg+xml"})
