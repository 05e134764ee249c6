"""What systemd's socket receives, in both of its kinds, and what happens without one."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pathwarden.daemon.notify import ALIVE, READY, STOPPING, Notifier


@pytest.fixture(params=["file", "abstract"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "file" else f"@pathwarden-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.settimeout(10)
        ear.bind(name.replace("@", "\0"))
        yield ear, name


def test_the_supervisor_receives_each_message(supervisor: tuple[socket.socket, str]) -> None:
    ear, name = supervisor
    notifier = Notifier({"NOTIFY_SOCKET": name})
    for message in (READY, ALIVE, STOPPING):
        notifier.tell(message)
        assert ear.recv(100) == message


@pytest.mark.parametrize("name", ["", "/nowhere/notify"])
def test_without_a_listener_nothing_happens(name: str) -> None:
    Notifier({"NOTIFY_SOCKET": name}).tell(READY)


@pytest.mark.parametrize(
    ("environ", "every_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "60000000", "NOTIFY_SOCKET": ""}, None),
    ],
)
def test_the_watchdog_is_served_at_half_its_time_and_only_by_its_own_process(environ: dict[str, str], every_s: float | None) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/nowhere/notify"} | environ).every_s == every_s
