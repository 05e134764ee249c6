"""How probes leave: next hops, marks, source routes, fragments; and the record of what leaves and comes."""

import contextlib
import socket
import struct
import time

import pytest

from equipment.captures import capture, captured
from netlab import standard_lab
from pathwarden.errors import ProbeError
from pathwarden.model.probe import PLAIN, Binding, Extra, Method, Probe, Reply, ReplyKind
from pathwarden.net.raw import RawTransport
from pathwarden.net.rootless import RootlessTransport

ANYWHERE = Binding()
ROUTERS = ("agent", "r1", "r2", "x3", "r3a", "r3b", "r4", "r5", "r6", "r7", "b1", "b2", "target")
SPLIT = Extra(split=True)


@pytest.fixture(scope="module")
def lab():
    with standard_lab() as built:
        for node in ROUTERS:
            built.sysctl(node, "net.ipv4.conf.all.accept_source_route", 1)
        yield built


@contextlib.contextmanager
def inside(lab, kind):
    with lab.enter("agent"):
        made = kind()
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def raw(lab):
    with inside(lab, RawTransport) as made:
        yield made


@pytest.fixture
def rootless(lab):
    with inside(lab, RootlessTransport) as made:
        yield made


def collect(transport, wanted=1, limit_s=30.0):
    deadline = time.monotonic() + limit_s
    replies = []
    while len(replies) < wanted and time.monotonic() < deadline:
        replies += transport.receive(100_000_000)
    return replies


def exchange(transport, dst, method, ttl, ident, binding=ANYWHERE, size=0, extra=PLAIN):
    flow = transport.flow(dst, method, 0, binding, 0, size, 0, extra)
    assert transport.send(Probe(ident, flow, ttl, 0), binding) > 0
    (reply,) = collect(transport)
    assert ident in (reply.ident, reply.ident_checksum)
    return flow, reply


def sides(lab, af):
    """Target, and of the second uplink gateway, hops and our address."""
    if af == 4:
        return lab.target4, lab.gateway_wanb4, lab.hops_wanb4, lab.agent_wanb4
    return lab.target6, lab.gateway_wanb6, lab.hops_wanb6, lab.agent_wanb6


# -- next hops and marks


@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP, Method.TCP])
@pytest.mark.parametrize("af", [4, 6])
def test_a_next_hop_is_taken_whatever_the_kernels_route_says(lab, raw, method, af):
    dst, gateway, hops, source = sides(lab, af)
    binding = Binding(next_hop=gateway)
    for ttl in (1, 2, 3):
        flow, reply = exchange(raw, dst, method, ttl, 10 + ttl, binding)
        assert flow.src == source
        assert reply.responder in hops[ttl - 1]
    _, reply = exchange(raw, dst, method, 30, 20, binding)
    assert reply.responder == dst
    _, reply = exchange(raw, dst, method, 1, 21)  # and without it as ever
    assert reply.responder in (lab.gateway4, lab.gateway6)


@pytest.mark.parametrize("af", [4, 6])
def test_a_next_hop_that_the_kernel_does_not_know_yet_is_looked_for(lab, raw, af):
    dst, gateway, hops, _ = sides(lab, af)
    lab.ip("agent", f"neigh flush to {gateway} dev wanb")
    _, reply = exchange(raw, dst, Method.UDP, 1, 1, Binding(next_hop=gateway, device="wanb"))
    assert reply.responder in hops[0]


@pytest.mark.parametrize("nobody", ["10.77.2.99", "fd77:2::99"])
def test_a_next_hop_that_is_not_there_is_told_soon(lab, raw, nobody):
    dst = lab.target6 if ":" in nobody else lab.target4
    binding = Binding(next_hop=nobody)
    flow = raw.flow(dst, Method.UDP, 0, binding, 0, 0)
    started = time.monotonic()
    with pytest.raises(ProbeError) as caught:
        raw.send(Probe(1, flow, 1, 0), binding)
    assert time.monotonic() - started < 2.5  # the kernel itself gives up after three seconds
    assert caught.value.code == f"no_route: next hop {nobody} does not answer on wanb"


def test_what_no_next_hop_can_be_forced_for(lab, raw, rootless):
    binding = Binding(next_hop=lab.gateway_wanb4)
    with pytest.raises(ProbeError) as caught:
        raw.flow(lab.target4, Method.TCP_CONNECT, 0, binding, 0, 0)
    assert caught.value.reason == "send_failed"
    with pytest.raises(ProbeError) as caught:
        rootless.flow(lab.target4, Method.UDP, 0, binding, 0, 0)
    assert caught.value.code == "no_permission: a next hop needs raw sockets"
    with pytest.raises(ProbeError) as caught:
        rootless.flow(lab.target4, Method.UDP, 0, ANYWHERE, 0, 0, 0, Extra(gateways=(lab.gateway4,)))
    assert caught.value.code == "no_permission: a source route needs raw sockets"


@pytest.mark.parametrize("method", [Method.TCP, Method.TCP_CONNECT, Method.UDPLITE, Method.DCCP, Method.RAW])
@pytest.mark.parametrize("af", [4, 6])
def test_marks_devices_and_addresses_lead_every_method(lab, raw, method, af):
    dst, _, hops, source = sides(lab, af)
    for ident, binding in enumerate((Binding(fwmark=lab.fwmark), Binding(device="wanb"), Binding(address=source)), 1):
        flow, reply = exchange(raw, dst, method, 1, ident, binding)
        assert flow.src == source
        assert reply.responder in hops[0], binding


@pytest.mark.parametrize("kind", [RawTransport, RootlessTransport])
@pytest.mark.parametrize("af", [4, 6])
def test_directly_only_the_link_is_reached(lab, kind, af):
    dst, gateway = (lab.target4, lab.gateway4) if af == 4 else (lab.target6, lab.gateway6)
    binding = Binding(direct=True)
    with inside(lab, kind) as transport:
        _, reply = exchange(transport, gateway, Method.UDP, 1, 1, binding)
        assert (reply.kind, reply.responder) == (ReplyKind.PORT_UNREACHABLE, gateway)
        with pytest.raises(ProbeError) as caught:
            transport.flow(dst, Method.UDP, 0, binding, 0, 0)
    assert caught.value.reason == "no_route"


@pytest.mark.parametrize("kind", [RawTransport, RootlessTransport])
def test_the_kernel_is_asked_to_debug(lab, kind, monkeypatch):
    asked = []
    real = socket.socket.setsockopt

    class Told(socket.socket):
        def setsockopt(self, *option):
            asked.append(option)
            return real(self, *option)

    monkeypatch.setattr(socket, "socket", Told)
    with inside(lab, kind) as transport:
        exchange(transport, lab.target4, Method.UDP, 1, 1, Binding(debug=True))
    assert (socket.SOL_SOCKET, socket.SO_DEBUG, 1) in asked


# -- source routes


@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP, Method.TCP, Method.UDPLITE])
def test_a_source_route_leads_over_its_gateway(lab, raw, method):
    gateway = lab._branches["0.0.0.0/0"]["x3"]  # which r2 does not use by itself
    extra = Extra(gateways=(gateway,))
    for ttl, responder in ((1, lab.gateway4), (3, gateway), (4, None)):
        flow, reply = exchange(raw, lab.target4, method, ttl, 40 + ttl, extra=extra)
        assert (reply.kind, reply.dst) == (ReplyKind.TIME_EXCEEDED, lab.target4)
        assert responder in (reply.responder, None)
    assert flow.size == {Method.TCP: 48}.get(method, 68)


@pytest.mark.parametrize("kind", [2, 4])
def test_an_ipv6_source_route_stands_in_a_routing_header(lab, raw, kind):
    """The kernels here forward neither type by themselves: what leaves is looked at, and who quotes it."""
    gateway = lab._branches["::/0"]["x3"]
    flow = raw.flow(lab.target6, Method.UDP, 0, ANYWHERE, 0, 0, 0, Extra(gateways=(gateway,), routing_type=kind))
    with capture(lab, "r1", 6) as sniffer:
        assert raw.send(Probe(50, flow, 1, 0), ANYWHERE)
        (packet,) = captured(sniffer, 1, lab.agent6)
    assert packet[24:40] == socket.inet_pton(socket.AF_INET6, gateway)
    assert (packet[6], packet[40], packet[42], packet[43]) == (43, 17, kind, 1)
    assert socket.inet_pton(socket.AF_INET6, lab.target6) in packet[48:]
    (reply,) = collect(raw)
    assert (reply.kind, reply.responder, reply.dst, reply.ident) == (ReplyKind.TIME_EXCEEDED, lab.gateway6, lab.target6, 50)


# -- fragments


@pytest.mark.parametrize("kind", [RawTransport, RootlessTransport])
@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
@pytest.mark.parametrize("af", [4, 6])
def test_a_long_datagram_goes_in_pieces_where_that_is_wanted(lab, kind, method, af):
    dst = lab.target4 if af == 4 else lab.target6
    with inside(lab, kind) as transport, capture(lab, "r1", af) as sniffer:
        flow = transport.flow(dst, method, 0, ANYWHERE, 0, 3500, 0, SPLIT)
        assert transport.send(Probe(61, flow, 30, 0), ANYWHERE)
        pieces = captured(sniffer, 3, flow.src)
        assert all(len(piece) <= 1500 for piece in pieces)
        if af == 4:
            assert [struct.unpack_from(">H", piece, 6)[0] >> 13 for piece in pieces] == [1, 1, 0]
        (reply,) = collect(transport)
        assert (reply.responder, reply.ident) == (dst, 61)
        short = transport.flow(dst, method, 0, ANYWHERE, 0, 400, 0, SPLIT)
        assert transport.send(Probe(62, short, 1, 0), ANYWHERE)
        (packet,) = captured(sniffer, 1, flow.src)
        if af == 4:
            assert not packet[6] & 0x40  # routers may split it
        (reply,) = collect(transport)
        assert reply.kind is ReplyKind.TIME_EXCEEDED


# -- the record


@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP, Method.TCP])
@pytest.mark.parametrize("af", [4, 6])
def test_what_leaves_and_comes_is_recorded_as_it_was(lab, raw, method, af):
    dst, gateway, home = (lab.target4, lab.gateway4, lab.agent4) if af == 4 else (lab.target6, lab.gateway6, lab.agent6)
    told = []
    raw.record = lambda *packet: told.append(packet)
    with capture(lab, "r1", af) as sniffer:
        flow = raw.flow(dst, method, 0, ANYWHERE, 0x20, 0)
        probe = Probe(70, flow, 1, 0)
        sent_ns = raw.send(probe, ANYWHERE)
        (reply,) = collect(raw)
        (left,) = captured(sniffer, 1, home)
    with capture(lab, "agent", af) as sniffer:
        assert raw.send(Probe(71, flow, 30, 0), ANYWHERE)
        (final,) = collect(raw)
        (came,) = captured(sniffer, 1, dst)
    assert told[0] == (left, sent_ns, probe)
    packet, at_ns, said = told[1]
    assert isinstance(said, Reply)
    assert (at_ns, said) == (reply.at_ns, reply)
    assert gateway in (socket.inet_ntop(socket.AF_INET, packet[12:16]), socket.inet_ntop(socket.AF_INET6, packet[8:24]))
    assert told[3] == (came, final.at_ns, final)
    raw.record = None
    exchange(raw, dst, method, 1, 72)
    assert len(told) == 4


def test_pieces_are_recorded_each(lab, raw):
    told = []
    raw.record = lambda *packet: told.append(packet)
    exchange(raw, lab.target4, Method.UDP, 30, 80, size=3500, extra=SPLIT)
    assert [len(packet) for packet, _, _ in told[:-1]] == [1500, 1500, 540]


def test_without_privilege_nothing_is_recorded(lab, rootless):
    told = []
    rootless.record = lambda *packet: told.append(packet)
    exchange(rootless, lab.target4, Method.UDP, 1, 90)
    assert told == []
