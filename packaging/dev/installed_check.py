"""installed_check.py KERNEL: what the installed package must do on the machine that this runs on, on loopback alone.

Runs every command that needs no network, then the daemon with 127.0.0.1 as its one target, and prints what it saw. KERNEL
is `whole`, or `partial` for qemu-user's, which has no receive stamps and shows its own time and memory as the program's:
then the daemon must count the stamps as missing, and there are no figures. Exit code 1 if something is not as it must be.
"""  # noqa: INP001 - a script that is copied to the machine alone

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

PROGRAM = "/usr/bin/pathwarden"
PAGE = ("127.0.0.1", 8866)
PATIENCE_S = 180.0  # under emulation on a busy host a start takes many times longer than on the router
STOP_S = 15.0  # the service's term_timeout: procd waits no longer
LOOK_S = 0.5
UNREACHABLE = b"\x03\x03"  # ICMP's answer to a probe that arrived: no such port
ICMP_AT = 20  # behind the IP header
CONFIG = """
config agent 'agent'
	option db '{folder}/history.db'

config target 'loopback'
	option host '127.0.0.1'

config web 'web'
	list listen '{page[0]}:{page[1]}'
"""


def main(kernel: str) -> int:
    """Check everything; 0 if all is as it must be."""
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # as on OpenWrt
    os.environ["COLUMNS"] = "160"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "pathwarden.conf"
        config.write_text(CONFIG.format(folder=folder, page=PAGE))
        try:
            _commands(str(config))
            _daemon(str(config), kernel)
        except Wrong as wrong:
            print(f"WRONG: {wrong}", flush=True)
            return 1
    return 0


class Wrong(Exception):
    """Something is not as it must be."""


def _must(fact: object, text: str) -> None:
    if not fact:
        raise Wrong(text)


def _commands(config: str) -> None:
    _must(re.fullmatch(r"pathwarden \S+\n", _said("--version")), "--version prints no version")
    _must("ok, the default targets" in _said("config", "check"), "the packaged configuration is not accepted")
    _must("ok, 1 target" in _said("config", "check", config), "a configuration with a target is not accepted")
    # Without a network some of its findings are failures, so the exit code is 1; what it says must be there all the same.
    _must("raw sockets: permitted" in _said("--config", config, "doctor", codes=(0, 1)), "doctor does not see raw sockets")
    _must(re.search(r"^ *1 +127\.0\.0\.1 .* ms", _said("trace", "-n", "127.0.0.1"), re.MULTILINE), "the trace shows no reply")


def _said(*args: str, codes: tuple[int, ...] = (0,)) -> str:
    """Standard output of one command, which is shown with the time it took."""
    print(f"$ pathwarden {' '.join(args)}", flush=True)
    begun = time.monotonic()
    try:
        ended = subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=PATIENCE_S, check=False)  # noqa: S603 - ours
    except subprocess.TimeoutExpired as late:
        raise Wrong(f"not done after {PATIENCE_S:g} s") from late
    print(f"{ended.stdout}{ended.stderr}[exit code {ended.returncode} after {time.monotonic() - begun:.2f} s]\n", flush=True)
    _must(ended.returncode in codes, f"exit code {ended.returncode}")
    return ended.stdout


def _daemon(config: str, kernel: str) -> None:
    print("$ pathwarden run", flush=True)
    first_probe = _FirstProbe()
    begun = time.monotonic()
    with subprocess.Popen([PROGRAM, "--config", config, "run"], stdout=subprocess.PIPE) as daemon:  # noqa: S603 - ours
        try:
            _watch(daemon, begun, first_probe, kernel)
        finally:
            daemon.send_signal(signal.SIGTERM)
            asked = time.monotonic()
            try:
                code = daemon.wait(STOP_S)
            except subprocess.TimeoutExpired as late:
                daemon.kill()
                raise Wrong(f"the daemon does not end within {STOP_S:g} s") from late
        print(f"[exit code {code} {time.monotonic() - asked:.2f} s after SIGTERM]", flush=True)
        _must(code == 0, "the daemon did not end well")


def _watch(daemon: subprocess.Popen[bytes], begun: float, first_probe: "_FirstProbe", kernel: str) -> None:
    assert daemon.stdout  # noqa: S101 - it was asked for
    _must(select.select([daemon.stdout], [], [], PATIENCE_S)[0], "the daemon does not say where the page is")
    _must(daemon.stdout.readline().startswith(b"The page: http://127.0.0.1:8866/"), "the daemon did not start")
    _must(b"<html" in _get("/"), "the page does not answer")
    page_s, page_cpu_s = time.monotonic() - begun, _cpu_s(daemon.pid)
    probe_s = first_probe.instant() - begun
    trace = _awaited(lambda: _json("/api/v1/targets/loopback/traces")["traces"], "no trace is in the history")[0]
    print(f"the page answers, and the newest trace in the history is {json.dumps(trace)}", flush=True)
    _must(trace["reached"], "the trace did not reach its target")
    counters = _json("/api/v1/status")["counters"]
    print(f"counters: {json.dumps(counters)}", flush=True)
    _must(bool(counters["timestamps_missing"]) == (kernel == "partial"), "receive stamps are not as this kernel has them")
    if kernel == "whole":
        _figures(daemon.pid, page_s, page_cpu_s, probe_s)


def _figures(pid: int, page_s: float, page_cpu_s: float, probe_s: float) -> None:
    rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    mib = {row[0].rstrip(":"): int(row[1]) / 1024 for row in rows}
    figures = {
        "from the exec until the page answers": f"{page_s:.1f} s",
        "CPU time until then": f"{page_cpu_s:.1f} s",
        "from the exec until the first probe is answered": f"{probe_s:.1f} s",
        "CPU time until the first trace is in the history": f"{_cpu_s(pid):.1f} s",
        "resident memory then": f"{mib['Rss']:.1f} MiB",
        "private part of it": f"{mib['Private_Clean'] + mib['Private_Dirty']:.1f} MiB",
    }
    for what, value in figures.items():
        print(f"FIGURE {what}: {value}", flush=True)


def _cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _FirstProbe:
    """Waits from now on for the answer to the first UDP probe, without taking the processor from the daemon."""

    def __init__(self) -> None:
        self._seen = threading.Event()
        self._at = 0.0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        while self._socket.recv(2048)[ICMP_AT : ICMP_AT + 2] != UNREACHABLE:
            pass
        self._at = time.monotonic()
        self._seen.set()

    def instant(self) -> float:
        """When it came, on the monotonic clock in seconds; waits for it."""
        _must(self._seen.wait(PATIENCE_S), "no probe was answered")
        return self._at


def _awaited(look: Callable[[], Any], otherwise: str) -> Any:  # noqa: ANN401 - whatever is looked for
    """What `look` gives as soon as it is not empty."""
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while not (found := look()):
        _must(time.monotonic() < deadline, otherwise)
        pause.wait(LOOK_S)
    return found


def _json(path: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(_get(path))


def _get(path: str) -> bytes:
    connection = HTTPConnection(*PAGE, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    _must(answer.status == 200, f"{path} answers {answer.status}: {body[:200]!r}")
    return body


sys.exit(main(sys.argv[1]))
