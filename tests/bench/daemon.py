"""The whole agent as its own process: 50 targets, history in SQLite, page, and a real broker with a subscriber."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Event
from time import monotonic
from typing import NamedTuple, Self

from bench.lab import AGENT, TARGETS, BenchLab
from equipment.broker import Broker

CONCURRENCY = 64  # a round traces all due targets side by side
PAGE = ("127.0.0.1", 8866)
LOOK_S = 0.2  # looking more often would take the processor from the agent that is measured
_SENT = re.compile(r"^pathwarden_probes_sent_total(?:\{[^}]*\})? (\d+)", re.MULTILINE)


class Memory(NamedTuple):
    """Of one process, in MiB: resident, its share of what is shared, what it has alone."""

    rss: float
    pss: float
    private: float


class Daemon:
    """`pathwarden run` in the bench's network. `start_cpu_s` is its CPU from the exec to the page's address, by when probes leave."""

    def __init__(self, lab: BenchLab, folder: Path, *, pps: float, interval_s: int) -> None:
        self._lab = lab
        folder.mkdir()
        self._broker = Broker(folder, ns=lab.netns(AGENT))
        config = folder / "pathwarden.conf"
        config.write_text(_configuration(folder, pps, interval_s, self._broker.port))
        self._command = [sys.executable, "-m", "pathwarden", "--config", str(config), "run"]
        self._log = folder / "agent.log"

    def __enter__(self) -> Self:
        with self._lab.enter(AGENT), self._log.open("wb") as log:
            self._broker.start()
            self._subscriber = self._broker.subscribe("pathwarden/#", "bench")
            begun = monotonic()
            self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout
        line = self._process.stdout.readline()
        self.start_cpu_s, self.start_wall_s = self.cpu_s(), monotonic() - begun
        if not line.startswith(b"The page:"):
            raise RuntimeError(f"the agent did not start: {self._log.read_text()}")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # how it ends is not what is measured
        self._process.wait(10)
        if self._process.stdout:
            self._process.stdout.close()
        self._subscriber.close()
        self._broker.stop()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it stand still for the block, so that it disturbs no other contestant."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def cpu_s(self) -> float:
        """User and system time of all its threads so far, from the kernel's scheduler in nanoseconds."""
        tasks = Path(f"/proc/{self._process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def memory(self) -> Memory:
        """What it holds now."""
        rows = (line.split() for line in Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines()[1:])
        kib = {row[0].rstrip(":"): int(row[1]) for row in rows}
        return Memory(kib["Rss"] / 1024, kib["Pss"] / 1024, (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024)

    def probes(self) -> int:
        """How many probes it says it has sent."""
        with self._lab.enter(AGENT):
            connection = HTTPConnection(*PAGE, timeout=10)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
        found = _SENT.search(text)
        if found is None:
            raise RuntimeError("the metrics name no probes")
        return int(found[1])

    def heard(self) -> int:
        """How many messages the subscriber has."""
        return len(self._subscriber.messages())

    def await_probes(self, count: int, timeout_s: float) -> None:
        """Wait until the first router has seen so many more probes."""
        goal, deadline, pause = self._lab.probes() + count, monotonic() + timeout_s, Event()
        while self._lab.probes() < goal:
            if monotonic() > deadline:
                raise TimeoutError(f"not within {timeout_s} s: {count} more probes")
            pause.wait(LOOK_S)


def _configuration(folder: Path, pps: float, interval_s: int, port: int) -> str:
    options = {"name": "bench", "max_pps": pps, "concurrency": CONCURRENCY, "db": folder / "history.db"}
    agent = "config agent 'agent'\n" + "".join(f"\toption {name} '{value}'\n" for name, value in options.items())
    mqtt = f"config mqtt 'mqtt'\n\toption host '127.0.0.1'\n\toption port '{port}'\n"
    web = f"config web 'web'\n\tlist listen '{PAGE[0]}:{PAGE[1]}'\n"
    targets = (
        f"config target 't{number}'\n\toption host '{address}'\n\toption interval_s '{interval_s}'\n\toption jitter_pct '0'\n"
        for number, address in enumerate(TARGETS)
    )
    return "\n".join([agent, mqtt, web, *targets])
