"""Routes that ask for a trace and tell how far it is: of a configured target, or once of what is not configured."""

from typing import Any

import bottle

from pathwarden.api.answers import Answers
from pathwarden.api.guard import BODY
from pathwarden.api.live import json_reply, query
from pathwarden.api.problem import Problem, unknown_target
from pathwarden.api.settings import told
from pathwarden.model.asked import BadOptions
from pathwarden.model.protocols import Agent

BUSY_S = 5  # a trace takes seconds
_MEMBERS = ("target", "source")


class AskRoutes:
    """Traces that somebody asks for. All methods may run in several threads at once."""

    def __init__(self, agent: Agent, answers: Answers) -> None:
        self._agent = agent
        self._answers = answers

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.post("/api/v1/targets/<tid>/trace", callback=self.now)
        app.post("/api/v1/traces", callback=self.once)
        app.get("/api/v1/traces/asked/<name>", callback=self.asked)

    def now(self, tid: str) -> bottle.HTTPResponse:
        """Asks for a trace; 202, since it runs later. Where its target is stands in Location, `asked` names the trace."""
        query()
        name = self._agent.trace_now(tid)
        if not name:
            raise unknown_target(tid)
        return json_reply({"target": tid, "asked": name}, 202, Location=f"/api/v1/targets/{tid}")

    def once(self) -> bottle.HTTPResponse:
        """`{"target": {OPTION: TEXT}}`, and perhaps `source` likewise: traces what is not configured, and keeps nothing of it."""
        query()
        body: dict[str, Any] = bottle.request.environ[BODY]
        given = [_options(body, name) for name in _MEMBERS]
        if given[0] is None or set(body) - set(_MEMBERS):
            raise _bad_body()
        try:
            name = self._agent.trace_once(given[0], given[1])
        except BadOptions as error:
            option, problem = error.problems[0]
            said = f"{option}: {problem}" if option else problem
            raise Problem(400, "bad_setting", said, parameter=option, problems=told(error.wrong)) from error
        if not name:
            raise Problem(429, "too_many_traces", "other traces wait for their turn; try again soon", headers={"Retry-After": str(BUSY_S)})
        return json_reply({"target": None, "asked": name}, 202, Location=f"/api/v1/traces/asked/{name}")

    def asked(self, name: str) -> bottle.HTTPResponse:
        """How far a trace is that was asked for, with what it has found so far."""
        query()
        return json_reply(self._answers.asked(name))


def _options(body: dict[str, Any], name: str) -> dict[str, str] | None:
    options = body.get(name)
    if options is None and name not in body:
        return None
    if not isinstance(options, dict) or not all(isinstance(text, str) for text in options.values()):
        raise _bad_body()
    return options


def _bad_body() -> Problem:
    return Problem(400, "bad_body", 'the body must be {"target": {OPTION: TEXT}}, with "source" likewise where it is not configured either')
