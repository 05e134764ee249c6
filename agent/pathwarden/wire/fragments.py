"""Datagrams cut to what a link can carry (RFC 791 section 3.2, RFC 8200 section 4.5)."""

from struct import Struct
from zlib import crc32

from pathwarden.wire import ipv4, ipv6
from pathwarden.wire.checksum import checksum

_UNIT = 8  # bytes that an offset counts
_FRAGMENT = Struct(">BBHI")  # next header, reserved, offset and flag, identification
_MORE6 = 1
_BEFORE_FRAGMENT = frozenset({ipv6.HOP_BY_HOP, ipv6.ROUTING})  # every router reads these: they stand in each piece


def fragments(datagram: bytes, mtu: int) -> list[bytes]:
    """A whole datagram in pieces of at most `mtu` bytes, the first first; one that fits is left as it is.

    On IPv4 the pieces have DF cleared, and all options (ours is a source route, which has to be in each). Raises ValueError for an
    `mtu` without room for eight bytes of payload, MalformedPacket for what is no datagram.
    """
    if len(datagram) <= mtu:
        return [datagram]
    return _split4(datagram, mtu) if datagram[0] >> 4 == 4 else _split6(datagram, mtu)


def _pieces(payload: bytes, room: int) -> list[tuple[int, bytes, bool]]:
    """Offset in units, bytes, and whether more follow."""
    room -= room % _UNIT
    if room <= 0:
        raise ValueError("the MTU leaves no room for eight bytes of payload")
    return [(at // _UNIT, payload[at : at + room], at + room < len(payload)) for at in range(0, len(payload), room)]


def _split4(datagram: bytes, mtu: int) -> list[bytes]:
    length = ipv4.parse(datagram).header_length
    header, payload = datagram[:length], datagram[length:]
    return [_piece4(header, offset | more * ipv4.MORE_FRAGMENTS, piece) for offset, piece, more in _pieces(payload, mtu - length)]


def _piece4(header: bytes, fragment: int, piece: bytes) -> bytes:
    total = len(header) + len(piece)
    start = header[:2] + total.to_bytes(2, "big") + header[4:6] + fragment.to_bytes(2, "big") + header[8:10]
    check = checksum(start + header[12:])
    return start + check.to_bytes(2, "big") + header[12:] + piece


def _split6(datagram: bytes, mtu: int) -> list[bytes]:
    first = ipv6.parse(datagram).next_header
    place, at = 6, ipv6.HEADER  # where the number of the next header stands, and where that begins
    while first in _BEFORE_FRAGMENT:
        place, first, at = at, datagram[at], at + (datagram[at + 1] + 1) * _UNIT
    whole = crc32(datagram)  # names the datagram: one of another ident has another one
    start = datagram[:place] + bytes((ipv6.FRAGMENT,)) + datagram[place + 1 : at]
    return [
        _piece6(start + _FRAGMENT.pack(first, 0, offset * _UNIT | more * _MORE6, whole) + piece)
        for offset, piece, more in _pieces(datagram[at:], mtu - at - _UNIT)
    ]


def _piece6(piece: bytes) -> bytes:
    return piece[:4] + (len(piece) - ipv6.HEADER).to_bytes(2, "big") + piece[6:]
