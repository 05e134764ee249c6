"""OpenWrt's interfaces: a source by netifd's name leaves through its uplink, and follows it down, up, and to another address."""

import json
import re
import tempfile
from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest

from equipment.agent import Agent, Runner, runners, section
from equipment.ubusd import Ubusd
from netlab import StandardLab
from pathwarden.net.ubus_message import Status

MWAN3_MASK = 0x3F00  # its default
FIRST_MARK, FIRST_TABLE = 0x100, 1  # of mwan3's first interface
# The program sees this folder as /run, with ubusd's socket and mwan3's state in it.
IN_RUN = 'mount --make-rprivate / && mount --bind "$0" /run && exec "$@"'


class Netifd:
    """The interfaces of a router, as netifd would tell them on this bus."""

    def __init__(self, ubusd: Ubusd) -> None:
        self.ubusd = ubusd
        self.told: dict[str, dict[str, Any]] = {}
        ubusd.offer("network.interface", dump=lambda _data: {"interface": list(self.told.values())})

    def set(self, name: str, device: str, address4: str, address6: str) -> None:
        """An interface is up."""
        state = {"interface": name, "up": True, "l3_device": device, "device": device, "proto": "static", "metric": 0}
        v4, v6 = ([{"address": address, "mask": 24}] for address in (address4, address6))
        self.told[name] = state | {"ipv4-address": v4, "ipv6-address": v6, "ipv6-prefix": [], "ipv6-prefix-assignment": []}

    def ifdown(self, name: str) -> None:
        """An interface goes down, and everybody is told twice, as was recorded."""
        state = self.told[name]
        self.told[name] = {"interface": name, "up": False, "pending": False, "proto": "static", "device": state["device"]}
        for _ in range(2):
            self.ubusd.notify("network.interface", "interface.down", self.told[name])
            self.ubusd.event("network.interface", {"action": "ifdown", "interface": name})

    def ifup(self, name: str) -> None:
        """An interface that was `set` comes up."""
        self.ubusd.notify("network.interface", "interface.update", self.told[name])
        self.ubusd.event("network.interface", {"action": "ifup", "interface": name})


@pytest.fixture
def run() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pathwarden-run-", dir="/tmp") as folder:
        for name in ("ubus", "mwan3"):
            (Path(folder) / name).mkdir()
        yield Path(folder)


@pytest.fixture
def ubusd(run: Path) -> Iterator[Ubusd]:
    with Ubusd(run / "ubus/ubus.sock") as ubusd:
        yield ubusd


@pytest.fixture
def netifd(lab: StandardLab, ubusd: Ubusd) -> Netifd:
    netifd = Netifd(ubusd)
    netifd.set("wan", lab.wan, lab.agent4, lab.agent6)
    netifd.set("lte", lab.wanb, lab.agent_wanb4, lab.agent_wanb6)
    return netifd


@pytest.fixture
def runner(run: Path) -> Iterator[Runner]:
    with runners() as (root, _nobody):
        yield root._replace(command=("unshare", "--mount", "sh", "-c", IN_RUN, str(run), *root.command))


def configured(lab: StandardLab, runner: Runner) -> Agent:
    """An agent that traces each target once an hour: whatever comes sooner was asked for."""
    agent = Agent(lab, runner, "router")
    agent.configure(
        section("defaults", "defaults", interval_s=3600, queries=2, wait_s=0.5),
        section("source", "first", interface="wan"),
        section("source", "second", interface="lte"),
        *(
            section("target", f"{source or 'plain'}{family}", host=host, **({"source": source} if source else {}))
            for source in ("", "first", "second")
            for family, host in ((4, lab.target4), (6, lab.target6))
        ),
        learn_h=0,
    )
    return agent


def traced(agent: Agent, tid: str, **wanted: object) -> dict[str, Any]:
    """A target's state as soon as it has these values."""
    return agent.awaits(lambda: agent.state(tid), lambda state: wanted.items() <= state.items(), f"{tid} is {wanted}")


def ways(agent: Agent, tid: str) -> list[tuple[str, str]]:
    """Device and source address by which a target's traces left, oldest first, as stored; a trace that could not leave has none."""
    with agent.reader() as reader:
        routes = [stored.trace.kernel_route for stored in reversed(reader.traces(tid))]
    return [(route.device, route.source) for route in routes if route]


def left(agent: Agent, tid: str, *expected: tuple[str, str]) -> None:
    """The target's traces left by these ways; the store's thread may be about to write the last."""
    agent.awaits(lambda: ways(agent, tid), lambda seen: tuple(seen) == expected, f"{tid} left by {expected}")


def told(agent: Agent) -> list[tuple[str, str]]:
    """Target and type of all events, oldest first."""
    return [(event["target"], event["event_type"]) for event in agent.get("/api/v1/changes?since_seq=0")["changes"]]


def test_a_source_follows_its_interface(lab: StandardLab, runner: Runner, ubusd: Ubusd, netifd: Netifd) -> None:
    with configured(lab, runner) as agent:
        agent.await_rounds(1, 60)
        own = {4: lab.agent_wanb4, 6: lab.agent_wanb6}
        for family in (4, 6):
            left(agent, f"second{family}", (lab.wanb, own[family]))
            assert traced(agent, f"second{family}", state="ok")["hop_count"] == 4
        left(agent, "first4", (lab.wan, lab.agent4))
        left(agent, "first6", (lab.wan, lab.agent6))
        assert agent.get("/api/v1/status")["ubus"] == {"connected": True, "detail": ""}

        netifd.ifdown("lte")
        why = "the source's device is down: lte"
        for family in (4, 6):
            traced(agent, f"second{family}", state="error", error="device_down", error_detail=why)
        said = runner.run(lab, agent.node, "--config", str(agent.config), "trace", "-n", "second4")
        assert (said.returncode, why in said.stderr) == (3, True), said.stderr

        # It comes back with another address: another epoch, in which the same hops are no change.
        moved = str(ip_interface(lab.agent_wanb4) + 100).partition("/")[0]
        lab.ip(lab.agent, f"addr add {moved}/24 dev {lab.wanb}")
        netifd.set("lte", lab.wanb, moved, lab.agent_wanb6)
        netifd.ifup("lte")
        for family in (4, 6):
            assert traced(agent, f"second{family}", state="ok", error=None)["hop_count"] == 4
        agent.awaits(lambda: ways(agent, "second4"), lambda seen: (lab.wanb, moved) in seen, "it left from the new address")
        assert len({path["epoch"] for path in agent.get("/api/v1/targets/second4/paths")["paths"]}) == 2
        assert [event for event in told(agent) if event[1].startswith("path")] == []
        assert len(ways(agent, "first4")) == len(ways(agent, "plain4")) == 1, "nobody else was traced again"

        assert ubusd.invoke("pathwarden", "targets", {})[0] is Status.OK
        status, about = ubusd.invoke("pathwarden", "target", {"id": "second4"})
        assert status is Status.OK
        assert about is not None
        assert (about["state"]["state"], about["config"]["source"]) == ("ok", "second")
        assert ubusd.invoke("pathwarden", "target", {"id": "nobody"}) == (Status.NOT_FOUND, None)

        said = runner.run(lab, agent.node, "--config", str(agent.config), "--json", "doctor")
        findings = {found["what"]: (found["status"], found["detail"]) for found in json.loads(said.stdout)}
        assert findings["ubus"] == ("ok", "netifd tells of lte, wan")
        assert findings["source second"][0] == "ok"
        assert f"dev {lab.wanb} src {moved}" in findings["source second"][1]

        ubusd.stop()
        agent.awaits(lambda: agent.get("/api/v1/status")["ubus"]["connected"], lambda there: not there, "the loss is told")
        assert any("ubus: " in notice["text"] for notice in agent.get("/api/v1/status")["notices"])
        ubusd.start()
        agent.awaits(lambda: agent.get("/api/v1/status")["ubus"], lambda bus: bus == {"connected": True, "detail": ""}, "it is back")
        agent.awaits(ubusd.paths, lambda paths: "pathwarden" in paths, "published again")
        assert agent.stop() == 0
        lab.ip(lab.agent, f"addr del {moved}/24 dev {lab.wanb}")


def test_mwan3_does_not_touch_what_leaves_by_an_interface(lab: StandardLab, runner: Runner, run: Path, netifd: Netifd) -> None:
    """As mwan3 does, packets without a mark are given the first uplink's in the output chain, and rerouted by it."""
    (run / "mwan3/mmx_mask").write_text("0x3f00\n")
    lab.route(lab.agent, "0.0.0.0/0", lab.gateway4, dev=lab.wan, table=FIRST_TABLE)
    lab.ip(lab.agent, f"rule add pref 2001 fwmark {FIRST_MARK}/{MWAN3_MASK} lookup {FIRST_TABLE}", family=4)
    lab.nft(
        lab.agent,
        "add table inet mwan3; add chain inet mwan3 mark_out { type route hook output priority mangle; };"
        f"add rule inet mwan3 mark_out meta nfproto ipv4 meta mark & {MWAN3_MASK:#x} == 0 counter meta mark set {FIRST_MARK:#x};"
        f"add chain inet mwan3 after {{ type filter hook output priority 0; }};"
        f'add rule inet mwan3 after oifname "{lab.wanb}" meta mark & {MWAN3_MASK:#x} == {MWAN3_MASK:#x} counter;',
    )
    assert netifd.told["lte"]["up"]
    with configured(lab, runner) as agent:
        agent.await_rounds(1, 60)
        left(agent, "second4", (lab.wanb, lab.agent_wanb4))
        assert traced(agent, "second4", state="ok")["hop_count"] == 4
        counted = lab.exec(lab.agent, ["nft", "list", "chain", "inet", "mwan3", "after"], timeout=30).stdout
        (packets,) = re.findall(r"packets (\d+)", counted)
        assert int(packets) >= 8, "every probe of the second uplink, with mwan3's mark"
        assert agent.stop() == 0
