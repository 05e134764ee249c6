"""Routes that change targets and sources in the configuration file, where the daemon may write it. Nothing else is settable here."""

import re
from collections.abc import Callable
from typing import Any

import bottle

from pathwarden.api.guard import BODY
from pathwarden.api.live import json_reply, query
from pathwarden.api.problem import Problem
from pathwarden.errors import OperatorError
from pathwarden.model.access import SettingsBook

_NAME = re.compile(r"[A-Za-z0-9_]{1,32}")  # a section's name that the schema takes


class SettingsRoutes:
    """Targets and sources as they stand in the file. All methods may run in several threads at once."""

    def __init__(self, book: SettingsBook) -> None:
        self._book = book

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.get("/api/v1/settings", callback=self.shown)
        for kind, part in (("targets", "tid"), ("sources", "name")):
            place = f"/api/v1/{kind}/<{part}>"
            app.put(place, callback=lambda kind=kind, **named: self.put(kind, *named.values()))
            app.delete(place, callback=lambda kind=kind, **named: self.remove(kind, *named.values()))

    def shown(self) -> bottle.HTTPResponse:
        """What stands in the file, and what may stand there."""
        query()
        try:
            return json_reply(self._book.shown())
        except OperatorError as error:
            raise Problem(409, "cannot_change", str(error)) from error

    def put(self, kind: str, name: str) -> bottle.HTTPResponse:
        """`{"options": {NAME: TEXT}}`: the whole of a target or source; 202, since the daemon loads it then."""
        query()
        if not _NAME.fullmatch(name):
            raise Problem(400, "bad_parameter", f"{name!r} is no id; use 1 to 32 of A-Z, a-z, 0-9 and _", parameter="name")
        body: dict[str, Any] = bottle.request.environ[BODY]
        options = body.get("options")
        if set(body) != {"options"} or not isinstance(options, dict) or not all(isinstance(text, str) for text in options.values()):
            raise Problem(400, "bad_body", 'the body must be {"options": {NAME: TEXT}}')
        return self._changed(kind, name, lambda: self._book.put(kind, name, options))

    def remove(self, kind: str, name: str) -> bottle.HTTPResponse:
        """Takes a target or source out; its history stays."""
        query()
        if bottle.request.environ[BODY]:
            raise Problem(400, "bad_body", "the body must be {}")
        return self._changed(kind, name, lambda: self._book.remove(kind, name))

    def _changed(self, kind: str, name: str, change: Callable[[], list[tuple[str, str]]]) -> bottle.HTTPResponse:
        try:
            problems = change()
        except KeyError:
            raise Problem(404, "not_configured", f"the configuration has no {kind.removesuffix('s')} {name!r}") from None
        except OperatorError as error:
            raise Problem(409, "cannot_change", str(error)) from error
        if problems:
            option, problem = problems[0]
            raise Problem(400, "bad_setting", f"{option}: {problem}" if option else problem, parameter=option)
        return json_reply({"id": name}, 202, Location=f"/api/v1/{kind}/{name}" if kind == "targets" else "/api/v1/settings")
