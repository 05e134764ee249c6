"""`python -m bench.watch`: what the watch costs, as root: 40 targets at one probe a second between traces.

CPU of the whole daemon, with broker, history and page, once its first round has ended and no other trace is due; memory that is held by
what `detect` made for a target (tracemalloc, in virtual time); time to decide one answer, from what a check saw to what is to be told.
"""

import argparse
import gc
import json
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any

from bench.daemon import PAGE
from bench.figures import Row, table
from bench.idle import IdleDaemon
from bench.lab import HOPS, TARGETS, BenchLab
from equipment.agent import section
from equipment.campaign import Campaign, sim_target
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import Destination, Router, Scenario

WATCHED = TARGETS[:40]
WATCH_PPS = 1
DAY_S = 86_400  # between scheduled traces: none falls into what is measured
SECONDS = 120.0
ROUND_S = 600.0  # the first round, at the shipped pace, has ended by then
MOST_PCT = 0.15  # of one core
MOST_KB = 12.0  # a target
MOST_US = 100.0
HOURS = 1.0  # of virtual time: a dozen traces of each target and its share of 3600 probes
FRAMES = 5  # deep enough to see that it was a detector that let a dataclass be made


class WatchingDaemon(IdleDaemon):
    """`pathwarden run` with 40 targets that are traced once and watched from then on."""

    def __init__(self, lab: BenchLab, folder: Path) -> None:
        super().__init__(lab, folder, WATCH_PPS)
        (folder / "pathwarden.conf").write_text(_configuration(folder, self._broker.port))

    def await_watch(self) -> None:
        """Wait until the round of traces has ended and only the watch's probes leave."""
        pause, deadline = Event(), time.monotonic() + ROUND_S
        least = len(WATCHED) * HOPS * 3
        while self._lab.probes() < least:
            pause.wait(1.0)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._lab.probes()} of {least} probes within {ROUND_S:g} s")
        while True:
            before = self._lab.probes()
            pause.wait(20.0)
            if self._lab.probes() - before <= 2 * 20 * WATCH_PPS:
                return
            if time.monotonic() > deadline:
                raise TimeoutError("traces do not end")


def figures(lab: BenchLab, runs: int) -> list[Row]:
    """The rows."""
    shares, probes = [], 0
    with tempfile.TemporaryDirectory() as folder, WatchingDaemon(lab, Path(folder) / "watch") as daemon:
        daemon.await_watch()
        for _ in range(runs):
            begin = daemon.read()
            Event().wait(SECONDS)
            end = daemon.read()
            shares.append(100 * (end.cpu_s - begin.cpu_s) / (end.at_s - begin.at_s))
            probes += end.probes - begin.probes
    if not 0.8 * runs * SECONDS * WATCH_PPS <= probes <= 1.2 * runs * SECONDS * WATCH_PPS:
        raise RuntimeError(f"{probes} probes in {runs * SECONDS:g} s are not the watch's pace")
    held_kb, decided_us = virtual()
    return [
        Row(f"watching {len(WATCHED)} targets at {WATCH_PPS} probe/s, % of a core", "%", tuple(shares), most=MOST_PCT),
        Row("memory of a target's judge and watch, kB", "kB", (held_kb,), most=MOST_KB),
        Row("to decide one answer, us", "us", (decided_us,), most=MOST_US),
    ]


def virtual() -> tuple[float, float]:
    """Memory (kB) that a target's judge and watch hold after hours, and the median time (us) to decide one answer."""
    campaign = _campaign(len(WATCHED))
    spent = _timed(campaign)
    campaign.run_until(HOURS * 3600)
    decided_us = median(spent) * 1e6
    tracemalloc.start(FRAMES)
    campaign = _campaign(len(WATCHED))
    campaign.run_until(HOURS * 3600)
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/pathwarden/detect/*", all_frames=True)])
    tracemalloc.stop()
    return sum(trace.size for trace in snapshot.traces) / len(WATCHED) / 1024, decided_us


def _campaign(count: int) -> Campaign:
    """Targets of twelve hops that share four, traced every five minutes."""
    near = [Router(f"near{number}", f"10.0.0.{number + 1}", jitter_ms=0.2) for number in range(4)]
    routers, routes, ends = list(near), [], []
    for number in range(count):
        own = [Router(f"r{number}.{hop}", f"10.{number + 1}.0.{hop}", jitter_ms=0.2) for hop in range(HOPS - 5)]
        routers += [*own, Router(f"t{number}")]
        routes.append((f"way{number}", tuple((router.name,) for router in (*near, *own))))
        ends.append(Destination(f"t{number}", f"198.18.0.{number + 1}", f"way{number}"))
    scenario = Scenario("192.0.2.10", "10.0.0.1", tuple(routers), tuple(routes), tuple(ends))
    targets = [sim_target(end.name, end.address, 300) for end in ends]
    return Campaign(SimNetwork(scenario, 1), targets, 1, float(WATCH_PPS))


def _timed(campaign: Campaign) -> list[float]:
    """Where the time of each decision will be noted: the watcher's and the judge's together."""
    watching: Any = campaign.prober._watching
    spent: list[float] = []
    watcher, found = watching.watcher, watching._found
    done: Callable[..., Any] = watcher.done
    begun = [0.0]

    def timed_done(*values: Any) -> Any:
        begun[0] = time.perf_counter()
        return done(*values)

    def timed_found(*values: Any) -> None:
        found(*values)
        spent.append(time.perf_counter() - begun[0])

    watcher.done, watching._found = timed_done, timed_found
    return spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.watch", description="What the watch between traces costs.")
    parser.add_argument("--runs", type=int, default=1, help="how often the daemon is measured, each time for two minutes (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    with BenchLab() as lab:
        rows = figures(lab, args.runs)
    if args.json:
        print(json.dumps([row.json() for row in rows], indent=1))
    else:
        print(table(f"{len(WATCHED)} targets under watch", rows))
        print(f"load of others when it ended: {os.getloadavg()[0]:.1f}")


def _configuration(folder: Path, port: int) -> str:
    sections = [
        section("agent", "agent", name="bench", max_pps=10, watch_pps=WATCH_PPS, db=f"{folder}/history.db"),
        section("defaults", "defaults", interval_s=DAY_S, jitter_pct=0, queries=3),
        section("mqtt", "mqtt", host="127.0.0.1", port=port),
        section("web", "web", listen=[f"{PAGE[0]}:{PAGE[1]}"]),
        *(section("target", f"t{number}", host=address) for number, address in enumerate(WATCHED)),
    ]
    return "\n".join(sections)


if __name__ == "__main__":
    main()
