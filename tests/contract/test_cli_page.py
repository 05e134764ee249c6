"""Asking the page on loopback: an answer, or None in time, whatever listens there."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from equipment.broker import closed_port
from pathwarden.cli import page
from pathwarden.cli.bounded import bounded

Answer = Callable[[socket.socket], None]


def whole(body: bytes, status: bytes = b"200 OK") -> Answer:
    return lambda connection: connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def start(answer: Answer) -> str:
            def run() -> None:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    answer(connection)

            threads.append(threading.Thread(target=run))
            threads[0].start()
            return f"127.0.0.1:{server.getsockname()[1]}"

        threads: list[threading.Thread] = []
        yield start
        threads[0].join(20)


def get(listen: str, path: str) -> dict[str, object] | None:
    return page.get(page.Door(listen, ""), path)


def test_an_object_is_taken(serve):
    assert get(serve(whole(b'{"v": 1}')), "/") == {"v": 1}


@pytest.mark.parametrize(
    "answer",
    [whole(b"[1]"), whole(b"<html>"), whole(b'{"v": 1}', b"404 Not Found"), lambda c: c.sendall(b"SSH-2.0-x\r\n"), lambda _: None],
    ids=["list", "html", "not-found", "ssh", "hangs-up"],
)
def test_anything_else_is_none(serve, answer):
    assert get(serve(answer), "/") is None


def test_an_answer_that_drips_is_given_up(serve):
    enough = threading.Event()

    def drop_by_drop(connection: socket.socket) -> None:
        """Never let a time-out of a single reading come."""
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with suppress(OSError):
            while not enough.wait(0.05):
                connection.sendall(b" ")

    place = serve(drop_by_drop)
    begun = time.monotonic()
    found, took_s = get(place, "/"), time.monotonic() - begun
    enough.set()
    assert found is None
    assert took_s < 20  # of the 50 until all is there


def test_nobody_there():
    with closed_port() as port:
        assert get(f"127.0.0.1:{port}", "/") is None


def test_a_deadline_for_calls_that_have_none():
    never = threading.Event()
    with pytest.raises(TimeoutError, match=r"not within 0\.01 s"):
        bounded(never.wait, 0.01)
    never.set()
    assert bounded(lambda: 5, 10) == 5
    with pytest.raises(KeyError):
        bounded(lambda: {}["x"], 10)
