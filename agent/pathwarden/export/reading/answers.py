"""What readers share of answers: their kind by ICMP and TCP, and how a trace that is read ended."""

from collections.abc import Sequence

from pathwarden.export.reading.recorded import Unreadable
from pathwarden.model.probe import Flow, Method, MplsLabel, ReplyKind
from pathwarden.model.trace import Ending, Hop
from pathwarden.wire import icmp4, icmp6

MOST_ANSWERS = 4096  # of a trace; 255 hops with 16 probes each
MOST_MTU = 2**32 - 1  # four bytes in ICMPv6, and a stranger fills them
_SYN_ACK, _RST = 0x12, 0x04
_ECHO_REPLY6 = 129
_KINDS = {
    4: {
        icmp4.ECHO_REPLY: ReplyKind.ECHO_REPLY,
        icmp4.UNREACHABLE: ReplyKind.UNREACHABLE,
        icmp4.TIME_EXCEEDED: ReplyKind.TIME_EXCEEDED,
        icmp4.PARAMETER_PROBLEM: ReplyKind.PARAMETER_PROBLEM,
    },
    6: {
        _ECHO_REPLY6: ReplyKind.ECHO_REPLY,
        icmp6.UNREACHABLE: ReplyKind.UNREACHABLE,
        icmp6.TIME_EXCEEDED: ReplyKind.TIME_EXCEEDED,
        icmp6.PACKET_TOO_BIG: ReplyKind.PACKET_TOO_BIG,
        icmp6.PARAMETER_PROBLEM: ReplyKind.PARAMETER_PROBLEM,
    },
}
ICMP_TYPES = {af: tuple(kinds) for af, kinds in _KINDS.items()}
_BY_CODE = {
    (4, icmp4.UNREACHABLE, icmp4.PORT): ReplyKind.PORT_UNREACHABLE,
    (4, icmp4.UNREACHABLE, icmp4.FRAGMENTATION_NEEDED): ReplyKind.PACKET_TOO_BIG,
    (6, icmp6.UNREACHABLE, icmp6.PORT): ReplyKind.PORT_UNREACHABLE,
}
NO_ICMP = (ReplyKind.OPEN, ReplyKind.CLOSED, ReplyKind.ANSWER)  # what answers in another way
UNREACHABLE = {4: icmp4.UNREACHABLE, 6: icmp6.UNREACHABLE}
PORT = {4: icmp4.PORT, 6: icmp6.PORT}
PROTOCOL = {4: (icmp4.UNREACHABLE, 2), 6: (icmp6.PARAMETER_PROBLEM, 1)}  # RFC 792; RFC 4443: unrecognised next header
TIME_EXCEEDED = {4: icmp4.TIME_EXCEEDED, 6: icmp6.TIME_EXCEEDED}
ECHO_REPLY = {4: icmp4.ECHO_REPLY, 6: _ECHO_REPLY6}
_OVERHEAD = {Method.UDP: 8, Method.ICMP: 8, Method.TCP: 20, Method.TCP_CONNECT: 20, Method.UDPLITE: 8, Method.DCCP: 20, Method.RAW: 0}
_HEADER = {4: 20, 6: 40}


def icmp_kind(af: int, icmp_type: int, icmp_code: int) -> ReplyKind:
    """What an ICMP message says. Raises `Unreadable` for types that answer no probe."""
    kind = _BY_CODE.get((af, icmp_type, icmp_code)) or _KINDS[af].get(icmp_type)
    if kind is None:
        raise Unreadable(f"ICMP type {icmp_type} over IPv{af} is no answer to a probe")
    return kind


def tcp_kind(flags: int) -> ReplyKind:
    """What a TCP segment says, by the byte of its flags."""
    if flags & _RST:
        return ReplyKind.CLOSED
    return ReplyKind.OPEN if flags & _SYN_ACK == _SYN_ACK else ReplyKind.ANSWER


def datagram_size(af: int, method: Method, payload: int) -> int:
    """Bytes of the whole datagram with this payload; 0 stays 0 (unknown)."""
    return payload + _HEADER[af] + _OVERHEAD[method] if payload else 0


def payload_size(flow: Flow) -> int:
    """The opposite: bytes behind the header of transport."""
    return max(flow.size - _HEADER[flow.af] - _OVERHEAD[flow.method] - len(flow.extra.tcp_options), 0)


def label(number: int, traffic_class: int, bottom: int, ttl: int) -> MplsLabel:
    """A label whose numbers were checked."""
    return MplsLabel(number, traffic_class, bool(bottom), ttl)


def arrival(hops: Sequence[Hop], address: str) -> int | None:
    """The nearest ttl at which the destination itself answered with anything but Time Exceeded."""
    for hop in hops:
        if any(answer.responder == address and answer.kind is not ReplyKind.TIME_EXCEEDED for answer in hop.answers):
            return hop.ttl
    return None


def ending(hops: Sequence[Hop], reached: int | None, gave_up: Ending) -> Ending:
    """How a trace ended: reached, or a router said that there is no way, or as `gave_up` says."""
    if reached is not None:
        return Ending.REACHED
    refusals = (ReplyKind.UNREACHABLE, ReplyKind.PORT_UNREACHABLE, ReplyKind.PACKET_TOO_BIG, ReplyKind.PARAMETER_PROBLEM)
    last = max(hops, key=lambda hop: hop.ttl, default=None)
    return Ending.UNREACHABLE if last and any(answer.kind in refusals for answer in last.answers) else gave_up
