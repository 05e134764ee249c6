"""Many agents on one broker: the agent's own publisher and client for each, with payloads of full size, some hundred in a process.

python -m equipment.fleet PORT FIRST COUNT TARGETS SHORTEST LONGEST runs a part of them, and ends with its standard input, from which it
reads words and answers each with a line: `start`, `look`, `event` (one for each agent), `steady` (targets are traced, on and on).
"""

import json
import logging
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from equipment.changes import change
from equipment.fakes import NOW, hop, make_info, make_state, make_target, make_trace
from equipment.mqtt_agent import MemoryAgent, Rig, mqtt_settings
from pathwarden.present.events import event
from pathwarden.present.hops import rows

PREFIX = "pw"
PART = 100  # paho waits with select(), which takes descriptors below 1024 only, and a client has three
SWITCH_S = 0.1  # each thread that waits for the interpreter wakes up so often: at 5 ms, two hundred would be busy with nothing else
RETRY_S = (1.0, 30.0)  # the client's own default; written out, so that a change of it changes no figure
INTERVAL_S = 300
HOPS = 12
_SEARCHED = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))


class FleetAgent(MemoryAgent):
    """An agent whose payloads are as long as those of a real one."""

    def __init__(self, name: str, *targets: str) -> None:
        super().__init__(*targets)
        self._name = name
        trace = make_trace(*(hop(ttl, f"203.0.113.{ttl}", 9.1, 9.5, 10.2) for ttl in range(1, HOPS + 1)))
        self._rows = rows(trace)
        self._event = event(name, make_target(targets[0]), change(), trace, 1, bytes(10)).body

    def info(self) -> dict[str, object]:
        return make_info() | {"agent": self._name}

    def target_states(self) -> list[dict[str, object]]:
        return [make_state(tid) | {"agent": self._name} for tid in self.targets]

    def target_state(self, tid: str) -> dict[str, object] | None:
        return make_state(tid) | {"agent": self._name}

    def target_path(self, tid: str) -> dict[str, object] | None:
        return make_state(tid) | {"agent": self._name, "since": NOW, "hops": self._rows}

    def event(self) -> dict[str, object]:
        """The body of an event of its first target."""
        return {key: value for key, value in self._event.items() if key not in ("v", "target", "event_id", "seq", "delayed")}


class Seen(NamedTuple):
    """A fleet, or a part of it, at an instant."""

    connected: int
    waiting: int
    published: int
    refused: int
    cpu_s: float
    memory_kb: int


class Part:
    """The agents of one process."""

    def __init__(self, port: int, first: int, count: int, targets: int, retry_s: tuple[float, float]) -> None:
        names = [f"a{number:05d}" for number in range(first, first + count)]
        tids = [f"t{number}" for number in range(targets)]
        settings = mqtt_settings(port, prefix=PREFIX, discovery="homeassistant")
        self.agents = {name: FleetAgent(name, *tids) for name in names}
        self.rigs = {name: Rig(settings, name=name, retry_s=retry_s, agent=agent) for name, agent in self.agents.items()}
        self._tids = tids

    def start(self) -> None:
        """All at once."""
        for rig in self.rigs.values():
            rig.publisher.start()

    def event(self) -> None:
        """One for each agent."""
        for name, rig in self.rigs.items():
            rig.store(self._tids[0], **self.agents[name].event())

    def steady(self) -> None:
        """From now on one target after the other, each as often as it would be traced."""
        threading.Thread(target=self._steadily, daemon=True).start()

    def look(self) -> Seen:
        """How they stand."""
        seen = [rig.publisher.snapshot() for rig in self.rigs.values()]
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Seen(
            sum(bool(each["connected"]) for each in seen),
            sum(len(rig.outbox) for rig in self.rigs.values()),
            sum(int(str(each["published"])) for each in seen),
            sum(sum(each["failed"].values()) for each in seen if isinstance(each["failed"], dict)),
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss,
        )

    def _steadily(self) -> None:
        jobs = [(rig, tid) for tid in self._tids for rig in self.rigs.values()]
        pause, begun, number = threading.Event(), time.monotonic(), 0
        while True:
            rig, tid = jobs[number % len(jobs)]
            rig.publisher.state_changed(tid)
            number += 1
            pause.wait(max(0.0, begun + number * INTERVAL_S / len(jobs) - time.monotonic()))


class Fleet:
    """All the parts; each word goes to all of them before the first is heard."""

    def __init__(self, port: int, agents: int, targets: int, retry_s: tuple[float, float]) -> None:
        self.agents, self.targets = agents, targets
        command = [sys.executable, "-m", "equipment.fleet", str(port)]
        env = os.environ | {"PYTHONPATH": _SEARCHED}
        self._parts = [
            subprocess.Popen(
                [*command, str(first), str(min(PART, agents - first)), str(targets), *map(str, retry_s)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=env,
            )
            for first in range(0, agents, PART)
        ]

    @property
    def retained(self) -> int:
        """Messages that a connection begins with: status, info, a device for each, state and path of each target."""
        return self.agents * (3 + 3 * self.targets)

    def say(self, word: str) -> list[list[float]]:
        """Say a word to all; what each answers."""
        for part in self._parts:
            assert part.stdin is not None
            part.stdin.write(f"{word}\n")
            part.stdin.flush()
        answers = []
        for part in self._parts:
            assert part.stdout is not None
            answers.append(json.loads(part.stdout.readline()))
        return answers

    def look(self) -> Seen:
        """How they all stand together."""
        return Seen(*(sum(column) for column in zip(*self.say("look"), strict=True)))

    def close(self) -> None:
        """End all, without a farewell."""
        for part in self._parts:
            part.kill()
            part.wait(30)
            for pipe in (part.stdin, part.stdout):
                assert pipe is not None
                with pipe:
                    pass


@contextmanager
def fleet(port: int, agents: int, targets: int, retry_s: tuple[float, float]) -> Iterator[Fleet]:
    """A fleet that stands ready; `retry_s` as for `MqttClient`."""
    made = Fleet(port, agents, targets, retry_s)
    try:
        made.look()
        yield made
    finally:
        made.close()


def main(port: str, first: str, count: str, targets: str, shortest: str, longest: str) -> None:
    """Do what standard input says."""
    sys.setswitchinterval(SWITCH_S)
    logging.disable(logging.WARNING)  # each says that the broker is away
    part = Part(int(port), int(first), int(count), int(targets), (float(shortest), float(longest)))
    for line in sys.stdin:
        print(json.dumps(getattr(part, line.strip())()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
