"""A target that a command adds: watched soon, kept over a kill, gone when it is removed; and never without the owner's word."""

import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from equipment.agent import Agent, Runner, awaited, section
from equipment.broker import Broker, Subscriber
from netlab import Lab

NODE = "alone"
CMD = "pathwarden/home/cmd/"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        lab.nodes(hosts=[NODE], routers=[])
        lab.settle()
        yield lab


@pytest.fixture
def broker(lab: Lab, tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path, ns=lab.netns(NODE)) as broker:
        yield broker


def say(lab: Lab, broker: Broker, watch: Subscriber, verb: str, **members: Any) -> dict[str, Any]:
    """Command, and wait for the answer."""
    program = shutil.which("mosquitto_pub")
    assert program
    before = len(watch.messages("/reply"))
    where = ["-h", broker.bind, "-p", str(broker.port), "-q", "1"]
    command = ["ip", "netns", "exec", lab.netns(NODE), program, *where, "-t", CMD + verb, "-m", json.dumps(members)]
    subprocess.run(command, check=True, timeout=30)
    answer: dict[str, Any] = awaited(lambda: watch.messages("/reply")[before:], bool, "an answer")[0].json
    return answer


def metrics(lab: Lab) -> str:
    """What Prometheus would get."""
    with lab.enter(NODE):
        connection = http.client.HTTPConnection("127.0.0.1", 8866, timeout=30)
        connection.connect()
    with closing(connection):
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()


def test_a_target_comes_stays_over_a_kill_and_goes(lab: Lab, broker: Broker, watch: Subscriber, both: tuple[Runner, Runner]) -> None:
    agent = Agent(lab, both[0], "home", node=NODE)
    own = section("defaults", "defaults", interval_s=1, queries=1), section("target", "here", host="127.0.0.1")
    mqtt = {"host": broker.bind, "port": broker.port, "discovery": "homeassistant"}

    def targets() -> list[str]:
        return [state["target"] for state in agent.get("/api/v1/targets")["targets"]]

    def listens() -> bool:
        return broker.log().count(f"home 1 {CMD}#") > heard

    agent.configure(*own, section("mqtt", "mqtt", **mqtt))
    heard = 0
    with agent:
        agent.awaits(listens, bool, "it listens")
        assert say(lab, broker, watch, "add", target="there", host="127.0.0.2")["code"] == "not_allowed"
        before = agent.config.read_bytes()
        agent.configure(*own, section("mqtt", "mqtt", **mqtt, allow_add=1, publish_results=1), hop_metrics=1)
        written = agent.config.read_bytes()
        assert before != written
        heard = broker.log().count(f"home 1 {CMD}#")
        agent.kill()
        agent.start()
        agent.awaits(listens, bool, "it listens")
        heard = broker.log().count(f"home 1 {CMD}#")
        assert say(lab, broker, watch, "add", target="there", host="127.0.0.2", label="Dort")["code"] == "ok"
        agent.awaits(listens, bool, "it has started anew", 60)
        assert targets() == ["here", "there"]
        state = agent.awaits(lambda: agent.state("there"), lambda state: state["reached"], "it is traced")
        assert (state["name"], state["added_by"], state["stale_after_s"]) == ("Dort", "mqtt", 3)
        agent.awaits(lambda: watch.payloads("/there/state"), bool, "subscribers see it")
        assert agent.state("here")["added_by"] is None
        agent.awaits(lambda: watch.messages("/there/result"), bool, "each trace is published")
        assert 'pathwarden_hop_rtt_seconds{target="there",ttl="1"} ' in metrics(lab)
        heard = broker.log().count(f"home 1 {CMD}#")
        agent.kill()
        agent.start()
        agent.awaits(listens, bool, "it listens")  # it has its page before: that is begun earlier
        assert targets() == ["here", "there"]
        heard = broker.log().count(f"home 1 {CMD}#")
        assert say(lab, broker, watch, "remove", target="here")["code"] == "not_added"
        assert say(lab, broker, watch, "remove", target="there")["code"] == "ok"
        agent.awaits(listens, bool, "it has started anew", 60)
        assert targets() == ["here"]
        agent.awaits(lambda: watch.payloads("/there/state")[-1], lambda last: not last, "what was retained is taken back")
        assert agent.config.read_bytes() == written, "the configuration is the owner's"
        with agent.reader() as reader:
            assert reader.latest("there") is not None, "its history stays"
        assert "pathwarden.event" in agent.log()
