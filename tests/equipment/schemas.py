"""Whether what is published keeps to the schemas that we publish. Stricter than they are: here a member that they do not name is wrong."""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from equipment.homeassistant import check
from pathwarden.present import schemas

_OF_TOPIC = {
    ("info",): schemas.INFO,
    ("event",): schemas.AGENT_EVENT,
    ("reply",): schemas.REPLY,
    ("target", "state"): schemas.STATE,
    ("target", "path"): schemas.PATH,
    ("target", "event"): schemas.TARGET_EVENT,
    ("target", "result"): schemas.RESULT,
}
BY_NAME = {"/".join(words): schema for words, schema in _OF_TOPIC.items()}


def check_message(topic: str, payload: str, prefix: str = "pathwarden") -> None:
    """Raises if a message that an agent published is not what its topic promises."""
    if topic.startswith("homeassistant/"):
        if topic.endswith("/config") and payload:
            check(topic, json.loads(payload))
        return
    words = topic.removeprefix(f"{prefix}/").split("/")[1:]
    if words == ["status"]:
        assert payload in ("online", "offline")
    elif words[0] != "cmd" and payload:  # an empty one takes back what was retained
        assert len(payload.encode()) <= (65_536 if words[-1] == "result" else 8192)
        check_object("/".join(("target", words[2]) if words[0] == "target" else words), json.loads(payload))


def check_object(name: str, value: Any) -> None:
    """Raises if an object is not one of this name: info, event, reply, target/state, target/path, target/event."""
    problems = [f"{name} {'.'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in _validator(name).iter_errors(value)]
    assert not problems, problems


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(strict(BY_NAME[name]))


def strict(schema: Any) -> Any:
    """The schema with no room for what it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    return {"additionalProperties": False, **made} if "properties" in schema and isinstance(schema["properties"], dict) else made
