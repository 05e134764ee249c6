"""The story of a moved route: two daemons on real kernels, one of root with raw sockets, one of a user without any privilege.

Eight hops with a diamond, a silent and a rate-limited one; a broker and a subscriber in the agent's own node.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipment.agent import Agent, Runner, runners, section
from equipment.broker import Broker, Message, Subscriber
from netlab import StandardLab, standard_lab

INTERVAL_S = 1
WATCH_PPS = 20  # at the default one change would still be paid for when the next one comes
ROUNDS_AFTER = 2  # in which nothing more may be told
PATIENCE_S = 120  # for rounds
AGENTS = ("raw", "rootless")
TARGETS = ("udp4", "udp6", "icmp4", "icmp6")
HOME = "home"  # a target before the route that moves


@dataclass
class Net:
    """What the story plays in."""

    lab: StandardLab
    subscriber: Subscriber
    agents: dict[str, Agent]
    runner: Runner

    def told(self, name: str) -> list[Message]:
        """What the subscriber got of an agent's paths and reachability."""
        return [m for m in self.subscriber.messages("/event") if m.topic.startswith(f"pathwarden/{name}/target/")]

    def told_of_agent(self, name: str) -> list[Message]:
        """What the subscriber got of an agent itself, incidents among it."""
        return self.subscriber.messages(f"pathwarden/{name}/event")

    def told_types(self, name: str) -> list[tuple[str, str]]:
        """Target and type of each event, by target."""
        return sorted((m.json["target"], m.json["event_type"]) for m in self.told(name))

    def events(self, name: str, event_type: str) -> dict[str, Any]:
        """An agent's events of one type, by target."""
        return {m.json["target"]: m.json for m in self.told(name) if m.json["event_type"] == event_type}

    def more_rounds(self) -> None:
        """Let both daemons make some rounds."""
        goals = {name: agent.rounds() + ROUNDS_AFTER for name, agent in self.agents.items()}
        for name, agent in self.agents.items():
            agent.await_rounds(goals[name], PATIENCE_S)

    def states(self) -> "Stage":
        """What the daemons say by HTTP, and what was told so far."""
        agents = self.agents.items()
        return Stage(
            {(name, s["target"]): s for name, agent in agents for s in agent.get("/api/v1/targets")["targets"]},
            {(name, tid): agent.get(f"/api/v1/targets/{tid}/paths")["paths"] for name, agent in agents for tid in TARGETS},
            {name: self.told_types(name) for name in AGENTS},
            {name: [event.event_type for event in _stored(agent) if event.target] for name, agent in agents},
        )


@dataclass(frozen=True)
class Stage:
    """The daemons at one moment of the story: states and routes by agent and target, events told and stored by agent."""

    states: dict[tuple[str, str], dict[str, Any]]
    paths: dict[tuple[str, str], list[dict[str, Any]]]
    told: dict[str, list[tuple[str, str]]]
    stored: dict[str, list[str]]

    def path(self, name: str, tid: str) -> dict[str, Any]:
        """The route in force."""
        (current,) = [path for path in self.paths[name, tid] if path["current"]]
        return current


def _stored(agent: Agent) -> list[Any]:
    with agent.reader() as reader:
        return reader.events(limit=1000)


@contextmanager
def story(folder: Path) -> Iterator[Net]:
    """The laboratory with broker and daemons at work; `folder` is the broker's."""
    with (
        runners() as (root, nobody),
        standard_lab() as lab,
        Broker(folder, ns=lab.netns(lab.agent)) as broker,
        broker.subscribe("pathwarden/#", "watch") as subscriber,
    ):
        agents = {
            "raw": Agent(lab, root, "raw", port=8866),
            "rootless": Agent(lab, nobody, "rootless", port=8867),
        }
        for agent in agents.values():
            agent.configure(
                section("defaults", "defaults", interval_s=INTERVAL_S, jitter_pct=0, queries=2, wait_s=0.3),
                section("target", "udp4", host=lab.target4, method="udp", label="Zürich"),
                section("target", "udp6", host=lab.target6, method="udp"),
                section("target", "icmp4", host=lab.target4, method="icmp"),
                section("target", "icmp6", host=lab.target6, method="icmp"),
                section("target", HOME, host=lab.gateway4),
                section("mqtt", "mqtt", host=broker.bind, port=broker.port),
                watch_pps=WATCH_PPS,
            )
        with agents["raw"], agents["rootless"]:
            yield Net(lab, subscriber, agents, root)
