"""Probes without any privilege: UDP sockets and ping sockets (datagram ICMP), whose error queues tell who answered.

The kernel writes the headers, so an IPv4 probe's IP-ID is the kernel's, and a flow has an IPv6 label only if one is asked for. ICMP
needs the user's group in net.ipv4.ping_group_range. A router that quotes only 8 bytes of UDP leaves nothing that names the probe:
hence one UDP probe in flight per flow. TCP goes by connect() (`tcp_connect`); what else there is needs raw sockets (`abilities`).

Ports: every socket has the one source port, which for ping sockets is the ICMP identifier. The kernel refuses a port a
second time, also to us; so a further socket is opened while those that we have say that they share. It is one for each binding; and
for each UDP flow to a service's port one that is connected, which hears what the service answers.
"""

import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pathwarden.errors import ProbeError
from pathwarden.model.probe import PLAIN, Binding, Extra, Flow, Method, Probe, Reply, ReplyKind
from pathwarden.net import abilities, error_queue, ports
from pathwarden.net import sockets as k
from pathwarden.net.ears import Recorder
from pathwarden.net.flows import NOBODYS, Flows
from pathwarden.net.tcp_connect import Connects
from pathwarden.net.waiting import Waiter
from pathwarden.wire import icmp4, icmp6
from pathwarden.wire.probe_codec import decode_icmp_dgram, decode_udp_payload, dgram_encoder

_PROTOCOLS = {
    (4, Method.UDP): socket.IPPROTO_UDP,
    (6, Method.UDP): socket.IPPROTO_UDP,
    (4, Method.UDPLITE): k.IPPROTO_UDPLITE,
    (6, Method.UDPLITE): k.IPPROTO_UDPLITE,
    (4, Method.ICMP): socket.IPPROTO_ICMP,
    (6, Method.ICMP): socket.IPPROTO_ICMPV6,
}
_EVERY_IDENT = 0xFFFE  # a quoted echo request always holds its sequence, which is the ident
_AT_ONCE = 256  # packets of one socket before the caller gets its turn
_WAYS = 4096  # flows whose payload is laid out; about 1 KB each
_CONNECTED = 64  # services; each has a socket
_ATTEMPTS = 3  # a reply to an earlier probe fails a send once; two may cross it, a real error comes every time

_ECHO_REPLY = {4: icmp4.ECHO_REPLY, 6: icmp6.ECHO_REPLY}
_INTS = [struct.pack("=i", value) for value in range(256)]  # ttl and ToS as control messages
_SAY_TTL = {4: (socket.IPPROTO_IP, socket.IP_TTL), 6: (socket.IPPROTO_IPV6, k.IPV6_HOPLIMIT)}
_SAY_TOS = {4: (socket.IPPROTO_IP, socket.IP_TOS), 6: (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)}
_SPLIT = {4: (socket.IPPROTO_IP, k.IP_MTU_DISCOVER, k.PMTUDISC_DONT), 6: (socket.IPPROTO_IPV6, k.IPV6_MTU_DISCOVER, k.PMTUDISC_DONT)}


class _Key(NamedTuple):
    """What a socket is for; `service` is the one that it is connected to, `coverage` UDP-Lite's."""

    af: int
    method: Method
    binding: Binding
    service: tuple[str, int] | None = None
    coverage: int = 0
    split: bool = False


class _Line:
    """One socket. `ttl` and `tos` are what it was last told (ICMPv6 only)."""

    def __init__(self, key: _Key, sock: socket.socket) -> None:
        self.af = key.af
        self.method = key.method
        self.service = key.service
        self.hears = key.service is not None or key.method is Method.ICMP
        self.sock = sock
        self.ttl = self.tos = -1


class _Way(NamedTuple):
    """How a flow leaves under a binding; `address` is None on a socket that is connected."""

    encode: Callable[[int], bytes]
    line: _Line
    address: tuple[str | int, ...] | None


class RootlessTransport:
    """A `Transport` without privileges, with one source port for all targets, which is the ICMP identifier as well.

    `source_port` 0 chooses a free one outside the kernel's own range, beginning at a place that `seed` determines; one that
    another program holds is passed over, so compare the property afterwards. `icmp` tells whether ping sockets are permitted.
    Raises CannotProbe.
    """

    name = "rootless"

    record: Recorder | None = None  # never told anything: the kernel keeps the headers to itself, and what is recorded must be exact

    def __init__(self, source_port: int = 0, *, seed: int = 0) -> None:
        self._counts = {"malformed": 0, "ignored": 0, "enobufs": 0, "timestamps_missing": 0, "timestamps_refused": 0}
        self._stamps = k.Stamps(self._counts)
        self._lines: dict[_Key, _Line] = {}
        self._by_fd: dict[int, _Line] = {}
        self._ways: dict[tuple[Flow, Binding], _Way] = {}
        self._connects: Connects | None = None
        self._waiter = Waiter()
        self._stamped = True
        try:
            self.source_port, _ = ports.first_free(source_port, seed, self._claim)
        except BaseException:
            self.close()
            raise
        self.icmp = _Key(4, Method.ICMP, Binding()) in self._lines
        self._flows = Flows(self.source_port, labelled=False)
        self._stale = False

    def _claim(self, port: int) -> list[socket.socket]:
        try:
            for af in (4, 6) if ports.has_ipv6() else (4,):
                self._open(_Key(af, Method.UDP, Binding()), port)
                try:
                    self._open(_Key(af, Method.ICMP, Binding()), port)
                except PermissionError:  # net.ipv4.ping_group_range, which rules IPv6 as well
                    continue
        except BaseException:
            self._close_lines()
            raise
        return [line.sock for line in self._lines.values()]

    def _open(self, key: _Key, port: int) -> _Line:
        # Ping sockets of both families share one space of identifiers; UDP sockets do not, but sharing harms none.
        others = [line.sock for line in self._lines.values() if line.method is key.method]
        ports.share(others, True)
        try:
            protocol, shared = _PROTOCOLS[key.af, key.method], bool(others)
            if key.service or key.method is Method.ICMP:
                sock = k.bound(key.af, socket.SOCK_DGRAM, protocol, key.binding, port, shared=shared)
            else:
                sock = ports.deaf_udp(key.af, key.binding, port, shared=shared, protocol=protocol)
        finally:
            ports.share(others, False)
        try:
            self._prepare(key, sock)
        except BaseException:
            sock.close()
            raise
        line = self._lines[key] = self._by_fd[sock.fileno()] = _Line(key, sock)
        self._waiter.add(sock)
        return line

    def _prepare(self, key: _Key, sock: socket.socket) -> None:
        ports.share([sock], False)
        self._stamped = k.ask_for_stamps(sock)
        for name, value in error_queue.OPTIONS[key.af]:
            sock.setsockopt(error_queue.LEVEL[key.af], name, value)
        if key.split:
            sock.setsockopt(*_SPLIT[key.af])
        if key.coverage:
            sock.setsockopt(k.IPPROTO_UDPLITE, k.UDPLITE_SEND_CSCOV, key.coverage)
        if key.service:
            sock.connect(key.service)

    def flow(
        self, dst: str, method: Method, port: int, binding: Binding, tos: int, size: int, label: int = 0, extra: Extra = PLAIN
    ) -> Flow:
        """See `Transport.flow`. Raises ProbeError."""
        wanting = abilities.wanting(self, method)
        if wanting:
            raise ProbeError("no_permission", f"method {method} needs {wanting.missing}")
        if binding.next_hop or extra.gateways:
            raise ProbeError("no_permission", f"a {'next hop' if binding.next_hop else 'source route'} needs raw sockets")
        if self._stale:
            self._stale = False
            self._flows.forget()
        flow = self._flows.get(dst, method, port, binding, tos, size, label, extra)
        if method is Method.TCP_CONNECT and self._connects is None:
            try:
                self._connects = Connects(self.source_port, self._waiter, self._counts, quoting=False)
            except OSError as error:
                raise k.cannot_hold(error, self.source_port) from error
        return flow

    def forget(self) -> None:
        """Before the next flow ask the kernel anew: an address, a device or a kernel route has changed. From any thread."""
        self._stale = True

    def window(self, flow: Flow) -> int:
        """How many probes of one flow are told apart: as many as there are idents for ICMP, one for all else."""
        return _EVERY_IDENT if flow.method is Method.ICMP else 1

    def send(self, probe: Probe, binding: Binding) -> int:
        """Send one probe; the monotonic instant just before, or 0 when a queue is full. Raises ProbeError."""
        last = OSError()
        for _ in range(_ATTEMPTS):
            try:
                return self._send(probe, binding)
            except OSError as error:
                if error.errno in k.BUSY:
                    self._counts["enobufs"] += 1
                    return 0
                last = error
            if last.errno in k.MOVED and binding.device:  # made anew, it has a new index: so must the socket be
                self._drop(binding)
        raise k.cannot_send(last, binding) from last

    def _send(self, probe: Probe, binding: Binding) -> int:
        way = self._ways.get((probe.flow, binding))
        if way is None:
            if self._connects and probe.flow.method is Method.TCP_CONNECT:
                return self._connects.send(probe, binding)
            way = self._way(probe.flow, binding)
        return _leave(way, probe)

    def _way(self, flow: Flow, binding: Binding) -> _Way:
        if len(self._ways) >= _WAYS:
            self._ways.clear()
        try:
            encode = dgram_encoder(flow)
        except ValueError as error:  # a size, option or address that these packets cannot have
            raise ProbeError("send_failed", str(error)) from error
        key = _key(flow, binding)
        line = self._lines.get(key)
        if line is None:
            if key.service:
                self._make_room()
            try:
                line = self._open(key, self.source_port)
            except OSError as error:
                raise k.cannot_open(error, binding) from error
        address: tuple[str | int, ...] = (flow.dst, 0 if flow.method is Method.ICMP else flow.dport)
        if flow.label:
            line.sock.setsockopt(socket.IPPROTO_IPV6, k.IPV6_FLOWINFO_SEND, 1)
            address = (*address, flow.label)
        way = self._ways[flow, binding] = _Way(encode, line, None if key.service and not flow.label else address)
        return way

    def _make_room(self) -> None:
        connected = [key for key in self._lines if key.service]
        if len(connected) >= _CONNECTED:
            self._ways.clear()
            for key in connected:
                self._close_line(key)

    def _drop(self, binding: Binding) -> None:
        self._ways.clear()
        for key in [key for key in self._lines if key.binding == binding]:
            self._close_line(key)

    def receive(self, timeout_ns: int) -> list[Reply]:
        """See `Transport.receive`."""
        replies: list[Reply] = []
        fds = self._waiter.wait(timeout_ns)
        self._stamps.read_ns = 0  # the clocks are compared once for all that is read now
        for fd in fds:
            line = self._by_fd.get(fd)
            if line is None:
                reply = self._connects.settle(fd) if self._connects else None
                replies += [reply] if reply else []
                continue
            if not self._drain(line, socket.MSG_ERRQUEUE, self._read_error, replies):
                # An error may be noted on the socket after its message was read; unread, it would wake us for ever.
                line.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if line.hears:
                self._drain(line, 0, self._read_echo if line.method is Method.ICMP else self._read_answer, replies)
        return replies

    def _drain(self, line: _Line, flags: int, read: Callable[..., Reply | None], replies: list[Reply]) -> int:
        """Read what is there; how many messages that was."""
        for count in range(_AT_ONCE):
            try:
                message, control, _flags, peer = line.sock.recvmsg(error_queue.ROOM, error_queue.CONTROL, flags)
            except BlockingIOError:
                return count
            except OSError:  # an error that came after the queue was read; it stands in the queue as well
                continue
            try:
                reply = read(line, message, control, peer)
            except struct.error:
                self._counts["malformed"] += 1
                continue
            if reply is None:
                self._counts["ignored"] += 1
            else:
                replies.append(reply)
        return _AT_ONCE

    def _read_error(self, line: _Line, message: bytes, control: error_queue.Control, peer: tuple[str, int]) -> Reply | None:
        seen = error_queue.seen(line.af, control)
        if seen is None or not peer:
            return None
        ping = line.method is Method.ICMP
        at_ns, ttl = error_queue.arrival(control, self._stamps, self._counts)
        return Reply(
            seen.kind,
            seen.responder,
            at_ns,
            line.method,
            peer[0],
            self.source_port,
            int.from_bytes(message[2:4], "big") if ping else peer[1],
            decode_icmp_dgram(message) if ping else decode_udp_payload(message),
            0,
            seen.icmp_type,
            seen.icmp_code,
            ttl,
            mtu=seen.mtu,
        )

    def _read_echo(self, line: _Line, message: bytes, control: error_queue.Control, peer: tuple[str, int]) -> Reply | None:
        ident = decode_icmp_dgram(message)
        if not ident or message[0] != _ECHO_REPLY[line.af]:
            return None
        at_ns, ttl = error_queue.arrival(control, self._stamps, self._counts)
        kind = message[0]
        responder = peer[0]
        return Reply(ReplyKind.ECHO_REPLY, responder, at_ns, Method.ICMP, responder, self.source_port, 0, ident, 0, kind, message[1], ttl)

    def _read_answer(self, line: _Line, _message: bytes, control: error_queue.Control, peer: tuple[str, int]) -> Reply | None:
        at_ns, ttl = error_queue.arrival(control, self._stamps, self._counts)
        return Reply(ReplyKind.ANSWER, peer[0], at_ns, line.method, peer[0], self.source_port, peer[1], 0, 0, 0, 0, ttl)

    def pause(self, timeout_ns: int) -> None:
        """See `Transport.pause`."""
        if self._stamped and not (self._connects and self._connects.pending):
            self._waiter.pause(timeout_ns)
        else:  # without stamps a reply is as old as its reading, and so is a connection's end
            self._waiter.wait(timeout_ns)

    def wake(self) -> None:
        """See `Transport.wake`."""
        self._waiter.wake()

    def counters(self) -> Mapping[str, int]:
        """Counts since start: `malformed` and `ignored` messages, `enobufs` (full send queues), stamps missing or refused."""
        return dict(self._counts)

    def close(self) -> None:
        """Release every socket."""
        self._close_lines()
        if self._connects:
            self._connects.close()
        self._waiter.close()

    def _close_lines(self) -> None:
        self._ways.clear()
        for key in list(self._lines):
            self._close_line(key)

    def _close_line(self, key: _Key) -> None:
        sock = self._lines.pop(key).sock
        del self._by_fd[sock.fileno()]
        self._waiter.remove(sock)
        sock.close()


def _key(flow: Flow, binding: Binding) -> _Key:
    service = flow.method is not Method.ICMP and flow.dport not in NOBODYS
    lite = flow.method is Method.UDPLITE
    return _Key(
        flow.af,
        flow.method,
        binding,
        (flow.dst, flow.dport) if service else None,
        flow.extra.coverage if lite else 0,
        flow.extra.split,
    )


def _leave(way: _Way, probe: Probe) -> int:
    """Send, or raise OSError. Control messages say ttl and ToS, but IPv6 ping sockets obey them since Linux 5.19 only."""
    line, flow, ttl, address = way.line, probe.flow, probe.ttl, way.address
    packet = way.encode(probe.ident)
    if address and line.af == 6 and line.method is Method.ICMP:
        if ttl != line.ttl:
            line.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
            line.ttl = ttl
        if flow.tos != line.tos:
            line.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, flow.tos)
            line.tos = flow.tos
        at_ns = time.monotonic_ns()
        line.sock.sendto(packet, address)
        return at_ns
    control = [(*_SAY_TTL[line.af], _INTS[ttl]), (*_SAY_TOS[line.af], _INTS[flow.tos])]
    at_ns = time.monotonic_ns()
    line.sock.sendmsg((packet,), control, 0, address)
    return at_ns
