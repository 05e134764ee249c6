"""The TCP header and its options (RFC 9293 section 3.1; AE, the ninth flag, RFC 9768).

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|          Source Port          |       Destination Port        |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                        Sequence Number                        |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                    Acknowledgment Number                      |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|  Data |     |A|C|E|U|A|P|R|S|F|                               |
| Offset| Rsv |E|W|C|R|C|S|S|Y|I|            Window             |
|       |     | |R|E|G|K|H|T|N|N|                               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|           Checksum            |         Urgent Pointer        |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                           Options                             |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
"""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from pathwarden.errors import MalformedPacket
from pathwarden.wire.checksum import checksum

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, AE = (1 << bit for bit in range(9))
HEADER = 20  # bytes without options
LONGEST_OPTIONS = 40  # bytes; the offset has four bits
FLAGS = 0x1FF  # all nine
MAXIMUM_SEGMENT_SIZE = 2  # kinds of options, IANA
WINDOW_SCALE = 3
SACK_PERMITTED = 4
TIMESTAMPS = 8
FAST_OPEN = 34  # RFC 7413

_FIELDS = Struct(">HHIIHHHH")
_END, _NOTHING = 0, 1  # the two options of one byte


class TcpHeader(NamedTuple):
    """One header. `flags` are the nine bits, `header_length` is bytes, `options` as they stand."""

    sport: int
    dport: int
    sequence: int
    acknowledgment: int
    flags: int
    window: int
    checksum: int
    header_length: int
    options: bytes


def parse(segment: bytes) -> TcpHeader:
    """Read the header of a whole segment. Raises MalformedPacket when it is cut or says a length that cannot be."""
    if len(segment) < HEADER:
        raise MalformedPacket("TCP header cut")
    sport, dport, sequence, acknowledgment, word, window, check, _ = _FIELDS.unpack_from(segment)
    length = word >> 12 << 2
    if not HEADER <= length <= len(segment):
        raise MalformedPacket("TCP options cut")
    return TcpHeader(sport, dport, sequence, acknowledgment, word & FLAGS, window, check, length, segment[HEADER:length])


def options_at(data: bytes, offset: int) -> bytes:
    """As much of the options as a quote holds whose TCP header starts at `offset`; b"" when it is cut before them."""
    if len(data) <= offset + HEADER:
        return b""
    return data[offset + HEADER : offset + (data[offset + 12] >> 4 << 2)]


def read_options(options: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and value of each option that is whole, in their order; never raises."""
    at = 0
    while at < len(options) and options[at] != _END:
        if options[at] == _NOTHING:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2 or at + length > len(options):
            return
        yield options[at], options[at + 2 : at + length]
        at += length


def mss_of(options: bytes) -> int:
    """The maximum segment size that options say, 0 if they do not."""
    sizes = (int.from_bytes(value, "big") for kind, value in read_options(options) if kind == MAXIMUM_SEGMENT_SIZE and len(value) == 2)
    return next(sizes, 0)


def build(
    sport: int,
    dport: int,
    sequence: int,
    acknowledgment: int,
    flags: int,
    pseudo: int,
    *,
    window: int = 0,
    options: bytes = b"",
    payload: bytes = b"",
) -> bytes:
    """A segment with a valid checksum; `pseudo` is the sum of the pseudo header, `options` come in whole words, at most 40 bytes."""
    fields = (sport, dport, sequence, acknowledgment, (HEADER + len(options)) >> 2 << 12 | flags, window)
    check = checksum(_FIELDS.pack(*fields, 0, 0) + options + payload, pseudo)
    return _FIELDS.pack(*fields, check, 0) + options + payload
