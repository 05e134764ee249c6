"""The watch where something is odd: each case has the events that are due, or none, and the agent goes on.

The bare world: two targets behind four routers, the way to `site` changes at `MOVED_S` where a test says so.
"""

import dataclasses
from typing import Any

import pytest

from equipment.campaign import Campaign, sim_target
from pathwarden.errors import ProbeError
from pathwarden.model.probe import Binding, Flow, Method, Probe, Reply, ReplyKind
from pathwarden.model.trace import Ending, KernelRoute
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import Change, Destination, Router, Scenario

SECOND = 1_000_000_000
MOVED_S = 900
HOUR_S = 3600
WAY = [("gw",), ("isp",), ("core",), ("edge",)]


def world(*changes: Change, v6: bool = False, **site: Any) -> Scenario:
    address, net = ("address6", "2001:db8::") if v6 else ("address4", "10.0.0.")
    names = ("gw", "isp", "core", "edge", "aside")
    addresses = [*(f"{net}{number}" for number in range(1, 5)), "2001:db8:5::5" if v6 else f"{net}5"]  # of one /64 it would be renumbered
    routers = [Router(name, **{address: own}, jitter_ms=0.2) for name, own in zip(names, addresses, strict=True)]
    other = [("gw",), ("isp",), ("aside",), ("edge",)]
    end = "2001:db8:1::" if v6 else "198.51.100."
    return Scenario(
        f"{net}99",
        f"{net}1",
        (*routers, Router("site", **site), Router("shop")),
        (("main", tuple(WAY)), ("other", tuple(other))),
        (Destination("site", f"{end}7", "main"), Destination("shop", f"{end}8", "main")),
        changes,
    )


def leave(at_s: float = MOVED_S) -> Change:
    return Change(at_s, target="site", route="other")


class Watched:
    """A campaign over a network, by default with both targets by name."""

    def __init__(self, network: SimNetwork, *, hosts: tuple[str, ...] = ("site", "shop"), interval_s: int = HOUR_S, **values: Any) -> None:
        targets = [sim_target(f"t{number}", host, interval_s, **values) for number, host in enumerate(hosts)]
        self.campaign = Campaign(network, targets, 1, 1.0)
        self.records: list[Any] = []
        self.network = network

    def told(self, seconds: float = HOUR_S) -> list[tuple[str, str]]:
        """Who told what until then."""
        self.campaign.run_until(seconds)
        return [(each.event.target, each.event.event_type) for each in self.campaign.told]

    def route(self, tid: str = "t0") -> str:
        route = self.campaign.detectors[tid].route
        assert route is not None
        return " ".join("/".join(hop) or "*" for hop in route.hops)


def test_a_target_that_never_answers_is_no_event_and_its_way_is_watched_all_the_same() -> None:
    watched = Watched(SimNetwork(world(leave(), down=True), 1))
    assert watched.told() == [("t0", "path_changed")]
    assert not watched.campaign.detectors["t0"].state.reach.answered
    assert watched.route().startswith("10.0.0.1 10.0.0.2 10.0.0.5 10.0.0.4")


def test_a_name_that_moves_is_told_once_and_its_former_address_is_no_loss() -> None:
    """The old host goes dark in the same moment; the name is asked for with the next trace."""
    changes = (Change(MOVED_S, target="site", address="198.51.100.70"), Change(MOVED_S, router="site", values=()))
    watched = Watched(SimNetwork(world(*changes), 1), interval_s=300)
    assert watched.told() == [("t0", "target_address_changed")]


def test_a_name_that_goes_to_and_fro() -> None:
    addresses = ("198.51.100.70", "198.51.100.7")
    changes = [Change(MOVED_S + 600 * number, target="site", address=addresses[number % 2]) for number in range(6)]
    watched = Watched(SimNetwork(world(*changes), 1), interval_s=300)
    events = watched.told(6000)
    assert events == [("t0", "target_address_changed")] * 6
    assert {route.address for route in watched.campaign.detectors["t0"].routes.values()} == set(addresses)


def test_two_targets_with_one_address_tell_the_same() -> None:
    watched = Watched(SimNetwork(world(leave(), Change(2000, target="site", route="main")), 1), hosts=("site", "198.51.100.7"))
    events = watched.told()
    assert sorted(events[:2]) == [("t0", "path_changed"), ("t1", "path_changed")]
    assert sorted(events[2:]) == [("t0", "path_reverted"), ("t1", "path_reverted")]
    assert watched.campaign.correlator.foreign == 0


def test_a_router_of_many_that_is_back_before_its_stand_in_is_known_well_is_told_at_once() -> None:
    """The first target's inquiry convinces for all, of which most have not seen the stand-in more than once."""
    away = Change(MOVED_S, router="core", values=(("address4", "10.7.7.7"),))
    back = Change(MOVED_S + 120, router="core", values=(("address4", "10.0.0.3"),))
    hosts = [f"198.51.100.{number}" for number in range(10, 30)]
    bare = world(away, back)
    crowd = bare.destinations + tuple(Destination(f"d{host}", host, "main") for host in hosts)
    routers = bare.routers + tuple(Router(f"d{host}") for host in hosts)
    watched = Watched(SimNetwork(dataclasses.replace(bare, destinations=crowd, routers=routers), 1), hosts=tuple(hosts))
    events = watched.told(MOVED_S + 180)
    assert sorted(kind for _, kind in events) == ["path_changed"] * 20 + ["path_reverted"] * 20


@pytest.mark.parametrize("seed", range(2))
def test_a_router_that_begins_to_balance_per_packet_goes_back_nowhere(seed: int) -> None:
    """Between two responders that are known from two routes: each would be believed soon if it came alone."""
    both = (("gw",), ("isp",), ("?core", "aside"), ("edge",))
    network = SimNetwork(world(leave(), Change(MOVED_S + 60, route="other", hops=both)), seed)
    assert Watched(network).told(2400) == [("t0", "path_changed")]


@pytest.mark.parametrize("step_s", [3600.0, -7200.0, 315_360_000.0])
def test_a_clock_that_steps_is_no_event_and_blinds_nobody(step_s: float) -> None:
    watched = Watched(SimNetwork(world(Change(600, clock_step_s=step_s), leave(1800)), 1))
    assert watched.told() == [("t0", "path_changed")]
    assert 1800 < watched.campaign.told[0].at_s < 2000


@pytest.mark.parametrize("hours", [0.1, 5.0, 100.0])
def test_a_machine_that_slept_is_no_event(hours: float) -> None:
    """Also while an inquiry runs: what was under way comes back as silence."""
    network = SimNetwork(world(leave()), 1)
    watched = Watched(network)
    watched.told(600)
    sent = watched.campaign.correlator.probes
    network.pause(round(hours * HOUR_S * SECOND))
    slept_s = 600 + hours * HOUR_S
    events = watched.told(slept_s + 1)
    assert watched.campaign.correlator.probes - sent <= 2 * 3 * 16 + 4, "nothing is made up for"
    assert events in ([], [("t0", "path_changed")])
    assert watched.told(slept_s + 1800) == [("t0", "path_changed")]


class Vanishing(SimNetwork):
    """The uplink is gone between two instants; `to` is what comes after it."""

    def __init__(self, scenario: Scenario, gone_s: tuple[float, float], to: KernelRoute | None = None) -> None:
        super().__init__(scenario, 1)
        self.gone_s, self.to = gone_s, to

    def lookup(self, dst: str, binding: Binding) -> KernelRoute:
        now_s = (self.now_ns - self._start_ns) / SECOND
        if self.gone_s[0] <= now_s < self.gone_s[1]:
            raise ProbeError("no_route", dst)
        return self.to if self.to is not None and now_s >= self.gone_s[1] else super().lookup(dst, binding)


def during_inquiry() -> float:
    """An instant at which the plain world's inquiry pieces the new route together."""
    network = SimNetwork(world(leave()), 1)
    watched = Watched(network, interval_s=HOUR_S)
    while True:
        watched.campaign.prober.turn(SECOND // 20)
        watching = watched.campaign.prober._watching
        inquiry = watching.watcher.targets["t0"].inquiry if watching else None
        if inquiry is not None and inquiry.stage.value in ("remap", "balance"):
            return (network.now_ns - network._start_ns) / SECOND


@pytest.mark.parametrize("after_s", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("to", [None, KernelRoute("wanb", "203.0.113.10", "203.0.113.1", 254)])
def test_an_interface_that_vanishes_while_a_route_is_pieced_together(after_s: float, to: KernelRoute | None) -> None:
    gone_s = during_inquiry() + after_s
    network = Vanishing(world(leave()), (gone_s, gone_s + 60), to)
    watched = Watched(network, interval_s=HOUR_S)
    events = watched.told()
    # Another uplink is another epoch: its first trace is believed. On the same one the change is found again.
    assert events == ([] if to else [("t0", "path_changed")])
    assert watched.route() == "10.0.0.1 10.0.0.2 10.0.0.5 10.0.0.4 198.51.100.7"


def test_an_uplink_that_stays_away_asks_for_no_trace_a_second() -> None:
    network = Vanishing(world(), (900, 3000))
    watched = Watched(network, interval_s=300)
    kept: list[Ending] = []
    reporter_keep = watched.campaign._keep

    def keep(record: Any) -> None:
        if record.trace is not None and record.trace.ending is Ending.ERROR:
            kept.append(record.trace.ending)
        reporter_keep(record)

    watched.campaign.prober._reporter._keep = keep
    assert watched.told() == []
    assert len(kept) <= 2 * (2100 / 300 + 2)


class Deaf(SimNetwork):
    """No probe can leave between two instants, though the kernel has a route: a firewall of our own refuses it."""

    gone_s = (900.0, 3000.0)

    def send(self, probe: Probe, binding: Binding) -> int:
        if self.gone_s[0] <= (self.now_ns - self._start_ns) / SECOND < self.gone_s[1]:
            raise ProbeError("not_permitted", probe.flow.dst)
        return super().send(probe, binding)


def test_probes_that_are_refused_ask_for_no_trace_a_second() -> None:
    watched = Watched(Deaf(world(), 1), interval_s=300)
    assert watched.told() == []
    assert watched.campaign.traces <= 2 * (HOUR_S / 300 + 3)


class Refusing(SimNetwork):
    """From `MOVED_S` on the router behind which the site was calls it unreachable, as seldom as routers do, and whatever the ttl."""

    def _reply(self, probe: Probe, *args: Any) -> Reply | None:
        reply = super()._reply(probe, *args)
        if probe.flow.dst != "198.51.100.7" or probe.ttl <= 4 or self.now_ns < (MOVED_S + 1) * SECOND:
            return reply
        refusal = reply and reply._replace(kind=ReplyKind.UNREACHABLE, responder="10.0.0.4", icmp_type=3, icmp_code=1, quoted_ttl=1)
        return refusal if (probe.ident * 0x9E3B) % 7 < 3 else None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_router_that_calls_a_dead_host_unreachable_is_a_loss_and_no_other_path(seed: int) -> None:
    watched = Watched(Refusing(world(), seed), interval_s=300)
    assert watched.told() == [("t0", "target_unreachable")]
    assert watched.route() == "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 198.51.100.7"
    assert len(watched.campaign.detectors["t0"].routes) == 1


class IcmpAlone(SimNetwork):
    """The destination answers echo requests and nothing else."""

    def _push(self, reply: Reply) -> None:
        if reply.kind is not ReplyKind.PORT_UNREACHABLE:
            super()._push(reply)


def test_a_destination_that_answers_icmp_alone_is_reached_and_lost_by_it() -> None:
    changes = (Change(1.5 * HOUR_S, router="site", values=(("down", True),)), Change(2 * HOUR_S, router="site", values=(("down", False),)))
    watched = Watched(IcmpAlone(world(leave(), *changes), 1), hosts=("site",))
    assert watched.told(1.5 * HOUR_S) == [("t0", "path_changed")]
    state = watched.campaign.detectors["t0"].state
    assert state.other
    assert state.reach.answered
    assert watched.told(2.5 * HOUR_S)[1:] == [("t0", "target_unreachable"), ("t0", "target_reachable")]


class OneByOne(SimNetwork):
    """A transport that tells one probe of a flow apart: a second one in flight spoils both, as without root."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        super().__init__(scenario, seed)
        self.flying: dict[Flow, int] = {}
        self.spoiled = 0

    def window(self, flow: Flow) -> int:  # noqa: ARG002 - whichever it is
        return 1

    def send(self, probe: Probe, binding: Binding) -> int:
        if self.flying.get(probe.flow, 0) > self.now_ns:
            self.spoiled += 1
        self.flying[probe.flow] = self.now_ns + 20_000_000
        return super().send(probe, binding)

    def receive(self, timeout_ns: int) -> list[Reply]:
        replies = super().receive(timeout_ns)
        for flow in list(self.flying):
            if any(flow.dst == reply.dst for reply in replies):
                del self.flying[flow]
        return [reply._replace(ident=0, ident_checksum=0) for reply in replies]


def test_a_transport_that_tells_one_probe_apart_sees_changes_too() -> None:
    network = OneByOne(world(leave(), Change(2400, target="site", route="main")), 1)
    watched = Watched(network, interval_s=1800)
    assert watched.told() == [("t0", "path_changed"), ("t0", "path_reverted")]
    assert network.spoiled <= watched.campaign.correlator.probes * 0.02


@pytest.mark.parametrize("method", [Method.TCP, Method.ICMP, Method.UDP])
def test_flows_that_cannot_vary_are_watched_like_others(method: Method) -> None:
    watched = Watched(SimNetwork(world(leave(), Change(2400, target="site", route="main")), 1), method=method, port=443)
    assert watched.told() == [("t0", "path_changed"), ("t0", "path_reverted")]
    assert "10.0.0.3" in watched.route()


def test_over_ipv6_it_is_the_same() -> None:
    changes = (leave(), Change(2400, target="site", route="main"), Change(3000, router="shop", values=(("down", True),)))
    watched = Watched(SimNetwork(world(*changes, v6=True), 1))
    assert watched.told() == [("t0", "path_changed"), ("t0", "path_reverted"), ("t1", "target_unreachable")]
    assert watched.route() == "2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4 2001:db8:1::7"
