"""The kernel's filter programs, run by an interpreter of the few instructions that they use (linux/filter.h)."""

import struct

import pytest

from pathwarden.net import filters

PORT = 61000
TCP, UDP, ICMP, ICMP6, EXPERIMENTAL = 6, 17, 1, 58, 253


def keeps(program, packet):
    steps = list(struct.iter_unpack("=HBBI", program))
    at, a, x = 0, 0, 0
    try:
        while True:
            code, yes, no, number = steps[at]
            at += 1
            if code == 0x30:
                a = packet[number]
            elif code == 0x50:
                a = packet[x + number]
            elif code == 0x28:
                (a,) = struct.unpack_from(">H", packet, number)
            elif code == 0x48:
                (a,) = struct.unpack_from(">H", packet, x + number)
            elif code == 0xB1:
                x = 4 * (packet[number] & 15)
            elif code == 0x15:
                at += yes if a == number else no
            else:
                assert code == 0x06
                return number > 0
    except (IndexError, struct.error):
        return False  # a load beyond the end


def outer4(message, options=b""):
    return bytes((0x45 + len(options) // 4,)) + bytes(19) + options + message


def quote4(protocol, transport, first=0x45):
    return bytes((first,)) + bytes(8) + bytes((protocol,)) + bytes(10) + transport


def quote6(following, transport):
    return b"\x60" + bytes(5) + bytes((following,)) + bytes(33) + transport


def error(kind, quote):
    return bytes((kind, 0)) + bytes(6) + quote


def udp(port):
    return struct.pack(">HHHH", port, 33434, 40, 0)


def echo(kind, identifier):
    return struct.pack(">BBHHH", kind, 0, 0, identifier, 9)


@pytest.mark.parametrize("options", [b"", b"\x01" * 4, b"\x01" * 40])
@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (echo(0, PORT), True),
        (echo(0, PORT + 1), False),
        (error(11, quote4(UDP, udp(PORT))), True),
        (error(11, quote4(UDP, udp(PORT)[:2])), True),
        (error(11, quote4(UDP, udp(PORT)[:1])), False),
        (error(11, quote4(UDP, udp(PORT - 1))), False),
        (error(3, quote4(ICMP, echo(8, PORT))), True),
        (error(3, quote4(ICMP, echo(8, 1))), False),
        (error(3, quote4(TCP, udp(PORT))), True),
        (error(3, quote4(TCP, udp(80))), False),
        (error(3, quote4(EXPERIMENTAL, udp(PORT))), True),
        (error(3, quote4(EXPERIMENTAL, udp(1))), False),
        (error(12, quote4(TCP, udp(1), first=0x46)), True),
        (error(12, b""), False),
        (b"", False),
    ],
)
def test_ipv4(options, message, kept):
    assert keeps(filters.replies4(PORT), outer4(message, options)) is kept


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (echo(129, PORT), True),
        (echo(129, 7), False),
        (error(3, quote6(UDP, udp(PORT))), True),
        (error(3, quote6(UDP, udp(PORT + 1))), False),
        (error(1, quote6(ICMP6, echo(128, PORT))), True),
        (error(1, quote6(ICMP6, echo(128, 5))), False),
        (error(1, quote6(TCP, udp(PORT))), True),
        (error(1, quote6(TCP, udp(80))), False),
        (error(1, quote6(EXPERIMENTAL, udp(PORT))), True),
        (error(2, quote6(44, b"")), True),
        (error(2, quote6(43, udp(80))), True),
        (error(2, b""), False),
        (b"", False),
    ],
)
def test_ipv6(message, kept):
    assert keeps(filters.replies6(PORT), message) is kept


@pytest.mark.parametrize("options", [b"", b"\x01" * 4, b"\x01" * 40])
def test_answers_are_known_by_the_port_that_they_go_to(options):
    for port, kept in ((PORT, True), (PORT + 1, False)):
        segment = struct.pack(">HHII", 80, port, 1, 2)
        assert keeps(filters.answers4(PORT), outer4(segment, options)) is kept
        assert keeps(filters.answers6(PORT), segment) is kept
    assert not keeps(filters.answers4(PORT), outer4(b"\0", options))
    assert not keeps(filters.answers6(PORT), b"")


def test_nothing_keeps_nothing():
    assert not keeps(filters.nothing(), outer4(echo(0, PORT)))
