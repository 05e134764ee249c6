"""The one source port of the process: chosen outside the kernel's own range, and held so that nobody else gets it."""

import errno
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pathwarden.errors import CannotProbe
from pathwarden.model.probe import Binding
from pathwarden.net import filters
from pathwarden.net.sockets import IPPROTO_UDPLITE, bound

_KERNEL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_RANGE = (32768, 60999)  # Linux's default, if the setting cannot be read
_LOWEST = 10000  # below it too many services have their home
_HIGHEST = 65534  # 65535 is an identifier that some middleboxes treat as none
_ENOUGH = 64  # so few ports above the kernel's range are too few to choose from


def candidates(wanted: int, seed: int) -> Iterator[int]:
    """Ports to try, in an order that depends on nothing but the arguments and the kernel's range; `wanted` first if not 0."""
    if wanted:
        yield wanted
    low, high = _kernel_range()
    ports = range(high + 1, _HIGHEST + 1)
    if len(ports) < _ENOUGH:
        ports = range(_LOWEST, low)
    if len(ports) < _ENOUGH:  # the kernel's range leaves no room: any high port, which being held keeps it ours
        ports = range(*_USUAL_RANGE)
    start = seed % len(ports)
    yield from ports[start:]
    yield from ports[:start]


def _kernel_range() -> tuple[int, int]:
    try:
        low, high = _KERNEL_RANGE.read_text(encoding="ascii").split()
    except OSError:
        return _USUAL_RANGE
    return int(low), int(high)


def deaf_udp(af: int, binding: Binding, port: int, *, shared: bool = False, protocol: int = socket.IPPROTO_UDP) -> socket.socket:
    """A UDP socket on a port that hears no packet, only errors; the kernel says no 'port unreachable' there. Raises OSError.

    `protocol` may be UDP-Lite's.
    """
    sock = bound(af, socket.SOCK_DGRAM, protocol, binding, port, shared=shared)
    try:
        filters.attach(sock, filters.nothing())
    except BaseException:
        sock.close()
        raise
    return sock


def hold_tcp(port: int) -> list[socket.socket]:
    """Hold a port for TCP, on both address families, by sockets that never listen: the kernel resets what comes there. Raises OSError."""
    return _on_both(lambda af: bound(af, socket.SOCK_STREAM, 0, Binding(), port))


def hold_udplite(af: int, port: int) -> list[socket.socket]:
    """Hold a port for UDP-Lite; nothing where the kernel does not speak it, since nobody can take it then. Raises OSError."""
    try:
        return [deaf_udp(af, Binding(), port, protocol=IPPROTO_UDPLITE)]
    except OSError as error:
        if error.errno in {errno.EPROTONOSUPPORT, errno.EADDRINUSE}:  # one that listens there hears more than it wants, no harm to us
            return []
        raise


def share(socks: Iterable[socket.socket], value: bool) -> None:
    """Whether a port may be bound again by one that shares, too."""
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, value)


def first_free(wanted: int, seed: int, claim: Callable[[int], list[socket.socket]]) -> tuple[int, list[socket.socket]]:
    """The first port for which `claim` finds nothing in use, and the sockets that it returned. Raises CannotProbe, OSError."""
    for port in candidates(wanted, seed):
        try:
            return port, claim(port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise CannotProbe("every source port is taken", "end the program that holds them")


def hold(port: int) -> list[socket.socket]:
    """Hold a port on IPv4 and (where it exists) IPv6 so that nobody else gets it. Raises OSError."""
    return _on_both(lambda af: deaf_udp(af, Binding(), port))


def _on_both(opened: Callable[[int], socket.socket]) -> list[socket.socket]:
    held: list[socket.socket] = []
    try:
        for af in (4, 6) if has_ipv6() else (4,):
            held.append(opened(af))  # noqa: PERF401 - those before are closed when one fails
    except BaseException:
        for sock in held:
            sock.close()
        raise
    return held


def has_ipv6() -> bool:
    """Whether this kernel has IPv6 at all."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC).close()
    except OSError:
        return False
    return True
