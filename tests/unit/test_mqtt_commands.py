"""Commands: what each does, and the stable code of every answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.fakes import FakeClock
from equipment.mqtt_agent import MemoryAgent
from pathwarden.mqtt.commands import _BURST, CODES, Commands, Reply
from pathwarden.mqtt.connection import Heard
from pathwarden.mqtt.payload import encode
from pathwarden.mqtt.topics import topics

S = 1_000_000_000
NAMES = topics("pw", "box")
KEYS = {"v", "clock_synced", "ts", "agent", "id", "verb", "target", "ok", "code", "detail"}


class Desk:
    def __init__(self) -> None:
        self.agent = MemoryAgent("dns", "web")
        self.agent.unwatched = {"web"}
        self.commands = Commands(NAMES, self.agent, FakeClock())
        self.now = 0

    def hear(self, topic: str, payload: bytes | None = b"", *, retain: bool = False, **more: Any) -> Reply | None:
        self.now += S
        return self.commands.answer(Heard(f"pw/box/cmd/{topic}", payload, retain, **more), self.now)

    def say(self, topic: str, **members: Any) -> dict[str, Any]:
        reply = self.hear(topic, json.dumps(members).encode())
        assert reply is not None
        assert reply.body.keys() == KEYS
        return reply.body


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("verb", "members", "wish"),
    [
        ("trace", {}, "trace"),
        ("pause", {}, "pause"),
        ("resume", {}, "resume"),
        ("mute", {"for_s": 3600}, "mute 3600"),
        ("mute", {"for_s": 0}, "mute 0"),
        ("accept_path", {}, "accept_path"),
    ],
)
def test_what_each_does(desk: Desk, verb: str, members: dict[str, Any], wish: str) -> None:
    body = desk.say(verb, id="x-1", target="dns", **members)
    assert (body["ok"], body["code"], body["detail"]) == (True, "ok", None)
    assert (body["id"], body["verb"], body["target"], body["agent"], body["v"]) == ("x-1", verb, "dns", "box", 1)
    assert desk.agent.wishes == [(wish, "dns")]
    assert desk.commands.counts["ok"] == 1


def test_ping_wants_no_target(desk: Desk) -> None:
    body = desk.say("ping", id=17)
    assert (body["ok"], body["id"], body["target"]) == (True, 17, None)
    assert desk.agent.wishes == []


@pytest.mark.parametrize("payload", [b"", b"PRESS", b"{}", b'{"target": "dns"}'])
def test_a_button(desk: Desk, payload: bytes) -> None:
    reply = desk.hear("trace/dns", payload)
    assert reply is not None
    assert reply.body["ok"]
    assert reply.topic == "pw/box/reply"
    assert desk.agent.wishes == [("trace", "dns")]


@pytest.mark.parametrize(
    ("topic", "payload", "code"),
    [
        ("trace/dns", None, "too_large"),
        ("trace/dns", b"\xff\xfe", "bad_encoding"),
        ("trace", b"{", "bad_json"),
        ("trace", b"[" * 1000, "bad_json"),
        ("trace", b"7", "bad_json"),
        ("trace", b'["dns"]', "bad_json"),
        ("trace", b"1" * 1000, "bad_json"),
        ("trace", b'{"target": 7}', "bad_parameter"),
        ("trace/dns", b'{"target": "web"}', "bad_parameter"),
        ("trace/dns", b'{"colour": 1}', "bad_parameter"),
        ("trace/dns", b'{"for_s": 1}', "bad_parameter"),
        ("trace/dns", b'{"id": {}}', "bad_parameter"),
        ("trace/dns", b'{"id": 1.5}', "bad_parameter"),
        ("trace/dns", b'{"id": "' + b"x" * 65 + b'"}', "bad_parameter"),
        ("mute/dns", b"", "bad_parameter"),
        ("mute/dns", b'{"for_s": true}', "bad_parameter"),
        ("mute/dns", b'{"for_s": -1}', "bad_parameter"),
        ("mute/dns", b'{"for_s": 2592001}', "bad_parameter"),
        ("reboot/dns", b"", "unknown_verb"),
        ("", b"", "unknown_verb"),
        ("trace", b"", "unknown_target"),
        ("trace/other", b"", "unknown_target"),
        ("trace/dns/more", b"", "unknown_target"),
        ("trace/web", b"", "not_watched"),
        ("accept_path/web", b"", "no_path"),
    ],
)
def test_what_is_wrong_has_a_code(desk: Desk, topic: str, payload: bytes | None, code: str) -> None:
    reply = desk.hear(topic, payload)
    assert reply is not None
    assert (reply.body["ok"], reply.body["code"]) == (False, code)
    assert reply.body.keys() == KEYS
    assert desk.commands.counts[code] == 1
    assert not [tid for _what, tid in desk.agent.wishes if tid == "dns"]


def test_a_wrong_target_is_named_and_the_id_given_back(desk: Desk) -> None:
    body = desk.say("trace", id=1, target="x" * 100)
    assert (body["id"], body["target"], body["code"]) == (1, "x" * 32, "unknown_target")


def test_a_retained_command_is_silently_passed_over(desk: Desk) -> None:
    assert desk.hear("trace/dns", retain=True) is None
    assert desk.agent.wishes == []
    assert desk.commands.counts["retained"] == 1


def test_a_flood_is_answered_once(desk: Desk) -> None:
    heard = Heard("pw/box/cmd/trace/dns", b"", retain=False)
    desk.now = 1000 * S
    replies = [reply for _ in range(500) if (reply := desk.commands.answer(heard, desk.now))]
    assert [reply.body["code"] for reply in replies] == ["ok"] * _BURST + ["rate_limited"]
    assert len(desk.agent.wishes) == _BURST
    assert desk.commands.counts["rate_limited"] == 500 - _BURST
    assert desk.hear("ping") is not None, "after a second there is room again"


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        ("asker/7", "asker/7"),
        ("", "pw/box/reply"),
        ("a/#", "pw/box/reply"),
        ("$SYS/x", "pw/box/reply"),
        ("pw/box/target/dns/state", "pw/box/reply"),
        ("pw/box", "pw/box/reply"),
        ("pw/boxes", "pw/boxes"),
        ("x" * 200, "pw/box/reply"),
    ],
)
def test_the_asker_may_say_where(desk: Desk, asked: str, used: str) -> None:
    reply = desk.hear("ping", response_topic=asked, correlation=b"\x00\xff")
    assert reply is not None
    assert (reply.topic, reply.correlation) == (used, b"\x00\xff")


# Half a surrogate pair is what JSON can say and UTF-8 cannot carry: its answer once ended the agent.
HALF = st.builds(
    lambda name, text: json.dumps({name: text}).encode(),
    st.sampled_from(["id", "target", "for_s", "\ud800"]),
    st.text(st.characters(categories=["Cs", "L"]), max_size=8),
)


@given(st.text(max_size=20) | st.sampled_from(["ping", "mute/dns", "add/x"]), st.binary(max_size=200) | HALF, st.booleans())
def test_whatever_comes_gives_an_answer_or_silence(topic: str, payload: bytes, retain: bool) -> None:
    reply = Desk().hear(topic, payload, retain=retain)
    assert (reply is None) == retain
    if reply:
        assert reply.body["code"] in CODES
        assert json.loads(encode(reply.body)) == reply.body


@pytest.mark.parametrize(
    "payload",
    [
        b'{"id": "\\ud800"}',
        b'{"target": "\\udfff", "for_s": 1}',
        b'{"\\ud83d": 1}',
    ],
)
@pytest.mark.parametrize("verb", ["ping", "mute", "trace", "add", "remove"])
def test_half_a_surrogate_pair_gets_an_answer(desk: Desk, verb: str, payload: bytes) -> None:
    reply = desk.hear(verb, payload)
    assert reply is not None
    assert json.loads(encode(reply.body)) == reply.body


class Adding:
    """Takes every target but `no`, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str] | None]] = []

    def add(self, tid: str, options: dict[str, str]) -> tuple[str, str]:
        self.asked.append((tid, options))
        return ("bad_parameter", "host: is missing") if tid == "no" else ("ok", "")

    def remove(self, tid: str) -> tuple[str, str]:
        self.asked.append((tid, None))
        return ("not_added", "") if tid == "no" else ("ok", "")


@pytest.fixture
def adding(desk: Desk) -> Adding:
    adding = Adding()
    desk.commands = Commands(NAMES, desk.agent, FakeClock(), adding)
    return adding


def test_a_target_is_added_with_options_as_the_configuration_writes_them(desk: Desk, adding: Adding) -> None:
    body = desk.say("add", id=1, target="office", host="192.0.2.7", interval_s=60, wait_s=1.5, enabled=True, label="Büro")
    assert (body["ok"], body["code"], body["target"], body["verb"]) == (True, "ok", "office", "add")
    assert adding.asked == [("office", {"host": "192.0.2.7", "interval_s": "60", "wait_s": "1.5", "enabled": "1", "label": "Büro"})]
    assert desk.say("remove/office")["ok"]
    assert adding.asked[1:] == [("office", None)]


@pytest.mark.parametrize(
    ("topic", "members", "code", "detail"),
    [
        ("add/no", {}, "bad_parameter", "host: is missing"),
        ("remove/no", {}, "not_added", CODES["not_added"]),
        ("remove/office", {"host": "192.0.2.7"}, "bad_parameter", "there is no parameter 'host' here"),
        ("add/office", {"host": ["192.0.2.7"]}, "bad_parameter", "host must be a text, a number, true or false"),
        ("add/office", {"host": None}, "bad_parameter", "host must be a text, a number, true or false"),
        ("add/office", {"host": "x" * 254}, "bad_parameter", "host must be a text, a number, true or false"),
        ("add/office", {"queries": 10**300}, "bad_parameter", "queries must be a text, a number, true or false"),
        ("add/office", {"x" * 33: 1}, "bad_parameter", f"there is no option {'x' * 32!r}"),
    ],
)
def test_what_cannot_be_added(desk: Desk, adding: Adding, topic: str, members: dict[str, Any], code: str, detail: str) -> None:
    body = desk.say(topic, **members)
    assert (body["ok"], body["code"], body["detail"]) == (False, code, detail)
    assert all(tid == "no" for tid, _options in adding.asked)


@pytest.mark.parametrize("verb", ["add", "remove"])
def test_nobody_adds_where_nobody_allowed_it(desk: Desk, verb: str) -> None:
    assert desk.say(verb, target="dns")["code"] == "not_allowed"


def test_a_missing_target_is_told_as_missing(desk: Desk) -> None:
    body = desk.say("trace", id=1)
    assert (body["code"], body["detail"]) == ("unknown_target", "'target' is missing")
