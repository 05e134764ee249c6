"""ICMP for IPv4 (RFC 792; MTU RFC 1191 section 4; length field RFC 4884 section 4).

Echo request and reply:                  Destination unreachable, time exceeded, parameter problem:
 0               1               2               3               0               1               2               3
+---------------+---------------+-------------------------------+  +---------------+---------------+-------------------------------+
|     Type      |     Code      |           Checksum            |  |     Type      |     Code      |           Checksum            |
+---------------+---------------+-------------------------------+  +---------------+---------------+-------------------------------+
|          Identifier           |        Sequence Number        |  |Pointer/unused |Length, 4 bytes|  Next-hop MTU (3/4) or unused |
+---------------+---------------+-------------------------------+  +---------------+---------------+-------------------------------+
|                             Data                              |  |         Internet Header + at least 64 bits of datagram        |
+---------------------------------------------------------------+  +---------------------------------------------------------------+
"""

from struct import Struct
from typing import NamedTuple

from pathwarden.errors import MalformedPacket
from pathwarden.model.probe import Extension
from pathwarden.wire import extensions

ECHO_REPLY = 0
UNREACHABLE = 3
ECHO_REQUEST = 8
TIME_EXCEEDED = 11
PARAMETER_PROBLEM = 12
PORT = 3  # code of UNREACHABLE
FRAGMENTATION_NEEDED = 4  # code of UNREACHABLE
HEADER = 8  # bytes before data or quote

_ECHO = Struct(">BBHHH")
_ERROR = Struct(">BBHBBH")
_UNIT = 4  # bytes that the length field counts
_SHORTEST = 28  # bytes of a quote: the IPv4 header and 64 bits


class Echo(NamedTuple):
    """An echo request or reply; `code` is 0 in every honest one."""

    type: int
    code: int
    checksum: int
    identifier: int
    sequence: int


class IcmpError(NamedTuple):
    """An error and the datagram that it quotes; `mtu` 0 and `pointer` 0 where the type has none."""

    type: int
    code: int
    pointer: int
    mtu: int
    quote: bytes
    extensions: tuple[Extension, ...] = ()


def parse_echo(data: bytes, offset: int = 0) -> Echo:
    """Read the echo header at `offset`. Raises MalformedPacket for fewer than 8 bytes."""
    if len(data) < offset + HEADER:
        raise MalformedPacket("ICMP header cut")
    return Echo(*_ECHO.unpack_from(data, offset))


def parse_error(message: bytes) -> IcmpError:
    """Read an unreachable, time exceeded or parameter problem. Raises MalformedPacket for fewer than 8 bytes."""
    if len(message) < HEADER:
        raise MalformedPacket("ICMP header cut")
    kind, code, _, pointer, length, mtu = _ERROR.unpack_from(message)
    body = message[HEADER:]
    quote, structure = extensions.split(body, length * _UNIT, _UNIT, _SHORTEST, int.from_bytes(body[2:4], "big"))
    return IcmpError(
        kind,
        code,
        pointer if kind == PARAMETER_PROBLEM else 0,
        mtu if kind == UNREACHABLE and code == FRAGMENTATION_NEEDED else 0,
        quote,
        extensions.read(structure) if structure else (),
    )
