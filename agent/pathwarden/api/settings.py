"""Routes that change targets and sources in the configuration file, where the daemon may write it. Nothing else is settable here."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import bottle

from pathwarden.api.guard import BODY
from pathwarden.api.live import json_reply, query
from pathwarden.api.problem import Problem
from pathwarden.errors import OperatorError
from pathwarden.model.access import Outdated, SettingsBook, Wrong

_NAME = re.compile(r"[A-Za-z0-9_]{1,32}")  # a section's name that the schema takes
_TAG = re.compile(r'"([0-9a-f]+)"')
# Why nothing can be set here, by code.
NOT_HERE = {
    "set_in_luci": lambda: Problem(409, "set_in_luci", "this router's settings are changed in LuCI, under Services, Path Monitor"),
    "no_file": lambda: Problem(409, "no_file", "this agent runs without a configuration file; pathwarden config init writes one"),
}


class SettingsRoutes:
    """Targets and sources as they stand in the file; a code of `NOT_HERE` tells why they are not set here.

    All methods may run in several threads at once.
    """

    def __init__(self, book: SettingsBook | str) -> None:
        self._given = book

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.get("/api/v1/settings", callback=self.shown)
        for kind, part in (("targets", "tid"), ("sources", "name")):
            place = f"/api/v1/{kind}/<{part}>"
            app.put(place, callback=lambda kind=kind, **named: self.put(kind, *named.values()))
            app.delete(place, callback=lambda kind=kind, **named: self.remove(kind, *named.values()))
        app.put("/api/v1/settings/defaults", callback=lambda: self.put("defaults", "defaults"))

    def shown(self) -> bottle.HTTPResponse:
        """What stands in the file, and what may stand there."""
        query()
        try:
            return json_reply(self._book().shown())
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
        book, tag = self._book(), _tag()
        return self._changed(kind, name, lambda: book.put(kind, name, options, tag))

    def remove(self, kind: str, name: str) -> bottle.HTTPResponse:
        """Takes a target or source out; its history stays."""
        query()
        if bottle.request.environ[BODY]:
            raise Problem(400, "bad_body", "the body must be {}")
        book, tag = self._book(), _tag()
        return self._changed(kind, name, lambda: book.remove(kind, name, tag))

    def _book(self) -> SettingsBook:
        if isinstance(self._given, str):
            refused = NOT_HERE[self._given]()
            raise refused
        return self._given

    def _changed(self, kind: str, name: str, change: Callable[[], list[Wrong]]) -> bottle.HTTPResponse:
        try:
            problems = change()
        except KeyError:
            raise Problem(404, "not_configured", f"the configuration has no {kind.removesuffix('s')} {name!r}") from None
        except Outdated:
            raise Problem(412, "changed_meanwhile", f"the file says something else of {name!r} by now; read it again") from None
        except OperatorError as error:
            raise Problem(409, "cannot_change", str(error)) from error
        if problems:
            raise bad_setting(name, problems)
        return json_reply({"id": name}, 202, Location=f"/api/v1/{kind}/{name}" if kind == "targets" else "/api/v1/settings")


def bad_setting(name: str, problems: Sequence[Wrong]) -> Problem:
    """The answer to options of a section that cannot be; the first problem leads, `problems` has all."""
    first = problems[0]
    own = first.section == name
    said = (f"{first.option}: {first.problem}" if first.option else first.problem) if own else first.line
    return Problem(400, "bad_setting", said, parameter=first.option if own else "", problems=told(problems))


def told(problems: Sequence[Wrong]) -> list[dict[str, str]]:
    """What is wrong, as an answer lists it."""
    return [
        {"section": each.section, "option": each.option, "code": each.code, "about": each.about, "detail": each.problem}
        for each in problems
    ]


def _tag() -> str | None:
    """What the writer has seen of the section, as HTTP's conditions tell (RFC 9110, 13.1): '' that there is none, None without any."""
    if bottle.request.headers.get("If-None-Match", "").strip() == "*":
        return ""
    given = bottle.request.headers.get("If-Match", "").strip()
    if given in ("", "*"):
        return None
    found = _TAG.fullmatch(given)
    # What is no tag of ours is none that anything has.
    return found[1] if found else given
