"""The publisher against a real mosquitto."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from equipment.broker import Broker
from equipment.mqtt_agent import Rig, mqtt_settings
from equipment.waiting import until

ANY = "pw/#"
TESTS = Path(__file__).parent.parent


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path, persistent=True) as broker:
        yield broker


def test_retained_topics_and_a_clean_end(broker: Broker) -> None:
    with broker.subscribe(ANY, "watch") as watch, Rig(mqtt_settings(broker.port), "dns") as rig:
        until(lambda: watch.messages("/info"), "info has come")
        until(lambda: watch.messages("/path"), "path has come")
        with broker.subscribe(ANY, "late") as late:
            until(lambda: len(late.messages()) == 4, "four retained messages")
            assert {message.topic for message in late.messages()} == {
                "pw/box/status",
                "pw/box/info",
                "pw/box/target/dns/state",
                "pw/box/target/dns/path",
            }
            assert all(message.retain and message.qos == 1 for message in late.messages())
            assert late.messages("/state")[0].json["name"] == "Wohnung 東京"
            assert late.payloads("/status") == ["online"]
            rig.agent.rounds = 7
            rig.publisher.state_changed("dns")
            until(lambda: len(late.messages("/state")) == 2, "a state after the round")
            assert late.messages("/state")[1].json["rounds"] == 7
            assert rig.publisher.snapshot()["protocol"] == "5"
            rig.publisher.stop()
            until(lambda: late.payloads("/status") == ["online", "offline"], "offline")
    assert not watch.messages("/event")
    until(lambda: broker.log().count("Client pathwarden-box disconnected.") == 1, "a farewell, not a loss")


def test_a_killed_agent_is_offline_by_its_will(broker: Broker) -> None:
    code = (
        "import sys, threading; from equipment.mqtt_agent import Rig, mqtt_settings\n"
        "with Rig(mqtt_settings(int(sys.argv[1])), 'dns') as rig: rig.await_connected(); threading.Event().wait()"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(broker.port)], env={**os.environ, "PYTHONPATH": str(TESTS)})
    with broker.subscribe("pw/box/status", "watch") as watch:
        until(lambda: watch.payloads("/status")[-1:] == ["online"], "online", 20)
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        until(lambda: watch.payloads("/status")[-1:] == ["offline"], "offline")
    with broker.subscribe("pw/box/status", "late") as late:
        until(late.messages, "the status is retained")
        assert late.messages()[0].payload == "offline"
        assert late.messages()[0].retain


def test_events_once_in_order_not_retained(broker: Broker) -> None:
    with broker.subscribe(ANY, "watch") as watch, Rig(mqtt_settings(broker.port), "dns", "web") as rig:
        rig.await_connected()
        rows = [rig.store(("dns", "web", "")[number % 3], number=number) for number in range(60)]
        rig.await_empty()
        until(lambda: len(watch.messages("/event")) == 60, "60 events")
        got = watch.messages("/event")
        for tid, topic in (("dns", "pw/box/target/dns/event"), ("web", "pw/box/target/web/event"), ("", "pw/box/event")):
            assert [m.json["event_id"] for m in got if m.topic == topic] == [row.event_id for row in rows if row.target == tid]
        assert all(m.qos == 1 and not m.retain and m.json["delayed"] is False for m in got)
        assert sorted(rig.outbox.acknowledged) == [row.seq for row in rows]
        with broker.subscribe(ANY, "late") as late:
            until(lambda: len(late.messages()) >= 6, "retained messages")
            assert not late.messages("/event")


def test_nobody_subscribes_and_the_event_is_done(broker: Broker) -> None:
    with Rig(mqtt_settings(broker.port)) as rig:
        rig.store("dns")
        rig.await_empty()
        assert rig.publisher.snapshot()["failed"] == {}


def test_fifty_events_while_the_broker_is_away(broker: Broker) -> None:
    with broker.subscribe(ANY, "watch") as watch, Rig(mqtt_settings(broker.port), "dns") as rig:
        rig.await_connected()
        rig.store("dns", number=-1)
        rig.await_empty()
        until(lambda: "Received PUBACK from watch" in broker.log(), "else the broker sends it to the subscriber again")
        until(lambda: broker.log().count("Received PUBACK from watch") == broker.log().count("Sending PUBLISH to watch"), "all is quiet")
        broker.stop()
        rig.await_detail("nothing listens on 127.0.0.1")
        assert rig.publisher.snapshot()["connected"] is False
        rows = [rig.store("dns", number=number) for number in range(50)]
        assert len(rig.outbox) == 50
        broker.start()
        rig.await_empty()
        rig.store("dns", number=50)
        until(lambda: len(watch.messages("/event")) >= 52, "all events")
        events = [message.json for message in watch.messages("/event")]
        assert [event["number"] for event in events] == list(range(-1, 51))
        assert [event["event_id"] for event in events[1:51]] == [row.event_id for row in rows]
        assert [event["delayed"] for event in events] == [False] + [True] * 50 + [False]
        assert rig.publisher.snapshot()["detail"] == ""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_restarts_in_mid_stream_lose_nothing(broker: Broker, seed: int) -> None:
    print("seed", seed)
    rng = random.Random(seed)
    targets = ["a", "b", "c"]
    with broker.subscribe("pw/box/target/+/event", "watch") as watch, Rig(mqtt_settings(broker.port), *targets) as rig:
        rig.await_connected()
        stored: list[str] = []
        done = threading.Event()

        def produce() -> None:
            pause = threading.Event()
            while not done.is_set():
                stored.append(rig.store(rng.choice(targets), number=len(stored)).event_id)
                pause.wait(0.001)

        producer = threading.Thread(target=produce)
        producer.start()
        try:
            for _ in range(5):
                goal = len(rig.outbox.acknowledged) + rng.randrange(1, 40)
                until(lambda goal=goal: len(rig.outbox.acknowledged) >= goal, "events flow")
                broker.restart()
        finally:
            done.set()
            producer.join()
        rig.await_empty()
        want = set(stored)
        until(lambda: {message.json["event_id"] for message in watch.messages()} >= want, "every event has come", 20)
        got = [message.json for message in watch.messages()]
        assert {event["event_id"] for event in got} == want
        numbers = {event["event_id"]: event["number"] for event in got}
        assert all(numbers[event["event_id"]] == event["number"] for event in got), "equal id, equal event"
        for target in targets:
            first: dict[str, int] = {}
            for message in watch.messages(f"/{target}/event"):
                first.setdefault(message.json["event_id"], message.json["seq"])
            assert list(first.values()) == sorted(first.values()), "first arrivals keep their order"
        twice = [event_id for event_id, times in Counter(event["event_id"] for event in got).items() if times > 1]
        assert len(twice) <= 5 * 20, "at most what was in flight at each restart"


def test_wrong_password_and_its_mending(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    with Broker(tmp_path, users={"box": "right"}, allow_anonymous=False) as broker:
        settings = mqtt_settings(broker.port, username="box", password_file=str(secret))
        with Rig(settings, "dns") as rig:
            rig.store("dns")
            rig.await_detail("mqtt.username: the broker refuses the sign-in; check mqtt.username and mqtt.password_file")
            assert rig.publisher.snapshot()["connected"] is False
            secret.unlink()
            rig.await_detail(f"mqtt.password_file: {secret} cannot be read (No such file or directory); check mqtt.password_file")
            secret.write_text("right\n")
            secret.chmod(0o644)
            rig.await_detail(f"mqtt.password_file: {secret} is readable by everyone; chmod 600 {secret}")
            secret.chmod(0o600)
            rig.await_empty()
            assert rig.publisher.snapshot()["connected"] is True
            assert rig.publisher.snapshot()["detail"] == ""


def test_two_clients_with_one_id(broker: Broker) -> None:
    slow = (0.2, 1.0)
    with Rig(mqtt_settings(broker.port), "a", retry_s=slow) as one:
        one.await_connected()
        with Rig(mqtt_settings(broker.port), "a", retry_s=slow) as two:
            for rig in (one, two):
                until(
                    lambda rig=rig: "another client uses the id pathwarden-box" in rig.publisher.snapshot()["detail"],
                    "the clash is named",
                    30,
                )


def test_refused_topics_are_told_apart(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic write pw/box/status\ntopic write pw/box/target/good/#\ntopic read #\n")
    with Broker(tmp_path, extra=f"acl_file {acl}") as broker, broker.subscribe(ANY, "watch") as watch:
        rig = Rig(mqtt_settings(broker.port), "good", "bad")
        with rig:
            rig.store("bad")
            rig.store("good")
            until(lambda: rig.outbox.acknowledged == [2], "the event that may be published is done")
            until(lambda: watch.messages("/good/event"), "and has come")
            until(lambda: "not_authorized" in rig.publisher.snapshot()["failed"], "the refusal is counted")
            assert "check its access list" in str(rig.publisher.snapshot()["detail"])
            acl.write_text("topic readwrite #\n")
            broker.restart()
            rig.await_empty()
            until(lambda: rig.publisher.snapshot()["detail"] == "", "the line goes when the cause has gone")


def test_the_brokers_own_limits(tmp_path: Path) -> None:
    with Broker(tmp_path, extra="max_inflight_messages 3\nmax_packet_size 700") as broker, broker.subscribe(ANY, "watch") as watch:
        rig = Rig(mqtt_settings(broker.port), *(f"t{number}" for number in range(30)))
        with rig:
            for number in range(30):
                rig.store(f"t{number}")
            rig.store("t0", message="x" * 900)
            rig.store("t0", hops=["h" * 30] * 40)
            rig.await_empty()
            assert rig.outbox.failed == [(31, "packet_too_large")]
            until(lambda: len(watch.messages("/event")) == 31, "31 events")
            assert watch.messages("/t0/event")[1].json["truncated"] is True
            assert "disconnected due to" not in broker.log()


def test_a_broker_that_stands_still_does_not_hold_up_the_end(broker: Broker) -> None:
    with Rig(mqtt_settings(broker.port), "a") as rig:
        rig.await_connected()
        until(lambda: not rig.publisher._topic_of, "all is answered")
        broker.pause()
        began = time.monotonic()
        rig.publisher.stop()
        assert 1.9 < time.monotonic() - began < 15  # not the keepalive's minute
        broker.resume()
        with broker.subscribe("pw/box/status", "late") as late:
            until(lambda: late.payloads("/status")[-1:] == ["offline"], "offline")


def test_in_a_namespace(tmp_path: Path) -> None:
    ns = f"pwb{os.getpid()}"
    subprocess.run(["ip", "netns", "add", ns], check=True)
    try:
        subprocess.run(["ip", "-n", ns, "link", "set", "lo", "up"], check=True)
        with Broker(tmp_path, ns=ns) as broker, broker.subscribe("pw/box/status", "watch") as watch:
            code = "from equipment.mqtt_agent import Rig, mqtt_settings\nwith Rig(mqtt_settings(1883)) as rig: rig.await_connected()"
            command = ["ip", "netns", "exec", ns, sys.executable, "-c", code]
            subprocess.run(command, check=True, timeout=30, env={**os.environ, "PYTHONPATH": str(TESTS)})
            until(lambda: watch.payloads("/status") == ["online", "offline"], "online, offline")
    finally:
        subprocess.run(["ip", "netns", "del", ns], check=True)
