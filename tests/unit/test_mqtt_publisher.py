"""The publisher's turns over a client in memory; no thread, no socket, and time is an argument."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from equipment import mixed
from equipment.fakes import FakeClock
from equipment.mqtt_agent import MemoryAgent, MemoryLedger, MemoryOutbox, mqtt_settings
from pathwarden.errors import OperatorError
from pathwarden.model.protocols import AsResult
from pathwarden.mqtt.announcing import Announcer
from pathwarden.mqtt.commands import CODES, Commands
from pathwarden.mqtt.connection import Answer, Heard
from pathwarden.mqtt.faults import Ending, explain
from pathwarden.mqtt.publisher import MqttPublisher
from pathwarden.mqtt.topics import topics

S = 1_000_000_000
TRACE = replace(mixed.trace(), target="a")


class MemoryLink:
    def __init__(self, wake: Callable[[], None], window: int = 20) -> None:
        self.settings = mqtt_settings(1883)
        self.wake = wake
        self.window = window
        self.session = 0
        self.protocol: str | None = None
        self.detail = ""
        self.faults = 0
        self.limit: int | None = None
        self.sent: list[tuple[int, str, bytes, bool]] = []
        self.answered: set[int] = set()
        self.answers: list[Answer] = []
        self.closed: bool | None = None
        self.heard: list[Heard] = []
        self.correlations: dict[str, bytes] = {}

    def up(self, session: int) -> None:
        self.session, self.protocol = session, "5" if session else None
        self.sent.clear()
        self.answered.clear()

    def answer_all(self, code: int = 0) -> None:
        for mid, *_message in self.sent:
            if mid not in self.answered:
                self.answered.add(mid)
                self.answers.append(Answer(self.session, mid, code))

    def tend(self, mono_ns: int) -> int:
        return mono_ns + 5 * S

    def publish(self, topic: str, payload: bytes, *, retain: bool, correlation: bytes | None = None, qos: int = 1) -> int | None:
        assert qos == int(not topic.endswith("/result"))
        if len(self.sent) - len(self.answered) >= self.window:
            return None
        if correlation is not None:
            self.correlations[topic] = correlation
        self.sent.append((len(self.sent) + 1, topic, payload, retain))
        return len(self.sent)

    def payload_limit(self, topic: str) -> int | None:
        assert topic.startswith(("pw/", "ha/"))
        return self.limit

    def take_answers(self) -> list[Answer]:
        answers, self.answers = self.answers, []
        return answers

    def take_heard(self) -> list[Heard]:
        heard, self.heard = self.heard, []
        return heard

    def close(self, *, farewell: bool) -> None:
        self.closed = farewell


class Bench:
    def __init__(self, *targets: str, prefix: str = "", as_result: AsResult | None = None) -> None:
        self.agent, self.outbox = MemoryAgent(*targets), MemoryOutbox()
        names = topics("pw", "box")
        self.ledger = MemoryLedger()
        outbox, commands = self.outbox, Commands(names, self.agent, FakeClock())
        announcer = Announcer(names, prefix, self.agent, self.ledger)
        ways = (outbox, outbox.acknowledge, outbox.fail)
        self.publisher = MqttPublisher(self._connect, names, self.agent, *ways, commands, announcer, as_result)
        self.now = 0

    def _connect(self, wake: Callable[[], None]) -> MemoryLink:
        self.link = MemoryLink(wake)
        return self.link

    def turn(self, after_s: float = 0) -> list[str]:
        """Topics sent in one turn, without the common beginning."""
        self.now += int(after_s * S)
        before = len(self.link.sent)
        self.next_ns = self.publisher.turn(self.now)
        return [topic.removeprefix("pw/box/") for _mid, topic, _payload, _retain in self.link.sent[before:]]

    def settle(self) -> list[str]:
        topics_sent: list[str] = []
        while sent := self.turn():
            topics_sent += sent
            self.link.answer_all()
        return topics_sent

    def payload(self, topic: str) -> Any:
        return json.loads(next(payload for _mid, name, payload, _retain in reversed(self.link.sent) if name == f"pw/box/{topic}"))


@pytest.fixture
def bench() -> Bench:
    return Bench("a", "b")


GREETING = ["status", "info", "target/a/state", "target/a/path", "target/b/state", "target/b/path"]


def test_a_connection_is_told_everything_then_the_outbox(bench: Bench) -> None:
    bench.outbox.store("a")
    bench.outbox.store("")
    bench.link.up(1)
    assert bench.settle() == [*GREETING, "target/a/event", "event"]
    assert [retain for *_rest, retain in bench.link.sent] == [True] * 6 + [False] * 2
    assert bench.outbox.acknowledged == [1, 2]


def test_nothing_is_sent_and_nothing_piles_up_without_a_connection(bench: Bench) -> None:
    for round_ in range(1000):
        bench.publisher.state_changed(f"t{round_ % 3}")
        bench.publisher.event_stored()
        assert bench.turn() == []
    assert not bench.publisher._notes
    assert not bench.publisher._due


def test_state_after_each_round_and_path_when_it_differs(bench: Bench) -> None:
    bench.link.up(1)
    bench.settle()
    bench.agent.rounds = 1
    bench.publisher.state_changed("a")
    assert bench.settle() == ["target/a/state"]
    assert bench.payload("target/a/state")["rounds"] == 1
    bench.agent.hops.append(["203.0.113.9"])
    bench.publisher.state_changed("a")
    assert bench.settle() == ["target/a/state", "target/a/path"]
    assert bench.payload("target/a/path")["hops"][-1] == ["203.0.113.9"]


def test_whose_hops_are_is_told_with_the_next_round_once_however_many_answers_came(bench: Bench) -> None:
    bench.link.up(1)
    bench.settle()
    for name in ("AS64500", "AS64500 Example Net"):
        bench.agent.network = name
        bench.settle()
    assert "target/a/path" not in bench.settle()
    for _round in range(2):
        bench.publisher.state_changed("a")
    assert bench.settle() == ["target/a/state", "target/a/path"]
    assert bench.payload("target/a/path")["network"] == "AS64500 Example Net"
    bench.publisher.state_changed("a")
    assert bench.settle() == ["target/a/state"]


def test_many_changes_are_one_message_and_the_newest(bench: Bench) -> None:
    bench.link.up(1)
    bench.settle()
    for bench.agent.rounds in range(1, 51):
        bench.publisher.state_changed("b")
    assert bench.settle() == ["target/b/state"]
    assert bench.payload("target/b/state")["rounds"] == 50


def test_an_unknown_target_is_passed_over(bench: Bench) -> None:
    bench.link.up(1)
    bench.settle()
    bench.publisher.state_changed("gone")
    assert bench.settle() == []


def test_info_every_minute_and_on_change(bench: Bench) -> None:
    bench.link.up(1)
    bench.settle()
    assert bench.turn(59.9) == []
    assert bench.next_ns == 60 * S
    assert bench.turn(0.1) == ["info"]
    bench.publisher.info_changed()
    assert bench.turn(1) == ["info"]
    assert bench.turn(59) == []
    assert bench.turn(1) == ["info"]


def test_window_is_respected_and_answers_go_on(bench: Bench) -> None:
    bench.link.window = 3
    for _ in range(5):
        bench.outbox.store("a")
    bench.link.up(1)
    assert len(bench.turn()) == 3
    assert bench.turn() == []
    assert bench.next_ns > bench.now, "no busy loop while the window is full"
    bench.link.answer_all()
    bench.settle()
    assert bench.outbox.acknowledged == [1, 2, 3, 4, 5]


def test_a_due_retry_with_a_full_window_is_no_busy_loop(bench: Bench) -> None:
    bench.outbox.store("a")
    bench.link.up(1)
    bench.turn()
    bench.link.answer_all(0x97)
    bench.turn()
    bench.link.window = 0
    assert bench.turn(2) == []
    assert bench.next_ns > bench.now


def test_answers_of_an_old_connection_do_not_count(bench: Bench) -> None:
    bench.outbox.store("a")
    bench.link.up(1)
    bench.turn()
    bench.link.answer_all()
    late, bench.link.answers = bench.link.answers, []
    bench.link.up(2)
    bench.turn()
    bench.link.answers = late
    bench.turn()
    assert bench.outbox.acknowledged == []
    assert bench.publisher.snapshot()["published"] == 0


def test_a_new_connection_is_told_all_again_and_delayed_is_true(bench: Bench) -> None:
    bench.link.up(1)
    bench.settle()
    bench.outbox.store("a")
    bench.publisher.event_stored()
    assert bench.turn() == ["target/a/event"]
    assert bench.payload("target/a/event")["delayed"] is False
    bench.link.up(0)
    assert bench.turn() == []
    bench.link.up(2)
    assert sorted(bench.turn()) == sorted([*GREETING, "target/a/event"])
    assert bench.payload("target/a/event")["delayed"] is True


@pytest.mark.parametrize(("code", "reason"), [(0x87, "not_authorized"), (0x97, "quota_exceeded"), (0xC1, "0xc1")])
def test_refusals_are_counted_and_tried_again(bench: Bench, code: int, reason: str) -> None:
    bench.link.up(1)
    bench.settle()
    bench.outbox.store("a")
    bench.publisher.event_stored()
    bench.turn()
    bench.link.answer_all(code)
    assert bench.turn() == []
    assert bench.publisher.snapshot()["failed"] == {reason: 1}
    assert bench.next_ns == bench.now + S
    assert bench.turn(1) == ["target/a/event"]
    bench.link.answer_all()
    bench.turn()
    assert bench.outbox.acknowledged == [1]


def test_a_topic_that_may_not_be_written_is_named_until_it_may(bench: Bench) -> None:
    bench.link.up(1)
    bench.settle()
    bench.agent.rounds = 1
    bench.publisher.state_changed("a")
    bench.turn()
    bench.link.answer_all(0x87)
    bench.turn()
    assert (
        bench.publisher.snapshot()["detail"] == "mqtt.username: the broker refuses messages to pw/box/target/a/state; check its access list"
    )
    bench.publisher.state_changed("a")
    bench.settle()
    assert bench.publisher.snapshot()["detail"] == ""


def test_a_refused_path_is_sent_again_with_the_next_round(bench: Bench) -> None:
    bench.link.up(1)
    bench.turn()
    bench.link.answer_all(0x97)
    bench.turn()
    bench.publisher.state_changed("a")
    assert bench.settle() == ["target/a/state", "target/a/path"]


def test_failed_rows_are_counted_once(bench: Bench) -> None:
    bench.outbox.store("a")
    bench.link.up(1)
    bench.turn()
    bench.link.answers = [Answer(1, mid, 0x99 if topic.endswith("/event") else 0) for mid, topic, *_rest in bench.link.sent]
    bench.link.answered = {mid for mid, *_rest in bench.link.sent}
    bench.turn()
    assert bench.outbox.failed == [(1, "payload_format_invalid")]
    assert bench.publisher.snapshot()["failed"] == {"payload_format_invalid": 1}


def test_payloads_keep_to_eight_kib_and_to_the_brokers_limit(bench: Bench) -> None:
    hops = [{"ttl": ttl, "name": "n" * 90} for ttl in range(1, 200)]
    bench.outbox.store("a", first_diff_ttl=50, last_diff_ttl=60, old={"hops": hops}, new={"hops": hops})
    bench.outbox.store("b", message="x" * 900)
    bench.outbox.store("b", message="y")
    bench.link.up(1)
    bench.settle()
    event = bench.payload("target/a/event")
    assert event["truncated"] is True
    assert [hop["ttl"] for hop in event["new"]["hops"]] == list(range(48, 63))
    assert all(len(payload) <= 8192 for _mid, _topic, payload, _retain in bench.link.sent)

    bench.outbox.store("b", message="x" * 900)
    bench.outbox.store("b", message="y")
    bench.link.limit = 600
    bench.publisher.event_stored()
    bench.settle()
    assert bench.outbox.failed == [(4, "packet_too_large")]
    assert bench.payload("target/b/event")["message"] == "y"


def test_a_history_that_cannot_be_read_is_said_once(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles = iter(["it is gone", "it is gone", "it is damaged", "", "it is damaged"])

    def turn(_mono_ns: int) -> int:
        if trouble := next(troubles):
            raise OperatorError(trouble)
        return 0

    monkeypatch.setattr(bench.publisher, "turn", turn)
    for _ in range(5):
        bench.publisher._try_turn(0)
    assert caplog.messages == ["it is gone", "it is damaged", "it is damaged"]


def test_snapshot_has_every_key(bench: Bench) -> None:
    bench.outbox.store("a")
    bench.link.detail = "mqtt.host: x"
    assert bench.publisher.snapshot() == {
        "enabled": True,
        "connected": False,
        "protocol": None,
        "host": "127.0.0.1",
        "port": 1883,
        "published": 0,
        "failed": {},
        "faults": 0,
        "commands": dict.fromkeys(CODES, 0),
        "detail": "mqtt.host: x",
    }
    bench.link.detail = ""
    bench.link.up(1)
    bench.settle()
    snapshot = bench.publisher.snapshot()
    assert (snapshot["connected"], snapshot["protocol"], snapshot["published"]) == (True, "5", 7)


def test_a_command_is_answered_before_anything_else(bench: Bench) -> None:
    bench.now = 1000 * S
    bench.link.up(1)
    bench.link.heard = [
        Heard("pw/box/cmd/ping", b"", retain=False, response_topic="asker/here", correlation=b"7"),
        Heard("pw/box/cmd/trace/a", b"PRESS", retain=False),
        Heard("pw/box/cmd/trace/a", b"PRESS", retain=True),
    ]
    assert bench.turn()[:3] == ["asker/here", "reply", "status"]
    assert bench.link.correlations == {"asker/here": b"7"}
    assert bench.agent.wishes == [("trace", "a")]
    assert [retain for *_rest, retain in bench.link.sent[:2]] == [False, False]
    bench.link.answers = [Answer(1, 1, 0x87)]  # the asker wants his answer where we may not write
    bench.turn()
    assert bench.publisher.snapshot()["detail"] == ""
    assert bench.publisher.snapshot()["failed"] == {"not_authorized": 1}


def test_answers_wait_for_room_and_die_with_the_connection(bench: Bench) -> None:
    bench.now = 1000 * S
    bench.link.up(1)
    bench.settle()
    bench.link.window = len(bench.link.sent) - len(bench.link.answered)
    bench.link.heard = [Heard("pw/box/cmd/ping", b"", retain=False)]
    assert bench.turn() == []
    bench.link.window = 20
    assert bench.turn() == ["reply"]
    bench.link.window = 0
    bench.link.heard = [Heard("pw/box/cmd/ping", b"", retain=False)]
    bench.turn()
    bench.link.up(2)
    bench.link.window = 20
    assert "reply" not in bench.settle()


def test_devices_are_told_at_each_connection_and_birth() -> None:
    bench = Bench("a", "b", prefix="ha")
    devices = [f"ha/device/pathwarden_box{tid}/config" for tid in ("", "_a", "_b")]
    bench.link.up(1)
    assert bench.settle() == ["status", "info", *devices, *GREETING[2:]]
    assert all(retain for *_rest, retain in bench.link.sent)
    bench.link.heard = [Heard("ha/status", b"online", retain=False)] * 3
    assert bench.turn() == []
    assert bench.next_ns <= bench.now + 5 * S
    assert bench.turn(5) == ["status", "info", *devices, *GREETING[2:]]
    assert bench.publisher.snapshot()["commands"] == dict.fromkeys(CODES, 0)


def test_what_is_ours_no_more_is_emptied_until_the_broker_has_it(bench: Bench) -> None:
    bench.ledger.stale = ["pw/old/status", "pw/box/target/x/state"]
    bench.link.up(1)
    sent = []
    while topics_sent := bench.turn():
        sent += topics_sent
        bench.link.answer_all(0x97)
    assert sent[-2:] == ["pw/old/status", "target/x/state"]
    assert [(payload, retain) for _mid, _topic, payload, retain in bench.link.sent[-2:]] == [(b"", True)] * 2
    assert len(bench.ledger.stale) == 2, "refused, so again with the next connection"
    bench.link.up(2)
    bench.settle()
    assert bench.ledger.stale == []


def test_the_text_of_each_ending() -> None:
    quiet = Ending(up=False, refusal=None, reason=None, error=None, fault="", clash=False)
    lines = {
        quiet: "mqtt.port: b:1883 hangs up without an MQTT answer; check mqtt.host and mqtt.port, and mqtt.tls if it speaks TLS",
        quiet._replace(refusal=0x86): "mqtt.username: the broker refuses the sign-in; check mqtt.username and mqtt.password_file",
        quiet._replace(refusal=0x8A): "mqtt.host: the broker refuses the connection (banned); look at the broker's log",
        quiet._replace(refusal=0xFE): "mqtt.host: the broker refuses the connection (reason 0xfe); look at the broker's log",
        quiet._replace(up=True): "mqtt.host: the connection to b:1883 was lost; trying again",
        quiet._replace(up=True, reason=0x8B): "mqtt.host: the broker ended the connection (server shutting down); look at the broker's log",
        quiet._replace(up=True, reason=0x8E): "agent.name: another client uses the id pathwarden-x; give each agent its own agent.name",
        quiet._replace(up=True, clash=True): (
            "agent.name: perhaps another client uses the id pathwarden-x: the broker ends each connection soon; check agent.name"
        ),
        quiet._replace(fault="ValueError: 7"): "mqtt: internal fault (ValueError: 7); please report it",
        quiet._replace(error=TimeoutError("timed out")): "mqtt.host: b:1883 is out of reach (timed out); check mqtt.host and the network",
    }
    for ending, line in lines.items():
        assert explain(ending, "b", 1883, "pathwarden-x") == line


def test_paho_is_not_imported_before_a_connection_is_opened() -> None:
    code = "import sys, pathwarden.mqtt.publisher, pathwarden.mqtt.client; print([name for name in sys.modules if name.startswith('paho')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_results_go_last_and_only_while_there_is_a_connection() -> None:
    bench = Bench("a", as_result=lambda trace: {"at": trace.at})
    bench.publisher.traced(TRACE)
    bench.link.up(1)
    assert bench.settle() == GREETING[:4]
    bench.outbox.store("a")
    bench.publisher.event_stored()
    bench.publisher.traced(TRACE)
    assert bench.settle() == ["target/a/event", "target/a/result"]
    assert bench.payload("target/a/result") == {"at": TRACE.at}
    assert [retain for *_rest, retain in bench.link.sent[-1:]] == [False]


def test_results_that_cannot_be_made_are_a_word_to_the_owner() -> None:
    bench = Bench("a")
    assert bench.publisher.snapshot()["detail"] == ""
    bench.link.settings = mqtt_settings(1883, publish_results=True)
    assert bench.publisher.snapshot()["detail"] == "mqtt.publish_results: what writes results is not installed; install pathwarden-tools"
