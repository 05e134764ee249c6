"""ICMP extensions (RFC 4884), and in them the MPLS label stack (RFC 4950) and interface information (RFC 5837).

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

Interface information, Class-Num 2, whose C-Type says which parts follow, in this order:
   0     1     2     3        4        5      6     7
+-----+-----+-----+-----+---------+--------+------+-----+   role: 0 incoming, 1 sub-IP part of it, 2 outgoing, 3 next hop
|    role   |    Rsvd   | ifIndex | IPAddr | name | MTU |   ifIndex and MTU: 4 bytes each
+-----+-----+-----+-----+---------+--------+------+-----+
Address: family (2 bytes: 1 IPv4, 2 IPv6), 2 reserved, 4 or 16 bytes.
Name: 1 byte length (counts itself, a multiple of 4, at most 64), UTF-8 filled with zeros.
"""

from collections.abc import Iterator
from struct import Struct

from pathwarden.errors import MalformedPacket
from pathwarden.model.probe import Extension, InterfaceInfo, MplsLabel, MplsStack, OtherObject
from pathwarden.wire.address import af_of, pack4, pack6, unpack4, unpack6
from pathwarden.wire.checksum import valid

QUOTE_FLOOR = 128  # RFC 4884: with extensions the quote is at least this long, and exactly this long from old routers
MPLS_CLASS = 1
MPLS_INCOMING = 1
INTERFACE_CLASS = 2

_HEADER = Struct(">HH")
_OBJECT = Struct(">HBB")
_VERSION = 2
_FIRST = (_VERSION << 12).to_bytes(2, "big")  # how a structure begins, with nothing in the reserved bits
_MOST_LABELS = 16  # real stacks have up to about ten entries; a stranger may send hundreds
_MOST_OBJECTS = 16  # real structures have up to four; of one-word objects 300 fit into a message
_SCANNED = 1280  # bytes of a body that are looked through; no router sends longer errors (RFC 1812: 576, RFC 4443: 1280)
_ROLES = ("INC", "SUB", "OUT", "NXT")
_INDEX, _ADDRESS, _NAME, _MTU, _RESERVED = 8, 4, 2, 1, 0x30  # bits of an interface object's C-Type
_FAMILY = {4: 1, 6: 2}  # IANA's address family numbers
_LENGTHS = {1: (4, unpack4), 2: (16, unpack6)}
_LONGEST_NAME = 64  # bytes, its length included


def split(body: bytes, said: int, unit: int, shortest: int, whole: int) -> tuple[bytes, bytes]:
    """The quote and the extension structure in the part of an ICMP error after its first 8 bytes; no structure: b"".

    `said` is the message's length field in bytes. Below 128 it is no length (old routers leave anything there): then a structure
    may stand after 128 bytes without saying so (section 5.5), or, from routers that do not even fill the quote, after any multiple
    of `unit` bytes from `shortest` on, unless the quote is all of the `whole` datagram. There only a right, non-zero checksum tells it
    from quoted payload. A structure that is damaged is left out, its quote still counts.
    """
    says_length = said >= QUOTE_FLOOR and len(body) >= said + _HEADER.size
    if says_length:
        first, check = _HEADER.unpack_from(body, said)
        if first >> 12 == _VERSION and (not check or valid(body[said:])):
            return body[:said], body[said:]
    for at in _places(body, unit, shortest, whole):
        if body[at + 2 : at + 4] != b"\0\0" and valid(body[at:]):
            return body[:at], body[at:]
    return (body[:said] if says_length else body), b""


def _places(body: bytes, unit: int, shortest: int, whole: int) -> Iterator[int]:
    """Where a structure that nothing announces may begin: with an object behind its header."""
    last = min(len(body), _SCANNED) - _HEADER.size - _OBJECT.size
    if last >= QUOTE_FLOOR and body.startswith(_FIRST, QUOTE_FLOOR):
        yield QUOTE_FLOOR
    at = body.find(_FIRST, shortest) if len(body) != whole else -1
    while 0 <= at <= last:
        if at % unit == shortest % unit and _filled(body, at + _HEADER.size):
            yield at
        at = body.find(_FIRST, at + 1)


def _filled(body: bytes, at: int) -> bool:
    """Whether objects follow each other up to the end."""
    for _ in range(_MOST_OBJECTS):
        length = int.from_bytes(body[at : at + 2], "big")
        if length < _OBJECT.size:
            return False
        at += length
        if at >= len(body):
            break
    return at == len(body)


def parse(structure: bytes) -> tuple[OtherObject, ...]:
    """The objects of a structure, as far as they are whole, at most 16; never raises: damage here must not cost the reply."""
    objects: list[OtherObject] = []
    at = _HEADER.size
    while at + _OBJECT.size <= len(structure) and len(objects) < _MOST_OBJECTS:
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
    if each.class_num == INTERFACE_CLASS and not each.c_type & _RESERVED:
        try:
            return _interface(each.c_type, each.payload)
        except MalformedPacket:
            return each
    return each


def _label(word: int) -> MplsLabel:
    return MplsLabel(word >> 12, word >> 9 & 7, bool(word & 0x100), word & 0xFF)


def _interface(c_type: int, payload: bytes) -> InterfaceInfo:
    ifindex, address, name, mtu, at = 0, "", "", 0, 0
    if c_type & _INDEX:
        ifindex, at = int.from_bytes(_take(payload, at, 4), "big"), at + 4
    if c_type & _ADDRESS:
        size, unpack = _LENGTHS.get(int.from_bytes(_take(payload, at, 4)[:2], "big"), (0, None))
        if unpack is None:
            raise MalformedPacket("address family unknown")
        address, at = unpack(_take(payload, at + 4, size)), at + 4 + size
    if c_type & _NAME:
        size = _take(payload, at, 1)[0]
        name, at = _text(_take(payload, at, max(size, 1))[1:]), at + size
    if c_type & _MTU:
        mtu = int.from_bytes(_take(payload, at, 4), "big")
    return InterfaceInfo(_ROLES[c_type >> 6], ifindex, address, name, mtu)


def _take(payload: bytes, at: int, size: int) -> bytes:
    if at + size > len(payload):
        raise MalformedPacket("interface information cut")
    return payload[at : at + size]


def _text(name: bytes) -> str:
    """A name that a stranger wrote: what does not print on a terminal is marked as unreadable."""
    return "".join(char if char.isprintable() else "\ufffd" for char in name.rstrip(b"\0").decode("utf-8", "replace"))


def interface_object(info: InterfaceInfo) -> OtherObject:
    """The object for an interface; a name of more than 63 bytes is cut."""
    parts = {
        _INDEX: info.ifindex.to_bytes(4, "big") if info.ifindex else b"",
        _ADDRESS: _address(info.address) if info.address else b"",
        _NAME: _name(info.name) if info.name else b"",
        _MTU: info.mtu.to_bytes(4, "big") if info.mtu else b"",
    }
    said = sum(bit for bit, part in parts.items() if part)
    return OtherObject(INTERFACE_CLASS, _ROLES.index(info.role) << 6 | said, b"".join(parts.values()))


def _address(text: str) -> bytes:
    af = af_of(text)
    return _FAMILY[af].to_bytes(2, "big") + bytes(2) + (pack4(text) if af == 4 else pack6(text))


def _name(text: str) -> bytes:
    name = text.encode()[: _LONGEST_NAME - 1]
    whole = name + bytes(-(len(name) + 1) % 4)
    return bytes((len(whole) + 1,)) + whole
