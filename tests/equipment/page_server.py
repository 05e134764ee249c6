"""A server with the agent's addresses and headers whose answers a test may change while the page is open."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from equipment import page_data

WEB = Path(__file__).resolve().parents[2] / "web"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
API = "/api/v1/"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_HOLD_S = 30  # a gate that a failed test left shut


class Request(NamedTuple):
    """What the page asked."""

    method: str
    path: str
    content_type: str
    body: str = ""


class PageServer:
    """The agent as the page sees it.

    `states`, `paths`, `events` and `incidents` (newest first), `summary` and `status` may be changed at any time; `problems` maps a
    path to an RFC 9457 answer, `followed` the name of a trace that was asked for to how far it is; `offline` closes every connection
    without a word; `picture` and `map` draw for a query. `requests` lists what was asked under /api, `at_once` and `most_at_once`
    count what is and was being answered at the same time, `waiting` what a `held` block keeps back.
    """

    def __init__(self, poll_ms: int = 100, port: int = 0) -> None:
        self.poll_ms = poll_ms
        self.states = page_data.states()
        self.summary = page_data.summary()
        self.status = page_data.status()
        self.paths = page_data.paths()
        self.events = page_data.events()
        self.incidents: list[dict[str, Any]] = []
        self.problems: dict[str, dict[str, Any]] = {}
        self.session: dict[str, Any] = page_data.session()
        self.followed: dict[str, dict[str, Any]] = {}
        self.picture: Callable[[dict[str, list[str]]], str] = lambda _: ""
        self.map: Callable[[dict[str, list[str]]], str] = lambda _: ""
        self.offline = False
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.at_once = 0
        self.waiting = 0
        self._lock = threading.Lock()
        self._gate = threading.Event()
        self._gate.set()
        self._http = _Http(self, port)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._http.server_port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._gate.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @contextmanager
    def held(self) -> Iterator[None]:
        """No answer under /api leaves within this block."""
        self._gate.clear()
        try:
            yield
        finally:
            self._gate.set()

    def asked(self, method: str, path: str) -> list[Request]:
        """Requests whose path starts so."""
        return [request for request in list(self.requests) if request.method == method and request.path.startswith(path)]

    def target_answer(self, method: str, tid: str, tail: list[str]) -> tuple[int, Any]:
        """Answer one target's address."""
        one = next((state for state in self.states if state["target"] == tid), None)
        if one is None:
            return 404, {"type": "about:blank", "title": "Not Found", "status": 404, "code": "unknown_target", "detail": f"no target {tid}"}
        if method == "POST":
            return 202, {"target": tid} | ({"asked": f"of-{tid}"} if f"of-{tid}" in self.followed else {})
        mine = tid == "cloudflare"
        over_time: dict[str, Callable[[], Any]] = {
            "": lambda: page_data.target(one),
            "paths": lambda: {"paths": self.paths if mine else []},
            "series": lambda: page_data.series(mine),
            "heatmap": lambda: page_data.heat(mine),
            "trace-at": lambda: page_data.trace() | {"id": 70, "at": page_data.instant(12_000), "path_label": "B"},
        }
        return 200, over_time[tail[0] if tail else ""]()

    def changes(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """Answer a page of the change log."""
        before = int(query.get("before_seq", ["1000000"])[0])
        wanted = query.get("target", [None])[0]
        found = [event for event in self.events if event["seq"] < before and wanted in (None, event["target"])]
        return {"changes": found[: int(query["limit"][0])], "last_seq": self.events[0]["seq"] if self.events else 0}

    def answer(self, method: str, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        """Status and JSON for an address below /api/v1/."""
        if path in self.problems:
            return self.problems[path]["status"], self.problems[path]
        whole: dict[str, Callable[[], Any]] = {
            "status": lambda: self.status,
            "summary": lambda: self.summary | {"ts": page_data.instant(0)},
            "targets": lambda: {"targets": self.states},
            "changes": lambda: self.changes(query),
            "incidents": lambda: {"incidents": self.incidents},
            "session": lambda: self.session,
            "diff": page_data.diff,
            "graph.svg": lambda: self.picture(query),
            "map.svg": lambda: self.map(query),
        }
        if path in whole:
            return 200, whole[path]()
        kind, tid, *tail = path.split("/")
        if (kind, tid) == ("traces", "asked"):
            gone = {"type": "about:blank", "title": "Not Found", "status": 404, "code": "not_asked", "detail": "nobody asked for it"}
            return (200, self.followed[tail[0]]) if tail[0] in self.followed else (404, gone)
        if kind == "events":
            return 202, {}
        return self.target_answer(method, tid, tail)

    def _pass_gate(self) -> None:
        if not self._gate.is_set():
            self.waiting += 1
            self._gate.wait(_HOLD_S)
            self.waiting -= 1

    @contextmanager
    def counted(self, request: Request) -> Iterator[None]:
        with self._lock:
            self.requests.append(request)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self._pass_gate()
            yield
        finally:
            with self._lock:
                self.at_once -= 1


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, agent: PageServer, port: int) -> None:
        self.agent = agent
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Http

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if self.server.agent.offline:
            self.close_connection = True
        elif url.path.startswith(API):
            self.api("GET", url.path.removeprefix(API), parse_qs(url.query))
        else:
            self.file("index.html" if url.path == "/" else url.path.removeprefix("/static/"))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.api("POST", urlsplit(self.path).path.removeprefix(API), {}, body)

    def api(self, method: str, path: str, query: dict[str, list[str]], body: str = "") -> None:
        agent = self.server.agent
        request = Request(method, path, self.headers.get("Content-Type", ""), body)
        with agent.counted(request):
            status, answer = agent.answer(method, path, query)
        # No longer counted: the page may ask again as soon as it has this, whenever this thread goes on.
        kind = "image/svg+xml" if isinstance(answer, str) else "application/json" if status < 400 else "application/problem+json"
        self.reply(status, kind, (answer if isinstance(answer, str) else json.dumps(answer)).encode(), "no-store")

    def file(self, name: str) -> None:
        path = (WEB / name).resolve()
        if not (path.is_relative_to(WEB) and path.is_file()):
            self.reply(404, "text/plain", b"", "no-store")
            return
        data = path.read_bytes()
        keep = "max-age=3600"  # as the agent lets a browser keep them; they do not change while tests run
        if name == "index.html":
            keep = "no-cache"
            data = data.replace(b'name="poll-ms" content="5000"', f'name="poll-ms" content="{self.server.agent.poll_ms}"'.encode())
        self.reply(200, f"{KINDS[path.suffix]}; charset=utf-8", data, keep)

    def reply(self, status: int, kind: str, data: bytes, cache: str) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind, "Content-Length": str(len(data)), "Cache-Control": cache, "Content-Security-Policy": CSP,
            "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
        }  # fmt: skip
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        # A page that has left a view does not wait for its answer.
        with suppress(ConnectionError):
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass
