"""What the real daemon publishes while its network changes, chapter by chapter, for programs that need a Python of their own.

python -m equipment.mqtt_recording FILE, as root: JSON with `chapters`, a list of topics with their payloads, and `events`: one of every
type as the agent's own functions put it, by the device that tells it.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from equipment.agent import Agent, awaited, runners, section
from equipment.broker import Broker, Subscriber
from equipment.changes import START_AT, change
from equipment.fakes import make_target
from netlab import StandardLab, standard_lab
from pathwarden.model.change import AgentKind, ChangeKind
from pathwarden.present.events import Head, event_of
from pathwarden.present.incidents import AgentHead, Announcement, agent_event

NAME = "home-rt"
TIDS = TID, OTHER = "office", "dns"
BASE = f"pathwarden/{NAME}"
_EVENT_ID = "01JCZ9YQ5N7Q2M8V4R6T0X3B1K"


class Recorder:
    """Chapters are what came between two calls of `chapter`."""

    def __init__(self, lab: StandardLab, broker: Broker, watch: Subscriber, agent: Agent) -> None:
        self.lab, self.agent, self.chapters = lab, agent, dict[str, list[Any]]()
        self._broker, self._watch, self._taken = broker, watch, 0

    def chapter(self, name: str) -> None:
        """All that has come since the last one."""
        messages = self._watch.messages()[self._taken :]
        self._taken += len(messages)
        self.chapters[name] = [[message.topic, message.payload] for message in messages]

    def say(self, topic: str, payload: str) -> None:
        """Publish something, as another program would."""
        where = ["-h", self._broker.bind, "-p", str(self._broker.port)]
        self.lab.exec(self.lab.agent, ["mosquitto_pub", *where, "-q", "1", "-t", topic, "-m", payload], check=True)

    def await_new(self, ending: str, holding: str = "", number: int = 1) -> None:
        """Wait for so many messages since the last chapter to topics with this ending, with this in them."""
        self.agent.awaits(
            lambda: sum(message.topic.endswith(ending) and holding in message.payload for message in self._watch.messages()[self._taken :]),
            lambda found: found >= number,
            f"{number} times {holding!r} at {ending}",
            90,
        )

    def end(self) -> None:
        """Let the daemon say farewell."""
        self.agent.stop()
        awaited(lambda: self._watch.payloads("/status")[-1:], lambda last: last == ["offline"], "it is offline")

    def configure(self, *tids: str) -> None:
        """Some of our targets; takes effect at the next start."""
        lab = self.lab
        targets = {
            TID: section("target", TID, host=lab.target4, label="Office VPN"),
            OTHER: section("target", OTHER, host=lab.target6, method="icmp", label="東京 DNS"),
        }
        self.agent.configure(
            section("defaults", "defaults", interval_s=2, jitter_pct=0, queries=2, wait_s=0.3),
            *(targets[tid] for tid in tids),
            section("mqtt", "mqtt", host=self._broker.bind, port=self._broker.port),
            watch_pps=20,
            learn_h=0,
        )


@contextmanager
def recorder() -> Iterator[Recorder]:
    """A laboratory with a broker, a subscriber and a daemon that has not started yet."""
    with tempfile.TemporaryDirectory() as folder, runners() as (root, _), standard_lab() as lab:
        lab.settle()
        with Broker(Path(folder), ns=lab.netns(lab.agent)) as broker, broker.subscribe("#", "watch") as watch:
            recorder = Recorder(lab, broker, watch, Agent(lab, root, NAME))
            recorder.configure(*TIDS)
            with recorder.agent:
                yield recorder


def record() -> dict[str, Any]:
    """The whole story."""
    with recorder() as it:
        agent, lab = it.agent, it.lab
        agent.await_rounds(4, 60)
        for tid in TIDS:
            it.await_new(f"{tid}/state", '"state":"ok"')
        it.await_new(f"{BASE}/event", "agent_started")
        it.chapter("start")
        it.say("homeassistant/status", "online")
        it.await_new("/config", "", 3)
        it.chapter("birth")
        it.say(f"{BASE}/cmd/trace/{TID}", "PRESS")
        it.await_new(f"{BASE}/reply", '"ok":true')
        it.chapter("press")
        lab.move()
        for tid in TIDS:
            it.await_new(f"{tid}/event", "path_changed")
            it.await_new(f"{tid}/path")
            it.await_new(f"{tid}/state", '"path_label":"B"')
        it.chapter("moved")
        lab.down("r7", "target")
        for tid in TIDS:
            it.await_new(f"{tid}/state", '"state":"unreachable"')
            it.await_new(f"{tid}/event", "target_unreachable")
        it.chapter("lost")
        it.configure(TID)
        it.end()
        agent.start()
        it.await_new(f"pathwarden_{NAME}_{OTHER}/config")
        it.chapter("removed")
        it.end()
        it.chapter("end")
        return {"chapters": it.chapters, "events": {"target": of_target(), "agent": of_agent()}}


def of_target() -> dict[str, Any]:
    """An event of each type that a target tells, by its type."""
    head = Head(NAME, make_target(TID, "Office VPN"), 1, True, 4, True, _EVENT_ID)
    return {kind.value: event_of(change(kind), head).body for kind in ChangeKind}


def of_agent() -> dict[str, Any]:
    """An event of each type that the agent tells of itself, by its type."""
    head = AgentHead(NAME, 1, True, True, _EVENT_ID, _EVENT_ID, START_AT)
    kinds = [kind for kind in AgentKind if kind is not AgentKind.INCIDENT]  # the daemon itself told one when the route moved
    return {kind.value: agent_event(head, Announcement(kind, START_AT, "1", "Why", "wan")).body for kind in kinds}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(record(), ensure_ascii=False))
