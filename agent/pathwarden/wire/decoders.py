"""From what came back to the probe that caused it: ICMP errors and echo replies.

A quote guarantees eight bytes of the transport header (RFC 792), which name the probe as `encoders` says. The quoted source is
not looked at, since NAT rewrites it, nor is the ICMP checksum: some NAT devices break it, and a reply must name a live probe anyway.
"""

from collections.abc import Callable
from typing import NamedTuple

from pathwarden.errors import MalformedPacket
from pathwarden.model.probe import Method, Reply, ReplyKind
from pathwarden.wire import dccp, icmp4, icmp6, ipv4, ipv6, tcp, udp, udplite
from pathwarden.wire.encoders import NAMED, NUMBERS, TRANSPORT, TUNING, TWICE

_KIND4 = {
    icmp4.TIME_EXCEEDED: ReplyKind.TIME_EXCEEDED,
    icmp4.UNREACHABLE: ReplyKind.UNREACHABLE,
    icmp4.PARAMETER_PROBLEM: ReplyKind.PARAMETER_PROBLEM,
}
_KIND6 = {
    icmp6.TIME_EXCEEDED: ReplyKind.TIME_EXCEEDED,
    icmp6.UNREACHABLE: ReplyKind.UNREACHABLE,
    icmp6.PACKET_TOO_BIG: ReplyKind.PACKET_TOO_BIG,
    icmp6.PARAMETER_PROBLEM: ReplyKind.PARAMETER_PROBLEM,
}
# Codes that say something else than their type.
_KIND_BY_CODE4 = {
    (icmp4.UNREACHABLE, icmp4.PORT): ReplyKind.PORT_UNREACHABLE,
    (icmp4.UNREACHABLE, icmp4.FRAGMENTATION_NEEDED): ReplyKind.PACKET_TOO_BIG,
}
_KIND_BY_CODE6 = {(icmp6.UNREACHABLE, icmp6.PORT): ReplyKind.PORT_UNREACHABLE}
_REASSEMBLY = 1  # code of time exceeded, both versions: a host waited for fragments, which says nothing about a hop
_DF_SWAPPED = 0x0040  # old BSD routers quote the flags in their own byte order; ours is the only bit set


class _Named(NamedTuple):
    """What a quoted transport header says. `inside` is an ident in payload or sequence, `checksum` one in the checksum; 0 for none."""

    method: Method
    sport: int
    dport: int
    inside: int
    checksum: int
    mss: int = 0


def read4(packet: bytes, at_ns: int) -> Reply | None:
    """What `usual.decode4` reads, part by part: any packet."""
    outer = ipv4.parse(packet)
    if outer.protocol != ipv4.ICMP:
        return None
    message = packet[outer.header_length : outer.total_length or None]  # Linux says 0 for what its offloads put together
    if len(message) < icmp4.HEADER:
        raise MalformedPacket("ICMP header cut")
    kind, code = message[0], message[1]
    if kind == icmp4.ECHO_REPLY:
        return _echo_reply(message, outer.src, outer.ttl, at_ns)
    if kind not in _KIND4 or (kind == icmp4.TIME_EXCEEDED and code == _REASSEMBLY):
        return None
    error = icmp4.parse_error(message)
    header = ipv4.parse(error.quote)
    if header.fragment & ipv4.OFFSET_MASK and header.fragment != _DF_SWAPPED:
        return None
    at = header.header_length
    named = _named(error.quote, at, 4, header.protocol)
    if named is None:
        return None
    idents = (named.inside, 0) if named.method is Method.ICMP else (header.ident, named.checksum or named.inside)
    return Reply(
        _KIND_BY_CODE4.get((kind, code)) or _KIND4[kind],
        outer.src,
        at_ns,
        named.method,
        ipv4.final(header.dst, error.quote[ipv4.HEADER : at]),
        named.sport,
        named.dport,
        *idents,
        kind,
        code,
        outer.ttl,
        header.ttl,
        header.tos,
        error.mtu,
        error.extensions,
        0 if header.fragment & ipv4.MORE_FRAGMENTS else header.total_length,
        named.mss,
    )


def read6(message: bytes, responder: str, hop_limit: int, at_ns: int) -> Reply | None:
    """What `usual.decode6` reads, part by part: any message."""
    if len(message) < icmp6.HEADER:
        raise MalformedPacket("ICMPv6 header cut")
    kind, code = message[0], message[1]
    if kind == icmp6.ECHO_REPLY:
        return _echo_reply(message, responder, hop_limit, at_ns)
    if kind not in _KIND6 or (kind == icmp6.TIME_EXCEEDED and code == _REASSEMBLY):
        return None
    error = icmp6.parse_error(message)
    header = ipv6.parse(error.quote)
    carried = ipv6.transport(error.quote, header.next_header)
    named = _named(error.quote, carried.offset, 6, carried.protocol)
    if named is None:
        return None
    return Reply(
        _KIND_BY_CODE6.get((kind, code)) or _KIND6[kind],
        responder,
        at_ns,
        named.method,
        carried.dst or header.dst,
        named.sport,
        named.dport,
        named.inside,
        named.checksum,
        kind,
        code,
        hop_limit,
        header.hop_limit,
        header.traffic_class,
        error.mtu,
        error.extensions,
        0 if carried.fragmented or not header.payload_length else ipv6.HEADER + header.payload_length,
        named.mss,
    )


def _echo_reply(message: bytes, responder: str, ttl: int, at_ns: int) -> Reply:
    kind, code, _, identifier, sequence = icmp4.parse_echo(message)
    return Reply(ReplyKind.ECHO_REPLY, responder, at_ns, Method.ICMP, responder, identifier, 0, sequence, 0, kind, code, ttl)


# -- quoted transport headers: each is read at an offset of a quote


def _named(quote: bytes, at: int, af: int, protocol: int) -> _Named | None:
    if protocol == ipv6.FRAGMENT and af == 6:
        return None
    return _READERS.get((af, protocol), _raw)(quote, at)


def _udp(quote: bytes, at: int) -> _Named:
    ports = udp.parse(quote, at)
    # A router may fill a short quote with zeros: what is beyond the datagram's own length is not payload.
    payload = quote[at + TRANSPORT : at + (ports.length or len(quote))]
    return _Named(Method.UDP, ports.sport, ports.dport, decode_udp_payload(payload), ports.checksum)


def _udplite(quote: bytes, at: int) -> _Named:
    header = udplite.parse(quote, at)
    tuned = not 0 < header.coverage < TRANSPORT + TUNING
    inside = decode_udp_payload(quote[at + TRANSPORT :])
    return _Named(Method.UDPLITE, header.sport, header.dport, inside, header.checksum if tuned else 0)


def _tcp(quote: bytes, at: int) -> _Named:
    ports = udp.parse(quote, at)
    inside = twice(int.from_bytes(quote[at + 4 : at + 8], "big"))
    return _Named(Method.TCP, ports.sport, ports.dport, inside, 0, tcp.mss_of(tcp.options_at(quote, at)))


def _dccp(quote: bytes, at: int) -> _Named:
    ports = udp.parse(quote, at)
    whole = len(quote) >= at + dccp.REQUEST_HEADER
    return _Named(
        Method.DCCP, ports.sport, ports.dport, twice(int.from_bytes(quote[at + 12 : at + 16], "big")) if whole else 0, ports.checksum
    )


def _raw(quote: bytes, at: int) -> _Named:
    ports = udp.parse(quote, at)
    return _Named(Method.RAW, ports.sport, ports.dport, twice(ports.length << 16 | ports.checksum), 0)


def _echo(request: int) -> Callable[[bytes, int], _Named | None]:
    def read(quote: bytes, at: int) -> _Named | None:
        echo = icmp4.parse_echo(quote, at)
        return _Named(Method.ICMP, echo.identifier, echo.checksum, echo.sequence, 0) if echo.type == request else None

    return read


_BY_METHOD: dict[Method, Callable[[bytes, int], _Named | None]] = {
    Method.UDP: _udp,
    Method.UDPLITE: _udplite,
    Method.TCP: _tcp,
    Method.DCCP: _dccp,
}
_READERS = {(af, number): _BY_METHOD[method] for (af, method), number in NUMBERS.items() if method in _BY_METHOD}
_READERS |= {(4, ipv4.ICMP): _echo(icmp4.ECHO_REQUEST), (6, ipv6.ICMP6): _echo(icmp6.ECHO_REQUEST)}


def twice(number: int) -> int:
    """The ident whose double a 32-bit number is, 0 for any other number."""
    ident, beyond = divmod(number, TWICE)
    return 0 if beyond else ident


# -- sockets whose headers the kernel writes and reads


def decode_udp_payload(payload: bytes) -> int:
    """The ident in a UDP or UDP-Lite probe's payload, as quoted to a socket's error queue; 0 when it is too short for one."""
    return int.from_bytes(payload[TUNING:NAMED], "big") if len(payload) >= NAMED else 0


def decode_icmp_dgram(message: bytes) -> int:
    """The ident in what a ping socket gives: the quoted echo request in its error queue, or an echo reply; 0 for anything else.

    Which of the two it is, responder and ttl are known from where it was read and from the control messages.
    """
    if len(message) < icmp4.HEADER or message[0] not in _ECHOES:
        return 0
    return int.from_bytes(message[6:8], "big")


_ECHOES = frozenset({icmp4.ECHO_REQUEST, icmp4.ECHO_REPLY, icmp6.ECHO_REQUEST, icmp6.ECHO_REPLY})
