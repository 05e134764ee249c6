"""The messages between ubusd and its clients: bytes <-> values.

    +---------------+---------------+-------------------------------+
    |  version (0)  |     kind      |           sequence            |
    +---------------+---------------+-------------------------------+
    |        peer: the client or object that is meant, or 0         |
    +---------------------------------------------------------------+
    |   one attribute with id 0, which holds the message's own      |
    +---------------------------------------------------------------+

ubusd greets first (HELLO); the peer of its greeting is our own id. An answer has the sequence and the peer of its request.
"""

import struct
from collections import Counter
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from pathwarden.errors import MalformedPacket
from pathwarden.net import blobmsg

LONGEST = 1 << 20  # UBUS_MAX_MSGLEN, the attribute; ubusd drops who sends more
_HEAD = struct.Struct(">BBHI")
_BLOB = struct.Struct(">I")
_LENGTH = 0xFFFFFF
_U32 = struct.Struct(">I")


class Kind(IntEnum):
    """What a message is for."""

    HELLO = 0
    STATUS = 1
    DATA = 2
    PING = 3
    LOOKUP = 4
    INVOKE = 5
    ADD_OBJECT = 6
    REMOVE_OBJECT = 7
    SUBSCRIBE = 8
    UNSUBSCRIBE = 9
    NOTIFY = 10
    MONITOR = 11


class Attr(IntEnum):
    """The attributes of a message."""

    STATUS = 1
    OBJPATH = 2
    OBJID = 3
    METHOD = 4
    OBJTYPE = 5
    SIGNATURE = 6
    DATA = 7
    TARGET = 8
    ACTIVE = 9
    NO_REPLY = 10
    SUBSCRIBERS = 11
    USER = 12
    GROUP = 13


class Status(IntEnum):
    """How a request ended."""

    OK = 0
    INVALID_COMMAND = 1
    INVALID_ARGUMENT = 2
    METHOD_NOT_FOUND = 3
    NOT_FOUND = 4
    NO_DATA = 5
    PERMISSION_DENIED = 6
    TIMEOUT = 7
    NOT_SUPPORTED = 8
    UNKNOWN_ERROR = 9
    CONNECTION_FAILED = 10
    NO_MEMORY = 11
    PARSE_ERROR = 12
    SYSTEM_ERROR = 13

    @property
    def words(self) -> str:
        """As people read it."""
        return self.name.lower().replace("_", " ")


class Message(NamedTuple):
    """One message; `attrs` are the attributes' bytes by id."""

    kind: int
    seq: int
    peer: int
    attrs: Mapping[int, bytes]

    def number(self, attr: Attr) -> int:
        """An attribute of 32 bits. Raises MalformedPacket."""
        value = self.attrs.get(attr, b"")
        if len(value) != _U32.size:
            raise MalformedPacket(f"attribute {attr.name} has {len(value)} bytes")
        return int(_U32.unpack(value)[0])

    def text(self, attr: Attr) -> str:
        """A string. Raises MalformedPacket."""
        return blobmsg.string(self.attrs.get(attr, b""))

    def data(self) -> dict[str, blobmsg.Value]:
        """The payload; empty if there is none. Raises MalformedPacket."""
        return blobmsg.decode(self.attrs.get(Attr.DATA, b""))

    def status(self) -> Status:
        """How a request ended. Raises MalformedPacket."""
        try:
            return Status(self.number(Attr.STATUS))
        except MalformedPacket:
            raise
        except ValueError:  # a newer ubusd may know more
            return Status.UNKNOWN_ERROR

    def wants_reply(self) -> bool:
        """Whether an invocation is to be answered; a notification mostly is not."""
        return not any(self.attrs.get(Attr.NO_REPLY, b""))


def write(kind: Kind, seq: int, peer: int, attrs: Mapping[Attr, bytes]) -> bytes:
    """The bytes of a message. Raises ValueError if it is longer than ubusd takes."""
    blob = blobmsg.attribute(0, b"".join(blobmsg.attribute(attr, value) for attr, value in attrs.items()))
    if len(blob) > LONGEST:
        raise ValueError("a message is longer than 1 MiB")
    return _HEAD.pack(0, kind, seq, peer) + blob


def number(value: int) -> bytes:
    """An attribute's 32 bits."""
    return _U32.pack(value)


def text(value: str) -> bytes:
    """An attribute's string."""
    return value.encode() + b"\0"


class Frames:
    """Cuts a stream into messages. Those whose inside is unreadable are counted as `malformed` and left out."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._buffer = bytearray()

    def push(self, data: bytes) -> None:
        """Take more of the stream."""
        self._buffer += data

    def next(self) -> Message | None:
        """The next message; None while it is not complete. Raises MalformedPacket where the stream cannot be followed any more."""
        while (length := self._next_length()) and len(self._buffer) >= length:
            frame = bytes(self._buffer[:length])
            del self._buffer[:length]
            try:
                return _read(frame)
            except MalformedPacket:
                self._counts["malformed"] += 1
        return None

    def _next_length(self) -> int:
        """The length of the message that begins the buffer; 0 while its head has not come."""
        if len(self._buffer) < _HEAD.size + _BLOB.size:
            return 0
        (blob,) = _BLOB.unpack_from(self._buffer, _HEAD.size)
        length = blob & _LENGTH
        if self._buffer[0] or not _BLOB.size <= length <= LONGEST:
            raise MalformedPacket("no ubus message")
        return _HEAD.size + int(length)


def _read(frame: bytes) -> Message:
    _, kind, seq, peer = _HEAD.unpack_from(frame)
    inside = frame[_HEAD.size + _BLOB.size :]
    return Message(kind, seq, peer, {ident: value for extended, ident, value in blobmsg.attributes(inside) if not extended})
