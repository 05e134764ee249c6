"""Probes without any privilege: UDP sockets and ping sockets (datagram ICMP), whose error queues tell who answered.

The kernel writes the headers, so a flow's IPv6 label is 0 and an IPv4 probe's IP-ID is the kernel's. ICMP needs the
user's group in net.ipv4.ping_group_range. A router that quotes only 8 bytes of UDP leaves nothing that names the probe:
hence one UDP probe in flight per flow.

Ports: every socket has the one source port, which for ping sockets is the ICMP identifier. The kernel refuses a port a
second time, also to us; so a further socket (for a binding) is opened while those that we have say that they share.
"""

import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pathwarden.errors import ProbeError
from pathwarden.model.probe import PLAIN, Binding, Extra, Flow, Method, Probe, Reply, ReplyKind
from pathwarden.net import ports
from pathwarden.net import sockets as k
from pathwarden.net.flows import Flows
from pathwarden.net.waiting import Waiter
from pathwarden.wire import icmp4, icmp6
from pathwarden.wire.probe_codec import decode_icmp_dgram, decode_udp_payload, dgram_encoder

_ICMP = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
_LEVEL = {4: socket.IPPROTO_IP, 6: socket.IPPROTO_IPV6}
_WINDOWS = {Method.UDP: 1, Method.ICMP: 0xFFFE}  # a quoted echo request always holds its sequence, which is the ident
_ROOM = 65535  # the longest datagram
_CONTROL = 256  # error and offender, stamp, ttl: 112 bytes on IPv6
_AT_ONCE = 256  # packets of one socket before the caller gets its turn
_WAYS = 4096  # flows whose payload is laid out; about 1 KB each
_ATTEMPTS = 3  # a reply to an earlier probe fails a send once; two may cross it, a real error comes every time

_ERROR = struct.Struct("=IBBBxII")  # struct sock_extended_err
_OFFENDER = {4: slice(_ERROR.size + 4, _ERROR.size + 8), 6: slice(_ERROR.size + 8, _ERROR.size + 24)}
_FROM_ICMP = frozenset({2, 3})  # SO_EE_ORIGIN_ICMP and _ICMP6; the others are the kernel's own
_KINDS = {
    (4, icmp4.TIME_EXCEEDED): ReplyKind.TIME_EXCEEDED,
    (4, icmp4.UNREACHABLE): ReplyKind.UNREACHABLE,
    (4, icmp4.PARAMETER_PROBLEM): ReplyKind.PARAMETER_PROBLEM,
    (6, icmp6.TIME_EXCEEDED): ReplyKind.TIME_EXCEEDED,
    (6, icmp6.UNREACHABLE): ReplyKind.UNREACHABLE,
    (6, icmp6.PACKET_TOO_BIG): ReplyKind.PACKET_TOO_BIG,
    (6, icmp6.PARAMETER_PROBLEM): ReplyKind.PARAMETER_PROBLEM,
}
_KINDS_BY_CODE = {
    (4, icmp4.UNREACHABLE, icmp4.PORT): ReplyKind.PORT_UNREACHABLE,
    (4, icmp4.UNREACHABLE, icmp4.FRAGMENTATION_NEEDED): ReplyKind.PACKET_TOO_BIG,
    (6, icmp6.UNREACHABLE, icmp6.PORT): ReplyKind.PORT_UNREACHABLE,
}
_ECHO_REPLY = {4: icmp4.ECHO_REPLY, 6: icmp6.ECHO_REPLY}
_TTL_CONTROL = frozenset({(socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, k.IPV6_HOPLIMIT)})
_ERROR_CONTROL = frozenset({(socket.IPPROTO_IP, k.IP_RECVERR), (socket.IPPROTO_IPV6, k.IPV6_RECVERR)})

_OPTIONS = {
    4: ((k.IP_RECVERR, 1), (k.IP_MTU_DISCOVER, k.PMTUDISC_PROBE), (k.IP_RECVTTL, 1)),
    6: (
        (k.IPV6_RECVERR, 1),
        (k.IPV6_MTU_DISCOVER, k.PMTUDISC_PROBE),
        (socket.IPV6_RECVHOPLIMIT, 1),
        (k.IPV6_AUTOFLOWLABEL, 0),  # else the kernel makes up a label for each socket
    ),
}
_INTS = [struct.pack("=i", value) for value in range(256)]  # ttl and ToS as control messages
_SAY_TTL = {4: (socket.IPPROTO_IP, socket.IP_TTL), 6: (socket.IPPROTO_IPV6, k.IPV6_HOPLIMIT)}
_SAY_TOS = {4: (socket.IPPROTO_IP, socket.IP_TOS), 6: (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)}

_Control = list[tuple[int, int, bytes]]


class _Line:
    """One socket, for one address family, method and binding. `ttl` and `tos` are what it was last told (ICMPv6 only)."""

    def __init__(self, af: int, method: Method, sock: socket.socket) -> None:
        self.af = af
        self.method = method
        self.sock = sock
        self.ttl = self.tos = -1


class _Way(NamedTuple):
    """How a flow leaves under a binding."""

    encode: Callable[[int], bytes]
    line: _Line
    address: tuple[str, int]


class RootlessTransport:
    """A `Transport` without privileges, with one source port for all targets, which is the ICMP identifier as well.

    `source_port` 0 chooses a free one outside the kernel's own range, beginning at a place that `seed` determines; one that
    another program holds is passed over, so compare the property afterwards. `icmp` tells whether ping sockets are permitted.
    Raises CannotProbe.
    """

    name = "rootless"

    def __init__(self, source_port: int = 0, *, seed: int = 0) -> None:
        self._counts: Counter[str] = Counter(malformed=0, ignored=0, enobufs=0, timestamps_missing=0, timestamps_refused=0)
        self._lines: dict[tuple[int, Method, Binding], _Line] = {}
        self._by_fd: dict[int, _Line] = {}
        self._ways: dict[tuple[Flow, Binding], _Way] = {}
        self._waiter = Waiter()
        self._stamped = True
        try:
            self.source_port, _ = ports.first_free(source_port, seed, self._claim)
        except BaseException:
            self.close()
            raise
        self.icmp = (4, Method.ICMP, Binding()) in self._lines
        self._flows = Flows(self.source_port, labelled=False)
        self._stale = False

    def _claim(self, port: int) -> list[socket.socket]:
        try:
            for af in (4, 6) if ports.has_ipv6() else (4,):
                self._open(af, Method.UDP, Binding(), port)
                try:
                    self._open(af, Method.ICMP, Binding(), port)
                except PermissionError:  # net.ipv4.ping_group_range, which rules IPv6 as well
                    continue
        except BaseException:
            self._close_lines()
            raise
        return [line.sock for line in self._lines.values()]

    def _open(self, af: int, method: Method, binding: Binding, port: int) -> _Line:
        # Ping sockets of both families share one space of identifiers; UDP sockets do not, but sharing harms none.
        others = [line.sock for line in self._lines.values() if line.method is method]
        _share(others, 1)
        try:
            if method is Method.UDP:
                sock = ports.deaf_udp(af, binding, port, shared=bool(others))
            else:
                sock = k.bound(af, socket.SOCK_DGRAM, _ICMP[af], binding, port, shared=bool(others))
        finally:
            _share(others, 0)
        try:
            self._prepare(af, sock)
        except BaseException:
            sock.close()
            raise
        line = self._lines[af, method, binding] = self._by_fd[sock.fileno()] = _Line(af, method, sock)
        self._waiter.add(sock)
        return line

    def _prepare(self, af: int, sock: socket.socket) -> None:
        _share([sock], 0)
        self._stamped = k.ask_for_stamps(sock)
        level = _LEVEL[af]
        for name, value in _OPTIONS[af]:
            sock.setsockopt(level, name, value)

    def flow(
        self, dst: str, method: Method, port: int, binding: Binding, tos: int, size: int, label: int = 0, extra: Extra = PLAIN
    ) -> Flow:
        """See `Transport.flow`. Raises ProbeError."""
        if method is Method.ICMP and not self.icmp:
            raise ProbeError("no_permission", "net.ipv4.ping_group_range does not hold our group")
        if self._stale:
            self._stale = False
            self._flows.forget()
        return self._flows.get(dst, method, port, binding, tos, size, label, extra)

    def forget(self) -> None:
        """Before the next flow ask the kernel anew: an address, a device or a kernel route has changed. From any thread."""
        self._stale = True

    def window(self, flow: Flow) -> int:
        """How many probes of one flow are told apart: one for UDP, as many as there are idents for ICMP."""
        return _WINDOWS[flow.method]

    def send(self, probe: Probe, binding: Binding) -> int:
        """Send one probe; the monotonic instant just before, or 0 when a queue is full. Raises ProbeError."""
        last = OSError()
        for _ in range(_ATTEMPTS):
            way = self._ways.get((probe.flow, binding)) or self._way(probe.flow, binding)
            try:
                return _leave(way, probe)
            except OSError as error:
                if error.errno in k.BUSY:
                    self._counts["enobufs"] += 1
                    return 0
                last = error
            if last.errno in k.MOVED and binding.device:  # made anew, it has a new index: so must the socket be
                self._drop(binding)
        raise k.cannot_send(last, binding) from last

    def _way(self, flow: Flow, binding: Binding) -> _Way:
        if len(self._ways) >= _WAYS:
            self._ways.clear()
        line = self._lines.get((flow.af, flow.method, binding))
        if line is None:
            try:
                line = self._open(flow.af, flow.method, binding, self.source_port)
            except OSError as error:
                raise k.cannot_open(error, binding) from error
        port = flow.dport if flow.method is Method.UDP else 0
        way = self._ways[flow, binding] = _Way(dgram_encoder(flow), line, (flow.dst, port))
        return way

    def _drop(self, binding: Binding) -> None:
        self._ways.clear()
        for key in [key for key in self._lines if key[2] == binding]:
            self._close_line(key)

    def receive(self, timeout_ns: int) -> list[Reply]:
        """See `Transport.receive`."""
        replies: list[Reply] = []
        for fd in self._waiter.wait(timeout_ns):
            line = self._by_fd[fd]
            if not self._drain(line, socket.MSG_ERRQUEUE, self._read_error, replies):
                # An error may be noted on the socket after its message was read; unread, it would wake us for ever.
                line.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if line.method is Method.ICMP:
                self._drain(line, 0, self._read_echo, replies)
        return replies

    def _drain(self, line: _Line, flags: int, read: Callable[..., Reply | None], replies: list[Reply]) -> int:
        """Read what is there; how many messages that was."""
        for count in range(_AT_ONCE):
            try:
                message, control, _flags, peer = line.sock.recvmsg(_ROOM, _CONTROL, flags)
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

    def _read_error(self, line: _Line, message: bytes, control: _Control, peer: tuple[str, int]) -> Reply | None:
        data = next((data for level, kind, data in control if (level, kind) in _ERROR_CONTROL), b"")
        _errno, origin, kind, code, info, _ = _ERROR.unpack_from(data)
        reply_kind = _kind_of(line.af, kind, code)
        if origin not in _FROM_ICMP or reply_kind is None or not peer:
            return None
        udp = line.method is Method.UDP
        at_ns, ttl = self._read_control(control)
        return Reply(
            reply_kind,
            socket.inet_ntop(k.DOMAINS[line.af], data[_OFFENDER[line.af]]),
            at_ns,
            line.method,
            peer[0],
            self.source_port,
            peer[1] if udp else int.from_bytes(message[2:4], "big"),
            decode_udp_payload(message) if udp else decode_icmp_dgram(message),
            0,
            kind,
            code,
            ttl,
            mtu=info if reply_kind is ReplyKind.PACKET_TOO_BIG else 0,
        )

    def _read_echo(self, line: _Line, message: bytes, control: _Control, peer: tuple[str, int]) -> Reply | None:
        ident = decode_icmp_dgram(message)
        if not ident or message[0] != _ECHO_REPLY[line.af]:
            return None
        at_ns, ttl = self._read_control(control)
        kind = message[0]
        responder = peer[0]
        return Reply(ReplyKind.ECHO_REPLY, responder, at_ns, Method.ICMP, responder, self.source_port, 0, ident, 0, kind, message[1], ttl)

    def _read_control(self, control: _Control) -> tuple[int, int]:
        """The monotonic instant of arrival, and the reply's own ttl (0: unknown)."""
        at_ns = ttl = 0
        for level, kind, data in control:
            stamp_ns = k.stamp_of(level, kind, data)
            if stamp_ns is not None:
                at_ns, good = k.monotonic_of(stamp_ns)
                if not good:
                    self._counts["timestamps_refused"] += 1
            elif (level, kind) in _TTL_CONTROL:
                ttl = int.from_bytes(data, sys.byteorder)
        if not at_ns:
            self._counts["timestamps_missing"] += 1
            at_ns = time.monotonic_ns()
        return at_ns, ttl

    def pause(self, timeout_ns: int) -> None:
        """See `Transport.pause`."""
        if self._stamped:
            self._waiter.pause(timeout_ns)
        else:  # without stamps a reply is as old as its reading
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
        self._waiter.close()

    def _close_lines(self) -> None:
        self._ways.clear()
        for key in list(self._lines):
            self._close_line(key)

    def _close_line(self, key: tuple[int, Method, Binding]) -> None:
        sock = self._lines.pop(key).sock
        del self._by_fd[sock.fileno()]
        self._waiter.remove(sock)
        sock.close()


def _share(socks: list[socket.socket], value: int) -> None:
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, value)


def _leave(way: _Way, probe: Probe) -> int:
    """Send, or raise OSError. Control messages say ttl and ToS, but IPv6 ping sockets obey them since Linux 5.19 only."""
    line, flow, ttl = way.line, probe.flow, probe.ttl
    packet = way.encode(probe.ident)
    if line.af == 6 and line.method is Method.ICMP:
        if ttl != line.ttl:
            line.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
            line.ttl = ttl
        if flow.tos != line.tos:
            line.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, flow.tos)
            line.tos = flow.tos
        at_ns = time.monotonic_ns()
        line.sock.sendto(packet, way.address)
        return at_ns
    control = [(*_SAY_TTL[line.af], _INTS[ttl]), (*_SAY_TOS[line.af], _INTS[flow.tos])]
    at_ns = time.monotonic_ns()
    line.sock.sendmsg((packet,), control, 0, way.address)
    return at_ns


def _kind_of(af: int, kind: int, code: int) -> ReplyKind | None:
    """None for what answers no probe: redirects, quenches, and a host that waited for fragments (time exceeded, code 1)."""
    if code == 1 and _KINDS.get((af, kind)) is ReplyKind.TIME_EXCEEDED:
        return None
    return _KINDS_BY_CODE.get((af, kind, code)) or _KINDS.get((af, kind))
