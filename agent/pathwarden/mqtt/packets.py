"""The few packets of MQTT that a check speaks by itself, 3.1.1 and 5 (sections of MQTT 5).

type << 4 | flags | length (1 to 4 bytes, 7 bits each, lowest first) | body
"""

from collections.abc import Callable
from typing import NamedTuple

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
DISCONNECT = b"\xe0\x00"
LEVELS = {"5": 5, "3.1.1": 4}
UNSUPPORTED = 0x84
KEEPALIVE_S = 30
_CLEAN, _USER, _PASSWORD = 0x02, 0x80, 0x40
_QOS_1 = 0x02
_FROM_311 = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}  # return codes of 3.1.1 (table 3.1) as reason codes of MQTT 5
MOST_BYTES = 65_536  # whatever is longer is no answer to a check


class NotMqtt(Exception):
    """It hung up, or answered something else."""


class Packet(NamedTuple):
    """A packet that came."""

    kind: int
    flags: int
    body: bytes


def connect(level: int, client_id: str, username: str, password: str | None) -> bytes:
    """CONNECT (3.1): 0 4 M Q T T | level | flags | keepalive (2) | properties: 0 | client id | user name | password."""
    flags = _CLEAN | (_USER if username else 0) | (_PASSWORD if password is not None else 0)
    fields = [client_id, *([username] if username else []), *([password] if password is not None else [])]
    body = _text("MQTT") + bytes((level, flags)) + KEEPALIVE_S.to_bytes(2, "big") + _no_properties(level)
    return _packet(CONNECT, 0, body + b"".join(map(_text, fields)))


def publish(level: int, number: int, topic: str, payload: bytes) -> bytes:
    """PUBLISH with QoS 1, not retained (3.3): topic | packet id (2) | properties: 0 | payload."""
    return _packet(PUBLISH, _QOS_1, _text(topic) + number.to_bytes(2, "big") + _no_properties(level) + payload)


def subscribe(level: int, number: int, topic: str) -> bytes:
    """SUBSCRIBE with QoS 0 (3.8): packet id (2) | properties: 0 | topic | options: 0."""
    return _packet(SUBSCRIBE, _QOS_1, number.to_bytes(2, "big") + _no_properties(level) + _text(topic) + b"\0")


def refusal(packet: Packet) -> int:
    """The reason code of a CONNACK (3.2): session present | reason code | properties; brokers of 3.1.1 have others. Raises `NotMqtt`."""
    if packet.kind != CONNACK or len(packet.body) < 2:
        raise NotMqtt
    code = packet.body[1]
    return _FROM_311.get(code, code)


def number_of(packet: Packet) -> int:
    """The packet id of a PUBACK or SUBACK."""
    return int.from_bytes(packet.body[:2], "big")


def published(packet: Packet) -> bytes:
    """The topic of a PUBLISH, as its bytes."""
    return packet.body[2 : 2 + int.from_bytes(packet.body[:2], "big")]


def read(receive: Callable[[int], bytes]) -> Packet:
    """The next packet; `receive` gives exactly as many bytes as asked for, and its errors pass. Raises `NotMqtt` for what is too long."""
    first = receive(1)[0]
    length = 0
    for place in range(4):
        byte = receive(1)[0]
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            break
    else:
        raise NotMqtt
    if length > MOST_BYTES:
        raise NotMqtt
    return Packet(first >> 4, first & 0x0F, receive(length))


def _packet(kind: int, flags: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes((kind << 4 | flags,)) + bytes(length) + body


def _no_properties(level: int) -> bytes:
    return b"\0" if level == LEVELS["5"] else b""


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data
