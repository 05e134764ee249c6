"""ICMPv6 (RFC 4443; length field RFC 4884 section 4, in units of 8 bytes and in another place than on IPv4).

Echo request and reply: as on IPv4.      Errors:
 0               1               2               3
+---------------+---------------+-------------------------------+
|     Type      |     Code      |           Checksum            |
+---------------+---------------+-------------------------------+
|  types 1 and 3: Length (1 byte), unused; 2: MTU; 4: Pointer   |
+---------------+---------------+-------------------------------+
|  As much of the datagram as fits into 1280 bytes              |
+---------------------------------------------------------------+
"""

from struct import Struct

from pathwarden.errors import MalformedPacket
from pathwarden.wire import extensions
from pathwarden.wire.icmp4 import IcmpError
from pathwarden.wire.ipv6 import HEADER as IPV6_HEADER

UNREACHABLE = 1
PACKET_TOO_BIG = 2
TIME_EXCEEDED = 3
PARAMETER_PROBLEM = 4
ECHO_REQUEST = 128
ECHO_REPLY = 129
PORT = 4  # code of UNREACHABLE
HEADER = 8  # bytes before data or quote

_ERROR = Struct(">BBHI")
_UNIT = 8  # bytes that the length field counts
_SHORTEST = 48  # bytes of a quote that can name a probe: the IPv6 header and 8 of the transport's
_EXTENSIBLE = frozenset({UNREACHABLE, TIME_EXCEEDED})  # the others have no room for a length field


def parse_error(message: bytes) -> IcmpError:
    """Read an unreachable, packet too big, time exceeded or parameter problem. Raises MalformedPacket for fewer than 8 bytes."""
    if len(message) < HEADER:
        raise MalformedPacket("ICMPv6 header cut")
    kind, code, _, word = _ERROR.unpack_from(message)
    quote, structure = message[HEADER:], b""
    if kind in _EXTENSIBLE:
        whole = IPV6_HEADER + int.from_bytes(quote[4:6], "big")
        quote, structure = extensions.split(quote, (word >> 24) * _UNIT, _UNIT, _SHORTEST, whole)
    return IcmpError(
        kind,
        code,
        word if kind == PARAMETER_PROBLEM else 0,
        word if kind == PACKET_TOO_BIG else 0,
        quote,
        extensions.read(structure) if structure else (),
    )
