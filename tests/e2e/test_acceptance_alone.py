"""A start without targets, and without Internet: a result, not an error, in one sentence and within ten seconds."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from equipment.agent import Agent, Runner
from netlab import Lab

FIRST_RESULT_WITHIN_S = 10  # without the time in which a busy machine let daemon or test wait for a processor
ISP_DOWN = ("isp", "Home: ok, ISP: no answer.")
# For each host the states of the targets that the agent chooses itself, the verdict, and how the sentence begins.
NODES = {
    "alone": (
        {"cloudflare": "error", "quad9": "error"},
        ("local", "No probe can leave: no route to the target"),
    ),
    "swallowed": ({"gateway": "ok", "cloudflare": "unknown", "quad9": "unknown", "cloudflare6": "unknown"}, ISP_DOWN),
    "refused": ({"gateway": "ok", "cloudflare": "unknown", "quad9": "unknown"}, ISP_DOWN),
}


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


def kept_waiting_s(pid: int) -> float:
    """How long the threads of a process were ready to run and had no processor (proc_pid_schedstat(5), the second number)."""
    return sum(int(file.read_text().split()[1]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


@pytest.fixture(scope="module")
def agents(lab: Lab, both: tuple[Runner, Runner]) -> list[Agent]:
    """Daemons of both users without targets, on every host; each has shown a first result in time, and now has one of every target."""
    agents = [Agent(lab, runner, runner.name, node=node, port=8866 + n) for node in NODES for n, runner in enumerate(both)]
    begun = {}
    for agent in agents:
        agent.configure(max_pps=10)  # the default
        begun[agent] = time.monotonic() - kept_waiting_s(os.getpid())
        agent.launch()
    for agent in agents:
        agent.await_page()
        agent.awaits(lambda agent=agent: measured(agent), any, "a first result")
        took_s = time.monotonic() - begun[agent] - kept_waiting_s(os.getpid()) - kept_waiting_s(agent.pid)
        assert took_s < FIRST_RESULT_WITHIN_S
    for agent in agents:
        agent.awaits(lambda agent=agent: measured(agent), all, "a result of every target")
    return agents


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("who", ["root", "nobody"])
def test_the_page_says_what_is_wrong(agents: list[Agent], node: str, who: str) -> None:
    (agent,) = [agent for agent in agents if (agent.node, agent.name) == (node, who)]
    expected, (verdict, sentence) = NODES[node]
    assert {state["target"]: state["state"] for state in agent.get("/api/v1/targets")["targets"]} == expected
    summary = agent.get("/api/v1/summary")
    assert summary["verdict"] == verdict
    assert summary["sentence"].startswith(sentence)
    assert agent.stop() == 0
    assert "Traceback" not in agent.log()
    written = {file.name for file in agent.folder.iterdir()}
    assert written == {"history.db", "history.db.lock", "live", "pathwarden.conf", "stdout", "stderr"}, "it writes nothing but its history"
    assert list((agent.folder / "live").iterdir()) == [], "what waited went to the history"


def measured(agent: Agent) -> list[str | None]:
    return [state["measured_at"] for state in agent.get("/api/v1/targets")["targets"]]
