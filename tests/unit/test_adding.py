"""Targets that are added while the agent runs: what is checked, what is noted, and what comes back after a restart."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from pathwarden.config.load import load
from pathwarden.config.schema import SECTIONS, Kind
from pathwarden.daemon.adding import Additions, read_added, with_all
from pathwarden.model.commands import CODES, MOST_ADDED
from pathwarden.model.settings import Settings

TEXT = """
config mqtt
	option host 'broker.lan'
	option allow_add '%d'
config defaults
	option interval_s '120'
	option method 'icmp'
config source 'wanb'
	option device 'wwan0'
config target 'cloudflare'
	option host '1.1.1.1'
"""


def settings_of(folder: Path, *, allow: bool = True, text: str = TEXT) -> Settings:
    file = folder / "pathwarden"
    file.write_text(text % allow if "%d" in text else text)
    return load(file, hostname="home", environ={"HOME": "/h"}, is_root=False, root=folder)


class Desk:
    """Additions, what they noted last and how often another start was asked for."""

    def __init__(self, settings: Settings, noted: str | None = None) -> None:
        self.noted, self.renewals = noted, 0
        added = read_added(noted)
        self.settings = with_all(settings, added)
        self.additions = Additions(self.settings, added, self._keep, self._renew)

    def _keep(self, text: str) -> None:
        self.noted = text

    def _renew(self) -> None:
        self.renewals += 1

    def restarted(self, settings: Settings) -> "Desk":
        return Desk(settings, self.noted)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
def desk(settings: Settings) -> Desk:
    return Desk(settings)


def test_a_target_is_there_after_the_restart_with_the_defaults_of_the_configuration(desk: Desk, settings: Settings) -> None:
    assert desk.additions.add("office", {"host": "192.0.2.7", "label": "Büro 東京", "queries": "5", "source": "wanb"}) == ("ok", "")
    assert desk.renewals == 1
    after = desk.restarted(settings).settings
    assert (after.added, [target.tid for target in after.targets]) == (("office",), ["cloudflare", "office"])
    made = after.targets[-1]
    assert (made.host, made.label, made.queries, made.source, made.interval_s, made.method) == (
        "192.0.2.7",
        "Büro 東京",
        5,
        "wanb",
        120,
        "icmp",
    )


def test_it_is_as_if_it_stood_in_the_file(desk: Desk, settings: Settings, tmp_path: Path) -> None:
    desk.additions.add("office", {"host": "192.0.2.7", "family": "4", "wait_s": "1.5"})
    text = TEXT % 1 + "config target 'office'\n\toption host '192.0.2.7'\n\toption family '4'\n\toption wait_s '1.5'\n"
    assert desk.restarted(settings).settings.targets == settings_of(tmp_path, text=text).targets


@pytest.mark.parametrize(
    ("tid", "options", "detail"),
    [
        ("office", {}, "host: is missing; say what to trace"),
        (
            "office",
            {"host": "a b"},
            "host: a b is neither a host name nor an address; write one like example.net, 192.0.2.1 or 2001:db8::1",
        ),
        ("office", {"host": "192.0.2.7", "interval_s": "0"}, "interval_s: 0 is below 1"),
        ("office", {"host": "192.0.2.7", "intervall_s": "9"}, "intervall_s: unknown option; did you mean interval_s?"),
        ("office", {"host": "192.0.2.7", "source": "wan"}, "source: there is no source wan; did you mean wanb?"),
        ("office", {"host": "192.0.2.7", "method": "tcp"}, "port: is missing; tcp needs the port of a service, such as 443"),
        ("office", {"host": "192.0.2.7", "label": "a\nb"}, "label: a\\u000ab holds a control character or a line break; leave it out"),
        ("office", {"host": "1.1.1.1"}, "is the same target as cloudflare; leave one out, or give it another source, method or port"),
        ("of-fice", {"host": "192.0.2.7"}, "'of-fice' is no name of a target; use 1 to 32 of A-Z, a-z, 0-9 and _"),
        ("", {"host": "192.0.2.7"}, "'' is no name of a target; use 1 to 32 of A-Z, a-z, 0-9 and _"),
        ("x" * 33, {"host": "192.0.2.7"}, f"'{'x' * 33}' is no name of a target; use 1 to 32 of A-Z, a-z, 0-9 and _"),
    ],
)
def test_the_schema_of_the_configuration_checks_it(desk: Desk, tid: str, options: dict[str, str], detail: str) -> None:
    assert desk.additions.add(tid, options) == ("bad_parameter", detail)
    assert (desk.noted, desk.renewals) == (None, 0)


def test_no_option_of_a_target_names_a_program_a_file_or_a_listener() -> None:
    kinds = {option.kind for option in SECTIONS["target"]}
    assert not kinds & {Kind.PATH, Kind.PROGRAM, Kind.LISTEN, Kind.DEVICE, Kind.INTERFACE, Kind.TABLE, Kind.MARK, Kind.TOPIC}


def test_a_name_that_is_taken(desk: Desk) -> None:
    assert desk.additions.add("cloudflare", {"host": "192.0.2.7"}) == ("target_exists", "")
    desk.additions.add("office", {"host": "192.0.2.7"})
    assert desk.additions.add("office", {"host": "192.0.2.8"}) == ("target_exists", "")
    assert desk.renewals == 1


def test_there_is_a_bound(desk: Desk, settings: Settings) -> None:
    answers = [desk.additions.add(f"t{number}", {"host": f"192.0.2.{number + 1}"})[0] for number in range(MOST_ADDED + 2)]
    assert answers == ["ok"] * MOST_ADDED + ["too_many_targets"] * 2
    after = desk.restarted(settings)
    assert len(after.settings.added) == MOST_ADDED
    assert after.additions.add("more", {"host": "192.0.2.99"})[0] == "too_many_targets"
    assert after.additions.remove("t3") == ("ok", "")
    assert after.additions.add("more", {"host": "192.0.2.99"}) == ("ok", "")


def test_only_what_was_added_can_be_removed(desk: Desk, settings: Settings) -> None:
    desk.additions.add("office", {"host": "192.0.2.7"})
    after = desk.restarted(settings)
    assert after.additions.remove("cloudflare") == ("not_added", "")
    assert after.additions.remove("nobody") == ("unknown_target", "")
    assert after.additions.remove("office") == ("ok", "")
    assert after.additions.remove("office") == ("unknown_target", "")
    assert after.restarted(settings).settings.targets == settings.targets
    assert after.additions.add("office", {"host": "192.0.2.8"}) == ("ok", "")


def test_nothing_without_the_owners_word(tmp_path: Path, desk: Desk) -> None:
    desk.additions.add("office", {"host": "192.0.2.7"})
    forbidden = desk.restarted(settings_of(tmp_path, allow=False))
    assert forbidden.settings.added == ()
    assert forbidden.additions.add("lab", {"host": "192.0.2.9"}) == ("not_allowed", "")
    assert forbidden.additions.remove("office") == ("not_allowed", "")
    assert forbidden.renewals == 0
    assert forbidden.restarted(settings_of(tmp_path)).settings.added == ("office",), "the permission came back"


def test_the_configuration_wins(desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    desk.additions.add("office", {"host": "192.0.2.7"})
    desk.additions.add("lab", {"host": "192.0.2.9"})
    text = TEXT % 1 + "config target 'office'\n\toption host '192.0.2.80'\n"
    with caplog.at_level(logging.WARNING):
        after = desk.restarted(settings_of(tmp_path, text=text))
    assert [(target.tid, target.host) for target in after.settings.targets][1:] == [("office", "192.0.2.80"), ("lab", "192.0.2.9")]
    assert "the target office, which was added over MQTT, is left out: there is a target office" in caplog.text
    assert after.additions.remove("office") == ("not_added", "")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"office": 7}', '{"office": {"host": {}}}'])
def test_an_unreadable_note_stops_nobody(settings: Settings, text: str) -> None:
    assert with_all(settings, read_added(text)).targets == settings.targets


def test_every_answer_has_its_code(desk: Desk) -> None:
    seen: set[Any] = {desk.additions.add("a", {"host": "192.0.2.1"})[0], desk.additions.add("a", {})[0], desk.additions.remove("b")[0]}
    assert seen <= CODES.keys()
    assert json.loads(desk.noted or "") == {"a": {"host": "192.0.2.1"}}
