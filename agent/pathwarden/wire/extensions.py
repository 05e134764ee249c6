"""ICMP extensions (RFC 4884) and the MPLS label stack in them (RFC 4950).

Extension structure: a header, then objects up to the end of the message.
 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|Version|      (Reserved)       |           Checksum            |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

Object: its length counts these four bytes.
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|             Length            |   Class-Num   |   C-Type      |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                   // (Object payload) //                      |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

MPLS label stack, Class-Num 1, C-Type 1: entries of
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|              Label                    | TC  |S|      TTL      |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
"""

from collections.abc import Iterable
from struct import Struct

from pathwarden.model.probe import Extension, MplsLabel, MplsStack, OtherObject
from pathwarden.wire.checksum import checksum, valid

QUOTE_FLOOR = 128  # RFC 4884: with extensions the quote is at least this long, and exactly this long from old routers
MPLS_CLASS = 1
MPLS_INCOMING = 1

_HEADER = Struct(">HH")
_OBJECT = Struct(">HBB")
_VERSION = 2
_MOST_LABELS = 16  # real stacks have up to about ten entries; a stranger may send hundreds


def split(body: bytes, quote_length: int) -> tuple[bytes, bytes]:
    """The quote and the extension structure in the part of an ICMP error after its first 8 bytes; no structure: b"".

    `quote_length` is the message's length field in bytes. Below 128 it is no length (old routers leave anything there): then
    a structure may stand after 128 bytes without saying so (section 5.5), and only a right, non-zero checksum tells it from
    quoted payload. A structure that is damaged is left out, its quote still counts.
    """
    says_length = quote_length >= QUOTE_FLOOR
    at = quote_length if says_length else QUOTE_FLOOR
    if len(body) < at + _HEADER.size:
        return body, b""
    quote, structure = body[:at], body[at:]
    first, check = _HEADER.unpack_from(structure)
    if first >> 12 == _VERSION and (valid(structure) if check else says_length):
        return quote, structure
    return (quote if says_length else body), b""


def parse(structure: bytes) -> tuple[OtherObject, ...]:
    """The objects of a structure, as far as they are whole; never raises: damage here must not cost the reply."""
    objects = []
    at = _HEADER.size
    while at + _OBJECT.size <= len(structure):
        length, class_num, c_type = _OBJECT.unpack_from(structure, at)
        if length < _OBJECT.size or at + length > len(structure):
            break
        objects.append(OtherObject(class_num, c_type, structure[at + _OBJECT.size : at + length]))
        at += length
    return tuple(objects)


def read(structure: bytes) -> tuple[Extension, ...]:
    """What the objects of a structure say, in their order; never raises. Of a label stack at most 16 entries are read."""
    return tuple(_read(each) for each in parse(structure))


def _read(each: OtherObject) -> Extension:
    if (each.class_num, each.c_type) == (MPLS_CLASS, MPLS_INCOMING):
        ends = range(4, min(len(each.payload), 4 * _MOST_LABELS) + 1, 4)
        return MplsStack(tuple(_label(int.from_bytes(each.payload[end - 4 : end], "big")) for end in ends))
    return each


def _label(word: int) -> MplsLabel:
    return MplsLabel(word >> 12, word >> 9 & 7, bool(word & 0x100), word & 0xFF)


def build(objects: Iterable[OtherObject]) -> bytes:
    """A structure with a valid checksum."""
    body = b"".join(_OBJECT.pack(_OBJECT.size + len(each.payload), each.class_num, each.c_type) + each.payload for each in objects)
    return _HEADER.pack(_VERSION << 12, checksum(_HEADER.pack(_VERSION << 12, 0) + body)) + body


def mpls_object(labels: Iterable[MplsLabel]) -> OtherObject:
    """The object for a label stack."""
    words = (each.label << 12 | each.traffic_class << 9 | each.bottom << 8 | each.ttl for each in labels)
    return OtherObject(MPLS_CLASS, MPLS_INCOMING, b"".join(word.to_bytes(4, "big") for word in words))


def padded(quote: bytes, unit: int) -> bytes:
    """A quote as it stands before a structure: filled with zeros to 128 bytes and to whole units of the length field."""
    short = max(QUOTE_FLOOR - len(quote), -len(quote) % unit)
    return quote + bytes(short)
