"""Commands through a real mosquitto, with either protocol."""

import json
import shutil
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from equipment.broker import Broker, Subscriber
from equipment.mqtt_agent import Rig, mqtt_settings
from equipment.scripted_broker import ACCEPT, ScriptedBroker
from equipment.waiting import until
from pathwarden.mqtt.commands import CODES

CMD = "pw/box/cmd/"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as broker:
        yield broker


@pytest.fixture
def watch(broker: Broker) -> Iterator[Subscriber]:
    with broker.subscribe("#", "watch") as watch:
        yield watch


@pytest.fixture
def rig(broker: Broker, watch: Subscriber) -> Iterator[Rig]:  # noqa: ARG001 - `watch` comes first
    with Rig(mqtt_settings(broker.port), "dns") as rig:
        until(lambda: f"box 1 {CMD}#" in broker.log(), "it listens")
        yield rig


def say(broker: Broker, topic: str, payload: str = "", *options: str) -> None:
    program = shutil.which("mosquitto_pub")
    assert program
    where = ["-h", broker.bind, "-p", str(broker.port), "-q", "1", "-V", "5"]
    subprocess.run([program, *where, "-t", f"{CMD}{topic}", "-m", payload, *options], check=True, timeout=30)


def test_a_command_and_its_answer(broker: Broker, watch: Subscriber, rig: Rig) -> None:
    say(broker, "trace", json.dumps({"id": "a-1", "target": "dns"}))
    until(lambda: watch.messages("box/reply"), "the answer")
    answer = watch.messages("box/reply")[0]
    assert (answer.retain, answer.qos) == (False, 1)
    assert {key: answer.json[key] for key in ("id", "verb", "target", "ok", "code")} == {
        "id": "a-1",
        "verb": "trace",
        "target": "dns",
        "ok": True,
        "code": "ok",
    }
    assert rig.agent.wishes == [("trace", "dns")]


def test_the_answer_goes_where_the_asker_wants_it(broker: Broker, watch: Subscriber, rig: Rig) -> None:
    say(broker, "ping", "", "-D", "publish", "response-topic", "desk/7", "-D", "publish", "correlation-data", "c-7")
    until(lambda: watch.messages("desk/7"), "the answer")
    assert watch.messages("desk/7")[0].json["verb"] == "ping"
    assert not watch.messages("box/reply")
    assert rig.agent.wishes == []


def test_what_was_retained_is_not_obeyed(broker: Broker, watch: Subscriber, rig: Rig) -> None:
    say(broker, "trace/dns", "", "-r")  # retained while we listen; an empty one leaves nothing behind
    say(broker, "pause/dns", "{}", "-r")
    until(lambda: rig.publisher.snapshot()["commands"]["retained"] == 2, "both are counted")
    say(broker, "ping")
    until(lambda: watch.messages("box/reply"), "the answer to what was not retained")
    assert [answer.json["verb"] for answer in watch.messages("box/reply")] == ["ping"]
    assert rig.agent.wishes == []


def test_what_was_retained_before_is_not_even_sent(broker: Broker, watch: Subscriber) -> None:
    say(broker, "pause/dns", "{}", "-r")
    with Rig(mqtt_settings(broker.port), "dns") as rig:
        until(lambda: f"box 1 {CMD}#" in broker.log(), "it listens")
        say(broker, "ping")
        until(lambda: watch.messages("box/reply"), "the answer")
        assert rig.publisher.snapshot()["commands"] == {**dict.fromkeys(CODES, 0), "ok": 1}
        assert rig.agent.wishes == []


def test_what_is_too_long_is_not_even_sent_to_us(broker: Broker, watch: Subscriber, rig: Rig) -> None:
    say(broker, "trace/dns", "x" * 5000)
    until(lambda: watch.messages("box/reply"), "an answer")
    assert watch.messages("box/reply")[0].json["code"] == "too_large"
    say(broker, "trace/dns", "x" * 100_000)
    say(broker, "ping")
    until(lambda: len(watch.messages("box/reply")) == 2, "the answer to the last")
    assert watch.messages("box/reply")[1].json["verb"] == "ping"
    assert rig.publisher.snapshot()["commands"]["too_large"] == 1


def test_a_broker_that_does_not_let_us_listen() -> None:
    def suback(level: int) -> int:
        return 0x87 if level == 5 else 0x80

    line = "mqtt.username: the broker does not let us hear pw/box/cmd/#; check its access list"
    for connack in (ACCEPT.__getitem__, lambda level: bytes([0, 1]) if level == 5 else ACCEPT[4]):
        with ScriptedBroker(connack, suback=suback) as broker, Rig(mqtt_settings(broker.port)) as rig:
            rig.await_detail(line)
            rig.await_connected()  # all else goes on
            rig.await_detail(line)


def test_an_old_broker_brings_commands_too() -> None:
    with ScriptedBroker(lambda level: bytes([0, 1]) if level == 5 else ACCEPT[4]) as broker, Rig(mqtt_settings(broker.port), "dns") as rig:
        rig.await_connected()
        topic = f"{CMD}trace/dns".encode()
        body = len(topic).to_bytes(2, "big") + topic + b"PRESS"
        broker.send(bytes([0x30, len(body)]) + body)
        broker.send(bytes([0x31, len(body)]) + body)  # the same, retained
        until(lambda: rig.publisher.snapshot()["commands"]["retained"], "both came")
        until(lambda: [m.topic for m in broker.published if m.topic.endswith("/reply")] == ["pw/box/reply"], "one is answered")
        assert rig.agent.wishes == [("trace", "dns")]


@pytest.mark.parametrize("level", [4, 5])
def test_a_huge_command_is_refused_without_ever_being_in_memory(level: int) -> None:
    """With MQTT 3.1.1 nobody keeps it from us; a broker that minds our limit under MQTT 5 as little is treated alike."""
    huge, piece = 16 * 2**20, bytes(2**16)
    connack = ACCEPT.__getitem__ if level == 5 else lambda asked: bytes([0, 1]) if asked == 5 else ACCEPT[4]
    with ScriptedBroker(connack) as broker, Rig(mqtt_settings(broker.port), "dns") as rig:
        rig.await_connected()
        head = packet_head(f"{CMD}trace/dns", level, number=7, payload=huge)
        tracemalloc.start()
        try:
            broker.send(head, *[piece] * (huge // len(piece)))
            broker.send(packet_head(f"{CMD}ping", level, number=8, payload=0))
            until(lambda: 8 in broker.acknowledged, "both are acknowledged", 60)
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 4 * 2**20
        assert broker.acknowledged == [7, 8]
        until(lambda: len([m for m in broker.published if m.topic.endswith("/reply")]) == 2, "both are answered", 60)
        codes = [json.loads(m.payload)["code"] for m in broker.published if m.topic.endswith("/reply")]
        assert codes == ["too_large", "ok"]
        assert len(broker.levels) == 2 - (level == 5), "the connection held"
        assert rig.agent.wishes == []


def packet_head(topic: str, level: int, *, number: int, payload: int) -> bytes:
    """A PUBLISH of QoS 1 up to its payload, which has so many bytes (MQTT 3.1.1, section 3.3)."""
    head = len(topic).to_bytes(2, "big") + topic.encode() + number.to_bytes(2, "big") + (b"\0" if level == 5 else b"")
    left, length = len(head) + payload, bytearray()
    while True:
        left, low = left >> 7, left & 0x7F
        length.append(low | (0x80 if left else 0))
        if not left:
            return b"\x32" + bytes(length) + head
