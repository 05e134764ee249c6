"""What the agent knows and tells of its own machine: uplinks, causes, gateways, name servers."""

import threading

import pytest

from equipment.fakes import FakeClock
from pathwarden.daemon.surroundings import ADOPT_NS, EVERY_NS, Surroundings
from pathwarden.detect.gate import GateState
from pathwarden.detect.load import Load
from pathwarden.errors import ProbeError
from pathwarden.model.change import Cause, CauseKind
from pathwarden.model.happening import Happening, HappeningKind, Notice, NoticeKind, What
from pathwarden.model.probe import Binding
from pathwarden.model.settings import Source
from pathwarden.model.trace import KernelRoute

S = 1_000_000_000
WAN = KernelRoute("wan", "192.0.2.10", "192.0.2.1", 254)
LTE = KernelRoute("wwan", "10.9.8.7", "10.9.8.1", 254)
WAN6 = KernelRoute("wan", "2001:db8::10", "fe80::1", 254)
SITE, SITE6, LTE_SITE = "198.51.100.1", "2001:db8:1::1", "198.51.100.2"


class World:
    """A machine in the test's hands."""

    def __init__(self, *down: str) -> None:
        self.clock = FakeClock()
        self.clock.mono = 1000 * S
        self.routes: dict[str, KernelRoute | str] = {SITE: WAN, SITE6: WAN6, LTE_SITE: LTE}
        self.silent_since_ns: int | None = None
        self.bytes = 0
        self.reads: list[str] = []
        self.checks = 0
        named = (Source("lte", Binding(device="wwan"), ""),)
        self.surroundings = Surroundings(
            self.clock, self, self, named, self, self, Load.restore({"wan": [1_250_000, 3, 0, 0]}, self.clock.mono), down
        )

    def effective(self, binding: Binding, af: int) -> Binding:
        assert af in (4, 6)
        return binding

    def lookup(self, dst: str, binding: Binding) -> KernelRoute:
        assert binding.device in ("", "wwan")
        found = self.routes[dst]
        if isinstance(found, str):
            raise ProbeError(found)
        return found

    def binding(self, source: Source, _af: int) -> Binding:
        return source.binding

    def read(self, device: str) -> tuple[int, int] | None:
        self.reads.append(device)
        return (self.bytes, 0) if device == "wan" else None

    def check(self) -> None:
        self.checks += 1

    def happened(self, kind: str, device: str, what: str, detail: str = "", **more: object) -> None:
        one = Happening(HappeningKind(kind), self.clock.mono, device, What(what), detail)
        self.surroundings.note(one._replace(**more))  # type: ignore[arg-type] # the fields by name

    def use(self, source: str = "", address: str = SITE) -> None:
        found = self.routes[address]
        self.surroundings.uses(source, address, None if isinstance(found, str) else found)

    def run(self, seconds: float) -> list[Notice]:
        """Let time pass as the prober does: tick at `next_ns`."""
        end, told = self.clock.mono + round(seconds * S), list(self.surroundings.tick(self.clock.mono))
        while (next_ns := max(self.surroundings.next_ns(), self.clock.mono + 1)) <= end:
            self.clock.wall += next_ns - self.clock.mono
            self.clock.mono = next_ns
            told += self.surroundings.tick(next_ns)
        self.clock.wall += end - self.clock.mono
        self.clock.mono = end
        return told + list(self.surroundings.tick(end))

    def told(self, seconds: float) -> list[tuple[str, str]]:
        return [(one.kind.value, one.sentence) for one in self.run(seconds)]


@pytest.fixture
def world() -> World:
    made = World()
    made.use()
    assert made.run(60) == []
    return made


def test_who_is_awake_already_looks_around_a_little_sooner(world: World) -> None:
    world.surroundings.tick(world.surroundings.next_ns())
    begun, reads = world.surroundings.next_ns() - EVERY_NS, len(world.reads)
    for after_s in (2, 4, 6):
        world.surroundings.tick(begun + after_s * S)
    assert (world.surroundings.next_ns(), len(world.reads)) == (begun + EVERY_NS, reads)
    world.surroundings.tick(begun + 8 * S)
    assert (world.surroundings.next_ns(), len(world.reads)) == (begun + 8 * S + EVERY_NS, reads + 1)


def test_an_uplink_goes_and_comes_back(world: World) -> None:
    begun, begun_at = world.clock.mono, world.clock.wall
    world.routes[SITE] = "no_route"
    world.happened("link", "wan", "down", "no carrier")
    down = world.run(300)
    assert [(one.kind, one.source, one.device, one.sentence) for one in down] == [
        (NoticeKind.UPLINK_DOWN, "", "wan", "Uplink wan is down: no route to the target.")
    ]
    assert (down[0].first_seen_at, down[0].at, down[0].seconds) == (begun_at, begun_at + 5 * S, (begun - 1000 * S) // S)
    world.routes[SITE] = WAN
    world.happened("link", "wan", "up")
    up = world.run(60)
    assert [(one.kind, one.sentence, one.seconds) for one in up] == [(NoticeKind.UPLINK_UP, "Uplink wan is up again, by wan.", 300)]


def test_a_flap_within_five_seconds_tells_nothing(world: World) -> None:
    for _ in range(5):
        world.routes[SITE] = "device_down"
        world.happened("link", "wan", "down", "no carrier")
        assert world.run(4) == []
        world.routes[SITE] = WAN
        world.happened("link", "wan", "up")
        assert world.run(4) == []
    assert world.run(60) == []


def test_a_carrier_that_is_lost_counts_though_the_kernel_keeps_its_route(world: World) -> None:
    world.happened("link", "wan", "down", "no carrier")
    assert world.told(60) == [("uplink_down", "Uplink wan is down: no carrier.")]
    assert world.surroundings.gate(WAN, world.clock.mono) is GateState.RED


def test_a_way_that_goes_without_news_is_found_within_ten_seconds(world: World) -> None:
    world.routes[SITE] = "no_route"
    assert [one.kind for one in world.run(EVERY_NS / S + 5)] == [NoticeKind.UPLINK_DOWN]


def test_traffic_that_moved_away_leaves_an_uplink_that_is_down(world: World) -> None:
    world.happened("link", "wan", "down", "no carrier")
    world.routes[SITE] = LTE
    world.use()
    assert world.told(600) == [("uplink_down", "Uplink wan is down: no carrier; traffic leaves by wwan.")]
    world.happened("link", "wan", "up")
    world.routes[SITE] = WAN
    assert world.told(60) == [("uplink_up", "Uplink wan is up again, by wan.")]


def test_what_replaces_an_uplink_is_the_uplink_after_an_hour(world: World) -> None:
    world.happened("link", "wan", "removed")
    world.routes[SITE] = LTE
    assert world.told(ADOPT_NS / S - 60) == [("uplink_down", "Uplink wan is down: it is gone; traffic leaves by wwan.")]
    assert world.told(120) == [("uplink_up", "Uplink wwan is up again, by wwan.")]
    assert world.told(3 * ADOPT_NS / S) == []


def test_a_default_route_that_an_owner_moved_is_no_outage(world: World) -> None:
    world.routes[SITE] = LTE
    world.happened("route", "wwan", "added", "default", gateway="10.9.8.1", table=254, wide=True)
    assert world.run(7200) == []


def test_one_target_without_a_route_is_no_outage(world: World) -> None:
    world.routes["203.0.113.5"] = "no_route"
    for _ in range(100):
        world.use("", "203.0.113.5")
        assert world.run(1) == []
        world.use()
        assert world.run(1) == []


def test_a_source_that_never_had_a_way_is_told_as_down_once() -> None:
    world = World()
    world.routes[LTE_SITE] = "device_absent"
    world.use("lte", LTE_SITE)
    assert world.told(60) == [("uplink_down", "Uplink lte is down: the source's device does not exist.")]
    world.routes[LTE_SITE] = LTE
    assert world.told(60) == [("uplink_up", "Uplink lte is up again, by wwan.")]


def test_an_uplink_that_was_told_to_be_down_is_not_told_again_after_a_reload_and_its_return_is() -> None:
    world = World("lte", "")
    world.routes[LTE_SITE], world.routes[SITE] = "device_absent", "no_route"
    world.use("lte", LTE_SITE)
    world.use()
    assert world.told(3600) == []
    world.routes[LTE_SITE], world.routes[SITE] = LTE, WAN
    assert world.told(60) == [("uplink_up", "Uplink lte is up again, by wwan."), ("uplink_up", "Uplink wan is up again, by wan.")]
    world.routes[LTE_SITE] = "device_absent"
    assert [kind for kind, _ in world.told(60)] == ["uplink_down"]


def test_an_uplink_that_came_back_while_nobody_looked_is_told() -> None:
    world = World("lte")
    world.use("lte", LTE_SITE)
    world.use()
    assert world.told(3600) == [("uplink_up", "Uplink lte is up again, by wwan.")]


def test_one_family_alone_is_named(world: World) -> None:
    world.use("", SITE6)
    assert world.run(60) == []
    world.routes[SITE6] = "no_route"
    assert world.told(60) == [("uplink_down", "Uplink wan is down: IPv6: no route to the target.")]
    world.routes[SITE] = "no_route"
    assert world.told(60) == []
    world.routes |= {SITE: WAN, SITE6: WAN6}
    assert world.told(60) == [("uplink_up", "Uplink wan is up again, by wan.")]


def test_sources_are_told_apart(world: World) -> None:
    world.use("lte", LTE_SITE)
    world.run(60)
    world.routes[LTE_SITE] = "device_down"
    assert [(one.source, one.device) for one in world.run(60)] == [("lte", "wwan")]


def test_a_cause_is_known_before_the_next_tick(world: World) -> None:
    world.happened("route", "wwan", "added", "default", gateway="10.9.8.1", table=254, wide=True)
    cause = world.surroundings.cause_of(world.clock.mono + 1_800_000_000, WAN, LTE, by_load=False)
    assert cause == Cause(CauseKind.ROUTE, "your default route moved from wan to wwan 1.8 s earlier")
    world.routes[SITE] = "no_route"
    assert [one.kind for one in world.run(5)] == [NoticeKind.UPLINK_DOWN], "and the tick after it still looks"


def test_of_neighbours_only_gateways_in_use_count(world: World) -> None:
    for number in range(200):
        world.happened("neighbour", "br-lan", "failed", f"192.168.1.{number}")
    world.happened("neighbour", "wan", "failed", "192.0.2.1")
    cause = world.surroundings.cause_of(world.clock.mono, WAN, WAN, by_load=False)
    assert cause.detail == "your gateway 192.0.2.1 on wan did not answer the address query at the same moment"


def test_remote_needs_the_gate(world: World) -> None:
    world.run(120)
    assert world.surroundings.cause_of(world.clock.mono, WAN, WAN, by_load=False).kind is CauseKind.UNKNOWN
    world.surroundings.on_gateway(WAN, True, world.clock.mono)
    assert world.surroundings.gate(WAN, world.clock.mono) is GateState.GREEN
    assert world.surroundings.gate(LTE, world.clock.mono) is GateState.UNKNOWN
    assert world.surroundings.gate(None, world.clock.mono) is GateState.UNKNOWN
    assert world.surroundings.cause_of(world.clock.mono, WAN, WAN, by_load=False).kind is CauseKind.REMOTE
    for _ in range(5):
        world.surroundings.on_gateway(WAN, False, world.clock.mono)
    assert world.surroundings.gate(WAN, world.clock.mono) is GateState.RED
    assert world.surroundings.cause_of(world.clock.mono, WAN, WAN, by_load=False).kind is CauseKind.UNKNOWN


def test_a_full_line_explains_what_got_slow(world: World) -> None:
    for _ in range(3):
        world.bytes += 12_000_000
        world.run(10)
    found = world.surroundings.cause_of(world.clock.mono, WAN, WAN, by_load=True)
    assert found == Cause(CauseKind.LOAD, "your line was full: 9.6 of 10.0 Mbit/s down on wan")
    assert world.surroundings.cause_of(world.clock.mono, WAN, WAN, by_load=False).kind is not CauseKind.LOAD


def test_counters_are_read_every_ten_seconds_and_once_a_second_on_suspicion(world: World) -> None:
    world.reads.clear()
    world.run(100)
    assert 9 <= len(world.reads) <= 11
    world.reads.clear()
    world.clock.mono += S
    for _ in range(40):
        world.surroundings.sample(world.clock.mono)
    assert world.reads == ["wan"]


def test_a_silent_resolver_is_told_and_its_end(world: World) -> None:
    world.silent_since_ns = world.clock.mono
    assert world.told(60) == [("resolver_down", "Your resolver does not answer.")]
    assert world.surroundings.resolver_silent
    world.silent_since_ns = None
    up = world.run(60)
    assert [(one.kind, one.sentence, one.seconds) for one in up] == [(NoticeKind.RESOLVER_UP, "Your resolver answers again.", 60)]
    assert world.checks > 10


def test_happenings_come_from_any_thread_and_none_is_lost_silently(world: World) -> None:
    def flood() -> None:
        for number in range(500):
            world.happened("link", f"veth{number}", "added")

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.surroundings.counters() == {"happenings": 2000, "happenings_dropped": 2000 - 256}
    world.surroundings.on_gateway(WAN, True, world.clock.mono)
    assert world.surroundings.cause_of(world.clock.mono, WAN, WAN, by_load=False).kind is CauseKind.UNKNOWN


def test_what_comes_and_goes_beside_an_uplink_does_not_hide_its_fault(world: World) -> None:
    world.happened("link", "wan", "down", "no carrier")
    for number in range(100):
        world.happened("link", f"veth{number}", "down", "set down")
        world.happened("link", f"veth{number}", "removed")
        world.surroundings.gate(WAN, world.clock.mono)
    assert world.surroundings.gate(WAN, world.clock.mono) is GateState.RED


def test_what_is_remembered_is_bounded(world: World) -> None:
    for number in range(300):
        world.surroundings.uses(f"s{number}", SITE, WAN)
        world.surroundings.on_gateway(WAN._replace(gateway=f"192.0.2.{number}"), True, world.clock.mono)
        world.happened("link", f"veth{number}", "down", "set down")
        world.happened("link", f"veth{number // 2}", "removed")
        world.surroundings.gate(WAN, world.clock.mono)
    assert max(len(world.surroundings._uplinks), len(world.surroundings._gates), len(world.surroundings._down)) <= 64
