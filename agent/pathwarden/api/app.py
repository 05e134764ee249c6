"""The HTTP interface as one WSGI application.

A request passes the Host check, the gate of `access`, for a write the checks of `guard`, then its route; every answer leaves through
`_finish`, which adds tag, compression and the headers that all share. Everything is JSON in UTF-8: instants are RFC 3339 UTC with
milliseconds, RTTs ms with at most 3 decimals, all keys present and null when unknown. Errors are problem+json with a stable `code`.

| request | answer |
|---|---|
| GET /api/v1/status | the agent's `info` object |
| GET /api/v1/summary | verdict, notices, and every target's `state` with a `spark` of 3 hours in at most 36 points and an `outline` |
| GET /api/v1/targets | `targets`: the `state` objects |
| GET /api/v1/targets/{id} | `config`, `state`, `path`, `trace` |
| GET /api/v1/sources | `sources`: the configured ways out, each with its `targets` |
| POST /api/v1/targets/{id}/trace | 202, Location, and `asked`: the trace's name |
| POST /api/v1/traces | `{"target": {OPTION: TEXT}}`, perhaps `source` likewise: 202 and `asked`; traced once, and not kept |
| GET /api/v1/traces/asked/{name} | `state` queued, resolving, running, done or failed, and `trace` as far as it has come |
| POST /api/v1/targets/{id}/mute | `{"for_s": N}`, 0 unmutes; `{"pair": ["A", "B"]}` until told otherwise, which is `"for_s": 0` |
| POST /api/v1/targets/{id}/accept-path | 202 and Location; 409 without a path |
| POST /api/v1/targets/{id}/pause, /resume | 202 and Location; 409 for one that is switched off |
| POST /api/v1/events/{id}/note | 202; `{"note": TEXT}` is kept with an event, "" takes it away |
| GET /api/v1/targets/{id}/traces?before&from&to&limit | `traces` without hops (1 to 200), `next_before` |
| GET /api/v1/targets/{id}/trace-at?at | the trace in force then |
| GET /api/v1/targets/{id}/paths | `paths`, most time first |
| GET /api/v1/targets/{id}/series?from&to&points | `columns` of equal length (at most 600 points) |
| GET /api/v1/targets/{id}/heatmap?from&to&columns | each hop over time: `at_s` and, by ttl, columns of RTT and loss (at most 240) |
| GET /api/v1/diff?target&a&b | two paths of a target aligned; letters, ids or instants; without both the last two |
| GET /api/v1/targets/{id}/export?format&from&to | a file, streamed: atlas, scamper, mtr, text, csv or jsonl; neither tag nor compression |
| GET /api/v1/graph.svg?target&at&before&theme&lang | the ways to the targets as a picture, `theme` light or dark, `lang` the page's |
| GET /api/v1/map.svg?target&at&theme&lang&width | the places on them on a map of the world, `width` px broad |
| GET /api/v1/traces/{id}, /api/v1/paths/{id} | one trace, one path |
| GET /api/v1/changes?since_seq&before_seq&target&from&to&limit | `changes` (1 to 200), `last_seq` |
| GET /api/v1/incidents?before&limit | `incidents` as they were told last (1 to 100), newest first; `next_before` |
| GET /api/v1/asyncapi.json | what is published over MQTT: AsyncAPI 3 with JSON Schemas |
| GET /api/v1/openapi.json | this table as OpenAPI 3.1 |
| GET /api/v1/settings | targets and sources as they stand in the file, each with its `tag`, and what may stand there; 409 where LuCI sets |
| PUT /api/v1/targets/{id}, /sources/{id} | `{"options": {NAME: TEXT}}`: 202, and the daemon loads it; If-Match: "TAG", If-None-Match: * |
| PUT /api/v1/settings/defaults | likewise: what holds for targets that do not say otherwise |
| DELETE /api/v1/targets/{id}, /sources/{id} | 202; the history stays; If-Match |
| GET /api/v1/session | who asks: `signed_in`, `name`, `right` (none, read, write), `token` for writes |
| POST /api/v1/session | sign in with `{"name", "password"}` or `{"code"}`; the answer sets the cookie |
| DELETE /api/v1/session | leave |
| GET /metrics, /healthz | OpenMetrics text; `ok` |
| GET /, /static/... | the page |
"""

import hashlib
import logging
import re
import zlib
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Never

import bottle

from pathwarden.api.access import Gate
from pathwarden.api.answers import Answers
from pathwarden.api.asking import AskRoutes
from pathwarden.api.documents import Documents
from pathwarden.api.exporting import STREAM, ExportRoutes
from pathwarden.api.guard import BODY, HostRule, check_write
from pathwarden.api.listen import split_listen
from pathwarden.api.live import LiveRoutes
from pathwarden.api.pages import Pages
from pathwarden.api.past import PastRoutes
from pathwarden.api.pictures import PictureRoutes
from pathwarden.api.problem import Answer, Problem
from pathwarden.api.settings import SettingsRoutes
from pathwarden.api.sign_in import SignInRoutes
from pathwarden.api.wishes import WishRoutes
from pathwarden.errors import OperatorError
from pathwarden.model.access import SettingsBook
from pathwarden.model.protocols import Agent, Clock, Exports, HistoryReader, Pictures
from pathwarden.model.settings import Settings

SHARED_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
}
GZIP_FROM = 1024  # below that, one packet carries it anyway
GZIP_LEVEL = 4  # level 9 takes more than twice the time for a few per cent
# Half of zlib's usual memory, which each of the server's threads keeps for good; answers grow by a few per cent. 16: gzip's frame.
GZIP_WINDOW, GZIP_MEMORY = 16 + 14, 7
NOT_COMPRESSIBLE = ("image/png", "image/x-icon")
# When an object was told is no part of what it tells: two answers that differ in nothing else have one tag.
_TOLD_AT = re.compile(rb'"ts": ?"[^"]*"')
CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed"}

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

log = logging.getLogger(__name__)


def make_app(
    agent: Agent,
    reader: HistoryReader,
    settings: Settings,
    clock: Clock,
    exports: Callable[[], Exports | None] = lambda: None,
    gate: Gate | None = None,
    hosts: HostRule | None = None,
    book: SettingsBook | str = "no_file",
    pictures: Callable[[], Pictures | None] = lambda: None,
) -> WsgiApp:
    """The application. Several threads use `reader`, and `exports` and `pictures` when one is asked for; None: nothing makes any.

    Without a `gate` this machine may do everything, others look. Without `hosts` the addresses of `web.listen` are ours: raises
    `ConfigError` if one is unreadable. Instead of a `book` a code tells why nothing can be set (`NOT_HERE`).
    """
    gate = gate or Gate(clock)
    hosts = hosts or HostRule(split_listen(each)[0] for each in settings.web.listen)
    routes = bottle.Bottle()
    routes.catchall = False  # ours to log, and no traceback in an answer
    routes.default_error_handler = _refuse
    answers = Answers(agent, reader, settings, clock, pictures)
    LiveRoutes(agent, answers).add_to(routes)
    AskRoutes(agent, answers).add_to(routes)
    PastRoutes(reader, answers).add_to(routes)
    WishRoutes(agent, answers).add_to(routes)
    ExportRoutes(exports, answers).add_to(routes)
    PictureRoutes(answers).add_to(routes)
    Documents(settings.mqtt.prefix).add_to(routes)
    SignInRoutes(gate).add_to(routes)
    SettingsRoutes(book).add_to(routes)
    Pages(settings.web.root).add_to(routes)

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        stream: Iterable[bytes] | None = None
        try:
            hosts.check(environ)
            gate.check(environ)
            if environ["REQUEST_METHOD"] == "POST" or _changes(routes, environ):
                environ = {**environ, BODY: check_write(environ)}
            answer, stream = _route(routes, environ)
        except Problem as problem:
            answer = problem.answer()
        except OperatorError as error:
            # The history cannot be read now; the store's thread logs what it finds itself.
            answer = Problem(503, "history_unavailable", str(error)).answer()
        except Exception:
            log.exception("%s %r failed", environ["REQUEST_METHOD"], environ.get("PATH_INFO"))
            answer = Problem(500, "internal_error", "the agent made a mistake; its log says more").answer()
        # The agent's clock, which the page reckons with: not the reader's, and in the demo not the machine's.
        answer.headers["Date"] = formatdate(clock.wall_ns() / 1e9, usegmt=True)
        if stream is not None:
            start_response("200 OK", add_shared_headers(answer, known_length=False))
            return [] if environ["REQUEST_METHOD"] == "HEAD" else stream
        return _finish(environ, answer, start_response)

    return app


def add_shared_headers(answer: Answer, *, known_length: bool = True) -> list[tuple[str, str]]:
    """An answer's headers with those that all answers have; without `known_length` its body follows in pieces."""
    told = known_length and answer.status != HTTPStatus.NOT_MODIFIED
    length = {"Content-Length": str(len(answer.body))} if told else {}
    return list({"Cache-Control": "no-store", **SHARED_HEADERS, **answer.headers, **length}.items())


def _changes(routes: bottle.Bottle, environ: Environ) -> bool:
    """Whether this is a PUT or DELETE of something that there is; its absence is told before what is wrong with the body."""
    if environ["REQUEST_METHOD"] not in ("PUT", "DELETE"):
        return False
    try:
        routes.match(environ)
    except bottle.HTTPError as error:
        _refuse(error)
    return True


def _refuse(error: bottle.HTTPError) -> Never:
    """Bottle's own errors are about routes: no such path, or not with this method."""
    allow = error.headers.get("Allow")
    detail = "there is nothing at this address" if error.status_code == HTTPStatus.NOT_FOUND else str(error.body)
    raise Problem(error.status_code, CODES.get(error.status_code, "error"), detail, headers={"Allow": allow} if allow else None)


def _route(routes: bottle.Bottle, environ: Environ) -> tuple[Answer, Iterable[bytes] | None]:
    """Call the route; the answer, and its body where that comes in pieces.

    HEAD runs as GET, so that its headers are GET's by construction; the server sends no body for it.
    """
    method = "GET" if environ["REQUEST_METHOD"] == "HEAD" else environ["REQUEST_METHOD"]
    heads: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        heads.append((status, headers))

    asked = {**environ, "REQUEST_METHOD": method}
    body = b"".join(routes(asked, start_response))
    status, headers = heads[-1]
    stream = asked.get(STREAM)
    if stream is not None:
        headers = [each for each in headers if each[0] != "Content-Length"]
    return Answer(int(status.split(" ", 1)[0]), dict(headers), body), stream


def _finish(environ: Environ, answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    if answer.status == HTTPStatus.OK:
        # Weak, since it stands for the content in both its forms, plain and compressed (RFC 9110, 8.8.1).
        tag = f'W/"{hashlib.sha256(_TOLD_AT.sub(b"", answer.body)).hexdigest()[:20]}"'
        kept = {name: value for name, value in answer.headers.items() if name in ("Cache-Control", "Date")}
        if _matches(str(environ.get("HTTP_IF_NONE_MATCH", "")), tag):
            answer = Answer(HTTPStatus.NOT_MODIFIED, kept, b"")
        elif len(answer.body) > GZIP_FROM and _takes_gzip(environ) and answer.headers["Content-Type"] not in NOT_COMPRESSIBLE:
            packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW, GZIP_MEMORY)
            packed = packer.compress(answer.body) + packer.flush()
            answer = Answer(answer.status, {**answer.headers, "Content-Encoding": "gzip"}, packed)
        answer.headers["ETag"] = tag
    start_response(f"{int(answer.status)} {HTTPStatus(answer.status).phrase}", add_shared_headers(answer))
    return [] if environ["REQUEST_METHOD"] == "HEAD" or not answer.body else [answer.body]


def _matches(condition: str, tag: str) -> bool:
    """Weak comparison, as If-None-Match asks for (RFC 9110, 13.1.2)."""
    given = [each.strip().removeprefix("W/") for each in condition.split(",")]
    return "*" in given or tag.removeprefix("W/") in given


def _takes_gzip(environ: Environ) -> bool:
    for each in str(environ.get("HTTP_ACCEPT_ENCODING", "")).lower().split(","):
        coding, _, weight = each.replace(" ", "").partition(";q=")
        if coding == "gzip":
            return weight.strip("0.") != "" or not weight
    return False
