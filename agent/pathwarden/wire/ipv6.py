"""The IPv6 header and the extension headers that a quote may hold (RFC 8200 sections 3 and 4).

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|Version| Traffic Class |           Flow Label                  |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|         Payload Length        |  Next Header  |   Hop Limit   |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                   Source Address (16 bytes)                   |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                 Destination Address (16 bytes)                |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

Hop-by-hop and destination options:      Fragment:
+-------------+-------------+- - - -     +-------------+----------+----------------+------+
| Next Header | Hdr Ext Len | options    | Next Header | Reserved | Offset 13|Res|M| ID 4 |
+-------------+-------------+- - - -     +-------------+----------+----------------+------+

Routing:
+-------------+-------------+--------------+---------------+----------------+- - - - - - -
| Next Header | Hdr Ext Len | Routing Type | Segments Left | 4 bytes by type| addresses, 16 bytes each
+-------------+-------------+--------------+---------------+----------------+- - - - - - -
Types 0 (RFC 2460) and 2 (RFC 6275) list what is still to be visited, the destination last. Type 4 (RFC 8754) lists the whole
way backwards, the destination first, and its four bytes are last entry, flags and tag.
"""

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from pathwarden.errors import MalformedPacket
from pathwarden.wire.address import pack6, unpack6

ICMP6 = 58  # next header numbers, IANA
UDP = 17
HOP_BY_HOP = 0
ROUTING = 43
FRAGMENT = 44
DESTINATION_OPTIONS = 60
EXTENSIONS = frozenset({HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS})  # headers that are skipped
HEADER = 40  # bytes

_FIELDS = Struct(">IHBB16s16s")
_EXTENSION = Struct(">BBH")  # next header, length in 8-byte units without the first, offset of a fragment header
_ROUTING = Struct(">BBBBI")
_UNIT = 8
_ADDRESS = 16  # bytes
_MOST_ADDRESSES = 127  # in 255 units
_SEGMENTS = 4  # the routing type whose list runs backwards


class Ipv6Header(NamedTuple):
    """One header; `payload_length` in bytes, extension headers included."""

    traffic_class: int
    label: int
    payload_length: int
    next_header: int
    hop_limit: int
    src: str
    dst: str


def parse(data: bytes) -> Ipv6Header:
    """Read the header that `data` starts with; the payload may be cut. Raises MalformedPacket for another version, or a cut header."""
    if len(data) < HEADER:
        raise MalformedPacket("IPv6 header cut")
    word, payload_length, next_header, hop_limit, src, dst = _FIELDS.unpack_from(data)
    if word >> 28 != 6:
        raise MalformedPacket("not an IPv6 header")
    return Ipv6Header(word >> 20 & 0xFF, word & 0xFFFFF, payload_length, next_header, hop_limit, unpack6(src), unpack6(dst))


class Transport(NamedTuple):
    """What a datagram carries behind its extension headers.

    `offset` is where the header of `protocol` begins, `dst` where the datagram goes in the end ('': to the header's destination),
    `fragmented` whether it is only the first piece of one.
    """

    protocol: int
    offset: int
    dst: str = ""
    fragmented: bool = False


def transport(data: bytes, next_header: int) -> Transport:
    """Find the transport header of a datagram: extension headers are skipped.

    A fragment other than the first has no transport header: its protocol is FRAGMENT. Raises MalformedPacket when an
    extension header is cut.
    """
    at, dst, fragmented = HEADER, "", False
    while next_header in EXTENSIONS:
        if at + _UNIT > len(data):
            raise MalformedPacket("IPv6 extension header cut")
        following, units, offset = _EXTENSION.unpack_from(data, at)
        if next_header == FRAGMENT:
            fragmented = bool(offset & ~6)  # a datagram that is not split may carry the header, too (RFC 6946)
            if offset >> 3:
                return Transport(FRAGMENT, at, dst, fragmented)
            units = 0  # that byte is reserved here: the header is always 8 bytes
        end = at + (units + 1) * _UNIT
        if next_header == ROUTING:
            dst = _final(data[at:end]) or dst
        next_header, at = following, end
    return Transport(next_header, at, dst, fragmented)


def _final(header: bytes) -> str:
    """The last address of a routing header; '' if the datagram has been there, or when the header is cut before it."""
    _, units, kind, left, _ = _ROUTING.unpack_from(header)
    place = _UNIT if kind == _SEGMENTS else (units + 1) * _UNIT - _ADDRESS
    if not left or units < 2 or len(header) < place + _ADDRESS:
        return ""
    return unpack6(header[place : place + _ADDRESS])


def routing_header(next_header: int, kind: int, addresses: Sequence[str]) -> bytes:
    """The header of a datagram that goes over further addresses; the IPv6 header holds the first, the last is the destination.

    `addresses` are all of them, the first included.
    """
    listed = tuple(reversed(addresses)) if kind == _SEGMENTS else addresses[1:]
    left = len(addresses) - 1
    word = left << 24 if kind == _SEGMENTS else 0
    return _ROUTING.pack(next_header, 2 * len(listed), kind, left, word) + b"".join(pack6(each) for each in listed)


def routing_length(kind: int, gateways: int) -> int:
    """Bytes of the routing header over so many gateways, 0 for none."""
    return _UNIT + _ADDRESS * (gateways + (kind == _SEGMENTS)) if gateways else 0


def most_stops(kind: int) -> int:
    """How many gateways a routing header has room for."""
    return _MOST_ADDRESSES - (kind == _SEGMENTS)


def build(src: str, dst: str, next_header: int, payload: bytes, *, hop_limit: int, label: int = 0, traffic_class: int = 0) -> bytes:
    """A datagram; `payload` starts with the header that `next_header` names."""
    word = 6 << 28 | traffic_class << 20 | label
    return _FIELDS.pack(word, len(payload), next_header, hop_limit, pack6(src), pack6(dst)) + payload
