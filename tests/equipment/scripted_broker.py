"""A broker on loopback that answers as a script says: for answers that mosquitto cannot be brought to give."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Self

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14
ACCEPT = {5: bytes([0, 0, 0]), 4: bytes([0, 0])}  # CONNACK without its fixed header, by protocol level


class Published(NamedTuple):
    """A QoS 1 message as it arrived; `level` is the protocol level of its connection (5 or 4)."""

    level: int
    topic: str
    payload: bytes


class ScriptedBroker:
    """Serves one connection after the other.

    `connack(level)` gives the body of the CONNACK (None: hang up without one). `puback(published)` gives a reason code, or None for
    no answer at all; a code other than 0 is sent with MQTT 5 only. `suback(level)` answers a subscription to one topic.
    """

    def __init__(
        self,
        connack: Callable[[int], bytes | None] = ACCEPT.__getitem__,
        puback: Callable[[Published], int | None] = lambda _published: 0,
        suback: Callable[[int], int] = lambda _level: 1,
    ) -> None:
        self.levels: list[int] = []
        self.published: list[Published] = []
        self.acknowledged: list[int] = []  # packet ids
        self._connack = connack
        self._puback = puback
        self._suback = suback
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: socket.socket | None = None
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def drop(self) -> None:
        """Cut the present connection."""
        if self._open is not None:
            with suppress(OSError):  # the client may have ended it already
                self._open.shutdown(socket.SHUT_RDWR)

    def send(self, *pieces: bytes) -> None:
        """Send one packet or more on the present connection, with no answer of ours between its pieces."""
        assert self._open is not None
        with self._sending:
            for piece in pieces:
                self._open.sendall(piece)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self.drop()
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return  # the test is over
            with connection, suppress(OSError, EOFError):  # clients come and go
                self._open = connection
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        level = 0
        while True:
            kind, body = _packet(stream.read)
            if kind == CONNECT:
                level = body[6]  # after the name: 0 4 M Q T T
                self.levels.append(level)
                answer = self._connack(level)
                if answer is None:
                    return
                self.send(bytes([CONNACK << 4, len(answer)]) + answer)
                if answer[1]:
                    return
            elif kind == PUBLISH:
                self._published(level, body)
            elif kind == PUBACK:
                self.acknowledged.append(int.from_bytes(body[:2], "big"))
            elif kind == SUBSCRIBE:
                properties = b"\0" if level == 5 else b""
                self.send(bytes([SUBACK << 4, 3 + len(properties)]) + body[:2] + properties + bytes([self._suback(level)]))
            elif kind == PINGREQ:
                self.send(b"\xd0\x00")
            elif kind == DISCONNECT:
                return

    def _published(self, level: int, body: bytes) -> None:
        end = 2 + int.from_bytes(body[:2], "big")
        payload = end + 2 + (1 if level == 5 else 0)  # packet id; no properties
        published = Published(level, body[2:end].decode(), body[payload:])
        self.published.append(published)
        code = self._puback(published)
        if code is not None:
            reason = bytes([code]) if level == 5 and code else b""
            self.send(bytes([PUBACK << 4, 2 + len(reason)]) + body[end : end + 2] + reason)


def _packet(read: Callable[[int], bytes]) -> tuple[int, bytes]:
    """Kind and body of the next packet (MQTT 5, section 2.1). Raises `EOFError` at the end."""
    first = read(1)
    if not first:
        raise EOFError
    length, shift = 0, 0
    while True:
        byte = read(1)
        if not byte:
            raise EOFError
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            return first[0] >> 4, read(length)
