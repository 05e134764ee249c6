"""Routes that take the owner's wishes: mute a target or the going between two of its paths, accept a path as usual, pause a target."""

from typing import Any

import bottle

from pathwarden.api.answers import Answers
from pathwarden.api.guard import BODY
from pathwarden.api.live import json_reply, query
from pathwarden.api.problem import Problem, unknown_target
from pathwarden.model.protocols import Agent, HistoryReader

MOST_MUTED_S = 2_592_000  # 30 days: what is muted for longer is better not watched
PAIR = 2


class WishRoutes:
    """What the owner wants to hear. All methods may run in several threads at once."""

    def __init__(self, agent: Agent, reader: HistoryReader, answers: Answers) -> None:
        self._agent = agent
        self._reader = reader
        self._answers = answers

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.post("/api/v1/targets/<tid>/mute", callback=self.mute)
        app.post("/api/v1/targets/<tid>/accept-path", callback=self.accept_path)
        app.post("/api/v1/targets/<tid>/pause", callback=self.pause)
        app.post("/api/v1/targets/<tid>/resume", callback=self.resume)

    def mute(self, tid: str) -> bottle.HTTPResponse:
        """`{"for_s": N}` mutes a target, 0 unmutes it; `{"pair": ["A", "B"]}` mutes going between two paths, with `"for_s": 0` no more."""
        query()
        self._answers.known(tid)
        asked = _body("for_s", "pair")
        for_s, pair = asked.get("for_s"), asked.get("pair")
        if for_s is not None and (isinstance(for_s, bool) or not isinstance(for_s, int) or not 0 <= for_s <= MOST_MUTED_S):
            raise _bad("for_s", f"must be a whole number from 0 to {MOST_MUTED_S}")
        if pair is None:
            if for_s is None:
                raise _bad("for_s", "is missing, and so is 'pair'")
            done = self._agent.mute(tid, for_s)
        else:
            if for_s:
                raise _bad("for_s", "must be 0 beside 'pair', or absent: a pair is muted until told otherwise")
            one, other = self._pair(tid, pair)
            done = self._agent.mute_pair(tid, one, other, muted=for_s is None)
        if not done:
            raise unknown_target(tid)
        return json_reply({"target": tid, "for_s": for_s, "pair": pair})

    def accept_path(self, tid: str) -> bottle.HTTPResponse:
        """Makes the path in force the usual one."""
        query()
        self._answers.known(tid)
        _body()
        if not self._agent.accept_path(tid):
            raise Problem(409, "no_path", f"no path to {tid!r} is known yet")
        return json_reply({"target": tid}, 202, Location=f"/api/v1/targets/{tid}")

    def pause(self, tid: str) -> bottle.HTTPResponse:
        """Stops the probes to a target, but for traces that are asked for."""
        return self._pause(tid, paused=True)

    def resume(self, tid: str) -> bottle.HTTPResponse:
        """Begins them again."""
        return self._pause(tid, paused=False)

    def _pause(self, tid: str, *, paused: bool) -> bottle.HTTPResponse:
        query()
        self._answers.known(tid)
        _body()
        if not self._agent.pause(tid, paused=paused):
            raise Problem(409, "not_watched", f"{tid!r} is switched off in the configuration")
        return json_reply({"target": tid}, 202, Location=f"/api/v1/targets/{tid}")

    def _pair(self, tid: str, pair: object) -> tuple[str, str]:
        """Two letters of the target's paths. Raises `Problem`."""
        if not isinstance(pair, list) or len(pair) != PAIR or not all(isinstance(each, str) for each in pair) or pair[0] == pair[1]:
            raise _bad("pair", "must be the letters of two paths")
        known = {route.label for route in self._reader.routes(tid)}
        for letter in pair:
            if letter not in known:
                raise _bad("pair", f"names {letter!r}, which is no path of {tid!r}")
        return pair[0], pair[1]


def _body(*known: str) -> dict[str, Any]:
    """The request's JSON object. Raises `Problem` for a member that nobody knows."""
    body: dict[str, Any] = bottle.request.environ[BODY]
    for name in body:
        if name not in known:
            raise Problem(400, "unknown_parameter", f"there is no parameter {name!r} here", parameter=name)
    return body


def _bad(name: str, what: str) -> Problem:
    return Problem(400, "bad_parameter", f"{name!r} {what}", parameter=name)
