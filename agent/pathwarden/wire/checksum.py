"""The Internet checksum (RFC 1071): one's complement of the one's complement sum of 16-bit words.

2^16 leaves 1 when divided by 2^16 - 1, so the sum of the words is the whole number modulo 0xffff: one C loop instead of a
Python loop over words. One's complement has two zeros; a sum is 0 only where every byte is 0, otherwise 1..0xffff.
"""

WORD = 0xFFFF


def ones_sum(data: bytes, initial: int = 0) -> int:
    """One's complement sum of the words, folded to 16 bits; an odd last byte is the high byte of a word (RFC 1071 section 4.1)."""
    number = int.from_bytes(data, "big")
    return fold((number << 8 if len(data) & 1 else number) + initial)


def fold(number: int) -> int:
    """A sum of words, of any size, in 16 bits."""
    return (number - 1) % WORD + 1 if number else 0


def checksum(data: bytes, initial: int = 0) -> int:
    """The checksum that makes `data`, whose checksum field is 0, and the sum `initial` valid."""
    return WORD - ones_sum(data, initial)


def valid(data: bytes, initial: int = 0) -> bool:
    """Whether a receiver accepts `data` with its checksum field as it came."""
    return ones_sum(data, initial) == WORD


def pseudo4(src: bytes, dst: bytes, protocol: int, length: int) -> int:
    """Sum of the IPv4 pseudo header (RFC 768); `length` is the transport header and payload in bytes.

    +--------+--------+--------+--------+
    |          source address           |
    +--------+--------+--------+--------+
    |        destination address        |
    +--------+--------+--------+--------+
    |  zero  |protocol|     length      |
    +--------+--------+--------+--------+
    """
    return ones_sum(src + dst, protocol + length)


def pseudo6(src: bytes, dst: bytes, next_header: int, length: int) -> int:
    """Sum of the IPv6 pseudo header (RFC 8200 section 8.1); `length` is the transport header and payload in bytes.

    16 bytes source, 16 bytes destination, 4 bytes length, 3 bytes zero, 1 byte next header.
    """
    return ones_sum(src + dst, next_header + length)
