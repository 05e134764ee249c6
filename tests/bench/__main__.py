"""`python -m bench`: measure, print, and with `--write` put the main rows into the README."""

import argparse
import compileall
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from time import monotonic

import pathwarden
from bench import multipath, passes, sustained, watch
from bench.daemon import Daemon, Memory
from bench.figures import Row, markdown, table
from bench.lab import HOPS, TARGETS, BenchLab
from bench.passes import Engine, Pass
from bench.report import described, machine, write_table
from equipment.waiting import until

UNLIMITED_PPS = 1_000_000
PPS = 1000  # where wall times are compared
FAST_PPS = 10_000  # the most that our configuration allows
FAST_INTERVAL_S = 1
SCAMPER_MOST_PPS = 10_000
INTERVAL_S = 5
ROUND = HOPS * len(TARGETS) * 3
WARM_UP_ROUNDS = 4  # 20 s at the slower pace: as long as the agent remembers its probes
ROUNDS = 2  # the history is written every 2 s, which a stretch must hold
SLOW_PPS = 10  # as shipped
SLOW_PROBES = 150
MARKERS = ("<!-- figures: make bench WRITE=1 -->", "<!-- end of figures -->")

Passes = dict[str, list[Pass]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description="CPU, wall time and memory beside traceroute(8), scamper and Scapy.")
    parser.add_argument("--runs", type=int, default=5, help="how often each contestant runs (default: 5)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="put the main rows into README.md")
    args = parser.parse_args()
    compileall.compile_dir(Path(pathwarden.__file__).parent, quiet=2)  # as installed: a daemon that compiles itself takes 3 MiB more
    begun, on = monotonic(), machine()
    with BenchLab() as lab, tempfile.TemporaryDirectory() as folder:
        contests = _contests(lab, args.runs)
        starts, memory = _whole(lab, Path(folder), contests, args.runs)
        _say("a long run at a high pace")
        long_run = sustained.figures(lab)
        _say("the watch between traces")
        watched = watch.figures(lab, 1)  # a quarter of an hour for five would tell no more
    _say("all paths")
    groups = _groups(contests, starts, memory) | {
        f"{sustained.SECONDS:g} s at {sustained.PPS} probes/s": long_run,
        f"Between traces: {len(watch.WATCHED)} targets under watch": watched,
        "All paths through a balanced stretch": multipath.figures(args.runs),
    }
    if args.json:
        rows = [row.json() | {"group": title} for title, rows in groups.items() for row in rows]
        print(json.dumps({"machine": on, "runs": args.runs, "rows": rows}, indent=1))
    else:
        print(_heading(on, args.runs), *(table(title, rows) for title, rows in groups.items()), sep="\n")
        print(f"\n{monotonic() - begun:.0f} s")
    if args.write:
        write_table("README.md", f"Medians of {args.runs} runs. {described(on)}.", markdown(groups), MARKERS)


def _contests(lab: BenchLab, runs: int) -> Passes:
    """Every contestant in turn, again and again; the first time around warms up and is not counted."""
    found: Passes = defaultdict(list)
    with Engine(lab, "raw") as raw, Engine(lab, "rootless") as rootless:
        turns = {
            "traceroute": lambda: passes.traceroute(lab),
            "engine": lambda: raw.run(UNLIMITED_PPS),
            "engine from start": lambda: passes.engine_from_start(lab, UNLIMITED_PPS),
            "rootless": lambda: rootless.run(UNLIMITED_PPS),
            "scamper": lambda: passes.scamper(lab, SCAMPER_MOST_PPS),
            "scamper paced": lambda: passes.scamper(lab, PPS),
            "engine paced": lambda: raw.run(PPS),
            "scapy": lambda: passes.scapy(lab),
        }
        for number in range(runs + 1):
            for name, turn in turns.items():
                _say(f"{number}/{runs} {name}")
                one = turn()
                if number:
                    found[name].append(one)
    return found


def _whole(lab: BenchLab, folder: Path, found: Passes, runs: int) -> tuple[list[float], dict[str, list[Memory]]]:
    """The whole daemon: CPU over full rounds, each beside a pass of traceroute(8) while the daemon stands still; start and memory."""
    starts: list[float] = []
    memory: dict[str, list[Memory]] = {"quick": [], "shipped": []}
    for number in range(runs):
        _say(f"{number + 1}/{runs} start of the daemon")
        with Daemon(lab, folder / f"start{number}", pps=PPS, interval_s=INTERVAL_S) as daemon:
            starts.append(daemon.start_cpu_s)
    for name, pps, interval_s in (("daemon", FAST_PPS, FAST_INTERVAL_S), ("daemon paced", PPS, INTERVAL_S)):
        with Daemon(lab, folder / name, pps=pps, interval_s=interval_s) as daemon:
            daemon.await_probes(WARM_UP_ROUNDS * ROUND, 60)
            until(daemon.heard, "the subscriber hears of the targets")
            for number in range(runs):
                _say(f"{number + 1}/{runs} {name}")
                daemon.await_probes(ROUND, 60)  # the traces that standing still cut short are over, and those that this led to
                found[name].append(_stretch(lab, daemon, ROUNDS * ROUND))
                with daemon.stopped():
                    found[f"traceroute beside the {name}"].append(passes.traceroute(lab))
                memory["quick"].append(daemon.memory())
    with Daemon(lab, folder / "slow", pps=SLOW_PPS, interval_s=INTERVAL_S) as daemon:
        daemon.await_probes(SLOW_PROBES, 60)
        _say("daemon at its shipped pace")
        found["daemon slow"].append(_stretch(lab, daemon, SLOW_PROBES))
        memory["shipped"].append(daemon.memory())
    return starts, memory


def _stretch(lab: BenchLab, daemon: Daemon, probes: int) -> Pass:
    """The daemon while it sends so many probes. What it says of itself is held against the kernel's count."""
    early, counted, late = daemon.probes(), lab.probes(), daemon.probes()
    cpu_s, begun = daemon.cpu_s(), monotonic()
    daemon.await_probes(probes, 120)
    spent_s, took_s = daemon.cpu_s() - cpu_s, monotonic() - begun
    least, seen, most = daemon.probes() - late, lab.probes() - counted, daemon.probes() - early
    # It goes on probing between any two readings, so its own count is known between these bounds only.
    if not least * 0.98 <= seen <= most * 1.02:
        raise RuntimeError(f"the daemon says {least} to {most} probes, the kernel counted {seen}")
    return Pass(spent_s, took_s, seen)


def _groups(found: Passes, starts: list[float], memory: dict[str, list[Memory]]) -> dict[str, list[Row]]:
    """The table's parts."""
    cpu = {name: tuple(one.us for one in ones) for name, ones in found.items()}
    wall = {name: tuple(one.wall_s for one in ones) for name, ones in found.items()}
    probes = {name: tuple(one.probes / len(TARGETS) for one in ones) for name, ones in found.items()}
    theirs = cpu["traceroute"]
    per_probe = [
        Row("traceroute(8), 50 processes", "us", theirs),
        Row("scamper, one process", "us", cpu["scamper"], theirs),
        Row("Scapy's traceroute(), without its start", "us", cpu["scapy"], theirs),
        Row("engine and transport, warm", "us", cpu["engine"], theirs, 0.5),
        Row("engine and transport, warm, beside scamper", "us", cpu["engine"], cpu["scamper"]),
        Row("engine and transport, with the start of Python", "us", cpu["engine from start"], theirs),
        Row("engine and transport without root, warm", "us", cpu["rootless"], theirs),
        Row(f"scamper at {PPS} probes/s", "us", cpu["scamper paced"], theirs),
        Row(f"engine and transport at {PPS} probes/s, warm", "us", cpu["engine paced"], theirs),
        Row("the same, beside scamper at that pace", "us", cpu["engine paced"], cpu["scamper paced"], 0.8),
        Row("whole daemon, store, MQTT, page", "us", cpu["daemon"], cpu["traceroute beside the daemon"], 0.7),
        Row(f"whole daemon at {PPS} probes/s", "us", cpu["daemon paced"], cpu["traceroute beside the daemon paced"]),
        Row(f"whole daemon at {SLOW_PPS} probes/s, as shipped", "us", cpu["daemon slow"]),
    ]
    seconds = [
        Row("traceroute(8), one after another", "s", wall["traceroute"]),
        Row("scamper, as fast as it goes", "s", wall["scamper"]),
        Row("Scapy", "s", wall["scapy"]),
        Row("engine and transport, as fast as they go", "s", wall["engine"]),
        Row(f"scamper at {PPS} probes/s", "s", wall["scamper paced"]),
        Row(f"engine and transport at {PPS} probes/s", "s", wall["engine paced"], wall["scamper paced"], 1.0),
    ]
    sent = [Row(name, "probes", probes[name]) for name in ("traceroute", "scamper", "scapy", "engine", "engine paced")]
    whole = [
        Row(f"resident memory at {SLOW_PPS} probes/s, as shipped, MiB", "MiB", tuple(one.rss for one in memory["shipped"]), most=45),
        Row("its own part of that, MiB", "MiB", tuple(one.private for one in memory["shipped"])),
        Row(f"resident memory at {PPS} probes/s, MiB", "MiB", tuple(one.rss for one in memory["quick"])),
        Row("its own part of that, MiB", "MiB", tuple(one.private for one in memory["quick"])),
        Row("start-up CPU, s", "s", tuple(starts), most=0.6),
    ]
    return {
        "CPU per probe, us, user and system": per_probe,
        f"Wall time, s, {len(TARGETS)} targets x {HOPS} hops x 3": seconds,
        "Probes per target, counted by the first router": sent,
        f"The whole daemon with {len(TARGETS)} targets": whole,
    }


def _heading(on: dict[str, str], runs: int) -> str:
    return (
        f"{described(on)}; {runs} runs after one to warm up.\n"
        "ratio: to traceroute(8)'s CPU per probe, or where it says so to scamper's, to scamper's wall time or number of probes:\n"
        "the median of the ratios run by run.\n"
        "The system time of every contestant holds the way of its probes through all routers: one kernel does it all, and\n"
        "charges the sender. traceroute(8) and scamper are measured from the start of their processes, as they are used."
    )


def _say(text: str) -> None:
    sys.stderr.write(f"\r\033[K{text}" if sys.stderr.isatty() else "")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
