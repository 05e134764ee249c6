"""`python -m bench.flash FOLDER`: a day of the agent as shipped, 20 targets every 5 minutes, and what it writes to FOLDER.

The real prober, watch and detectors run on a simulated network in virtual time, and what they leave goes through the real writer as the
store's thread would hand it over. The first day, in which targets are learnt, goes before; what is printed (JSON) is of the second.
`measure` runs this twice: watched by strace(1), which sees each write(2), and on an ext4 of its own, whose device counts sectors.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from bench.detect.world import Numbers, make
from bench.year import DAY_S, MOVES
from equipment.campaign import Campaign, sim_target
from pathwarden.daemon.keeper import GATHER_S
from pathwarden.model.history import Record
from pathwarden.sim.network import SimNetwork
from pathwarden.store import budget, writer
from pathwarden.store.writer import Writer

TARGETS, NETWORKS, INTERVAL_S, FLUSH_S, WATCH_PPS, MAX_MB = 20, 4, 300, 900, 1.0, 16  # the defaults
DISK_BYTES = 64_000_000
SECTOR = 512  # of /sys/block/*/stat, whatever the device's own are
ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


class Day(NamedTuple):
    """What a day wrote, in bytes: by write(2), in pages dirtied and to the device; and what the agent counted itself."""

    traces: int
    events: int
    written: int
    dirtied: int
    at_device: int
    counted: int


class _Home(Campaign):
    """A simulated agent whose records go to a history."""

    def __init__(self, seed: int, folder: Path, live: Path) -> None:
        world = make(seed, 2, Numbers(targets=TARGETS, networks=NETWORKS, rates=MOVES))
        addresses = {destination.name: destination.address for destination in world.scenario.destinations}
        targets = [sim_target(name, addresses[name], INTERVAL_S) for name in world.targets]
        super().__init__(SimNetwork(world.scenario, seed), targets, seed, WATCH_PPS)
        self.now_s = 0.0
        # What the writer does now and then goes by the same time as all the rest.
        writer.time = budget.time = SimpleNamespace(monotonic=lambda: self.now_s)  # type: ignore[assignment] - all that they use of it
        self.writer = Writer(folder / "history.db", max_mb=MAX_MB, boot_id="boot", live_dir=live)
        self.writer.sends = False  # there is no broker by default
        self._waiting: list[Record] = []
        self.counts = [0, 0]

    def live_until(self, until_s: float) -> None:
        """Let time pass, and write what comes of it as the store's thread does."""
        while self.now_s < until_s:
            before = self.now_s
            self.now_s = min(before + GATHER_S, until_s)
            self.run_until(self.now_s)
            if self._waiting:
                self.writer.save(self._waiting)
                self._waiting.clear()
            if before // FLUSH_S != self.now_s // FLUSH_S:
                self.writer.flush()

    def _keep(self, record: Record) -> None:
        self.counts[0] += record.trace is not None
        self.counts[1] += len(record.events)
        self._waiting.append(record)


def measure(seed: int) -> Day:
    """Run the day twice, and put together what was seen of it."""
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile() as log:
        strace = ["strace", "-f", "-qq", "-y", "-s0", "--seccomp-bpf", "-e", "trace=pwrite64,write,ftruncate,unlink", "-o", log.name]
        watched = _run([*strace, *_command(folder, seed)])
        written = _written(Path(log.name), folder)
    with tempfile.TemporaryDirectory() as folder:
        on_disk = _run([*ALONE, *_command(folder, seed), "disk"])
    return Day(watched["traces"], watched["events"], written, on_disk["dirtied"], on_disk["at_device"], watched["counted"])


def _command(folder: str, seed: int) -> list[str]:
    return [sys.executable, "-m", "bench.flash", folder, str(seed)]


def _run(command: list[str]) -> dict[str, int]:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _written(log: Path, folder: str) -> int:
    """Bytes that write(2) took for files of the folder, after the call that marks the second day."""
    written, measured = 0, False
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if _MARK in line:
                measured = not measured
            elif measured and f"<{folder}/" in line and "write" in line:
                written += int(line.rpartition(" = ")[2])
    return written


_MARK = "second-day"  # a file of this name is removed, in vain, before and after what is measured


def _mark(folder: Path) -> None:
    (folder / _MARK).unlink(missing_ok=True)


def _mount(folder: Path) -> Path:
    """Make a disk in a file and mount it; the folder of its figures."""
    image, place = folder / "image", folder / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    device = place.stat().st_dev
    return Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")


def _sectors(device: Path | None) -> int:
    if device is None:
        return 0
    os.sync()
    return int((device / "stat").read_text().split()[6])  # Documentation/block/stat.rst: write sectors


def _dirtied() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.partition(": ")[2] for line in lines if line.startswith("write_bytes")))


def main() -> None:
    """Live two days and print figures of the second."""
    folder, seed, device = Path(sys.argv[1]), int(sys.argv[2]), None
    if sys.argv[3:]:
        device, folder = _mount(folder), folder / "disk"
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as live:
        home = _Home(seed, folder, Path(live))
        home.live_until(DAY_S)
        before = *home.counts, _dirtied(), _sectors(device), home.writer.budget.total
        _mark(folder)
        home.live_until(2 * DAY_S)
        _mark(folder)
        after = *home.counts, _dirtied(), _sectors(device), home.writer.budget.total
        home.writer.close()
    traces, events, dirtied, sectors, counted = (late - early for late, early in zip(after, before, strict=True))
    figures = {"traces": traces, "events": events, "dirtied": dirtied, "at_device": sectors * SECTOR, "counted": counted}
    print(json.dumps(figures | {"took_s": round(time.monotonic() - begun)}))


if __name__ == "__main__":
    main()
