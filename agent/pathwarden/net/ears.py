"""Receiving raw sockets: the kernel filters what comes (`filters`), stamps it, and counts what it had no room for."""

import socket
import sys
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from functools import partial
from struct import Struct

from pathwarden.errors import MalformedPacket
from pathwarden.model.probe import Binding, Flow, Method, Probe, Reply
from pathwarden.net import filters, ports
from pathwarden.net.sockets import (
    IPV6_FLOWINFO,
    IPV6_HOPLIMIT,
    IPV6_PKTINFO,
    SO_RCVBUFFORCE,
    SO_RXQ_OVFL,
    STAMPS,
    Stamps,
    ask_for_stamps,
    bound,
    stamp_of,
)
from pathwarden.net.waiting import Waiter
from pathwarden.wire import ipv6
from pathwarden.wire.address import unpack6
from pathwarden.wire.probe_codec import NUMBERS, decode4, decode6, decode_answer4, decode_answer6

_Decoder = Callable[..., Reply | None]
Recorder = Callable[[bytes, int, Probe | Reply | None], None]

_BUFFER = 1 << 20  # 1500 replies in the kernel's accounting: more than a second at any pace we allow
_ROOM = 65535  # the longest datagram
_CONTROL = 256  # stamp, drop counter and hop limit take 72 bytes; what a record needs of IPv6, 80 more
_AT_ONCE = 256  # packets of one socket before the caller gets its turn
_SECOND_NS = 1_000_000_000
_WIDE = Struct("=qq")
_ICMP = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
_SEGMENTS = {Method.TCP_CONNECT: Method.TCP}
_MOST = 64  # ears for answers: each raw protocol's target has its own


class Ear:
    """One receiving socket of an address family and protocol.

    `decode` reads a packet and its instant on IPv4; on IPv6 a message, its sender, hop limit and instant.
    `missed` is the kernel's count of packets that found its buffer full; `stamped` whether the kernel stamps.
    Raises OSError, and PermissionError without CAP_NET_RAW.
    """

    def __init__(self, af: int, protocol: int, program: bytes | None, decode: _Decoder, counts: MutableMapping[str, int]) -> None:
        self.af = af
        self.missed = 0
        self._protocol = protocol
        self._decode = decode
        self._counts = counts
        self.sock = bound(af, socket.SOCK_RAW, protocol, Binding())
        try:
            if program is not None:
                filters.attach(self.sock, program)
            self._enlarge()
            with suppress(OSError):  # an emulated kernel has no drop counter
                self.sock.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
            if af == 6:
                self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            self.stamped = ask_for_stamps(self.sock)
        except BaseException:
            self.sock.close()
            raise
        self._stamps = Stamps(counts)

    def _enlarge(self) -> None:
        try:  # beyond net.core.rmem_max only with CAP_NET_ADMIN
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, _BUFFER)
        except OSError:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)

    def say_more(self, wanted: bool) -> None:
        """Let the kernel tell what a record of an IPv6 packet needs, or no longer."""
        if self.af == 6:
            for option in (socket.IPV6_RECVPKTINFO, IPV6_FLOWINFO):
                with suppress(OSError):  # an emulated kernel has not every option; the record's header is then poorer
                    self.sock.setsockopt(socket.IPPROTO_IPV6, option, wanted)

    def drain(self, replies: list[Reply], record: Recorder | None = None) -> None:
        """Add the replies that have come."""
        receive, decode, counts, four, stamps = self.sock.recvmsg, self._decode, self._counts, self.af == 4, self._stamps
        stamps.read_ns = 0  # the clocks are compared once for all that is read now
        for _ in range(_AT_ONCE):
            try:
                packet, control, _flags, sender = receive(_ROOM, _CONTROL)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error noted on an ear that is connected; the ear for ICMP has it whole
                continue
            hop_limit = 0
            if len(control) == 1 and control[0][1] in STAMPS and len(control[0][2]) == _WIDE.size:
                seconds, ns = _WIDE.unpack(control[0][2])
                stamp_ns = seconds * _SECOND_NS + ns
                # As `Stamps.instant` says, without a call for each packet.
                at_ns = stamp_ns + stamps.offset_ns if 0 <= stamps.read_ns - stamp_ns < _SECOND_NS else stamps.instant(stamp_ns)
            else:
                at_ns, hop_limit = self._read_control(control)
            reply = None
            try:
                reply = decode(packet, at_ns) if four else decode(packet, sender[0], hop_limit, at_ns)
            except MalformedPacket:
                counts["malformed"] += 1
            else:
                if reply is None:
                    counts["ignored"] += 1
                else:
                    replies.append(reply)
            if record:
                record(packet if four else self._whole(packet, sender[0], control), at_ns, reply)

    def _read_control(self, control: list[tuple[int, int, bytes]]) -> tuple[int, int]:
        """The monotonic instant of arrival, and the hop limit (0: IPv4 has it in the packet)."""
        at_ns = hop_limit = 0
        for level, kind, data in control:
            if level == socket.SOL_SOCKET:
                stamp_ns = stamp_of(level, kind, data)
                if stamp_ns is not None:
                    at_ns = self._stamps.instant(stamp_ns)
                elif kind == SO_RXQ_OVFL:
                    self.missed = int.from_bytes(data, sys.byteorder)
            elif level == socket.IPPROTO_IPV6 and kind == IPV6_HOPLIMIT:
                hop_limit = int.from_bytes(data, sys.byteorder)
        if not at_ns:
            self._counts["timestamps_missing"] += 1
            at_ns = time.monotonic_ns()
        return at_ns, hop_limit

    def _whole(self, message: bytes, sender: str, control: list[tuple[int, int, bytes]]) -> bytes:
        """The IPv6 datagram of a message, which a raw socket gives without its header; extension headers stay unknown."""
        said = {kind: data for level, kind, data in control if level == socket.IPPROTO_IPV6}
        word = int.from_bytes(said.get(IPV6_FLOWINFO, b""), "big")  # traffic class and label; the kernel says nothing of it when both are 0
        hop_limit = int.from_bytes(said.get(IPV6_HOPLIMIT, b""), sys.byteorder)
        dst = unpack6(said.get(IPV6_PKTINFO, bytes(16))[:16])
        return ipv6.build(sender, dst, self._protocol, message, hop_limit=hop_limit, label=word & 0xFFFFF, traffic_class=word >> 20 & 0xFF)

    def close(self) -> None:
        """Release the socket."""
        self.sock.close()


class Ears:
    """All ears of a transport whose source port is `port`: those for ICMP from the start, others when they are first wanted.

    Raises PermissionError without CAP_NET_RAW.
    """

    def __init__(self, port: int, waiter: Waiter, counts: MutableMapping[str, int]) -> None:
        self._port = port
        self._waiter = waiter
        self._counts = counts
        self._by_fd: dict[int, Ear] = {}
        self._wanted: dict[tuple[int, int, str], Ear] = {}
        self._record: Recorder | None = None
        self._missed = 0
        self.stamped = True  # whether every ear's packets are
        try:
            for af, protocol in _ICMP.items() if ports.has_ipv6() else [(4, socket.IPPROTO_ICMP)]:
                program, decode = (filters.replies4, decode4) if af == 4 else (filters.replies6, decode6)
                ear = self._open(Ear(af, protocol, program(self._port), decode, counts))
                filters.only_replies(ear.sock, af)
        except BaseException:
            self.close()
            raise

    def hear(self, flow: Flow) -> None:
        """Hear what this flow's target answers in the probe's own protocol. Raises OSError."""
        raw = flow.method is Method.RAW
        protocol = flow.extra.protocol if raw else NUMBERS[flow.af, _SEGMENTS.get(flow.method, flow.method)]
        key = (flow.af, protocol, flow.dst if raw else "")
        if key in self._wanted:
            return
        if len(self._wanted) >= _MOST:
            self._forget()
        decode = _answers_of(flow, protocol)
        if not raw:
            program = filters.answers4 if flow.af == 4 else filters.answers6
            self._wanted[key] = self._open(Ear(flow.af, protocol, program(self._port), decode, self._counts))
            return
        ear = self._wanted[key] = self._open(Ear(flow.af, protocol, None, decode, self._counts))
        ear.sock.connect((flow.dst, 0))  # such a protocol has no ports: the kernel lets in what comes from the target

    def _open(self, ear: Ear) -> Ear:
        self._by_fd[ear.sock.fileno()] = ear
        self._waiter.add(ear.sock)
        self.stamped = self.stamped and ear.stamped
        ear.say_more(self._record is not None)
        return ear

    def _forget(self) -> None:
        for ear in self._wanted.values():
            self._shut(ear)
        self._wanted.clear()

    def _shut(self, ear: Ear) -> None:
        self._missed += ear.missed
        del self._by_fd[ear.sock.fileno()]
        self._waiter.remove(ear.sock)
        ear.sock.close()

    def get(self, fd: int) -> Ear | None:
        """The ear that has this descriptor."""
        return self._by_fd.get(fd)

    @property
    def record(self) -> Recorder | None:
        """What is told of every packet."""
        return self._record

    @record.setter
    def record(self, record: Recorder | None) -> None:
        self._record = record
        for ear in self._by_fd.values():
            ear.say_more(record is not None)

    @property
    def missed(self) -> int:
        """Packets that found a buffer full."""
        return self._missed + sum(ear.missed for ear in self._by_fd.values())

    def close(self) -> None:
        """Release every socket."""
        for ear in list(self._by_fd.values()):
            self._shut(ear)
        self._wanted.clear()


def _answers_of(flow: Flow, protocol: int) -> _Decoder:
    decode: _Decoder = decode_answer4 if flow.af == 4 else partial(decode_answer6, protocol)
    if flow.method is not Method.RAW:
        return decode

    def with_ports(*packet: object) -> Reply | None:
        reply = decode(*packet)
        return reply and reply._replace(sport=flow.sport, dport=flow.dport)

    return with_ports
