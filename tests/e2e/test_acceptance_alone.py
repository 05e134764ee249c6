"""A start without targets, and without Internet: a result, not an error, in one sentence and within ten seconds."""

import time
from collections.abc import Iterator

import pytest

from equipment.agent import Agent, Runner, runners
from netlab import Lab

FIRST_RESULT_WITHIN_S = 10


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Runner, Runner]]:
    with runners() as both:
        yield both


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Three hosts: alone, behind a gateway whose uplink swallows everything, and behind one that says that it has no way."""
    with Lab() as lab:
        lab.nodes(hosts=["alone", "swallowed", "refused"], routers=["swallowing", "refusing", "isp"])
        lab.link("swallowed", "swallowing", "192.0.2.0/24", "2001:db8::/64")
        lab.link("swallowing", "isp", "198.51.100.0/24")
        lab.link("refused", "refusing", "203.0.113.0/24")
        lab.route("swallowed", "0.0.0.0/0", "192.0.2.2")
        lab.route("swallowed", "::/0", "2001:db8::2")
        lab.route("swallowing", "0.0.0.0/0", "198.51.100.2")
        lab.route("swallowing", "::/0", dev="isp")
        lab.nft("swallowing", "add chain inet lab through { type filter hook forward priority 0; policy drop; }")
        lab.route("refused", "0.0.0.0/0", "203.0.113.2")
        lab.settle()
        yield lab


def overview(agent: Agent) -> tuple[str, str]:
    summary = agent.get("/api/v1/summary")
    return summary["verdict"], summary["sentence"]


def states(agent: Agent) -> dict[str, str]:
    return {state["target"]: state["state"] for state in agent.get("/api/v1/targets")["targets"]}


def test_with_loopback_alone_no_probe_can_leave(lab: Lab, both: tuple[Runner, Runner]) -> None:
    for agent in first_results(lab, both, "alone"):
        assert states(agent) == {"cloudflare": "error", "quad9": "error"}
        assert overview(agent) == ("local", "No probe can leave: no route to the target: Network is unreachable.")
        farewell(agent)


@pytest.mark.parametrize("node", ["swallowed", "refused"])
def test_behind_a_gateway_without_internet_home_is_ok(lab: Lab, both: tuple[Runner, Runner], node: str) -> None:
    beyond = ["cloudflare", "quad9", *(["cloudflare6"] if node == "swallowed" else [])]
    for agent in first_results(lab, both, node):
        assert states(agent) == {"gateway": "ok"} | dict.fromkeys(beyond, "unknown")
        assert overview(agent) == ("isp", "Home: ok, ISP: no answer.")
        farewell(agent)


def first_results(lab: Lab, both: tuple[Runner, Runner], node: str) -> list[Agent]:
    """Daemons of both users without targets; asserts that each shows a first result in time, then waits for the others."""
    agents = [Agent(lab, runner, runner.name, node=node, port=8866 + number) for number, runner in enumerate(both)]
    for agent in agents:
        agent.configure(max_pps=10)  # the default
    begun = time.monotonic()
    for agent in agents:
        agent.launch()
    for agent in agents:
        agent.awaits(agent.output, lambda said: "The page: " in said, "the daemon says where its page is")
        agent.awaits(lambda agent=agent: measured(agent), any, "a first result")
        assert time.monotonic() - begun < FIRST_RESULT_WITHIN_S
    for agent in agents:
        agent.awaits(lambda agent=agent: measured(agent), all, "a result of every target")
    return agents


def measured(agent: Agent) -> list[str | None]:
    return [state["measured_at"] for state in agent.get("/api/v1/targets")["targets"]]


def farewell(agent: Agent) -> None:
    """Assert that it ends well and has written nothing but its history."""
    assert agent.stop() == 0
    assert "Traceback" not in agent.log()
    assert {file.name for file in agent.folder.iterdir()} == {
        "history.db",
        "history.db.lock",
        "pathwarden.conf",
        "stdout",
        "stderr",
    }
