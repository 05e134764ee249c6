"""The bounded server: few threads, few connections, and a deadline for each of them.

Import this module only when the page is switched on: it brings waitress along.
"""

import errno
import logging
import math
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask

from pathwarden.api.access import is_home
from pathwarden.api.app import WsgiApp, add_shared_headers
from pathwarden.api.guard import BODY_LIMIT
from pathwarden.api.listen import UNIX, join_listen, split_listen, split_socket
from pathwarden.api.problem import Problem
from pathwarden.errors import OperatorError

THREADS = 3  # each that has served keeps about 0.7 MB; one stays free beside a picture and an export
CONNECTIONS = 50  # a household's browsers hold six each
PEER_CONNECTIONS = 20  # of one machine that is not this one, so that it cannot take them all
REQUEST_S = 30  # for a request to arrive, and as long for its answer to be taken
LOOK_S = 1  # how often a connection's deadline is looked at
REST_S = 60  # without connections there is none
HEADER_LIMIT = 16_384  # browsers send about 1 KiB
BACKLOG = 64
FINISH_S = 1  # what running requests get when we stop
CODES = {400: "bad_request", 413: "body_too_large", 431: "header_too_large", 500: "internal_error", 501: "not_implemented"}
BIND_ERRORS = {
    errno.EADDRINUSE: ("is in use by another program", "choose another port or 0 for any"),
    errno.EADDRNOTAVAIL: ("is not an address of this machine", "choose one of its own"),
    errno.EACCES: ("is not permitted", "choose a port from 1024 on"),
}


class Server:
    """Serves an application in threads of its own: on `address:port` pairs, or on sockets that are files (`unix:/path`), not both."""

    def __init__(self, app: WsgiApp, listen: Sequence[str]) -> None:
        self._app = app
        self._listen = tuple(listen)
        self._wake: Any = None
        self._waking = threading.Lock()
        self._addresses: tuple[str, ...] = ()
        self._thread: threading.Thread | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it really listens, with the ports that the kernel chose for 0; empty unless it runs."""
        return self._addresses

    def start(self) -> None:
        """Bind and serve; nothing happens without addresses. Raises `OperatorError` if one cannot be had; then none is kept."""
        if not self._listen:
            return
        sockets = _bind_all(self._listen)
        # The name of a socket that is a file is its path.
        self._addresses = tuple(
            f"{UNIX}{name}" if isinstance(name, str) else join_listen(*name[:2]) for name in [each.getsockname() for each in sockets]
        )
        logging.getLogger("waitress").setLevel(logging.ERROR)  # below that it tells of its queue and of clients that left
        parts: dict[int, Any] = {}  # by file descriptor: listeners, their wake-up pipes, connections
        create_server(
            self._app,
            map=parts,
            sockets=sockets,
            threads=THREADS,
            backlog=BACKLOG,
            connection_limit=CONNECTIONS + 2 * len(sockets),  # it counts listeners and pipes too
            channel_timeout=REQUEST_S,
            cleanup_interval=REQUEST_S // 3,
            max_request_header_size=HEADER_LIMIT,
            max_request_body_size=BODY_LIMIT,
            log_socket_errors=False,
            clear_untrusted_proxy_headers=False,  # nothing here reads them
            ident="",
        )
        servers = [part for part in parts.values() if isinstance(part, BaseWSGIServer)]
        for server in servers:
            server.channel_class = _Channel
        self._wake = partial(servers[0].trigger.pull_trigger, partial(_close, servers, parts, self._waking))
        self._thread = threading.Thread(target=_run, args=(parts,), name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let running requests finish for a second, close everything; less than 2 s. Does nothing if it does not run."""
        if self._thread is None:
            return
        for path in filter(None, map(split_socket, self._addresses)):
            with suppress(OSError):  # while it is ours for sure
                Path(path).unlink()
        with self._waking:
            self._wake()
        self._thread.join(FINISH_S + 0.5)  # it lingers behind a request that still runs
        self._thread = None
        self._addresses = ()


def _run(parts: dict[int, Any]) -> None:
    while parts:  # until `_close` leaves nothing in the map
        connected = any(isinstance(part, HTTPChannel) for part in list(parts.values()))
        wasyncore.poll2(LOOK_S if connected else REST_S, parts)


def _close(servers: Sequence[Any], parts: dict[int, Any], waking: threading.Lock) -> None:
    """Runs in the server's own thread, which owns the sockets."""
    dispatcher = servers[0].task_dispatcher
    dispatcher.shutdown(timeout=FINISH_S)
    pipes = [server.trigger for server in servers]
    for part in list(parts.values()):
        if part not in pipes:
            wasyncore.dispatcher.close(part)
    # Who still writes to a pipe must not find it closed, for its number might be another file's by then: a request writes at its
    # end, and `stop` may have been overtaken on its way to write.
    while dispatcher.threads:
        dispatcher.shutdown(timeout=FINISH_S)
    with waking:
        for pipe in pipes:
            pipe.close()
    parts.clear()


class _ErrorTask(ErrorTask):  # type: ignore[misc]  # waitress has no types
    """Waitress' own refusals (too large, not HTTP) in our words."""

    def execute(self) -> None:
        error = self.request.error
        code = CODES.get(error.code, "error")
        answer = Problem(error.code, code, str(error.body)).answer()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend(add_shared_headers(answer))
        self.set_close_on_finish()
        self.content_length = len(answer.body)
        self.write(answer.body)


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection with a deadline by the monotonic clock.

    One machine of many connections gets no more of them.

    Waitress looks at the last byte only, so that a client which sends one now and then stays for ever; and at the wall clock, which
    jumps when a router learns the time.
    """

    error_task_class = _ErrorTask

    def __init__(self, *args: object, **kwargs: object) -> None:
        self._deadline = time.monotonic() + REQUEST_S
        super().__init__(*args, **kwargs)
        here = self.addr[0]
        theirs = sum(isinstance(part, HTTPChannel) and part.addr[0] == here for part in self._map.values())
        proxy = self.addr[1] is None  # through a socket that is a file come many people
        if theirs > PEER_CONNECTIONS and not proxy and not is_home(here):
            self.handle_close()

    def readable(self) -> bool:
        """Asked by the loop at least once a second."""
        if not self.requests and time.monotonic() > self._deadline:
            self.handle_close()
            return False
        return bool(super().readable())

    def service(self) -> None:
        """Run one request, however long it takes; its end starts the next deadline."""
        self._deadline = math.inf
        super().service()
        self._deadline = time.monotonic() + REQUEST_S


def _bind_all(listen: Sequence[str]) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for each in listen:
            sockets.append(_bind(each))  # noqa: PERF401  # those bound so far must be closed when a later one fails
    except OperatorError:
        for bound in sockets:
            bound.close()
        raise
    return sockets


def _bind(listen: str) -> socket.socket:
    path = split_socket(listen)
    if path is None:
        return _bind_address(listen)
    from pathwarden.api.socket_file import bind_file  # few have a proxy

    return bind_file(listen, path)


def _bind_address(listen: str) -> socket.socket:
    address, port = split_listen(listen)
    family, kind, proto, _, name = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
    bound = socket.socket(family, kind, proto)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart need not wait for connections that linger
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # [::] and 0.0.0.0 may both be listed
        bound.bind(name)
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        problem, remedy = BIND_ERRORS.get(error.errno or 0, (f"cannot be listened on: {error.strerror}", ""))
        raise OperatorError(f"web.listen: {listen} {problem}", remedy) from error
    return bound
