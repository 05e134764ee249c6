"""Asking the running daemon over its own page."""

import json
import socket
from pathlib import Path
from typing import Any, NamedTuple

from pathwarden.api.listen import split_interface, split_listen, split_socket
from pathwarden.cli.bounded import bounded
from pathwarden.errors import DaemonError
from pathwarden.model.access import KEY_FILE
from pathwarden.model.settings import Settings

_ANSWER_S = 1.0  # it answers in milliseconds, on a slow router in tenths of a second
_WRITE_S = 10.0  # somebody waits for this answer, and it must not be given up halfway
_LARGEST = 4_000_000  # bytes; a thousand targets take a quarter of it


_OK = 200
# What a page of ours refuses whom it does not know, by status.
_REFUSALS = {401: "wants a sign-in", 403: "does not let this user in", 421: "does not answer to this address"}
_LET_IN = "run this as root or the daemon's user"


class NotLetIn(DaemonError):
    """A daemon's page answers, yet not to this user."""


class Door(NamedTuple):
    """Where a daemon's page answers, and the key that it lets in; '' if this user may not read it, or needs none."""

    listen: str
    key: str


def daemon_info(settings: Settings) -> tuple[Door, dict[str, Any]] | None:
    """Where a daemon's page answers, and its `info` object; None if none does within a second.

    Raises `NotLetIn` if one answers, yet not to this user.
    """
    key = _key(settings)
    refused = None
    for listen in settings.web.listen:
        if split_interface(listen):  # only the daemon follows where that is
            continue
        door = Door(listen, key)
        status, info = _answer(door, "/api/v1/status")
        if status == _OK and isinstance(info.get("db"), dict) and "agent" in info:
            return door, info
        if status in _REFUSALS and info.get("code"):
            refused = refused or NotLetIn(f"the daemon's page at {listen} {_REFUSALS[status]}", _LET_IN)
    if refused is not None:
        raise refused
    return None


def get(door: Door, path: str) -> dict[str, Any] | None:
    """The JSON object that the page answers; None if it does not, or with something else."""
    status, answer = _answer(door, path)
    return answer if status == _OK else None


def _answer(door: Door, path: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON object within a second; 0 and nothing if there is none."""
    if not split_socket(door.listen) and split_listen(door.listen)[1] == 0:  # any free port: only the daemon knows which
        return 0, {}
    try:
        status, answer = bounded(lambda: _ask(door, "GET", path), _ANSWER_S)
    except TimeoutError:  # one byte now and then keeps every time-out of the socket itself from coming
        return 0, {}
    return (status, answer) if isinstance(answer, dict) else (0, {})


def post(door: Door, path: str, body: dict[str, object]) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of the page's answer to a write. Raises `DaemonError` if there is none."""
    try:
        status, answer = bounded(lambda: _ask(door, "POST", path, json.dumps(body)), _WRITE_S)
    except TimeoutError:
        status, answer = 0, None
    if not status or not isinstance(answer, dict):
        raise DaemonError(f"the daemon's page at {door.listen} gave no answer", "try again")
    return status, answer


def _key(settings: Settings) -> str:
    try:
        return (Path(settings.agent.live_dir) / KEY_FILE).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def _ask(door: Door, method: str, path: str, body: str | None = None) -> tuple[int, object]:
    """Status and JSON value; 0 and None if nobody is there, or another program."""
    from http.client import HTTPConnection, HTTPException

    path_of_socket = split_socket(door.listen)
    address, port = ("localhost", None) if path_of_socket else split_listen(door.listen)
    shown = {"Authorization": f"Bearer {door.key}"} if door.key else {}
    connection = HTTPConnection(address, port, timeout=_ANSWER_S if body is None else _WRITE_S)
    try:
        if path_of_socket:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(connection.timeout)
            connection.sock.connect(path_of_socket)
        connection.request(method, path, body, {"Accept": "application/json", "Content-Type": "application/json", **shown})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read(_LARGEST))
    except (OSError, HTTPException, ValueError):
        return 0, None
    finally:
        connection.close()
