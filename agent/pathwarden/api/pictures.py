"""The routes that draw the ways to the targets: as a graph, and on a map of the world."""

import bottle

from pathwarden.api.answers import Answers
from pathwarden.api.live import query
from pathwarden.model.look import NARROWEST, WIDEST

_COMMON = ("target", "at", "theme", "lang")


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
        asked = query(*_COMMON, "before")
        tid, language = asked.text("target"), asked.text("lang")
        return _svg(self._answers.graph(tid, asked.instant("at"), asked.instant("before"), asked.text("theme"), language))

    def map(self) -> bottle.HTTPResponse:
        """The places on the ways to all targets, or to one, at an instant."""
        asked = query(*_COMMON, "width")
        width = asked.integer("width", NARROWEST, WIDEST)
        return _svg(self._answers.map(asked.text("target"), asked.instant("at"), asked.text("theme"), asked.text("lang"), width))


def _svg(drawn: str) -> bottle.HTTPResponse:
    return bottle.HTTPResponse(drawn.encode("utf-8", "replace"), 200, {"Content-Type": "image/svg+xml"})
