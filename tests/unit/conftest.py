"""For unit tests: where a history lies. They touch no network: opening a socket or asking for a name fails the test."""

import socket
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A history that is not there yet, nor is its folder."""
    return tmp_path / "data" / "history.db"


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """The folder for what waits in memory."""
    return tmp_path / "memory"


def _refuse(*_: Any, **__: Any) -> None:
    pytest.fail("a unit test may not use the network; a test that must belongs in tests/contract or tests/e2e")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every socket but the Unix pairs with which Python wakes its own loops.

    The refusal is no `Exception`, so code that handles errors of the network cannot swallow it.
    """
    opened = socket.socket.__init__

    def guarded(self: socket.socket, family: int = -1, *args: Any, **kw: Any) -> None:
        if family != socket.AF_UNIX:
            _refuse()
        opened(self, family, *args, **kw)

    monkeypatch.setattr(socket.socket, "__init__", guarded)
    for name in ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo"):
        monkeypatch.setattr(socket, name, _refuse)
