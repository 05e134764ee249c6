"""One class behind which paho-mqtt 1.6 and 2.x are the same; the only importer of paho, and only when a connection is opened.

Rules.
1. One paho client serves one connection and never reconnects by itself: on a reconnect paho would send again what it holds,
   while others already publish, so that an old state could overtake a new one. What is unanswered is the caller's to send again.
2. `tend` drives everything: it opens, sees the end (a callback said so, or paho's thread is dead) and opens again after a wait that
   chance chooses between the shortest and a bound that doubles up to the longest: a fleet loses its broker in one instant, and must not
   come back in one. The bound starts anew after a connection that held for a keepalive time.
3. MQTT 5 first. A broker that refuses it is asked for 3.1.1 at once; one that twice hangs up without a word, the third time.
4. Whatever a callback does, paho's thread goes on: the fault is logged and ends the connection. So does a fault of paho's own, which
   ends its thread: both are noticed at once, and the next connection has a new thread.
5. A router without a battery starts with a wrong clock: while that is so, a certificate that is not valid yet is no alarm, and the
   connection is tried at once when the clock has become right.
"""

import logging
import random
import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from pathwarden.errors import OperatorError
from pathwarden.model.commands import MOST_BYTES
from pathwarden.model.settings import MqttSettings
from pathwarden.mqtt.connection import Answer, Connection, Heard, Paho
from pathwarden.mqtt.faults import TAKEN_OVER, Ending, explain
from pathwarden.mqtt.tls import context, waits_for_clock
from pathwarden.mqtt.topics import Topics

if TYPE_CHECKING:
    from ssl import SSLContext

_LOG = logging.getLogger(__name__)
_KEEPALIVE_S = 30  # half the usual idle time-out of a NAT box for TCP on a mobile uplink
_FIRST_BOUND = 5  # times the shortest wait: a thousand agents whose broker restarts come back at 250 a second
_WATCH_NS = 5_000_000_000  # a dead thread of paho is noticed after this time at most
_PACKET_BYTES = 16_384  # the broker keeps longer ones from us, whose beginning alone would do; with 3.1.1 nobody does
_PIECE_BYTES = 4096
_KEPT_BYTES = 65_540  # the longest topic with its length, and a packet id
_STRAYS = 3  # so many short connections in a row are no accident
_CLOSE_S = 0.5

_V5_UNSUPPORTED = 0x84


class _Refused(Exception):
    """No connection can be tried now; the text is the detail."""


def _properties(packet: str, **values: object) -> Any:  # noqa: ANN401 - paho 1.6 has no types
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(getattr(PacketTypes, packet))
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


@cache
def _paho_types() -> tuple[Any, Any]:
    """Paho's module, and its client with two differences.

    Its thread dies quietly: an unknown exception in a thread ends the daemon. Of a packet that is too long it keeps the beginning alone, in
    which topic and packet id stand: it is acknowledged, and refused for its length, without ever having been in memory.
    """
    from paho.mqtt import client as mqtt

    class Client(mqtt.Client):  # type: ignore[misc] # paho 1.6 has no types
        died: Callable[[Exception], None]

        def loop_forever(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever either generation hands on
            try:
                return super().loop_forever(*arguments, **options)
            except Exception as fault:
                self.died(fault)

        def _sock_recv(self, bufsize: int) -> Any:  # noqa: ANN401 - as above
            return super()._sock_recv(min(bufsize, _PIECE_BYTES))

        def _packet_read(self) -> Any:  # noqa: ANN401 - as above
            done = super()._packet_read()  # reads at most a hundred pieces
            del self._in_packet["packet"][_KEPT_BYTES:]
            return done

    return mqtt, Client


class MqttClient:
    """A connection to the broker that is kept up. `tend`, `publish`, `take_answers` and `close` belong to one thread.

    `read_text` reads the password file at each attempt, so that a mended file is enough. `wake` is called from paho's thread whenever
    `tend` or `take_answers` has something to do. `faults` counts exceptions in callbacks and in paho's thread. `retry_s`: shortest and
    longest wait between attempts. A broker's certificate that is not valid yet is looked at again as soon as `clock_synced`. `hears`:
    topics to subscribe to; a longer payload than a command's is lost. `keepalive_s`: a connection on which nothing has been heard for
    longer is asked, and given up after as long again.
    """

    def __init__(
        self,
        settings: MqttSettings,
        topics: Topics,
        read_text: Callable[[str], str],
        wake: Callable[[], None],
        retry_s: tuple[float, float] = (1.0, 30.0),
        clock_synced: Callable[[], bool] = lambda: True,
        hears: Sequence[str] = (),
        keepalive_s: int = _KEEPALIVE_S,
    ) -> None:
        self.settings = settings
        self.client_id = f"pathwarden-{topics.agent}"
        self._topics = topics
        self._read_text = read_text
        self._wake = wake
        self._retry_s = retry_s
        self._clock_synced = clock_synced
        self._waits_for_clock = False
        self._hears = hears
        self._keepalive_s = keepalive_s
        self._connection: Connection | None = None
        self._answers: deque[Answer] = deque()  # at most a window for each connection since the last `take_answers`
        self._number = 0
        self._protocol = "5"
        self._up_ns = 0
        self._retry_ns = 0
        self._tries = 0
        self._silent = 0
        self._strays = 0
        self._detail = ""
        self.faults = 0

    @property
    def session(self) -> int:
        """Number of the connection that is up; 0 if none is."""
        connection = self._connection
        return connection.number if connection and self._up_ns and not connection.ended else 0

    @property
    def protocol(self) -> str | None:
        """`5` or `3.1.1`; None without a connection. From any thread."""
        connection = self._connection
        return connection.protocol if connection and self._up_ns and not connection.ended else None

    @property
    def detail(self) -> str:
        """One line on what is wrong, '' if nothing is. From any thread."""
        connection = self._connection
        deaf = connection.deaf if connection else ""
        return self._detail or (deaf and f"mqtt.username: the broker does not let us hear {deaf}; check its access list")

    def tend(self, mono_ns: int) -> int:
        """Open, watch and open again; the monotonic instant when this must be called next."""
        connection = self._connection
        if connection and connection.over:
            self._lost(connection, mono_ns)
            connection = self._connection
        if connection is None:
            if mono_ns < self._retry_ns and not (self._waits_for_clock and self._clock_synced()):
                return min(self._retry_ns, mono_ns + _WATCH_NS)
            self._waits_for_clock = False
            self._open(mono_ns)
        elif connection.up:
            self._held(connection, mono_ns)
        return mono_ns + _WATCH_NS if self._connection else self._retry_ns

    def publish(self, topic: str, payload: bytes, *, retain: bool, correlation: bytes | None = None, qos: int = 1) -> int | None:
        """Hand over a message; its message id, or None if there is no connection or the window is full.

        One of QoS 0 leaves the window when it has been written to the socket, and gets an `Answer` then that says nothing.
        """
        connection = self._connection
        if connection is None or not self.session:
            return None
        with connection.lock:
            if connection.pending >= connection.window:
                return None
            connection.pending += 1
        properties = None if correlation is None else _properties("PUBLISH", CorrelationData=correlation)
        info = connection.paho.publish(topic, payload, qos=qos, retain=retain, properties=properties)
        # Code 4 (no connection) counts as taken: paho has it queued, and the end of this connection lets the caller send it again.
        if info.rc in (0, 4):
            return int(info.mid)
        with connection.lock:
            connection.pending -= 1
        return None

    def payload_limit(self, topic: str) -> int | None:
        """What the broker lets a payload of this topic have at most, in bytes; None if it sets no limit."""
        connection = self._connection
        if connection is None or connection.max_packet is None:
            return None
        # PUBLISH: fixed header up to 5 bytes, topic with its length 2, packet id 2, property length 1.
        return connection.max_packet - len(topic.encode()) - 10

    def take_answers(self) -> list[Answer]:
        """Answers since the last call, in their order."""
        return [self._answers.popleft() for _ in range(len(self._answers))]

    def take_heard(self) -> list[Heard]:
        """What the present connection heard since the last call, in its order."""
        connection = self._connection
        return [connection.heard.popleft() for _ in range(len(connection.heard))] if connection else []

    def close(self, *, farewell: bool) -> None:
        """End for good; with `farewell` the broker sends no will."""
        connection, self._connection = self._connection, None
        self._retry_ns = sys.maxsize
        if connection is None:
            return
        if farewell and not connection.over:
            connection.ended = True
            connection.paho.disconnect()
            if connection.thread:
                connection.thread.join(_CLOSE_S)
        connection.hang_up()

    def _open(self, mono_ns: int) -> None:
        self._number += 1
        self._up_ns = 0
        connection = Connection(self._number, self._protocol, self._answers, self._wake, MOST_BYTES)
        try:
            paho = self._paho()
        except _Refused as refused:
            self._retry_later(mono_ns, str(refused))
            return
        self._connection = connection
        connection.open(paho)

    def _paho(self) -> Paho:
        """A paho client of either generation with will and sign-in. Raises `_Refused`."""
        mqtt, client_type = _paho_types()
        settings = self.settings
        try:
            settings.host.encode("idna")  # the resolver does the same, and its failure is none that paho catches
        except UnicodeError:
            raise _Refused(f"mqtt.host: {settings.host!r} is not a host name; check mqtt.host") from None
        generation = (mqtt.CallbackAPIVersion.VERSION2,) if hasattr(mqtt, "CallbackAPIVersion") else ()
        protocol = mqtt.MQTTv5 if self._protocol == "5" else mqtt.MQTTv311
        paho = client_type(*generation, client_id=self.client_id, protocol=protocol, reconnect_on_failure=False)
        paho.reconnect_delay_set(0, 0)  # else paho's thread sleeps a second after a failed attempt before it ends
        if settings.username:
            paho.username_pw_set(settings.username, self._password())
        paho.will_set(self._topics.status, b"offline", qos=1, retain=True)
        if settings.tls:
            paho.tls_set_context(self._tls())
        limit = {"properties": _properties("CONNECT", MaximumPacketSize=_PACKET_BYTES)} if self._protocol == "5" else {}
        paho.connect_async(settings.host, settings.port, self._keepalive_s, **limit)
        return paho

    def _tls(self) -> "SSLContext":
        try:
            return context(self.settings)
        except OperatorError as error:
            raise _Refused(str(error)) from error

    def _password(self) -> str | None:
        file = self.settings.password_file
        if not file:
            return None
        try:
            return self._read_text(file).rstrip("\r\n")
        except OperatorError as error:
            raise _Refused(str(error)) from error
        except OSError as error:
            raise _Refused(f"mqtt.password_file: {file} cannot be read ({error.strerror}); check mqtt.password_file") from error
        except UnicodeError as error:
            raise _Refused(f"mqtt.password_file: {file} is not UTF-8 text; check mqtt.password_file") from error

    def _listen(self, connection: Connection) -> None:
        """Subscribe; with MQTT 5 the broker tells what is retained, and does not send what was retained before."""
        options = None
        if connection.protocol == "5":
            from paho.mqtt.subscribeoptions import SubscribeOptions

            options = SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        for topic in self._hears:
            connection.subscribe(topic, options)

    def _held(self, connection: Connection, mono_ns: int) -> None:
        if not self._up_ns:
            self._silent = 0
            self._listen(connection)
            _LOG.info("connected to %s:%s with MQTT %s", self.settings.host, self.settings.port, connection.protocol)
            if self._strays < _STRAYS:  # else the next end is near, and the line must not flicker
                self._detail = ""
            self._up_ns = mono_ns  # last: whoever sees a session sees no older trouble beside it
        elif mono_ns - self._up_ns >= self._keepalive_s * 1_000_000_000:
            self._tries = self._strays = 0
            self._detail = ""

    def _lost(self, connection: Connection, mono_ns: int) -> None:
        self._connection = None
        connection.hang_up()
        self.faults += bool(connection.fault)
        if connection.refusal == _V5_UNSUPPORTED and connection.protocol == "5":
            self._protocol = "3.1.1"
            self._retry_ns = mono_ns
            return
        self._count(connection)
        # The second and each third wordless end after it: perhaps the broker is so old that it hangs up on MQTT 5.
        self._protocol = "3.1.1" if self._silent % 3 == 2 else "5"
        self._retry_later(mono_ns, explain(self._ending(connection), self.settings.host, self.settings.port, self.client_id))

    def _count(self, connection: Connection) -> None:
        wordless = not (connection.up or connection.refusal or connection.error or connection.fault)
        self._silent = self._silent + 1 if wordless else 0
        if connection.reason == TAKEN_OVER:
            self._strays = _STRAYS
        elif connection.up and not connection.reason:
            self._strays += 1
        else:
            self._strays = 0  # a broker that is away, or that says what it minds, is no clash

    def _ending(self, connection: Connection) -> Ending:
        clash = self._strays >= _STRAYS
        synced = self._clock_synced()
        self._waits_for_clock = waits_for_clock(connection.error, clock_synced=synced)
        return Ending(
            connection.up, connection.refusal, connection.reason, connection.error, connection.fault, clash, self.settings.tls, synced
        )

    def _retry_later(self, mono_ns: int, detail: str) -> None:
        shortest, longest = self._retry_s
        bound = min(longest, shortest * _FIRST_BOUND * 2 ** min(self._tries, 30))
        wait_s = random.uniform(shortest, bound)  # noqa: S311 - spreads agents, guards nothing
        self._tries += 1
        self._retry_ns = mono_ns + int(wait_s * 1e9)
        if detail != self._detail:
            self._detail = detail
            _LOG.warning("%s", detail)
