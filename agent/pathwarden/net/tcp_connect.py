"""TCP as the kernel does it: a connect() for each probe, with the probe's ttl and always from our one source port.

Rules:
1. A flow has one attempt at a time; its next probe ends the one before, and an attempt ends after 10 s in any case. Until then the
   kernel repeats its SYN, first after a second: an answer that comes later than that may be to the repetition.
2. An attempt ends when it is connected, refused or met by an ICMP error. It closes with a linger of 0: what was open is reset at the
   other end, and no TIME-WAIT keeps our port from the next probe.
3. The port is held by a bound socket that never listens, so nobody else gets it. Only while an attempt is bound does it share.
4. Who hears ICMP and TCP by raw sockets takes the answers from there (`claim`), since those have stamps and quotes. Without, the
   socket tells (`settle`): its error queue names the responder (Linux 5.9), and TCP_INFO the time that the handshake took.
"""

import errno
import socket
import struct
import time
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from typing import NamedTuple

from pathwarden.model.probe import Binding, Flow, Method, Probe, Reply, ReplyKind
from pathwarden.net import error_queue, ports
from pathwarden.net import sockets as k
from pathwarden.net.waiting import Waiter

_LONGEST_NS = 10_000_000_000  # the longest time-out of a probe
_NO_LINGER = struct.pack("=ii", 1, 0)
_TTL = {4: (socket.IPPROTO_IP, socket.IP_TTL), 6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}
_TOS = {4: (socket.IPPROTO_IP, socket.IP_TOS), 6: (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)}
_LABELLED = ((k.IPV6_FLOWINFO_SEND, 1), (k.IPV6_AUTOFLOWLABEL, 0))  # the flow's label, and none of the kernel's
_INFO = struct.Struct("=68xI28xI")  # struct tcp_info: the smoothed RTT in us, and how often anything was sent again


class _Attempt(NamedTuple):
    """One connect(); its socket goes when it has ended, the rest stays until it is answered."""

    probe: Probe
    sent_ns: int
    sock: socket.socket


class Connects:
    """All attempts from one source port. `quoting` leaves the answers to raw sockets. Raises OSError when the port is taken."""

    def __init__(self, port: int, waiter: Waiter, counts: MutableMapping[str, int], *, quoting: bool) -> None:
        self._port = port
        self._waiter = waiter
        self._counts = counts
        self._stamps = k.Stamps(counts)
        self._quoting = quoting
        self._attempts: dict[tuple[str, int], _Attempt] = {}
        self._by_fd: dict[int, _Attempt] = {}
        self._holders = ports.hold_tcp(port)

    @property
    def pending(self) -> bool:
        """Whether any attempt has not ended."""
        return bool(self._by_fd)

    def send(self, probe: Probe, binding: Binding) -> int:
        """Begin an attempt; the monotonic instant just before. Raises OSError."""
        flow = probe.flow
        before = self._attempts.pop((flow.dst, flow.dport), None)
        now_ns = time.monotonic_ns()
        for old in [*([before] if before else []), *self._overdue(now_ns)]:
            self._close(old)
            self._attempts.pop((old.probe.flow.dst, old.probe.flow.dport), None)
        sock = self._open(flow, binding)
        try:
            sock.setsockopt(*_TTL[flow.af], probe.ttl)
            sent_ns = time.monotonic_ns()
            with suppress(BlockingIOError):  # it has begun
                sock.connect((flow.dst, flow.dport, flow.label) if flow.af == 6 else (flow.dst, flow.dport))
        except BaseException:
            sock.close()
            raise
        attempt = _Attempt(probe, sent_ns, sock)
        self._attempts[flow.dst, flow.dport] = self._by_fd[sock.fileno()] = attempt
        self._waiter.add(sock, writable=True)
        return sent_ns

    def _overdue(self, now_ns: int) -> Iterator[_Attempt]:
        return (attempt for attempt in list(self._attempts.values()) if attempt.sent_ns + _LONGEST_NS <= now_ns)

    def _open(self, flow: Flow, binding: Binding) -> socket.socket:
        ports.share(self._holders, True)
        try:
            sock = k.bound(flow.af, socket.SOCK_STREAM, 0, binding, self._port, shared=True)
        finally:
            ports.share(self._holders, False)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            sock.setsockopt(*_TOS[flow.af], flow.tos)
            if flow.af == 6:
                for name, value in _LABELLED:
                    sock.setsockopt(socket.IPPROTO_IPV6, name, value)
            if not self._quoting:
                k.ask_for_stamps(sock)
                for name, value in error_queue.OPTIONS[flow.af]:
                    sock.setsockopt(error_queue.LEVEL[flow.af], name, value)
        except BaseException:
            sock.close()
            raise
        return sock

    def settle(self, fd: int) -> Reply | None:
        """An attempt's socket has something: the answer, if it has one that is not heard elsewhere. Not ours: None."""
        attempt = self._by_fd.get(fd)
        if attempt is None:
            return None
        reply = None if self._quoting else (self._refused_by_icmp(attempt) or _outcome(attempt))
        self._close(attempt)
        return reply

    def _refused_by_icmp(self, attempt: _Attempt) -> Reply | None:
        try:
            _message, control, _flags, _peer = attempt.sock.recvmsg(error_queue.ROOM, error_queue.CONTROL, socket.MSG_ERRQUEUE)
            found = error_queue.seen(attempt.probe.flow.af, control)
        except OSError:
            return None
        except struct.error:
            self._counts["malformed"] += 1
            return None
        if found is None:
            return None
        self._stamps.read_ns = 0
        at_ns, ttl = error_queue.arrival(control, self._stamps, self._counts)
        return _reply(attempt, found.kind, found.responder, at_ns, found.icmp_type, found.icmp_code)._replace(ttl=ttl, mtu=found.mtu)

    @property
    def waiting(self) -> bool:
        """Whether any attempt waits for its answer to be claimed."""
        return bool(self._attempts)

    def claim(self, reply: Reply) -> Reply:
        """A reply that names a TCP segment, as the answer to the attempt whose segment it was; itself if it was none of these."""
        attempt = self._attempts.get((reply.dst, reply.dport))
        if attempt is None or reply.method is not Method.TCP:
            return reply
        del self._attempts[reply.dst, reply.dport]
        self._close(attempt)
        # What the kernel put into the segment is its own affair: nothing of it is compared with the probe.
        return reply._replace(method=Method.TCP_CONNECT, ident=attempt.probe.ident, ident_checksum=0, quoted_length=0, quoted_mss=0)

    def _close(self, attempt: _Attempt) -> None:
        if self._by_fd.pop(attempt.sock.fileno(), None) is not None:
            self._waiter.remove(attempt.sock)
            attempt.sock.close()

    def close(self) -> None:
        """Release every socket."""
        for attempt in list(self._by_fd.values()):
            self._close(attempt)
        self._attempts.clear()
        for holder in self._holders:
            holder.close()


def _outcome(attempt: _Attempt) -> Reply | None:
    """Connected or refused; None for the kernel's own end of an attempt."""
    code, now_ns = attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), time.monotonic_ns()
    responder = attempt.probe.flow.dst
    if code == errno.ECONNREFUSED:
        return _reply(attempt, ReplyKind.CLOSED, responder, now_ns)
    with suppress(OSError):
        attempt.sock.getpeername()
        rtt_us, again = _INFO.unpack(attempt.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
        at_ns = now_ns if again or not rtt_us else min(now_ns, attempt.sent_ns + rtt_us * 1000)
        return _reply(attempt, ReplyKind.OPEN, responder, at_ns)
    return None


def _reply(attempt: _Attempt, kind: ReplyKind, responder: str, at_ns: int, icmp_type: int = 0, icmp_code: int = 0) -> Reply:
    ident, flow, _, _ = attempt.probe
    return Reply(kind, responder, at_ns, Method.TCP_CONNECT, flow.dst, flow.sport, flow.dport, ident, 0, icmp_type, icmp_code)
