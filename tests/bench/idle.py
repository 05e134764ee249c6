"""`python -m bench.idle`: what the agent costs while it waits, as shipped, with broker, history and page: 20 targets every 5 minutes.

After the first round, while no probe leaves, comes the idle stretch; then one whole interval passes, with what falls into it. From
the two follow the cost of a probe and the average of an interval in which each target is traced once. That is without the watch, which
sends a probe a second all day: what it costs is measured with another agent, as shipped. What both have together, waiting, counts once.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from threading import Event
from typing import NamedTuple

from bench.daemon import PAGE, Daemon
from bench.figures import Row, table
from bench.lab import HOPS, TARGETS, BenchLab
from equipment.agent import section

WATCHED = TARGETS[:20]
# The shipped defaults; written out, so that a change of them changes no figure.
INTERVAL_S, JITTER_PCT, MAX_PPS, QUERIES, WATCH_PPS = 300, 10, 10, 3, 1
PROBES = len(WATCHED) * HOPS * QUERIES  # of a round
QUIET_S = 10.0  # no probe for so long: the round has ended, and what it left behind is written and told
MOST_PCT = 0.2  # of one core
IDLE_S = 120.0
ROUND_S = 600.0  # a round that takes longer will not end


class Reading(NamedTuple):
    """The daemon at an instant: CPU of all its threads so far, how often they went to sleep, and probes seen by the first router."""

    at_s: float
    cpu_s: float
    sleeps: int
    probes: int


class IdleDaemon(Daemon):
    """`pathwarden run` as shipped, but for the pace of its watch."""

    def __init__(self, lab: BenchLab, folder: Path, watch_pps: float) -> None:
        super().__init__(lab, folder, pps=MAX_PPS, interval_s=INTERVAL_S)
        (folder / "pathwarden.conf").write_text(_configuration(folder, self._broker.port, watch_pps))

    def read(self) -> Reading:
        """Look, from outside: nothing is asked of the daemon itself."""
        pid = self._process.pid
        # The process's own clock, in the kernel's numbering: threads that have ended count too.
        cpu_s = time.clock_gettime_ns(~pid << 3 | 2) / 1e9
        states = ((task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir())
        sleeps = sum(int(state.partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for state in states)
        return Reading(time.monotonic(), cpu_s, sleeps, self._lab.probes())

    def await_quiet(self) -> None:
        """Wait until the first round has ended."""
        pause, deadline, seen = Event(), time.monotonic() + ROUND_S, -1
        while (now := self._lab.probes()) != seen or now < PROBES:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{now} of {PROBES} probes within {ROUND_S:g} s")
            seen = now
            pause.wait(QUIET_S)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make idle", description="CPU of the waiting daemon, in per cent of one core.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    with BenchLab() as lab, tempfile.TemporaryDirectory() as folder:
        with IdleDaemon(lab, Path(folder) / "idle", 0) as daemon:
            daemon.await_quiet()
            begin = daemon.read()
            Event().wait(IDLE_S)
            idle = daemon.read()
            Event().wait(INTERVAL_S - IDLE_S)
            end = daemon.read()
        with IdleDaemon(lab, Path(folder) / "watch", WATCH_PPS) as daemon:
            watched = watching(daemon)
    if idle.probes != begin.probes:
        raise RuntimeError(f"{idle.probes - begin.probes} probes left while nothing was due")
    rows = [*figures(begin, idle, end), watched]
    waiting, whole = rows[0].values[0], rows[4].values[0]
    rows.append(Row("all of it, % of a core", "%", (whole + watched.values[0] - waiting,), most=MOST_PCT))
    if args.json:
        print(json.dumps([row.json() for row in rows], indent=1))
    else:
        print(table(f"{len(WATCHED)} targets every {INTERVAL_S} s", rows))
        print(f"load of others when it ended: {os.getloadavg()[0]:.1f}")


def watching(daemon: IdleDaemon) -> Row:
    """What the watch costs after the first round, before the second."""
    daemon.await_probes(PROBES, ROUND_S)
    Event().wait(QUIET_S)
    begin = daemon.read()
    Event().wait(IDLE_S)
    end = daemon.read()
    probes, took_s = end.probes - begin.probes, end.at_s - begin.at_s
    return Row(f"watch, {took_s:.0f} s with {probes} probes, % of a core", "%", (100 * (end.cpu_s - begin.cpu_s) / took_s,))


def figures(begin: Reading, idle: Reading, end: Reading) -> list[Row]:
    """The rows: the idle stretch is from `begin` to `idle`, the interval from `begin` to `end`."""
    idle_s, whole_s, probes = idle.at_s - begin.at_s, end.at_s - begin.at_s, end.probes - begin.probes
    resting = (idle.cpu_s - begin.cpu_s) / idle_s
    per_probe = (end.cpu_s - begin.cpu_s - resting * whole_s) / probes if probes else 0.0
    return [
        Row(f"idle, {idle_s:.0f} s, % of a core", "%", (100 * resting,)),
        Row("wake-ups while idle, 1/s", "1/s", ((idle.sleeps - begin.sleeps) / idle_s,)),
        Row(f"{whole_s:.0f} s with {probes} probes, % of a core", "%", (100 * (end.cpu_s - begin.cpu_s) / whole_s,)),
        Row("a probe and all that follows from it, us", "us", (1e6 * per_probe,)),
        Row(f"an interval with {PROBES} probes, % of a core", "%", (100 * (resting + per_probe * PROBES / INTERVAL_S),)),
    ]


def _configuration(folder: Path, port: int, watch_pps: float) -> str:
    sections = [
        section("agent", "agent", name="bench", max_pps=MAX_PPS, watch_pps=watch_pps, db=f"{folder}/history.db"),
        section("defaults", "defaults", interval_s=INTERVAL_S, jitter_pct=JITTER_PCT, queries=QUERIES),
        section("mqtt", "mqtt", host="127.0.0.1", port=port),
        section("web", "web", listen=[f"{PAGE[0]}:{PAGE[1]}"]),
        *(section("target", f"t{number}", host=address) for number, address in enumerate(WATCHED)),
    ]
    return "\n".join(sections)


if __name__ == "__main__":
    main()
