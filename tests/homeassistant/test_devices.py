"""Home Assistant itself takes what a real daemon published: devices, entities, states, events, and their end.

Releases up to 2025.9 name entities after the device and theirs, newer ones as `default_entity_id` says.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from homeassistant.components.mqtt.const import DEFAULT_BIRTH, DEFAULT_DISCOVERY, DEFAULT_PREFIX
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry, entity_registry
from pytest_homeassistant_custom_component.common import async_fire_time_changed

DEVICES = {"pathwarden_home-rt": ("Pathwarden home-rt", "Agent")}
DEVICES |= {"pathwarden_home-rt_office": ("Office VPN", "Target"), "pathwarden_home-rt_dns": ("東京 DNS", "Target")}
OF_TARGET = {
    "event": "event.{}_path",
    "reachable": "binary_sensor.{}_reachable",
    "latency": "sensor.{}_latency",
    "loss": "sensor.{}_packet_loss",
    "verdict": "sensor.{}_verdict",
    "path": "sensor.{}_path",
    "last_change": "sensor.{}_last_path_change",
    "hops": "sensor.{}_hops",
    "changes": "sensor.{}_changes_24_h",
    "trace": "button.{}_trace_now",
}
OF_AGENT = {
    "event": "event.pathwarden_home_rt_agent",
    "verdict": "sensor.pathwarden_home_rt_verdict",
    "summary": "sensor.pathwarden_home_rt_summary",
    "outbox": "sensor.pathwarden_home_rt_waiting_events",
}
MEMBERS = {
    "latency": "rtt_ms",
    "loss": "loss_pct",
    "verdict": "verdict",
    "path": "path_label",
    "hops": "hop_count",
    "changes": "changes_24h",
}
AGENT_MEMBERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "verdict": lambda info: info["verdict"],
    "summary": lambda info: info["sentence"][:255],
    "outbox": lambda info: info["mqtt"]["outbox"],
}
STATE, EVENT = "target/office/state", "pathwarden/home-rt/target/office/event"


def office(hass: HomeAssistant, key: str) -> str:
    """The state of one of the office's entities."""
    return of(hass, OF_TARGET[key].format("office_vpn"))


def of(hass: HomeAssistant, entity_id: str) -> str:
    """The state of an entity."""
    state = hass.states.get(entity_id)
    assert state is not None, f"no {entity_id}"
    return state.state


def as_state(value: object) -> str:
    """A member of a payload as Home Assistant shows it."""
    return "unknown" if value is None else str(value)


async def test_devices_and_their_entities(hass: HomeAssistant, play: Any) -> None:
    await play.chapters("start")
    devices = {next(iter(device.identifiers))[1]: device for device in device_registry.async_get(hass).devices.values()}
    assert {key: (device.name, device.model) for key, device in devices.items()} == DEVICES
    assert devices["pathwarden_home-rt_office"].via_device_id == devices["pathwarden_home-rt"].id
    entities = {entry.unique_id: entry.entity_id for entry in entity_registry.async_get(hass).entities.values()}
    expected = {f"pathwarden_home-rt_{key}": entity_id for key, entity_id in OF_AGENT.items()}
    for tid, slug in (("office", "office_vpn"), ("dns", "dong_jing_dns")):
        expected |= {f"pathwarden_home-rt_{tid}_{key}": entity_id.format(slug) for key, entity_id in OF_TARGET.items()}
    assert entities == expected


async def test_states_are_the_ones_that_were_published(hass: HomeAssistant, play: Any) -> None:
    await play.chapters("start")
    state, info, path = play.last(STATE, "start"), play.last("info", "start"), play.last("target/office/path", "start")
    assert {key: office(hass, key) for key in MEMBERS} == {key: as_state(state[member]) for key, member in MEMBERS.items()}
    assert office(hass, "reachable") == "on"
    assert office(hass, "event") == "unknown"
    assert {key: of(hass, OF_AGENT[key]) for key in AGENT_MEMBERS} == {key: as_state(read(info)) for key, read in AGENT_MEMBERS.items()}
    attributes = hass.states.get(OF_TARGET["path"].format("office_vpn")).attributes
    assert {key: attributes[key] for key in path} == path
    assert len(path["hops"]) == 8
    assert len(json.dumps(dict(attributes))) < 16_384, "more Home Assistant does not record"
    assert of(hass, OF_AGENT["event"]) != "unknown", "it has heard that the agent started"


async def test_a_moved_route_and_a_lost_target(hass: HomeAssistant, play: Any) -> None:
    await play.chapters("start")
    before = office(hass, "path")
    await play.chapters("moved")
    told = play.last("target/office/event", "moved")
    entity = hass.states.get(OF_TARGET["event"].format("office_vpn"))
    assert {key: entity.attributes[key] for key in told} == told
    assert entity.attributes["event_type"] == "path_changed"
    state = play.last(STATE, "moved")
    assert (before, office(hass, "path")) == ("A", "B")
    assert datetime.fromisoformat(office(hass, "last_change")) == datetime.fromisoformat(state["last_change_at"]).replace(microsecond=0)
    assert office(hass, "changes") == str(state["changes_24h"]) != "0"
    attributes = hass.states.get(OF_TARGET["path"].format("office_vpn")).attributes
    assert attributes["hops"] == play.last("target/office/path", "moved")["hops"]
    assert hass.states.get(OF_AGENT["event"]).attributes["event_type"] == "incident"
    await play.chapters("lost")
    assert office(hass, "reachable") == "off"
    assert hass.states.get(OF_TARGET["event"].format("office_vpn")).attributes["event_type"] == "target_unreachable"


async def test_every_type_of_event_fires(hass: HomeAssistant, play: Any, recording: dict[str, Any]) -> None:
    await play.chapters("start")
    fired: list[tuple[str, str]] = []

    @callback
    def note(event: Event) -> None:
        if event.data["entity_id"].startswith("event."):
            fired.append((event.data["entity_id"], event.data["new_state"].attributes["event_type"]))

    hass.bus.async_listen("state_changed", note)
    expected: list[tuple[str, str]] = []
    for topic, entity_id, name in ((EVENT, "event.office_vpn_path", "target"), ("pathwarden/home-rt/event", OF_AGENT["event"], "agent")):
        for event_type, body in recording["events"][name].items():
            await play.say(topic, body)
            expected.append((entity_id, event_type))
    assert fired == expected
    listed = hass.states.get("event.office_vpn_path").attributes["event_types"]
    assert listed == list(recording["events"]["target"])
    of_agent = hass.states.get(OF_AGENT["event"]).attributes["event_types"]
    assert set(of_agent) == {*recording["events"]["agent"], "incident"}


async def test_an_event_that_was_there_before_is_none(hass: HomeAssistant, play: Any, recording: dict[str, Any]) -> None:
    await play.chapters("start")
    await play.say(EVENT, recording["events"]["target"]["path_changed"], retain=True)
    assert office(hass, "event") == "unknown"


@pytest.mark.parametrize(
    ("word", "reachable"),
    [
        *((word, "on") for word in ("ok", "degraded", "unstable")),
        ("unreachable", "off"),
        *((word, "unknown") for word in ("paused", "error", "unknown")),
    ],
)
async def test_reachable(hass: HomeAssistant, play: Any, word: str, reachable: str) -> None:
    await play.chapters("start")
    await play.say(f"pathwarden/home-rt/{STATE}", play.last(STATE, "start") | {"state": word})
    assert office(hass, "reachable") == reachable


async def test_what_is_unknown_is_unknown(hass: HomeAssistant, play: Any) -> None:
    await play.chapters("start")
    members = (*MEMBERS.values(), "last_change_at")
    await play.say(f"pathwarden/home-rt/{STATE}", play.last(STATE, "start") | dict.fromkeys(members))
    assert {office(hass, key) for key in (*MEMBERS, "last_change")} == {"unknown"}


async def test_a_long_sentence_is_cut(hass: HomeAssistant, play: Any) -> None:
    await play.chapters("start")
    await play.say("pathwarden/home-rt/info", play.last("info", "start") | {"sentence": "東" * 300})
    assert of(hass, OF_AGENT["summary"]) == "東" * 255


async def test_an_agent_that_ends_and_comes_again(hass: HomeAssistant, play: Any) -> None:
    await play.chapters("start")
    entities = [OF_TARGET[key].format(slug) for key in OF_TARGET for slug in ("office_vpn", "dong_jing_dns")] + list(OF_AGENT.values())
    await play.chapters("end")
    assert {of(hass, entity_id) for entity_id in entities} == {"unavailable"}
    await play.say("pathwarden/home-rt/status", "online")
    assert "unavailable" not in {of(hass, entity_id) for entity_id in entities}
    assert office(hass, "latency") == str(play.last(STATE, "start")["rtt_ms"])


async def test_old_figures_expire(hass: HomeAssistant, play: Any) -> None:
    await play.chapters("start")
    stale_s = play.last(STATE, "start")["stale_after_s"]
    async_fire_time_changed(hass, datetime.now(UTC) + timedelta(seconds=stale_s + 1))
    await hass.async_block_till_done()
    assert {office(hass, key) for key in ("reachable", "latency", "loss", "hops")} == {"unavailable"}
    assert office(hass, "path") == "A"


async def test_the_button_asks_for_a_trace(hass: HomeAssistant, play: Any, mqtt_mock: Any) -> None:
    await play.chapters("start")
    button = {"entity_id": OF_TARGET["trace"].format("office_vpn")}
    await hass.services.async_call("button", "press", button, blocking=True)
    topic, payload, *_ = mqtt_mock.async_publish.call_args.args
    assert play.heard(topic, "press") == [payload], "the daemon was told the same"
    reply = play.last("reply", "press")
    assert (reply["ok"], reply["verb"], reply["target"]) == (True, "trace", "office")


async def test_its_birth_is_answered(hass: HomeAssistant, play: Any) -> None:
    assert (DEFAULT_DISCOVERY, DEFAULT_PREFIX) == (True, "homeassistant")
    assert play.heard(DEFAULT_BIRTH["topic"], "birth") == [DEFAULT_BIRTH["payload"]], "what the daemon heard is what Home Assistant says"
    await play.chapters("birth")
    assert office(hass, "latency") == str(play.last(STATE, "birth")["rtt_ms"])
    before = len(hass.states.async_all())
    await play.chapters("birth")
    assert len(hass.states.async_all()) == before == len(OF_AGENT) + 2 * len(OF_TARGET)


async def test_a_removed_target_is_gone(hass: HomeAssistant, play: Any) -> None:
    await play.chapters("start", "moved", "lost", "removed")
    devices = {next(iter(device.identifiers))[1] for device in device_registry.async_get(hass).devices.values()}
    assert devices == DEVICES.keys() - {"pathwarden_home-rt_dns"}
    assert hass.states.get("sensor.dong_jing_dns_latency") is None
    assert not [entry for entry in entity_registry.async_get(hass).entities if "dong_jing" in entry]
    assert office(hass, "latency") != "unavailable"
