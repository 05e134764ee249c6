"""What a target answers in the probe's own protocol, read from bytes made after the RFCs."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import messages
from pathwarden.errors import MalformedPacket
from pathwarden.model.probe import Extra, Flow, Method, Reply, ReplyKind
from pathwarden.wire import checksum, dccp, ipv4, tcp, udp, udplite
from pathwarden.wire.address import pack4, pack6
from pathwarden.wire.probe_codec import NUMBERS, decode_answer4, decode_answer6, default_size, encoder

SRC = {4: "192.0.2.1", 6: "2001:db8::1"}
TARGET = {4: "198.51.100.7", 6: "2001:db8:7::7"}
SPORT, DPORT, AT_NS, TTL = 61001, 443, 123, 57
BOTH = pytest.mark.parametrize("af", [4, 6])
idents = st.integers(1, 0xFFFE)
MUTATIONS = 20_000  # about a third of a second


def sent(af, method, ident, extra=Extra(), size=0):  # noqa: B008 - frozen
    """A probe's transport header and payload."""
    flow = Flow(af, method, SRC[af], TARGET[af], SPORT, DPORT, 0, 1 if af == 6 else 0, size or default_size(af, method, extra), extra)
    return encoder(flow)(ident, 64)[20 if af == 4 else 40 :]


def heard(af, method, payload):
    """What is read when the target sends this."""
    number = NUMBERS.get((af, method), 253)
    if af == 4:
        return decode_answer4(ipv4.build(TARGET[4], SRC[4], number, payload, ttl=TTL), AT_NS)
    return decode_answer6(number, payload, TARGET[6], TTL, AT_NS)


def expected(af, kind, method, ident, segment=b"", ports=(SPORT, DPORT)):
    return Reply(kind, TARGET[af], AT_NS, method, TARGET[af], *ports, ident, 0, 0, 0, ttl=TTL, segment=segment)


def pseudo(af, method, length):
    if af == 4:
        return checksum.pseudo4(pack4(TARGET[4]), pack4(SRC[4]), NUMBERS[4, method], length)
    return checksum.pseudo6(pack6(TARGET[6]), pack6(SRC[6]), NUMBERS[6, method], length)


# -- TCP: what a host answers, by RFC 9293 section 3.10.7


def taken_up(segment):
    """How far a segment moves the sequence number."""
    header = tcp.parse(segment)
    return len(segment) - header.header_length + bool(header.flags & tcp.SYN) + bool(header.flags & tcp.FIN)


def reset(segment):
    """Section 3.10.7.1: from a closed port."""
    header = tcp.parse(segment)
    if header.flags & tcp.ACK:
        return tcp.build(DPORT, SPORT, header.acknowledgment, 0, tcp.RST, 0)
    return tcp.build(DPORT, SPORT, 0, (header.sequence + taken_up(segment)) % 2**32, tcp.RST | tcp.ACK, 0)


@BOTH
@given(idents)
def test_an_open_port(af, ident):
    options = messages.tcp_options((tcp.MAXIMUM_SEGMENT_SIZE, b"\x05\xb4"), (tcp.SACK_PERMITTED, b""))
    syn = tcp.parse(sent(af, Method.TCP, ident))
    answer = tcp.build(DPORT, SPORT, 0xDEADBEEF, syn.sequence + 1, tcp.SYN | tcp.ACK, 0, window=29200, options=options)
    assert heard(af, Method.TCP, answer) == expected(af, ReplyKind.OPEN, Method.TCP, ident, answer)
    assert heard(af, Method.TCP, answer + b"banner") == expected(af, ReplyKind.OPEN, Method.TCP, ident, answer)


@BOTH
@given(idents, st.integers(0, tcp.FLAGS).filter(lambda flags: not flags & tcp.RST), st.integers(0, 1400))
def test_a_closed_port_answers_whatever_flags_and_payload(af, ident, flags, payload):
    extra = Extra(tcp_flags=flags)
    answer = reset(sent(af, Method.TCP, ident, extra, default_size(af, Method.TCP, extra) + payload))
    assert heard(af, Method.TCP, answer) == expected(af, ReplyKind.CLOSED, Method.TCP, ident, answer)


@BOTH
def test_an_answer_to_other_flags_that_is_no_reset(af):
    answer = tcp.build(DPORT, SPORT, 9, 0x1234 * 0x10001, tcp.ACK, 0)  # a challenge (RFC 5961)
    assert heard(af, Method.TCP, answer) == expected(af, ReplyKind.OPEN, Method.TCP, 0x1234, answer)


def test_a_firewalls_reset_that_acknowledges_nothing():
    answer = tcp.build(DPORT, SPORT, 0x12341234, 0, tcp.RST | tcp.ACK, 0)
    assert heard(4, Method.TCP, answer) == expected(4, ReplyKind.CLOSED, Method.TCP, 0x1234, answer)


@BOTH
@pytest.mark.parametrize(
    ("sequence", "acknowledgment", "flags"),
    [
        (0x12341234, 0, tcp.SYN),  # somebody else's own attempt
        (0x12341235, 0, tcp.RST),
        (0, 0, tcp.RST | tcp.ACK),
        (0x12341234, 0, tcp.ACK),
        (0, 0xFFFFFFFF, tcp.SYN | tcp.ACK),
    ],
)
def test_a_segment_that_names_no_probe_is_none(af, sequence, acknowledgment, flags):
    assert heard(af, Method.TCP, tcp.build(DPORT, SPORT, sequence, acknowledgment, flags, 0)) is None


@BOTH
@pytest.mark.parametrize("offset", [0x00, 0x40, 0x60, 0xF0])
def test_a_tcp_header_of_a_length_that_cannot_be_is_malformed(af, offset):
    segment = bytearray(tcp.build(DPORT, SPORT, 1, 2, tcp.RST, 0))
    segment[12] = offset
    with pytest.raises(MalformedPacket, match="TCP options cut"):
        heard(af, Method.TCP, bytes(segment))


# -- DCCP


@BOTH
@given(idents)
def test_dccp_response_and_reset(af, ident):
    sequence = dccp.parse(sent(af, Method.DCCP, ident)).sequence
    response = dccp.build(DPORT, SPORT, dccp.RESPONSE, 5, 42, 0, acknowledgment=sequence)
    refused = dccp.build(DPORT, SPORT, dccp.RESET, 0, 7 << 24, 0, acknowledgment=sequence)  # code 7: connection refused
    assert heard(af, Method.DCCP, response) == expected(af, ReplyKind.OPEN, Method.DCCP, ident)
    assert heard(af, Method.DCCP, refused) == expected(af, ReplyKind.CLOSED, Method.DCCP, ident)


def test_dccp_reset_of_hand_made_bytes():
    """RFC 4340 section 5.6: offset 7 words, X set, ports 443 and 61001, acknowledging 0xabcd12341234; code 7."""
    packet = bytes.fromhex("01bbee49" + "07000000" + "0f000000" + "00000000" + "0000abcd" + "12341234" + "07000000")
    header = dccp.parse(packet)
    assert header == dccp.DccpHeader(443, 61001, 7, 0, 0, 0, dccp.RESET, 0, 0xABCD12341234)
    built = dccp.build(443, 61001, dccp.RESET, 0, 7 << 24, 0, acknowledgment=0xABCD12341234)
    assert (built[:6] + b"\0\0" + built[8:], checksum.valid(built)) == (packet, True)


@BOTH
@pytest.mark.parametrize("kind", [0, 2, 3, 4, 5, 6, 8, 9, 15])
def test_other_dccp_packets_are_none(af, kind):
    packet = bytearray(dccp.build(DPORT, SPORT, dccp.RESPONSE, 5, 42, 0, acknowledgment=0x12341234))
    packet[8] = kind << 1 | 1
    assert heard(af, Method.DCCP, bytes(packet)) is None


def test_a_dccp_response_with_short_numbers_or_without_our_number_is_none():
    packet = bytearray(dccp.build(DPORT, SPORT, dccp.RESPONSE, 5, 42, 0, acknowledgment=0x12341234))
    packet[8] &= ~1
    assert heard(4, Method.DCCP, bytes(packet)) is None
    assert heard(4, Method.DCCP, dccp.build(DPORT, SPORT, dccp.RESPONSE, 5, 42, 0, acknowledgment=0x12341235)) is None


# -- datagrams


@BOTH
def test_a_datagram_of_the_probes_own_protocol(af):
    data = b"answer"
    assert heard(af, Method.UDP, udp.build(DPORT, SPORT, data, pseudo(af, Method.UDP, 14))) == expected(
        af, ReplyKind.ANSWER, Method.UDP, 0
    )  # fmt: skip
    lite = udplite.build(DPORT, SPORT, 8, data, pseudo(af, Method.UDPLITE, 14))
    assert heard(af, Method.UDPLITE, lite) == expected(af, ReplyKind.ANSWER, Method.UDPLITE, 0)
    assert heard(af, Method.RAW, b"") == expected(af, ReplyKind.ANSWER, Method.RAW, 0, ports=(0, 0))


# -- all


@pytest.mark.parametrize("method", [Method.TCP, Method.DCCP, Method.UDP, Method.UDPLITE])
@BOTH
def test_an_answer_cut_anywhere_in_its_header_is_malformed(af, method):
    whole = {
        Method.TCP: tcp.build(DPORT, SPORT, 0x12341234, 0, tcp.RST, 0, options=b"\1\1\1\1"),
        Method.DCCP: dccp.build(DPORT, SPORT, dccp.RESET, 0, 0, 0, acknowledgment=0x12341234),
    }.get(method, udp.build(DPORT, SPORT, b"", 0))
    assert heard(af, method, whole) is not None
    for length in range(len(whole)):
        with pytest.raises(MalformedPacket):
            heard(af, method, whole[:length])


def test_icmp_and_later_fragments_are_no_direct_answers():
    answer = udp.build(DPORT, SPORT, b"", 0)
    assert decode_answer4(ipv4.build(TARGET[4], SRC[4], 1, answer, ttl=TTL), AT_NS) is None
    assert decode_answer6(58, answer, TARGET[6], TTL, AT_NS) is None
    assert decode_answer4(ipv4.build(TARGET[4], SRC[4], 17, answer, ttl=TTL, fragment=0x2001), AT_NS) is None


def test_padding_after_the_answer_and_options_before_it():
    answer = tcp.build(DPORT, SPORT, 0x12341234, 0, tcp.RST, 0)
    packet = ipv4.build(TARGET[4], SRC[4], 6, answer, ttl=TTL, options=b"\1\1\1\0") + bytes(6)
    assert decode_answer4(packet, AT_NS) == expected(4, ReplyKind.CLOSED, Method.TCP, 0x1234, answer)


def outcome(decode):
    try:
        reply = decode()
    except MalformedPacket:
        return "malformed"
    assert reply is None or isinstance(reply, Reply)
    return "none" if reply is None else "reply"


@given(st.binary(max_size=120), st.integers(0, 255))
def test_any_bytes(data, protocol):
    outcome(lambda: decode_answer4(data, AT_NS))
    outcome(lambda: decode_answer6(protocol, data, TARGET[6], TTL, AT_NS))


@BOTH
def test_any_damage_to_real_answers(af, seed):
    rng = random.Random(seed)
    whole = [
        (Method.TCP, tcp.build(DPORT, SPORT, 5, 0x12341235, tcp.SYN | tcp.ACK, 0, options=b"\2\4\5\xb4")),
        (Method.TCP, tcp.build(DPORT, SPORT, 0x12341234, 0, tcp.RST, 0)),
        (Method.DCCP, dccp.build(DPORT, SPORT, dccp.RESET, 0, 0, 0, acknowledgment=0x12341234)),
        (Method.UDP, udp.build(DPORT, SPORT, b"abc", 0)),
    ]
    outcomes = set()
    for _ in range(MUTATIONS):
        method, payload = rng.choice(whole)
        damaged = bytearray(payload)
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        del damaged[rng.randrange(1, 2 * len(damaged)) :]
        outcomes.add(outcome(lambda: heard(af, method, bytes(damaged))))  # noqa: B023 - called at once
    assert outcomes == {"malformed", "none", "reply"}
