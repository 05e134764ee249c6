"""Every method through both transports on the standard network: hops on the way, and what the target itself answers."""

import contextlib
import socket
import struct
import time

import pytest

from equipment.captures import capture, captured
from netlab import standard_lab
from pathwarden.errors import ProbeError
from pathwarden.model.probe import PLAIN, Binding, Extra, Method, Probe, ReplyKind
from pathwarden.net.raw import RawTransport
from pathwarden.net.rootless import RootlessTransport

ANYWHERE = Binding()
KINDS = {"raw": RawTransport, "rootless": RootlessTransport}
OPEN, CLOSED, SILENT = 8080, 8081, 8082
SERVICE = 5300
UDPLITE = 136
NUMBERS = {Method.TCP: 6, Method.TCP_CONNECT: 6, Method.UDPLITE: UDPLITE, Method.DCCP: 33, Method.RAW: 253}
BY_PORT = (Method.TCP, Method.TCP_CONNECT)
SYN_RECV, ESTABLISHED = "03", "01"


@pytest.fixture(scope="module")
def lab():
    with standard_lab() as built:
        built.nft("target", f"add chain inet lab in {{ type filter hook input priority 0; }}; add rule inet lab in tcp dport {SILENT} drop")
        yield built


@pytest.fixture(params=KINDS)
def transport(request, lab):
    with lab.enter("agent"):
        made = KINDS[request.param]()
        yield made
        made.close()


@pytest.fixture
def raw(lab):
    with lab.enter("agent"):
        made = RawTransport()
        yield made
        made.close()


@contextlib.contextmanager
def rootless_of(lab):
    """A transport for whoever may not do more; whatever it opens belongs to the agent's namespace."""
    with lab.enter("agent"):
        made = RootlessTransport()
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def listener(lab):
    """TCP servers of the target that accept nobody; what is established waits in their queues."""
    with lab.enter("target"), contextlib.ExitStack() as stack:
        for domain in (socket.AF_INET, socket.AF_INET6):
            sock = stack.enter_context(socket.socket(domain, socket.SOCK_STREAM))
            if domain == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(("::" if domain == socket.AF_INET6 else "0.0.0.0", OPEN))
            sock.listen(16)
        yield


def target_of(lab, af):
    return (lab.target4, lab.hops4) if af == 4 else (lab.target6, lab.hops6)


def collect(transport, wanted=1, limit_s=30.0):
    deadline = time.monotonic() + limit_s
    replies = []
    while len(replies) < wanted and time.monotonic() < deadline:
        replies += transport.receive(100_000_000)
    return replies


def probe(transport, dst, method, ttl, ident, port=0, extra=PLAIN, binding=ANYWHERE, size=0, label=0, tos=0):
    flow = transport.flow(dst, method, port, binding, tos, size, label, extra)
    sent_ns = transport.send(Probe(ident, flow, ttl, 0), binding)
    assert sent_ns > 0
    return flow, sent_ns


def exchange(transport, *args, **kw):
    flow, sent_ns = probe(transport, *args, **kw)
    replies = collect(transport)
    assert len(replies) == 1, replies
    assert 0 < replies[0].at_ns - sent_ns < 1_000_000_000
    return flow, replies[0]


def sockets_at_target(lab, state):
    """How many TCP sockets of the target are in a state, on either address family."""
    text = "".join(lab.exec("target", ["cat", f"/proc/net/{name}"]).stdout for name in ("tcp", "tcp6"))
    return sum(line.split()[3] == state for line in text.splitlines() if "local_address" not in line)


@pytest.mark.parametrize("method", [Method.TCP, Method.TCP_CONNECT, Method.UDPLITE, Method.DCCP, Method.RAW])
@pytest.mark.parametrize("af", [4, 6])
def test_each_router_on_the_way_answers(lab, raw, method, af):
    dst, hops = target_of(lab, af)
    for ttl in (1, 2, 4, 7):
        flow, reply = exchange(raw, dst, method, ttl, 3000 + ttl)
        assert reply.kind is ReplyKind.TIME_EXCEEDED
        assert reply.responder in hops[ttl - 1]
        assert 3000 + ttl in (reply.ident, reply.ident_checksum)
        assert (reply.method, reply.dst, reply.sport, reply.dport) == (method, dst, flow.sport, flow.dport)
        assert (reply.ttl, reply.quoted_ttl) == (64 - ttl + 1, 1)
    assert raw.counters()["malformed"] == raw.counters()["ignored"] == 0


@pytest.mark.parametrize("method", [Method.TCP_CONNECT, Method.UDPLITE])
@pytest.mark.parametrize("af", [4, 6])
def test_each_router_on_the_way_answers_without_privilege(lab, method, af):
    dst, hops = target_of(lab, af)
    with rootless_of(lab) as rootless:
        for ttl in (1, 2, 4, 7):
            flow, reply = exchange(rootless, dst, method, ttl, 3000 + ttl)
            assert (reply.kind, reply.ident) == (ReplyKind.TIME_EXCEEDED, 3000 + ttl)
            assert reply.responder in hops[ttl - 1]
            assert (reply.method, reply.dst, reply.sport, reply.dport) == (method, dst, flow.sport, flow.dport)
            assert reply.ttl == 64 - ttl + 1


@pytest.mark.usefixtures("listener")
@pytest.mark.parametrize("method", BY_PORT)
@pytest.mark.parametrize("af", [4, 6])
def test_tcp_tells_an_open_a_closed_and_a_silent_port_apart(lab, transport, method, af):
    if transport.name == "rootless" and method is Method.TCP:
        with pytest.raises(ProbeError) as caught:
            transport.flow(lab.target4, method, 0, ANYWHERE, 0, 0)
        assert (caught.value.reason, caught.value.detail) == ("no_permission", "method tcp needs raw sockets")
        return
    dst, _ = target_of(lab, af)
    for ident, (port, kind) in enumerate(((OPEN, ReplyKind.OPEN), (CLOSED, ReplyKind.CLOSED)), 20):
        flow, reply = exchange(transport, dst, method, 30, ident, port)
        assert (reply.kind, reply.responder, reply.dst, reply.ident) == (kind, dst, dst, ident)
        assert (reply.method, reply.sport, reply.dport) == (method, flow.sport, port)
        assert bool(reply.segment) == (transport.name == "raw")
    probe(transport, dst, method, 30, 22, SILENT)
    assert collect(transport, limit_s=0.3) == []


@pytest.mark.usefixtures("listener")
@pytest.mark.parametrize("method", BY_PORT)
@pytest.mark.parametrize("af", [4, 6])
def test_nothing_half_open_stays_at_the_server(lab, transport, method, af):
    if transport.name == "rootless" and method is Method.TCP:
        return
    dst, _ = target_of(lab, af)
    for ident in range(1, 6):  # the same ports each time: no TIME-WAIT may stand in the way
        _, reply = exchange(transport, dst, method, 30, ident, OPEN)
        assert (reply.kind, reply.ident) == (ReplyKind.OPEN, ident)
    deadline = time.monotonic() + 30
    while sockets_at_target(lab, SYN_RECV) + sockets_at_target(lab, ESTABLISHED) and time.monotonic() < deadline:
        pass
    assert sockets_at_target(lab, SYN_RECV) == 0  # the kernel would keep it for a minute
    assert sockets_at_target(lab, ESTABLISHED) == 0


@pytest.mark.usefixtures("listener")
def test_a_new_attempt_ends_the_one_before(lab, transport):
    dst = lab.target4
    flow, _ = probe(transport, dst, Method.TCP_CONNECT, lab.silent_ttl, 1, OPEN)
    assert transport.window(flow) == 1
    _, reply = exchange(transport, dst, Method.TCP_CONNECT, 1, 2, OPEN)
    assert (reply.kind, reply.responder, reply.ident) == (ReplyKind.TIME_EXCEEDED, lab.gateway4, 2)
    _, reply = exchange(transport, dst, Method.TCP_CONNECT, 30, 3, OPEN)
    assert (reply.kind, reply.ident) == (ReplyKind.OPEN, 3)


@pytest.mark.usefixtures("listener")
@pytest.mark.parametrize("af", [4, 6])
def test_connections_from_one_port_to_many_targets_do_not_meet(lab, transport, af):
    dst, hops = target_of(lab, af)
    for ident, port in enumerate((OPEN, CLOSED, OPEN + 100), 1):
        probe(transport, dst, Method.TCP_CONNECT, 1 if port == CLOSED else 30, ident, port)
    replies = {reply.ident: reply for reply in collect(transport, 3)}
    assert {ident: (reply.kind, reply.dport) for ident, reply in replies.items()} == {
        1: (ReplyKind.OPEN, OPEN), 2: (ReplyKind.TIME_EXCEEDED, CLOSED), 3: (ReplyKind.CLOSED, OPEN + 100),
    }  # fmt: skip
    assert replies[2].responder in hops[0]


@pytest.mark.parametrize("method", [Method.UDPLITE, Method.RAW, Method.DCCP])
@pytest.mark.parametrize("af", [4, 6])
def test_a_target_that_does_not_know_the_protocol_or_port_says_so(lab, raw, method, af):
    dst, _ = target_of(lab, af)
    _, reply = exchange(raw, dst, method, 30, 77)
    unknown = (ReplyKind.UNREACHABLE, 3, 2) if af == 4 else (ReplyKind.PARAMETER_PROBLEM, 4, 1)
    closed = (ReplyKind.PORT_UNREACHABLE, 3, 3) if af == 4 else (ReplyKind.PORT_UNREACHABLE, 1, 4)
    assert (reply.kind, reply.icmp_type, reply.icmp_code) == (closed if method is Method.UDPLITE else unknown)
    assert reply.responder == dst
    assert 77 in (reply.ident, reply.ident_checksum)


@pytest.mark.parametrize("method", [Method.UDP, Method.UDPLITE])
@pytest.mark.parametrize("af", [4, 6])
def test_a_program_at_the_target_answers(lab, transport, method, af):
    dst, _ = target_of(lab, af)
    domain = socket.AF_INET if af == 4 else socket.AF_INET6
    with lab.enter("target"):
        server = socket.socket(domain, socket.SOCK_DGRAM, UDPLITE if method is Method.UDPLITE else 0)
    with server:
        server.settimeout(2)
        server.bind(("0.0.0.0" if af == 4 else "::", SERVICE))
        for ident in (5, 6):
            flow, _ = probe(transport, dst, method, 30, ident, SERVICE)
            assert transport.window(flow) == 1
            payload, peer = server.recvfrom(2000)
            assert payload[2:4] == struct.pack(">H", ident)
            assert peer[:2] == (flow.src, flow.sport)
            server.sendto(b"hello", peer)
            (reply,) = collect(transport)
            assert (reply.kind, reply.method, reply.responder) == (ReplyKind.ANSWER, method, dst)
            assert (reply.dst, reply.sport, reply.dport) == (dst, flow.sport, SERVICE)
            assert (reply.ident, reply.ident_checksum) == (0, 0)
        _, reply = exchange(transport, dst, method, 1, 7, SERVICE)
        assert (reply.kind, reply.ident) == (ReplyKind.TIME_EXCEEDED, 7)


@pytest.mark.parametrize("af", [4, 6])
def test_a_raw_protocols_answer_is_the_targets(lab, raw, af):
    dst, _ = target_of(lab, af)
    flow = raw.flow(dst, Method.RAW, 0, ANYWHERE, 0, 0)
    domain, home = (socket.AF_INET, lab.agent4) if af == 4 else (socket.AF_INET6, lab.agent6)
    for node, heard in (("r7", 0), ("target", 1)):
        with lab.enter(node):
            server = socket.socket(domain, socket.SOCK_RAW, 253)
        with server:
            assert raw.send(Probe(9, flow, 30, 0), ANYWHERE)
            server.sendto(b"hello", (home, 0))
            # Of a stranger's answer nothing is heard, so that case waits a while; the target's own comes first or not at all.
            answers = [reply for reply in (collect(raw) if heard else collect(raw, 9, 0.5)) if reply.kind is ReplyKind.ANSWER]
        assert [(a.responder, a.dst, a.sport, a.dport, a.method) for a in answers] == [
            (dst, dst, flow.sport, flow.dport, Method.RAW)
        ] * heard
        collect(raw, 9, 0.2)


@pytest.mark.parametrize("af", [4, 6])
@pytest.mark.parametrize(("kind", "code", "said"), [(1, 28, ReplyKind.OPEN), (7, 28, ReplyKind.CLOSED)])
def test_a_dccp_response_and_a_reset_name_their_probe(lab, raw, af, kind, code, said):
    """No kernel here speaks DCCP: the answer is written by hand (RFC 4340 section 5)."""
    dst, _ = target_of(lab, af)
    flow = raw.flow(dst, Method.DCCP, 5001, ANYWHERE, 0, 0)
    domain, home = (socket.AF_INET, lab.agent4) if af == 4 else (socket.AF_INET6, lab.agent6)
    with lab.enter("target"):
        server = socket.socket(domain, socket.SOCK_RAW, 33)
    with server:
        server.settimeout(30)
        assert raw.send(Probe(321, flow, 30, 0), ANYWHERE)
        packet = server.recv(2000)[20 if af == 4 else 0 :]
        sport, dport = struct.unpack_from(">HH", packet)
        sequence = packet[10:16]
        header = struct.pack(">HHBBHBBH", dport, sport, code // 4, 0, 0, kind << 1 | 1, 0, 0) + bytes(4)
        server.sendto(header + bytes(2) + sequence + bytes(4), (home, 0))
        replies = [reply for reply in collect(raw) if reply.method is Method.DCCP and reply.kind is said]
    assert [(r.ident, r.responder, r.sport, r.dport) for r in replies] == [(321, dst, flow.sport, 5001)]


@pytest.mark.parametrize("method", [Method.TCP, Method.DCCP, Method.RAW])
def test_what_needs_raw_sockets_is_named(lab, method):
    with rootless_of(lab) as rootless, pytest.raises(ProbeError) as caught:
        rootless.flow(lab.target4, method, 0, ANYWHERE, 0, 0)
    assert str(caught.value) == f"the kernel does not permit these probes: method {method} needs raw sockets"


@pytest.mark.parametrize(
    ("method", "extra", "expected"),
    [
        (Method.TCP, Extra(tcp_flags=0x0C2, tcp_options=bytes((2, 4, 5, 0xB4))), {13: 0xC2, 12: 0x60, 20: 2, 23: 0xB4}),
        (Method.TCP, Extra(tcp_flags=0x110), {13: 0x10, 12: 0x51}),
        (Method.UDPLITE, Extra(coverage=10), {4: 0, 5: 10}),
        (Method.DCCP, Extra(service=0x01020304), {8: 1, 16: 1, 17: 2, 18: 3, 19: 4}),
        (Method.RAW, Extra(protocol=47), {}),
    ],
)
@pytest.mark.parametrize("af", [4, 6])
def test_what_is_asked_for_stands_in_the_packet(lab, raw, method, extra, expected, af):
    dst, _ = target_of(lab, af)
    with capture(lab, "r1", af) as sniffer:
        flow, _ = probe(raw, dst, method, 9, 600, 4321, extra, tos=0x48, label=0x12345 if af == 6 else 0)
        (packet,) = captured(sniffer, 1, flow.src)
    assert len(packet) == flow.size
    number = extra.protocol if method is Method.RAW else NUMBERS[method]
    if af == 4:
        assert (packet[1], packet[8], packet[9]) == (0x48, 9, number)
        transport = packet[20:]
    else:
        assert struct.unpack(">I", packet[:4])[0] == 6 << 28 | 0x48 << 20 | 0x12345
        assert (packet[6], packet[7]) == (number, 9)
        transport = packet[40:]
    assert struct.unpack_from(">HH", transport) == (flow.sport, 4321)
    assert {place: transport[place] for place in expected} == expected


@pytest.mark.parametrize("method", [Method.UDP, Method.TCP_CONNECT, Method.UDPLITE])
@pytest.mark.parametrize("af", [4, 6])
def test_what_leaves_without_privilege(lab, method, af):
    dst, _ = target_of(lab, af)
    with capture(lab, "r1", af) as sniffer, rootless_of(lab) as rootless:
        flow, _ = probe(rootless, dst, method, 9, 600, 4321, tos=0x48, label=0x12345 if af == 6 else 0)
        (packet,) = captured(sniffer, 1, flow.src)
    if af == 4:
        assert (packet[1], packet[8]) == (0x48, 9)
        transport = packet[20:]
    else:
        assert struct.unpack(">I", packet[:4])[0] == 6 << 28 | 0x48 << 20 | 0x12345
        assert packet[7] == 9
        transport = packet[40:]
    assert struct.unpack_from(">HH", transport) == (flow.sport, 4321)
    if method is not Method.TCP_CONNECT:
        assert len(packet) == flow.size


@pytest.mark.usefixtures("listener")
def test_one_syn_at_a_time_since_a_server_answers_no_second_one_before_our_reset(lab, raw):
    flow = raw.flow(lab.target4, Method.TCP, OPEN, ANYWHERE, 0, 0)
    assert raw.window(flow) == 1
    assert raw.window(flow._replace(extra=Extra(tcp_flags=0x10))) > 1
    lab.nft("agent", "add rule inet lab out tcp flags rst drop")  # as if our resets were still on their way
    try:
        for ident in (1, 2, 3):
            assert raw.send(Probe(ident, flow, 30, 0), ANYWHERE)
        assert {reply.ident for reply in [*collect(raw), *collect(raw, 3, 0.3)]} == {1}
    finally:
        lab.nft("agent", "flush chain inet lab out")
