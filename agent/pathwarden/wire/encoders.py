r"""From a probe to the datagram that carries it.

UDP and ICMP echo share one layout, because the field that names the probe stands in the same place of both headers; UDP-Lite
has UDP's, and so has a raw protocol, whose first eight bytes nobody but us reads:

byte        UDP                      ICMP echo                raw protocol          from probe to probe
 0..1       source port              type, code               sport                 constant \ what routers
 2..3       destination port         checksum                 dport                 constant / hash
 4..5       length (Lite: coverage)  identifier               ident                 constant, raw: changes
 6..7       checksum = ident         sequence = ident         ident                 changes
 8..9       payload: tuning          data: tuning             text                  changes, so that the checksum comes out as said
10..11      payload: ident           data: ident                                    changes (left out where the size has no room)
12..        text that says who asks                                                 constant

UDP-Lite whose coverage ends before the tuning has a constant checksum, and a tuning of 0: there the payload alone names the probe.

TCP: sequence number, and acknowledgment where the flags have ACK, are the ident twice, so that they and what answers them
are known by being multiples of 0x10001. DCCP: so are the low 32 bits of the sequence number; its high 16 are the
tuning that makes the checksum the ident.

On IPv4 the IP-ID is the ident as well. An ident is 1..0xfffe: as UDP checksum 0 means "none" and is sent as 0xffff, and the
kernel replaces an IP-ID of 0. For the same reason an ICMP flow's checksum (`dport`) is 1..0xfffe.
"""

from collections.abc import Callable
from struct import Struct

from pathwarden.model.probe import PLAIN, Extra, Flow, Method
from pathwarden.wire import dccp, icmp4, icmp6, ipv4, ipv6, tcp, udplite
from pathwarden.wire.address import pack4, pack6
from pathwarden.wire.checksum import WORD, ones_sum, pseudo4, pseudo6

TEXT = b"pathwarden path monitor "  # whoever captures a probe can read who sends it
TWICE = 0x10001  # times an ident: the ident in both halves of 32 bits
NAMED = 4  # bytes of payload that hold tuning and ident
TUNING = 2  # bytes of payload
TRANSPORT = 8  # bytes of a UDP, UDP-Lite or echo header, and of what names a raw protocol's probe
NUMBERS = {
    (4, Method.ICMP): ipv4.ICMP,
    (6, Method.ICMP): ipv6.ICMP6,
    **{
        (af, method): number
        for af in (4, 6)
        for number, method in {17: Method.UDP, 6: Method.TCP, 136: Method.UDPLITE, 33: Method.DCCP}.items()
    },
}  # IANA's protocol numbers of the methods that have one of their own

Encoder = Callable[[int, int], bytes]
_Body = Callable[[int], bytes]

_OPTION_GATEWAYS = 8  # what traceroute(8) takes; their option leaves no room for a further word
_PAYLOAD = 40  # bytes after the IP header and its options, as traceroute(8) sends them
_DF = ipv4.DONT_FRAGMENT.to_bytes(2, "big")
_WINDOW = 5840  # four segments of an Ethernet, what a SYN of Linux has said for decades
_TUNED = udplite.HEADER + TUNING  # bytes that a checksum has to cover to be tuned
_BYTE = 0xFF
_NO_RAW = {
    4: frozenset(number for (af, _), number in NUMBERS.items() if af == 4),
    6: frozenset(number for (af, _), number in NUMBERS.items() if af == 6) | ipv6.EXTENSIONS,
}  # protocols that have a method of their own, or that are none


# -- sizes


def default_size(af: int, method: Method, extra: Extra = PLAIN) -> int:
    """The usual datagram in bytes: TCP and DCCP have headers only, the others 40 bytes after the IP header and the source route."""
    return _before(af, extra) + {Method.TCP: tcp.HEADER + len(extra.tcp_options), Method.DCCP: dccp.REQUEST_HEADER}.get(method, _PAYLOAD)


def min_size(af: int, method: Method, extra: Extra = PLAIN) -> int:
    """The shortest datagram in bytes that can name a probe."""
    return (
        _before(af, extra)
        + {
            Method.UDP: TRANSPORT + TUNING,
            Method.ICMP: TRANSPORT + TUNING,
            Method.TCP: tcp.HEADER + len(extra.tcp_options),
            Method.UDPLITE: TRANSPORT + NAMED,
            Method.DCCP: dccp.REQUEST_HEADER,
            Method.RAW: TRANSPORT,
        }[method]
    )


def max_size(af: int) -> int:
    """The longest datagram in bytes that the length field can say."""
    return WORD if af == 4 else ipv6.HEADER + WORD


def most_gateways(af: int, routing_type: int) -> int:
    """How many gateways a source route can have: what fits into IPv4's options, or into a routing header."""
    return _OPTION_GATEWAYS if af == 4 else ipv6.most_stops(routing_type)


def _before(af: int, extra: Extra) -> int:
    """Bytes before the transport header."""
    if af == 4:
        return ipv4.HEADER + (4 + 4 * len(extra.gateways) if extra.gateways else 0)
    return ipv6.HEADER + ipv6.routing_length(extra.routing_type, len(extra.gateways))


# -- the whole datagram


def encoder(flow: Flow) -> Encoder:
    """A function of (ident, ttl) that makes a probe's whole IP datagram, for sockets that leave the IP header to us.

    All that a flow keeps is laid out once. Header and transport checksums are valid. It is to be sent to `first_stop(flow)`. Raises
    ValueError for a size outside min_size..max_size, an address that is none, too many gateways, TCP options in no whole words, a
    coverage or a protocol that the method cannot have, and for TCP_CONNECT, whose packets the kernel makes.
    """
    _check(flow)
    number = flow.extra.protocol if flow.method is Method.RAW else NUMBERS[flow.af, flow.method]
    if flow.method in (Method.UDP, Method.ICMP):  # the usual ones: one call lays out everything
        return _encoder4(flow, number) if flow.af == 4 else _encoder6(flow, number)
    head = _head4(flow, number) if flow.af == 4 else _head6(flow, number)
    body = _BODIES[flow.method](flow, flow.size - _before(flow.af, flow.extra), number)

    def encode(ident: int, ttl: int) -> bytes:
        return head(ident, ttl) + body(ident)

    return encode


def dgram_encoder(flow: Flow) -> Callable[[int], bytes]:
    """A function of ident that makes what a socket sends whose headers the kernel writes (UDP, UDP-Lite, or a ping socket).

    UDP and UDP-Lite: the payload. ICMP: the echo message; the kernel writes its own identifier (the port that the socket is bound
    to) and checksum over ours. If port, source address and coverage are the flow's, the datagram on the wire is the encoder's,
    but for IP-ID, ToS and flow label; so the checksums are the same: UDP's is the ident, ICMP's is constant. Raises ValueError.
    """
    whole = encoder(flow)
    start = _before(flow.af, flow.extra) + (0 if flow.method is Method.ICMP else TRANSPORT)

    def encode(ident: int) -> bytes:
        return whole(ident, 1)[start:]

    return encode


def first_stop(flow: Flow) -> str:
    """The destination in the IP header: the first gateway of a source route, or the destination itself."""
    return flow.extra.gateways[0] if flow.extra.gateways else flow.dst


def _check(flow: Flow) -> None:
    af, method, extra = flow.af, flow.method, flow.extra
    if method is Method.TCP_CONNECT:
        raise ValueError(f"the kernel makes the packets of {method}")
    if method is Method.RAW and (extra.protocol in _NO_RAW[af] or not 0 <= extra.protocol <= _BYTE):
        raise ValueError(f"protocol {extra.protocol} over IPv{af} is no raw one: it has a method of its own, or is none")
    gateways = most_gateways(af, extra.routing_type)
    if len(extra.gateways) > gateways:
        raise ValueError(f"a source route over IPv{af} has at most {gateways} gateways, not {len(extra.gateways)}")
    least, most = min_size(af, method, extra), max_size(af)
    if not least <= flow.size <= most:
        raise ValueError(f"a {method} probe over IPv{af} has {least} to {most} bytes, not {flow.size}")


# -- UDP and ICMP echo


def _encoder4(flow: Flow, protocol: int) -> Encoder:
    transport, text, tuning, places = _laid_out(flow, protocol)
    start, ends, header = _start4(flow, protocol)
    fixed = ends + transport
    room, size = places - 1, flow.size
    pack = Struct(f">4sH2sBBH{len(fixed)}sHHH{len(text)}s").pack

    def encode(ident: int, ttl: int) -> bytes:
        check, tuned = (header - ident - (ttl << 8)) % WORD, (tuning - places * ident) % WORD
        return pack(start, ident, _DF, ttl, protocol, check, fixed, ident, tuned, room * ident, text)[:size]

    return encode


def _encoder6(flow: Flow, protocol: int) -> Encoder:
    transport, text, tuning, places = _laid_out(flow, protocol)
    start, ends = _start6(flow, protocol)
    fixed = ends + transport
    room, size = places - 1, flow.size
    pack = Struct(f">7sB{len(fixed)}sHHH{len(text)}s").pack

    def encode(ident: int, ttl: int) -> bytes:
        return pack(start, ttl, fixed, ident, (tuning - places * ident) % WORD, room * ident, text)[:size]

    return encode


def _laid_out(flow: Flow, protocol: int) -> tuple[bytes, bytes, int, int]:
    """First six transport bytes, text, tuning for ident 0, and how many of the checksum's words hold the ident.

    Without room for the second ident the encoders pack 0 there and cut it off.
    """
    length = flow.size - _before(flow.af, flow.extra)
    text = _text(length - TRANSPORT - NAMED)
    request = icmp4.ECHO_REQUEST if flow.af == 4 else icmp6.ECHO_REQUEST
    fields = (flow.sport, flow.dport, length) if flow.method is Method.UDP else (request << 8, flow.dport, flow.sport)
    transport = b"".join(field.to_bytes(2, "big") for field in fields)
    pseudo = 0 if protocol == ipv4.ICMP else _pseudo(flow, protocol, length)
    return transport, text, -ones_sum(transport + text, pseudo), 2 if length >= TRANSPORT + NAMED else 1


# -- the IP header


def _start4(flow: Flow, protocol: int) -> tuple[bytes, bytes, int]:
    """The first four bytes, addresses and options, and the header's checksum for ident and ttl 0."""
    stops = (*flow.extra.gateways, flow.dst)
    options = ipv4.source_route(stops[1:]) if len(stops) > 1 else b""
    start = bytes((0x40 | (ipv4.HEADER + len(options)) >> 2, flow.tos)) + flow.size.to_bytes(2, "big")
    ends = pack4(flow.src) + pack4(stops[0]) + options
    return start, ends, -ones_sum(start + _DF + bytes((0, protocol)) + ends)


def _start6(flow: Flow, protocol: int) -> tuple[bytes, bytes]:
    """The first seven bytes, and what follows the hop limit: addresses and routing header."""
    stops = (*flow.extra.gateways, flow.dst)
    route = ipv6.routing_header(protocol, flow.extra.routing_type, stops) if len(stops) > 1 else b""
    first = ipv6.ROUTING if route else protocol
    empty = ipv6.build(flow.src, stops[0], first, b"", hop_limit=0, label=flow.label, traffic_class=flow.tos)
    return empty[:4] + (flow.size - ipv6.HEADER).to_bytes(2, "big") + empty[6:7], empty[8:] + route


def _head4(flow: Flow, protocol: int) -> Encoder:
    start, ends, header = _start4(flow, protocol)
    pack = Struct(f">4sH2sBBH{len(ends)}s").pack

    def head(ident: int, ttl: int) -> bytes:
        return pack(start, ident, _DF, ttl, protocol, (header - ident - (ttl << 8)) % WORD, ends)

    return head


def _head6(flow: Flow, protocol: int) -> Encoder:
    start, ends = _start6(flow, protocol)

    def head(_ident: int, ttl: int) -> bytes:
        return b"%b%c%b" % (start, ttl, ends)

    return head


def _pseudo(flow: Flow, protocol: int, length: int) -> int:
    """The pseudo header of a datagram with a source route has the final destination (RFC 8200 section 8.1, RFC 1122 section 4.1.3.4)."""
    if flow.af == 6:
        return pseudo6(pack6(flow.src), pack6(flow.dst), protocol, length)
    return pseudo4(pack4(flow.src), pack4(flow.dst), protocol, length)


def _text(length: int) -> bytes:
    return (TEXT * (length // len(TEXT) + 1))[: max(length, 0)]


def _ports(flow: Flow) -> bytes:
    return flow.sport.to_bytes(2, "big") + flow.dport.to_bytes(2, "big")


# -- the other transport headers


def _tcp(flow: Flow, length: int, protocol: int) -> _Body:
    options, flags = flow.extra.tcp_options, flow.extra.tcp_flags
    if len(options) % 4 or len(options) > tcp.LONGEST_OPTIONS or flags & ~tcp.FLAGS:
        raise ValueError(f"a TCP header has nine flags and up to ten words of options, not {flags:#x} and {len(options)} bytes")
    ports, acknowledges = _ports(flow), bool(flags & tcp.ACK)
    header = tcp.HEADER + len(options)
    word, rest = header >> 2 << 12 | flags, options + _text(length - header)
    fixed = word.to_bytes(2, "big") + _WINDOW.to_bytes(2, "big")
    total = -ones_sum(ports + fixed + rest, _pseudo(flow, protocol, length))
    places, acknowledged = (4, TWICE) if acknowledges else (2, 0)
    pack = Struct(f">4sII4sHH{len(rest)}s").pack

    def body(ident: int) -> bytes:
        return pack(ports, TWICE * ident, acknowledged * ident, fixed, (total - places * ident) % WORD, 0, rest)

    return body


def _udplite(flow: Flow, length: int, protocol: int) -> _Body:
    covered = udplite.covered(flow.extra.coverage, length)
    start, text = _ports(flow) + flow.extra.coverage.to_bytes(2, "big"), _text(length - TRANSPORT - NAMED)
    total = -ones_sum((start + bytes(length - len(text) - len(start)) + text)[:covered], _pseudo(flow, protocol, length))
    # An odd coverage of eleven bytes takes in the payload's ident by half.
    inside = (WORD << 8 & WORD if covered == _TUNED + 1 else WORD) if covered > _TUNED else 0
    constant = total % WORD or WORD
    pack = Struct(f">6sHHH{len(text)}s").pack

    def tuned(ident: int) -> bytes:
        return pack(start, ident, (total - ident - (ident & inside)) % WORD, ident, text)

    def plain(ident: int) -> bytes:
        return pack(start, constant, 0, ident, text)

    return tuned if covered >= _TUNED else plain


def _dccp(flow: Flow, length: int, protocol: int) -> _Body:
    start, text = _ports(flow) + bytes((dccp.REQUEST_HEADER >> 2, 0)), _text(length - dccp.REQUEST_HEADER)
    kind, last = bytes((dccp.REQUEST << 1 | 1, 0)), flow.extra.service.to_bytes(4, "big") + text
    total = -ones_sum(start + kind + last, _pseudo(flow, protocol, length))
    pack = Struct(f">6sH2sHI{len(last)}s").pack

    def body(ident: int) -> bytes:
        return pack(start, ident, kind, (total - 3 * ident) % WORD, TWICE * ident, last)

    return body


def _raw(flow: Flow, length: int, _protocol: int) -> _Body:
    ports, text = _ports(flow), _text(length - TRANSPORT)

    def body(ident: int) -> bytes:
        return ports + (TWICE * ident).to_bytes(4, "big") + text

    return body


_BODIES: dict[Method, Callable[[Flow, int, int], _Body]] = {
    Method.TCP: _tcp,
    Method.UDPLITE: _udplite,
    Method.DCCP: _dccp,
    Method.RAW: _raw,
}
