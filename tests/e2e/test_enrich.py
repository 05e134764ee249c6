"""A real daemon tells whose the hops are that it meets; `trace -A` asks nobody for what a database knows."""

import json
from collections.abc import Iterator

import pytest

from equipment.agent import Agent, Runner, section
from equipment.mmdb import asn, write
from netlab import Lab

NETWORKS = {"192.0.2.0/24": asn(64500, "HOME"), "198.51.100.0/24": asn(64501, "TARGET")}
TARGET = "198.51.100.2"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A router and a target behind it."""
    with Lab() as lab:
        lab.nodes(hosts=["agent", "target"], routers=["isp"])
        lab.link("agent", "isp", "192.0.2.0/24")
        lab.link("isp", "target", "198.51.100.0/24")
        lab.route("agent", "0.0.0.0/0", "192.0.2.2")
        lab.route("target", "0.0.0.0/0", "198.51.100.1")
        lab.settle()
        yield lab


@pytest.fixture(scope="module")
def agent(lab: Lab, both: tuple[Runner, Runner]) -> Iterator[Agent]:
    """A daemon with a database beside its history, and one that is named but not there."""
    agent = Agent(lab, both[0], "enriched")
    path = write(agent.folder / "a.mmdb", NETWORKS)
    agent.configure(section("target", "far", host=TARGET, interval_s=1), mmdb=[str(path), "/nowhere/b.mmdb"])
    with agent:
        yield agent


def test_the_path_tells_networks_and_the_agent_what_is_left_out(agent: Agent) -> None:
    found = agent.awaits(lambda: agent.get("/api/v1/targets/far")["path"], bool, "a path")
    assert [(hop["asn"], hop["as_name"], hop["country"]) for hop in found["hops"]] == [(64500, "HOME", None), (64501, "TARGET", None)]
    assert found["as_path"] == [64500, 64501]
    [route] = agent.awaits(lambda: agent.get("/api/v1/targets/far/paths")["paths"], bool, "the path is in the history")
    assert route["as_path"] == [64500, 64501]
    notices = agent.get("/api/v1/status")["notices"]
    assert {"level": "warning", "text": "/nowhere/b.mmdb: No such file or directory"} in notices


def test_trace_asks_no_registry_for_what_a_database_knows(lab: Lab, agent: Agent, both: tuple[Runner, Runner]) -> None:
    done = both[0].run(lab, "agent", "trace", "--config", str(agent.config), "-n", "-A", "-q", "1", TARGET)
    assert [line.split()[1:3] for line in done.stdout.splitlines()[1:]] == [["192.0.2.2", "[AS64500]"], [TARGET, "[AS64501]"]]
    assert done.stderr == ""
    done = both[0].run(lab, "agent", "trace", "--config", str(agent.config), "-n", "-A", "-q", "1", "--json", TARGET)
    assert [hop["as_name"] for hop in json.loads(done.stdout)["hops"]] == ["HOME", "TARGET"]
