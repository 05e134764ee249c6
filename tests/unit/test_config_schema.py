"""The schema is the one truth: it and the model name the same options, and its defaults are values."""

import json
from dataclasses import fields

import pytest

from packager.option_table import markdown
from pathwarden.config.schema import SECTIONS, Kind, describe
from pathwarden.config.values import default
from pathwarden.model.settings import AgentSettings, Hook, MqttSettings, Target, WebSettings

EVERY = [(section, option) for section, options in SECTIONS.items() for option in options]


@pytest.mark.parametrize(
    ("section", "names"),
    [
        ("agent", [field.name for field in fields(AgentSettings)]),
        ("mqtt", [field.name for field in fields(MqttSettings)]),
        ("web", [field.name for field in fields(WebSettings)]),
        ("hook", [field.name for field in fields(Hook) if field.name != "name"]),
        ("source", ["interface", "device", "address", "table", "fwmark", "next_hop"]),
        ("target", [field.name for field in fields(Target) if field.name != "tid"]),
        ("defaults", [field.name for field in fields(Target) if field.name not in ("tid", "host")]),
    ],
)
def test_options_are_the_fields_of_the_settings(section, names):
    assert [option.name for option in SECTIONS[section]] == names


@pytest.mark.parametrize("option", [option for _, option in EVERY], ids=[f"{section}.{option.name}" for section, option in EVERY])
def test_each_option_is_explained_and_its_default_is_a_value(option):
    assert option.help.endswith((".", ")"))
    assert "\n" not in option.help
    kinds = {
        Kind.BOOL: bool,
        Kind.INT: int,
        Kind.FLOAT: float,
        Kind.TABLE: int,
        Kind.MARK: int,
        Kind.LISTEN: tuple,
        Kind.NETWORKS: tuple,
        Kind.PATHS: tuple,
        Kind.EVENTS: tuple,
    }
    assert type(default(option)) is kinds.get(option.kind, str)


def test_defaults_hold_the_agreed_numbers():
    numbers = {(section, option.name): default(option) for section, option in EVERY}
    assert numbers[("agent", "max_pps")] == 10
    assert numbers[("target", "interval_s")] == 300
    assert numbers[("target", "queries")] == 3
    assert numbers[("web", "listen")] == ("127.0.0.1:8866",)


def test_describe_is_json_and_complete():
    rows = json.loads(json.dumps(describe()))
    assert [(row["section"], row["option"]) for row in rows] == [(section, option.name) for section, option in EVERY]
    assert next(row for row in rows if row["option"] == "size") == {
        "section": "defaults",
        "option": "size",
        "type": "int",
        "default": "0",
        "low": 68,
        "high": 1280,
        "zero": True,
        "choices": [],
        "unit": "bytes",
        "required": False,
        "help": "Size of a probe with its IP header. 0: 60 on IPv4, 80 on IPv6.",
    }


def test_markdown_lists_each_option_once():
    lines = markdown().splitlines()
    assert all(line.count("|") == 6 for line in lines)
    for section, option in EVERY:
        assert sum(line.startswith(f"| `{section}` | `{option.name}` |") for line in lines) == (section != "defaults")
    assert "| `target` | `interval_s` | `300` | 1..86400 s | Time between traces. Shorter sees changes sooner, and sends more. |" in lines
