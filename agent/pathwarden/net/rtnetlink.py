"""The kernel's notifications about links, addresses, routes, rules and neighbours, read by hand (rtnetlink(7), linux/rtnetlink.h).

     0                   1                   2                   3
    +---------------------------------------------------------------+
    |                       length with header                      |
    +-------------------------------+-------------------------------+
    |             type              |             flags             |
    +-------------------------------+-------------------------------+
    |                        sequence number                        |
    +---------------------------------------------------------------+
    |                            port id                            |
    +---------------------------------------------------------------+

then a fixed part of each kind, then attributes (length with itself, type, value), all in the machine's byte order and on 4-byte bounds.
Every reader takes the part behind the header and raises MalformedPacket if it is cut short or does not add up.
"""

import socket
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import NamedTuple, TypeVar

from pathwarden.errors import MalformedPacket

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg: family, two lengths, tos, table, protocol, scope, type, flags
_RULE = struct.Struct("=BBBBBBBBI")  # struct fib_rule_hdr: family, two lengths, tos, table, two unused, action, flags
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # struct ndmsg: family, index, state, flags, type
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr
_NEXT_HOP = struct.Struct("=HxxI")  # struct rtnexthop: length, index
_NUMBER = struct.Struct("=I")
_ALIGN = 4

DONE = 3  # NLMSG_DONE
_REQUEST = 0x1 | 0x300  # NLM_F_REQUEST, NLM_F_DUMP
PART = 0x2  # NLM_F_MULTI: of a dump; notifications never have it
REPLACE = 0x100  # NLM_F_REPLACE
NEW_LINK, DEL_LINK, GET_LINK = 16, 17, 18
NEW_ADDRESS, DEL_ADDRESS, GET_ADDRESS = 20, 21, 22
NEW_ROUTE, DEL_ROUTE = 24, 25
NEW_NEIGHBOUR, DEL_NEIGHBOUR = 28, 29
NEW_RULE, DEL_RULE = 32, 33

_UP, _RUNNING = 0x1, 0x40  # IFF_UP; IFF_RUNNING: it has its carrier
FAILED = 0x20  # NUD_FAILED
_UNICAST, _REFUSALS = 1, (6, 7, 8)  # RTN_UNICAST; RTN_BLACKHOLE, _UNREACHABLE, _PROHIBIT. Others are local: addresses tell of them.
_CLONED = 0x200  # RTM_F_CLONED: a remembered answer, no route
_TENTATIVE = 0x40  # IFA_F_TENTATIVE: not in use yet
WIDEST = {int(socket.AF_INET): 1, int(socket.AF_INET6): 3}  # 0.0.0.0/1 with its twin is a VPN's default route, 2000::/3 all of the Internet
_SIZES = {int(socket.AF_INET): 4, int(socket.AF_INET6): 16}

_IFLA_IFNAME, _IFLA_MTU = 3, 4
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_MULTIPATH, _RTA_TABLE, _RTA_VIA = 1, 4, 5, 6, 9, 15, 18
_FRA_PRIORITY, _FRA_OIFNAME, _FRA_TABLE = 6, 17, 15
_NDA_DST = 1
_TYPE = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER

T = TypeVar("T")


class LinkNews(NamedTuple):
    """A link. `number` is the kernel's index; `name` '' and `mtu` 0 if not said."""

    number: int
    name: str
    flags: int
    mtu: int

    @property
    def up(self) -> bool:
        """Whether it is set up."""
        return bool(self.flags & _UP)

    @property
    def ready(self) -> bool:
        """Whether it is set up and has its carrier."""
        return self.flags & (_UP | _RUNNING) == _UP | _RUNNING


class AddressNews(NamedTuple):
    """An address of the link of this number; `tentative` while the kernel looks for a duplicate."""

    number: int
    address: str
    length: int
    tentative: bool


class RouteNews(NamedTuple):
    """A route that packets may take. `destination` is 'default' or a prefix.

    `ways` has the link's number (0: packets are refused) and the gateway ('' on link) of each next hop.
    """

    family: int
    destination: str
    table: int
    metric: int
    ways: tuple[tuple[int, str], ...]


class RuleNews(NamedTuple):
    """A policy rule; `device` is the one that it asks for, '' without."""

    priority: int
    table: int
    device: str


class NeighbourNews(NamedTuple):
    """A neighbour, on the link of this number, that failed: it did not answer, or somebody is about to delete it (NUD_FAILED)."""

    number: int
    address: str


def messages(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Type, flags, and where the body begins and ends, of each message in a datagram; ends at one that does not add up."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, _, _ = HEADER.unpack_from(data, offset)
        if length < HEADER.size or offset + length > len(data):
            return
        yield kind, flags, offset + HEADER.size, offset + length
        offset += length + -length % _ALIGN


def dump(asked: int, sequence: int) -> bytes:
    """The request for all links (GET_LINK) or all addresses (GET_ADDRESS)."""
    body = bytes(_LINK.size if asked == GET_LINK else _ADDRESS.size)
    return HEADER.pack(HEADER.size + len(body), asked, _REQUEST, sequence, 0) + body


def _strict(read: Callable[[bytes], T]) -> Callable[[bytes], T]:
    @wraps(read)
    def reading(body: bytes) -> T:
        try:
            return read(body)
        except (struct.error, ValueError) as error:
            raise MalformedPacket(str(error)) from error

    return reading


@_strict
def link(body: bytes) -> LinkNews | None:
    """The link; None for a bridge's or IPv6's own view of it. Raises MalformedPacket."""
    family, _, index, flags, _ = _LINK.unpack_from(body)
    if family != socket.AF_UNSPEC:
        return None
    attributes = _attributes(body, _LINK.size)
    return LinkNews(index, _text(attributes.get(_IFLA_IFNAME)), flags, _number(attributes.get(_IFLA_MTU)))


@_strict
def address(body: bytes) -> AddressNews:
    """The address. Raises MalformedPacket."""
    family, length, flags, _, index = _ADDRESS.unpack_from(body)
    attributes = _attributes(body, _ADDRESS.size)
    # Of a point-to-point link IFA_ADDRESS is the other end.
    literal = _literal(family, attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS))
    return AddressNews(index, literal, length, bool(flags & _TENTATIVE))


@_strict
def width(body: bytes) -> bool | None:
    """Of a route message, whether it is so wide that it is taken by default; None if no packet of ours takes it. Raises MalformedPacket."""
    family, length, _, _, _, _, _, kind, flags = _ROUTE.unpack_from(body)
    if flags & _CLONED or family not in WIDEST or (kind != _UNICAST and kind not in _REFUSALS):
        return None
    return bool(length <= WIDEST[family])


@_strict
def route(body: bytes) -> RouteNews:
    """The route. Raises MalformedPacket."""
    family, length, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(body)
    attributes = _attributes(body, _ROUTE.size)
    destination = f"{_literal(family, attributes[_RTA_DST])}/{length}" if _RTA_DST in attributes else "default"
    ways = _ways(family, attributes) if kind == _UNICAST else ((0, ""),)
    return RouteNews(family, destination, _number(attributes.get(_RTA_TABLE)) or table, _number(attributes.get(_RTA_PRIORITY)), ways)


@_strict
def rule(body: bytes) -> RuleNews:
    """The rule. Raises MalformedPacket."""
    table = _RULE.unpack_from(body)[4]
    attributes = _attributes(body, _RULE.size)
    wide = _number(attributes.get(_FRA_TABLE))
    return RuleNews(_number(attributes.get(_FRA_PRIORITY)), wide or table, _text(attributes.get(_FRA_OIFNAME)))


@_strict
def neighbour(body: bytes) -> NeighbourNews | None:
    """The neighbour, if it failed and has an IP address, else None. Raises MalformedPacket."""
    family, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
    if not state & FAILED or family not in _SIZES:
        return None
    return NeighbourNews(index, _literal(family, _attributes(body, _NEIGHBOUR.size).get(_NDA_DST)))


def _attributes(body: bytes, offset: int) -> dict[int, bytes]:
    """The attributes by type, without the flags that a type may carry."""
    found: dict[int, bytes] = {}
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < _ATTRIBUTE.size or offset + length > len(body):
            raise MalformedPacket("an attribute that does not add up")
        found[kind & _TYPE] = body[offset + _ATTRIBUTE.size : offset + length]
        offset += length + -length % _ALIGN
    return found


def _ways(family: int, attributes: Mapping[int, bytes]) -> tuple[tuple[int, str], ...]:
    """Link index and gateway of each next hop, at least one."""
    several = attributes.get(_RTA_MULTIPATH)
    if several is None:
        return ((_number(attributes.get(_RTA_OIF)), _gateway(family, attributes)),)
    found = []
    offset = 0
    while offset + _NEXT_HOP.size <= len(several):
        length, index = _NEXT_HOP.unpack_from(several, offset)
        if length < _NEXT_HOP.size or offset + length > len(several):
            raise MalformedPacket("a next hop that does not add up")
        found.append((index, _gateway(family, _attributes(several[: offset + length], offset + _NEXT_HOP.size))))
        offset += length + -length % _ALIGN
    return tuple(found) or ((0, ""),)


def _gateway(family: int, attributes: Mapping[int, bytes]) -> str:
    """The gateway, which may be of the other family (RTA_VIA: family, address); '' on link."""
    if _RTA_GATEWAY in attributes:
        return _literal(family, attributes[_RTA_GATEWAY])
    via = attributes.get(_RTA_VIA)
    return _literal(int.from_bytes(via[:2], sys.byteorder), via[2:]) if via else ""


def _number(value: bytes | None) -> int:
    """An attribute's 32-bit number, 0 without one. Raises struct.error."""
    return int(_NUMBER.unpack_from(value)[0]) if value is not None else 0


def _text(value: bytes | None) -> str:
    return (value or b"").partition(b"\0")[0].decode("utf-8", "replace")


def _literal(family: int, value: bytes | None) -> str:
    if value is None or len(value) != _SIZES.get(family):
        raise MalformedPacket("no address of this family")
    return socket.inet_ntop(family, value)
