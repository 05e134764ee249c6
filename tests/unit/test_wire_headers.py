"""Addresses, checksums and headers: each against its RFC's figures, and there and back."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import messages
from pathwarden.errors import MalformedPacket
from pathwarden.wire import checksum, dccp, icmp4, icmp6, ipv4, ipv6, tcp, udp, udplite
from pathwarden.wire.address import af_of, pack4, pack6, unpack4, unpack6

octet = st.integers(0, 0xFF)
word = st.integers(0, 0xFFFF)
ip4 = st.binary(min_size=4, max_size=4).map(unpack4)
ip6 = st.binary(min_size=16, max_size=16).map(unpack6)
payload = st.binary(max_size=64)
RFC1071_BYTES = bytes.fromhex("0001f203f4f5f6f7")  # RFC 1071 section 3, whose sum is ddf2


# -- addresses


@given(st.binary(min_size=4, max_size=4))
def test_ipv4_text_is_what_the_standard_library_writes(packed):
    assert unpack4(packed) == str(ipaddress.IPv4Address(packed))
    assert pack4(unpack4(packed)) == packed


@given(st.binary(min_size=16, max_size=16))
def test_ipv6_text_leads_back_to_the_same_bytes(packed):
    assert pack6(unpack6(packed)) == packed


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("2001:0DB8:0:0:0:0:2:1", "2001:db8::2:1"),  # RFC 5952 section 4
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("::ffff:c000:201", "::ffff:192.0.2.1"),  # section 5; Python changed its mind in 3.13
        ("fe80::1%wan", "fe80::1"),
        ("::", "::"),
    ],
)
def test_ipv6_text_is_canonical(written, canonical):
    assert unpack6(pack6(written)) == canonical


@pytest.mark.parametrize(("text", "af"), [("192.0.2.1", 4), ("2001:db8::1", 6), ("fe80::1%eth0", 6)])
def test_family_of_an_address(text, af):
    assert af_of(text) == af


@pytest.mark.parametrize("text", ["example.org", "", "192.0.2", "192.0.2.256", "a:b", "1:2:3:4:5:6:7:8:9"])
def test_what_is_no_address_has_no_family(text):
    with pytest.raises(ValueError):
        af_of(text)


# -- checksum


def test_sum_of_the_rfc_example():
    assert checksum.ones_sum(RFC1071_BYTES) == 0xDDF2
    assert checksum.checksum(RFC1071_BYTES) == 0x220D


def word_by_word(data):
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.one_of(st.binary(max_size=200), st.sampled_from([b"", b"\0\0", b"\xff\xff", b"\xff" * 5, b"\0" * 7])))
def test_sum_equals_the_addition_word_by_word(data):
    assert checksum.ones_sum(data) == word_by_word(data)


@given(payload.filter(lambda data: len(data) % 2 == 0), word)
def test_checksum_makes_data_valid(data, initial):
    check = checksum.checksum(data, initial)
    assert checksum.valid(data + check.to_bytes(2, "big"), initial)


def test_echo_reply_of_nothing_but_zeros_has_the_other_zero_as_checksum():
    assert messages.echo4(icmp4.ECHO_REPLY, 0, 0, b"")[2:4] == b"\xff\xff"


# -- headers


@given(ip4, ip4, octet, payload, octet, word, octet, word, st.integers(0, 10))
def test_ipv4_there_and_back(src, dst, protocol, data, ttl, ident, tos, fragment, words):
    packet = ipv4.build(src, dst, protocol, data, ttl=ttl, ident=ident, tos=tos, fragment=fragment, options=b"\x01" * 4 * words)
    header = ipv4.parse(packet)
    assert checksum.valid(packet[: header.header_length])
    assert header == ipv4.Ipv4Header(
        tos, len(packet), ident, fragment, ttl, protocol, header.checksum, src, dst, ipv4.HEADER + 4 * words
    )  # fmt: skip
    assert packet[header.header_length :] == data


def test_ipv4_of_known_bytes():
    packet = bytes.fromhex("45000073000040004011b861c0a80001c0a800c7")  # a widely printed example: its checksum is b861
    header = ipv4.parse(packet)
    assert header == ipv4.Ipv4Header(0, 115, 0, ipv4.DONT_FRAGMENT, 64, ipv4.UDP, 0xB861, "192.168.0.1", "192.168.0.199")
    assert ipv4.build(header.src, header.dst, 17, bytes(95), ttl=64, fragment=0x4000)[:20] == packet


@given(ip6, ip6, octet, payload, octet, st.integers(0, 0xFFFFF), octet)
def test_ipv6_there_and_back(src, dst, next_header, data, hop_limit, label, traffic_class):
    packet = ipv6.build(src, dst, next_header, data, hop_limit=hop_limit, label=label, traffic_class=traffic_class)
    assert ipv6.parse(packet) == ipv6.Ipv6Header(traffic_class, label, len(data), next_header, hop_limit, src, dst)
    assert packet[ipv6.HEADER :] == data


@given(ip4, ip4, word, word, payload)
def test_udp_there_and_back(src, dst, sport, dport, data):
    pseudo = checksum.pseudo4(pack4(src), pack4(dst), ipv4.UDP, udp.HEADER + len(data))
    packet = udp.build(sport, dport, data, pseudo)
    header = udp.parse(packet)
    assert header == udp.UdpHeader(sport, dport, udp.HEADER + len(data), header.checksum)
    assert header.checksum != 0
    assert checksum.valid(packet, pseudo)


def test_a_udp_checksum_of_zero_leaves_as_the_other_zero():
    assert udp.build(0, 0, (0xFFFF - 10).to_bytes(2, "big"), 0)[6:8] == b"\xff\xff"  # 10 is the length: all words make 0xffff


@given(st.sampled_from([icmp4.ECHO_REQUEST, icmp4.ECHO_REPLY]), word, word, payload)
def test_icmp_echo_there_and_back(kind, identifier, sequence, data):
    message = messages.echo4(kind, identifier, sequence, data)
    echo = icmp4.parse_echo(message)
    assert echo == icmp4.Echo(kind, 0, echo.checksum, identifier, sequence)
    assert checksum.valid(message)


@given(ip6, ip6, word, word, payload)
def test_icmp6_messages_are_valid_with_the_pseudo_header(src, dst, identifier, sequence, data):
    for message in (
        messages.echo6(src, dst, icmp6.ECHO_REPLY, identifier, sequence, data),
        messages.error6(src, dst, icmp6.PACKET_TOO_BIG, 0, data, word=1280),
        messages.error6(src, dst, icmp6.TIME_EXCEEDED, 0, data, extensions=messages.structure([])),
    ):
        assert checksum.valid(message, checksum.pseudo6(pack6(src), pack6(dst), ipv6.ICMP6, len(message)))


@pytest.mark.parametrize(
    ("parse", "whole"),
    [
        (ipv4.parse, ipv4.build("192.0.2.1", "192.0.2.2", 1, b"", ttl=1, options=b"\1\1\1\0")),
        (ipv6.parse, ipv6.build("2001:db8::1", "2001:db8::2", 58, b"", hop_limit=1)),
        (udp.parse, udp.build(1, 2, b"", 0)),
        (udplite.parse, udplite.build(1, 2, 8, b"", 0)),
        (tcp.parse, tcp.build(1, 2, 3, 4, 5, 0, options=b"\1\1\1\1")),
        (dccp.parse, dccp.build(1, 2, dccp.REQUEST, 3, 4, 0)),
        (dccp.parse, dccp.build(1, 2, dccp.RESET, 3, 4, 0)),
        (icmp4.parse_echo, messages.echo4(8, 1, 2, b"")),
        (icmp4.parse_error, messages.error4(11, 0, b"")),
        (icmp6.parse_error, messages.error6("::1", "::1", 3, 0, b"")),
    ],
)
def test_a_header_cut_anywhere_is_malformed(parse, whole):
    parse(whole)
    for length in range(len(whole)):
        with pytest.raises(MalformedPacket):
            parse(whole[:length])


@pytest.mark.parametrize("first", [0x00, 0x44, 0x50, 0x65, 0xFF])
def test_another_version_or_a_header_under_five_words_is_no_ipv4(first):
    with pytest.raises(MalformedPacket, match="not an IPv4 header"):
        ipv4.parse(bytes([first]) + bytes(60))


def test_another_version_is_no_ipv6():
    with pytest.raises(MalformedPacket, match="not an IPv6 header"):
        ipv6.parse(b"\x45" + bytes(60))


# -- IPv6 extension headers


def chain(*headers):
    """A header with extension headers after it: (its own number, its bytes after the first)."""
    following = [number for number, _ in headers[1:]] + [ipv6.UDP]
    body = b"".join(bytes([after]) + rest for after, (_, rest) in zip(following, headers, strict=True))
    return ipv6.build("::1", "::2", headers[0][0], body, hop_limit=1)


OPTIONS = bytes.fromhex("00010400000000")  # extension length 0, PadN of four
LONG_OPTIONS = bytes.fromhex("01010c000000000000000000000000")  # extension length 1
FIRST_FRAGMENT = bytes.fromhex("ff00010000002a")  # the reserved byte may hold anything; offset 0, more to come
LATER_FRAGMENT = bytes.fromhex("00000800000001")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([(ipv6.HOP_BY_HOP, OPTIONS)], (ipv6.UDP, 48)),
        ([(ipv6.DESTINATION_OPTIONS, LONG_OPTIONS)], (ipv6.UDP, 56)),
        ([(ipv6.FRAGMENT, FIRST_FRAGMENT)], (ipv6.UDP, 48)),
        ([(ipv6.HOP_BY_HOP, LONG_OPTIONS), (ipv6.FRAGMENT, FIRST_FRAGMENT), (ipv6.DESTINATION_OPTIONS, OPTIONS)], (ipv6.UDP, 72)),
        ([(ipv6.FRAGMENT, LATER_FRAGMENT)], (ipv6.FRAGMENT, 40)),
    ],
)
def test_extension_headers_are_skipped(headers, found):
    packet = chain(*headers)
    assert ipv6.transport(packet, ipv6.parse(packet).next_header)[:2] == found


def test_an_extension_header_that_is_cut_is_malformed():
    packet = chain((ipv6.HOP_BY_HOP, OPTIONS))
    with pytest.raises(MalformedPacket, match="extension header cut"):
        ipv6.transport(packet[:-1], ipv6.HOP_BY_HOP)


# -- TCP, UDP-Lite, DCCP

options = st.integers(0, 10).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words))
numbers = st.integers(0, 2**32 - 1)


@given(ip4, ip4, word, word, numbers, numbers, st.integers(0, tcp.FLAGS), word, options, payload)
def test_tcp_there_and_back(src, dst, sport, dport, sequence, acknowledgment, flags, window, chosen, data):
    pseudo = checksum.pseudo4(pack4(src), pack4(dst), 6, tcp.HEADER + len(chosen) + len(data))
    segment = tcp.build(sport, dport, sequence, acknowledgment, flags, pseudo, window=window, options=chosen, payload=data)
    header = tcp.parse(segment)
    length = tcp.HEADER + len(chosen)
    assert header == tcp.TcpHeader(sport, dport, sequence, acknowledgment, flags, window, header.checksum, length, chosen)
    assert segment[length:] == data
    assert checksum.valid(segment, pseudo)


def test_tcp_of_hand_made_bytes():
    """RFC 9293 section 3.1: ports 61001 and 80, ten words, AE, CWR, ECE and SYN; MSS, SACK permitted, timestamps, window scale."""
    chosen = "020405b4" + "0402" + "080a0000000100000002" + "01" + "030307"
    header = tcp.parse(bytes.fromhex("ee490050" + "12341234" + "00000000" + "a1c216d0" + "00000000" + chosen))
    assert header == tcp.TcpHeader(61001, 80, 0x12341234, 0, tcp.AE | tcp.CWR | tcp.ECE | tcp.SYN, 5840, 0, 40, bytes.fromhex(chosen))
    assert list(tcp.read_options(header.options)) == [
        (tcp.MAXIMUM_SEGMENT_SIZE, b"\x05\xb4"),
        (tcp.SACK_PERMITTED, b""),
        (tcp.TIMESTAMPS, bytes.fromhex("0000000100000002")),
        (tcp.WINDOW_SCALE, b"\x07"),
    ]
    assert tcp.mss_of(header.options) == 1460


@given(st.lists(st.tuples(st.integers(2, 255), st.binary(max_size=8)), max_size=5))
def test_tcp_options_there_and_back(listed):
    written = messages.tcp_options(*listed)
    assert len(written) % 4 == 0
    assert list(tcp.read_options(written)) == listed


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_as_tcp_options(data, offset):
    for each in (data, tcp.options_at(data, offset)):
        assert sum(2 + len(value) for _, value in tcp.read_options(each)) <= len(each)
        assert 0 <= tcp.mss_of(each) <= 0xFFFF


@pytest.mark.parametrize("options", ["0000020405b4", "020305", "02040", "0201", "0200", "02", "0304ffff0205ffffff"])
def test_tcp_options_without_a_segment_size(options):
    assert tcp.mss_of(bytes.fromhex(options.ljust(len(options) + len(options) % 2, "0"))) == 0


@given(ip6, ip6, word, word, payload, st.data())
def test_udplite_there_and_back(src, dst, sport, dport, data, draws):
    length = udplite.HEADER + len(data)
    coverage = draws.draw(st.one_of(st.just(0), st.integers(udplite.HEADER, length)))
    pseudo = checksum.pseudo6(pack6(src), pack6(dst), 136, length)
    packet = udplite.build(sport, dport, coverage, data, pseudo)
    header = udplite.parse(packet)
    assert header == udplite.UdpLiteHeader(sport, dport, coverage, header.checksum)
    assert header.checksum != 0
    assert packet[udplite.HEADER :] == data
    assert checksum.valid(packet[: coverage or length], pseudo)


@given(
    word, word, st.sampled_from([dccp.REQUEST, dccp.RESPONSE, dccp.RESET]), st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), numbers
)
def test_dccp_there_and_back(sport, dport, kind, sequence, acknowledgment, last):
    packet = dccp.build(sport, dport, kind, sequence, last, 0, acknowledgment=acknowledgment)
    header = dccp.parse(packet)
    acknowledged = None if kind == dccp.REQUEST else acknowledgment
    assert header == dccp.DccpHeader(sport, dport, len(packet) // 4, 0, 0, header.checksum, kind, sequence, acknowledged)
    assert packet[-4:] == last.to_bytes(4, "big")
    assert checksum.valid(packet)
