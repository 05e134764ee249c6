"""The effective configuration and the sample are configurations themselves."""

import json
import re

import pytest

from pathwarden.config.load import load
from pathwarden.config.show import as_json, sample, show

FULL = """
config agent 'agent'
	option name 'a'
	option max_pps '2.5'
config source 'one'
	option table '100'
	option fwmark '256'
config target 'x'
	option host 'example.net'
	option label "it's 例"
	option family '6'
	option wait_s '0.5'
	option method 'icmp'
	option enabled '0'
	option source 'one'
config target 'y'
	option host '192.0.2.1'
config web 'web'
	option listen 'off'
config hook
	option program '/bin/true'
	list event 'incident'
	list event 'digest'
config hook 'two'
	option program '/bin/true'
	option timeout_s '5'
"""


@pytest.fixture
def read(tmp_path):
    def inner(text):
        file = tmp_path / "c"
        file.write_text(text)
        return load(file, hostname="home", environ={"HOME": "/h"}, is_root=False, root=tmp_path)

    return inner


@pytest.mark.parametrize("text", ["", FULL])
def test_what_is_shown_loads_to_the_same_settings(read, text):
    settings = read(text)
    assert read(show(settings)) == settings


def test_a_host_longer_than_a_label_survives(read):
    host = ".".join(["abcdefghij"] * 10)
    settings = read(f"config target 'x'\n\toption host '{host}'\n")
    assert settings.targets[0].label == host
    assert read(show(settings)) == settings


def test_show_names_every_option_in_plain_words(read):
    text = show(read(FULL))
    named = ("max_pps '2.5'", "watch_pps '1'", "concurrency '16'", "do_not_probe ''", "learn_h '24'")
    assert "".join(f"\toption {option}\n" for option in named) in text
    empty = "".join(f"\toption {name} ''\n" for name in ("interface", "device", "address"))
    assert f"config source 'one'\n{empty}\toption table '100'\n\toption fwmark '0x100'\n" in text
    assert (
        "config target 'x'\n\toption host 'example.net'\n\toption label 'it'\\''s 例'\n\toption family '6'\n\toption enabled '0'\n" in text
    )
    assert "config web 'web'\n\tlist listen 'off'\n" in text


def test_json_form(read):
    shown = json.loads(json.dumps(as_json(read(FULL))))
    assert shown["web"]["listen"] == []
    assert shown["targets"][0]["id"] == "x"
    assert shown["targets"][0]["method"] == "icmp"
    assert shown["targets"][1]["family"] == "auto"
    assert shown["sources"] == [{"name": "one", "interface": "", "device": "", "address": "", "table": 100, "fwmark": 256, "next_hop": ""}]
    assert shown["default_targets"] is False
    assert {row["section"] for row in shown["options"]} == {"agent", "defaults", "target", "source", "mqtt", "web", "hook"}


def test_sample_is_the_defaults_commented_or_not(read):
    defaults = read("")
    assert read(sample()) == defaults
    options = re.sub(r"^\t#(option|list) ", r"\t\1 ", sample().partition("\n#config")[0], flags=re.MULTILINE)
    assert options.count("\toption ") == 29
    assert read(options) == defaults


def test_whole_sample_uncommented_is_a_configuration(read):
    settings = read(re.sub(r"^(\t?)#(config|option|list) ", r"\1\2 ", sample(), flags=re.MULTILINE))
    assert [(target.tid, target.host, target.label) for target in settings.targets] == [("example", "example.net", "Example")]
    assert [(source.name, source.binding.device) for source in settings.sources] == [("uplink", "wwan0")]
    assert (settings.agent, settings.mqtt, settings.web) == (read("").agent, read("").mqtt, read("").web)


def test_sample_fits_a_terminal_of_80_columns():
    assert max(len(line.expandtabs(8)) for line in sample().splitlines()) <= 80
