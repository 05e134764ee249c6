"""Replies: whatever routers, NAT and strangers send gives a reply, None or MalformedPacket, and a quote always names its probe."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import messages
from pathwarden.errors import MalformedPacket
from pathwarden.model.probe import Extra, Flow, Method, MplsLabel, MplsStack, Reply, ReplyKind
from pathwarden.wire import decoders, icmp4, icmp6, ipv4, ipv6, udp
from pathwarden.wire.probe_codec import decode4, decode6, default_size, encoder, min_size

SRC = {4: "192.0.2.1", 6: "2001:db8::1"}
DST = {4: "198.51.100.7", 6: "2001:db8:7::7"}
ROUTER = {4: "203.0.113.9", 6: "2001:db8:9::9"}
SPORT, DPORT, TOS, AT_NS = 61001, 33434, 0x28, 123
STACK = (MplsLabel(100, 5, False, 1), MplsLabel(524288, 0, True, 255))
STRUCTURE = messages.structure([messages.mpls_object(STACK)])
BOTH = pytest.mark.parametrize("af", [4, 6])
METHODS = pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
idents = st.integers(1, 0xFFFE)
MUTATIONS = 50_000  # about half a second


def flow_of(af, method, size=0, gateways=0):
    extra = Extra(gateways=(ROUTER[af],) * gateways)
    label = 0x12345 if af == 6 else 0
    return Flow(af, method, SRC[af], DST[af], SPORT, DPORT, TOS, label, size or default_size(af, method, extra), extra)


def probe(af, method, ident=0x1234, size=0, ttl=1, gateways=0):
    return encoder(flow_of(af, method, size, gateways))(ident, ttl)


def carried(message):
    """An ICMP message in the packet that a raw socket gives."""
    return ipv4.build(ROUTER[4], SRC[4], ipv4.ICMP, message, ttl=250)


def answered(af, quote, kind=None, code=0, word=0, structure=b""):
    """What the decoder reads of an error; by default time exceeded."""
    if af == 4:
        message = messages.error4(kind or icmp4.TIME_EXCEEDED, code, quote, pointer=word >> 24, mtu=word & 0xFFFF, extensions=structure)
        return decode4(carried(message), AT_NS)
    message = messages.error6(ROUTER[6], SRC[6], kind or icmp6.TIME_EXCEEDED, code, quote, word=word, extensions=structure)
    return decode6(message, ROUTER[6], 250, AT_NS)


def time_exceeded(af, method, ident=0x1234, ident_in_quote=True, size=0):
    """The reply to expect."""
    return Reply(
        ReplyKind.TIME_EXCEEDED,
        ROUTER[af],
        AT_NS,
        method,
        DST[af],
        SPORT,
        DPORT,
        ident if ident_in_quote else 0,
        ident if method is Method.UDP else 0,
        icmp4.TIME_EXCEEDED if af == 4 else icmp6.TIME_EXCEEDED,
        0,
        ttl=250,
        quoted_ttl=1,
        quoted_tos=TOS,
        quoted_length=size or default_size(af, method),
    )


# -- naming the probe


@BOTH
@METHODS
def test_a_quote_cut_anywhere_after_eight_transport_bytes_names_the_probe(af, method):
    packet = probe(af, method)
    header = ipv4.HEADER if af == 4 else ipv6.HEADER
    for length in range(header + 8, len(packet) + 1):
        has_ident = af == 4 or method is Method.ICMP or length >= header + 12
        assert answered(af, packet[:length]) == time_exceeded(af, method, ident_in_quote=has_ident)
    for length in range(header + 8):
        with pytest.raises(MalformedPacket):
            answered(af, packet[:length])


@given(st.sampled_from([4, 6]), st.sampled_from([Method.UDP, Method.ICMP]), idents)
def test_every_ident_comes_back(af, method, ident):
    assert answered(af, probe(af, method, ident)) == time_exceeded(af, method, ident)


def test_the_smallest_ipv6_udp_probe_is_named_by_its_checksum_alone():
    packet = probe(6, Method.UDP, size=min_size(6, Method.UDP))
    filled_up = packet + b"\xaa" * 78  # to 128 bytes, as before a structure; not with zeros, to see that it is not read
    assert answered(6, filled_up, structure=STRUCTURE) == time_exceeded(
        6, Method.UDP, ident_in_quote=False, size=min_size(6, Method.UDP)
    )._replace(extensions=(MplsStack(STACK),))


@METHODS
def test_nat_that_rewrites_source_and_checksum_hides_nothing(method):
    packet = bytearray(probe(4, method))
    packet[12:16] = b"\x0a\0\0\1"
    if method is Method.UDP:
        packet[26:28] = b"\xbe\xef"
    reply = answered(4, bytes(packet))
    assert reply == time_exceeded(4, method)._replace(ident_checksum=0xBEEF if method is Method.UDP else 0)


@METHODS
def test_ip_options_in_the_quote_are_skipped(method):
    packet = probe(4, method)
    longer = bytes([0x47]) + packet[1:20] + b"\x94\x04\0\0\1\1\1\0" + packet[20:]  # router alert and padding
    assert answered(4, longer[: 28 + 8]) == time_exceeded(4, method)


@METHODS
def test_extension_headers_in_the_quote_are_skipped(method):
    packet = probe(6, method)
    options = bytes([packet[6]]) + bytes.fromhex("00010400000000")
    longer = packet[:6] + bytes([ipv6.DESTINATION_OPTIONS]) + packet[7:40] + options + packet[40:]
    assert answered(6, longer) == time_exceeded(6, method)


def test_flags_in_the_wrong_byte_order_are_no_fragment():
    packet = bytearray(probe(4, Method.UDP))
    packet[6:8] = packet[7:5:-1]
    assert answered(4, bytes(packet)) == time_exceeded(4, Method.UDP)


def test_ip_options_before_and_padding_after_the_answer():
    message = messages.error4(icmp4.TIME_EXCEEDED, 0, probe(4, Method.UDP), extensions=STRUCTURE)
    packet = ipv4.build(ROUTER[4], SRC[4], ipv4.ICMP, message, ttl=250, options=b"\1\1\1\0")
    assert decode4(packet + b"\x01" * 18, AT_NS) == time_exceeded(4, Method.UDP)._replace(extensions=(MplsStack(STACK),))


# -- kinds


@pytest.mark.parametrize(
    ("af", "kind", "code", "word", "read", "mtu"),
    [
        (4, 3, 0, 0, ReplyKind.UNREACHABLE, 0),
        (4, 3, 1, 0, ReplyKind.UNREACHABLE, 0),
        (4, 3, 2, 0, ReplyKind.UNREACHABLE, 0),
        (4, 3, 3, 0, ReplyKind.PORT_UNREACHABLE, 0),
        (4, 3, 4, 1492, ReplyKind.PACKET_TOO_BIG, 1492),
        (4, 3, 4, 0, ReplyKind.PACKET_TOO_BIG, 0),  # from before RFC 1191
        (4, 3, 13, 1492, ReplyKind.UNREACHABLE, 0),
        (4, 12, 0, 20 << 24, ReplyKind.PARAMETER_PROBLEM, 0),
        (6, 1, 0, 0, ReplyKind.UNREACHABLE, 0),
        (6, 1, 1, 0, ReplyKind.UNREACHABLE, 0),
        (6, 1, 4, 0, ReplyKind.PORT_UNREACHABLE, 0),
        (6, 2, 0, 1280, ReplyKind.PACKET_TOO_BIG, 1280),
        (6, 4, 1, 40, ReplyKind.PARAMETER_PROBLEM, 0),
    ],
)
def test_kinds(af, kind, code, word, read, mtu):
    expected = time_exceeded(af, Method.UDP)._replace(kind=read, icmp_type=kind, icmp_code=code, mtu=mtu)
    assert answered(af, probe(af, Method.UDP), kind, code, word) == expected


@BOTH
def test_echo_reply(af):
    if af == 4:
        reply = decode4(carried(messages.echo4(icmp4.ECHO_REPLY, SPORT, 0x1234, b"x")), AT_NS)
    else:
        reply = decode6(messages.echo6(DST[6], SRC[6], icmp6.ECHO_REPLY, SPORT, 0x1234, b"x"), ROUTER[6], 250, AT_NS)
    icmp_type = icmp4.ECHO_REPLY if af == 4 else icmp6.ECHO_REPLY
    assert reply == Reply(
        ReplyKind.ECHO_REPLY, ROUTER[af], AT_NS, Method.ICMP, ROUTER[af], SPORT, 0, 0x1234, 0, icmp_type, 0, ttl=250
    )  # fmt: skip


def test_the_pointer_of_a_parameter_problem():
    assert icmp4.parse_error(messages.error4(12, 0, b"", pointer=20)).pointer == 20
    assert icmp6.parse_error(messages.error6(ROUTER[6], SRC[6], 4, 0, b"", word=40)).pointer == 40


# -- MPLS


@BOTH
@METHODS
@pytest.mark.parametrize("size", [0, 200])
def test_mpls_after_a_quote_whose_length_is_said(af, method, size):
    expected = time_exceeded(af, method, size=size)._replace(extensions=(MplsStack(STACK),))
    assert answered(af, probe(af, method, size=size), structure=STRUCTURE) == expected


@METHODS
def test_mpls_from_a_router_older_than_rfc_4884(method):
    quote = probe(4, method).ljust(128, b"\0")
    reply = answered(4, quote + STRUCTURE)
    assert reply == time_exceeded(4, method)._replace(extensions=(MplsStack(STACK),))


@BOTH
@METHODS
def test_a_damaged_structure_does_not_cost_the_reply(af, method):
    damaged = STRUCTURE[:-1] + b"\xfe"
    assert answered(af, probe(af, method), structure=damaged) == time_exceeded(af, method)


@BOTH
@METHODS
def test_our_own_text_is_never_taken_for_labels(af, method):
    for size in range(128, 300):
        assert answered(af, probe(af, method, size=size)) == time_exceeded(af, method, size=size)


# -- broken routers


@METHODS
def test_lengths_of_zero_in_a_quote_are_not_taken_for_lengths(method):
    packet = bytearray(probe(4, method))
    packet[2:4] = b"\0\0"
    assert answered(4, bytes(packet)) == time_exceeded(4, method)._replace(quoted_length=0)
    packet = bytearray(probe(6, method))
    packet[4:6] = b"\0\0"
    if method is Method.UDP:
        packet[44:46] = b"\0\0"
    assert answered(6, bytes(packet)) == time_exceeded(6, method)._replace(quoted_length=0)


def test_an_answer_whose_length_an_offload_left_out():
    packet = bytearray(carried(messages.error4(icmp4.TIME_EXCEEDED, 0, probe(4, Method.UDP))))
    packet[2:4] = b"\0\0"
    assert decode4(bytes(packet), AT_NS) == time_exceeded(4, Method.UDP)


@METHODS
def test_another_length_in_a_quote_is_told(method):
    packet = bytearray(probe(4, method))
    packet[2:4] = (40).to_bytes(2, "big")  # without the header, as old BSD systems count
    assert answered(4, bytes(packet)) == time_exceeded(4, method)._replace(quoted_length=40)


def test_a_checksum_that_nat_took_away():
    packet = bytearray(probe(4, Method.UDP))
    packet[26:28] = b"\0\0"
    assert answered(4, bytes(packet)) == time_exceeded(4, Method.UDP)  # the payload still has the ident
    assert answered(4, bytes(packet[:28])) == time_exceeded(4, Method.UDP)._replace(ident_checksum=0)


# -- no answer to a probe


def quoting4(protocol, transport, fragment=0):
    return ipv4.build(SRC[4], DST[4], protocol, transport, ttl=1, fragment=fragment)


def quoting6(next_header, transport):
    return ipv6.build(SRC[6], DST[6], next_header, transport, hop_limit=1)


PORTS = udp.build(SPORT, DPORT, b"", 0)


@pytest.mark.parametrize(
    ("why", "af", "quote", "kind", "code"),
    [
        ("redirect", 4, probe(4, Method.UDP), 5, 1),
        ("source quench", 4, probe(4, Method.UDP), 4, 0),
        ("fragments timed out", 4, probe(4, Method.UDP), 11, 1),
        ("later fragment quoted", 4, quoting4(17, PORTS, fragment=0x2001), 11, 0),
        ("echo reply quoted", 4, quoting4(1, messages.echo4(0, 1, 2, b"")), 11, 0),
        ("echo request itself", 4, b"", 8, 0),
        ("fragments timed out", 6, probe(6, Method.UDP), 3, 1),
        ("later fragment quoted", 6, quoting6(44, b"\x11\0\0\x08\0\0\0\1" + PORTS), 3, 0),
        ("echo reply quoted", 6, quoting6(58, messages.echo4(129, 1, 2, b"")), 3, 0),
        ("neighbour solicitation", 6, bytes(16), 135, 0),
    ],
)
def test_what_answers_no_probe_is_none(why, af, quote, kind, code):
    assert answered(af, quote, kind, code) is None, why


def test_another_protocol_than_icmp_is_none():
    assert decode4(probe(4, Method.UDP), AT_NS) is None


# -- any bytes


def decoded(af, data):
    """What comes of bytes: the same at once as part by part."""
    at_once = outcome(decode4 if af == 4 else decode6, af, data)
    assert at_once == outcome(decoders.read4 if af == 4 else decoders.read6, af, data)
    if isinstance(at_once, Reply):
        assert type(at_once.kind) is ReplyKind
        assert type(at_once.method) is Method
        return "reply"
    return at_once


def outcome(decode, af, data):
    try:
        reply = decode(data, AT_NS) if af == 4 else decode(data, ROUTER[6], 64, AT_NS)
    except MalformedPacket:
        return "malformed"
    assert reply is None or isinstance(reply, Reply)
    return "none" if reply is None else reply


@BOTH
@given(data=st.binary(max_size=300))
def test_any_bytes(af, data):
    decoded(af, data)


@BOTH
@given(
    kind=st.sampled_from([0, 1, 2, 3, 4, 11, 12, 129]),
    code=st.integers(0, 255),
    word=st.binary(min_size=4, max_size=4),
    rest=st.binary(max_size=300),
)
def test_any_bytes_in_an_icmp_message(af, kind, code, word, rest):
    message = bytes([kind, code, 0, 0]) + word + rest
    decoded(af, carried(message) if af == 4 else message)


USUAL = [
    (af, method, size, ident, quoted, kind)
    for af in (4, 6)
    for method in (Method.UDP, Method.ICMP)
    for size in (min_size(af, method), default_size(af, method), 128, 129, 160, 400)
    for ident in (1, 0x1234, 0xFFFE)
    for quoted in (8, None)
    for kind in (None, (3, 3) if af == 4 else (1, 4))
]


@pytest.mark.parametrize("case", USUAL)
def test_usual_answers_are_read_alike(case):
    af, method, size, ident, quoted, kind = case
    quote = probe(af, method, ident, size)[: quoted and quoted + (20 if af == 4 else 40)]
    kind, code = kind or (11 if af == 4 else 3, 0)
    message = messages.error4(kind, code, quote) if af == 4 else messages.error6(ROUTER[6], SRC[6], kind, code, quote)
    assert decoded(af, carried(message) if af == 4 else message) == "reply"


@BOTH
def test_any_damage_to_real_answers(af, seed):
    """Bits turned, bytes cut, doubled and overwritten: every outcome is allowed, and each comes up, but no other exception.

    Whether the usual answers are read at once or part by part, the outcome is the same.
    """
    rng = random.Random(seed)
    whole = [
        carried(messages.error4(kind, code, probe(4, method, size=size, gateways=gateways), extensions=structure))
        if af == 4
        else messages.error6(
            ROUTER[6], SRC[6], {11: 3, 3: 1, 12: 4}[kind], code, probe(6, method, size=size, gateways=gateways), extensions=structure
        )
        for kind, code, structure in ((11, 0, b""), (11, 0, STRUCTURE), (3, 3, b""), (12, 0, b""))
        for method in (Method.UDP, Method.ICMP, Method.TCP, Method.UDPLITE, Method.DCCP, Method.RAW)
        for size, gateways in ((0, 0), (200, 0), (0, 2))
    ]
    outcomes = {decoded(af, damaged(rng, rng.choice(whole))) for _ in range(MUTATIONS)}
    assert outcomes == {"malformed", "none", "reply"}


def damaged(rng, data):
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed))
        match rng.randrange(4):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del changed[at + 1 :]
            case _:
                changed[at:at] = changed[at : at + rng.randint(1, 40)]
    return bytes(changed)
