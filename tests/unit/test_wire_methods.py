"""Probes of TCP, UDP-Lite, DCCP and raw protocols: what a flow keeps, what names a probe, and that receivers accept it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import messages
from pathwarden.model.probe import Extra, Flow, Method, ReplyKind
from pathwarden.wire import dccp, icmp6, ipv4, ipv6, tcp, udplite
from pathwarden.wire.address import pack4, pack6, unpack4, unpack6
from pathwarden.wire.probe_codec import (
    NUMBERS,
    TEXT,
    decode4,
    decode6,
    decode_udp_payload,
    default_size,
    dgram_encoder,
    encoder,
    first_stop,
    max_size,
    min_size,
    most_gateways,
)

METHODS = (Method.TCP, Method.UDPLITE, Method.DCCP, Method.RAW)
ROUTER = {4: "203.0.113.9", 6: "2001:db8:9::9"}
SRC = {4: "192.0.2.1", 6: "2001:db8::1"}
DST = {4: "198.51.100.7", 6: "2001:db8:7::7"}
IP = {4: ipv4.HEADER, 6: ipv6.HEADER}
NAMED_BY = {Method.TCP: range(4, 8), Method.UDPLITE: range(6, 12), Method.DCCP: range(6, 16), Method.RAW: range(4, 8)}
idents = st.integers(1, 0xFFFE)
ttls = st.integers(1, 255)
words = st.integers(1, 0xFFFF)
ip4 = st.binary(min_size=4, max_size=4).map(unpack4)
ip6 = st.binary(min_size=16, max_size=16).map(unpack6)
BOTH = pytest.mark.parametrize("af", [4, 6])


def flow_of(af, method, extra=Extra(), size=0):  # noqa: B008 - frozen
    label = 0x12345 if af == 6 else 0
    return Flow(af, method, SRC[af], DST[af], 61001, 33434, 0x28, label, size or default_size(af, method, extra), extra)


@st.composite
def flows(draw, methods=(*METHODS, Method.UDP, Method.ICMP), gateways=3):
    af, method = draw(st.sampled_from([4, 6])), draw(st.sampled_from(methods))
    address = ip4 if af == 4 else ip6
    extra = Extra(
        tcp_flags=draw(st.integers(0, tcp.FLAGS)),
        tcp_options=draw(st.integers(0, 10).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))),
        service=draw(st.integers(0, 0xFFFFFFFF)),
        protocol=draw(st.sampled_from([2, 47, 89, 132, 253, 255])),
        gateways=tuple(draw(st.lists(address, max_size=gateways))),
        routing_type=draw(st.sampled_from([0, 2, 4])),
    )
    least = min_size(af, method, extra)
    size = draw(st.one_of(st.integers(least, least + 5), st.integers(least, 1500), st.just(default_size(af, method, extra))))
    transport = size - header_length(af, extra)
    coverage = draw(st.one_of(st.just(0), st.integers(8, min(transport, 14)), st.integers(8, transport))) if method is Method.UDPLITE else 8
    label = draw(st.integers(1, 0xFFFFF)) if af == 6 else 0
    ports = draw(words), draw(words) if method is not Method.ICMP else draw(st.integers(1, 0xFFFE))
    return Flow(af, method, draw(address), draw(address), *ports, draw(st.integers(0, 255)), label, size, extra._replace(coverage=coverage))


def header_length(af, extra):
    """Bytes before the transport header: by RFC 791 and RFC 8200, not by the code under test."""
    gateways = len(extra.gateways)
    if not gateways:
        return IP[af]
    if af == 4:
        return 20 + 1 + 3 + 4 * gateways
    return 40 + 8 + 16 * (gateways + (1 if extra.routing_type == 4 else 0))


def word_by_word(data):
    """The Internet checksum's sum, added up as RFC 1071 says; 0xffff for data that is valid."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo(flow, transport):
    number = NUMBERS[flow.af, flow.method].to_bytes(1, "big")
    if flow.af == 4:
        return pack4(flow.src) + pack4(flow.dst) + b"\0" + number + len(transport).to_bytes(2, "big")
    return pack6(flow.src) + pack6(flow.dst) + len(transport).to_bytes(4, "big") + b"\0\0\0" + number


def accepted(flow, transport):
    """Whether a receiver takes the transport header for valid."""
    if flow.method is Method.RAW:
        return True
    if flow.method is Method.ICMP and flow.af == 4:
        return word_by_word(transport) == 0xFFFF
    covered = (flow.extra.coverage or len(transport)) if flow.method is Method.UDPLITE else len(transport)
    return word_by_word(pseudo(flow, transport) + transport[:covered]) == 0xFFFF


# -- what every method keeps


@given(flows(), idents, ttls)
def test_a_receiver_accepts_every_probe(flow, ident, ttl):
    packet = encoder(flow)(ident, ttl)
    start = header_length(flow.af, flow.extra)
    assert len(packet) == flow.size
    assert accepted(flow, packet[start:])
    if flow.af == 4:
        assert packet[0] == 0x40 | start // 4
        assert word_by_word(packet[:start]) == 0xFFFF


@given(flows(), idents, ttls)
def test_ip_header_says_what_the_flow_says(flow, ident, ttl):
    packet = encoder(flow)(ident, ttl)
    number = flow.extra.protocol if flow.method is Method.RAW else NUMBERS[flow.af, flow.method]
    if flow.af == 4:
        header = ipv4.parse(packet)
        assert (header.total_length, header.protocol, header.tos, header.ttl) == (flow.size, number, flow.tos, ttl)
        assert (header.ident, header.fragment) == (ident, ipv4.DONT_FRAGMENT)
    else:
        header = ipv6.parse(packet)
        assert (header.payload_length, header.next_header) == (flow.size - 40, ipv6.ROUTING if flow.extra.gateways else number)
        assert (header.traffic_class, header.label, header.hop_limit) == (flow.tos, flow.label, ttl)
        assert ipv6.transport(packet, header.next_header)[:2] == (number, header_length(6, flow.extra))
    assert (header.src, header.dst) == (flow.src, first_stop(flow))


@given(flows(methods=METHODS), idents, ttls, idents, ttls)
def test_what_routers_hash_is_the_same_in_all_probes_of_a_flow(flow, ident, ttl, other_ident, other_ttl):
    encode = encoder(flow)
    one, other = encode(ident, ttl), encode(other_ident, other_ttl)
    start = header_length(flow.af, flow.extra)
    changing = {start + at for at in NAMED_BY[flow.method]} | ({4, 5, 8, 10, 11} if flow.af == 4 else {7})
    if flow.method is Method.TCP:
        changing |= set(range(start + 8, start + 12)) if flow.extra.tcp_flags & tcp.ACK else set()
        changing |= {start + 16, start + 17}
    assert {at for at in range(len(one)) if one[at] != other[at]} <= changing
    assert one[start : start + 4] == flow.sport.to_bytes(2, "big") + flow.dport.to_bytes(2, "big")


# -- what names the probe


def quoted(flow, quote):
    """What is read of a time exceeded that quotes so much."""
    if flow.af == 4:
        return decode4(ipv4.build(ROUTER[4], SRC[4], ipv4.ICMP, messages.error4(11, 0, quote), ttl=250), 7)
    return decode6(messages.error6(ROUTER[6], SRC[6], icmp6.TIME_EXCEEDED, 0, quote), ROUTER[6], 250, 7)


def names(reply):
    """The two places that may name the probe."""
    return {reply.ident, reply.ident_checksum} - {0}


@given(flows(), idents, ttls)
def test_every_probe_quoted_whole_is_named(flow, ident, ttl):
    reply = quoted(flow, encoder(flow)(ident, ttl))
    assert (reply.kind, reply.method, reply.dst) == (ReplyKind.TIME_EXCEEDED, flow.method, flow.dst)
    assert (reply.sport, reply.dport) == (flow.sport, flow.dport)
    roomless = flow.method is Method.UDP and flow.size - header_length(flow.af, flow.extra) < 12
    assert reply.ident == (0 if roomless and flow.af == 6 else ident)
    assert names(reply) == {ident}
    assert (reply.quoted_ttl, reply.quoted_tos, reply.quoted_length) == (ttl, flow.tos, flow.size)


@given(flows(methods=METHODS), idents, st.integers(0, 60))
def test_eight_bytes_of_transport_never_name_another_probe(flow, ident, more):
    packet = encoder(flow)(ident, 1)
    reply = quoted(flow, packet[: header_length(flow.af, flow.extra) + 8 + more])
    assert names(reply) <= {ident}
    untuned = flow.method is Method.UDPLITE and 8 <= flow.extra.coverage < 10
    if not (flow.af == 6 and untuned and more < 4):  # nothing in its first eight bytes changes
        assert names(reply) == {ident}


@pytest.mark.parametrize("method", METHODS)
def test_a_lost_ip_id_hides_nothing(method):
    packet = bytearray(encoder(flow_of(4, method))(0x1234, 1))
    packet[4:6] = b"\xbe\xef"
    reply = quoted(flow_of(4, method), bytes(packet))
    assert (reply.ident, reply.ident_checksum) == (0xBEEF, 0x1234)


@BOTH
@pytest.mark.parametrize("method", METHODS)
def test_a_quote_cut_before_eight_bytes_is_malformed(af, method):
    packet = encoder(flow_of(af, method))(0x1234, 1)
    for length in range(IP[af] + 8):
        with pytest.raises(ValueError, match=r"cut|not an"):
            quoted(flow_of(af, method), packet[:length])


@BOTH
@pytest.mark.parametrize("method", METHODS)
def test_every_ident(af, method):
    flow = flow_of(af, method, Extra(coverage=0, tcp_flags=tcp.SYN | tcp.ACK))
    encode = encoder(flow)
    for ident in (*range(1, 0xFFFF, 17), 0xFFFE):
        packet = encode(ident, ident % 255 + 1)
        assert accepted(flow, packet[IP[af] :])
        assert quoted(flow, packet[: IP[af] + 8]).ident_checksum or quoted(flow, packet[: IP[af] + 8]).ident == ident


# -- TCP


@given(flows(methods=(Method.TCP,)), idents)
def test_tcp_says_what_the_flow_says(flow, ident):
    header = tcp.parse(encoder(flow)(ident, 1)[header_length(flow.af, flow.extra) :])
    acknowledgment = ident * 0x10001 if flow.extra.tcp_flags & tcp.ACK else 0
    assert (header.sequence, header.acknowledgment) == (ident * 0x10001, acknowledgment)
    assert (header.flags, header.options) == (flow.extra.tcp_flags, flow.extra.tcp_options)
    assert header.window > 0


@BOTH
def test_a_quoted_maximum_segment_size(af):
    options = messages.tcp_options((tcp.SACK_PERMITTED, b""), (tcp.MAXIMUM_SEGMENT_SIZE, b"\x05\xac"))
    flow = flow_of(af, Method.TCP, Extra(tcp_options=options))
    packet = encoder(flow)(1, 1)
    assert quoted(flow, packet).quoted_mss == 1452
    assert quoted(flow, packet[:-3]).quoted_mss == 0  # cut in the option
    assert quoted(flow, packet[: IP[af] + 8]).quoted_mss == 0


@pytest.mark.parametrize("extra", [Extra(tcp_options=b"\1\1\1"), Extra(tcp_options=b"\1" * 44), Extra(tcp_flags=0x200)])
def test_a_tcp_header_that_cannot_be(extra):
    with pytest.raises(ValueError, match="nine flags"):
        encoder(flow_of(4, Method.TCP, extra))


# -- UDP-Lite


@given(flows(methods=(Method.UDPLITE,)), idents)
def test_udplite_checksum_is_the_ident_where_it_covers_the_tuning(flow, ident):
    transport = encoder(flow)(ident, 1)[header_length(flow.af, flow.extra) :]
    header = udplite.parse(transport)
    assert header.coverage == flow.extra.coverage
    if header.coverage == 0 or header.coverage >= 10:
        assert header.checksum == ident
    else:
        assert header.checksum == udplite.parse(encoder(flow)(1, 1)[header_length(flow.af, flow.extra) :]).checksum != 0
    assert decode_udp_payload(transport[8:]) == ident
    assert (TEXT * 100).startswith(transport[12:])


@given(flows(methods=(Method.UDPLITE,), gateways=0), idents)
def test_a_udplite_socket_sends_the_same(flow, ident):
    transport = encoder(flow)(ident, 1)[IP[flow.af] :]
    initial = word_by_word(pseudo(flow, transport))
    assert udplite.build(flow.sport, flow.dport, flow.extra.coverage, dgram_encoder(flow)(ident), initial) == transport


@pytest.mark.parametrize("coverage", [1, 7, 41, 0xFFFF])
def test_a_coverage_that_the_rfc_forbids(coverage):
    with pytest.raises(ValueError, match=f"coverage 0 or 8 to 40, not {coverage}"):
        encoder(flow_of(4, Method.UDPLITE, Extra(coverage=coverage)))


# -- DCCP


@given(flows(methods=(Method.DCCP,)), idents)
def test_dccp_is_a_request_whose_checksum_is_the_ident(flow, ident):
    transport = encoder(flow)(ident, 1)[header_length(flow.af, flow.extra) :]
    header = dccp.parse(transport)
    assert header == dccp.DccpHeader(flow.sport, flow.dport, 5, 0, 0, ident, dccp.REQUEST, header.sequence, None)
    assert header.sequence & 0xFFFFFFFF == ident * 0x10001
    assert transport[16:20] == flow.extra.service.to_bytes(4, "big")


# -- raw protocols


@pytest.mark.parametrize(
    ("af", "protocol"), [(4, 6), (4, 1), (6, 58), (6, 17), (4, 136), (6, 33), (6, 0), (6, 43), (6, 44), (6, 60), (4, 256), (4, -1)]
)
def test_a_protocol_that_has_a_method_or_is_none_is_no_raw_one(af, protocol):
    with pytest.raises(ValueError, match=f"protocol {protocol} over IPv{af}"):
        encoder(flow_of(af, Method.RAW, Extra(protocol=protocol)))


def test_a_raw_quote_that_holds_no_ident_has_none():
    packet = ipv4.build(SRC[4], DST[4], 47, b"\x12\x34\x56\x78\0\1\0\2", ttl=1, ident=9)
    reply = quoted(flow_of(4, Method.RAW), packet)
    assert (reply.method, reply.sport, reply.dport, reply.ident, reply.ident_checksum) == (Method.RAW, 0x1234, 0x5678, 9, 0)


# -- sizes


def test_default_sizes_are_those_of_traceroute():
    gateways = Extra(gateways=("192.0.2.9",))
    sizes = {(af, method): default_size(af, method) for af in (4, 6) for method in (*METHODS, Method.UDP, Method.ICMP)}
    assert {sizes[4, method] for method in (Method.UDP, Method.ICMP, Method.UDPLITE, Method.RAW)} == {60}
    assert {sizes[6, method] for method in (Method.UDP, Method.ICMP, Method.UDPLITE, Method.RAW)} == {80}
    assert (sizes[4, Method.TCP], sizes[6, Method.TCP], sizes[4, Method.DCCP], sizes[6, Method.DCCP]) == (40, 60, 40, 60)
    assert default_size(4, Method.TCP, Extra(tcp_options=bytes(20))) == 60
    assert default_size(4, Method.UDP, gateways) == 68
    assert default_size(6, Method.UDP, gateways) == 104


@BOTH
@pytest.mark.parametrize("method", METHODS)
def test_sizes_end_where_the_headers_do(af, method):
    for size in (min_size(af, method), max_size(af)):
        flow = flow_of(af, method, size=size)
        packet = encoder(flow)(7, 7)
        assert len(packet) == size
        assert accepted(flow, packet[IP[af] :])
    for size in (min_size(af, method) - 1, max_size(af) + 1):
        with pytest.raises(ValueError, match=f"not {size}"):
            encoder(flow_of(af, method, size=size))


def test_the_kernel_makes_the_packets_of_connect():
    with pytest.raises(ValueError, match="tcp-connect"):
        encoder(flow_of(4, Method.TCP_CONNECT))


# -- source routes


@given(flows(), idents)
def test_a_router_on_the_way_shows_where_a_source_route_ends(flow, ident):
    packet = bytearray(encoder(flow)(ident, 1))
    if flow.af == 4 and flow.extra.gateways:
        # As RFC 791 has it: the next address becomes the destination, and its place is taken by the gateway's own.
        packet[16:20], packet[24:28], packet[23] = packet[24:28], b"\x0a\0\0\1", 8
    assert quoted(flow, bytes(packet)).dst == flow.dst


def test_loose_source_route_of_hand_made_bytes():
    flow = flow_of(4, Method.UDP, Extra(gateways=("192.0.2.9", "192.0.2.10")))
    packet = encoder(flow)(1, 1)
    assert first_stop(flow) == "192.0.2.9"
    assert packet[16:32].hex() == "c0000209" + "01" + "830b04" + "c000020a" + "c6336407"
    assert ipv4.final("198.51.100.7", bytes.fromhex("01" + "830b0c" + "0a000001" + "0a000002")) == "198.51.100.7"  # used up


@pytest.mark.parametrize("options", ["83", "8303", "830004", "830b04c000020a", "0083070401020304", "0102", "070304"])
def test_damaged_options_say_nothing(options):
    assert ipv4.final("198.51.100.7", bytes.fromhex(options)) == "198.51.100.7"


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        (0, "1104000200000000" + "20010db8000000000000000000000002" + "20010db8000700000000000000000007"),
        (2, "1104020200000000" + "20010db8000000000000000000000002" + "20010db8000700000000000000000007"),
        (
            4,
            "1106040202000000" + "".join(f"20010db8000{site}0000000000000000000{host}" for site, host in ((7, 7), (0, 2), (0, 1))),
        ),
    ],
)
def test_routing_header_of_hand_made_bytes(kind, header):
    extra = Extra(gateways=("2001:db8::1", "2001:db8::2"), routing_type=kind)
    flow = flow_of(6, Method.UDP, extra)
    packet = encoder(flow)(1, 1)
    assert ipv6.parse(packet).dst == "2001:db8::1"
    assert packet[40 : 40 + len(header) // 2].hex() == header
    assert quoted(flow, packet).dst == DST[6]


def test_a_routing_header_that_is_used_up_ends_at_the_headers_destination():
    packet = bytearray(encoder(flow_of(6, Method.UDP, Extra(gateways=("2001:db8::1",))))(1, 1))
    packet[24:40], packet[43] = pack6(DST[6]), 0
    assert quoted(flow_of(6, Method.UDP), bytes(packet)).dst == DST[6]


@pytest.mark.parametrize(
    ("af", "kind", "most", "gateway"), [(4, 2, 8, "192.0.2.9"), (6, 0, 127, "2001:db8::9"), (6, 4, 126, "2001:db8::9")]
)
def test_so_many_gateways_and_no_more(af, kind, most, gateway):
    assert most_gateways(af, kind) == most
    flow = flow_of(af, Method.UDP, Extra(gateways=(gateway,) * most, routing_type=kind))
    assert quoted(flow, encoder(flow)(1, 1)).dst == DST[af]
    with pytest.raises(ValueError, match=f"at most {most} gateways, not {most + 1}"):
        encoder(flow_of(af, Method.UDP, Extra(gateways=(gateway,) * (most + 1), routing_type=kind)))
