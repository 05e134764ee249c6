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
"""

from struct import Struct
from typing import NamedTuple

from pathwarden.errors import MalformedPacket
from pathwarden.wire.address import pack6, unpack6

ICMP6 = 58  # next header numbers, IANA
UDP = 17
HOP_BY_HOP = 0
FRAGMENT = 44
DESTINATION_OPTIONS = 60
HEADER = 40  # bytes

_FIELDS = Struct(">IHBB16s16s")
_SKIPPED = frozenset({HOP_BY_HOP, FRAGMENT, DESTINATION_OPTIONS})
_EXTENSION = Struct(">BBH")  # next header, length in 8-byte units without the first, offset of a fragment header
_UNIT = 8


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


def transport(data: bytes, next_header: int) -> tuple[int, int]:
    """Protocol and offset of the transport header in a datagram: extension headers are skipped.

    A fragment other than the first has no transport header: its protocol is FRAGMENT. Raises MalformedPacket when an
    extension header is cut.
    """
    at = HEADER
    while next_header in _SKIPPED:
        if at + _UNIT > len(data):
            raise MalformedPacket("IPv6 extension header cut")
        following, units, offset = _EXTENSION.unpack_from(data, at)
        if next_header == FRAGMENT:
            if offset >> 3:
                return FRAGMENT, at
            units = 0  # that byte is reserved here: the header is always 8 bytes
        next_header = following
        at += (units + 1) * _UNIT
    return next_header, at


def build(src: str, dst: str, next_header: int, payload: bytes, *, hop_limit: int, label: int = 0, traffic_class: int = 0) -> bytes:
    """A datagram; `payload` starts with the header that `next_header` names."""
    word = 6 << 28 | traffic_class << 20 | label
    return _FIELDS.pack(word, len(payload), next_header, hop_limit, pack6(src), pack6(dst)) + payload
