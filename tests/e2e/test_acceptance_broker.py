"""The broker goes and the daemon is killed: no event is lost, none is told twice under another name, none is invented."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from equipment.agent import Agent, awaited, runners, section
from equipment.broker import Broker, Subscriber
from netlab import StandardLab, standard_lab
from pathwarden.model.history import OutboxRow, StoredEvent

TARGETS = ("icmp6", "udp4")
ROUNDS = 2


@pytest.fixture
def lab() -> Iterator[StandardLab]:
    with standard_lab() as lab:
        yield lab


@pytest.fixture
def broker(lab: StandardLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    lab.settle()
    with Broker(tmp_path_factory.mktemp("broker"), ns=lab.netns(lab.agent), persistent=True) as broker:
        yield broker


@pytest.fixture
def agent(lab: StandardLab, broker: Broker, watch: Subscriber) -> Iterator[Agent]:  # noqa: ARG001 - `watch` comes first
    with runners() as (root, _):
        agent = Agent(lab, root, "home")
        alarm = agent.folder / "alarm"
        alarm.write_text(f"#!/bin/sh\ncat >>{agent.folder}/alarms\n")
        alarm.chmod(0o755)
        agent.configure(
            section("defaults", "defaults", interval_s=1, jitter_pct=0, queries=2, wait_s=0.3),
            section("target", "udp4", host=lab.target4),
            section("target", "icmp6", host=lab.target6, method="icmp"),
            section("mqtt", "mqtt", host=broker.bind, port=broker.port),
            section("hook", "alarm", program=alarm, event="path_reverted"),
            watch_pps=20,  # the second change comes before the first would be paid for
        )
        with agent:
            yield agent


def stored(agent: Agent) -> list[StoredEvent]:
    with agent.reader() as reader:
        return reader.events(limit=100)


def outbox(agent: Agent) -> list[OutboxRow]:
    with agent.reader() as reader:
        return reader.outbox(0, 100)


def of_targets(agent: Agent) -> list[StoredEvent]:
    """The events of targets in the history, newest first."""
    return [event for event in stored(agent) if event.target]


def told(subscriber: Subscriber) -> Counter[str]:
    """How often each event came, the agent's own too, by its id."""
    return Counter(message.json["event_id"] for message in subscriber.messages("/event"))


def told_of_targets(subscriber: Subscriber) -> list[dict[str, Any]]:
    """The events of targets that came, in their order."""
    return [message.json for message in subscriber.messages("/event") if message.json["target"]]


def test_an_event_outlives_the_broker_and_the_daemon(lab: StandardLab, broker: Broker, watch: Subscriber, agent: Agent) -> None:
    awaited(lambda: watch.payloads("/status")[-1:], lambda last: last == ["online"], "the daemon is online")
    agent.await_rounds(ROUNDS, 60)
    before = {tid: agent.state(tid)["path_id"] for tid in TARGETS}
    agent.awaits(lambda: outbox(agent), lambda rows: not rows, "the broker has that the agent started")
    # What the broker has acknowledged is the broker's: it must have passed it on before it is stopped.
    begun = {event.event_id for event in stored(agent)}
    started = awaited(lambda: told(watch).keys(), lambda seen: seen >= begun, "the subscriber has it too")
    broker.stop()
    lab.move()
    agent.awaits(lambda: outbox(agent), lambda rows: sum(bool(row.target) for row in rows) == 2, "an event of each target waits")
    agent.kill()
    waiting = outbox(agent)
    assert sorted(row.target for row in waiting if row.target) == list(TARGETS)
    assert all(row.body["event_type"] == ("path_changed" if row.target else "incident") for row in waiting)
    assert told(watch).keys() == started
    online = watch.payloads("/status").count("online")

    agent.start()
    agent.await_rounds(ROUNDS, 60)
    own = [row.event_id for row in waiting if row.target]
    assert [event.event_id for event in of_targets(agent)] == own[::-1], "nothing is told anew"
    assert agent.get("/api/v1/status")["mqtt"]["outbox"] == len(outbox(agent)) > len(waiting), "it started again"
    broker.start()
    ids = {row.event_id for row in waiting}
    agent.awaits(lambda: told(watch), lambda seen: seen.keys() >= ids, "all events came after the broker returned", 90)
    awaited(lambda: watch.payloads("/status"), lambda all_: all_.count("online") > online, "the daemon is online again")
    assert watch.payloads("/status")[-1] == "online"
    agent.awaits(lambda: outbox(agent), lambda rows: not rows, "the outbox is empty")
    rounds = agent.rounds()
    agent.await_rounds(rounds + ROUNDS, 60)
    agent.awaits(lambda: told(watch).keys() ^ {event.event_id for event in stored(agent)}, lambda odd: not odd, "each came, no other")
    assert {event["event_id"] for event in told_of_targets(watch)} == set(own)
    assert all(message.json["delayed"] for message in watch.messages("/event") if message.json["event_id"] in ids)
    assert {event["target"]: event["old"]["path_id"] for event in told_of_targets(watch)} == before

    # The flows are the same as before the kill: behind the diamond they find the path that was theirs.
    lab.move_back()
    events = agent.awaits(lambda: of_targets(agent), lambda events: len(events) >= 4, "the way back is told")
    back = {event.event_id for event in events[:2]}
    agent.awaits(lambda: told(watch), lambda seen: seen.keys() >= back, "the subscriber has the way back")
    reverted = {event.target: event.body for event in events[:2]}
    assert {tid: body["event_type"] for tid, body in reverted.items()} == dict.fromkeys(TARGETS, "path_reverted")
    assert {tid: body["new"]["path_id"] for tid, body in reverted.items()} == before
    alarms = agent.folder / "alarms"
    agent.awaits(lambda: alarms.exists() and alarms.read_text().splitlines(), lambda lines: lines and len(lines) == 2, "the hook ran twice")
    assert {json.loads(line)["event_id"] for line in alarms.read_text().splitlines()} == back
    for event_id in back:
        assert f" id={event_id} group=" in agent.log(), "a line in the log for each"
    late = [event for event in told_of_targets(watch) if event["event_type"] == "path_reverted"]
    assert [event["delayed"] for event in late] == [False, False]
