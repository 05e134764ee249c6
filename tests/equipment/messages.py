"""Messages that others write and the agent only reads: ICMP of routers and destinations, their extensions, options of TCP."""

from collections.abc import Iterable
from struct import Struct

from pathwarden.model.probe import MplsLabel, OtherObject
from pathwarden.wire.address import pack6
from pathwarden.wire.checksum import checksum, pseudo6
from pathwarden.wire.extensions import MPLS_CLASS, MPLS_INCOMING, QUOTE_FLOOR
from pathwarden.wire.ipv6 import ICMP6

_ECHO = Struct(">BBHHH")
_ERROR4, _ERROR6 = Struct(">BBHBBH"), Struct(">BBHI")
_UNIT4, _UNIT6 = 4, 8  # bytes that the length field of an error counts (RFC 4884)
_HEADER, _OBJECT = Struct(">HH"), Struct(">HBB")
_VERSION = 2 << 12


def echo4(kind: int, identifier: int, sequence: int, payload: bytes) -> bytes:
    """An echo request or reply with a valid checksum."""
    check = checksum(_ECHO.pack(kind, 0, 0, identifier, sequence) + payload)
    return _ECHO.pack(kind, 0, check, identifier, sequence) + payload


def error4(kind: int, code: int, quote: bytes, *, pointer: int = 0, mtu: int = 0, extensions: bytes = b"") -> bytes:
    """An error with a valid checksum; `extensions` is their structure."""
    length = 0
    if extensions:
        quote = _filled(quote, _UNIT4)
        length = len(quote) // _UNIT4
    body = quote + extensions
    check = checksum(_ERROR4.pack(kind, code, 0, pointer, length, mtu) + body)
    return _ERROR4.pack(kind, code, check, pointer, length, mtu) + body


def echo6(src: str, dst: str, kind: int, identifier: int, sequence: int, payload: bytes) -> bytes:
    """An echo request or reply with a valid checksum."""
    return _checked6(src, dst, _ECHO.pack(kind, 0, 0, identifier, sequence) + payload)


def error6(src: str, dst: str, kind: int, code: int, quote: bytes, *, word: int = 0, extensions: bytes = b"") -> bytes:
    """An error with a valid checksum; `word` is the MTU or the pointer, `extensions` (types 1 and 3 only) their structure."""
    if extensions:
        quote = _filled(quote, _UNIT6)
        word = len(quote) // _UNIT6 << 24
    return _checked6(src, dst, _ERROR6.pack(kind, code, 0, word) + quote + extensions)


def structure(objects: Iterable[OtherObject]) -> bytes:
    """Extensions with a valid checksum."""
    body = b"".join(_OBJECT.pack(_OBJECT.size + len(each.payload), each.class_num, each.c_type) + each.payload for each in objects)
    return _HEADER.pack(_VERSION, checksum(_HEADER.pack(_VERSION, 0) + body)) + body


def mpls_object(labels: Iterable[MplsLabel]) -> OtherObject:
    """The object for a label stack."""
    words = (each.label << 12 | each.traffic_class << 9 | each.bottom << 8 | each.ttl for each in labels)
    return OtherObject(MPLS_CLASS, MPLS_INCOMING, b"".join(word.to_bytes(4, "big") for word in words))


def tcp_options(*options: tuple[int, bytes]) -> bytes:
    """Options by kind and value, filled to whole words with the option that says nothing."""
    written = b"".join(bytes((kind, 2 + len(value))) + value for kind, value in options)
    return written + b"\1" * (-len(written) % 4)


def _filled(quote: bytes, unit: int) -> bytes:
    """A quote as it stands before a structure: zeros up to 128 bytes and to whole units of the length field."""
    return quote + bytes(max(QUOTE_FLOOR - len(quote), -len(quote) % unit))


def _checked6(src: str, dst: str, message: bytes) -> bytes:
    check = checksum(message, pseudo6(pack6(src), pack6(dst), ICMP6, len(message)))
    return message[:2] + check.to_bytes(2, "big") + message[4:]
