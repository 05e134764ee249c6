"""The AsyncAPI 3 document: every topic with its schema, as the agent uses it."""

from pathwarden import __version__
from pathwarden.present import schemas
from pathwarden.present.schemas import DIALECT, Schema

_JSON, _TEXT = "application/json", "text/plain"
# Name of the message, topic below the agent's, retained, what it says, its schema, and how it is written.
_SAID: tuple[tuple[str, str, bool, str, Schema, str], ...] = (
    ("status", "status", True, "`online`, or `offline` as the last will", schemas.STATUS, _TEXT),
    ("info", "info", True, "The agent itself; on change and every minute", schemas.INFO, _JSON),
    ("agentEvent", "event", False, "What the agent tells of itself, and how incidents stand", schemas.AGENT_EVENT, _JSON),
    ("state", "target/{target}/state", True, "A target's summary, after each trace", schemas.STATE, _JSON),
    ("path", "target/{target}/path", True, "A target's confirmed path, hop by hop, when it changes", schemas.PATH, _JSON),
    ("targetEvent", "target/{target}/event", False, "What happened to a target, with before and after", schemas.TARGET_EVENT, _JSON),
    ("reply", "reply", False, "The answer to a command", schemas.REPLY, _JSON),
    ("result", "target/{target}/result", False, "Every trace, if mqtt.publish_results is 1; at most 64 KiB", schemas.RESULT, _JSON),
)
_AT_MOST_ONCE = ("result",)
_AGENT: Schema = {"description": "agent.name of the configuration: 1 to 32 of a-z, 0-9 and -"}
_TARGET: Schema = {"description": "the target's id: 1 to 32 of A-Z, a-z, 0-9 and _"}
_VERB: Schema = {"description": "what to do", "enum": ["trace", "pause", "resume", "mute", "accept_path", "ping", "add", "remove"]}
_PARAMETERS = {"agent": _AGENT, "target": _TARGET, "verb": _VERB}


def document(prefix: str) -> dict[str, object]:
    """The document for topics below `prefix`."""
    channels: dict[str, object] = {}
    operations: dict[str, object] = {}
    messages: dict[str, object] = {}
    payloads: dict[str, object] = {}
    for name, topic, retain, summary, schema, form in _SAID:
        payloads[name] = schema
        messages[name] = _message(name, summary, form)
        channels[name] = _channel(f"{prefix}/{{agent}}/{topic}", [name])
        operations[f"send{name[0].upper()}{name[1:]}"] = {
            "action": "send",
            "channel": _ref("channels", name),
            "summary": summary,
            "bindings": {"mqtt": {"qos": int(name not in _AT_MOST_ONCE), "retain": retain}},
        }
    payloads["command"] = schemas.COMMAND
    messages["command"] = _message("command", "A command; nothing or PRESS where the target stands in the topic", _JSON)
    for name, topic in {"command": "cmd/{verb}", "commandToTarget": "cmd/{verb}/{target}"}.items():
        channels[name] = _channel(f"{prefix}/{{agent}}/{topic}", ["command"])
        operations[f"receive{name[0].upper()}{name[1:]}"] = {
            "action": "receive",
            "channel": _ref("channels", name),
            "summary": "Obeyed unless retained, and answered",
            "bindings": {"mqtt": {"qos": 1}},
            "reply": {
                "channel": _ref("channels", "reply"),
                "messages": [{"$ref": "#/channels/reply/messages/reply"}],
            },
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Pathwarden",
            "version": __version__,
            "description": "A path monitor's states, paths and events over MQTT 5 or 3.1.1, and the commands that it takes. Events come at "
            "least once, in order for each target; a doubled one has the same event_id.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": _JSON,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": payloads},
    }


def _channel(address: str, names: list[str]) -> dict[str, object]:
    return {
        "address": address,
        "messages": {name: _ref("components/messages", name) for name in names},
        "parameters": {word[1:-1]: _PARAMETERS[word[1:-1]] for word in address.split("/") if word.startswith("{")},
    }


def _message(name: str, summary: str, form: str) -> dict[str, object]:
    schema = {"schemaFormat": f"application/schema+json;version={DIALECT.split('/')[4]}", "schema": _ref("components/schemas", name)}
    return {"name": name, "summary": summary, "contentType": form, "payload": schema}


def _ref(place: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/{place}/{name}"}
