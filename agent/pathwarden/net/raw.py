"""Probes through raw sockets: we write the whole IP datagram, and read ICMP as it came. Needs CAP_NET_RAW.

Sending: one socket per address family and binding, opened when first needed; none of them hears anything.
Receiving: one socket for ICMP, one for ICMPv6, on all devices; the kernel filters (`filters`) and stamps what comes.
"""

import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from pathwarden.errors import CannotProbe, MalformedPacket
from pathwarden.model.probe import PLAIN, Binding, Extra, Flow, Method, Probe, Reply
from pathwarden.net import filters, ports
from pathwarden.net.flows import Flows
from pathwarden.net.sockets import (
    BUSY,
    IPV6_HOPLIMIT,
    MOVED,
    SO_RCVBUFFORCE,
    SO_RXQ_OVFL,
    ask_for_stamps,
    bound,
    cannot_open,
    cannot_send,
    monotonic_of,
    stamp_of,
)
from pathwarden.net.waiting import Waiter
from pathwarden.wire.probe_codec import Encoder, decode4, decode6, encoder

_ICMP = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
_EVERY_IDENT = 0xFFFE  # each probe in flight is told apart by its own
_BUFFER = 1 << 20  # 1500 replies in the kernel's accounting: more than a second at any pace we allow
_ROOM = 65535  # the longest datagram
_CONTROL = 128  # stamp, drop counter and hop limit take 72 bytes
_AT_ONCE = 256  # packets of one socket before the caller gets its turn
_WAYS = 4096  # flows whose headers are laid out; about 1 KB each


class _Way(NamedTuple):
    """How a flow leaves under a binding."""

    encode: Encoder
    sendto: Callable[[bytes, tuple[str, int]], int]
    address: tuple[str, int]


class _Ear:
    """One receiving socket; `missed` is the kernel's count of packets that found its buffer full."""

    def __init__(self, af: int, port: int) -> None:
        self.af = af
        self.missed = 0
        self.sock = bound(af, socket.SOCK_RAW, _ICMP[af], Binding())
        try:
            filters.attach(self.sock, filters.replies4(port) if af == 4 else filters.replies6(port))
            filters.only_replies(self.sock, af)
            self._enlarge()
            with suppress(OSError):  # an emulated kernel has no drop counter
                self.sock.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
            if af == 6:
                self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            self.stamped = ask_for_stamps(self.sock)
        except BaseException:
            self.sock.close()
            raise

    def _enlarge(self) -> None:
        try:  # beyond net.core.rmem_max only with CAP_NET_ADMIN
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, _BUFFER)
        except OSError:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)


class RawTransport:
    """A `Transport` over raw sockets, with one source port for all targets, which is the ICMP identifier as well.

    `source_port` 0 chooses a free one outside the kernel's own range, beginning at a place that `seed` determines; one that
    another program holds is passed over, so compare the property afterwards. Raises CannotProbe without CAP_NET_RAW.
    """

    name = "raw"

    def __init__(self, source_port: int = 0, *, seed: int = 0) -> None:
        self.source_port, self._held = ports.first_free(source_port, seed, ports.hold)
        self._counts: Counter[str] = Counter(malformed=0, ignored=0, enobufs=0, timestamps_missing=0, timestamps_refused=0)
        self._flows = Flows(self.source_port, labelled=True)
        self._stale = False
        self._mouths: dict[tuple[int, Binding], socket.socket] = {}
        self._ways: dict[tuple[Flow, Binding], _Way] = {}
        self._ears: dict[int, _Ear] = {}
        self._waiter = Waiter()
        self._buffer = bytearray(_ROOM)
        try:
            self._listen()
        except PermissionError as error:
            self.close()
            raise CannotProbe("raw sockets are not permitted", "give the program CAP_NET_RAW") from error
        except BaseException:
            self.close()
            raise

    def _listen(self) -> None:
        for af in (4, 6) if ports.has_ipv6() else (4,):
            ear = _Ear(af, self.source_port)
            self._ears[ear.sock.fileno()] = ear
            self._waiter.add(ear.sock)

    def flow(
        self, dst: str, method: Method, port: int, binding: Binding, tos: int, size: int, label: int = 0, extra: Extra = PLAIN
    ) -> Flow:
        """See `Transport.flow`. Raises ProbeError."""
        if self._stale:
            self._stale = False
            self._renew()
        return self._flows.get(dst, method, port, binding, tos, size, label, extra)

    def forget(self) -> None:
        """Before the next flow ask the kernel anew: an address, a device or a kernel route has changed. From any thread."""
        self._stale = True

    def _renew(self) -> None:
        self._flows.forget()
        self._ways.clear()
        for sock in self._mouths.values():
            sock.close()
        self._mouths.clear()

    def window(self, flow: Flow) -> int:  # noqa: ARG002 - the protocol's signature; raw sockets see every ident
        """How many probes of one flow are told apart: as many as there are idents."""
        return _EVERY_IDENT

    def send(self, probe: Probe, binding: Binding) -> int:
        """Send one probe; the monotonic instant just before, or 0 when a queue is full. Raises ProbeError."""
        try:
            return self._send(probe, binding)
        except OSError as error:
            if error.errno in BUSY:
                self._counts["enobufs"] += 1
                return 0
            if not binding.device or error.errno not in MOVED:
                raise cannot_send(error, binding) from error
        self._renew()  # a device that went and came again has a new index: its sockets must be opened anew
        try:
            return self._send(probe, binding)
        except OSError as error:
            raise cannot_send(error, binding) from error

    def _send(self, probe: Probe, binding: Binding) -> int:
        way = self._ways.get((probe.flow, binding)) or self._way(probe.flow, binding)
        packet = way.encode(probe.ident, probe.ttl)
        at_ns = time.monotonic_ns()
        way.sendto(packet, way.address)
        return at_ns

    def _way(self, flow: Flow, binding: Binding) -> _Way:
        if len(self._ways) >= _WAYS:
            self._ways.clear()
        mouth = self._mouths.get((flow.af, binding)) or self._open_mouth(flow.af, binding)
        way = self._ways[flow, binding] = _Way(encoder(flow), mouth.sendto, (flow.dst, 0))
        return way

    def _open_mouth(self, af: int, binding: Binding) -> socket.socket:
        # IPPROTO_RAW means that we write the header. The address is bound, too, for rules that look at the source.
        try:
            mouth = bound(af, socket.SOCK_RAW, socket.IPPROTO_RAW, binding)
        except OSError as error:
            raise cannot_open(error, binding) from error
        filters.attach(mouth, filters.nothing())
        self._mouths[af, binding] = mouth
        return mouth

    def receive(self, timeout_ns: int) -> list[Reply]:
        """See `Transport.receive`."""
        replies: list[Reply] = []
        for fd in self._waiter.wait(timeout_ns):
            self._drain(self._ears[fd], replies)
        return replies

    def _drain(self, ear: _Ear, replies: list[Reply]) -> None:
        buffer = self._buffer
        receive = ear.sock.recvmsg_into
        for _ in range(_AT_ONCE):
            try:
                size, control, _flags, sender = receive((buffer,), _CONTROL)
            except BlockingIOError:
                return
            at_ns, hop_limit = self._read_control(ear, control)
            packet = bytes(buffer[:size])
            try:
                reply = decode4(packet, at_ns) if ear.af == 4 else decode6(packet, sender[0], hop_limit, at_ns)
            except MalformedPacket:
                self._counts["malformed"] += 1
                continue
            if reply is None:
                self._counts["ignored"] += 1
            else:
                replies.append(reply)

    def _read_control(self, ear: _Ear, control: list[tuple[int, int, bytes]]) -> tuple[int, int]:
        """The monotonic instant of arrival, and the hop limit (0: IPv4 has it in the packet)."""
        at_ns = hop_limit = 0
        for level, kind, data in control:
            stamp_ns = stamp_of(level, kind, data)
            if stamp_ns is not None:
                at_ns, good = monotonic_of(stamp_ns)
                if not good:
                    self._counts["timestamps_refused"] += 1
            elif level == socket.IPPROTO_IPV6 and kind == IPV6_HOPLIMIT:
                hop_limit = int.from_bytes(data, sys.byteorder)
            elif level == socket.SOL_SOCKET and kind == SO_RXQ_OVFL:
                ear.missed = int.from_bytes(data, sys.byteorder)
        if not at_ns:
            self._counts["timestamps_missing"] += 1
            at_ns = time.monotonic_ns()
        return at_ns, hop_limit

    def wake(self) -> None:
        """See `Transport.wake`."""
        self._waiter.wake()

    def counters(self) -> Mapping[str, int]:
        """Counts since start.

        `malformed` and `ignored` packets, `overflow` of the receive buffers, `enobufs` (full send queues), receive stamps
        that were missing or refused.
        """
        return {**self._counts, "overflow": sum(ear.missed for ear in self._ears.values())}

    def close(self) -> None:
        """Release every socket."""
        self._renew()
        for ear in self._ears.values():
            ear.sock.close()
        for sock in self._held:
            sock.close()
        self._ears.clear()
        self._waiter.close()
