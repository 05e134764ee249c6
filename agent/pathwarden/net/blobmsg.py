"""Blob and blobmsg, libubox's type-length-value format that ubus speaks: bytes <-> values.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-------------+-----------------------------------------------+
    |E|     id      |   length, these four bytes included           |
    +-+-------------+-----------------------------------------------+
    |   value, padded with zeros to a multiple of four              |
    +---------------------------------------------------------------+

All numbers are big-endian. With E (extended) set, the attribute is a blobmsg: its id is the value's type, and the value follows
a name: 16 bits of length, the name, a NUL, padding to a multiple of four.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pathwarden.errors import MalformedPacket

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]

_HEAD = struct.Struct(">I")
_NAME = struct.Struct(">H")
_EXTENDED = 0x80000000
_LENGTH = 0xFFFFFF
_DEEPEST = 32  # tables in tables; what netifd and rpcd send has six levels, and Python's stack has an end

_NOTHING, _ARRAY, _TABLE, _STRING, _INT64, _INT32, _INT16, _INT8, _DOUBLE = range(9)
_NUMBERS = {_INT64: struct.Struct(">q"), _INT32: struct.Struct(">i"), _INT16: struct.Struct(">h"), _DOUBLE: struct.Struct(">d")}
TYPES: dict[type, int] = {str: _STRING, int: _INT32}
"""How an object's signature names the types of arguments."""


class Attribute(NamedTuple):
    """One attribute: whether its id is a blobmsg type, the id, and the bytes after the header."""

    extended: bool
    ident: int
    value: bytes


def attribute(ident: int, value: bytes, *, extended: bool = False) -> bytes:
    """One attribute with header and padding. Raises ValueError if it is too long for 24 bits."""
    length = _HEAD.size + len(value)
    if length > _LENGTH:
        raise ValueError("an attribute is longer than 16 MiB")
    return _HEAD.pack((_EXTENDED if extended else 0) | ident << 24 | length) + value + bytes(-length % 4)


def attributes(data: bytes) -> Iterator[Attribute]:
    """The attributes that stand one after another. Raises MalformedPacket."""
    offset = 0
    while offset < len(data):
        if len(data) - offset < _HEAD.size:
            raise MalformedPacket("bytes after the last attribute")
        (head,) = _HEAD.unpack_from(data, offset)
        length = head & _LENGTH
        if not _HEAD.size <= length <= len(data) - offset:
            raise MalformedPacket(f"an attribute of {length} bytes where {len(data) - offset} are left")
        yield Attribute(bool(head & _EXTENDED), head >> 24 & 0x7F, data[offset + _HEAD.size : offset + length])
        offset += length + -length % 4


def encode(values: Mapping[str, object]) -> bytes:
    """A table's content as blobmsg: None, bool, int, float, str, and lists, tuples and mappings of them.

    Integers outside 32 bits become 64 bits wide; a NUL, which would end a string at its reader, becomes U+FFFD. Raises ValueError for
    an integer outside 64 bits and for any other type.
    """
    return b"".join(_field(name, value) for name, value in values.items())


def decode(data: bytes) -> dict[str, Value]:
    """A table's content. Of a name that stands twice the last counts. Raises MalformedPacket."""
    return dict(_fields(data, 1))


def _field(name: str, value: object) -> bytes:
    kind, content = _content(value)
    text = _text(name)
    head = _NAME.pack(len(text)) + text + b"\0"
    return attribute(kind, head + bytes(-len(head) % 4) + content, extended=True)


def _content(value: object) -> tuple[int, bytes]:
    """Type and bytes of a value."""
    if value is None:
        return _NOTHING, b""
    if isinstance(value, bool):
        return _INT8, bytes([value])
    if isinstance(value, int):
        kind = _INT32 if -(2**31) <= value < 2**31 else _INT64
        try:
            return kind, _NUMBERS[kind].pack(value)
        except struct.error as error:
            raise ValueError(f"{value} has more than 64 bits") from error
    if isinstance(value, float):
        return _DOUBLE, _NUMBERS[_DOUBLE].pack(value)
    if isinstance(value, str):
        return _STRING, _text(value) + b"\0"
    if isinstance(value, Mapping):
        return _TABLE, encode(value)
    if isinstance(value, list | tuple):
        return _ARRAY, b"".join(_field("", item) for item in value)
    raise ValueError(f"blobmsg has no type for {type(value).__name__}")


def _text(text: str) -> bytes:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace")


def _fields(data: bytes, depth: int) -> Iterator[tuple[str, Value]]:
    if depth > _DEEPEST:
        raise MalformedPacket(f"more than {_DEEPEST} tables in one another")
    for extended, kind, named in attributes(data):
        if not extended or len(named) < _NAME.size:
            raise MalformedPacket("an attribute without a name among named ones")
        (length,) = _NAME.unpack_from(named)
        end = _NAME.size + length
        if end >= len(named) or named[end]:
            raise MalformedPacket("a name that does not end where it says")
        yield named[_NAME.size : end].decode("utf-8", "replace"), _value(kind, named[end + 1 + -(end + 1) % 4 :], depth)


def _value(kind: int, content: bytes, depth: int) -> Value:
    if kind == _STRING:
        return string(content)
    if kind == _TABLE:
        return dict(_fields(content, depth + 1))
    if kind == _ARRAY:
        return [value for _, value in _fields(content, depth + 1)]
    if kind == _NOTHING:
        return None
    if kind == _INT8:  # the only use that ubus makes of 8 bits is a truth value
        if len(content) != 1:
            raise MalformedPacket(f"a truth value of {len(content)} bytes")
        return content != b"\0"
    number = _NUMBERS.get(kind)
    if number is None or number.size != len(content):
        raise MalformedPacket(f"a value of type {kind} with {len(content)} bytes")
    found: int | float = number.unpack(content)[0]
    return found


def string(content: bytes) -> str:
    """The text of a string's bytes, up to its NUL; what is no UTF-8 is replaced. Raises MalformedPacket without a NUL."""
    end = content.find(b"\0")
    if end < 0:
        raise MalformedPacket("a string without an end")
    return content[:end].decode("utf-8", "replace")
