"""One connection: a paho client of either generation, and what its callbacks saw."""

import logging
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

_LOG = logging.getLogger(__name__)
_HEARD = 100  # messages that wait for their reader; in a flood the oldest go
_REFUSED = 0x80  # reason codes from here on are refusals (MQTT 5, section 2.4)
_WINDOW = 20  # paho's and mosquitto's own limit of messages in flight
# Return codes of MQTT 3.1.1 (table 3.1) as MQTT 5 reason codes; paho 1.6 hands over the former, paho 2 translates.
_CONNACK_311 = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}

Paho = Any  # paho 1.6 has no types, and those of 2.x differ from what 1.6 does


class Answer(NamedTuple):
    """What the broker answered to a message: an MQTT 5 reason code; 0 where the protocol has none (3.1.1)."""

    session: int
    mid: int
    code: int


class Heard(NamedTuple):
    """A message that came; `payload` is None if it was longer than what anybody may say. Response topic '', correlation None: not given."""

    topic: str
    payload: bytes | None
    retain: bool
    response_topic: str = ""
    correlation: bytes | None = None


class Connection:
    """One paho client, and what its callbacks saw. The callbacks run in paho's thread and only note things down."""

    def __init__(self, number: int, protocol: str, answers: deque[Answer], wake: Callable[[], None], most_bytes: int) -> None:
        self.number = number
        self.protocol = protocol
        self.paho: Paho = None
        self.thread: threading.Thread | None = None
        self.up = False
        self.ended = False
        self.refusal: int | None = None  # CONNACK
        self.reason: int | None = None  # DISCONNECT
        self.error: OSError | None = None
        self.fault = ""
        self.window = _WINDOW
        self.max_packet: int | None = None
        self.pending = 0
        self.lock = threading.Lock()
        self.deaf = ""  # a topic that the broker does not let us hear
        self.heard: deque[Heard] = deque(maxlen=_HEARD)
        self._most_bytes = most_bytes
        self._asked: deque[str] = deque()
        self._answers = answers
        self._wake = wake

    def open(self, paho: Paho) -> None:
        """Start paho's thread."""
        self.paho = paho
        paho.on_connect = self._guarded(self._on_connect)
        paho.on_connect_fail = self._guarded(self._on_connect_fail)
        paho.on_disconnect = self._guarded(self._on_disconnect)
        paho.on_publish = self._guarded(self._on_publish)
        paho.on_subscribe = self._guarded(self._on_subscribe)
        paho.on_message = self._guarded(self._on_message)
        paho.died = self._died
        paho.loop_start()
        # Both generations keep their thread here; no public name tells whether it lives.
        self.thread = paho._thread  # noqa: SLF001 - see above

    @property
    def over(self) -> bool:
        """Whether this connection has ended, or its thread has."""
        return self.ended or self.thread is None or not self.thread.is_alive()

    def hang_up(self) -> None:
        """End without a farewell: the broker sends the will."""
        self.ended = True
        paho, self.paho = self.paho, None  # else both would live, with paho's sockets, until the garbage collector finds the cycle
        _shut(paho)

    def subscribe(self, topic: str, options: object) -> None:
        """Hear a topic, with QoS 1 or paho's options of MQTT 5."""
        self._asked.append(topic)
        self.paho.subscribe(topic, **({"qos": 1} if options is None else {"options": options}))

    def _died(self, fault: Exception) -> None:
        """Paho's thread is about to end by a fault: with paho 1.6 what TLS says while reading, else bytes that it cannot read.

        Such bytes in the place of a greeting are like none: so a broker may answer that does not know MQTT 5.
        """
        if isinstance(fault, OSError):
            self.error = fault
        elif self.up:
            _LOG.error("paho's thread ended", exc_info=fault)
            self.fault = f"{type(fault).__name__}: {fault}"
        self.ended = True
        with suppress(Exception):
            self._wake()

    def _guarded(self, callback: Callable[..., bool]) -> Callable[..., None]:
        """A callback that wakes the owner if it returns true, and whose exceptions end the connection, told."""

        def call(*arguments: object) -> None:
            try:
                if callback(*arguments):
                    self._wake()
            except Exception as fault:
                # An exception would end paho's thread while is_connected() stays true.
                _LOG.exception("fault in an MQTT callback")
                self.fault = f"{type(fault).__name__}: {fault}"
                self.ended = True
                with suppress(Exception):
                    self._wake()

        return call

    def _on_connect(self, client: Paho, _userdata: object, _flags: object, reason: Paho, properties: Paho = None) -> bool:
        code = reason if isinstance(reason, int) else reason.value
        if code:
            self.refusal = _CONNACK_311.get(code, code)
            return True
        self.window = min(_WINDOW, getattr(properties, "ReceiveMaximum", _WINDOW))
        self.max_packet = getattr(properties, "MaximumPacketSize", None)
        self.up = True
        if self.ended:  # stopped while the connection was being made
            _shut(client)
        return True

    def _on_connect_fail(self, _client: Paho, _userdata: object) -> bool:
        error = sys.exc_info()[1]  # both generations call this while they handle the exception
        self.error = error if isinstance(error, OSError) else OSError("no connection")
        self.ended = True
        return True

    def _on_disconnect(self, _client: Paho, _userdata: object, *rest: Paho) -> bool:
        # paho 2: flags, reason, properties. paho 1.6: an error number of its own, or the broker's reason, then perhaps properties.
        flags, reason = (rest[0], rest[1]) if len(rest) == 3 else (None, rest[0])
        if getattr(flags, "is_disconnect_packet_from_server", True):
            self.reason = getattr(reason, "value", None)
        self.ended = True
        return True

    def _on_subscribe(self, _client: Paho, _userdata: object, _mid: int, codes: Paho, *_properties: Paho) -> bool:
        topic = self._asked.popleft()  # a broker answers in the order of the questions
        # Numbers under 3.1.1 with paho 1.6, else objects.
        if any(getattr(code, "value", code) >= _REFUSED for code in codes):
            self.deaf = topic
        return bool(self.deaf)

    def _on_message(self, _client: Paho, _userdata: object, message: Paho) -> bool:
        properties = getattr(message, "properties", None)
        self.heard.append(
            Heard(
                message.topic,
                message.payload if len(message.payload) <= self._most_bytes else None,
                bool(message.retain),
                getattr(properties, "ResponseTopic", ""),
                getattr(properties, "CorrelationData", None),
            )
        )
        return True

    def _on_publish(self, client: Paho, _userdata: object, mid: int, reason: Paho = None, _properties: Paho = None) -> bool:
        if reason is not None:
            code = reason.value
        else:
            # paho 1.6 hands no reason over, but the PUBACK is still in its buffer: two bytes of packet id, then the reason if it is not 0.
            # For a message of QoS 0 there is none; nobody looks at its answer.
            packet = client._in_packet["packet"]  # noqa: SLF001 - see above; 1.6.1 is the last of its line
            code = packet[2] if len(packet) > 2 else 0
        self._answers.append(Answer(self.number, mid, code))
        with self.lock:
            was_full = self.pending >= self.window
            self.pending -= 1
            # A round's answers come together: waking up for each would cost more than sending did.
            return was_full or not self.pending


def _shut(paho: Paho) -> None:
    sock = paho.socket()
    if sock is not None:
        with suppress(OSError):  # it may have ended already
            sock.shutdown(socket.SHUT_RDWR)
