"""The routes that draw the ways to the targets: as a graph, and on a map of the world."""

import bottle

from pathwarden.api.answers import Answers
from pathwarden.api.live import query


class PictureRoutes:
    """Pictures. The methods may run in several threads at once."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.get("/api/v1/graph.svg", callback=self.graph)
        app.get("/api/v1/map.svg", callback=self.map)

    def graph(self) -> bottle.HTTPResponse:
        """The ways to all targets, or to one, at an instant, and what is different from those `before`."""
        asked = query("target", "at", "before", "theme")
        return _svg(self._answers.graph(asked.text("target"), asked.instant("at"), asked.instant("before"), asked.text("theme")))

    def map(self) -> bottle.HTTPResponse:
        """The places on the ways to all targets, or to one, at an instant."""
        asked = query("target", "at", "theme")
        return _svg(self._answers.map(asked.text("target"), asked.instant("at"), asked.text("theme")))


def _svg(drawn: str) -> bottle.HTTPResponse:
    return bottle.HTTPResponse(drawn.encode("utf-8", "replace"), 200, {"Content-Type": "image/svg+xml"})
