"""The UDP header (RFC 768).

 0      7 8     15 16    23 24    31
+--------+--------+--------+--------+
|   Source Port   | Destination Port|
+--------+--------+--------+--------+
|     Length      |    Checksum     |
+--------+--------+--------+--------+
"""

from struct import Struct
from typing import NamedTuple

from pathwarden.errors import MalformedPacket
from pathwarden.wire.checksum import WORD, checksum

HEADER = 8  # bytes

_FIELDS = Struct(">HHHH")


class UdpHeader(NamedTuple):
    """One header; `length` is header and payload in bytes."""

    sport: int
    dport: int
    length: int
    checksum: int


def parse(data: bytes, offset: int = 0) -> UdpHeader:
    """Read the header at `offset`; the payload may be cut. Raises MalformedPacket for fewer than 8 bytes."""
    if len(data) < offset + HEADER:
        raise MalformedPacket("UDP header cut")
    return UdpHeader(*_FIELDS.unpack_from(data, offset))


def build(sport: int, dport: int, payload: bytes, pseudo: int) -> bytes:
    """A datagram with a valid checksum; `pseudo` is the sum of the pseudo header. A checksum of 0 leaves as 0xffff."""
    length = HEADER + len(payload)
    check = checksum(_FIELDS.pack(sport, dport, length, 0) + payload, pseudo) or WORD
    return _FIELDS.pack(sport, dport, length, check) + payload
