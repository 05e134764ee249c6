"""Filters in the kernel: only what may answer our probes, and news that matter, wake us (classic BPF, ICMP type filters)."""

import socket
import struct
import sys
from array import array
from collections.abc import Sequence
from typing import NamedTuple

from pathwarden.net.rtnetlink import DEL_NEIGHBOUR, DEL_ROUTE, FAILED, HEADER, NEW_NEIGHBOUR, NEW_ROUTE, WIDEST
from pathwarden.net.sockets import SO_ATTACH_FILTER

_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter
_POINTER = struct.Struct("HP")  # struct sock_fprog, with the machine's own alignment

# Instructions (linux/filter.h); a load beyond the packet's end drops it.
_BYTE, _BYTE_AT_X, _HALF, _HALF_AT_X = 0x30, 0x50, 0x28, 0x48  # load into A: from the packet's start, or from X on
_X_IHL = 0xB1  # X = 4 * (low half of a byte): the length of an IPv4 header
_IF = 0x15  # does A equal the number?
_IF_ABOVE = 0x25  # is A greater?
_IF_ANY = 0x45  # has A any of these bits?
_RETURN = 0x06  # keep so many bytes

_SOL_RAW = 255
_ICMP_FILTER = 1
_ICMP6_FILTER = 1
_TYPES4 = (0, 3, 11, 12)  # echo reply, unreachable, time exceeded, parameter problem
_TYPES6 = (1, 2, 3, 4, 129)  # unreachable, packet too big, time exceeded, parameter problem, echo reply
_ECHO_REPLY4, _ECHO_REPLY6 = 0, 129
_QUOTE = 8  # an error's quote begins after eight bytes
_ID = 4  # an identifier's place in an echo header
_TO = 2  # a destination port's place in every header that has ports
_EXTENSIONS6 = (0, 43, 44, 60)  # hop-by-hop options, routing, fragment, destination options
_IP4, _IP6 = 20, 40  # header lengths
_PLAIN4 = 0x45  # IPv4 without options


class _Step(NamedTuple):
    """One instruction. `yes` and `no` name the step to go on with: '' is the next one."""

    code: int
    number: int
    yes: str = ""
    no: str = ""
    name: str = ""


def replies4(port: int) -> bytes:
    """Of what a raw ICMP socket sees (from the IP header): echo replies to `port`, and errors that quote it.

    Every method but ICMP has the port in the first word after the quoted IP header. A quote whose IP header has options is kept
    unread, since its offsets would be guesses.
    """
    return _assembled(
        _Step(_X_IHL, 0),
        _Step(_BYTE_AT_X, 0),
        _Step(_IF, _ECHO_REPLY4, no="error"),
        _Step(_HALF_AT_X, _ID),
        _Step(_IF, port, "keep", "drop"),
        _Step(_BYTE_AT_X, _QUOTE, name="error"),
        _Step(_IF, _PLAIN4, no="keep"),
        _Step(_BYTE_AT_X, _QUOTE + 9),
        _Step(_IF, socket.IPPROTO_ICMP, no="port"),
        _Step(_HALF_AT_X, _QUOTE + _IP4 + _ID),
        _Step(_IF, port, "keep", "drop"),
        _Step(_HALF_AT_X, _QUOTE + _IP4, name="port"),
        _Step(_IF, port, "keep", "drop"),
    )


def replies6(port: int) -> bytes:
    """Of what a raw ICMPv6 socket sees (from the ICMPv6 header): the same. A quote with extension headers is kept unread."""
    return _assembled(
        _Step(_BYTE, 0),
        _Step(_IF, _ECHO_REPLY6, no="error"),
        _Step(_HALF, _ID),
        _Step(_IF, port, "keep", "drop"),
        _Step(_BYTE, _QUOTE + 6, name="error"),
        *(_Step(_IF, number, yes="keep") for number in _EXTENSIONS6),
        _Step(_IF, socket.IPPROTO_ICMPV6, no="port"),
        _Step(_HALF, _QUOTE + _IP6 + _ID),
        _Step(_IF, port, "keep", "drop"),
        _Step(_HALF, _QUOTE + _IP6, name="port"),
        _Step(_IF, port, "keep", "drop"),
    )


def answers4(port: int) -> bytes:
    """Of what a raw socket of TCP, UDP and their like sees (from the IP header): what goes to `port`."""
    return _assembled(_Step(_X_IHL, 0), _Step(_HALF_AT_X, _TO), _Step(_IF, port, "keep", "drop"))


def answers6(port: int) -> bytes:
    """The same over IPv6, where such a socket sees its own header first."""
    return _assembled(_Step(_HALF, _TO), _Step(_IF, port, "keep", "drop"))


def news(*, narrow_routes: bool) -> bytes:
    """Of what a routing netlink socket hears: of neighbours only those that failed, and no narrow routes unless they are wanted.

    The kernel tells of each neighbour whenever it asks for it anew, and of each route of a routing daemon. Netlink numbers have the
    machine's own byte order, loads the network's.
    """
    low_byte = sys.byteorder == "big"
    kinds: tuple[tuple[int, str], ...] = ((NEW_NEIGHBOUR, "neighbour"), (DEL_NEIGHBOUR, "neighbour"))
    if not narrow_routes:
        kinds = (*kinds, (NEW_ROUTE, "route"), (DEL_ROUTE, "route"))
    *first, (last, place) = kinds
    return _assembled(
        _Step(_HALF, 4),
        *(_Step(_IF, socket.htons(kind), yes=where) for kind, where in first),
        _Step(_IF, socket.htons(last), place, "keep"),
        _Step(_BYTE, HEADER.size + 1, name="route"),  # the prefix length
        _Step(_IF_ABOVE, max(WIDEST.values()), "drop", "keep"),
        _Step(_BYTE, HEADER.size, name="neighbour"),  # the address family: a bridge tells of every station that it hears
        _Step(_IF, socket.AF_INET, yes="state"),
        _Step(_IF, socket.AF_INET6, no="drop"),
        _Step(_BYTE, HEADER.size + 8 + low_byte, name="state"),
        _Step(_IF_ANY, FAILED, "keep", "drop"),
    )


def nothing() -> bytes:
    """Keeps no packet at all; errors still reach the error queue."""
    return _assembled(_Step(_RETURN, 0))


def attach(sock: socket.socket, program: bytes) -> None:
    """Put a program on a socket; from then on the kernel drops what it does not keep. Raises OSError."""
    code = array("B", program)
    address, size = code.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, _POINTER.pack(size // _INSTRUCTION.size, address))


def only_replies(sock: socket.socket, af: int) -> None:
    """Let a raw ICMP socket see echo replies and errors only. Raises OSError."""
    if af == 4:
        sock.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", ~sum(1 << kind for kind in _TYPES4) & 0xFFFFFFFF))
        return
    blocked = [0xFFFFFFFF] * 8  # a bit for each of 256 types
    for kind in _TYPES6:
        blocked[kind >> 5] &= ~(1 << (kind & 31))
    sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *blocked))


def _assembled(*steps: _Step) -> bytes:
    whole: Sequence[_Step] = (*steps, _Step(_RETURN, 0xFFFF, name="keep"), _Step(_RETURN, 0, name="drop"))
    places = {step.name: place for place, step in enumerate(whole) if step.name}
    return b"".join(
        _INSTRUCTION.pack(
            step.code,
            places.get(step.yes, place + 1) - place - 1,
            places.get(step.no, place + 1) - place - 1,
            step.number,
        )
        for place, step in enumerate(whole)
    )
