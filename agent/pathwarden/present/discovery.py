"""What Home Assistant must know to show a target or the agent: one device for each, by its discovery of MQTT devices.

Facts of Home Assistant that shape this: a device needs `origin` and each component `platform` and `unique_id`; an event entity takes only
the types that it lists, and no retained message; a state has at most 255 characters; `None` from a template means unknown.
"""

from collections.abc import Mapping

from pathwarden import __version__
from pathwarden.model.change import AgentKind, ChangeKind
from pathwarden.present.live import VERDICT_WORDS

_MAKER = "Pathwarden"
_STATE_LENGTH = 255
_MEASURED: Mapping[str, object] = {"state_class": "measurement"}
_REACHABLE = "{{ 'ON' if value_json.state in ('ok', 'degraded', 'unstable') else 'OFF' if value_json.state == 'unreachable' else 'None' }}"


def of_target(base: str, agent: str, state: Mapping[str, object]) -> dict[str, object]:
    """The device of a target, from its `state`; `base` is where the agent's topics begin, such as `pathwarden/home-rt`."""
    tid = str(state["target"])
    home = f"{base}/target/{tid}"
    # What is older than that is told no more: a sensor that goes on showing it would lie.
    fresh: Mapping[str, object] = {"expire_after": state["stale_after_s"]}
    components: dict[str, Mapping[str, object]] = {
        "event": {"platform": "event", "name": "Path", "icon": "mdi:routes", "event_types": [kind.value for kind in ChangeKind]},
        "reachable": {
            "platform": "binary_sensor",
            "name": "Reachable",
            "device_class": "connectivity",
            "value_template": _REACHABLE,
            **fresh,
        },
        "latency": {**_sensor("Latency", "rtt_ms"), "device_class": "duration", "unit_of_measurement": "ms", **_MEASURED, **fresh},
        "loss": {**_sensor("Packet loss", "loss_pct"), "icon": "mdi:percent", "unit_of_measurement": "%", **_MEASURED, **fresh},
        "verdict": {**_sensor("Verdict", "verdict"), "device_class": "enum", "options": list(VERDICT_WORDS)},
        "path": {**_sensor("Path", "path_label"), "icon": "mdi:map-marker-path", "json_attributes_topic": f"{home}/path"},
        "last_change": {**_sensor("Last path change", "last_change_at"), "device_class": "timestamp"},
        "hops": {**_sensor("Hops", "hop_count"), "icon": "mdi:counter", **_MEASURED, **fresh},
        "changes": {**_sensor("Changes 24 h", "changes_24h"), "icon": "mdi:swap-horizontal", **_MEASURED},
        "trace": {
            "platform": "button",
            "name": "Trace now",
            "icon": "mdi:radar",
            "command_topic": f"{base}/cmd/trace/{tid}",
            "payload_press": "PRESS",
        },
    }
    device = {"name": state["name"], "model": "Target", "via_device": f"pathwarden_{agent}"}
    places = {"event": f"{home}/event", "trace": None}
    return _device(base, f"pathwarden_{agent}_{tid}", device, {key: (places.get(key, f"{home}/state"), c) for key, c in components.items()})


def of_agent(base: str, agent: str) -> dict[str, object]:
    """The device of the agent itself."""
    info = f"{base}/info"
    sentence = f"{{{{ value_json.sentence[:{_STATE_LENGTH}] }}}}"
    components: dict[str, tuple[str | None, Mapping[str, object]]] = {
        "event": (
            f"{base}/event",
            {"platform": "event", "name": "Agent", "icon": "mdi:router-network", "event_types": [kind.value for kind in AgentKind]},
        ),
        "verdict": (info, {**_sensor("Verdict", "verdict"), "device_class": "enum", "options": [*VERDICT_WORDS, "resolver"]}),
        "summary": (info, {"platform": "sensor", "name": "Summary", "icon": "mdi:text", "value_template": sentence}),
        "outbox": (info, {**_sensor("Waiting events", "mqtt.outbox"), "entity_category": "diagnostic", **_MEASURED}),
    }
    return _device(base, f"pathwarden_{agent}", {"name": f"Pathwarden {agent}", "model": "Agent"}, components)


def _sensor(name: str, value: str) -> dict[str, object]:
    return {"platform": "sensor", "name": name, "value_template": f"{{{{ value_json.{value} }}}}"}


def _device(
    base: str, identifier: str, device: Mapping[str, object], components: Mapping[str, tuple[str | None, Mapping[str, object]]]
) -> dict[str, object]:
    slug = identifier.replace("-", "_").lower()
    made: dict[str, object] = {}
    for key, (topic, component) in components.items():
        made[key] = {
            "unique_id": f"{identifier}_{key}",
            "default_entity_id": f"{component['platform']}.{slug}_{key}",
            **({} if topic is None else {"state_topic": topic}),
            **component,
        }
    return {
        "device": {"identifiers": [identifier], "manufacturer": _MAKER, "sw_version": __version__, **device},
        "origin": {"name": _MAKER, "sw_version": __version__},
        "availability_topic": f"{base}/status",
        "components": made,
    }
