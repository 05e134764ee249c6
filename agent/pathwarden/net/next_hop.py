"""Handing packets to a chosen neighbour, whatever the kernel's routes say (packet(7)).

Rules:
1. The neighbour's link address is the kernel's. If it knows none, a datagram to the neighbour's discard port makes it ask, and we
   wait for the answer, 100 ms at most: in a local network it takes a few. The kernel goes on asking, so the next trace may find it.
2. It is asked again after 30 s, and then verified, since a neighbour may have been replaced by another machine.
3. A point-to-point link has no link addresses: what is sent goes to its other end.

The kernel's firewall does not see these packets leave: it must let the answers in by itself, as new ones.
"""

import socket
import time
from contextlib import suppress

from pathwarden.errors import ProbeError
from pathwarden.model.probe import Binding
from pathwarden.net.sockets import bound, has_neighbours

Address = tuple[str, int, int, int, bytes]

_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
_DISCARD = 9
_WAIT_NS = 100_000_000
_STEP_S = 0.005
_VALID_NS = 30_000_000_000  # as long as a kernel's own entry stays reachable
_REMEMBERED = 256  # next hops; more than any configuration has


class NextHops:
    """A packet socket for all next hops, and what their link addresses are. Raises OSError without CAP_NET_RAW."""

    def __init__(self) -> None:
        from pathwarden.net.netlink import KernelRoutes  # late: costs memory, and most never force a next hop

        self._routes = KernelRoutes()
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)  # 0: hears nothing
        self._known: dict[tuple[int, Binding], tuple[Address, int]] = {}

    def send(self, af: int, binding: Binding, packet: bytes, _address: tuple[str, int]) -> None:
        """Hand a datagram to a binding's next hop, wherever it goes. Raises OSError, and ProbeError when that has no link address."""
        self._sock.sendto(packet, self._address(af, binding))

    def _address(self, af: int, binding: Binding) -> Address:
        key = (af, binding)
        mono_ns = time.monotonic_ns()
        known, until_ns = self._known.get(key, (None, 0))
        if known is None or until_ns <= mono_ns:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            device = self._routes.lookup(binding.next_hop, binding).device
            known = (device, _ETHERTYPES[af], 0, 0, self._link_address(af, device, binding))
            self._known[key] = known, mono_ns + _VALID_NS
        return known

    def _link_address(self, af: int, device: str, binding: Binding) -> bytes:
        if not has_neighbours(device):
            return b""
        neighbour = binding.next_hop.partition("%")[0]
        found = self._routes.link_address(neighbour, device)
        _provoke(af, neighbour, device)
        until_ns = time.monotonic_ns() + _WAIT_NS
        while found is None and time.monotonic_ns() < until_ns:
            time.sleep(_STEP_S)
            found = self._routes.link_address(neighbour, device)
        if found is None:
            raise ProbeError("no_route", f"next hop {neighbour} does not answer on {device}")
        return found

    def forget(self) -> None:
        """Ask the kernel anew: an address, a device or a kernel route has changed."""
        self._known.clear()

    def close(self) -> None:
        """Release every socket."""
        self._sock.close()
        self._routes.close()


def _provoke(af: int, neighbour: str, device: str) -> None:
    """Let the kernel verify a neighbour, or look for it."""
    with suppress(OSError), bound(af, socket.SOCK_DGRAM, 0, Binding(device=device)) as sock:
        sock.sendto(b"", (neighbour, _DISCARD, 0, socket.if_nametoindex(device)) if af == 6 else (neighbour, _DISCARD))
