"""`python -m bench.fleet`: what a fleet of agents asks of one mosquitto, and how it comes back when the broker has been away.

The agents are the agent's own publisher and client with payloads of full size, some hundred in a process; only what they tell is made up.
All start as quickly as this machine can start them; then come a minute of ordinary work, Home Assistant's start, to which every agent
answers with all that it tells, and a broker that restarts and one that is away for a while, in which something happens to every agent.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench.figures import Row, markdown, table
from bench.report import described, machine, write_table
from equipment.broker import Broker
from equipment.fleet import RETRY_S, Fleet, Seen, fleet

MARKERS = ("<!-- figures: make bench-fleet WRITE=1 -->", "<!-- end of the fleet's figures -->")
AWAY_S = 10.0
STEADY_S = 60.0  # the info of every agent comes once a minute
BACK_S = 35.0  # the longest wait is 30 s
PATIENCE_S = 300.0
_LOOK_S = 0.2


def awaited(fleet: Fleet, begun: float, good: Callable[[Seen], object]) -> tuple[float, Seen]:
    """Look until it is so; seconds since `begun`, and what was seen."""
    pause, deadline = threading.Event(), time.monotonic() + PATIENCE_S
    while not good(seen := fleet.look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the fleet does not get there: {seen}")
        pause.wait(_LOOK_S)
    return time.monotonic() - begun, seen


def busiest(log: str, since_s: float) -> tuple[int, int]:
    """Connects in the busiest second of the broker's log, and all of them."""
    times = [int(line.partition(":")[0]) for line in log.splitlines() if "New client connected" in line]
    by_second = Counter(at for at in times if at >= int(since_s))
    return max(by_second.values(), default=0), by_second.total()


def cpu_s(pid: int) -> float:
    """CPU of a process so far, by its own clock in the kernel's numbering."""
    return time.clock_gettime_ns(~pid << 3 | 2) / 1e9


def memory_mb(pid: int) -> float:
    """What a process holds now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("\nVmRSS:")[2].split()[0]) / 1024


def measure(folder: Path, agents: int, targets: int, steady_s: float = STEADY_S, away_s: float = AWAY_S) -> dict[str, list[Row]]:
    """The whole story."""
    with Broker(folder, persistent=True, quiet=True) as broker, fleet(broker.port, agents, targets, RETRY_S) as them:
        groups = {f"{agents} agents start at once": storm(broker, them)}
        groups["Ordinary work"] = steady(broker, them, steady_s)
        groups["Home Assistant starts"] = birth(broker, them)
        groups["The broker restarts"] = restart(broker, them, 0)
        groups[f"The broker is away for {away_s:g} s"] = restart(broker, them, away_s)
    return groups


def storm(broker: Broker, them: Fleet) -> list[Row]:
    """All connect and tell everything."""
    at, before, begun = time.time(), them.look(), time.monotonic()
    them.say("start")
    connected_s, _ = awaited(them, begun, lambda seen: seen.connected == them.agents)
    told_s, seen = awaited(them, begun, lambda seen: seen.published >= them.retained)
    most, _ = busiest(broker.log(), at)
    return [
        Row("until all are connected, s", "s", (connected_s,)),
        Row("until all is told, s", "s", (told_s,)),
        Row("connects in the busiest second", "", (most,)),
        Row("messages acknowledged", "", (seen.published,)),
        Row("messages a second", "", (seen.published / told_s,)),
        Row("CPU of the broker, s", "s", (cpu_s(broker.pid),)),
        Row("CPU of an agent, ms", "ms", (1000 * (seen.cpu_s - before.cpu_s) / them.agents,)),
        Row("memory of the broker, MB", "MB", (memory_mb(broker.pid),)),
        Row("memory of an agent here, MB", "MB", (seen.memory_kb / 1024 / them.agents,)),
    ]


def steady(broker: Broker, them: Fleet, seconds: float) -> list[Row]:
    """Every target is traced every five minutes, every agent tells its info every minute."""
    them.say("steady")
    before, spent_s = them.look(), cpu_s(broker.pid)
    begun = time.monotonic()
    threading.Event().wait(seconds)
    seen, took_s = them.look(), time.monotonic() - begun
    return [
        Row("messages a second", "", ((seen.published - before.published) / took_s,)),
        Row("the broker, % of a core", "%", (100 * (cpu_s(broker.pid) - spent_s) / took_s,)),
        Row("refused", "", (seen.refused,), most=0),
    ]


def birth(broker: Broker, them: Fleet) -> list[Row]:
    """Every agent tells everything again."""
    before, spent_s, begun = them.look(), cpu_s(broker.pid), time.monotonic()
    say = ["mosquitto_pub", "-h", broker.bind, "-p", str(broker.port), "-q", "1", "-t", "homeassistant/status", "-m", "online"]
    subprocess.run(say, check=True, timeout=60)
    took_s, seen = awaited(them, begun, lambda seen: seen.published - before.published >= them.retained)
    return [
        Row("until all is told again, s", "s", (took_s,)),
        Row("messages a second", "", ((seen.published - before.published) / took_s,)),
        Row("CPU of the broker, s", "s", (cpu_s(broker.pid) - spent_s,)),
    ]


def restart(broker: Broker, them: Fleet, away_s: float) -> list[Row]:
    """It goes, something happens to every agent, and it comes again."""
    awaited(them, 0, lambda seen: not seen.waiting)
    broker.stop()
    them.say("event")
    threading.Event().wait(away_s)
    at, begun = time.time(), time.monotonic()
    broker.start()
    half_s, _ = awaited(them, begun, lambda seen: seen.connected * 2 >= them.agents)
    back_s, _ = awaited(them, begun, lambda seen: seen.connected == them.agents)
    told_s, seen = awaited(them, begun, lambda seen: not seen.waiting)
    most, all_of_them = busiest(broker.log(), at)
    return [
        Row("until half are connected, s", "s", (half_s,)),
        Row("until all are connected, s", "s", (back_s,), most=BACK_S),
        Row("until the broker has every event, s", "s", (told_s,)),
        Row("connects in the busiest second, % of all", "%", (100 * most / them.agents,)),
        Row("connects of an agent", "", (all_of_them / them.agents,)),
        Row("CPU of the broker, s", "s", (cpu_s(broker.pid),)),
        Row("events that were not sent", "", (seen.waiting + seen.refused,), most=0),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-fleet", description="Many agents on one broker.")
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--targets", type=int, default=5, help="of each agent (default: 5)")
    parser.add_argument("--steady-s", type=float, default=STEADY_S, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="put the figures into FIGURES.md")
    args = parser.parse_args()
    on = machine()
    with tempfile.TemporaryDirectory() as folder:
        groups = measure(Path(folder), args.agents, args.targets, args.steady_s)
    if args.json:
        rows = [row.json() | {"group": title} for title, each in groups.items() for row in each]
        print(json.dumps({"machine": on, "agents": args.agents, "targets": args.targets, "rows": rows}, indent=1))
    else:
        print(described(on), *(table(title, each) for title, each in groups.items()), sep="\n")
    if args.write:
        heading = f"{args.agents} agents with {args.targets} targets each. {described(on)}."
        write_table("FIGURES.md", heading, markdown(groups, all_rows=True), MARKERS)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
