"""What goes wrong while the daemon runs, or when it starts: where it can go on it does, and says what is wrong."""

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

import pytest

from equipment.agent import Agent, Runner, runners, section
from equipment.broker import Broker
from netlab import Lab

FAILED = 1
GATEWAY = "192.0.2.2"
NEIGHBOUR = "198.51.100.2"  # at the other end of the device that is down at first
QUICK = section("defaults", "defaults", interval_s=1, jitter_pct=0, queries=2, wait_s=0.3)
GOOD = section("target", "good", host=GATEWAY)
each_user = pytest.mark.parametrize("who", ["root", "nobody"])

ERRORS = {
    "unknown": ("unknown_host", "the name does not resolve: nowhere.invalid"),
    "noroute": ("no_route", "no route to the target: No route to host"),
    "absent": ("device_absent", "the source's device does not exist: absent0"),
    "down": ("device_down", "the source's device is down: spare"),
    "address": ("address_absent", "the source's address is not on this machine: 192.0.2.99"),
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        lab.nodes(hosts=["agent"], routers=["gateway"])
        lab.link("agent", "gateway", "192.0.2.0/24")
        lab.link("agent", "gateway", "198.51.100.0/24", dev_a="spare", dev_b="spare")
        lab.down("agent", "spare")
        lab.route("agent", "0.0.0.0/0", GATEWAY)
        lab.ip("agent", "route add unreachable 203.0.113.0/24")
        lab.settle()
        yield lab


@pytest.fixture(scope="module")
def both() -> Iterator[dict[str, Runner]]:
    with runners() as both:
        yield {runner.name: runner for runner in both}


class Held(NamedTuple):
    """Daemons whose histories other processes hold."""

    running: Agent  # cannot write
    starting: Agent
    blind: Agent  # cannot even read
    broker: Broker  # of the blind one
    holders: dict[Agent, sqlite3.Connection]


@pytest.fixture(scope="module", autouse=True)
def held(lab: Lab, both: dict[str, Runner], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """Held from the first test of this module on: it takes ten seconds until a lock is called a fault, while others are tested."""
    running, starting, blind = (Agent(lab, both["root"], name, port=8801 + n) for n, name in enumerate(("running", "starting", "blind")))
    with Broker(tmp_path_factory.mktemp("broker"), ns=lab.netns("agent"), port=1884) as broker, ExitStack() as stack:
        running.configure(QUICK, GOOD, live_dir=running.config)  # no folder: what it measures has no other place to wait
        starting.configure(QUICK, GOOD)
        blind.configure(QUICK, GOOD, section("mqtt", "mqtt", host=broker.bind, port=broker.port))
        for agent in (running, blind):
            stack.enter_context(agent).await_rounds(1, 40)
        blind.awaits(lambda: status_mqtt(blind)["connected"], bool, "the broker knows the daemon")
        holders = {}
        for agent, how in ((running, "IMMEDIATE"), (starting, "EXCLUSIVE"), (blind, "EXCLUSIVE")):
            holder = stack.enter_context(closing(sqlite3.connect(agent.db, isolation_level=None, timeout=30)))
            holder.execute(f"BEGIN {how}")
            holders[agent] = holder
        starting.launch()
        broker.restart()  # a new connection reads the outbox
        yield Held(running, starting, blind, broker, holders)


@pytest.fixture(scope="module")
def faulty(lab: Lab, both: dict[str, Runner]) -> Iterator[dict[str, Agent]]:
    """Daemons of both users with targets that cannot be probed, each for another reason."""
    agents = {name: Agent(lab, runner, name, port=8810 + number) for number, (name, runner) in enumerate(both.items())}
    for agent in agents.values():
        agent.configure(
            QUICK,
            section("target", "unknown", host="nowhere.invalid"),
            section("target", "noroute", host="203.0.113.1"),
            section("target", "absent", host=GATEWAY, source="by_absent"),
            section("target", "down", host=NEIGHBOUR, source="by_down"),
            section("target", "address", host=GATEWAY, source="by_address"),
            section("source", "by_absent", device="absent0"),
            section("source", "by_down", device="spare"),
            section("source", "by_address", address="192.0.2.99"),
            GOOD,
        )
    with agents["root"], agents["nobody"]:
        yield agents


@each_user
def test_a_target_that_cannot_be_probed_says_why_while_others_work(faulty: dict[str, Agent], who: str) -> None:
    agent = faulty[who]
    for tid, error in ERRORS.items():
        state = agent.awaits(lambda tid=tid: agent.state(tid), lambda state: state["measured_at"], f"a state of {tid}")
        assert (state["state"], state["verdict"]) == ("error", "local"), tid
        assert (state["error"], state["error_detail"]) == error
    agent.awaits(lambda: agent.state("good"), lambda state: state["state"] == "ok", "the good target is measured")
    with agent.reader() as reader:
        assert len(reader.traces("good")) > 1
        assert [event for event in reader.events() if event.target] == []


def test_a_device_that_comes_up_is_used(lab: Lab, faulty: dict[str, Agent]) -> None:
    for agent in faulty.values():
        agent.awaits(lambda agent=agent: agent.state("down"), lambda state: state["state"] == "error", "the device is down")
    lab.up("agent", "spare")
    try:
        for agent in faulty.values():
            state = agent.awaits(lambda agent=agent: agent.state("down"), lambda state: state["state"] == "ok", "the device is used")
            assert (state["error"], state["address"], state["kernel_route"]["device"]) == (None, NEIGHBOUR, "spare")
    finally:
        lab.down("agent", "spare")


def test_a_damaged_history_is_kept_aside_and_a_new_one_begun(lab: Lab, both: dict[str, Runner]) -> None:
    agents = [Agent(lab, runner, name, port=8820 + number) for number, (name, runner) in enumerate(both.items())]
    for agent in agents:
        agent.configure(QUICK, GOOD)
        agent.launch()
    torn = {agent: tear(agent) for agent in agents}
    for agent in agents:
        agent.launch()
    for agent in agents:
        await_traces(agent)
        aside = agent.db.with_name("history.db.damaged-1")
        assert aside.read_bytes() == torn[agent]
        (notice,) = [notice["text"] for notice in agent.get("/api/v1/status")["notices"] if notice["level"] == "error"]
        assert notice.startswith(f"the history {agent.db} was damaged (")
        assert notice.endswith(f"): it was set aside as {aside}, and a new history was started")
        assert f"WARNING pathwarden.daemon.runtime: {notice}\n" in agent.log()
        assert agent.stop() == 0
        assert "Traceback" not in agent.log()


def tear(agent: Agent) -> bytes:
    """Kill a daemon and overwrite its history, all but the first page, which says what the file is; the new content."""
    await_traces(agent)
    agent.kill()
    content = agent.db.read_bytes()
    torn = content[:1024] + random.Random(1).randbytes(len(content) - 1024)
    agent.db.write_bytes(torn)
    return torn


def await_traces(agent: Agent) -> None:
    agent.await_page()
    agent.awaits(lambda: traces(agent), lambda number: number >= 1, "a trace in the history")


def traces(agent: Agent) -> int:
    with agent.reader() as reader:
        return len(reader.traces("good", limit=10_000))


def test_a_broker_that_refuses_the_sign_in_does_not_stop_the_daemon(
    lab: Lab, both: dict[str, Runner], tmp_path_factory: pytest.TempPathFactory
) -> None:
    agent = Agent(lab, both["nobody"], "stranger", port=8830)
    password = agent.folder / "password"
    password.write_text("wrong\n")
    password.chmod(0o600)
    os.chown(password, agent.runner.uid, agent.runner.uid)
    folder = tmp_path_factory.mktemp("broker")
    with Broker(folder, ns=lab.netns("agent"), users={"friend": "secret"}, allow_anonymous=False) as broker:
        agent.configure(QUICK, GOOD, section("mqtt", "mqtt", host=broker.bind, port=broker.port, username="friend", password_file=password))
        line = "mqtt.username: the broker refuses the sign-in; check mqtt.username and mqtt.password_file"
        with agent:
            agent.awaits(agent.log, lambda log: f"WARNING pathwarden.mqtt.client: {line}\n" in log, "the log says so")
            agent.await_rounds(2, 40)
            assert {"level": "warning", "text": line} in agent.get("/api/v1/status")["notices"]
            password.write_text("secret\n")
            agent.awaits(lambda: status_mqtt(agent)["connected"], bool, "a mended password file is enough")
            assert status_mqtt(agent)["detail"] == ""
            assert agent.stop() == 0
            assert agent.log().count(line) == 1


def status_mqtt(agent: Agent) -> dict[str, Any]:
    return dict(agent.get("/api/v1/status")["mqtt"])


def locked(agent: Agent) -> str:
    """What the operator is told."""
    return f"the history {agent.db} is locked by another process; end that process"


def test_a_daemon_goes_on_while_it_cannot_read_its_history(held: Held) -> None:
    agent = held.blind
    with pytest.raises(AssertionError, match=r"GET /api/v1/status: 503 .*\"history_unavailable\"") as caught:
        agent.get("/api/v1/status")
    assert locked(agent) in str(caught.value)
    agent.awaits(agent.log, lambda log: f"WARNING pathwarden.mqtt.publisher: {locked(agent)}\n" in log, "the log says so")
    with held.broker.subscribe("pathwarden/blind/status", "watch") as watch:
        assert watch.payloads("/status") != ["online"]
        held.holders[agent].execute("ROLLBACK")
        agent.awaits(lambda: watch.payloads("/status")[-1:], lambda last: last == ["online"], "the broker is told everything again")
    assert status_mqtt(agent)["connected"]
    assert agent.stop() == 0
    assert "Traceback" not in agent.log()


def test_a_daemon_goes_on_while_it_cannot_write_its_history(held: Held) -> None:
    agent = held.running
    agent.awaits(lambda: notices(agent), lambda seen: locked(agent) in seen, "the page says that the history is locked")
    assert f"ERROR pathwarden.daemon.keeper: {locked(agent)}\n" in agent.log()
    rounds, kept = agent.rounds(), traces(agent)
    agent.await_rounds(rounds + 2, 40)
    assert traces(agent) == kept
    waiting = agent.get("/api/v1/status")["db"]["waiting"]
    assert waiting >= 2
    held.holders[agent].execute("ROLLBACK")
    agent.awaits(lambda: traces(agent), lambda number: number >= kept + waiting, "what waited is written")
    agent.awaits(lambda: notices(agent), lambda seen: locked(agent) not in seen, "the page takes it back")
    assert agent.stop() == 0
    assert agent.log().count(locked(agent)) == 1
    assert "Traceback" not in agent.log()


def test_a_daemon_does_not_start_on_a_history_that_is_locked(held: Held) -> None:
    assert held.starting.ended() == FAILED
    assert held.starting.log() == f"pathwarden: {locked(held.starting)}\n"


def notices(agent: Agent) -> list[str]:
    return [notice["text"] for notice in agent.get("/api/v1/status")["notices"]]
