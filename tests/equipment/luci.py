"""A router's web server with LuCI's part of our packages in it, and rpcd's access lists before an agent that tests own."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from equipment.packages import TOP, built
from equipment.page_server import KINDS, PageServer
from packager import luci
from packager.tree import Node

STAND_INS = Path(__file__).resolve().parents[1] / "luci"
PAGE = """<!doctype html><html lang="{language}" data-darkmode="{dark}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>LuCI</title>
<link rel="stylesheet" href="/theme.css"><link rel="icon" href="data:,"></head>
<body><div id="maincontent" class="container"><div id="view"></div></div>
<script>window.TR = {texts};</script><script src="/stand_in.js"></script>
<script>L.writes = {writes}; L.show("{name}");</script></body></html>"""
OWN = b'<!doctype html><title>own</title><link rel="icon" href="data:,">'  # where the agent's own page would be
DENIED, NO_OBJECT = -32002, -32000  # of JSON-RPC
INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED = 2, 4, 8  # of ubus
OVER_TIME = ("paths", "series", "heatmap", "trace_at")
PICTURES = ("graph", "map")
WISHES = {"trace_now": "trace", "mute": "mute", "accept_path": "accept-path"}
CODE = "a-code"  # of the single sign-on
Json = dict[str, Any]


def files() -> dict[str, bytes]:
    """Everything below /www, by the path that a browser asks for, links followed."""
    nodes: list[Node] = [*luci.packages(TOP)[0].files, *built().page.files]
    links = {node.path: node.target.strip("/") for node in nodes if node.target}
    found = {node.path: node.content for node in nodes if node.content is not None}
    followed = {
        link + path.removeprefix(target): data for link, target in links.items() for path, data in found.items() if path.startswith(target)
    }
    return {path.removeprefix("www"): data for path, data in (found | followed).items() if path.startswith("www/")}


class LuciServer:
    """LuCI as a browser sees it.

    `agent` answers what goes to the agent; `writes` is whether who signed in may write, `gone` an agent that is not there.

    `calls` lists what was asked of ubus: object, method and arguments; `config` is what uci holds; `log` is what logread says.
    """

    def __init__(self, agent: PageServer) -> None:
        self.agent = agent
        self.files = files()
        self.writes = True
        self.gone = False
        self.calls: list[tuple[str, str, Json]] = []
        self.config: dict[str, Json] = {}
        self.log = ""
        self.language = "en"
        self.dark = False
        self.texts: dict[str, str] = {}
        (group,) = json.loads((TOP / luci.APP / "root/usr/share/rpcd/acl.d/luci-app-pathwarden.json").read_text(encoding="utf-8")).values()
        self.rights: Json = group
        self._http = _Http(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._http.server_port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def may(self, scope: str, name: str, function: str = "") -> bool:
        """Whether the access list lets the session do it."""
        rights = ("read", "write") if self.writes else ("read",)
        if scope in ("uci", "cgi-io"):
            return any(name in self.rights[right].get(scope, ()) for right in rights)
        return any(function in self.rights[right].get(scope, {}).get(name, ()) for right in rights)

    def ubus(self, name: str, method: str, asked: Json) -> Json:
        """JSON-RPC's answer, without what goes round it."""
        self.calls.append((name, method, asked))
        if name == "uci":
            allowed = self.may("uci", asked["config"])
            return {"result": [0, {"values": self.config}]} if allowed else {"error": {"code": DENIED, "message": "Access denied"}}
        if not self.may("ubus", name, method):
            return {"error": {"code": DENIED, "message": "Access denied"}}
        if self.gone:
            return {"error": {"code": NO_OBJECT, "message": "Object not found"}}
        status, answer = self._ask(method, asked)
        if status < 400:
            return {"result": [0, answer]}
        return {"result": [NOT_SUPPORTED if answer["code"] == "not_installed" else NOT_FOUND if status == 404 else INVALID_ARGUMENT]}

    def _ask(self, method: str, asked: Json) -> tuple[int, Any]:
        if method == "sign_in":
            return 200, {"code": CODE}
        if method in PICTURES:
            status, answer = self.agent.answer("GET", f"{method}.svg", {key: [str(value)] for key, value in asked.items()})
            return status, {"svg": answer} if status < 400 else answer
        if method == "trace_asked":
            return self.agent.answer("GET", f"traces/asked/{asked['asked']}", {})
        if method == "note":
            return self.agent.answer("POST", f"events/{asked['id']}/note", {})
        target = asked.get("id") or asked.get("target")
        if method in WISHES:
            return self.agent.answer("POST", f"targets/{target}/{WISHES[method]}", {})
        if method == "target" or method in OVER_TIME:
            return self.agent.answer("GET", f"targets/{target}/{method.replace('_', '-')}".removesuffix("/target"), {})
        status, answer = self.agent.answer("GET", method, {key: [str(value)] for key, value in asked.items()})
        return status, answer | {"ts": self.agent.answer("GET", "summary", {})[1]["ts"]} if method == "status" else answer


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, luci_server: LuciServer) -> None:
        self.luci = luci_server
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Http

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        place = self.server.luci
        if path in ("/stand_in.js", "/theme.css"):
            self.reply(200, KINDS[Path(path).suffix], (STAND_INS / path.strip("/")).read_bytes())
        elif path == "/":
            self.reply(200, "text/html", OWN)
        elif path.startswith("/show/"):
            texts = json.dumps(place.texts, ensure_ascii=False)
            said = {"language": place.language, "texts": texts, "writes": json.dumps(place.writes), "dark": json.dumps(place.dark)}
            page = PAGE.format(name=path.removeprefix("/show/"), **said)
            self.reply(200, "text/html", page.encode())
        elif path in place.files:
            self.reply(200, KINDS[Path(path).suffix], place.files[path])
        else:
            self.reply(404, "text/plain", b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        place = self.server.luci
        if self.path == "/ubus":
            _session, name, method, asked = json.loads(body)["params"]
            self.reply(200, "application/json", json.dumps(place.ubus(name, method, asked)).encode())
        elif place.may("file", body, "exec") and place.may("cgi-io", "exec"):
            self.reply(200, "text/plain", place.log.encode())
        else:
            self.reply(403, "text/plain", b"")

    def reply(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(data)),
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(data)
        except ConnectionError:  # a page that has left a view does not wait for its answer
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass
