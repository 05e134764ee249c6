"""The DCCP header (RFC 4340 section 5) of a Request, and of what answers one: a Response or a Reset.

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|          Source Port          |           Dest Port           |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|  Data Offset  | CCVal | CsCov |           Checksum            |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|     |       |X|               |                               .
| Res | Type  |=|   Reserved    |  Sequence Number (high bits)  .
|     |       |1|               |                               .
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
.                  Sequence Number (low bits)                   |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
Request: then the service code, four bytes.    Response and Reset: then
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|           Reserved            |    Acknowledgement Number     .
|                               |          (high bits)          .
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
.               Acknowledgement Number (low bits)               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
and the service code, or what the reset was for (code and three bytes of data).
"""

from struct import Struct
from typing import NamedTuple

from pathwarden.errors import MalformedPacket
from pathwarden.wire.checksum import checksum

REQUEST = 0  # types
RESPONSE = 1
RESET = 7
SHORTEST = 12  # bytes of any header, which has a short sequence number when X is 0
REQUEST_HEADER = 20  # bytes
ANSWER_HEADER = 28  # bytes of a response or reset

_GENERIC = Struct(">HHBBHBBHI")
_ACKNOWLEDGED = Struct(">HHI")
_LONG = 1  # X
_LOW = 32  # bits in the low part of a number
_LENGTHS = {REQUEST: REQUEST_HEADER, RESPONSE: ANSWER_HEADER, RESET: ANSWER_HEADER}


class DccpHeader(NamedTuple):
    """One header with long numbers (X is 1). `acknowledgment` is None in a request; `cscov` is the coverage field as it stands."""

    sport: int
    dport: int
    data_offset: int
    ccval: int
    cscov: int
    checksum: int
    type: int
    sequence: int
    acknowledgment: int | None


def parse(packet: bytes) -> DccpHeader | None:
    """Read a request, response or reset. None: well-formed, but another type. Raises MalformedPacket when it is cut."""
    if len(packet) < SHORTEST:
        raise MalformedPacket("DCCP header cut")
    word = packet[8]
    kind = word >> 1 & 15
    if kind not in _LENGTHS or not word & _LONG:
        return None
    if len(packet) < _LENGTHS[kind]:
        raise MalformedPacket("DCCP header cut")
    sport, dport, offset, covers, check, _, _, high, low = _GENERIC.unpack_from(packet)
    acknowledgment = None
    if kind != REQUEST:
        _, ack_high, ack_low = _ACKNOWLEDGED.unpack_from(packet, _GENERIC.size)
        acknowledgment = ack_high << _LOW | ack_low
    return DccpHeader(sport, dport, offset, covers >> 4, covers & 15, check, kind, high << _LOW | low, acknowledgment)


def build(
    sport: int, dport: int, kind: int, sequence: int, last: int, pseudo: int, *, acknowledgment: int = 0, payload: bytes = b""
) -> bytes:
    """A packet with a valid checksum over all of it; `last` is the service code, or a reset's code and data."""
    numbers = b"" if kind == REQUEST else _ACKNOWLEDGED.pack(0, acknowledgment >> _LOW, acknowledgment & 0xFFFFFFFF)
    rest = numbers + last.to_bytes(4, "big") + payload
    ends = (sport, dport, _LENGTHS[kind] >> 2, 0)
    fields = (kind << 1 | _LONG, 0, sequence >> _LOW, sequence & 0xFFFFFFFF)
    check = checksum(_GENERIC.pack(*ends, 0, *fields) + rest, pseudo)
    return _GENERIC.pack(*ends, check, *fields) + rest
