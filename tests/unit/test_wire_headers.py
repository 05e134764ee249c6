"""Addresses, checksums, headers and ICMP extensions: each against its RFC's figures, and there and back."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.errors import MalformedPacket
from pathwarden.model.probe import MplsLabel, OtherObject, mpls_of
from pathwarden.wire import checksum, extensions, icmp4, icmp6, ipv4, ipv6, udp
from pathwarden.wire.address import af_of, pack4, pack6, unpack4, unpack6

octet = st.integers(0, 0xFF)
word = st.integers(0, 0xFFFF)
ip4 = st.binary(min_size=4, max_size=4).map(unpack4)
ip6 = st.binary(min_size=16, max_size=16).map(unpack6)
payload = st.binary(max_size=64)
labels = st.lists(st.builds(MplsLabel, st.integers(0, 0xFFFFF), st.integers(0, 7), st.booleans(), octet), min_size=1, max_size=16)
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
    assert icmp4.build_echo(icmp4.ECHO_REPLY, 0, 0, b"")[2:4] == b"\xff\xff"


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
    message = icmp4.build_echo(kind, identifier, sequence, data)
    echo = icmp4.parse_echo(message)
    assert echo == icmp4.Echo(kind, 0, echo.checksum, identifier, sequence)
    assert checksum.valid(message)


@given(ip6, ip6, word, word, payload)
def test_icmp6_messages_are_valid_with_the_pseudo_header(src, dst, identifier, sequence, data):
    for message in (
        icmp6.build_echo(src, dst, icmp6.ECHO_REPLY, identifier, sequence, data),
        icmp6.build_error(src, dst, icmp6.PACKET_TOO_BIG, 0, data, word=1280),
        icmp6.build_error(src, dst, icmp6.TIME_EXCEEDED, 0, data, structure=extensions.build([])),
    ):
        assert checksum.valid(message, checksum.pseudo6(pack6(src), pack6(dst), ipv6.ICMP6, len(message)))


@pytest.mark.parametrize(
    ("parse", "whole"),
    [
        (ipv4.parse, ipv4.build("192.0.2.1", "192.0.2.2", 1, b"", ttl=1, options=b"\1\1\1\0")),
        (ipv6.parse, ipv6.build("2001:db8::1", "2001:db8::2", 58, b"", hop_limit=1)),
        (udp.parse, udp.build(1, 2, b"", 0)),
        (icmp4.parse_echo, icmp4.build_echo(8, 1, 2, b"")),
        (icmp4.parse_error, icmp4.build_error(11, 0, b"")),
        (icmp6.parse_error, icmp6.build_error("::1", "::1", 3, 0, b"")),
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


# -- ICMP extensions

# By hand after RFC 4884 section 7 and RFC 4950 section 3: label 100, TC 5, not bottom, TTL 1; label 524288, TC 0, bottom, TTL 255.
STACK = "00064a01" + "800001ff"
STRUCTURE = bytes.fromhex("2000" + "0000" + "000c0101" + STACK)
STACK_READ = (MplsLabel(100, 5, False, 1), MplsLabel(524288, 0, True, 255))


def with_checksum(structure):
    return structure[:2] + checksum.checksum(structure).to_bytes(2, "big") + structure[4:]


def mpls_read(structure):
    return mpls_of(extensions.read(structure))


def test_mpls_stack_of_hand_made_bytes():
    assert mpls_read(STRUCTURE) == STACK_READ
    assert extensions.build([extensions.mpls_object(STACK_READ)]) == with_checksum(STRUCTURE)


@given(labels)
def test_mpls_stack_there_and_back(stack):
    assert mpls_read(extensions.build([extensions.mpls_object(stack)])) == tuple(stack)


@given(st.lists(st.builds(OtherObject, octet, octet, payload), max_size=5))
def test_objects_there_and_back(objects):
    structure = extensions.build(objects)
    assert checksum.valid(structure)
    assert extensions.parse(structure) == tuple(objects)


def test_objects_of_other_classes_are_passed_over():
    interface = OtherObject(2, 0x0A, b"\0\0\0\5")  # RFC 5837
    other_type = OtherObject(extensions.MPLS_CLASS, 9, b"\0\0\0\5")
    stack = extensions.mpls_object(STACK_READ)
    assert mpls_read(extensions.build([interface, other_type, stack])) == STACK_READ
    assert mpls_read(extensions.build([interface])) == ()


@pytest.mark.parametrize("length", ["0000", "0003", "000d", "ffff"])
def test_an_object_whose_length_cannot_be_ends_the_list(length):
    assert extensions.parse(bytes.fromhex("20000000" + length + "0101" + STACK)) == ()


def test_a_stack_has_at_most_sixteen_labels():
    stack = [MplsLabel(n, 0, False, 1) for n in range(300)]
    assert mpls_read(extensions.build([extensions.mpls_object(stack)])) == tuple(stack[:16])


@given(st.binary(max_size=400), st.integers(0, 2040), st.integers(0, 400))
def test_any_body_is_split_without_error(body, length, whole):
    quote, structure = extensions.split(body, length, 4, 28, whole)
    assert body.startswith(quote)
    mpls_read(structure)


@pytest.mark.parametrize(
    ("body", "length", "quote_length", "found"),
    [
        (bytes(128) + with_checksum(STRUCTURE), 128, 128, True),
        (bytes(160) + with_checksum(STRUCTURE), 160, 160, True),
        (bytes(128) + STRUCTURE, 128, 128, True),  # checksum 0: not computed
        (bytes(128) + with_checksum(STRUCTURE), 0, 128, True),  # from before RFC 4884
        (bytes(128) + with_checksum(STRUCTURE), 20, 128, True),  # a length that is none
        (bytes(128) + STRUCTURE, 0, 144, False),  # neither length nor checksum: payload
        (bytes(128) + STRUCTURE[:2] + b"\1\1" + STRUCTURE[4:], 128, 128, False),  # wrong checksum
        (bytes(128) + b"\x10" + STRUCTURE[1:], 128, 128, False),  # version 1
        (bytes(128), 128, 128, False),
        (bytes(131), 128, 131, False),
        (bytes(40), 200, 40, False),  # says more than there is
    ],
)
def test_where_a_structure_stands(body, length, quote_length, found):
    whole = 0
    quote, structure = extensions.split(body, length, 4, 28, whole)
    assert len(quote) == quote_length
    assert mpls_read(structure) == (STACK_READ if found else ())
