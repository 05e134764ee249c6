"""The way to a working connection, step by step: what `pathwarden mqtt test` walks.

It publishes under `P/<agent>/test`, nothing of it retained, and sends the agent a ping: nothing that a subscriber could take for news.
Home Assistant is told to forget a device that it has never heard of.
"""

import socket
import time
from collections.abc import Iterator
from typing import NamedTuple

from pathwarden.model.settings import MqttSettings
from pathwarden.mqtt import packets
from pathwarden.mqtt.announcing import birth_topic, device_topic
from pathwarden.mqtt.check import Failed, Talk, opened, signed_in
from pathwarden.mqtt.packets import NotMqtt, Packet
from pathwarden.mqtt.topics import Topics

OK, WARN, FAIL = "ok", "warn", "FAIL"
_REFUSED = 0x80  # reason codes from here on are refusals (MQTT 5, section 2.4)
_DELIVERY_S = 2.0  # a broker passes a message on within milliseconds
_ACCESS = "correct the broker's access list for mqtt.username"


class Step(NamedTuple):
    """One step: `what` is name, tcp, tls, sign-in, publish or subscribe; `fix` says what to do, None if nothing is to be done."""

    status: str
    what: str
    detail: str
    fix: str | None = None


def walk(settings: MqttSettings, password: str | None, topics: Topics, timeout_s: float) -> Iterator[Step]:
    """Each step, until one fails. Each takes `timeout_s` at most, but for the look-up of a name, which has the resolver's time-outs."""
    client_id = f"pathwarden-{topics.agent}-test"
    what = "name"
    try:
        yield Step(OK, what, _resolved(settings))
        what = "tcp"
        opened(settings, client_id, time.monotonic() + timeout_s, tls=False).close()
        yield Step(OK, what, f"{settings.host}:{settings.port} takes connections")
        if settings.tls:
            what = "tls"
            opened(settings, client_id, time.monotonic() + timeout_s, tls=True).close()
            yield Step(OK, what, "the broker's certificate is right")
        what = "sign-in"
        talk = signed_in(settings, password, client_id, time.monotonic() + timeout_s)
    except Failed as failed:
        detail, _, fix = str(failed).partition("; ")
        yield Step(FAIL, what, detail, fix)
        return
    user = f" as {settings.username}" if settings.username else ""
    yield Step(OK, what, f"the broker takes us{user} (MQTT {talk.protocol})")
    rights = _Rights(talk, topics, settings.discovery, timeout_s)
    try:
        what = "publish"
        yield rights.publish()
        what = "subscribe"
        yield rights.subscribe()
    except (NotMqtt, OSError) as error:
        said = str(error) or "it ended the connection"
        yield Step(FAIL, what, f"the broker does not answer ({said})", "look at the broker's log")
    finally:
        talk.leave()


def _resolved(settings: MqttSettings) -> str:
    """What the broker's name is. Raises `Failed`."""
    host = settings.host
    try:
        address = str(socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        said = error.strerror or str(error)
        raise Failed(f"mqtt.host: {host} does not resolve ({said}); check mqtt.host and this machine's name server") from error
    except UnicodeError as error:  # a label that is empty or too long
        raise Failed(f"mqtt.host: {host} is not a host name; check mqtt.host") from error
    return f"{host} is an address" if address == host else f"{host} is {address}"


class _Rights:
    """What the broker lets us do."""

    def __init__(self, talk: Talk, topics: Topics, discovery: str, timeout_s: float) -> None:
        self._talk = talk
        self._topics = topics
        self._discovery = "" if discovery == "off" else discovery
        self._timeout_s = timeout_s
        self._number = 0
        self._came: set[bytes] = set()

    def publish(self) -> Step:
        """Whether we may write where our messages go."""
        topic = f"{self._topics.prefix}/{self._topics.agent}/test"
        if self._publish(topic, b"") >= _REFUSED:
            return Step(FAIL, "publish", f"the broker does not let us write to {topic}", f"{_ACCESS}: write {self._own}")
        device = device_topic(self._discovery, self._topics, "test")
        if self._discovery and self._publish(device, b"") >= _REFUSED:
            fix = f"{_ACCESS}: write {self._discovery}/device/#, or set mqtt.discovery to off"
            return Step(FAIL, "publish", f"the broker does not let us write to {device}", fix)
        if self._talk.protocol == "5":
            return Step(OK, "publish", f"we may write to {self._own}")
        # 3.1.1 has no word for a refusal: only what comes back was accepted.
        self._subscribe(topic)
        self._publish(topic, b"")
        if self._comes(topic):
            return Step(OK, "publish", f"we may write to {self._own}")
        fix = f"{_ACCESS}: write {self._own}, unless it only forbids to read"
        return Step(WARN, "publish", f"what we write to {topic} does not come back, and MQTT 3.1.1 does not tell why", fix)

    def subscribe(self) -> Step:
        """Whether we hear commands."""
        commands = f"{self._topics.commands}#"
        fix = f"{_ACCESS}: read {commands}"
        if self._subscribe(commands) >= _REFUSED:
            return Step(FAIL, "subscribe", f"the broker does not let us hear {commands}", fix)
        birth = birth_topic(self._discovery)
        if self._discovery and self._subscribe(birth) >= _REFUSED:
            return Step(FAIL, "subscribe", f"the broker does not let us hear {birth}", f"{_ACCESS}: read {birth}")
        # Some brokers grant a subscription and then deliver nothing.
        ping = f"{self._topics.commands}ping"
        refused = self._publish(ping, b'{"id":"mqtt-test"}') >= _REFUSED
        if not refused and self._comes(ping):
            return Step(OK, "subscribe", f"we hear {commands}")
        if refused:
            return Step(OK, "subscribe", f"the broker grants {commands}; that we may not command ourselves is no fault")
        if self._talk.protocol == "5":
            return Step(FAIL, "subscribe", f"a command to {ping} did not come", fix)
        return Step(
            WARN, "subscribe", f"a command to {ping} did not come, and MQTT 3.1.1 does not tell why", f"{fix}, if you want commands"
        )

    @property
    def _own(self) -> str:
        return f"{self._topics.prefix}/{self._topics.agent}/#"

    def _publish(self, topic: str, payload: bytes) -> int:
        """The broker's reason code; 0 under 3.1.1."""
        self._number += 1
        self._talk.sock.sendall(packets.publish(self._talk.level, self._number, topic, payload))
        body = self._answer(packets.PUBACK).body
        return body[2] if len(body) > 2 else 0

    def _subscribe(self, topic: str) -> int:
        """The broker's reason code."""
        self._number += 1
        self._talk.sock.sendall(packets.subscribe(self._talk.level, self._number, topic))
        return self._answer(packets.SUBACK).body[-1]

    def _answer(self, kind: int) -> Packet:
        deadline = time.monotonic() + self._timeout_s
        while True:
            packet = self._talk.next(deadline)
            if packet.kind == packets.PUBLISH:
                self._came.add(packets.published(packet))
            elif packet.kind != kind:
                raise NotMqtt
            elif packets.number_of(packet) == self._number:
                return packet

    def _comes(self, topic: str) -> bool:
        """Whether a message of this topic has come, or comes within a moment."""
        deadline = time.monotonic() + _DELIVERY_S
        while topic.encode() not in self._came:
            try:
                packet = self._talk.next(deadline)
            except TimeoutError:
                return False
            if packet.kind == packets.PUBLISH:
                self._came.add(packets.published(packet))
        return True
