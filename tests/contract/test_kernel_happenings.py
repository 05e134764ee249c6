"""What a real kernel tells of its changes, as happenings, at once; and what they make of a change of route."""

import os
import queue
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from netlab import standard_lab
from pathwarden.daemon.sources import DeviceNames
from pathwarden.daemon.surroundings import Surroundings
from pathwarden.detect.causes import Journal
from pathwarden.detect.gate import GateState
from pathwarden.detect.load import Load
from pathwarden.model.change import CauseKind
from pathwarden.model.happening import Happening, HappeningKind, NoticeKind
from pathwarden.model.probe import Binding
from pathwarden.net import filters
from pathwarden.net import rtnetlink as rt
from pathwarden.net.clock import SystemClock
from pathwarden.net.events import _GROUPS
from pathwarden.net.netlink import KernelRoutes

SOON_S = 30.0  # it takes milliseconds; a machine that is busy with other tests takes longer


@pytest.fixture(scope="module")
def lab():
    with standard_lab() as built:
        yield built


class Watch:
    """What the kernel told since the watching began."""

    def __init__(self, lab):
        self.lab = lab
        self.told = queue.SimpleQueue()
        self.all = []
        self.kinds = queue.SimpleQueue()
        self.routes = KernelRoutes()
        self.journal = Journal(0)
        with lab.enter("agent"):
            self.routes.watch(self.kinds.put, self.told.put)
        memory = self.routes._events._memory
        deadline = time.monotonic() + SOON_S
        while len(memory._learned) < 2:  # both dumps: only then is everything known that was there before
            assert time.monotonic() < deadline
            os.sched_yield()

    def next(self, deadline_s):
        one = self.told.get(timeout=deadline_s)
        self.all.append(one)
        self.journal.note(one)
        return one

    def heard(self, kind, device, what, *, detail=None):
        """The first such happening."""
        deadline = time.monotonic() + SOON_S
        while True:
            try:
                one = self.next(max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                pytest.fail(f"not heard within {SOON_S} s; heard {self.all}", pytrace=False)
            if (one.kind, one.device, one.what) == (kind, device, what) and detail in (None, one.detail):
                return one

    def lookup(self):
        with self.lab.enter("agent"):
            return self.routes.lookup(self.lab.target4, Binding())

    def cause(self, old, after_s=1.8):
        """The cause of a change that was seen so long after the newest happening."""
        return self.journal.cause_of(self.all[-1].mono_ns + round(after_s * 1e9), old, self.lookup(), GateState.GREEN)


@pytest.fixture
def watch(lab):
    made = Watch(lab)
    yield made
    made.routes.close()


def test_what_was_there_before_is_no_happening(lab, watch):
    lab.ip("agent", "link set wan txqueuelen 900", "link set wan txqueuelen 1000")
    assert watch.kinds.get(timeout=SOON_S) == "link"
    assert watch.told.empty()


def test_a_happening_does_not_wait_until_it_is_quiet(lab):
    heard = queue.SimpleQueue()
    routes = KernelRoutes()
    with lab.enter("agent"):
        routes.watch(heard.put, heard.put)
    try:
        lab.ip("agent", "address add 10.50.0.9/32 dev lo", "address del 10.50.0.9/32 dev lo")
        told = [heard.get(timeout=SOON_S)]
        while told[-1] != "address":
            told.append(heard.get(timeout=SOON_S))
    finally:
        routes.close()
    assert [one.what for one in told if isinstance(one, Happening) and one.detail == "10.50.0.9/32"] == ["added", "removed"]


@pytest.mark.parametrize("narrow_routes", [True, False])
def test_the_kernel_keeps_to_itself_what_is_no_news(lab, narrow_routes):
    with lab.enter("agent"), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as sock:
        filters.attach(sock, filters.news(narrow_routes=narrow_routes))
        sock.bind((0, _GROUPS))
        sock.settimeout(SOON_S)
        lab.ip(
            "agent", "neigh add 10.77.2.45 lladdr 02:00:00:00:00:01 nud stale dev wanb", "neigh change 10.77.2.45 nud reachable dev wanb"
        )
        lab.ip("agent", "neigh del 10.77.2.45 dev wanb")
        lab.ip("agent", "route add 10.53.0.0/16 dev wan", "route add 0.0.0.0/1 dev wanb", "rule add priority 88 lookup 88", family=4)
        lab.ip("agent", "route del 10.53.0.0/16 dev wan", "route del 0.0.0.0/1 dev wanb", "rule del priority 88 lookup 88", family=4)
        kinds = []
        while rt.DEL_RULE not in kinds:
            kinds += [kind for kind, *_ in rt.messages(sock.recv(65536))]
    narrow, wide = [rt.NEW_ROUTE, rt.DEL_ROUTE], [rt.NEW_ROUTE, rt.DEL_ROUTE]
    # The kernel says of a neighbour that somebody deletes that it failed, and then that it went.
    neighbours = [rt.NEW_NEIGHBOUR, rt.DEL_NEIGHBOUR]
    assert sorted(kinds) == sorted([*wide, *(narrow if narrow_routes else []), *neighbours, rt.NEW_RULE, rt.DEL_RULE])


def test_the_default_route_moves_to_another_device(lab, watch):
    old = watch.lookup()
    lab.ip("agent", f"route replace default via {lab.gateway_wanb4}", family=4)
    try:
        found = watch.heard("route", "wanb", "added")
        assert (found.detail, found.gateway, found.table, found.wide) == ("default", lab.gateway_wanb4, 254, True)
        assert watch.cause(old) == (CauseKind.ROUTE, "your default route moved from wan to wanb 1.8 s earlier")
    finally:
        lab.ip("agent", f"route replace default via {lab.gateway4}", family=4)
    assert [one.what for one in (watch.heard("route", "wanb", "removed"), watch.heard("route", "wan", "added"))] == ["removed", "added"]


def test_the_gateway_moves(lab, watch):
    old = watch.lookup()
    other = lab.gateway4.rpartition(".")[0] + ".77"
    lab.ip("agent", f"route replace default via {other}", family=4)
    try:
        watch.heard("route", "wan", "added")
        expected = f"your default route moved from gateway {lab.gateway4} to {other} 1.8 s earlier"
        assert watch.cause(old) == (CauseKind.ROUTE, expected)
    finally:
        lab.ip("agent", f"route replace default via {lab.gateway4}", family=4)


def test_an_address_is_replaced(lab, watch):
    old = watch.lookup()
    other = lab.agent4.rpartition(".")[0] + ".9"
    replace = "address del {}/24 dev wan", "address add {}/24 dev wan", f"route replace default via {lab.gateway4}"
    lab.ip("agent", replace[0].format(lab.agent4), replace[1].format(other), replace[2], family=4)
    try:
        watch.heard("address", "wan", "removed", detail=f"{lab.agent4}/24")
        watch.heard("address", "wan", "added", detail=f"{other}/24")
        watch.heard("route", "wan", "added")
        expected = f"your address on wan changed from {lab.agent4} to {other} 1.8 s earlier"
        assert watch.cause(old) == (CauseKind.ADDRESS, expected)
    finally:
        lab.ip("agent", replace[0].format(other), replace[1].format(lab.agent4), replace[2], family=4)
    watch.heard("address", "wan", "added", detail=f"{lab.agent4}/24")


def test_a_rule_is_edited(lab, watch):
    old = watch.lookup()
    lab.ip("agent", f"rule add to {lab.target4} priority 77 lookup {lab.wanb_table}", family=4)
    try:
        found = watch.heard("rule", "", "added")
        assert found.detail == f"priority 77, table {lab.wanb_table}"
        cause = watch.cause(old)
        assert cause.kind is CauseKind.RULE
        assert cause.detail == f"policy rule added (priority 77, table {lab.wanb_table}) 1.8 s earlier; your traffic moved from wan to wanb"
    finally:
        lab.ip("agent", f"rule del to {lab.target4} priority 77 lookup {lab.wanb_table}", family=4)
    watch.heard("rule", "", "removed")


@pytest.mark.parametrize("who", ["agent", "r1"])
def test_the_uplink_goes_down(lab, watch, who):
    old = watch.lookup()
    lab.ip("agent", f"route add default via {lab.gateway_wanb4} metric 50", family=4)
    device = "wan" if who == "agent" else "agent"
    lab.down(who, device)
    try:
        found = watch.heard("link", "wan", "down")
        assert found.detail == ("set down" if who == "agent" else "no carrier")
        cause = watch.cause(old)
        words = "wan was set down" if who == "agent" else "wan lost its carrier"
        assert cause == (CauseKind.UPLINK, f"{words} 1.8 s earlier; your traffic moved from wan to wanb")
    finally:
        lab.up(who, device)
        lab.ip("agent", f"route del default via {lab.gateway_wanb4} metric 50", family=4)
        lab.settle()
    # A carrier is noticed up to a second late, by the kernel itself.
    deadline = time.monotonic() + SOON_S
    while not any((one.kind, one.device, one.what) == ("link", "wan", "up") for one in watch.all):
        watch.next(max(deadline - time.monotonic(), 0.001))


def test_the_gateway_fails_to_answer(lab, watch):
    old = watch.lookup()
    silent = lab.gateway4.rpartition(".")[0] + ".66"
    lab.sysctl("agent", "net.ipv4.neigh.wan.mcast_solicit", 1)
    lab.sysctl("agent", "net.ipv4.neigh.wan.retrans_time_ms", 100)
    with lab.enter("agent"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"", (silent, 9))
    watch.heard("neighbour", "wan", "failed", detail=silent)
    cause = watch.journal.cause_of(watch.all[-1].mono_ns, old._replace(gateway=silent), old._replace(gateway=silent), GateState.RED)
    assert cause == (CauseKind.UPLINK, f"your gateway {silent} on wan did not answer the address query at the same moment")


def test_a_neighbour_that_somebody_deletes_did_not_fail(lab, watch):
    lab.ip("agent", "neigh add 10.77.2.46 lladdr 02:00:00:00:00:01 dev wanb", "neigh del 10.77.2.46 dev wanb")
    watch.heard("neighbour", "wanb", "failed", detail="10.77.2.46")
    gone = watch.heard("neighbour", "wanb", "removed", detail="10.77.2.46")
    assert watch.journal.recent(gone.mono_ns) == []


def test_a_device_appears_and_disappears(lab, watch):
    lab.ip("agent", "link add ppp7 type veth peer name ppp7b", "link set ppp7b up", "link set ppp7 up")
    watch.heard("link", "ppp7", "added")
    watch.heard("link", "ppp7", "up")
    lab.ip("agent", "link set ppp7 mtu 1492")
    watch.heard("link", "ppp7", "changed", detail="MTU 1500 to 1492")
    lab.ip("agent", "link del ppp7")
    watch.heard("link", "ppp7", "removed")


def test_other_neighbours_and_a_refreshed_route_are_no_news(lab, watch):
    lab.ip("agent", f"route replace default via {lab.gateway4}", "neigh replace 10.77.2.44 lladdr 02:00:00:00:00:01 dev wanb", family=4)
    lab.ip("agent", "address add 10.50.0.1/32 dev lo", "address del 10.50.0.1/32 dev lo")
    assert watch.next(SOON_S).kind == "address"


def routes_changed(lab, count, table=310):
    lines = [f"route {verb} 10.{i >> 8}.{i & 255}.0/24 dev wan table {table}" for verb in ("add", "del") for i in range(count)]
    lab.ip("agent", *lines)


def test_a_flood_of_route_changes_is_cheap_and_nothing_is_lost_silently(lab, watch):
    thread = watch.routes._events._thread
    before_s = cpu_s(thread)
    begun = time.monotonic()
    routes_changed(lab, 5000)
    lab.ip("agent", f"route replace default via {lab.gateway_wanb4}", family=4)
    try:
        watch.heard("route", "wanb", "added")
    finally:
        lab.ip("agent", f"route replace default via {lab.gateway4}", family=4)
    watch.heard("route", "wan", "added")
    # A busy machine lets more than a second pass amid the flood, and a moment in which it is quiet: then it is told in parts.
    while not any(one.changes >= 64 for one in watch.all):
        watch.next(SOON_S)
    took_s, cost_s = time.monotonic() - begun, cpu_s(thread) - before_s
    lost = [one for one in watch.all if one.kind is HappeningKind.OVERFLOW]
    print(
        f"10,000 route changes in {took_s:.2f} s: {cost_s * 1000:.0f} ms of the thread, {len(watch.all)} happenings, {len(lost)} overflows"
    )
    first = next(one for one in watch.all if one.table == 310)
    assert (first.wide, first.detail, first.device) == (False, "10.0.0.0/24", "wan")
    assert len(watch.all) < 20 + took_s


def cpu_s(thread):
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def test_an_overflow_is_told_and_made_up_for(lab, watch, monkeypatch):
    events = watch.routes._events
    held, go = threading.Event(), threading.Event()

    def hold():
        held.set()
        assert go.wait(30)

    monkeypatch.setattr(events, "_at_once", hold)
    lab.ip("agent", "address add 10.50.0.1/32 dev lo")
    assert held.wait(5)  # the thread does not read while the rest happens
    for _ in range(3):
        routes_changed(lab, 500)
    lab.ip("agent", "address add 10.50.0.2/32 dev lo", "address del 10.50.0.1/32 dev lo")
    go.set()
    watch.heard("overflow", "", "lost")
    watch.heard("address", "lo", "added", detail="10.50.0.2/32")
    watch.heard("address", "lo", "removed", detail="10.50.0.1/32")
    lab.ip("agent", "address del 10.50.0.2/32 dev lo")
    watch.heard("address", "lo", "removed", detail="10.50.0.2/32")


class Silence:
    """Counters and name servers that have nothing to say."""

    silent_since_ns = None

    def check(self):
        pass

    def read(self, _device):
        return None


def test_the_surroundings_tell_of_an_uplink_that_went(lab, watch):
    clock = SystemClock()
    around = Surroundings(clock, watch.routes, DeviceNames(), (), Silence(), Silence(), Load())
    old = watch.lookup()
    around.uses("", lab.target4, old)

    def turn(after_s):
        with lab.enter("agent"):
            return around.tick(clock.mono_ns() + round(after_s * 1e9))

    def passed_on(kind, device, what):
        found = watch.heard(kind, device, what)
        for one in watch.all:
            around.note(one)
        watch.all.clear()
        return found

    assert turn(0) == ()
    lab.ip("agent", f"route add default via {lab.gateway_wanb4} metric 50", family=4)
    lab.down("r1", "agent")
    try:
        passed_on("link", "wan", "down")
        assert turn(0) == ()
        (down,) = turn(6)
        assert (down.kind, down.device) == (NoticeKind.UPLINK_DOWN, "wan")
        assert down.sentence == "Uplink wan is down: no carrier; traffic leaves by wanb."
        cause = around.cause_of(clock.mono_ns(), old, watch.lookup(), by_load=True)
        assert cause.kind is CauseKind.UPLINK
        assert cause.detail.startswith("wan lost its carrier ")
        assert cause.detail.endswith("; your traffic moved from wan to wanb")
    finally:
        lab.up("r1", "agent")
        lab.ip("agent", f"route del default via {lab.gateway_wanb4} metric 50", family=4)
        lab.settle()
    deadline = time.monotonic() + SOON_S
    while not any((one.kind, one.device, one.what) == ("link", "wan", "up") for one in watch.all):
        watch.next(max(deadline - time.monotonic(), 0.001))
    for one in watch.all:
        around.note(one)
    assert turn(7) == ()
    assert [(one.kind, one.sentence) for one in turn(13)] == [(NoticeKind.UPLINK_UP, "Uplink wan is up again, by wan.")]


def test_the_counters_of_an_uplink_are_read(lab):
    """In a program of its own, since /sys shows the namespace in which it was mounted."""
    program = "from pathwarden.net.counters import Counters; c = Counters(); print(*c.read('wan'), c.read('absent0'))"
    done = lab.exec("agent", [sys.executable, "-c", program], stderr=subprocess.PIPE, stdout=subprocess.PIPE, capture_output=False)
    received, sent, absent = done.stdout.split()
    assert int(received) > 0
    assert int(sent) > 0
    assert absent == "None"
    assert Path("/sys/class/net/lo/statistics/rx_bytes").exists()
