"""Asking the running daemon over its own page, read-only."""

import json
from typing import Any

from pathwarden.api.listen import split_listen
from pathwarden.cli.bounded import bounded
from pathwarden.model.settings import Settings

_ANSWER_S = 1.0  # it answers in milliseconds, on a slow router in tenths of a second
_LARGEST = 4_000_000  # bytes; a thousand targets take a quarter of it


def daemon_info(settings: Settings) -> tuple[str, dict[str, Any]] | None:
    """Where a daemon's page answers, and its `info` object; None if none does within a second."""
    for listen in settings.web.listen:
        info = get(listen, "/api/v1/status")
        if info and isinstance(info.get("db"), dict) and "agent" in info:
            return listen, info
    return None


def get(listen: str, path: str) -> dict[str, Any] | None:
    """The JSON object that the page answers; None if it does not, or with something else."""
    if split_listen(listen)[1] == 0:  # any free port: only the daemon knows which
        return None
    try:
        answer = bounded(lambda: _get(listen, path), _ANSWER_S)
    except TimeoutError:  # one byte now and then keeps every time-out of the socket itself from coming
        return None
    return answer if isinstance(answer, dict) else None


def _get(listen: str, path: str) -> object:
    from http.client import HTTPConnection, HTTPException

    address, port = split_listen(listen)
    connection = HTTPConnection(address, port, timeout=_ANSWER_S)
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        return json.loads(answer.read(_LARGEST)) if answer.status == 200 else None
    except (OSError, HTTPException, ValueError):  # nobody there, or another program
        return None
    finally:
        connection.close()
