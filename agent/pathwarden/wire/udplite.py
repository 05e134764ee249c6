"""The UDP-Lite header (RFC 3828 section 3.1).

 0              15 16             31
+--------+--------+--------+--------+
|     Source      |   Destination   |
|      Port       |      Port       |
+--------+--------+--------+--------+
|    Checksum     |                 |
|    Coverage     |    Checksum     |
+--------+--------+--------+--------+

The checksum covers the pseudo header, whose length is the IP payload's, and the first `coverage` bytes from the header's
first on: at least the header's 8, or all when it says 0. It is never 0.
"""

from struct import Struct
from typing import NamedTuple

from pathwarden.errors import MalformedPacket
from pathwarden.wire.checksum import WORD, checksum

HEADER = 8  # bytes

_FIELDS = Struct(">HHHH")


class UdpLiteHeader(NamedTuple):
    """One header; `coverage` is bytes, 0 for all."""

    sport: int
    dport: int
    coverage: int
    checksum: int


def parse(data: bytes, offset: int = 0) -> UdpLiteHeader:
    """Read the header at `offset`; the payload may be cut. Raises MalformedPacket for fewer than 8 bytes."""
    if len(data) < offset + HEADER:
        raise MalformedPacket("UDP-Lite header cut")
    return UdpLiteHeader(*_FIELDS.unpack_from(data, offset))


def covered(coverage: int, length: int) -> int:
    """How many of a datagram's `length` bytes the checksum covers. Raises ValueError for a coverage that the RFC forbids."""
    if coverage and not HEADER <= coverage <= length:
        raise ValueError(f"a UDP-Lite datagram of {length} bytes has coverage 0 or {HEADER} to {length}, not {coverage}")
    return coverage or length


def build(sport: int, dport: int, coverage: int, payload: bytes, pseudo: int) -> bytes:
    """A datagram with a valid checksum; `pseudo` is the sum of the pseudo header. Raises ValueError for a forbidden coverage."""
    whole = _FIELDS.pack(sport, dport, coverage, 0) + payload
    check = checksum(whole[: covered(coverage, len(whole))], pseudo) or WORD
    return _FIELDS.pack(sport, dport, coverage, check) + payload
