"""Routes that ask the running agent: status, summary, targets and metrics."""

import bottle

from pathwarden.api.answers import Answers
from pathwarden.api.problem import encode
from pathwarden.api.query import Query
from pathwarden.model.protocols import Agent
from pathwarden.present import metrics


def json_reply(value: object, status: int = 200, **headers: str) -> bottle.HTTPResponse:
    """A JSON answer."""
    return bottle.HTTPResponse(encode(value), status, {"Content-Type": "application/json", **headers})


def query(*known: str) -> Query:
    """The parameters of the request at hand. Raises `Problem`."""
    return Query(bottle.request.query_string, *known)


class LiveRoutes:
    """What the agent knows now. All methods may run in several threads at once."""

    def __init__(self, agent: Agent, answers: Answers) -> None:
        self._agent = agent
        self._answers = answers

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.get("/api/v1/status", callback=self.status)
        app.get("/api/v1/summary", callback=self.summary)
        app.get("/api/v1/targets", callback=self.targets)
        app.get("/api/v1/targets/<tid>", callback=self.target)
        app.get("/api/v1/sources", callback=self.sources)
        app.get("/metrics", callback=self.metrics)
        app.get("/healthz", callback=self.healthz)

    def status(self) -> bottle.HTTPResponse:
        """`info` object as it is."""
        query()
        return json_reply(self._answers.status())

    def summary(self) -> bottle.HTTPResponse:
        """Everything that the overview shows in one answer."""
        query()
        return json_reply(self._answers.summary())

    def targets(self) -> bottle.HTTPResponse:
        """All `state` objects in configuration order."""
        query()
        return json_reply(self._answers.targets())

    def target(self, tid: str) -> bottle.HTTPResponse:
        """One target: configuration, state, path and newest trace."""
        query()
        return json_reply(self._answers.target(tid))

    def sources(self) -> bottle.HTTPResponse:
        """Configured ways out, and who takes them."""
        query()
        return json_reply(self._answers.sources())

    def metrics(self) -> bottle.HTTPResponse:
        """OpenMetrics text."""
        query()
        return bottle.HTTPResponse(self._agent.metrics().encode("utf-8", "replace"), 200, {"Content-Type": metrics.CONTENT_TYPE})

    def healthz(self) -> bottle.HTTPResponse:
        """Says that the server answers; nothing about the network."""
        query()
        return bottle.HTTPResponse(b"ok\n", 200, {"Content-Type": "text/plain; charset=utf-8"})
