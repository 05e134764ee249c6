"""The kernel's own answers about its routes, and its news about changes."""

import queue
import socket
import threading
import time

import pytest

from netlab import standard_lab
from pathwarden.errors import ProbeError
from pathwarden.model.probe import Binding
from pathwarden.model.trace import KernelRoute
from pathwarden.net.netlink import KernelRoutes

ANYWHERE = Binding()
DEADLINE_S = 30  # it takes milliseconds; a busy machine takes longer


@pytest.fixture(scope="module")
def lab():
    with standard_lab() as built:
        built.ip(
            "agent",
            "route add unreachable 10.99.1.0/24",
            "route add blackhole 10.99.2.0/24",
            "route add prohibit 10.99.3.0/24",
            "route add unreachable fd99:1::/64",
            f"route add 10.98.0.0/16 via inet6 {built.gateway6} dev wan",
            "route add fd98::/64 via fe80::1 dev wan",
            f"route add 10.97.0.0/16 via {built.gateway_wanb4} table 300",
        )
        built.ip("agent", "rule add oif wanb lookup 300", "rule add fwmark 0x3000/0xff00 lookup 301", family=4)
        yield built


@pytest.fixture
def routes(lab):
    with lab.enter("agent"):
        made = KernelRoutes()
        yield made
        made.close()


@pytest.fixture
def news(lab, routes):
    """What the kernel told, while the oracle watches."""
    told = queue.SimpleQueue()
    with lab.enter("agent"):
        routes.watch(told.put)
    return told


def test_the_main_table(lab, routes):
    assert routes.lookup(lab.target4, ANYWHERE) == KernelRoute("wan", lab.agent4, lab.gateway4, 254)
    assert routes.lookup(lab.target6, ANYWHERE) == KernelRoute("wan", lab.agent6, lab.gateway6, 254)


def test_a_neighbour_is_on_link_and_we_are_local(lab, routes):
    assert routes.lookup(lab.gateway4, ANYWHERE) == KernelRoute("wan", lab.agent4, "", 254)
    assert routes.lookup("127.0.0.1", ANYWHERE) == KernelRoute("lo", "127.0.0.1", "", 255)


@pytest.mark.parametrize("af", [4, 6])
def test_device_address_and_mark_lead_through_the_second_uplink(lab, routes, af):
    dst, source, gateway = (
        (lab.target4, lab.agent_wanb4, lab.gateway_wanb4) if af == 4 else (lab.target6, lab.agent_wanb6, lab.gateway_wanb6)
    )
    assert routes.lookup(dst, Binding(device="wanb")) == KernelRoute("wanb", source, gateway, 254)
    assert routes.lookup(dst, Binding(address=source)) == KernelRoute("wanb", source, gateway, lab.wanb_table)
    assert routes.lookup(dst, Binding(fwmark=lab.fwmark)) == KernelRoute("wanb", source, gateway, lab.wanb_table)


def test_the_device_decides_over_the_source_address_as_for_a_bound_socket(lab, routes):
    found = routes.lookup(lab.target6, Binding(device="wanb", address=lab.agent6))
    assert (found.device, found.source, found.gateway) == ("wanb", lab.agent6, lab.gateway_wanb6)


@pytest.mark.parametrize("af", [4, 6])
def test_a_forced_next_hop_is_the_gateway(lab, routes, af):
    dst, source, gateway, first = (
        (lab.target4, lab.agent_wanb4, lab.gateway_wanb4, lab.agent4)
        if af == 4
        else (lab.target6, lab.agent_wanb6, lab.gateway_wanb6, lab.agent6)
    )
    through = KernelRoute("wanb", source, gateway, 254)
    assert routes.lookup(dst, Binding(next_hop=gateway)) == through
    assert routes.lookup(dst, Binding(next_hop=gateway, device="wanb", fwmark=lab.fwmark, table=lab.wanb_table)) == through
    assert routes.lookup(dst, Binding(next_hop=gateway, address=first)) == through._replace(source=first)


@pytest.mark.parametrize("binding", [{"next_hop": "10.77.13.2"}, {"next_hop": "10.77.2.2", "device": "wan"}])
def test_a_next_hop_is_a_neighbour(lab, routes, binding):
    with pytest.raises(ProbeError) as caught:
        routes.lookup(lab.target4, Binding(**binding))
    assert str(caught.value) == f"no route to the target: next hop {binding['next_hop']} is not on the link"


def test_link_addresses_of_neighbours(lab, routes):
    own = lab.exec("b1", ["cat", "/sys/class/net/agent/address"]).stdout.strip()
    lab.exec("agent", ["ping", "-c1", lab.gateway_wanb4])
    assert routes.link_address(lab.gateway_wanb4, "wanb") == bytes.fromhex(own.replace(":", ""))
    assert routes.link_address("10.77.2.77", "wanb") is None
    with pytest.raises(ProbeError) as caught:
        routes.link_address(lab.gateway_wanb4, "absent0")
    assert caught.value.reason == "device_absent"


@pytest.mark.parametrize("af", [4, 6])
def test_only_what_is_on_the_link_is_reached_directly(lab, routes, af):
    dst, gateway = (lab.target4, lab.gateway4) if af == 4 else (lab.target6, lab.gateway6)
    assert routes.lookup(gateway, Binding(direct=True)).gateway == ""
    with pytest.raises(ProbeError) as caught:
        routes.lookup(dst, Binding(direct=True))
    assert caught.value.code == f"no_route: {dst} is not on the link"


class Vrf:
    """What a kernel with a VRF answers (no kernel here has any): the route through the device of it that is taken."""

    def __init__(self, vrf, taken):
        self.vrf, self.taken = vrf, taken

    def route(self, _get, *, oif, dst, **_):
        assert oif == self.vrf
        found = {"RTA_DST": dst, "RTA_TABLE": 10, "RTA_OIF": self.taken, "RTA_PREFSRC": "10.77.2.1", "RTA_GATEWAY": "10.77.2.2"}
        return [{"attrs": list(found.items())}]

    def close(self):
        pass


def test_a_vrf_is_left_through_one_of_its_devices(lab, routes):
    with lab.enter("agent"):
        routes._ip = Vrf(socket.if_nametoindex("wan"), socket.if_nametoindex("wanb"))
        assert routes.lookup(lab.target4, Binding(device="wan")) == KernelRoute("wanb", "10.77.2.1", "10.77.2.2", 10)


@pytest.mark.parametrize("af", [4, 6])
def test_a_table_is_reached_through_a_rule(lab, routes, af):
    dst, source, gateway = (
        (lab.target4, lab.agent_wanb4, lab.gateway_wanb4) if af == 4 else (lab.target6, lab.agent_wanb6, lab.gateway_wanb6)
    )
    binding = Binding(table=lab.wanb_table)
    effective = routes.effective(binding, af)
    assert effective == Binding(address=source, table=lab.wanb_table)  # the rule by source comes before the one by mark
    assert routes.effective(effective, af) == effective
    assert routes.lookup(dst, binding) == KernelRoute("wanb", source, gateway, lab.wanb_table)
    by_mark = routes.effective(Binding(table=lab.wanb_table, address=lab.agent4 if af == 4 else lab.agent6), af)
    assert by_mark.fwmark == lab.fwmark


def test_a_table_is_reached_by_device_or_masked_mark(routes):
    assert routes.effective(Binding(table=300), 4) == Binding(device="wanb", table=300)
    assert routes.effective(Binding(table=301), 4) == Binding(fwmark=0x3000, table=301)
    assert routes.effective(Binding(table=301, fwmark=0x3055), 4) == Binding(fwmark=0x3055, table=301)


def test_without_a_table_a_binding_stays_as_it_is(routes):
    assert routes.effective(Binding(device="wan"), 4) == Binding(device="wan")


@pytest.mark.parametrize(
    ("binding", "af", "command"),
    [
        (Binding(table=777), 4, "ip rule add fwmark 777 lookup 777"),
        (Binding(table=777, address="fd77:1::1"), 6, "ip -6 rule add from fd77:1::1 lookup 777"),
        (Binding(table=777, device="wan"), 4, "ip rule add oif wan lookup 777"),
    ],
)
def test_a_table_without_a_rule_names_the_command(routes, binding, af, command):
    with pytest.raises(ProbeError) as caught:
        routes.effective(binding, af)
    assert (caught.value.reason, caught.value.detail) == ("no_table_rule", command)


def test_a_table_that_has_no_route_there_is_not_answered_by_another(lab, routes):
    with pytest.raises(ProbeError) as caught:
        routes.lookup(lab.target4, Binding(table=300))
    assert (caught.value.reason, caught.value.detail) == ("no_route", "routing table 300 has none")
    assert routes.lookup("10.97.1.1", Binding(table=300)).gateway == lab.gateway_wanb4


def test_gateways_of_the_other_family_and_link_local_ones(lab, routes):
    assert routes.lookup("10.98.1.1", ANYWHERE).gateway == lab.gateway6
    assert routes.lookup("fd98::1", ANYWHERE).gateway == "fe80::1"


@pytest.mark.parametrize(
    ("dst", "binding", "reason"),
    [
        ("10.99.1.1", ANYWHERE, "no_route"),
        ("10.99.2.1", ANYWHERE, "no_route"),
        ("10.99.3.1", ANYWHERE, "no_route"),
        ("fd99:1::1", ANYWHERE, "no_route"),
        ("10.1.1.1", Binding(device="absent0"), "device_absent"),
        ("10.1.1.1", Binding(address="10.55.55.55"), "no_route"),
    ],
)
def test_why_there_is_no_answer(routes, dst, binding, reason):
    with pytest.raises(ProbeError) as caught:
        routes.lookup(dst, binding)
    assert caught.value.reason == reason


def test_a_device_that_is_down(lab, routes):
    lab.down("agent", "wanb")
    try:
        with pytest.raises(ProbeError) as caught:
            routes.lookup(lab.target4, Binding(device="wanb"))
        assert (caught.value.reason, caught.value.detail) == ("device_down", "wanb")
    finally:
        lab.up("agent", "wanb")


def test_default_gateways(lab, routes):
    assert routes.default_gateway(4) == lab.gateway4
    assert routes.default_gateway(6) == lab.gateway6
    assert routes.has_route("2001:db8::1")
    with lab.enter("b2"):  # a router that knows its neighbours alone
        lab.ip("b2", "route del 0.0.0.0/0")
        there = KernelRoutes()
        assert there.default_gateway(4) is None
        assert not there.has_route("192.0.2.1")
        assert there.default_gateway(6) is not None
        there.close()


def heard(news, kind):
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if news.get(timeout=DEADLINE_S) == kind:
            return True
    return False


def test_answers_are_remembered_until_the_kernel_reports_a_change(lab, routes, news, monkeypatch):
    asked = []
    real = routes._look_up
    monkeypatch.setattr(routes, "_look_up", lambda *args: asked.append(args) or real(*args))
    for _ in range(3):
        assert routes.lookup(lab.target4, ANYWHERE).gateway == lab.gateway4
    assert len(asked) == 1
    lab.route("agent", f"{lab.target4}/32", lab.gateway_wanb4)
    try:
        assert heard(news, "route")
        assert routes.lookup(lab.target4, ANYWHERE).gateway == lab.gateway_wanb4
    finally:
        lab.ip("agent", f"route del {lab.target4}/32")
    assert heard(news, "route")
    assert routes.lookup(lab.target4, ANYWHERE).gateway == lab.gateway4
    assert len(asked) == 3


def test_without_watching_nothing_is_remembered(lab, routes):
    assert routes.lookup(lab.target4, ANYWHERE).gateway == lab.gateway4
    lab.route("agent", f"{lab.target4}/32", lab.gateway_wanb4)
    try:
        assert routes.lookup(lab.target4, ANYWHERE).gateway == lab.gateway_wanb4
    finally:
        lab.ip("agent", f"route del {lab.target4}/32")


@pytest.mark.parametrize(
    ("kind", "do", "undo", "family"),
    [
        ("address", "address add 10.50.0.1/24 dev wan", "address del 10.50.0.1/24 dev wan", 4),
        ("address", "address add fd50::1/64 dev wan nodad", "address del fd50::1/64 dev wan", 6),
        ("rule", "rule add fwmark 99 lookup 99", "rule del fwmark 99 lookup 99", 4),
        ("rule", "rule add fwmark 99 lookup 99", "rule del fwmark 99 lookup 99", 6),
        ("route", "route add 10.51.0.0/16 dev wan", "route del 10.51.0.0/16 dev wan", 4),
        ("route", "route add fd51::/64 dev wan", "route del fd51::/64 dev wan", 6),
        ("link", "link set wan mtu 1400", "link set wan mtu 1500", 4),
    ],
)
def test_every_kind_of_change_is_told(lab, news, kind, do, undo, family):
    for command in (do, undo):
        lab.ip("agent", command, family=family)
        assert heard(news, kind)


def test_many_changes_are_told_once(lab, news):
    lab.ip("agent", *(f"route add 10.52.{i}.0/24 dev wan" for i in range(200)))
    lab.ip("agent", *(f"route del 10.52.{i}.0/24 dev wan" for i in range(200)))
    assert heard(news, "route")
    lab.ip("agent", "address add 10.50.0.1/24 dev wan", "address del 10.50.0.1/24 dev wan")
    told = ["route"]
    while told[-1] != "address":
        told.append(news.get(timeout=DEADLINE_S))
    assert len(told) <= 6


def test_who_else_remembers_is_told_before_it_is_quiet(lab, routes):
    told = queue.SimpleQueue()
    with lab.enter("agent"):
        routes.watch(told.put, at_once=lambda: told.put(routes.lookup(lab.target4, ANYWHERE).gateway))
    assert routes.lookup(lab.target4, ANYWHERE).gateway == lab.gateway4
    lab.route("agent", f"{lab.target4}/32", lab.gateway_wanb4)
    try:
        heard_in_order = [told.get(timeout=DEADLINE_S) for _ in range(3)]
    finally:
        lab.ip("agent", f"route del {lab.target4}/32")
    # First of all, while the old answer is still remembered here; once more when it is quiet; then what kind of change it was.
    assert heard_in_order == [lab.gateway4, lab.gateway_wanb4, "route"]


def test_close_ends_the_thread_and_watching_may_begin_again(lab, routes, news):
    routes.close()
    assert "kernel-events" not in {thread.name for thread in threading.enumerate()}
    with lab.enter("agent"):
        routes.watch(news.put)
        lab.ip("agent", "address add 10.50.0.1/24 dev wan", "address del 10.50.0.1/24 dev wan")
        assert heard(news, "address")
        assert routes.lookup(lab.target4, ANYWHERE).gateway == lab.gateway4
