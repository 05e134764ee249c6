"""A disk that becomes full, and a folder that becomes read-only, under the running daemon: it goes on, says so, and loses nothing."""

import http.client
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from equipment.agent import Agent, runners, section
from equipment.broker import Broker, Subscriber
from netlab import Lab

GATEWAY = "192.0.2.2"
FAR = "203.0.113.9"  # an address that the gateway has, and loses for a while
QUICK = section("defaults", "defaults", interval_s=1, jitter_pct=0, queries=2, wait_s=0.3)
TARGETS = (section("target", "good", host=GATEWAY), section("target", "far", host=FAR))
DISK_KB = 1024
AGENTS = ("full", "closed")
TOLD = ["target_unreachable", "target_reachable"]
each_agent = pytest.mark.parametrize("name", AGENTS)


class Seen(NamedTuple):
    """What was seen of a daemon at one time."""

    status: dict[str, Any]
    rounds: float  # what the metrics count
    kept: int  # traces in the history
    infos: list[list[str]]  # the notices of each `info` that the broker was told
    events: list[str]  # types, as a subscriber got them


class Outage(NamedTuple):
    """A daemon before, while and after it could not write."""

    agent: Agent
    before: Seen
    during: Seen
    after: Seen
    log: str


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        lab.nodes(hosts=["agent"], routers=["gateway"])
        lab.link("agent", "gateway", "192.0.2.0/24")
        lab.route("agent", "0.0.0.0/0", GATEWAY)
        lab.ip("gateway", f"addr add {FAR}/32 dev lo")
        lab.settle()
        yield lab


@pytest.fixture(scope="module")
def outages(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Outage]]:
    """Both stories side by side: root's disk is full, and a user's folder read-only; meanwhile a target is lost and comes back."""
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(tmp_path_factory.mktemp("broker"), ns=lab.netns("agent"), port=1885))
        watch = stack.enter_context(broker.subscribe("pathwarden/#", "watch"))
        agents = {}
        for number, runner in enumerate(stack.enter_context(runners())):
            agent = agents[AGENTS[number]] = Agent(lab, runner, AGENTS[number], port=8840 + number)
            agent.db = agent.folder / "disk/history.db"
            agent.db.parent.mkdir()
            os.chown(agent.db.parent, runner.uid, runner.uid)
            agent.configure(QUICK, *TARGETS, section("mqtt", "mqtt", host=broker.bind, port=broker.port), learn_h=0)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k", "none", agents["full"].db.parent], check=True)
        stack.callback(subprocess.run, ["umount", agents["full"].db.parent], check=True)
        for agent in agents.values():
            stack.enter_context(agent)
        for agent in agents.values():
            agent.await_rounds(6, 40)
        before = {name: look(agent, watch) for name, agent in agents.items()}
        filler = fill(agents["full"].db.parent)
        agents["closed"].db.parent.chmod(0o555)
        lab.ip("gateway", f"addr del {FAR}/32 dev lo")
        for agent in agents.values():
            await_state(agent, "unreachable")
        lab.ip("gateway", f"addr add {FAR}/32 dev lo")
        for agent in agents.values():
            await_state(agent, "ok")
            agent.awaits(lambda agent=agent: watched(agent, watch), lambda infos: infos and infos[-1], "the broker is told")
        during = {name: look(agent, watch) for name, agent in agents.items()}
        filler.unlink()
        agents["closed"].db.parent.chmod(0o755)
        for agent in agents.values():
            agent.awaits(lambda agent=agent: events(agent, watch), lambda seen: seen[-1:] == TOLD[-1:], "the events are told")
            agent.awaits(lambda agent=agent: watched(agent, watch), lambda infos: not infos[-1], "the broker is told that it is over")
        after = {name: look(agent, watch) for name, agent in agents.items()}
        for agent in agents.values():
            assert agent.stop() == 0
        yield {name: Outage(agent, before[name], during[name], after[name], agent.log()) for name, agent in agents.items()}


def fill(folder: Path) -> Path:
    """Use all that is left of a disk."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:
        return filler


def await_state(agent: Agent, state: str) -> None:
    agent.awaits(lambda: agent.state("far"), lambda seen: seen["state"] == state, f"the target is {state}")


def look(agent: Agent, watch: Subscriber) -> Seen:
    status = agent.get("/api/v1/status")
    with agent.reader() as reader:
        kept = reader.stats().traces
    return Seen(status, rounds(agent), kept, watched(agent, watch), events(agent, watch))


def rounds(agent: Agent) -> float:
    """All rounds, by the metrics."""
    with agent.lab.enter(agent.node), closing(http.client.HTTPConnection("127.0.0.1", agent.port, timeout=30)) as connection:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("pathwarden_rounds_total"))


def watched(agent: Agent, watch: Subscriber) -> list[list[str]]:
    """The error notices of each `info`."""
    infos = [message.json["notices"] for message in watch.messages(f"{agent.name}/info")]
    return [[notice["text"] for notice in notices if notice["level"] == "error"] for notices in infos]


def events(agent: Agent, watch: Subscriber) -> list[str]:
    return [message.json["event_type"] for message in watch.messages(f"{agent.name}/target/far/event")]


def errors(seen: Seen) -> list[str]:
    return [notice["text"] for notice in seen.status["notices"] if notice["level"] == "error"]


def said(outage: Outage) -> str:
    """What the operator is told."""
    db = outage.agent.db
    if outage.agent.name == "full":
        return f"no room to write the history {db}; free some space on its disk, or give it more with option db_max_mb"
    remedy = "make the file and its folder writable for this user, or choose another place with option db"
    return f"cannot write the history {db}: read-only; {remedy}"


@each_agent
def test_it_goes_on_measuring_and_keeps_what_it_measures(outages: dict[str, Outage], name: str) -> None:
    outage = outages[name]
    assert outage.before.rounds >= 6
    assert outage.during.rounds >= outage.before.rounds + 4
    assert outage.during.status["db"]["waiting"] >= 8
    assert outage.during.events == []


@each_agent
def test_page_broker_and_log_say_so(outages: dict[str, Outage], name: str) -> None:
    outage = outages[name]
    assert [errors(seen) for seen in (outage.before, outage.during, outage.after)] == [[], [said(outage)], []]
    assert outage.during.status["db"]["notice"] == said(outage)
    assert (outage.before.infos[-1], outage.during.infos[-1], outage.after.infos[-1]) == ([], [said(outage)], [])
    lines = [line.partition(" pathwarden.daemon.keeper: ") for line in outage.log.splitlines() if "daemon.keeper" in line]
    assert [text for _, _, text in lines] == [said(outage), "the history is written again"]
    assert lines[0][0].endswith("ERROR")
    assert "Traceback" not in outage.log


@each_agent
def test_afterwards_no_trace_and_no_event_is_lost(outages: dict[str, Outage], name: str) -> None:
    outage = outages[name]
    assert outage.after.kept >= outage.during.kept + outage.during.status["db"]["waiting"]
    assert outage.after.status["counters"]["records_dropped"] == 0
    assert outage.after.events == TOLD
    with outage.agent.reader() as reader:
        assert [event.event_type for event in reader.events(since_seq=0) if event.target] == TOLD
        for target in ("good", "far"):
            traces = reader.traces(target, limit=1000)
            ats = [trace.trace.at for trace in traces]
            assert len(ats) > 10
            assert ats == sorted(set(ats), reverse=True), "each is there once"
