"""Answers that say no: problem details for HTTP APIs (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

CONTENT_TYPE = "application/problem+json"


class Answer(NamedTuple):
    """A whole HTTP answer, before compression and the headers that all answers share."""

    status: int
    headers: dict[str, str]
    body: bytes


class Problem(Exception):
    """What is wrong with a request. `code` is stable and for programs, `detail` a sentence for people.

    `parameter` names the query parameter at fault; `problems` tell of each thing that is wrong; `headers` go out with the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        parameter: str = "",
        problems: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.parameter = parameter
        self.problems = list(problems)
        self.headers = dict(headers or {})

    def answer(self) -> Answer:
        """The answer that a client gets."""
        body: dict[str, object] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.parameter:
            body["parameter"] = self.parameter
        if self.problems:
            body["problems"] = self.problems
        return Answer(self.status, {"Content-Type": CONTENT_TYPE, **self.headers}, encode(body))


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8. Half a surrogate pair, which UTF-8 cannot carry, leaves as its JSON escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def unknown_target(tid: str) -> Problem:
    """There is no such target."""
    return Problem(404, "unknown_target", f"there is no target {tid!r}")
