"""Sending raw sockets: how a flow leaves under a binding."""

import socket
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from pathwarden.errors import ProbeError
from pathwarden.model.probe import Binding, Flow
from pathwarden.net import filters
from pathwarden.net.flows import kernel_route
from pathwarden.net.next_hop import NextHops
from pathwarden.net.sockets import bound, cannot_open, device_mtu
from pathwarden.wire.checksum import WORD
from pathwarden.wire.ipv4 import DONT_FRAGMENT
from pathwarden.wire.probe_codec import Encoder, encoder, first_stop, fragments

_WAYS = 4096  # flows whose headers are laid out; about 1 KB each


def _whole(packet: bytes) -> list[bytes]:
    return [packet]


class Way(NamedTuple):
    """How a flow leaves under a binding."""

    encode: Encoder
    leave: Callable[[bytes, tuple[str, int]], object]
    address: tuple[str, int]
    pieces: Callable[[bytes], list[bytes]] = _whole


class Mouths:
    """One socket per address family and binding, opened when first needed; none of them hears anything."""

    def __init__(self) -> None:
        self._socks: dict[tuple[int, Binding], socket.socket] = {}
        self.ways: dict[tuple[Flow, Binding], Way] = {}
        self._next_hops: NextHops | None = None

    def make(self, flow: Flow, binding: Binding) -> Way:
        """A new way, to be found among `ways` from now on. Raises OSError and ProbeError."""
        if len(self.ways) >= _WAYS:
            self.ways.clear()
        try:
            encode = encoder(flow)
        except ValueError as error:  # a size, option or address that these packets cannot have
            raise ProbeError("send_failed", str(error)) from error
        way = Way(encode, self._leave(flow, binding), (first_stop(flow), 0))
        if flow.extra.split:
            way = _in_pieces(way, device_mtu(kernel_route(first_stop(flow), binding).device))
        self.ways[flow, binding] = way
        return way

    def _leave(self, flow: Flow, binding: Binding) -> Callable[[bytes, tuple[str, int]], object]:
        if not binding.next_hop:
            return (self._socks.get((flow.af, binding)) or self._open(flow.af, binding)).sendto
        if self._next_hops is None:
            self._next_hops = NextHops()
        return partial(self._next_hops.send, flow.af, binding)

    def _open(self, af: int, binding: Binding) -> socket.socket:
        # IPPROTO_RAW means that we write the header. The address is bound, too, for rules that look at the source.
        try:
            sock = bound(af, socket.SOCK_RAW, socket.IPPROTO_RAW, binding)
        except OSError as error:
            raise cannot_open(error, binding) from error
        filters.attach(sock, filters.nothing())
        self._socks[af, binding] = sock
        return sock

    def forget(self) -> None:
        """Close every socket and ask the kernel anew: an address, a device or a kernel route has changed."""
        self.ways.clear()
        for sock in self._socks.values():
            sock.close()
        self._socks.clear()
        if self._next_hops:
            self._next_hops.forget()

    def close(self) -> None:
        """Release every socket."""
        self.forget()
        if self._next_hops:
            self._next_hops.close()


def _in_pieces(way: Way, mtu: int) -> Way:
    def pieces(packet: bytes) -> list[bytes]:
        return fragments(_divisible(packet), mtu)

    def leave(packet: bytes, address: tuple[str, int]) -> None:
        for piece in pieces(packet):
            way.leave(piece, address)

    return way._replace(leave=leave, pieces=pieces)


def _divisible(packet: bytes) -> bytes:
    """Without DF; of IPv6 routers split nothing, so there is no such bit."""
    if packet[0] >> 4 == 6:
        return packet
    check = (int.from_bytes(packet[10:12], "big") + DONT_FRAGMENT) % WORD  # what leaves the sum comes to its complement (RFC 1624)
    return packet[:6] + bytes(2) + packet[8:10] + check.to_bytes(2, "big") + packet[12:]
