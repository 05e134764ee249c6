"""The daemon's surroundings: broker, page, and the daemon itself."""

import errno
import os
import socket
import time
from pathlib import Path
from typing import Any

from pathwarden.api.listen import split_interface, split_listen, split_socket
from pathwarden.cli.checks.finding import FAIL, OK, WARN, Finding, Place
from pathwarden.cli.page import NotLetIn, daemon_info
from pathwarden.cli.terminal import span
from pathwarden.errors import OperatorError
from pathwarden.model.settings import MqttSettings, Settings
from pathwarden.mqtt.check import sign_in
from pathwarden.present.instants import parse_instant
from pathwarden.store.lock import holder

BROKER_S = 1.5


def broker(place: Place) -> list[Finding]:
    """Signs in at the broker under an id of its own, and out again; publishes nothing."""
    mqtt = place.settings.mqtt
    if not mqtt.host:
        return [Finding(OK, "MQTT", "off; mqtt.host switches it on")]
    try:
        password = _password(mqtt)
    except OSError as error:
        words = f"not tried, since {mqtt.password_file} cannot be read ({error.strerror})"
        return [Finding(WARN, "MQTT", words, "run this as the user of the daemon")]
    protocol, problem = sign_in(mqtt, password, f"pathwarden-{place.settings.agent.name}-doctor", BROKER_S)
    if problem:
        detail, _, fix = problem.partition("; ")
        return [Finding(FAIL, "MQTT", detail, fix)]
    user = f" as {mqtt.username}" if mqtt.username else ""
    return [Finding(OK, "MQTT", f"{mqtt.host}:{mqtt.port} takes us{user} (MQTT {protocol})")]


def _password(mqtt: MqttSettings) -> str | None:
    return Path(mqtt.password_file).read_text(encoding="utf-8", errors="replace").rstrip("\r\n") if mqtt.password_file else None


def daemon(place: Place) -> list[Finding]:
    """Whether the page's addresses are the daemon's or free, and whether it runs and what it does next."""
    settings = place.settings
    path = Path(settings.agent.db)
    try:
        pid = holder(path)
        running: bool | None = pid is not None
    except OperatorError:
        pid, running = None, None
    try:
        found = daemon_info(settings)
    except NotLetIn as error:
        return [*_pages(settings, True, running), _refused(pid, error)]
    info = found[1] if found and found[1]["db"].get("path") == str(path) else None
    return [*_pages(settings, info is not None, running), _life(pid, running, info)]


def _refused(pid: int | None, error: NotLetIn) -> Finding:
    problem, _, remedy = str(error).partition("; ")
    return Finding(WARN, "daemon", f"runs{f' as process {pid}' if pid else ''}; {problem}", remedy)


def _life(pid: int | None, running: bool | None, info: dict[str, Any] | None) -> Finding:
    if info is None and not running:
        if running is None:
            return Finding(OK, "daemon", "this user may not know whether it runs")
        return Finding(WARN, "daemon", "does not run", "pathwarden run")
    words = f"runs as process {pid}" if pid else "runs"
    if info is None:
        return Finding(OK, "daemon", f"{words}; without its page the time of the next trace is unknown")
    if not info["next_run_at"]:
        return Finding(OK, "daemon", f"{words}; no trace is planned yet")
    return Finding(OK, "daemon", f"{words}; next trace in {span((parse_instant(info['next_run_at']) - time.time_ns()) / 1e9)}")


def _pages(settings: Settings, served: bool, running: bool | None) -> list[Finding]:
    if not settings.web.listen:
        return [Finding(OK, "page", "off")]
    return [_page(listen, served, running) for listen in settings.web.listen]


def _page(listen: str, served: bool, running: bool | None) -> Finding:
    if split_interface(listen):
        return Finding(OK, "page", f"{listen} follows the interface's addresses")
    path = split_socket(listen)
    if path:
        return _socket(listen, path, running)
    address, port = split_listen(listen)
    if port == 0:
        return Finding(OK, "page", f"{listen} takes any free port")
    problem = _bind(address, port)
    if problem == errno.EADDRINUSE and served:
        return Finding(OK, "page", f"{listen} is served by the daemon")
    if problem == errno.EADDRINUSE:
        return Finding(FAIL, "page", f"{listen} is in use by another program", "choose another port with web.listen")
    if problem:
        return Finding(FAIL, "page", f"{listen} cannot be listened on: {os.strerror(problem)}", "choose another web.listen")
    if running:
        words = f"{listen} is not served, though the daemon runs"
        return Finding(WARN, "page", words, "make it read its configuration: kill -HUP its process")
    return Finding(OK, "page", f"{listen} is free")


def _socket(listen: str, path: str, running: bool | None) -> Finding:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        problem = sock.connect_ex(path)
    if not problem:
        return Finding(OK, "page", f"{listen} is served")
    if problem == errno.EACCES:
        return Finding(OK, "page", f"{listen} is not for this user")
    if problem not in (errno.ENOENT, errno.ECONNREFUSED) or not os.path.isdir(os.path.dirname(path)):  # noqa: PTH112, PTH120 - plain texts
        return Finding(FAIL, "page", f"{listen} cannot be listened on: {os.strerror(problem)}", "choose another web.listen")
    if running:
        return Finding(
            WARN, "page", f"{listen} is not served, though the daemon runs", "make it read its configuration: kill -HUP its process"
        )
    return Finding(OK, "page", f"{listen} is free")


def _bind(address: str, port: int) -> int:
    """0 if the daemon could listen there now, else the errno."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the daemon does
        try:
            sock.bind((address, port))
            sock.listen(1)  # with SO_REUSEADDR two may bind, but only one may listen
        except OSError as error:
            return error.errno or errno.EIO
    return 0
