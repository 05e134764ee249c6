"""`python -m bench.mqtt`: how soon the broker has an event, what MQTT costs in memory, how soon a long outbox is empty.

The real history, store thread, publisher and client, and one mosquitto on loopback; events of full size. A process of its own tells the
memory, since what another part has loaded before is no cost of MQTT.
"""

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.figures import Row, markdown, table
from bench.report import described, machine, write_table
from equipment.broker import Broker
from equipment.changes import change
from equipment.fakes import FakeClock, make_target, make_trace
from equipment.scripted_broker import ScriptedBroker
from equipment.waiting import until
from pathwarden.daemon.keeper import Keeper
from pathwarden.model.history import Event, Record
from pathwarden.present.events import event
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer

MARKERS = ("<!-- figures: make bench-mqtt WRITE=1 -->", "<!-- end of the broker's figures -->")
ALONE, WAITING, MANY = 200, 1000, 5000
TARGETS = 20  # of one, an event waits for the answer to the one before
MOST_MS, MOST_MB, MOST_S = 50.0, 4.0, 10.0
PATIENCE_S = 300.0


class Told(NamedTuple):
    """A history whose events are told; `answered` grows with each acknowledgement, by its instant in monotonic ns."""

    keeper: Keeper
    reader: Reader
    answered: list[int]

    def store(self, count: int) -> None:
        """Confirm so many changes at once."""
        first = sum(self.reader.change_numbers().values())
        for number in range(first, first + count):
            self.keeper.put(Record(None, None, "", (made(number),)))
            if self.keeper.waiting() > 1000:  # it drops what the disk does not take
                self.await_stored()

    def await_stored(self) -> None:
        """Wait until all is in the history."""
        until(lambda: not self.keeper.waiting(), "all is stored", PATIENCE_S)


@contextmanager
def storing(path: Path) -> Iterator[Told]:
    """The half of a daemon that stores."""
    keeper = Keeper(Writer(path, max_mb=64, boot_id="boot"))
    keeper.start()
    yield Told(keeper, Reader(path), [])
    keeper.stop(10)


@contextmanager
def connected(told: Told, port: int) -> Iterator[None]:
    """The half that tells; nothing of MQTT is loaded before."""
    from equipment.mqtt_agent import MemoryAgent, MemoryLedger, mqtt_settings
    from pathwarden.daemon.publishing import read_secret
    from pathwarden.mqtt.announcing import Announcer
    from pathwarden.mqtt.client import MqttClient
    from pathwarden.mqtt.commands import Commands
    from pathwarden.mqtt.publisher import MqttPublisher
    from pathwarden.mqtt.topics import topics

    names, agent, settings = topics("pw", "box"), MemoryAgent(), mqtt_settings(port)

    def acknowledge(seqs: Sequence[int]) -> None:
        told.answered.extend([time.monotonic_ns()] * len(seqs))
        told.keeper.acknowledge(seqs)

    publisher = MqttPublisher(
        lambda wake: MqttClient(settings, names, read_secret, wake, hears=(f"{names.commands}#",)),
        names,
        agent,
        told.reader,
        acknowledge,
        told.keeper.fail,
        Commands(names, agent, FakeClock()),
        Announcer(names, "", agent, MemoryLedger()),
    )
    told.keeper.publisher = publisher
    publisher.start()
    try:
        yield
    finally:
        publisher.stop()


def made(number: int) -> Event:
    """An event of full size."""
    target = f"t{number % TARGETS}"
    return event("box", make_target(target), change(), make_trace(), number // TARGETS + 1, number.to_bytes(10, "big"))


def alone(folder: Path) -> list[float]:
    """From a confirmed change to the broker's answer, one after the other, in ms."""
    took_ms = []
    with Broker(folder, quiet=True) as broker, storing(folder / "alone.db") as told, connected(told, broker.port):
        told.store(1)  # what is only loaded once
        until(lambda: len(told.answered) == 1, "the first", PATIENCE_S)
        for number in range(1, ALONE + 1):
            at = time.monotonic_ns()
            told.keeper.put(Record(None, None, "", (made(number),)))
            until(lambda number=number: len(told.answered) > number, "an answer", PATIENCE_S)
            took_ms.append((told.answered[-1] - at) / 1e6)
    return took_ms


def drained(folder: Path) -> tuple[float, float]:
    """Seconds until a broker that was away has all that waited, and CPU seconds."""
    with Broker(folder, quiet=True) as broker, storing(folder / "many.db") as told:
        told.store(MANY)
        told.await_stored()
        begun, spent = time.monotonic(), time.process_time()
        with connected(told, broker.port):
            until(lambda: not told.reader.stats().outbox, "the outbox is empty", PATIENCE_S)
            return time.monotonic() - begun, time.process_time() - spent


def memory(folder: Path) -> float:
    """Megabytes that MQTT takes while a thousand events wait and twenty are on their way to a broker that does not answer."""
    with ScriptedBroker(puback=lambda _published: None) as broker:
        command = [sys.executable, "-m", "bench.mqtt", "--memory", str(folder / "waiting.db"), str(broker.port)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        until(lambda: len(broker.published) >= TARGETS, "as many are on their way as may be", PATIENCE_S)
        return float(child.communicate("\n", timeout=PATIENCE_S)[0]) / 1e6


def grow(path: Path, port: int) -> None:
    """In a process of its own: say by how many bytes MQTT lets it grow."""
    with storing(path) as told:
        told.store(WAITING)
        told.await_stored()
        told.reader.outbox(0, 60)
        gc.collect()
        before = resident()
        with connected(told, port):
            sys.stdin.readline()
            print(resident() - before)


def resident() -> int:
    """Bytes of memory that are this process's alone."""
    status = Path("/proc/self/smaps_rollup").read_text()
    kinds = ("Private_Clean", "Private_Dirty")
    return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(kinds))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-mqtt", description="Time, memory and pace of what is told.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="put the figures into FIGURES.md")
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        grow(Path(args.memory[0]), int(args.memory[1]))
        return
    on = machine()
    groups = {"Events to the broker": _measured()}
    if args.json:
        print(json.dumps({"machine": on, "rows": [row.json() for rows in groups.values() for row in rows]}, indent=1))
    else:
        print(described(on), *(table(title, rows) for title, rows in groups.items()), sep="\n")
    if args.write:
        write_table("FIGURES.md", f"{described(on)}.", markdown(groups, all_rows=True), MARKERS)


def _measured() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        took_ms, grown_mb, (wall_s, cpu_s) = alone(folder), memory(folder), drained(folder)
    return [
        Row("a change confirmed to its PUBACK, ms", "ms", tuple(took_ms), most=MOST_MS),
        Row(f"memory with {WAITING} waiting events, MB", "MB", (grown_mb,), most=MOST_MB),
        Row(f"{MANY} waiting events drained, s", "s", (wall_s,), most=MOST_S),
        Row("the same: CPU, s", "s", (cpu_s,)),
    ]


if __name__ == "__main__":
    main()
