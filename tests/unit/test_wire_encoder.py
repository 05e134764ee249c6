"""What every probe keeps, whatever its ident and ttl: the reason why a load balancer sends a flow one way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import messages
from pathwarden.model.probe import Flow, Method
from pathwarden.wire import checksum, icmp4, icmp6, ipv4, ipv6, udp
from pathwarden.wire.address import pack4, pack6, unpack4, unpack6
from pathwarden.wire.probe_codec import (
    TEXT,
    decode_icmp_dgram,
    decode_udp_payload,
    default_size,
    dgram_encoder,
    encoder,
    max_size,
    min_size,
)

idents = st.integers(1, 0xFFFE)
ttls = st.integers(1, 255)
words = st.integers(1, 0xFFFE)
IP_HEADER = {4: ipv4.HEADER, 6: ipv6.HEADER}


@st.composite
def flows(draw, methods=(Method.UDP, Method.ICMP)):
    af, method = draw(st.sampled_from([4, 6])), draw(st.sampled_from(methods))
    address = st.binary(min_size=4, max_size=4).map(unpack4) if af == 4 else st.binary(min_size=16, max_size=16).map(unpack6)
    least = min_size(af, method)
    size = draw(st.one_of(st.integers(least, least + 5), st.integers(least, 1500), st.just(default_size(af, method))))
    label = draw(st.integers(1, 0xFFFFF)) if af == 6 else 0
    return Flow(af, method, draw(address), draw(address), draw(words), draw(words), draw(st.integers(0, 255)), label, size)


def opened(flow, packet):
    """The IP header, and what is after it."""
    if flow.af == 4:
        assert checksum.valid(packet[: ipv4.HEADER])
        return ipv4.parse(packet), packet[ipv4.HEADER :]
    return ipv6.parse(packet), packet[ipv6.HEADER :]


def pseudo(flow, transport):
    if flow.af == 4:
        return checksum.pseudo4(pack4(flow.src), pack4(flow.dst), 17, len(transport)) if flow.method is Method.UDP else 0
    return checksum.pseudo6(pack6(flow.src), pack6(flow.dst), 17 if flow.method is Method.UDP else 58, len(transport))


@given(flows(), idents, ttls)
def test_a_receiver_accepts_every_probe(flow, ident, ttl):
    packet = encoder(flow)(ident, ttl)
    assert len(packet) == flow.size
    _, transport = opened(flow, packet)
    assert checksum.valid(transport, pseudo(flow, transport))


@given(flows(), idents, ttls)
def test_ip_header_says_what_the_flow_says(flow, ident, ttl):
    header, _ = opened(flow, encoder(flow)(ident, ttl))
    assert (header.src, header.dst) == (flow.src, flow.dst)
    if flow.af == 4:
        protocol = ipv4.UDP if flow.method is Method.UDP else ipv4.ICMP
        assert (header.total_length, header.protocol, header.tos, header.ttl) == (flow.size, protocol, flow.tos, ttl)
        assert (header.ident, header.fragment) == (ident, ipv4.DONT_FRAGMENT)
    else:
        protocol = ipv6.UDP if flow.method is Method.UDP else ipv6.ICMP6
        assert (header.payload_length, header.next_header) == (flow.size - ipv6.HEADER, protocol)
        assert (header.traffic_class, header.label, header.hop_limit) == (flow.tos, flow.label, ttl)


@given(flows(methods=(Method.UDP,)), idents, ttls)
def test_udp_checksum_names_the_probe(flow, ident, ttl):
    _, transport = opened(flow, encoder(flow)(ident, ttl))
    assert udp.parse(transport) == udp.UdpHeader(flow.sport, flow.dport, len(transport), ident)


@given(flows(methods=(Method.ICMP,)), idents, ttls)
def test_icmp_checksum_is_constant_and_the_sequence_names_the_probe(flow, ident, ttl):
    _, transport = opened(flow, encoder(flow)(ident, ttl))
    request = icmp4.ECHO_REQUEST if flow.af == 4 else icmp6.ECHO_REQUEST
    assert icmp4.parse_echo(transport) == icmp4.Echo(request, 0, flow.dport, flow.sport, ident)


@given(flows(), idents, ttls, idents, ttls)
def test_what_routers_hash_is_the_same_in_all_probes_of_a_flow(flow, ident, ttl, other_ident, other_ttl):
    encode = encoder(flow)
    one, other = encode(ident, ttl), encode(other_ident, other_ttl)
    start = IP_HEADER[flow.af]
    changing = set(range(start + 6, start + 12)) | ({4, 5, 8, 10, 11} if flow.af == 4 else {7})
    assert len(one) == len(other)
    assert {at for at in range(len(one)) if one[at] != other[at]} <= changing


@pytest.mark.parametrize("af", [4, 6])
@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
def test_every_ident_and_every_ttl(af, method):
    src, dst = ("192.0.2.1", "198.51.100.7") if af == 4 else ("2001:db8::1", "2001:db8:7::7")
    flow = Flow(af, method, src, dst, 61001, 0x829A, 0, 1 if af == 6 else 0, default_size(af, method))
    encode = encoder(flow)
    seen = set()
    for ident in range(1, 0xFFFF):
        packet = encode(ident, ident % 255 + 1)
        transport = packet[IP_HEADER[af] :]
        seen.add(transport[:6])
        assert transport[6:8] == ident.to_bytes(2, "big") == transport[10:12]
        assert checksum.ones_sum(transport, pseudo(flow, transport)) == 0xFFFF
        assert af == 6 or checksum.ones_sum(packet[: ipv4.HEADER]) == 0xFFFF
    assert len(seen) == 1


@given(flows(), idents, ttls)
def test_payload_holds_the_ident_where_there_is_room_and_then_says_who_asks(flow, ident, ttl):
    payload = encoder(flow)(ident, ttl)[IP_HEADER[flow.af] + 8 :]
    if len(payload) < 4:
        assert payload[2:] == bytes(len(payload) - 2)
        assert decode_udp_payload(payload) == 0
    else:
        assert decode_udp_payload(payload) == ident
        assert (TEXT * 100).startswith(payload[4:])


@given(flows(), idents)
def test_without_raw_rights_the_datagram_is_the_same(flow, ident):
    """The kernel puts UDP header, identifier and checksum there: over the same bytes they come out the same."""
    sent = dgram_encoder(flow)(ident)
    _, transport = opened(flow, encoder(flow)(ident, 9))
    if flow.method is Method.UDP:
        assert udp.build(flow.sport, flow.dport, sent, pseudo(flow, transport)) == transport
    elif flow.af == 4:
        assert messages.echo4(icmp4.ECHO_REQUEST, flow.sport, ident, sent[8:]) == transport
    else:
        assert messages.echo6(flow.src, flow.dst, icmp6.ECHO_REQUEST, flow.sport, ident, sent[8:]) == transport
    if flow.method is Method.ICMP:
        assert sent[6:8] == ident.to_bytes(2, "big")


@pytest.mark.parametrize("af", [4, 6])
@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
def test_sizes_end_where_the_headers_do(af, method):
    address = "192.0.2.1" if af == 4 else "2001:db8::1"
    flow = Flow(af, method, address, address, 1, 2, 0, 1, 0)
    for size in (min_size(af, method), max_size(af)):
        packet = encoder(flow._replace(size=size))(7, 7)
        assert len(packet) == size
        assert checksum.valid(packet[IP_HEADER[af] :], pseudo(flow, packet[IP_HEADER[af] :]))
    for size in (min_size(af, method) - 1, max_size(af) + 1):
        with pytest.raises(ValueError, match=f"not {size}"):
            encoder(flow._replace(size=size))


def test_a_name_is_no_address_to_encode():
    with pytest.raises(ValueError):
        encoder(Flow(4, Method.UDP, "192.0.2.1", "example.org", 1, 2, 0, 0, 60))


@pytest.mark.parametrize("kind", [0, 8, 128, 129])
def test_a_ping_socket_gives_the_sequence(kind):
    assert decode_icmp_dgram(messages.echo4(kind, 1, 0x1234, b"")) == 0x1234


@given(st.binary(max_size=40).filter(lambda data: len(data) < 8 or data[0] not in (0, 8, 128, 129)))
def test_what_is_no_echo_has_no_ident(message):
    assert decode_icmp_dgram(message) == 0
