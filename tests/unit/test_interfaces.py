"""netifd's interfaces: what its dump says, what a source is bound to, and whom a change concerns."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.ubus import exchange
from pathwarden.errors import ProbeError
from pathwarden.model.happening import HappeningKind, What
from pathwarden.model.probe import Binding
from pathwarden.model.settings import Source
from pathwarden.net.interfaces import Interfaces, affected, interfaces_in, source_address
from pathwarden.net.ubus_message import Status


def entry(name, device="", *, up=True, v4=(), v6=(), prefixes=(), assigned=(), **more):
    """One interface as netifd tells it."""
    told = {"interface": name, "up": up, **more}
    if not up:
        return told
    return told | {
        "l3_device": device,
        "ipv4-address": [{"address": address, "mask": 24} for address in v4],
        "ipv6-address": [each if isinstance(each, dict) else {"address": each, "mask": 64, "preferred": 3600} for each in v6],
        "ipv6-prefix": [{"address": prefix, "mask": 56} for prefix in prefixes],
        "ipv6-prefix-assignment": [{"address": "x", "mask": 64, "local-address": {"address": each, "mask": 64}} for each in assigned],
    }


def dump(*entries):
    return {"interface": list(entries)}


HOME = (
    entry("lan", "br-lan", v4=["192.168.1.1"], v6=["fd00::1"], assigned=["2001:db8:a:1::1", "fd00::1"]),
    entry("wan", "pppoe-wan", v4=["203.0.113.7"], metric=10),
    entry("wan_6", "pppoe-wan", v6=["fe80::1"], prefixes=["2001:db8:a::"]),
    entry("lte", "wwan0", v4=["10.9.8.7"], v6=["2001:db8:b::7"], ip4table=101, ip6table=254),
    entry("vpn", up=False),
)


class Bus:
    """A bus in the test's hands: `answer` lets netifd speak."""

    def __init__(self):
        self.on_ready = lambda: None
        self.asked = []
        self.ears = {}
        self.later = []

    def ask(self, path, method, data, timeout_s, done):
        assert (path, method, data) == ("network.interface", "dump", {})
        assert timeout_s > 0
        self.asked.append(done)

    def listen(self, pattern, heard):
        self.ears["event", pattern] = heard

    def subscribe(self, path, heard):
        self.ears["notification", path] = heard

    def after(self, pause_s, action):
        self.later.append((pause_s, action))

    def answer(self, *entries, status=Status.OK):
        self.asked.pop(0)(status, dump(*entries) if status is Status.OK else {})

    def event(self, action, interface):
        self.ears["event", "network.interface"]("network.interface", {"action": action, "interface": interface})


class Mark:
    def __init__(self, value=0):
        self.value, self.refreshed = value, 0

    def refresh(self):
        self.refreshed += 1

    def __call__(self):
        return self.value


class World:
    def __init__(self, mark=0):
        self.bus, self.mark, self.changed = Bus(), Mark(mark), []
        self.interfaces = Interfaces(self.bus, self.mark)
        self.interfaces.on_change = self.changed.append

    def told(self, *entries):
        self.bus.on_ready()
        self.bus.answer(*entries)
        self.changed.clear()
        return self

    def binding(self, interface, af=4, **own):
        return self.interfaces.binding(Source("s", Binding(**own), interface), af)

    def refusal(self, interface, af=4):
        with pytest.raises(ProbeError) as error:
            self.binding(interface, af)
        return error.value.reason, error.value.detail


def test_the_recorded_dump():
    known = interfaces_in(json.loads(exchange("interface-dump").output))
    assert list(known) == ["lan", "loopback"]
    lan = known["lan"]
    assert (lan.up, lan.device, lan.addresses4, lan.addresses6, lan.ip4table, lan.metric) == (True, "eth0", ("10.254.77.2",), (), 0, 0)


def test_a_source_is_bound_to_device_and_address_of_its_interface():
    world = World().told(*HOME)
    assert world.binding("wan") == Binding("pppoe-wan", "203.0.113.7")
    assert world.binding("lte", 6) == Binding("wwan0", "2001:db8:b::7")
    assert world.binding("", 4, device="eth7", fwmark=3) == Binding("eth7", fwmark=3)


def test_a_table_of_netifd_is_reached_by_its_rule_for_the_address():
    world = World().told(*HOME)
    assert world.binding("lte") == Binding("wwan0", "10.9.8.7", 101)
    assert world.binding("lte", 6).table == 0, "the main table needs no rule"
    world.told(entry("lte", "wwan0", ip4table=101))
    assert world.binding("lte") == Binding("wwan0"), "without an address no rule leads there"


def test_wan_and_wan6_share_a_device():
    world = World().told(entry("wan", "eth1", v4=["203.0.113.7"]), entry("wan6", "eth1", v6=["2001:db8::7"]))
    assert world.binding("wan", 6) == Binding("eth1", "2001:db8::7")
    assert world.binding("wan6", 4) == Binding("eth1", "203.0.113.7")


def test_an_uplink_with_a_delegated_prefix_alone_sends_from_an_address_in_it():
    world = World().told(*HOME)
    for name in ("wan_6", "wan"):  # the second knows of the prefix by its device
        assert world.binding(name, 6) == Binding("pppoe-wan", "2001:db8:a:1::1")
    world.told(entry("wan_6", "pppoe-wan", prefixes=["2001:db8:c::"]), *HOME[:1])
    assert world.binding("wan_6", 6) == Binding("pppoe-wan"), "an address of another prefix will not do"


def test_addresses_come_best_first():
    addresses = [
        "fe80::1",
        "fd00::2",
        {"address": "2001:db8::3", "mask": 64, "preferred": 0},
        {"address": "2001:db8::4", "mask": 64},
        "2001:db8::5",
        {"address": "nonsense"},
        {"address": "10.0.0.1"},
    ]
    (found,) = interfaces_in(dump(entry("wan6", "eth1", v6=addresses))).values()
    assert found.addresses6 == ("2001:db8::4", "2001:db8::5", "fd00::2", "2001:db8::3")
    assert source_address({}, found, 6) == "2001:db8::4"
    assert source_address({}, found, 4) == ""


def test_what_the_source_says_itself_has_precedence():
    world = World(mark=0x3F00).told(*HOME)
    assert world.binding("lte") == Binding("wwan0", "10.9.8.7", 101, 0x3F00)
    own = {"address": "10.9.8.8", "table": 7, "fwmark": 5}
    assert world.binding("lte", **own) == Binding("wwan0", **own)


def test_what_is_down_or_absent_says_so_by_its_name():
    world = World().told(*HOME)
    assert world.refusal("vpn") == ("device_down", "vpn")
    assert world.refusal("nowhere") == ("device_absent", "nowhere")
    world.told(entry("wan", "eth1", up=True) | {"l3_device": None})
    assert world.refusal("wan") == ("device_down", "wan")


def test_before_netifd_has_answered_the_reason_says_why():
    world = World()
    assert world.refusal("wan") == ("device_absent", "wan (netifd has not answered yet)")
    assert not world.interfaces.wait(0)
    world.bus.on_ready()
    world.bus.answer(status=Status.PERMISSION_DENIED)
    assert world.interfaces.wait(0), "a refusal ends the waiting, too"
    assert world.refusal("wan") == ("device_absent", "wan (network.interface dump: permission denied)")
    ((pause_s, again),) = world.bus.later
    assert pause_s == 10
    again()
    world.bus.answer(*HOME)
    assert world.binding("wan").device == "pppoe-wan"
    assert world.interfaces.trouble == ""
    assert world.changed == ["lan", "lte", "vpn", "wan", "wan_6"]


def test_what_was_known_holds_while_ubus_is_away():
    world = World().told(*HOME)
    world.interfaces.refresh()
    world.bus.answer(status=Status.CONNECTION_FAILED)
    assert world.binding("wan").device == "pppoe-wan"
    assert (world.bus.later, world.changed) == ([], []), "the next connection asks"


def test_ifdown_and_ifup_are_told_at_once_with_what_they_mean():
    world = World().told(*HOME)
    world.bus.event("ifdown", "lte")
    world.bus.answer(*HOME[:3], entry("lte", up=False), HOME[4])
    assert world.changed == ["lte"]
    assert world.refusal("lte") == ("device_down", "lte")
    world.changed.clear()
    world.bus.event("ifup", "lte")
    world.bus.answer(*HOME)
    assert world.changed == ["lte"]
    assert world.mark.refreshed == 3


def test_going_down_and_up_within_a_moment_is_told_although_all_is_as_before():
    world = World().told(*HOME)
    world.bus.event("ifdown", "lte")
    world.bus.event("ifup", "lte")
    assert len(world.bus.asked) == 1, "one question at a time"
    world.bus.answer(*HOME[:3])
    assert world.changed == [], "this answer may be from before"
    world.bus.answer(*HOME)
    assert (world.changed, world.bus.asked) == (["lte"], [])


def test_an_update_that_changes_nothing_for_us_is_not_told():
    world = World().told(*HOME)
    world.bus.ears["notification", "network.interface"]("interface.update", {"interface": "wan", "up": True})
    world.bus.answer(*(each | {"uptime": 99} for each in HOME))
    assert world.changed == []


def test_an_event_without_a_name_only_asks():
    world = World().told(*HOME)
    world.bus.ears["event", "network.interface"]("network.interface", {"interface": 5})
    world.bus.answer(*HOME)
    assert world.changed == []


def test_a_change_concerns_all_whose_way_out_depends_on_it():
    before = interfaces_in(dump(*HOME))
    after = interfaces_in(dump(HOME[0], HOME[1], entry("wan_6", up=False), *HOME[3:]))
    assert affected(before, after, set()) == ["wan", "wan_6"], "on the same device"
    after = interfaces_in(dump(entry("lan", "br-lan", v4=["192.168.1.1"], assigned=["2001:db8:a:2::1"]), *HOME[1:]))
    assert affected(before, after, set()) == ["lan", "wan_6"], "by the delegated prefix"
    assert affected(before, before, set()) == []
    assert affected(before, before, {"vpn", "unknown"}) == ["vpn"]
    assert affected(before, {}, set()) == sorted(before)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["interface", "up", "l3_device", "address", "mask"]), inner)
    ),
    max_leaves=10,
)
KEYS = ["interface", "up", "l3_device", "ipv4-address", "ipv6-address", "ipv6-prefix", "ipv6-prefix-assignment", "ip4table", "metric"]


@given(st.dictionaries(st.just("interface"), st.lists(st.dictionaries(st.sampled_from(KEYS), JSON)) | JSON))
def test_whatever_netifd_says_is_read(told):
    known = interfaces_in(told)
    for one in known.values():
        assert isinstance(source_address(known, one, 6), str)
    affected({}, known, set(known))


def test_what_happens_to_an_interface_is_told_at_once_with_its_device():
    world, told = World().told(*HOME), []
    world.interfaces.on_happening = told.append
    world.bus.event("ifdown", "wan")
    world.bus.event("ifupdate", "lte")
    world.bus.event("ifup-failed", "vpn")
    assert [(one.kind, one.device, one.what, one.detail) for one in told] == [
        (HappeningKind.INTERFACE, "pppoe-wan", What.DOWN, "wan"),
        (HappeningKind.INTERFACE, "wwan0", What.CHANGED, "lte"),
    ]
    world.bus.answer(entry("wan", up=False))
    world.bus.answer(entry("wan", up=False))  # it was asked for again, since it changed meanwhile
    world.bus.event("ifup", "wan")
    assert (told[-1].device, told[-1].what) == ("pppoe-wan", What.UP)
