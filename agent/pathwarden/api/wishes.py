"""Routes that take the owner's wishes: mute a target or a pair of its paths, accept a path as usual, pause a target, note something."""

from typing import Any

import bottle

from pathwarden.api.answers import Answers
from pathwarden.api.guard import BODY
from pathwarden.api.live import json_reply, query
from pathwarden.api.problem import Problem
from pathwarden.model.protocols import Agent


class WishRoutes:
    """What the owner wants to hear. All methods may run in several threads at once."""

    def __init__(self, agent: Agent, answers: Answers) -> None:
        self._agent = agent
        self._answers = answers

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.post("/api/v1/targets/<tid>/mute", callback=self.mute)
        app.post("/api/v1/targets/<tid>/accept-path", callback=self.accept_path)
        app.post("/api/v1/targets/<tid>/pause", callback=self.pause)
        app.post("/api/v1/targets/<tid>/resume", callback=self.resume)
        app.post("/api/v1/events/<event_id>/note", callback=self.note)

    def mute(self, tid: str) -> bottle.HTTPResponse:
        """`{"for_s": N}` mutes a target, 0 unmutes it; `{"pair": ["A", "B"]}` mutes going between two paths, with `"for_s": 0` no more."""
        query()
        self._answers.known(tid)
        asked = _body("for_s", "pair")
        return json_reply(self._answers.mute(tid, asked.get("for_s"), asked.get("pair")))

    def accept_path(self, tid: str) -> bottle.HTTPResponse:
        """Makes the path in force the usual one."""
        query()
        self._answers.known(tid)
        _body()
        return json_reply(self._answers.accept_path(tid), 202, Location=f"/api/v1/targets/{tid}")

    def pause(self, tid: str) -> bottle.HTTPResponse:
        """Stops the probes to a target, but for traces that are asked for."""
        return self._pause(tid, paused=True)

    def resume(self, tid: str) -> bottle.HTTPResponse:
        """Begins them again."""
        return self._pause(tid, paused=False)

    def note(self, event_id: str) -> bottle.HTTPResponse:
        """`{"note": TEXT}` is kept with an event; '' takes it away."""
        query()
        return json_reply(self._answers.note(event_id, _body("note").get("note")), 202)

    def _pause(self, tid: str, *, paused: bool) -> bottle.HTTPResponse:
        query()
        self._answers.known(tid)
        _body()
        if not self._agent.pause(tid, paused=paused):
            raise Problem(409, "not_watched", f"{tid!r} is switched off in the configuration")
        return json_reply({"target": tid}, 202, Location=f"/api/v1/targets/{tid}")


def _body(*known: str) -> dict[str, Any]:
    """The request's JSON object. Raises `Problem` for a member that nobody knows."""
    body: dict[str, Any] = bottle.request.environ[BODY]
    for name in body:
        if name not in known:
            raise Problem(400, "unknown_parameter", f"there is no parameter {name!r} here", parameter=name)
    return body
