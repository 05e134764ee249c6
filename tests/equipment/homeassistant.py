"""What Home Assistant takes as the discovery of a device, after the documentation of its MQTT integration.

A stand-in for the program itself, which is too large for every test run: the options that each of our platforms knows, which of them it
needs, and the values that are checked. What nobody documents is refused here, too.
"""

import re
from collections.abc import Mapping
from typing import Any

_SHARED = {"unique_id", "default_entity_id", "platform", "name", "icon", "entity_category", "availability_topic", "qos", "encoding"}
_VALUES = {"state_topic", "value_template", "json_attributes_topic", "json_attributes_template", "expire_after", "device_class"}
_PLATFORMS: Mapping[str, tuple[set[str], set[str]]] = {  # what it may have, what it must
    "sensor": (_VALUES | {"unit_of_measurement", "state_class", "options", "suggested_display_precision"}, {"state_topic"}),
    "binary_sensor": (_VALUES | {"payload_on", "payload_off"}, {"state_topic"}),
    "event": ({"state_topic", "event_types", "value_template", "device_class"}, {"state_topic", "event_types"}),
    "button": ({"command_topic", "payload_press", "command_template", "retain", "device_class"}, {"command_topic"}),
}
_ROOT = {"device", "origin", "components", "availability_topic", "state_topic", "command_topic", "qos", "encoding"}
_DEVICE = {"identifiers", "name", "manufacturer", "model", "sw_version", "via_device", "configuration_url"}
_ORIGIN = {"name", "sw_version", "support_url"}
_UNITS = {"duration": {"d", "h", "min", "s", "ms", "µs"}}
_CLASSES = {"sensor": {"duration", "enum", "timestamp"}, "binary_sensor": {"connectivity"}}
_TOPIC = re.compile(r"[^/]+/device/[A-Za-z0-9_-]+/config")
_ENTITY = re.compile(r"([a-z_]+)\.[a-z0-9_]+")


def check(topic: str, payload: Mapping[str, Any]) -> None:
    """Raises AssertionError with what Home Assistant would not take."""
    assert _TOPIC.fullmatch(topic), topic
    assert payload.keys() <= _ROOT, payload.keys() - _ROOT
    device, origin, components = payload["device"], payload["origin"], payload["components"]
    assert device.keys() <= _DEVICE
    assert device["identifiers"]
    assert origin.keys() <= _ORIGIN
    assert origin["name"], "needed"
    assert components
    identifiers = [component["unique_id"] for component in components.values()]
    assert len(set(identifiers)) == len(identifiers)
    for component in components.values():
        _check_component(component)


def _check_component(component: Mapping[str, Any]) -> None:
    platform = component["platform"]
    may, must = _PLATFORMS[platform]
    assert component.keys() <= _SHARED | may, component.keys() - _SHARED - may
    assert component.keys() >= must | {"unique_id"}, must - component.keys()
    entity = _ENTITY.fullmatch(component["default_entity_id"])
    assert entity is not None
    assert entity[1] == platform
    kind = component.get("device_class")
    assert kind is None or kind in _CLASSES[platform]
    if kind == "enum":
        assert component["options"]
        assert not component.keys() & {"state_class", "unit_of_measurement"}, "an enum is no number"
    else:
        assert "options" not in component
    if kind == "timestamp":
        assert not component.keys() & {"state_class", "unit_of_measurement"}
    if kind in _UNITS:
        assert component["unit_of_measurement"] in _UNITS[kind]
    assert component.get("state_class", "measurement") == "measurement"
    assert component.get("entity_category", "diagnostic") == "diagnostic"
    assert isinstance(component.get("expire_after", 1), int)
    template = component.get("value_template", "")
    assert template.count("{{") == template.count("}}")
    if platform == "event":
        assert len(set(component["event_types"])) == len(component["event_types"]) > 0
