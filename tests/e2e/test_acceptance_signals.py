"""The daemon's life as its supervisor sees it: SIGTERM, SIGHUP with a good and a bad configuration, kill -9."""

import json
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from equipment.agent import Agent, Runner, awaited, section
from equipment.broker import Broker, Subscriber
from netlab import StandardLab, standard_lab
from pathwarden import __version__

STOPS_WITHIN_S = 10.0  # procd kills after fifteen; the agent itself waits for the broker for two, and a busy machine for the agent
each_user = pytest.mark.parametrize("runner", [0, 1], ids=["root", "nobody"], indirect=True)
QUICK = section("defaults", "defaults", interval_s=1, jitter_pct=0, queries=2, wait_s=0.3)


@pytest.fixture(scope="module")
def lab() -> Iterator[StandardLab]:
    with standard_lab() as lab:
        lab.settle()
        yield lab


@pytest.fixture
def broker(lab: StandardLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker"), ns=lab.netns(lab.agent)) as broker:
        yield broker


@pytest.fixture
def runner(request: pytest.FixtureRequest, both: tuple[Runner, Runner]) -> Runner:
    """Root, unless a test asks for each user."""
    return both[getattr(request, "param", 0)]


@pytest.fixture
def agent(lab: StandardLab, broker: Broker, runner: Runner) -> Iterator[Agent]:
    agent = Agent(lab, runner, "home")
    configure(agent, lab, broker)
    with agent:
        yield agent


def configure(agent: Agent, lab: StandardLab, broker: Broker, *more: str) -> None:
    mqtt = section("mqtt", "mqtt", host=broker.bind, port=broker.port)
    agent.configure(QUICK, section("target", "udp4", host=lab.target4), mqtt, *more)


def await_online(watch: Subscriber) -> None:
    awaited(lambda: watch.payloads("/status")[-1:], lambda last: last == ["online"], "the status is online")


def retained_status(broker: Broker) -> str:
    """What somebody who subscribes now is told."""
    with broker.subscribe("pathwarden/home/status", "late") as late:
        awaited(late.messages, bool, "a retained status")
        (message,) = late.messages()
        assert message.retain
        return message.payload


def traces(agent: Agent, tid: str) -> int:
    with agent.reader() as reader:
        return len(reader.traces(tid, limit=1000))


def told(agent: Agent) -> list[str]:
    with agent.reader() as reader:
        return [event.event_type for event in reader.events()]


@each_user
def test_sigterm_says_farewell_and_ends_at_once(agent: Agent, broker: Broker, watch: Subscriber) -> None:
    await_online(watch)
    agent.await_rounds(1, 40)
    with agent.reader() as reader:
        assert [event.body["title"] for event in reader.events()] == [f"Pathwarden {__version__} started"]
    begun = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - begun < STOPS_WITHIN_S
    awaited(lambda: watch.payloads("/status")[-1:], lambda last: last == ["offline"], "the status is offline")
    assert retained_status(broker) == "offline"
    awaited(broker.log, lambda log: "Client pathwarden-home disconnected." in log, "a farewell, not a loss")
    assert agent.log().endswith("INFO pathwarden: stopped\n")
    assert "Traceback" not in agent.log()
    assert traces(agent, "udp4") >= 1, "what waited was written"


def test_sigterm_ends_at_once_even_if_the_broker_does_not_answer(agent: Agent, broker: Broker, watch: Subscriber) -> None:
    await_online(watch)
    broker.pause()
    begun = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - begun < STOPS_WITHIN_S


def test_sighup_takes_a_new_target_and_goes_on_with_the_old(lab: StandardLab, agent: Agent, broker: Broker, watch: Subscriber) -> None:
    await_online(watch)
    agent.await_rounds(2, 40)
    pid, before, path = agent.pid, traces(agent, "udp4"), agent.state("udp4")["path_id"]
    written = agent.get("/api/v1/status")["db"]["written_24h_bytes"]
    configure(agent, lab, broker, section("target", "near", host=lab.gateway4, method="icmp"))
    agent.signal(signal.SIGHUP)
    agent.awaits(agent.log, lambda log: "INFO pathwarden: reloaded" in log, "the log says so")
    awaited(
        lambda: watch.messages("/target/near/state"),
        lambda states: any(state.json["state"] == "ok" for state in states),
        "a state of the new target",
    )
    agent.awaits(lambda: traces(agent, "udp4"), lambda number: number > before + 1, "the old target is measured")
    assert (agent.pid, agent.returncode) == (pid, None)
    assert agent.state("udp4")["path_id"] == path
    assert agent.state("near")["hop_count"] == 1
    assert agent.get("/api/v1/status")["db"]["written_24h_bytes"] > written > 0, "a reload forgets nothing of the day"
    await_online(watch)
    assert told(agent) == ["agent_started"], "a reload is neither a start nor a change of a path"
    assert not watch.messages("/target/udp4/event")


def test_the_page_adds_a_target_and_takes_it_out_again(lab: StandardLab, agent: Agent, watch: Subscriber) -> None:
    await_online(watch)
    before = f"# Mine.\n{agent.config.read_text()}"
    agent.config.write_text(before)
    near = "/api/v1/targets/near"
    status, body = agent.ask("PUT", near, {"options": {"host": lab.gateway4, "interval_s": "0"}})
    assert (status, json.loads(body)["detail"]) == (400, "interval_s: 0 is below 1")
    assert agent.config.read_text() == before
    assert agent.ask("PUT", near, {"options": {"host": lab.gateway4, "method": "icmp"}})[0] == 202
    agent.awaits(agent.log, lambda log: log.count("INFO pathwarden: reloaded") == 1, "it has loaded again")
    awaited(
        lambda: watch.messages("/target/near/state"),
        lambda states: any(state.json["state"] == "ok" for state in states),
        "a state of the new target",
    )
    assert agent.ask("DELETE", near, {})[0] == 202
    agent.awaits(agent.log, lambda log: log.count("INFO pathwarden: reloaded") == 2, "it has loaded again")
    assert [state["target"] for state in agent.get("/api/v1/targets")["targets"]] == ["udp4"]
    assert agent.config.read_text().split() == before.split()


def test_sighup_with_a_broken_configuration_changes_nothing(agent: Agent, watch: Subscriber) -> None:
    await_online(watch)
    agent.await_rounds(1, 40)
    lines = len(agent.log().splitlines())
    good = agent.config.read_text()
    agent.config.write_text(good.replace("interval_s", "intervall_s"))
    agent.signal(signal.SIGHUP)
    said = agent.awaits(agent.log, lambda log: "reload" in log, "the log says what is wrong").splitlines()[lines:]
    assert said == [
        "ERROR pathwarden: reload: the old configuration stays: pathwarden.defaults.intervall_s: unknown option; did you mean interval_s?"
    ]
    rounds = agent.rounds()
    agent.await_rounds(rounds + 2, 40)
    assert watch.payloads("/status") == ["online"], "not even a moment of absence"
    agent.config.write_text(good)
    agent.signal(signal.SIGHUP)
    agent.awaits(agent.log, lambda log: "INFO pathwarden: reloaded" in log, "a mended configuration is taken")


def test_sighup_that_cannot_be_done_goes_back(lab: StandardLab, agent: Agent, watch: Subscriber) -> None:
    await_online(watch)
    with lab.enter(agent.node):
        taken = socket.create_server(("127.0.0.1", 0))
    with taken:
        port = taken.getsockname()[1]
        agent.config.write_text(agent.config.read_text().replace(f"127.0.0.1:{agent.port}", f"127.0.0.1:{port}"))
        agent.signal(signal.SIGHUP)
        line = (
            f"ERROR pathwarden: reload: back to the old configuration: web.listen: 127.0.0.1:{port} is in use by another program; "
            "choose another port or 0 for any\n"
        )
        agent.awaits(agent.log, lambda log: line in log, "the log says what is wrong")
        agent.awaits(agent.output, lambda said: said.count("The page: ") == 2, "the page is back")
        agent.await_rounds(1, 40)
        await_online(watch)


@each_user
def test_a_killed_daemon_is_offline_by_its_will_and_starts_again_at_once(agent: Agent, broker: Broker, watch: Subscriber) -> None:
    await_online(watch)
    agent.await_rounds(1, 40)
    before = traces(agent, "udp4")
    agent.kill()
    awaited(lambda: watch.payloads("/status")[-1:], lambda last: last == ["offline"], "the broker says offline")
    assert retained_status(broker) == "offline"
    agent.start()
    await_online(watch)
    agent.await_rounds(1, 40)
    agent.awaits(lambda: traces(agent, "udp4"), lambda number: number > before, "the history goes on")
    assert {notice["level"] for notice in agent.get("/api/v1/status")["notices"]} <= {"info"}, "no complaint"


def test_a_reload_ends_the_traces_that_run_and_loses_none(lab: StandardLab, agent: Agent, broker: Broker, watch: Subscriber) -> None:
    mqtt = section("mqtt", "mqtt", host=broker.bind, port=broker.port)
    agent.configure(QUICK, section("target", "slow", host=lab.target4, interval_s=60), mqtt, max_pps=8)
    agent.signal(signal.SIGHUP)
    agent.awaits(agent.log, lambda log: "INFO pathwarden: reloaded" in log, "the log says so")
    agent.awaits(lambda: agent.state("slow"), lambda state: state["running"], "a trace of some seconds runs")
    reloaded_at = time.time_ns()
    agent.signal(signal.SIGHUP)
    agent.awaits(agent.log, lambda log: log.count("INFO pathwarden: reloaded") == 2, "the log says so a second time")
    with agent.reader() as reader:
        first = reader.traces("slow")[-1].trace
    assert first.at < reloaded_at < first.at + first.duration_ns, "the trace was running when the reload was asked for"
    assert first.ending == "reached"
    assert told(agent) == ["agent_started"]
    assert not watch.messages("/target/slow/event")
