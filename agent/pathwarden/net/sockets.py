"""What all our sockets share: kernel numbers that Python does not name, a binding on a socket, errors as reasons, receive stamps.

The numbers are those of Linux on every architecture that OpenWrt ships (asm-generic and MIPS agree on them).
"""

import errno
import fcntl
import socket
import struct
import time
from collections.abc import MutableMapping

from pathwarden.errors import ProbeError
from pathwarden.model.probe import Binding

SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SO_TIMESTAMPNS_NEW = 64  # what libraries with 64-bit time on 32-bit machines hand out
SO_RXQ_OVFL = 40
IP_MTU_DISCOVER = 10
IP_RECVERR = 11
IP_RECVTTL = 12
IPV6_FLOWINFO = 11
IPV6_PKTINFO = 50
IPV6_HOPLIMIT = 52
IPV6_MTU_DISCOVER = 23
IPV6_RECVERR = 25
IPV6_AUTOFLOWLABEL = 70
IPPROTO_UDPLITE = 136  # Python names it on 3.12 at the earliest
UDPLITE_SEND_CSCOV = 10
IPV6_FLOWINFO_SEND = 33  # a label stands in the address; no lease is needed since Linux 5.2, unless somebody has an exclusive one
PMTUDISC_DONT = 0  # fragments, as long a datagram as it may be
PMTUDISC_PROBE = 3  # don't fragment, and disregard what the kernel remembers about the path's MTU

DOMAINS = {4: socket.AF_INET, 6: socket.AF_INET6}
WILDCARDS = {4: "0.0.0.0", 6: "::"}
BUSY = frozenset({errno.ENOBUFS, errno.EAGAIN})  # a queue is full: a reason to try again, not a loss
MOVED = frozenset({errno.ENODEV, errno.ENXIO, errno.ENETUNREACH})  # what a device that was made anew answers its old sockets

_OPENING = {
    errno.EPERM: "no_permission",
    errno.EACCES: "no_permission",
    errno.ENODEV: "device_absent",
    errno.EADDRNOTAVAIL: "address_absent",
    errno.EAFNOSUPPORT: "no_route",
}
_LEAVING = {
    errno.EPERM: "no_permission",  # the firewall's output chain drops it
    errno.EACCES: "no_route",  # a kernel route of type prohibit
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "no_route",
    errno.EADDRNOTAVAIL: "no_route",  # IPv6 finds no source address
    errno.ENODEV: "device_absent",
    errno.ENXIO: "device_absent",
    errno.ENETDOWN: "device_down",
    errno.EMSGSIZE: "too_long",
}
_CONNECTING = _LEAVING | {errno.EINVAL: "no_route"}  # a blackhole route, or a link-local target without a device

_SIOCGIFFLAGS = 0x8913
_SIOCGIFMTU = 0x8921
_NO_NEIGHBOURS = 0x10 | 0x80  # IFF_POINTOPOINT and IFF_NOARP
_READY = 0x1 | 0x40  # IFF_UP and IFF_RUNNING
_IFREQ = struct.Struct("16sH22x")
_IFREQ_INT = struct.Struct("=16si20x")
_WIDE = struct.Struct("=qq")
_NARROW = struct.Struct("=ii")  # a 32-bit machine's timespec
_SECOND_NS = 1_000_000_000
STAMPS = frozenset({SO_TIMESTAMPNS, SO_TIMESTAMPNS_NEW})
_OLDEST_NS = 4 * _SECOND_NS  # twice as long as the longest pause of who reads stamps
_KEPT_NS = 1_000_000  # both clocks are slewed alike: only a step or a suspension moves them apart
_AT_ONE_TIME_NS = 100_000  # both are read within this time, unless something interrupts us;
_TRIES = 5  # then they are read again


def device_state(device: str) -> str:
    """'' when a device is ready to send, else the reason for a `ProbeError`: 'device_absent' or 'device_down'."""
    flags = _ask_device(_SIOCGIFFLAGS, device)
    if flags is None:
        return "device_absent"
    return "" if flags & _READY == _READY else "device_down"


def has_neighbours(device: str) -> bool:
    """Whether a device needs a link address for each neighbour, as a point-to-point link does not."""
    return not (_ask_device(_SIOCGIFFLAGS, device) or 0) & _NO_NEIGHBOURS


def device_mtu(device: str) -> int:
    """The longest datagram that a device takes, in bytes; 0 when it is absent."""
    return _ask_device(_SIOCGIFMTU, device) or 0


def _ask_device(what: int, device: str) -> int | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            answer = fcntl.ioctl(sock, what, _IFREQ.pack(device.encode()[:15], 0))
        except OSError:
            return None
    return int((_IFREQ_INT if what == _SIOCGIFMTU else _IFREQ).unpack(answer)[1])


def cannot_open(error: OSError, binding: Binding) -> ProbeError:
    """The reason why a socket does not take a binding."""
    reason = _OPENING.get(error.errno or 0, "send_failed")
    return ProbeError(reason, _detail(reason, error, binding))


def cannot_hold(error: OSError, port: int) -> ProbeError:
    """The reason why TCP's source port is not ours."""
    if error.errno == errno.EADDRINUSE:
        return ProbeError("send_failed", f"another program holds TCP port {port}")
    return cannot_open(error, Binding())


def cannot_connect(error: OSError, binding: Binding) -> ProbeError:
    """The reason why the kernel finds no source address for a target."""
    return _leaving(_CONNECTING, error, binding)


def cannot_send(error: OSError, binding: Binding) -> ProbeError:
    """The reason why a probe did not leave."""
    return _leaving(_LEAVING, error, binding)


def _leaving(reasons: dict[int, str], error: OSError, binding: Binding) -> ProbeError:
    reason = reasons.get(error.errno or 0, "send_failed")
    if reason == "no_route" and binding.device:  # the kernel says so, too, when the device has no carrier
        reason = device_state(binding.device) or reason
    return ProbeError(reason, _detail(reason, error, binding))


def _detail(reason: str, error: OSError, binding: Binding) -> str:
    if reason.startswith("device"):
        return binding.device
    if reason == "address_absent":
        return binding.address
    if reason == "too_long":
        return str((binding.device and device_mtu(binding.device)) or "")
    return error.strerror or ""


def bound(af: int, kind: int, protocol: int, binding: Binding, port: int = 0, *, shared: bool = False) -> socket.socket:
    """A non-blocking socket under a binding: device, mark, address and port, in this order. Raises OSError.

    The order matters: a port that is taken on one device is free on another. `shared` lets the port be ours twice.
    """
    sock = socket.socket(DOMAINS[af], kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    try:
        if af == 6 and kind != socket.SOCK_RAW:  # a raw socket has no port that IPv4 could share
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if binding.device:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, binding.device.encode())
        if binding.direct:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        if binding.debug:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_DEBUG, 1)
        if binding.fwmark:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, struct.pack("=I", binding.fwmark))
        if binding.address or port:
            sock.bind((binding.address or WILDCARDS[af], port))
    except BaseException:
        sock.close()
        raise
    return sock


def ask_for_stamps(sock: socket.socket) -> bool:
    """Ask the kernel for receive stamps; False where it has none (an emulated kernel)."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


def stamp_of(level: int, kind: int, data: bytes) -> int | None:
    """The wall-clock nanoseconds of a control message, or None if it is another one."""
    if level != socket.SOL_SOCKET or kind not in STAMPS:
        return None
    fields = _WIDE if len(data) == _WIDE.size else _NARROW
    seconds, ns = fields.unpack(data)
    return int(seconds) * _SECOND_NS + int(ns)


class Stamps:
    """The receive stamps of one socket, or of several that are read together, which may be read a while after they were made.

    The wall clock may have been set between arrival and reading. A stamp from the future is not believed, nor one that is a second old, or
    `_OLDEST_NS` where both clocks are as far apart as when they were compared last; the instant of reading stands instead, and is counted.
    `read_ns` is the wall clock at this reading (0: a new one begins), `offset_ns` what makes a monotonic instant of a stamp.
    """

    __slots__ = ("_counts", "_oldest_ns", "offset_ns", "read_ns")

    def __init__(self, counts: MutableMapping[str, int]) -> None:
        self.read_ns = 0
        self.offset_ns = _clocks()[1]
        self._oldest_ns = _SECOND_NS
        self._counts = counts

    def instant(self, stamp_ns: int) -> int:
        """The monotonic instant of a stamp."""
        if stamp_ns > self.read_ns:  # the first of this reading, or one that came during it
            self._compare()
        if not 0 <= self.read_ns - stamp_ns < self._oldest_ns:
            self._counts["timestamps_refused"] += 1
            return self.read_ns + self.offset_ns
        return stamp_ns + self.offset_ns

    def _compare(self) -> None:
        wall_ns, offset_ns = _clocks()
        kept = abs(offset_ns - self.offset_ns) < _KEPT_NS
        if not self.read_ns or not kept:
            self._oldest_ns = _OLDEST_NS if kept else _SECOND_NS
        self.read_ns, self.offset_ns = wall_ns, offset_ns


def _clocks() -> tuple[int, int]:
    """The wall clock, and what must be added to it for the monotonic one."""
    for _ in range(_TRIES):
        before_ns, wall_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after_ns - before_ns < _AT_ONE_TIME_NS:
            break
    return wall_ns, after_ns - wall_ns
