"""What a socket's error queue and control messages tell about a reply (ip(7), IP_RECVERR)."""

import socket
import sys
import time
from collections.abc import MutableMapping
from struct import Struct
from typing import NamedTuple

from pathwarden.model.probe import ReplyKind
from pathwarden.net import sockets as k
from pathwarden.wire import icmp4, icmp6

Control = list[tuple[int, int, bytes]]

ROOM = 65535  # the longest datagram
CONTROL = 256  # error and offender, stamp, ttl: 112 bytes on IPv6
LEVEL = {4: socket.IPPROTO_IP, 6: socket.IPPROTO_IPV6}
# What sockets are told so that their queue says everything: errors, don't fragment, the ttl of what comes.
OPTIONS = {
    4: ((k.IP_RECVERR, 1), (k.IP_MTU_DISCOVER, k.PMTUDISC_PROBE), (k.IP_RECVTTL, 1)),
    6: (
        (k.IPV6_RECVERR, 1),
        (k.IPV6_MTU_DISCOVER, k.PMTUDISC_PROBE),
        (socket.IPV6_RECVHOPLIMIT, 1),
        (k.IPV6_AUTOFLOWLABEL, 0),  # else the kernel makes up a label for each socket
    ),
}

_ERROR = Struct("=IBBBxII")  # struct sock_extended_err
_OFFENDER = {4: slice(_ERROR.size + 4, _ERROR.size + 8), 6: slice(_ERROR.size + 8, _ERROR.size + 24)}
_FROM_ICMP = frozenset({2, 3})  # SO_EE_ORIGIN_ICMP and _ICMP6; the others are the kernel's own
_TTL_CONTROL = frozenset({(socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, k.IPV6_HOPLIMIT)})
_ERROR_CONTROL = frozenset({(socket.IPPROTO_IP, k.IP_RECVERR), (socket.IPPROTO_IPV6, k.IPV6_RECVERR)})
_KINDS = {
    (4, icmp4.TIME_EXCEEDED): ReplyKind.TIME_EXCEEDED,
    (4, icmp4.UNREACHABLE): ReplyKind.UNREACHABLE,
    (4, icmp4.PARAMETER_PROBLEM): ReplyKind.PARAMETER_PROBLEM,
    (6, icmp6.TIME_EXCEEDED): ReplyKind.TIME_EXCEEDED,
    (6, icmp6.UNREACHABLE): ReplyKind.UNREACHABLE,
    (6, icmp6.PACKET_TOO_BIG): ReplyKind.PACKET_TOO_BIG,
    (6, icmp6.PARAMETER_PROBLEM): ReplyKind.PARAMETER_PROBLEM,
}
_KINDS_BY_CODE = {
    (4, icmp4.UNREACHABLE, icmp4.PORT): ReplyKind.PORT_UNREACHABLE,
    (4, icmp4.UNREACHABLE, icmp4.FRAGMENTATION_NEEDED): ReplyKind.PACKET_TOO_BIG,
    (6, icmp6.UNREACHABLE, icmp6.PORT): ReplyKind.PORT_UNREACHABLE,
}


class Seen(NamedTuple):
    """An ICMP error as the queue tells it; `mtu` is 0 where it says none."""

    kind: ReplyKind
    responder: str
    icmp_type: int
    icmp_code: int
    mtu: int


def seen(af: int, control: Control) -> Seen | None:
    """The ICMP error of a message; None for what answers no probe, or is the kernel's own. Raises struct.error."""
    data = next((data for level, kind, data in control if (level, kind) in _ERROR_CONTROL), b"")
    _errno, origin, kind, code, info, _ = _ERROR.unpack_from(data)
    reply_kind = _kind_of(af, kind, code)
    if origin not in _FROM_ICMP or reply_kind is None:
        return None
    responder = socket.inet_ntop(k.DOMAINS[af], data[_OFFENDER[af]])
    return Seen(reply_kind, responder, kind, code, info if reply_kind is ReplyKind.PACKET_TOO_BIG else 0)


def arrival(control: Control, stamps: k.Stamps, counts: MutableMapping[str, int]) -> tuple[int, int]:
    """The monotonic instant of arrival, and the reply's own ttl (0: unknown); a missing stamp is counted."""
    at_ns = ttl = 0
    for level, kind, data in control:
        stamp_ns = k.stamp_of(level, kind, data)
        if stamp_ns is not None:
            at_ns = stamps.instant(stamp_ns)
        elif (level, kind) in _TTL_CONTROL:
            ttl = int.from_bytes(data, sys.byteorder)
    if not at_ns:
        counts["timestamps_missing"] += 1
        at_ns = time.monotonic_ns()
    return at_ns, ttl


def _kind_of(af: int, kind: int, code: int) -> ReplyKind | None:
    """None for what answers no probe: redirects, quenches, and a host that waited for fragments (time exceeded, code 1)."""
    if code == 1 and _KINDS.get((af, kind)) is ReplyKind.TIME_EXCEEDED:
        return None
    return _KINDS_BY_CODE.get((af, kind, code)) or _KINDS.get((af, kind))
