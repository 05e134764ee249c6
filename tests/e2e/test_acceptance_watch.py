"""The watch between traces, on real kernels: a balanced, a silent and a rate-limited hop, and one scheduled trace of each target.

Nothing is told of thousands of quiet probes; what happens is told once, with its place; what happens on our own side is not blamed on
the network. What takes its time (a quiet minute, an incident's gathering) is begun first, in laboratories of its own, and looked at last.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from equipment.agent import PATIENCE_S, Agent, Runner, runners, section
from equipment.broker import Broker, Subscriber
from netlab import StandardLab, standard_lab

HOUR_S = 3600
SLOTS = 3600
PPS = 60  # an hour of the default, 1 a second, in a minute: the routers' rate limit grows alike
KNOWN_AFTER = 100  # watch slots; with a first trace of ten probes a hop, a stranger is one
TOLD_WITHIN_S = 60
FAR = "203.0.113.7"  # another address of the target's host (RFC 5737), so that one change meets two destinations
MOVING = ("near4", "far4")  # IPv4, whose route moves at hop 3
TARGETS = (*MOVING, "udp6", "icmp6")
HOLE = """
add table inet hole
add chain inet hole arriving {{ type filter hook prerouting priority 0; }}
add rule inet hole arriving ip daddr {{ {v4} }} drop
add rule inet hole arriving ip6 daddr {{ {v6} }} drop
"""
COUNT = """
add table inet count
add counter inet count answers
add chain inet count leaving { type filter hook postrouting priority 0; }
add rule inet count leaving icmp type time-exceeded counter name answers
add rule inet count leaving icmpv6 type time-exceeded counter name answers
"""


@contextmanager
def laboratory() -> Iterator[StandardLab]:
    """The standard network, with another address at its end and a rate limit as much quicker as the watch."""
    with standard_lab() as lab:
        lab.ip(lab.target, f"address add {FAR}/32 dev lo")
        lab.rate_limit("r6", PPS)
        yield lab


class Scene(NamedTuple):
    """A laboratory, the daemon in it, and who hears all that it tells."""

    lab: StandardLab
    agent: Agent
    subscriber: Subscriber

    def told(self) -> list[dict[str, Any]]:
        """The events of targets, in their order."""
        return [message.json for message in self.subscriber.messages("/event") if message.json["target"]]

    def types(self) -> list[tuple[str, str]]:
        """Target and type of each of them, by target."""
        return sorted((event["target"], event["event_type"]) for event in self.told())

    def told_of_agent(self) -> list[dict[str, Any]]:
        """The events of the agent itself, but that it started."""
        events = [message.json for message in self.subscriber.messages("/event") if not message.json["target"]]
        return [event for event in events if event["event_type"] != "agent_started"]

    def incidents(self) -> dict[str, dict[str, Any]]:
        """The incidents as they were told last, by id."""
        return {event["group_id"]: event["incident"] for event in self.told_of_agent() if event["event_type"] == "incident"}

    def watched(self) -> int:
        """How many probes the watch has sent: all that belonged to no trace."""
        with self.agent.reader() as reader:
            traced = sum(stored.trace.probes for tid in TARGETS for stored in reader.traces(tid, limit=1000))
        sent: int = self.agent.get("/api/v1/status")["counters"]["probes_sent"]
        return sent - traced

    def await_slots(self, slots: int, timeout_s: float = PATIENCE_S) -> None:
        """Let the watch go on for so many probes."""
        goal = self.watched() + slots
        self.agent.awaits(self.watched, lambda seen: seen >= goal, f"{slots} watch slots", timeout_s)

    def await_told(self, event_type: str, tids: Sequence[str], timeout_s: float = TOLD_WITHIN_S) -> None:
        """Wait until all of these targets were told of."""
        self.agent.awaits(self.types, lambda seen: {(tid, event_type) for tid in tids} <= set(seen), f"{event_type} of {tids}", timeout_s)

    def await_well(self, device: str, hops: int) -> None:
        """Wait until every target is well, by this device and so many hops."""
        for tid in TARGETS:
            self.agent.awaits(
                lambda: self.agent.state(tid),  # noqa: B023 - called before the next round of the loop
                lambda s: s["state"] == "ok" and s["kernel_route"]["device"] == device and s["hop_count"] == hops,
                f"{tid} is well by {device}",
            )


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with runners() as (root, _nobody):
        yield root


@contextmanager
def scene(lab: StandardLab, runner: Runner, folder: Path) -> Iterator[Scene]:
    """A daemon that traces each target once and leaves the rest to the watch."""
    with Broker(folder, ns=lab.netns(lab.agent)) as broker, broker.subscribe("pathwarden/#", "watch") as subscriber:
        agent = Agent(lab, runner, "home")
        agent.configure(
            section("defaults", "defaults", interval_s=HOUR_S, jitter_pct=0, wait_s=0.5, queries=10),
            section("target", "near4", host=lab.target4),
            section("target", "far4", host=FAR, method="icmp"),
            section("target", "udp6", host=lab.target6),
            section("target", "icmp6", host=lab.target6, method="icmp"),
            section("mqtt", "mqtt", host=broker.bind, port=broker.port),
            watch_pps=PPS,
            max_pps=1000,
            learn_h=0,
        )
        with agent:
            yield Scene(lab, agent, subscriber)


@pytest.fixture(scope="module", autouse=True)
def quiet(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Where nothing happens."""
    with laboratory() as lab, scene(lab, runner, tmp_path_factory.mktemp("quiet")) as quiet:
        yield quiet


@pytest.fixture(scope="module")
def moved(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Where the route of two targets has moved at hop 3."""
    with laboratory() as lab, scene(lab, runner, tmp_path_factory.mktemp("moved")) as moved:
        moved.await_well(lab.wan, 8)
        moved.await_slots(KNOWN_AFTER)
        lab.move(families=(4,))
        moved.await_told("path_changed", MOVING)
        yield moved


@pytest.fixture
def home(runner: Runner, tmp_path: Path) -> Iterator[Scene]:
    """Where a test makes something happen; the hop that is silent elsewhere answers."""
    with laboratory() as lab:
        lab.answer("r5")
        with scene(lab, runner, tmp_path) as home:
            home.await_well(lab.wan, 8)
            home.await_slots(KNOWN_AFTER)
            yield home


def test_a_moved_route_is_told_of_the_targets_behind_it_and_names_the_hop(moved: Scene) -> None:
    lab = moved.lab
    assert moved.types() == sorted((tid, "path_changed") for tid in MOVING)
    first, second = moved.told()
    assert first["group_id"] == second["group_id"] == first["event_id"]
    assert (first["notify"], second["notify"]) == (True, False)
    for event in (first, second):
        assert (event["first_diff_ttl"], event["last_diff_ttl"]) == (lab.diamond_ttl, lab.diamond_ttl)
        assert set(event["hops_added"]) == lab.hops4_moved[lab.diamond_ttl - 1]
        assert event["cause"]["kind"] in ("remote", "unknown")


def test_a_black_hole_lies_between_two_hops_and_its_end_is_told(home: Scene) -> None:
    lab = home.lab
    lab.nft("r6", HOLE.format(v4=f"{lab.target4}, {FAR}", v6=lab.target6))
    home.await_told("target_unreachable", TARGETS)
    for event in home.told():
        (five,), (six,) = event["old"]["hops"][4:6]
        assert {six} == (lab.hops6 if event["af"] == 6 else lab.hops4)[5]
        assert event["location"]["between"] == [[five], [six]], event["message"]
    lab.nft("r6", "delete table inet hole")
    home.await_told("target_reachable", TARGETS)
    assert home.types() == sorted((tid, kind) for tid in TARGETS for kind in ("target_unreachable", "target_reachable"))
    for family in (4, 6):  # a router answers IPv4 and IPv6 from different addresses: nothing tells that it is the same one
        events = [event for event in home.told() if event["af"] == family]
        assert len({event["group_id"] for event in events}) == 1
        # The first loss notifies, and when the last of the lost answers again, that.
        assert [event["notify"] for event in events] == [True, False, False, True]


def test_a_failover_is_an_affair_of_our_own(home: Scene) -> None:
    lab, agent = home.lab, home.agent
    first = {tid: agent.state(tid)["path_id"] for tid in TARGETS}
    lab.ip(lab.agent, f"route del default via {lab.gateway4} dev {lab.wan}", family=4)
    lab.ip(lab.agent, f"route del default via {lab.gateway6} dev {lab.wan}", family=6)
    home.await_well(lab.wanb, len(lab.hops_wanb4))
    home.await_slots(KNOWN_AFTER)
    lab.route(lab.agent, "0.0.0.0/0", lab.gateway4, dev=lab.wan)
    lab.route(lab.agent, "::/0", lab.gateway6, dev=lab.wan)
    home.await_well(lab.wan, 8)
    home.await_slots(KNOWN_AFTER)
    assert {tid: agent.state(tid)["path_id"] for tid in TARGETS} == first, "the routes of the first epoch are known again"
    with agent.reader() as reader:
        assert all(len({route.epoch for route in reader.routes(tid)}) == 2 for tid in TARGETS)
    assert home.told() == []
    assert len(home.incidents()) <= 1
    assert {event["event_type"] for event in home.told_of_agent()} <= {"uplink_down", "uplink_up", "incident"}


def test_an_interface_that_vanishes_amid_an_inquiry_is_not_the_networks_fault(home: Scene) -> None:
    lab = home.lab
    lab.rate_limit("x3", 1)  # an inquiry takes some seconds then
    lab.nft("x3", COUNT)
    lab.move()
    home.agent.awaits(lambda: strangers(lab), lambda seen: seen > 0, "the stranger at hop 3 has answered")
    lab.ip(lab.agent, f"link delete {lab.wan}")
    assert home.told() == []
    home.await_well(lab.wanb, len(lab.hops_wanb4))
    home.agent.awaits(home.told_of_agent, lambda seen: any(e["event_type"] == "uplink_down" for e in seen), "the uplink is down")
    home.await_slots(KNOWN_AFTER)
    assert home.told() == []
    assert {event["event_type"] for event in home.told_of_agent()} <= {"uplink_down", "incident"}
    (incident,) = home.incidents().values()
    assert (incident["kind"], incident["targets"]) == ("uplink_down", [])


def test_the_targets_behind_a_moved_route_are_one_incident(moved: Scene) -> None:
    moved.agent.awaits(
        lambda: [sorted(incident["targets"]) for incident in moved.incidents().values()],
        lambda seen: sorted(MOVING) in seen,
        "an incident names both",
    )
    (incident,) = moved.incidents().values()
    assert incident["id"] == moved.told()[0]["event_id"]
    assert (incident["target_count"], incident["lost_count"], incident["event_count"]) == (2, 0, 2)


def test_an_hour_of_watching_without_a_change_tells_nothing(quiet: Scene) -> None:
    quiet.agent.awaits(quiet.watched, lambda seen: seen >= SLOTS, f"{SLOTS} watch slots", 2 * SLOTS / PPS + PATIENCE_S)
    assert quiet.told() == []
    assert quiet.told_of_agent() == []
    for tid in TARGETS:
        state = quiet.agent.state(tid)
        assert (state["state"], state["verdict"], state["hop_count"], state["changes_total"]) == ("ok", "ok", 8, 0)


def strangers(lab: StandardLab) -> int:
    """How often x3 has answered a probe."""
    listed = json.loads(lab.exec("x3", ["nft", "-j", "list", "counter", "inet", "count", "answers"]).stdout)
    return next(int(each["counter"]["packets"]) for each in listed["nftables"] if "counter" in each)
