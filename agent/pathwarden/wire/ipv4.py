"""The IPv4 header (RFC 791 section 3.1; ToS as RFC 2474 and RFC 3168 read it).

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|Version|  IHL  |Type of Service|          Total Length         |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|         Identification        |Flags|      Fragment Offset    |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|  Time to Live |    Protocol   |         Header Checksum       |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                       Source Address                          |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                    Destination Address                        |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                    Options                    |    Padding    |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

Loose source and record route: the pointer is 4 at the start and grows by 4 at each address that is used up; then the option
holds the ways the datagram took, and the header's destination is the last one.
+--------+--------+--------+---------//--------+
|10000011| length | pointer|     route data    |
+--------+--------+--------+---------//--------+
"""

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from pathwarden.errors import MalformedPacket
from pathwarden.wire.address import pack4, unpack4
from pathwarden.wire.checksum import checksum

ICMP = 1  # protocol numbers, IANA
UDP = 17
HEADER = 20  # bytes without options
DONT_FRAGMENT = 0x4000
MORE_FRAGMENTS = 0x2000
OFFSET_MASK = 0x1FFF

_FIELDS = Struct(">BBHHHBBH4s4s")
_SHORTEST = 0x45  # version 4, five words
_LONGEST = 0x4F
_END, _NOTHING, _LOOSE, _STRICT = 0, 1, 131, 137  # options
_ROUTE = 3  # bytes of a source route before its data


class Ipv4Header(NamedTuple):
    """One header. `header_length` and `total_length` are bytes, `fragment` the three flags and the offset as they stand."""

    tos: int
    total_length: int
    ident: int
    fragment: int
    ttl: int
    protocol: int
    checksum: int
    src: str
    dst: str
    header_length: int = HEADER


def parse(data: bytes) -> Ipv4Header:
    """Read the header that `data` starts with; options are skipped by `header_length`.

    Neither checksum nor total length is held against the bytes: quotes carry a decremented TTL and, from old routers, a
    changed length. Raises MalformedPacket for another version, or a header that is cut.
    """
    if len(data) < HEADER:
        raise MalformedPacket("IPv4 header cut")
    first, tos, total_length, ident, fragment, ttl, protocol, check, src, dst = _FIELDS.unpack_from(data)
    if not _SHORTEST <= first <= _LONGEST:
        raise MalformedPacket("not an IPv4 header")
    header_length = (first & 15) << 2
    if header_length > len(data):
        raise MalformedPacket("IPv4 options cut")
    return Ipv4Header(tos, total_length, ident, fragment, ttl, protocol, check, unpack4(src), unpack4(dst), header_length)


def build(
    src: str, dst: str, protocol: int, payload: bytes, *, ttl: int, ident: int = 0, tos: int = 0, fragment: int = 0, options: bytes = b""
) -> bytes:
    """A datagram with a valid header checksum. `options` come padded to whole words, at most 40 bytes."""
    length = HEADER + len(options)
    fields = ((0x40 | length >> 2), tos, length + len(payload), ident, fragment, ttl, protocol)
    ends = (pack4(src), pack4(dst))
    check = checksum(_FIELDS.pack(*fields, 0, *ends) + options)
    return _FIELDS.pack(*fields, check, *ends) + options + payload


def source_route(addresses: Sequence[str]) -> bytes:
    """The options of a datagram that goes over further addresses; the header holds the first, the last is the destination."""
    data = b"".join(pack4(each) for each in addresses)
    return bytes((_NOTHING, _LOOSE, _ROUTE + len(data), _ROUTE + 1)) + data


def final(dst: str, options: bytes) -> str:
    """Where a datagram goes in the end, by its header's destination and its options (a source route that is not used up)."""
    at = 0
    while at + _ROUTE <= len(options) and options[at] != _END:
        if options[at] == _NOTHING:
            at += 1
            continue
        end = at + max(options[at + 1], 2)
        if options[at] in (_LOOSE, _STRICT) and at + _ROUTE + 4 <= end <= len(options) and options[at + 2] < end - at:
            return unpack4(options[end - 4 : end])
        at = end
    return dst
