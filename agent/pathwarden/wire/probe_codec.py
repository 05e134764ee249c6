r"""A probe and the datagram that carries it, there and back.

UDP and ICMP echo share one layout, because the field that names the probe stands in the same place of both headers:

byte        UDP                      ICMP echo                       from probe to probe
 0..1       source port              type, code                      constant \ what routers
 2..3       destination port         checksum                        constant / hash
 4..5       length                   identifier                      constant
 6..7       checksum = ident         sequence = ident                changes
 8..9       payload: tuning          data: tuning                    changes, so that the checksum comes out as said
10..11      payload: ident           data: ident                     changes (left out where the size has no room)
12..        text that says who asks                                  constant

On IPv4 the IP-ID is the ident as well. An ident is 1..0xfffe: as UDP checksum 0 means "none" and is sent as 0xffff, and the
kernel replaces an IP-ID of 0. For the same reason an ICMP flow's checksum (`dport`) is 1..0xfffe.
"""

from collections.abc import Callable
from struct import Struct

from pathwarden.errors import MalformedPacket
from pathwarden.model.probe import Flow, Method, Reply, ReplyKind
from pathwarden.wire import icmp4, icmp6, ipv4, ipv6, udp
from pathwarden.wire.address import pack4, pack6
from pathwarden.wire.checksum import WORD, ones_sum, pseudo4, pseudo6

TEXT = b"pathwarden path monitor "  # whoever captures a probe can read who sends it
DEFAULT_SIZE = {4: 60, 6: 80}  # the same 32 bytes of payload on both
_TRANSPORT = 8  # bytes of either header
_TUNING = 2
_NAMED = 4  # bytes of payload that hold tuning and ident
_IP = {4: ipv4.HEADER, 6: ipv6.HEADER}
MIN_SIZE = {(af, method): header + _TRANSPORT + _TUNING for af, header in _IP.items() for method in (Method.UDP, Method.ICMP)}
MAX_SIZE = {4: 0xFFFF, 6: ipv6.HEADER + 0xFFFF}  # what the length fields can say
_DF = ipv4.DONT_FRAGMENT.to_bytes(2, "big")
_DF_SWAPPED = 0x0040  # old BSD routers quote the flags in their own byte order; ours is the only bit set

Encoder = Callable[[int, int], bytes]
_Named = tuple[Method, str, int, int, int, int]  # a reply's method, dst, sport, dport, ident, ident_checksum


# -- there


def encoder(flow: Flow) -> Encoder:
    """A function of (ident, ttl) that makes a probe's whole IP datagram, for sockets that leave the IP header to us.

    All that a flow keeps is laid out once. Header and transport checksums are valid. Raises ValueError for a size outside
    MIN_SIZE..MAX_SIZE or an address that is none.
    """
    least, most = MIN_SIZE[flow.af, flow.method], MAX_SIZE[flow.af]
    if not least <= flow.size <= most:
        raise ValueError(f"a {flow.method} probe over IPv{flow.af} has {least} to {most} bytes, not {flow.size}")
    return _encoder4(flow) if flow.af == 4 else _encoder6(flow)


def dgram_encoder(flow: Flow) -> Callable[[int], bytes]:
    """A function of ident that makes what a socket sends whose headers the kernel writes (UDP, or a ping socket).

    UDP: the payload. ICMP: the echo message; the kernel writes its own identifier (the port that the socket is bound to)
    and checksum over ours. If port and source address are the flow's, the datagram on the wire is the encoder's,
    but for IP-ID, ToS and flow label; so the checksums are the same: UDP's is the ident, ICMP's is constant. Raises ValueError.
    """
    whole = encoder(flow)
    start = _IP[flow.af] + (_TRANSPORT if flow.method is Method.UDP else 0)

    def encode(ident: int) -> bytes:
        return whole(ident, 1)[start:]

    return encode


def _encoder4(flow: Flow) -> Encoder:
    protocol = ipv4.UDP if flow.method is Method.UDP else ipv4.ICMP
    transport, text, tuning, places = _laid_out(flow, protocol)
    start = bytes((0x45, flow.tos)) + flow.size.to_bytes(2, "big")
    fixed = pack4(flow.src) + pack4(flow.dst) + transport
    header = -ones_sum(start + _DF + bytes((0, protocol)) + fixed[:8])
    room, size = places - 1, flow.size
    pack = Struct(f">4sH2sBBH{len(fixed)}sHHH{len(text)}s").pack

    def encode(ident: int, ttl: int) -> bytes:
        check, tuned = (header - ident - (ttl << 8)) % WORD, (tuning - places * ident) % WORD
        return pack(start, ident, _DF, ttl, protocol, check, fixed, ident, tuned, room * ident, text)[:size]

    return encode


def _encoder6(flow: Flow) -> Encoder:
    next_header = ipv6.UDP if flow.method is Method.UDP else ipv6.ICMP6
    transport, text, tuning, places = _laid_out(flow, next_header)
    empty = ipv6.build(flow.src, flow.dst, next_header, b"", hop_limit=0, label=flow.label, traffic_class=flow.tos)
    start = empty[:4] + (flow.size - ipv6.HEADER).to_bytes(2, "big") + empty[6:7]
    fixed = empty[8:] + transport
    room, size = places - 1, flow.size
    pack = Struct(f">7sB{len(fixed)}sHHH{len(text)}s").pack

    def encode(ident: int, ttl: int) -> bytes:
        return pack(start, ttl, fixed, ident, (tuning - places * ident) % WORD, room * ident, text)[:size]

    return encode


def _laid_out(flow: Flow, protocol: int) -> tuple[bytes, bytes, int, int]:
    """First six transport bytes, text, tuning for ident 0, and how many of the checksum's words hold the ident.

    Without room for the second ident the encoders pack 0 there and cut it off.
    """
    length = flow.size - _IP[flow.af]
    spare = max(length - _TRANSPORT - _NAMED, 0)
    text = (TEXT * (spare // len(TEXT) + 1))[:spare]
    request = icmp4.ECHO_REQUEST if flow.af == 4 else icmp6.ECHO_REQUEST
    fields = (flow.sport, flow.dport, length) if flow.method is Method.UDP else (request << 8, flow.dport, flow.sport)
    transport = b"".join(field.to_bytes(2, "big") for field in fields)
    return transport, text, -ones_sum(transport + text, _pseudo(flow, protocol, length)), 2 if length >= _TRANSPORT + _NAMED else 1


def _pseudo(flow: Flow, protocol: int, length: int) -> int:
    if flow.af == 6:
        return pseudo6(pack6(flow.src), pack6(flow.dst), protocol, length)
    return pseudo4(pack4(flow.src), pack4(flow.dst), protocol, length) if protocol == ipv4.UDP else 0


# -- back

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


def decode4(packet: bytes, at_ns: int) -> Reply | None:
    """The reply in an IPv4 packet as a raw ICMP socket gives it, IP header included.

    None: well-formed, but no answer to a probe (other types, quotes of TCP or of a later fragment, fragments that timed out).
    Raises MalformedPacket, and nothing else, for bytes that are not what they say. `ident` is the quoted IP-ID (UDP) or
    sequence (ICMP); `ident_checksum` the quoted UDP checksum, 0 for ICMP, whose IP-ID a ping socket leaves to the kernel.
    The quoted source is not looked at, since NAT rewrites it. The ICMP checksum is not verified: some NAT devices break it,
    and a reply must name a live probe anyway.
    """
    outer = ipv4.parse(packet)
    if outer.protocol != ipv4.ICMP:
        return None
    message = packet[outer.header_length : outer.total_length]
    if len(message) < icmp4.HEADER:
        raise MalformedPacket("ICMP header cut")
    kind, code = message[0], message[1]
    if kind == icmp4.ECHO_REPLY:
        return _echo_reply(message, outer.src, outer.ttl, at_ns)
    if kind not in _KIND4 or (kind == icmp4.TIME_EXCEEDED and code == _REASSEMBLY):
        return None
    error = icmp4.parse_error(message)
    header = ipv4.parse(error.quote)
    named = _named4(error.quote, header)
    if named is None:
        return None
    reply_kind = _KIND_BY_CODE4.get((kind, code)) or _KIND4[kind]
    return Reply(reply_kind, outer.src, at_ns, *named, kind, code, outer.ttl, header.ttl, header.tos, error.mtu, error.extensions)


def decode6(message: bytes, responder: str, hop_limit: int, at_ns: int) -> Reply | None:
    """The reply in an ICMPv6 message as a raw ICMPv6 socket gives it: the kernel has verified its checksum.

    `responder` comes from the socket's address, `hop_limit` from its control message (0: unknown). None and MalformedPacket
    as in decode4. For UDP `ident` is read from the quoted payload (0 where the quote or the probe is too short) and
    `ident_checksum` is the quoted checksum; for ICMP they are the sequence and 0.
    """
    if len(message) < icmp6.HEADER:
        raise MalformedPacket("ICMPv6 header cut")
    kind, code = message[0], message[1]
    if kind == icmp6.ECHO_REPLY:
        return _echo_reply(message, responder, hop_limit, at_ns)
    if kind not in _KIND6 or (kind == icmp6.TIME_EXCEEDED and code == _REASSEMBLY):
        return None
    error = icmp6.parse_error(message)
    header = ipv6.parse(error.quote)
    named = _named6(error.quote, header)
    if named is None:
        return None
    reply_kind = _KIND_BY_CODE6.get((kind, code)) or _KIND6[kind]
    quoted = (header.hop_limit, header.traffic_class)
    return Reply(reply_kind, responder, at_ns, *named, kind, code, hop_limit, *quoted, error.mtu, error.extensions)


def _named4(quote: bytes, header: ipv4.Ipv4Header) -> _Named | None:
    if header.fragment & ipv4.OFFSET_MASK and header.fragment != _DF_SWAPPED:
        return None
    if header.protocol == ipv4.UDP:
        ports = udp.parse(quote, header.header_length)
        return Method.UDP, header.dst, ports.sport, ports.dport, header.ident, ports.checksum
    if header.protocol == ipv4.ICMP:
        echo = icmp4.parse_echo(quote, header.header_length)
        return _named_echo(echo, header.dst) if echo.type == icmp4.ECHO_REQUEST else None
    return None


def _named6(quote: bytes, header: ipv6.Ipv6Header) -> _Named | None:
    protocol, at = ipv6.transport(quote, header.next_header)
    if protocol == ipv6.UDP:
        ports = udp.parse(quote, at)
        # A router may fill a short quote with zeros: what is beyond the datagram's own length is not payload.
        ident = decode_udp_payload(quote[at + _TRANSPORT : at + ports.length])
        return Method.UDP, header.dst, ports.sport, ports.dport, ident, ports.checksum
    if protocol == ipv6.ICMP6:
        echo = icmp4.parse_echo(quote, at)
        return _named_echo(echo, header.dst) if echo.type == icmp6.ECHO_REQUEST else None
    return None


def _named_echo(echo: icmp4.Echo, dst: str) -> _Named:
    return Method.ICMP, dst, echo.identifier, echo.checksum, echo.sequence, 0


def _echo_reply(message: bytes, responder: str, ttl: int, at_ns: int) -> Reply:
    kind, code, _, identifier, sequence = icmp4.parse_echo(message)
    return Reply(ReplyKind.ECHO_REPLY, responder, at_ns, Method.ICMP, responder, identifier, 0, sequence, 0, kind, code, ttl)


def decode_udp_payload(payload: bytes) -> int:
    """The ident in a UDP probe's payload, as quoted to a socket's error queue; 0 when the payload is too short for one."""
    return int.from_bytes(payload[_TUNING:_NAMED], "big") if len(payload) >= _NAMED else 0


def decode_icmp_dgram(message: bytes) -> int:
    """The ident in what a ping socket gives: the quoted echo request in its error queue, or an echo reply; 0 for anything else.

    Which of the two it is, responder and ttl are known from where it was read and from the control messages.
    """
    if len(message) < icmp4.HEADER or message[0] not in _ECHOES:
        return 0
    return int.from_bytes(message[6:8], "big")


_ECHOES = frozenset({icmp4.ECHO_REQUEST, icmp4.ECHO_REPLY, icmp6.ECHO_REQUEST, icmp6.ECHO_REPLY})
