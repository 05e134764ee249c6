"""Calls a WSGI application without sockets."""

import gzip
import io
import json
from typing import Any
from wsgiref.validate import validator


class Got:
    """An answer: `status`, `headers` (names in lower case), `raw` as sent, `body` unpacked."""

    def __init__(self, status: str, headers: list[tuple[str, str]], raw: bytes) -> None:
        names = [name.lower() for name, _ in headers]
        assert len(names) == len(set(names)), f"a header stands twice: {names}"
        self.status = int(status.split(maxsplit=1)[0])
        self.headers = {name.lower(): value for name, value in headers}
        self.raw = raw
        self.body = gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks an application as a browser on the same machine would, or at `address`; each call is checked against the standard (PEP 3333)."""

    def __init__(self, app: Any, address: str = "127.0.0.1") -> None:
        self._app = validator(app)
        self._address = address

    def get(self, path: str, query: str = "", method: str = "GET", **headers: str) -> Got:
        return self._call(method, path, query, b"", headers)

    def post(self, path: str, body: bytes = b"{}", content_type: str = "application/json", method: str = "POST", **headers: str) -> Got:
        return self._call(method, path, "", body, {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body)), **headers})

    def _call(self, method: str, path: str, query: str, body: bytes, headers: dict[str, str]) -> Got:
        complaints = io.StringIO()
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path.encode().decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8866",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self._address,
            "HTTP_HOST": "127.0.0.1:8866",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": complaints,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        environ.update({name if name.startswith("CONTENT_") else f"HTTP_{name}": value for name, value in headers.items()})
        if environ["HTTP_HOST"] == "":
            del environ["HTTP_HOST"]
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, sent: list[tuple[str, str]], _exc_info: object = None) -> Any:
            begun.append((status, sent))
            return lambda _: None

        answer = self._app(environ, start_response)
        try:
            raw = b"".join(answer)
        finally:
            answer.close()
        assert complaints.getvalue() == "", "nothing is written past the log"
        return Got(*begun[-1], raw)
