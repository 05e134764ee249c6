"""What the kernel's notifications become, message by message, and that no bytes at all disturb it."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.errors import MalformedPacket
from pathwarden.model.happening import Happening, HappeningKind, What, earlier
from pathwarden.net import rtnetlink as rt
from pathwarden.net.happenings import KernelMemory, of_interface

UP, RUNNING = 0x1, 0x40
READY = UP | RUNNING
UNICAST = 1
WAN, LTE = 2, 3


def attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + bytes(-length % 4)


def number(value: int) -> bytes:
    return struct.pack("=I", value)


def message(kind: int, body: bytes, flags: int = 0) -> bytes:
    length = rt.HEADER.size + len(body)
    return rt.HEADER.pack(length, kind, flags, 1, 0) + body + bytes(-length % 4)


def link(index: int, name: str, flags: int = READY, mtu: int = 1500, family: int = 0) -> bytes:
    body = struct.pack("=BxHiII", family, 1, index, flags, 0)
    return body + attribute(3, name.encode() + b"\0") + attribute(4, number(mtu))


def address(index: int, text: str, length: int = 24, flags: int = 0) -> bytes:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return struct.pack("=BBBBI", family, length, flags, 0, index) + attribute(1, socket.inet_pton(family, text))


def route(
    index: int = WAN,
    gateway: str = "",
    destination: str = "",
    table: int = 254,
    metric: int = 0,
    kind: int = UNICAST,
    flags: int = 0,
    af: int = 4,
) -> bytes:
    family = socket.AF_INET if af == 4 else socket.AF_INET6
    prefix, _, length = destination.partition("/")
    body = struct.pack("=BBBBBBBBI", family, int(length or 0), 0, 0, min(table, 252), 3, 0, kind, flags)
    body += attribute(1, socket.inet_pton(family, prefix)) if destination else b""
    body += attribute(15, number(table)) + (attribute(6, number(metric)) if metric else b"")
    body += attribute(5, socket.inet_pton(family, gateway)) if gateway else b""
    return body + attribute(4, number(index))


class World:
    """A memory that knows two uplinks."""

    def __init__(self, *, learned: bool = True) -> None:
        self.told: list[Happening] = []
        self.memory = KernelMemory(self.told.append)
        self.now_ns = 1
        if learned:
            self.dump(rt.GET_LINK, message(rt.NEW_LINK, link(WAN, "wan"), rt.PART) + message(rt.NEW_LINK, link(LTE, "lte"), rt.PART))
            self.dump(rt.GET_ADDRESS, message(rt.NEW_ADDRESS, address(WAN, "192.0.2.10"), rt.PART))

    def dump(self, asked: int, data: bytes) -> None:
        self.memory.begin_dump()
        assert self.memory.hear(data, self.now_ns) == {}
        self.memory.end_dump(asked, self.now_ns)

    def hear(self, kind: int, body: bytes, flags: int = 0) -> list[tuple[str, str, str, str]]:
        """What is told of one message: kind, device, what, detail."""
        self.told.clear()
        self.memory.hear(message(kind, body, flags), self.now_ns)
        self.memory.flush()
        return [(one.kind.value, one.device, one.what.value, one.detail) for one in self.told]


@pytest.fixture
def world() -> World:
    return World()


def test_what_is_so_already_is_no_happening(world: World) -> None:
    assert world.told == []
    assert world.hear(rt.NEW_LINK, link(WAN, "wan")) == []
    assert world.hear(rt.NEW_ADDRESS, address(WAN, "192.0.2.10")) == []


def test_a_link_goes_down_and_comes_up(world: World) -> None:
    assert world.hear(rt.NEW_LINK, link(WAN, "wan", UP)) == [("link", "wan", "down", "no carrier")]
    assert world.hear(rt.NEW_LINK, link(WAN, "wan", 0)) == []
    assert world.hear(rt.NEW_LINK, link(WAN, "wan")) == [("link", "wan", "up", "")]
    assert world.hear(rt.NEW_LINK, link(WAN, "wan", 0)) == [("link", "wan", "down", "set down")]


def test_links_come_change_and_go(world: World) -> None:
    assert world.hear(rt.NEW_LINK, link(9, "pppoe-wan", 0)) == [("link", "pppoe-wan", "added", "")]
    assert world.hear(rt.NEW_LINK, link(9, "pppoe-wan", READY, 1492)) == [
        ("link", "pppoe-wan", "up", ""),
        ("link", "pppoe-wan", "changed", "MTU 1500 to 1492"),
    ]
    assert world.hear(rt.NEW_LINK, link(9, "ppp7", READY, 1492)) == [("link", "ppp7", "changed", "named pppoe-wan before")]
    assert world.hear(rt.DEL_LINK, link(9, "ppp7")) == [("link", "ppp7", "removed", "")]
    assert world.hear(rt.DEL_LINK, link(9, "ppp7")) == []


def test_a_bridges_own_view_of_a_link_says_nothing(world: World) -> None:
    assert world.hear(rt.NEW_LINK, link(WAN, "wan", 0, family=socket.AF_BRIDGE)) == []
    assert world.hear(rt.DEL_LINK, link(WAN, "wan", family=socket.AF_BRIDGE)) == []


def test_addresses_come_and_go(world: World) -> None:
    assert world.hear(rt.NEW_ADDRESS, address(WAN, "198.51.100.7", 32)) == [("address", "wan", "added", "198.51.100.7/32")]
    assert world.hear(rt.DEL_ADDRESS, address(WAN, "192.0.2.10")) == [("address", "wan", "removed", "192.0.2.10/24")]
    assert world.hear(rt.DEL_ADDRESS, address(WAN, "192.0.2.10")) == []


def test_an_address_counts_when_no_duplicate_was_found(world: World) -> None:
    assert world.hear(rt.NEW_ADDRESS, address(WAN, "2001:db8::7", 64, flags=0x40)) == []
    assert world.hear(rt.NEW_ADDRESS, address(WAN, "2001:db8::7", 64)) == [("address", "wan", "added", "2001:db8::7/64")]
    assert world.hear(rt.NEW_ADDRESS, address(WAN, "fe80::7", 64)) == []


def test_of_a_point_to_point_link_our_own_end_counts(world: World) -> None:
    body = address(WAN, "203.0.113.1", 32) + attribute(2, socket.inet_aton("203.0.113.9"))
    assert world.hear(rt.NEW_ADDRESS, body) == [("address", "wan", "added", "203.0.113.9/32")]


def test_the_default_route_comes_is_refreshed_and_moves(world: World) -> None:
    by_wan, by_lte = route(WAN, "192.0.2.1"), route(LTE, "10.9.8.1")
    assert world.hear(rt.NEW_ROUTE, by_wan) == [("route", "wan", "added", "default")]
    assert world.told[0].gateway == "192.0.2.1"
    assert world.hear(rt.NEW_ROUTE, by_wan, rt.REPLACE) == []
    assert world.hear(rt.NEW_ROUTE, by_lte, rt.REPLACE) == [("route", "wan", "removed", "default"), ("route", "lte", "added", "default")]
    assert world.hear(rt.DEL_ROUTE, by_lte) == [("route", "lte", "removed", "default")]
    assert world.hear(rt.NEW_ROUTE, by_lte) == [("route", "lte", "added", "default")]


def test_two_metrics_are_two_routes(world: World) -> None:
    assert world.hear(rt.NEW_ROUTE, route(WAN, "192.0.2.1", metric=10))
    assert world.hear(rt.NEW_ROUTE, route(LTE, "10.9.8.1", metric=20)) == [("route", "lte", "added", "default")]
    assert world.hear(rt.NEW_ROUTE, route(WAN, "192.0.2.1", metric=10)) == []


@pytest.mark.parametrize("gone", ["link", "address"])
def test_routes_that_the_kernel_forgot_in_silence_come_anew(world: World, gone: str) -> None:
    assert world.hear(rt.NEW_ROUTE, route(WAN, "192.0.2.1"))
    if gone == "link":
        assert world.hear(rt.NEW_LINK, link(WAN, "wan", UP))
        assert world.hear(rt.NEW_LINK, link(WAN, "wan"))
    else:
        assert world.hear(rt.DEL_ADDRESS, address(WAN, "192.0.2.10"))
    assert world.hear(rt.NEW_ROUTE, route(WAN, "192.0.2.1")) == [("route", "wan", "added", "default")]


@pytest.mark.parametrize(
    ("destination", "af", "wide"), [("0.0.0.0/1", 4, True), ("128.0.0.0/1", 4, True), ("2000::/3", 6, True), ("64.0.0.0/2", 4, False)]
)
def test_what_takes_half_the_internet_is_wide(world: World, destination: str, af: int, wide: bool) -> None:
    assert world.hear(rt.NEW_ROUTE, route(destination=destination, af=af)) == [("route", "wan", "added", destination)]
    assert world.told[0].wide is wide


def test_narrow_routes_are_counted(world: World) -> None:
    for host in range(1000):
        world.memory.hear(message(rt.NEW_ROUTE, route(LTE, "10.9.8.1", f"10.{host % 250}.{host // 250}.0/24", table=300)), host)
    assert (world.told, world.memory.narrow) == ([], 1000)
    world.memory.flush()
    assert world.told == [Happening(HappeningKind.ROUTE, 0, "lte", What.CHANGED, "10.0.0.0/24", "10.9.8.1", 300, changes=1000)]
    world.memory.flush()
    assert (len(world.told), world.memory.narrow) == (1, 0)


def test_a_single_narrow_route_is_told_as_it_is(world: World) -> None:
    assert world.hear(rt.DEL_ROUTE, route(WAN, "192.0.2.1", "203.0.113.0/24")) == [("route", "wan", "removed", "203.0.113.0/24")]


@pytest.mark.parametrize(
    "body", [route(kind=2, destination="192.0.2.10/32", table=255), route(kind=3), route(flags=0x200), b"\x80" + route()[1:]]
)
def test_routes_that_no_packet_of_ours_takes_are_passed_over(world: World, body: bytes) -> None:
    assert world.hear(rt.NEW_ROUTE, body) == []
    assert world.memory.malformed == 0


def test_a_refusal_is_a_route_too(world: World) -> None:
    assert world.hear(rt.NEW_ROUTE, route(0, kind=7, metric=9)) == [("route", "", "added", "default")]


def test_several_next_hops(world: World) -> None:
    def hop(index: int, gateway: str) -> bytes:
        inner = attribute(5, socket.inet_aton(gateway))
        return struct.pack("=HBBI", 8 + len(inner), 0, 0, index) + inner

    head = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 3, 0, UNICAST, 0)
    both = head + attribute(9, hop(WAN, "192.0.2.1") + hop(LTE, "10.9.8.1"))
    assert world.hear(rt.NEW_ROUTE, both) == [("route", "wan", "added", "default")]
    assert world.hear(rt.NEW_ROUTE, route(LTE, "10.9.8.1"), rt.REPLACE) == [("route", "wan", "removed", "default")]


def test_a_gateway_of_the_other_family(world: World) -> None:
    via = attribute(18, struct.pack("=H", socket.AF_INET6) + socket.inet_pton(socket.AF_INET6, "fe80::1"))
    assert world.hear(rt.NEW_ROUTE, route(WAN) + via) == [("route", "wan", "added", "default")]
    assert world.told[0].gateway == "fe80::1"


def test_rules(world: World) -> None:
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 252, 0, 0, 1, 0) + attribute(6, number(1000)) + attribute(15, number(300))
    assert world.hear(rt.NEW_RULE, body) == [("rule", "", "added", "priority 1000, table 300")]
    assert world.hear(rt.DEL_RULE, body) == [("rule", "", "removed", "priority 1000, table 300")]


def neighbour(state: int, family: int = socket.AF_INET) -> bytes:
    return struct.pack("=BxxxiHBB", family, WAN, state, 0, 1) + attribute(1, socket.inet_aton("192.0.2.1"))


def test_of_neighbours_only_a_failure_is_told(world: World) -> None:
    assert world.hear(rt.NEW_NEIGHBOUR, neighbour(0x02)) == []
    assert world.hear(rt.NEW_NEIGHBOUR, neighbour(rt.FAILED, socket.AF_BRIDGE)) == []
    assert world.hear(rt.NEW_NEIGHBOUR, neighbour(rt.FAILED)) == [("neighbour", "wan", "failed", "192.0.2.1")]
    assert world.hear(rt.DEL_NEIGHBOUR, neighbour(rt.FAILED)) == [("neighbour", "wan", "removed", "192.0.2.1")]


def test_after_a_loss_the_differences_are_told(world: World) -> None:
    world.memory.hear(message(rt.NEW_ROUTE, route(WAN, "192.0.2.1")), 1)
    world.told.clear()
    world.memory.lost(2)
    world.dump(rt.GET_LINK, message(rt.NEW_LINK, link(WAN, "wan", UP), rt.PART))
    world.dump(rt.GET_ADDRESS, message(rt.NEW_ADDRESS, address(WAN, "198.51.100.7"), rt.PART))
    assert [(one.kind.value, one.device, one.what.value) for one in world.told] == [
        ("overflow", "", "lost"),
        ("link", "wan", "down"),
        ("link", "lte", "removed"),
        ("address", "wan", "added"),
        ("address", "wan", "removed"),
    ]
    assert world.hear(rt.NEW_ROUTE, route(WAN, "192.0.2.1")) == [("route", "wan", "added", "default")]


def test_what_happens_during_a_dump_is_not_gone_after_it(world: World) -> None:
    world.memory.begin_dump()
    world.memory.hear(message(rt.NEW_LINK, link(WAN, "wan"), rt.PART) + message(rt.NEW_LINK, link(LTE, "lte"), rt.PART), 1)
    world.memory.hear(message(rt.NEW_LINK, link(9, "ppp7")), 1)
    world.memory.end_dump(rt.GET_LINK, 1)
    assert [(one.device, one.what.value) for one in world.told] == [("ppp7", "added"), ("ppp7", "up")]


def test_memories_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathwarden.net.happenings._REMEMBERED", 8)
    for index in range(10, 100):
        world.hear(rt.NEW_LINK, link(index, f"d{index}"))
        world.hear(rt.NEW_ADDRESS, address(index, f"10.0.0.{index}"))
        world.hear(rt.NEW_ROUTE, route(index, "10.0.0.1", metric=index))
    assert len(world.memory._links) == len(world.memory._addresses) == len(world.memory._routes) == 8


def test_several_messages_come_in_one_datagram(world: World) -> None:
    both = message(rt.NEW_LINK, link(WAN, "wan", 0)) + message(rt.NEW_RULE, struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 1, 0))
    assert list(world.memory.hear(both, 1)) == ["link", "rule"]
    assert [one.kind.value for one in world.told] == ["link", "rule"]


KINDS = st.sampled_from(
    [rt.NEW_LINK, rt.DEL_LINK, rt.NEW_ADDRESS, rt.DEL_ADDRESS, rt.NEW_ROUTE, rt.DEL_ROUTE, rt.NEW_NEIGHBOUR, rt.NEW_RULE, rt.DEL_RULE, 3]
)
BODIES = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([link(WAN, "wan", 0), address(LTE, "2001:db8::1"), route(LTE, "10.9.8.1"), neighbour(rt.FAILED)]),
)


@given(st.binary(max_size=300))
def test_no_bytes_disturb_it(data: bytes) -> None:
    world = World()
    world.memory.hear(data, 1)
    assert all(isinstance(one, Happening) for one in world.told)


@given(st.lists(st.tuples(KINDS, st.sampled_from([0, rt.PART, rt.REPLACE]), BODIES, st.integers(0, 60), st.integers(0, 255)), max_size=8))
def test_damaged_messages_are_counted_at_most(parts: list[tuple[int, int, bytes, int, int]]) -> None:
    world = World()
    world.memory.begin_dump()
    for kind, flags, body, place, byte in parts:
        damaged = bytearray(body)
        if place < len(damaged):
            damaged[place] = byte
        world.memory.hear(message(kind, bytes(damaged), flags), 1)
    world.memory.end_dump(rt.GET_LINK, 2)
    world.memory.flush()
    assert all(one.kind in HappeningKind and isinstance(one.device, str) for one in world.told)
    assert world.memory.malformed <= len(parts)


@given(st.sampled_from([rt.link, rt.address, rt.route, rt.rule, rt.neighbour, rt.width]), st.binary(max_size=120))
def test_a_reader_gives_a_value_or_the_one_error(read, body) -> None:
    try:
        read(body)
    except MalformedPacket as error:
        assert str(error)


@pytest.mark.parametrize(("action", "what"), [("ifup", What.UP), ("ifdown", What.DOWN), ("ifupdate", What.CHANGED)])
def test_what_netifd_tells(action: str, what: What) -> None:
    assert of_interface("wan", action, "pppoe-wan", 7) == Happening(HappeningKind.INTERFACE, 7, "pppoe-wan", what, "wan")
    assert of_interface("wan", "free", "pppoe-wan", 7) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-0.5, "at the same moment"),
        (0.05, "at the same moment"),
        (1.8, "1.8 s earlier"),
        (12.3, "12 s earlier"),
        (119.0, "119 s earlier"),
        (130, "2 min earlier"),
    ],
)
def test_how_long_before(seconds: float, words: str) -> None:
    assert earlier(round(seconds * 1e9)) == words
