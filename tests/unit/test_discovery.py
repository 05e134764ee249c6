"""Discovery: what Home Assistant is told, when, and what is taken back."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from equipment.fakes import make_state
from equipment.homeassistant import check
from equipment.mqtt_agent import MemoryAgent, MemoryLedger
from pathwarden.daemon.publishing import MOST_STALE, TopicLedger
from pathwarden.model.change import AgentKind, ChangeKind
from pathwarden.mqtt.announcing import _SPREAD_NS, Announcer, device_topic, retained
from pathwarden.mqtt.connection import Heard
from pathwarden.mqtt.topics import topics
from pathwarden.present.discovery import of_agent, of_target

NAMES = topics("pathwarden", "home-rt")
BASE = "pathwarden/home-rt"


def test_a_target_is_a_device_that_home_assistant_takes() -> None:
    made = json.loads(json.dumps(of_target(BASE, "home-rt", make_state("cloudflare"))))
    check(device_topic("homeassistant", NAMES, "cloudflare"), made)
    assert made["device"]["identifiers"] == ["pathwarden_home-rt_cloudflare"]
    assert made["device"]["via_device"] == "pathwarden_home-rt"
    assert made["availability_topic"] == f"{BASE}/status"
    entities = {key: (each["platform"], each["name"]) for key, each in made["components"].items()}
    assert entities == {
        "event": ("event", "Path"),
        "reachable": ("binary_sensor", "Reachable"),
        "latency": ("sensor", "Latency"),
        "loss": ("sensor", "Packet loss"),
        "verdict": ("sensor", "Verdict"),
        "path": ("sensor", "Path"),
        "last_change": ("sensor", "Last path change"),
        "hops": ("sensor", "Hops"),
        "changes": ("sensor", "Changes 24 h"),
        "trace": ("button", "Trace now"),
    }
    assert made["components"]["event"]["event_types"] == [kind.value for kind in ChangeKind]
    assert made["components"]["event"]["state_topic"] == NAMES.event("cloudflare")
    assert made["components"]["path"]["json_attributes_topic"] == NAMES.path("cloudflare")
    assert made["components"]["trace"]["command_topic"] == f"{NAMES.commands}trace/cloudflare"


def _without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda made: made.pop(name)


def _changed(component: str, **members: object) -> Callable[[dict[str, Any]], object]:
    return lambda made: made["components"][component].update(members)


MISTAKES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no origin": _without("origin"),
    "no device": _without("device"),
    "a base topic": lambda made: made.update({"~": BASE}),
    "no unique id": lambda made: made["components"]["latency"].pop("unique_id"),
    "one unique id twice": _changed("latency", unique_id="pathwarden_home-rt_cloudflare_loss"),
    "an event without types": _changed("event", event_types=[]),
    "an event with attributes": _changed("event", json_attributes_topic="x"),
    "a button without a topic": lambda made: made["components"]["trace"].pop("command_topic"),
    "a wrong unit": _changed("latency", unit_of_measurement="furlong"),
    "an enum that measures": _changed("verdict", state_class="measurement"),
    "an enum without options": lambda made: made["components"]["verdict"].pop("options"),
    "the option of old": _changed("path", object_id="path"),
    "an unfinished template": _changed("path", value_template="{{ value_json.path_label }"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_stand_in_refuses_what_home_assistant_would(mistake: str) -> None:
    made = json.loads(json.dumps(of_target(BASE, "home-rt", make_state("cloudflare"))))
    MISTAKES[mistake](made)
    with pytest.raises((AssertionError, KeyError)):
        check(device_topic("homeassistant", NAMES, "cloudflare"), made)


def test_what_templates_read_is_in_the_state() -> None:
    state = make_state("cloudflare")
    components = of_target(BASE, "home-rt", state)["components"]
    assert isinstance(components, dict)
    for component in components.values():
        template = component.get("value_template", "")
        if template:
            name = template.partition("value_json.")[2].split()[0]
            assert name in state


def test_the_agent_is_a_device_too() -> None:
    made = json.loads(json.dumps(of_agent(BASE, "home-rt")))
    check(device_topic("homeassistant", NAMES, ""), made)
    assert made["components"]["event"]["event_types"] == [kind.value for kind in AgentKind]
    assert made["device"]["identifiers"] == ["pathwarden_home-rt"]


def test_the_longest_names_fit_into_a_payload() -> None:
    state = make_state("t" * 32) | {"name": "東" * 64, "stale_after_s": 3 * 86400}
    base = f"{'p' * 128}/{'a' * 32}"
    assert len(json.dumps(of_target(base, "a" * 32, state), ensure_ascii=False).encode()) <= 8192
    assert len(json.dumps(of_agent(base, "a" * 32), ensure_ascii=False).encode()) <= 8192


def test_a_birth_is_heard_and_answered_after_a_while() -> None:
    announcer = Announcer(NAMES, "homeassistant", MemoryAgent("dns"), MemoryLedger())
    assert announcer.is_birth(Heard("homeassistant/status", b"online", retain=False))
    assert not announcer.is_birth(Heard("homeassistant/status", b"offline", retain=False))
    assert not announcer.is_birth(Heard("pathwarden/home-rt/cmd/status", b"online", retain=False))
    dues = {announcer.due_ns(7) for _ in range(50)}
    assert len(dues) > 1
    assert all(7 <= due < 7 + _SPREAD_NS for due in dues)
    off = Announcer(NAMES, "", MemoryAgent("dns"), MemoryLedger())
    assert not off.is_birth(Heard("/status", b"online", retain=False))


def test_the_ledger_knows_what_a_removed_target_left() -> None:
    kept: list[str] = []
    before = retained(NAMES, "homeassistant", ["dns", "web"])
    now = retained(NAMES, "homeassistant", ["dns"])
    assert TopicLedger(None, before, kept.append).stale == []
    assert json.loads(kept[-1]) == list(before)
    ledger = TopicLedger(kept[-1], now, kept.append)
    gone = ["pathwarden/home-rt/target/web/state", "pathwarden/home-rt/target/web/path"]
    assert ledger.stale == ["homeassistant/device/pathwarden_home-rt_web/config", *gone], "the device first"
    assert TopicLedger(kept[-1], now, kept.append).stale == ledger.stale, "a start that reaches no broker forgets nothing"
    for topic in list(ledger.stale):
        ledger.emptied(topic)
    assert json.loads(kept[-1]) == list(now)
    written = len(kept)
    assert TopicLedger(kept[-1], now, kept.append).stale == []
    assert len(kept) == written, "nothing new, nothing written"


def test_switching_discovery_off_takes_the_devices_back() -> None:
    kept: list[str] = []
    TopicLedger(None, retained(NAMES, "homeassistant", ["dns"]), kept.append)
    ledger = TopicLedger(kept[-1], retained(NAMES, "", ["dns"]), kept.append)
    assert ledger.stale == [device_topic("homeassistant", NAMES, ""), device_topic("homeassistant", NAMES, "dns")]


def test_an_unreadable_or_endless_ledger() -> None:
    kept: list[str] = []
    assert TopicLedger("{", ("a",), kept.append).stale == []
    assert TopicLedger("7", ("a",), kept.append).stale == []
    assert len(TopicLedger(json.dumps([f"t{n}" for n in range(5000)]), ("a",), kept.append).stale) == MOST_STALE
