"""Both transports, the same tests, on the standard network."""

import contextlib
import random
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from netlab import standard_lab
from pathwarden.errors import ProbeError
from pathwarden.model.probe import Binding, Method, Probe, ReplyKind
from pathwarden.net.raw import RawTransport
from pathwarden.net.rootless import RootlessTransport

SECOND_NS = 1_000_000_000
ANYWHERE = Binding()
KINDS = {"raw": RawTransport, "rootless": RootlessTransport}


@pytest.fixture(scope="module")
def lab():
    with standard_lab() as built:
        built.ip(
            "agent",
            "route add unreachable 10.99.1.0/24",
            "route add blackhole 10.99.2.0/24",
            "route add prohibit 10.99.3.0/24",
            "route add unreachable fd99:1::/64",
        )
        yield built


@pytest.fixture(params=KINDS)
def transport(request, lab):
    with lab.enter("agent"):
        made = KINDS[request.param]()
        yield made
        made.close()


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def collect(transport, wanted, limit_s=30.0):
    deadline = time.monotonic() + limit_s
    replies = []
    while len(replies) < wanted and time.monotonic() < deadline:
        replies += transport.receive(100_000_000)
    return replies


def exchange(transport, dst, method, ttl, ident, binding=ANYWHERE, tos=0, size=0):
    flow = transport.flow(dst, method, 0, binding, tos, size)
    sent_ns = transport.send(Probe(ident, flow, ttl, 0), binding)
    assert sent_ns > 0
    replies = collect(transport, 1)
    assert len(replies) == 1, replies
    return flow, sent_ns, replies[0]


@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
@pytest.mark.parametrize("af", [4, 6])
@pytest.mark.parametrize("ttl", [1, 2, 4, 7])
def test_a_router_answers_that_the_time_is_exceeded(lab, transport, method, af, ttl):
    dst, hops = (lab.target4, lab.hops4) if af == 4 else (lab.target6, lab.hops6)
    flow, sent_ns, reply = exchange(transport, dst, method, ttl, 1000 + ttl)
    assert reply.kind is ReplyKind.TIME_EXCEEDED
    assert reply.icmp_type == (11 if af == 4 else 3)
    assert reply.responder in hops[ttl - 1]
    assert 1000 + ttl in (reply.ident, reply.ident_checksum)
    assert (reply.method, reply.dst, reply.sport, reply.dport) == (method, dst, flow.sport, flow.dport)
    assert 0 < reply.at_ns - sent_ns < SECOND_NS
    assert reply.ttl == 64 - ttl + 1  # each router on the way back takes one off
    assert reply.quoted_ttl == (1 if transport.name == "raw" else 0)


@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
@pytest.mark.parametrize("af", [4, 6])
def test_the_destination_answers(lab, transport, method, af):
    dst = lab.target4 if af == 4 else lab.target6
    flow, sent_ns, reply = exchange(transport, dst, method, 30, 777)
    assert reply.kind is (ReplyKind.PORT_UNREACHABLE if method is Method.UDP else ReplyKind.ECHO_REPLY)
    assert (reply.responder, reply.dst, reply.sport) == (dst, dst, flow.sport)
    assert reply.dport == (33434 if method is Method.UDP else 0)
    assert reply.ident == 777
    assert 0 < reply.at_ns - sent_ns < SECOND_NS


@pytest.mark.parametrize("af", [4, 6])
@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
def test_probes_in_flight_are_told_apart_up_to_the_window(lab, transport, method, af):
    dst = lab.target4 if af == 4 else lab.target6
    flow = transport.flow(dst, method, 0, ANYWHERE, 0, 0)
    window = transport.window(flow)
    assert window == (1 if (transport.name, method) == ("rootless", Method.UDP) else 0xFFFE)
    idents = range(2000, 2000 + min(window, 200))
    for ident in idents:
        assert transport.send(Probe(ident, flow, 1, 0), ANYWHERE)
    replies = collect(transport, len(idents))
    assert sorted(reply.ident or reply.ident_checksum for reply in replies) == list(idents)


def test_an_error_that_waits_on_the_socket_is_no_failure_to_send(lab, transport):
    flow = transport.flow(lab.target4, Method.UDP, 0, ANYWHERE, 0, 0)
    for ident in range(1, 40):  # each reply is noted on the socket before the next probe leaves
        assert transport.send(Probe(ident, flow, 1, 0), ANYWHERE)
    assert len(collect(transport, 39)) == 39


@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
@pytest.mark.parametrize("af", [4, 6])
def test_a_binding_leads_through_the_second_uplink(lab, transport, method, af):
    dst, hops = (lab.target4, lab.hops_wanb4) if af == 4 else (lab.target6, lab.hops_wanb6)
    address = lab.agent_wanb4 if af == 4 else lab.agent_wanb6
    for ident, binding in enumerate((Binding(device="wanb"), Binding(address=address), Binding(fwmark=lab.fwmark)), 1):
        flow, _, reply = exchange(transport, dst, method, 1, ident, binding)
        assert flow.src == address
        assert reply.responder in hops[0], binding
        _, _, reply = exchange(transport, dst, method, 4, 10 + ident, binding)
        assert reply.responder == dst


@pytest.mark.parametrize(
    ("dst", "binding", "reason"),
    [
        ("10.99.1.1", ANYWHERE, "no_route"),
        ("10.99.2.1", ANYWHERE, "no_route"),
        ("10.99.3.1", ANYWHERE, "no_route"),
        ("fd99:1::1", ANYWHERE, "no_route"),
        ("fe80::1", ANYWHERE, "no_route"),  # a link-local target needs a device
        ("10.77.1.2", Binding(device="absent0"), "device_absent"),
        ("10.77.1.2", Binding(address="10.55.55.55"), "address_absent"),
        ("fd77:1::2", Binding(address="fd55::1"), "address_absent"),
    ],
)
def test_why_a_probe_cannot_leave(transport, dst, binding, reason):
    for method in (Method.UDP, Method.ICMP):
        with pytest.raises(ProbeError) as caught:
            transport.flow(dst, method, 0, binding, 0, 0)
        assert caught.value.reason == reason


def test_a_device_that_is_down_is_named(lab, transport):
    binding = Binding(device="wanb")
    flow = transport.flow(lab.target4, Method.UDP, 0, binding, 0, 0)
    assert transport.send(Probe(1, flow, 1, 0), binding)
    lab.down("agent", "wanb")
    try:
        transport.forget()
        with pytest.raises(ProbeError) as caught:
            transport.flow(lab.target4, Method.UDP, 0, binding, 0, 0)
        assert caught.value.reason == "device_down"
        with pytest.raises(ProbeError) as caught:
            transport.send(Probe(2, flow, 1, 0), binding)
        assert caught.value.reason == "device_down"
        assert caught.value.detail == "wanb"
    finally:
        lab.up("agent", "wanb")


def test_a_route_that_vanishes_between_flow_and_send_is_told(lab, transport):
    flow = transport.flow(lab.target4, Method.UDP, 0, ANYWHERE, 0, 0)
    lab.ip("agent", f"route add unreachable {lab.target4}/32")
    try:
        with pytest.raises(ProbeError) as caught:
            transport.send(Probe(1, flow, 1, 0), ANYWHERE)
        assert caught.value.reason == "no_route"
    finally:
        lab.ip("agent", f"route del unreachable {lab.target4}/32")


def test_a_firewall_that_forbids_sending_is_told(lab, transport):
    flow = transport.flow(lab.target4, Method.UDP, 0, ANYWHERE, 0, 0)
    lab.nft("agent", f"add rule inet lab out ip daddr {lab.target4} drop")
    try:
        with pytest.raises(ProbeError) as caught:
            transport.send(Probe(1, flow, 1, 0), ANYWHERE)
        assert caught.value.reason == "no_permission"
    finally:
        lab.nft("agent", "flush chain inet lab out")


def test_a_datagram_too_long_for_the_device_is_told(lab, transport):
    flow = transport.flow(lab.target4, Method.UDP, 0, ANYWHERE, 0, 3000)
    with pytest.raises(ProbeError) as caught:
        transport.send(Probe(1, flow, 1, 0), ANYWHERE)
    assert caught.value.code == "too_long"
    assert transport.receive(0) == []  # the error queue speaks of it, too: that is no reply


def test_wake_ends_the_waiting(transport):
    transport.wake()
    started = time.monotonic()
    assert transport.receive(20 * SECOND_NS) == []
    waker = threading.Thread(target=transport.wake)
    waker.start()
    assert transport.receive(20 * SECOND_NS) == []
    waker.join()
    assert time.monotonic() - started < 10


def test_without_anything_to_read_receive_returns_after_the_time_out(transport):
    started = time.monotonic_ns()
    assert transport.receive(0) == []
    assert transport.receive(30_000_000) == []
    assert 30_000_000 <= time.monotonic_ns() - started < 5 * SECOND_NS


def test_a_closed_transport_ignores_wake_and_forget_and_holds_nothing(lab):
    with lab.enter("agent"):
        before = descriptors()
        for kind in KINDS.values():
            made = kind()
            flow = made.flow(lab.target4, Method.UDP, 0, Binding(device="wanb"), 0, 0)
            made.send(Probe(1, flow, 1, 0), Binding(device="wanb"))
            made.close()
            made.wake()
            made.forget()
            assert descriptors() == before


def test_flows_are_constant_and_the_same_after_a_restart(lab, transport):
    first = {}
    for dst in (lab.target4, lab.target6):
        for method in (Method.UDP, Method.ICMP):
            first[dst, method] = transport.flow(dst, method, 0, ANYWHERE, 0, 0)
    port = transport.source_port
    transport.close()
    with lab.enter("agent"):
        again = KINDS[transport.name](port)
        assert {key: again.flow(*key, 0, ANYWHERE, 0, 0) for key in first} == first
        again.close()
    for (dst, method), flow in first.items():
        assert (flow.sport, flow.size) == (port, 60 if flow.af == 4 else 80)
        assert flow.dport == 33434 if method is Method.UDP else 1 <= flow.dport <= 0xFFFE
        labelled = flow.af == 6 and transport.name == "raw"
        assert 1 <= flow.label <= 0xFFFFF if labelled else flow.label == 0
        assert flow.src == (lab.agent4 if ":" not in dst else lab.agent6)


def test_a_new_source_address_is_seen_after_forget(lab, transport):
    def source():
        return transport.flow(lab.target4, Method.UDP, 0, ANYWHERE, 0, 0).src

    assert source() == lab.agent4
    lab.ip("agent", "address add 10.77.1.9/24 dev wan", f"route replace 0.0.0.0/0 via {lab.gateway4} dev wan src 10.77.1.9")
    try:
        transport.forget()
        assert source() == "10.77.1.9"
    finally:
        lab.route("agent", "0.0.0.0/0", lab.gateway4, dev="wan")
        lab.ip("agent", "address del 10.77.1.9/24 dev wan")
    transport.forget()
    assert source() == lab.agent4


def captured(sniffer, wanted, source):
    """IP packets from `source`, as a neighbour sees them."""
    packets = []
    sniffer.settimeout(2)
    while len(packets) < wanted:
        packet = sniffer.recv(65535)
        if source in (packet[12:16], packet[8:24]):
            packets.append(packet)
    return packets


@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
@pytest.mark.parametrize("tos", [0, 0xB8])
def test_ipv4_on_the_wire(lab, transport, method, tos):
    with lab.enter("r1"):
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    with sniffer:
        flow = transport.flow(lab.target4, method, 0, ANYWHERE, tos, 100)
        for ttl in (1, 2, 9):
            assert transport.send(Probe(500 + ttl, flow, ttl, 0), ANYWHERE)
        packets = captured(sniffer, 3, socket.inet_aton(lab.agent4))
    assert [packet[8] for packet in packets] == [1, 2, 9]
    for ttl, packet in zip((1, 2, 9), packets, strict=True):
        assert (packet[0], packet[1], len(packet)) == (0x45, tos, 100)
        assert packet[6] & 0x40  # don't fragment
        if transport.name == "raw":
            assert packet[4:6] == struct.pack(">H", 500 + ttl)
        if method is Method.UDP:
            assert packet[20:24] == struct.pack(">HH", flow.sport, flow.dport)
        else:
            assert packet[20:26] == struct.pack(">BBHH", 8, 0, flow.dport, flow.sport)


@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
@pytest.mark.parametrize("tos", [0, 0xB8])
def test_ipv6_on_the_wire(lab, transport, method, tos):
    with lab.enter("r1"):
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86DD))
    with sniffer:
        flow = transport.flow(lab.target6, method, 0, ANYWHERE, tos, 120)
        for ttl in (1, 2, 9):
            assert transport.send(Probe(500 + ttl, flow, ttl, 0), ANYWHERE)
        packets = captured(sniffer, 3, socket.inet_pton(socket.AF_INET6, lab.agent6))
    assert [packet[7] for packet in packets] == [1, 2, 9]
    for packet in packets:
        assert struct.unpack(">I", packet[:4])[0] == 6 << 28 | tos << 20 | flow.label
        assert len(packet) == 120
        if method is Method.UDP:
            assert packet[40:44] == struct.pack(">HH", flow.sport, flow.dport)
        else:
            assert packet[40:46] == struct.pack(">BBHH", 128, 0, flow.dport, flow.sport)


def test_the_source_port_is_ours_alone_and_outside_the_kernels_range(lab, transport):
    assert transport.source_port > 60999
    for af, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with lab.enter("agent"):
            intruder = socket.socket(af, socket.SOCK_DGRAM)
        with intruder:
            intruder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                intruder.bind((address, transport.source_port))
    with lab.enter("agent"):
        second = KINDS[transport.name](transport.source_port)
        assert second.source_port != transport.source_port
        second.close()


def test_seeds_choose_the_port(lab):
    with lab.enter("agent"):
        ports = []
        for seed in (1, 2, 1):
            made = RawTransport(seed=seed)
            ports.append(made.source_port)
            made.close()
    assert ports[0] == ports[2] != ports[1]


def test_the_kernel_stays_quiet_when_udp_comes_to_our_port(lab, transport):
    with lab.enter("r1"):
        ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        closed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ours, closed:
        ours.connect((lab.agent4, transport.source_port))
        closed.connect((lab.agent4, 9))
        for sock in (ours, closed):
            sock.settimeout(2)
            sock.send(b"hello")
        with pytest.raises(ConnectionRefusedError):
            closed.recv(10)
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0  # it was sent first, so an answer would be here
    assert transport.receive(0) == []


def inject(lab, af, messages):
    """Send ICMP messages to the agent from its gateway."""
    domain, protocol, dst = (
        (socket.AF_INET, socket.IPPROTO_ICMP, lab.agent4) if af == 4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6, lab.agent6)
    )
    with lab.enter("r1"):
        sock = socket.socket(domain, socket.SOCK_RAW, protocol)
    with sock:
        for message in messages:
            with contextlib.suppress(BlockingIOError):
                sock.sendto(message, (dst, 0))


def test_garbage_is_counted_and_harmless(lab, transport, seed):
    rng = random.Random(seed)
    for af, types in ((4, (0, 3, 11, 12)), (6, (1, 2, 3, 4, 129))):
        garbage = []
        for _ in range(300):
            body = rng.randbytes(rng.randrange(2, 120))  # the kernel itself puts a checksum into the first four bytes of ICMPv6
            garbage.append(bytes((rng.choice(types), rng.randrange(16))) + body)
            # Quotes that pass the kernel's filter: IPv4 with options, IPv6 with an extension header.
            quote = b"\x46" + body if af == 4 else b"\x60" + bytes(5) + b"\x2c" + body
            garbage.append(bytes((types[2], 0)) + bytes(6) + quote)
        inject(lab, af, garbage)
    collect(transport, 10_000, 0.3)
    if transport.name == "raw":
        assert transport.counters()["malformed"] > 10
    for af in (4, 6):
        dst = lab.target4 if af == 4 else lab.target6
        _, _, reply = exchange(transport, dst, Method.UDP, 1, 4000 + af)
        assert 4000 + af in (reply.ident, reply.ident_checksum)


def test_echo_replies_to_another_identifier_do_not_wake_us(lab, transport):
    other = struct.pack(">BBHHH", 0, 0, 0, transport.source_port ^ 1, 5)
    inject(lab, 4, [other] * 20)
    assert transport.receive(20_000_000) == []
    assert transport.counters()["malformed"] == transport.counters()["ignored"] == 0


def test_a_full_buffer_is_counted(lab):
    with lab.enter("agent"):
        transport = RawTransport()
    message = struct.pack(">BBHHH", 0, 0, 0, transport.source_port, 5)
    inject(lab, 4, [message + bytes(1000)] * 3000)
    replies = collect(transport, 3000, 0.5)
    inject(lab, 4, [message])  # the count comes with the next packet
    replies += collect(transport, 1)
    assert 0 < transport.counters()["overflow"] == 3001 - len(replies)
    transport.close()
