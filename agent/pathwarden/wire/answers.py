"""What a target itself answers to a probe, in the probe's own protocol.

TCP: an answer to a segment acknowledges our sequence number and what it took up of it (SYN, FIN, payload), or, when ours had ACK,
is a reset whose sequence is our acknowledgment (RFC 9293 section 3.10.7). DCCP: it acknowledges our sequence number
(RFC 4340 section 5). A datagram of UDP, UDP-Lite or a raw protocol says nothing that names a probe.

Every reply has the responder as `dst`, our port as `sport` and the probed one as `dport`; ICMP type and code are 0.
"""

from collections.abc import Callable

from pathwarden.model.probe import Method, Reply, ReplyKind
from pathwarden.wire import dccp, ipv4, ipv6, tcp, udp
from pathwarden.wire.decoders import twice
from pathwarden.wire.encoders import NUMBERS, TWICE

_KINDS_DCCP = {dccp.RESPONSE: ReplyKind.OPEN, dccp.RESET: ReplyKind.CLOSED}
_LAST_IDENT = 0xFFFE


def decode_answer4(packet: bytes, at_ns: int) -> Reply | None:
    """The answer in an IPv4 packet as a raw socket of any protocol but ICMP gives it, IP header included.

    None: well-formed, but no answer to a probe of ours (ICMP, a later fragment, segments that name none). Raises MalformedPacket, and
    nothing else. `ident` names the probe for TCP and DCCP, and is 0 for an ANSWER. A raw protocol has no ports: they are 0,
    and who knows the flow sets them.
    """
    header = ipv4.parse(packet)
    if header.fragment & ipv4.OFFSET_MASK:
        return None
    payload = packet[header.header_length : header.total_length or None]
    return _answer(4, header.protocol, payload, header.src, header.ttl, at_ns)


def decode_answer6(protocol: int, payload: bytes, responder: str, hop_limit: int, at_ns: int) -> Reply | None:
    """The answer in what a raw IPv6 socket of a protocol gives: the kernel has taken the IPv6 header and its extensions off.

    `responder` comes from the socket's address, `hop_limit` from its control message (0: unknown). Otherwise as `decode_answer4`.
    """
    return _answer(6, protocol, payload, responder, hop_limit, at_ns)


def decode_tcp(segment: bytes, responder: str, ttl: int, at_ns: int) -> Reply | None:
    """CLOSED for a reset, OPEN for any other segment that acknowledges a probe; `segment` of the reply is its header with options.

    None when it names no probe. Raises MalformedPacket.
    """
    header = tcp.parse(segment)
    ident = _acknowledged(header.acknowledgment) if header.flags & tcp.ACK else 0
    if header.flags & tcp.RST:
        kind, ident = ReplyKind.CLOSED, ident or twice(header.sequence)
    else:
        kind = ReplyKind.OPEN
    if not ident:
        return None
    reply = _reply(kind, Method.TCP, header.dport, header.sport, ident, responder, ttl, at_ns)
    return reply._replace(segment=segment[: header.header_length])


def decode_dccp(packet: bytes, responder: str, ttl: int, at_ns: int) -> Reply | None:
    """OPEN for a response, CLOSED for a reset; None for other types, or when it names no probe. Raises MalformedPacket."""
    header = dccp.parse(packet)
    if header is None or header.acknowledgment is None:
        return None
    ident = twice(header.acknowledgment & 0xFFFFFFFF)
    return _reply(_KINDS_DCCP[header.type], Method.DCCP, header.dport, header.sport, ident, responder, ttl, at_ns) if ident else None


def _acknowledged(number: int) -> int:
    """The ident whose double a probe's sequence was: the number lies beyond it by what the probe took up; 0 for none."""
    ident = number // TWICE
    return ident if ident <= _LAST_IDENT else 0


def _answer(af: int, protocol: int, payload: bytes, responder: str, ttl: int, at_ns: int) -> Reply | None:
    decode = _DECODERS.get((af, protocol))
    if decode is not None:
        return decode(payload, responder, ttl, at_ns)
    return None if protocol in _ICMP else _reply(ReplyKind.ANSWER, Method.RAW, 0, 0, 0, responder, ttl, at_ns)


def _datagram(method: Method) -> Callable[[bytes, str, int, int], Reply]:
    def decode(payload: bytes, responder: str, ttl: int, at_ns: int) -> Reply:
        header = udp.parse(payload)
        return _reply(ReplyKind.ANSWER, method, header.dport, header.sport, 0, responder, ttl, at_ns)

    return decode


def _reply(kind: ReplyKind, method: Method, sport: int, dport: int, ident: int, responder: str, ttl: int, at_ns: int) -> Reply:
    return Reply(kind, responder, at_ns, method, responder, sport, dport, ident, 0, 0, 0, ttl)


_ICMP = frozenset({ipv4.ICMP, ipv6.ICMP6})
_BY_METHOD: dict[Method, Callable[[bytes, str, int, int], Reply | None]] = {
    Method.TCP: decode_tcp,
    Method.DCCP: decode_dccp,
    Method.UDP: _datagram(Method.UDP),
    Method.UDPLITE: _datagram(Method.UDPLITE),
}
_DECODERS = {(af, number): _BY_METHOD[method] for (af, method), number in NUMBERS.items() if method in _BY_METHOD}
