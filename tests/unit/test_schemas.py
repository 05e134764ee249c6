"""The schemas and the AsyncAPI document: sound in themselves, and what is made keeps to them."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from equipment.fakes import FakeAgent, FakeClock, FakeReader, make_settings, make_state
from equipment.mqtt_agent import MemoryAgent
from equipment.schemas import BY_NAME, check_message, check_object
from equipment.web import Client
from pathwarden.api.app import make_app
from pathwarden.cli.main import main
from pathwarden.mqtt.commands import Commands
from pathwarden.mqtt.connection import Heard
from pathwarden.mqtt.topics import topics
from pathwarden.present.asyncapi import document
from pathwarden.present.schemas import COMMAND

NAMES = topics("pathwarden", "home-rt")


@pytest.mark.parametrize("schema", [*BY_NAME.values(), COMMAND], ids=[*BY_NAME, "command"])
def test_each_schema_is_one(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


def resolved(whole: Any, reference: str) -> Any:
    found = whole
    for word in reference.removeprefix("#/").split("/"):
        found = found[word]
    return found


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [each for item in value for each in references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if "$ref" in value else []
    return [*own, *(each for item in value.values() for each in references(item))]


def test_the_document_holds_together() -> None:
    """After AsyncAPI 3: every reference leads somewhere, operations use channels, channels use messages and name their parameters."""
    made = json.loads(json.dumps(document("pathwarden")))
    assert made["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= made["info"].keys()
    assert all(resolved(made, reference) for reference in references(made))
    for channel in made["channels"].values():
        named = [word[1:-1] for word in channel["address"].split("/") if word.startswith("{")]
        assert list(channel["parameters"]) == named
        assert channel["messages"]
    for operation in made["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert operation["channel"]["$ref"].startswith("#/channels/")
    assert all(message["payload"]["schema"]["$ref"] for message in made["components"]["messages"].values())


def test_the_document_names_every_topic() -> None:
    made: Any = document("pathwarden")
    addresses = {channel["address"].replace("{agent}", "home-rt").replace("{target}", "dns") for channel in made["channels"].values()}
    own = {NAMES.status, NAMES.info, NAMES.event(""), NAMES.reply}
    own |= {NAMES.state("dns"), NAMES.path("dns"), NAMES.event("dns"), NAMES.result("dns")}
    assert addresses == own | {f"{NAMES.commands}{{verb}}", f"{NAMES.commands}{{verb}}/dns"}


def test_the_command_line_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mqtt", "asyncapi"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(document("pathwarden")))


def test_the_page_serves_it() -> None:
    settings = make_settings()
    client = Client(make_app(FakeAgent(), FakeReader(), settings, FakeClock()))
    got = client.get("/api/v1/asyncapi.json")
    assert (got.status, got.headers["content-type"]) == (200, "application/json")
    assert got.json == json.loads(json.dumps(document(settings.mqtt.prefix)))


@pytest.mark.parametrize(("topic", "payload"), [("trace/dns", b""), ("ping", b'{"id": 7}'), ("mute/dns", b"{"), ("x", b"\xff"), ("", None)])
def test_answers_keep_to_their_schema(topic: str, payload: bytes | None) -> None:
    commands = Commands(NAMES, MemoryAgent("dns"), FakeClock())
    reply = commands.answer(Heard(f"{NAMES.commands}{topic}", payload, retain=False), 10**12)
    assert reply is not None
    check_message(NAMES.reply, json.dumps(reply.body))


def test_a_wrong_member_is_noticed() -> None:
    state = make_state("dns") | {"muted_until": None, "muted_pairs": [], "resolving": False, "error_detail": None}
    check_object("target/state", state)
    for wrong in ({**state, "rtt_ms": "9"}, {**state, "more": 1}, {key: value for key, value in state.items() if key != "verdict"}):
        with pytest.raises(AssertionError):
            check_object("target/state", wrong)


def test_commands_keep_to_theirs() -> None:
    validator = Draft202012Validator(COMMAND)
    validator.validate({"id": "7", "target": "dns", "for_s": 60})
    with pytest.raises(ValidationError):
        validator.validate({"for_s": -1})


def test_the_fakes_of_other_tests_are_like_the_real() -> None:
    assert FakeAgent().target_states()[0].keys() <= set(BY_NAME["target/state"]["required"])  # type: ignore[arg-type] - a list of names
