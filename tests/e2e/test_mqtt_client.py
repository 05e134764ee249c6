"""The client against brokers that answer as no mosquitto does, and against none."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from equipment.broker import closed_port
from equipment.mqtt_agent import Rig, mqtt_settings
from equipment.scripted_broker import ACCEPT, Published, ScriptedBroker
from equipment.waiting import until
from pathwarden.mqtt.connection import Connection

REFUSALS_OF_5 = {
    "3.1.1 style 0x01": bytes([0, 1]),
    "5 style 0x84": bytes([0, 0x84, 0]),
    "0x84 without properties": bytes([0, 0x84]),
    "no word": None,
}


@pytest.mark.parametrize("refusal", REFUSALS_OF_5.values(), ids=REFUSALS_OF_5.keys())
def test_fallback_to_311(refusal: bytes | None) -> None:
    with ScriptedBroker(lambda level: refusal if level == 5 else ACCEPT[level]) as broker, Rig(mqtt_settings(broker.port), "dns") as rig:
        rig.store("dns")
        rig.await_empty()
        assert rig.publisher.snapshot()["protocol"] == "3.1.1"
        assert rig.publisher.snapshot()["detail"] == ""
        assert broker.levels[0] == 5
        assert broker.levels[-1] == 4
        assert len(broker.levels) <= 3
        seen = len(broker.levels)
        broker.drop()
        until(lambda: len(broker.levels) > seen, "a new connection")
        assert broker.levels[seen] == 5, "a broker may have been renewed"


@pytest.mark.parametrize(("level", "code"), [(5, 0x86), (5, 0x87), (4, 4), (4, 5)])
def test_sign_in_refused_under_either_protocol(level: int, code: int) -> None:
    def connack(asked: int) -> bytes:
        if asked != level:
            return bytes([0, 1])
        return bytes([0, code, 0]) if level == 5 else bytes([0, code])

    with ScriptedBroker(connack) as broker, Rig(mqtt_settings(broker.port)) as rig:
        rig.await_detail("mqtt.username: the broker refuses the sign-in; check mqtt.username and mqtt.password_file")
        until(lambda: broker.levels.count(level) >= 3, "it goes on trying")


def _refuse_once(code: int) -> Callable[[Published], int]:
    seen: set[bytes] = set()

    def puback(published: Published) -> int:
        if not published.topic.endswith("/event") or published.payload in seen:
            return 0
        seen.add(published.payload)
        return code

    return puback


def test_reason_codes_of_pubacks_are_seen() -> None:
    with ScriptedBroker(puback=_refuse_once(0x97)) as broker, Rig(mqtt_settings(broker.port)) as rig:
        rig.await_connected()
        rig.store("dns", number=1)
        rig.store("web", number=2)
        rig.await_empty()
        assert rig.publisher.snapshot()["failed"] == {"quota_exceeded": 2}
        assert [m.topic for m in broker.published if m.topic.endswith("dns/event")] == ["pw/box/target/dns/event"] * 2


def test_hopeless_reason_codes_mark_the_event() -> None:
    with ScriptedBroker(puback=_refuse_once(0x99)) as broker, Rig(mqtt_settings(broker.port)) as rig:
        rig.store("dns")
        rig.await_empty()
        assert rig.outbox.failed == [(1, "payload_format_invalid")]
        assert rig.outbox.acknowledged == []


def test_at_most_twenty_unanswered() -> None:
    with ScriptedBroker(puback=lambda _published: None) as broker, Rig(mqtt_settings(broker.port), *(f"t{n}" for n in range(30))) as rig:
        until(lambda: len(broker.published) == 20, "twenty messages")
        broker.drop()
        until(lambda: len(broker.published) == 40, "a new connection is told again")
        assert [m.topic for m in broker.published[20:]] == [m.topic for m in broker.published[:20]]
        assert rig.publisher.snapshot()["published"] == 0


def test_a_farewell_by_the_broker_is_named() -> None:
    with ScriptedBroker() as broker, Rig(mqtt_settings(broker.port), retry_s=(5.0, 5.0)) as rig:
        rig.await_connected()
        broker.send(b"\xe0\x02\x98\x00")  # DISCONNECT: administrative action
        broker.drop()
        rig.await_detail("mqtt.host: the ")
        detail = rig.publisher.snapshot()["detail"]
        # paho 1.6 keeps a DISCONNECT's reason to itself.
        assert detail in (
            "mqtt.host: the broker ended the connection (administrative action); look at the broker's log",
            f"mqtt.host: the connection to 127.0.0.1:{broker.port} was lost; trying again",
        )


def test_nothing_listens() -> None:
    with closed_port() as port, Rig(mqtt_settings(port)) as rig:
        rig.await_detail(f"mqtt.port: nothing listens on 127.0.0.1:{port}; check mqtt.host and mqtt.port, and that the broker runs")


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example"])
def test_a_host_that_is_no_name(host: str) -> None:
    with Rig(mqtt_settings(1883, host=host)) as rig:
        rig.await_detail(f"mqtt.host: {host!r} is not a host name; check mqtt.host")


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)  # no question may leave this machine
    with Rig(mqtt_settings(1883, host="broker.example")) as rig:
        rig.await_detail(
            "mqtt.host: broker.example does not resolve (Name or service not known); check mqtt.host and this machine's name server"
        )


def test_a_password_file_that_is_no_text(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xff\xfe")
    secret.chmod(0o600)
    with Rig(mqtt_settings(1883, username="u", password_file=str(secret))) as rig:
        rig.await_detail(f"mqtt.password_file: {secret} is not UTF-8 text; check mqtt.password_file")


def _say(broker: ScriptedBroker) -> None:
    topic = b"pw/box/cmd/ping"
    broker.send(b"\x30" + bytes([len(topic) + 3, 0, len(topic)]) + topic + b"\0")  # PUBLISH, QoS 0, no properties, no payload


def _nothing(_broker: ScriptedBroker) -> None:
    """It is called without our doing."""


TOLD = "mqtt: internal fault (ZeroDivisionError: on purpose); please report it"
CALLBACKS = {
    "on_connect": _nothing,
    "on_subscribe": _nothing,
    "on_publish": _nothing,
    "on_message": _say,
    "on_disconnect": ScriptedBroker.drop,
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_fault_in_a_callback_is_told_and_does_not_end_the_client(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    real, faults = getattr(Connection, f"_{name}"), []

    def faulty(self: Connection, *arguments: object) -> object:
        if not faults:
            faults.append(1)
            raise ZeroDivisionError("on purpose")
        return real(self, *arguments)

    monkeypatch.setattr(Connection, f"_{name}", faulty)
    with ScriptedBroker() as broker, Rig(mqtt_settings(broker.port)) as rig:
        until(lambda: broker.levels, "it has come")
        if CALLBACKS[name] is not _nothing:
            until(lambda: broker.published, "it is connected")
            CALLBACKS[name](broker)
        rig.store("dns")
        until(lambda: TOLD in caplog.messages, "it is told", 30)
        rig.await_empty()
        assert rig.publisher.snapshot()["faults"] == 1
        assert sum("fault in an MQTT callback" in record.message for record in caplog.records) == 1


def test_a_fault_while_nothing_listens(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    real, faults = Connection._on_connect_fail, []

    def faulty(self: Connection, *arguments: object) -> bool:
        if not faults:
            faults.append(1)
            raise ZeroDivisionError("on purpose")
        return real(self, *arguments)

    monkeypatch.setattr(Connection, "_on_connect_fail", faulty)
    with closed_port() as port, Rig(mqtt_settings(port)) as rig:
        until(lambda: TOLD in caplog.messages, "it is told", 30)
        rig.await_detail("nothing listens")
        assert rig.publisher.snapshot()["faults"] == 1


def test_those_are_all_callbacks() -> None:
    with ScriptedBroker() as broker, Rig(mqtt_settings(broker.port)) as rig:
        rig.await_connected()
        connection = rig.client._connection
        assert connection is not None
        paho = connection.paho
        assert {name for name in dir(paho) if name.startswith("on_") and getattr(paho, name)} == {*CALLBACKS, "on_connect_fail"}


def test_a_dead_thread_is_noticed() -> None:
    with ScriptedBroker() as broker, Rig(mqtt_settings(broker.port)) as rig:
        rig.await_connected()
        broker.send(b"\x20\x05\x00\x00\x02\xff\x00")  # CONNACK with a property that does not exist: paho raises, and its thread ends
        rig.store("dns")
        until(lambda: len(broker.levels) == 2, "a new connection", 20)
        rig.await_empty()


def test_a_dead_thread_does_not_end_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon ends when a thread of its own dies of what nobody expected; paho's is none of them."""
    dead: list[object] = []
    monkeypatch.setattr(threading, "excepthook", dead.append)
    with ScriptedBroker() as broker, Rig(mqtt_settings(broker.port), retry_s=(0.5, 0.5)) as rig:
        rig.await_connected()
        broker.send(b"\x20\x05\x00\x00\x02\xff\x00")
        until(lambda: len(broker.levels) == 2, "a new connection", 20)
        rig.await_connected()
    assert dead == []


def test_no_thread_and_no_socket_remain() -> None:
    def held() -> set[object]:
        """What is there by name, since a test before may leave things that go meanwhile."""
        descriptors = set()
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # the one that reads the folder
                descriptors.add((entry.name, entry.readlink()))
        return {*threading.enumerate(), *descriptors}

    before = held()
    with ScriptedBroker() as broker:
        for _ in range(5):
            seen = len(broker.levels)
            with Rig(mqtt_settings(broker.port), "dns") as rig:
                rig.await_connected()
                broker.drop()
                until(lambda seen=seen: len(broker.levels) >= seen + 2, "a second connection")
    until(lambda: held() <= before, f"no more threads and descriptors than {before}")
