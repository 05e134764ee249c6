"""The one source port of the process: chosen outside the kernel's own range, and held so that nobody else gets it."""

import errno
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from pathwarden.errors import CannotProbe
from pathwarden.model.probe import Binding
from pathwarden.net import filters
from pathwarden.net.sockets import bound

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


def deaf_udp(af: int, binding: Binding, port: int, *, shared: bool = False) -> socket.socket:
    """A UDP socket on a port that hears no packet, only errors; the kernel says no 'port unreachable' there. Raises OSError."""
    sock = bound(af, socket.SOCK_DGRAM, 0, binding, port, shared=shared)
    try:
        filters.attach(sock, filters.nothing())
    except BaseException:
        sock.close()
        raise
    return sock


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
    held = [deaf_udp(4, Binding(), port)]
    if has_ipv6():
        try:
            held.append(deaf_udp(6, Binding(), port))
        except BaseException:
            held[0].close()
            raise
    return held


def has_ipv6() -> bool:
    """Whether this kernel has IPv6 at all."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC).close()
    except OSError:
        return False
    return True
