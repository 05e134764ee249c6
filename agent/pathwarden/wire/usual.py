"""Reads replies: the usual ones at once, since most cost of a probe is reading its reply, and all others part by part (`decoders`).

Usual is an answer without IP options, extension headers and extensions, to a UDP or ICMP probe that is quoted whole or, on IPv4,
with eight bytes. The outcome is the same either way.
"""

from struct import Struct

from pathwarden.model.probe import Method, Reply, ReplyKind
from pathwarden.wire import extensions, icmp4, icmp6, ipv4, ipv6
from pathwarden.wire.address import unpack4, unpack6
from pathwarden.wire.decoders import read4, read6
from pathwarden.wire.encoders import TRANSPORT

# IPv4: header, ICMP header, quoted header, eight bytes. An echo reply's identifier and sequence stand in the ICMP header's last four.
_FIELDS4 = Struct(">BxHxxxxBBxx4sxxxxHxxHHBBHHHBBxxxxxx4sHHHH")
# IPv6: ICMPv6 header, quoted header, twelve bytes.
_FIELDS6 = Struct(">HxxIIHBBxxxxxxxxxxxxxxxx16sHHHHxxH")
_SIZE4, _SIZE6 = _FIELDS4.size, _FIELDS6.size
_PLAIN = 0x45  # version 4, five words
_UNSPLIT = frozenset({0, ipv4.DONT_FRAGMENT})
_IP6 = ipv6.HEADER
_BEFORE4, _BEFORE6 = ipv4.HEADER + icmp4.HEADER, icmp6.HEADER + _IP6  # bytes before the quote, or before what the quoted length counts
_LONGEST = extensions.QUOTE_FLOOR  # bytes of a datagram quoted whole without room for extensions, announced or not
_SHORT = _BEFORE4 + ipv4.HEADER + TRANSPORT  # bytes of the shortest answer that is allowed
_KINDS4 = {
    icmp4.TIME_EXCEEDED << 8: (ReplyKind.TIME_EXCEEDED, icmp4.TIME_EXCEEDED, 0),
    icmp4.UNREACHABLE << 8 | icmp4.PORT: (ReplyKind.PORT_UNREACHABLE, icmp4.UNREACHABLE, icmp4.PORT),
}
_KINDS6 = {
    icmp6.TIME_EXCEEDED << 8: (ReplyKind.TIME_EXCEEDED, icmp6.TIME_EXCEEDED, 0),
    icmp6.UNREACHABLE << 8 | icmp6.PORT: (ReplyKind.PORT_UNREACHABLE, icmp6.UNREACHABLE, icmp6.PORT),
}
_ECHO4, _ECHO6 = icmp4.ECHO_REQUEST << 8, icmp6.ECHO_REQUEST << 8
_ECHO_REPLY4 = icmp4.ECHO_REPLY << 8
# A global is found faster than an attribute of a module or a class, and a tuple's constructor faster than a named tuple's.
_read4, _read6, _new = _FIELDS4.unpack_from, _FIELDS6.unpack_from, tuple.__new__
_UDP_NUMBER, _ICMP4_NUMBER, _ICMP6_NUMBER = ipv4.UDP, ipv4.ICMP, ipv6.ICMP6
_UDP, _ICMP, _ECHO_REPLY = Method.UDP, Method.ICMP, ReplyKind.ECHO_REPLY


def decode4(packet: bytes, at_ns: int) -> Reply | None:
    """The reply in an IPv4 packet as a raw ICMP socket gives it, IP header included.

    None: well-formed, but no answer to a probe (other types, quotes of a later fragment or of no echo request, fragments that timed
    out). Raises MalformedPacket, and nothing else, for bytes that are not what they say. `ident` is the quoted IP-ID, for ICMP the
    sequence; `ident_checksum` is the quoted UDP or DCCP checksum, or the ident in payload or sequence of the others, 0 for ICMP, whose
    IP-ID a ping socket leaves to the kernel. `dst` is the end of a source route.
    """
    if len(packet) < _SIZE4:
        return read4(packet, at_ns)
    first, total, ttl, number, src, word, high, low, inner, tos, size, ident, split, old_ttl, quoted, dst, a, b, c, d = _read4(packet)
    if first != _PLAIN or number != _ICMP4_NUMBER or not _SHORT <= total <= len(packet):
        return read4(packet, at_ns)
    if word == _ECHO_REPLY4:
        responder = unpack4(src)
        return _new(Reply, (_ECHO_REPLY, responder, at_ns, _ICMP, responder, high, 0, low, 0, 0, 0, ttl, 0, -1, 0, (), 0, 0, b""))
    usual = _KINDS4.get(word)
    whole = (total == _BEFORE4 + size <= _BEFORE4 + _LONGEST or total == _SHORT) and inner == _PLAIN and split in _UNSPLIT
    if not usual or not whole or high:
        return read4(packet, at_ns)
    kind, icmp_type, code = usual
    method, check = _UDP, d
    if quoted == _ICMP4_NUMBER and a == _ECHO4:
        method, a, ident, check = _ICMP, c, d, 0
    elif quoted != _UDP_NUMBER or not d:
        return read4(packet, at_ns)
    here, there = unpack4(src), unpack4(dst)
    return _new(Reply, (kind, here, at_ns, method, there, a, b, ident, check, icmp_type, code, ttl, old_ttl, tos, 0, (), size, 0, b""))


def decode6(message: bytes, responder: str, hop_limit: int, at_ns: int) -> Reply | None:
    """The reply in an ICMPv6 message as a raw ICMPv6 socket gives it: the kernel has verified its checksum.

    `responder` comes from the socket's address, `hop_limit` from its control message (0: unknown). None and MalformedPacket
    as in decode4. `ident` is read from payload or sequence (0 where the quote or the probe is too short) and `ident_checksum` is the
    quoted checksum where that is an ident; for ICMP they are the sequence and 0.
    """
    if len(message) < _SIZE6:
        return read6(message, responder, hop_limit, at_ns)
    word, unused, first, size, quoted, old_ttl, dst, a, b, c, d, ident = _read6(message)
    usual = _KINDS6.get(word)
    if not usual or unused or first >> 28 != 6 or len(message) != _BEFORE6 + size or size > _LONGEST - _IP6:
        return read6(message, responder, hop_limit, at_ns)
    kind, icmp_type, code = usual
    method, check = _UDP, d
    if quoted == _ICMP6_NUMBER and a == _ECHO6:
        method, a, ident, check = _ICMP, c, d, 0
    elif quoted != _UDP_NUMBER or c != size:
        return read6(message, responder, hop_limit, at_ns)
    tos, size, there = first >> 20 & 0xFF, size + _IP6, unpack6(dst)
    ends = (hop_limit, old_ttl, tos, 0, (), size, 0, b"")
    return _new(Reply, (kind, responder, at_ns, method, there, a, b, ident, check, icmp_type, code, *ends))
