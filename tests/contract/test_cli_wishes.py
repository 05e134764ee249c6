"""`pathwarden mute`, `accept`, `pause`, `resume` and `note`, told to a page on loopback."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from equipment.fakes import FakeAgent, FakeClock, FakeReader, make_route, make_settings
from pathwarden.api.app import make_app
from pathwarden.api.server import Server
from pathwarden.cli.main import main


class World(NamedTuple):
    """A page with a fake agent behind it, the history that it reads, and a configuration that names its address."""

    agent: FakeAgent
    reader: FakeReader
    config: Path

    def run(self, *words: str) -> int:
        return main(["--config", str(self.config), *words])


def configured(folder: Path, listen: str) -> Path:
    config = folder / "config"
    config.write_text(f"config agent 'agent'\n\toption db '{folder}/history.db'\nconfig web 'web'\n\tlist listen '{listen}'\n")
    return config


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    agent, reader = FakeAgent(("office", "quad9")), FakeReader()
    agent.paths["office"] = {}
    reader.known = [make_route("r1", "A", 900, target="office"), make_route("r2", "B", 300, target="office")]
    server = Server(make_app(agent, reader, make_settings(("office", "quad9")), FakeClock()), ("127.0.0.1:0",))
    server.start()
    yield World(agent, reader, configured(tmp_path, server.addresses[0]))
    server.stop()


@pytest.mark.parametrize(
    ("words", "wish", "said"),
    [
        (("mute", "office", "1h"), ("mute", "office", 3600), "office is muted for 1 h\n"),
        (("mute", "office", "2d"), ("mute", "office", 172_800), "office is muted for 2 d\n"),
        (("mute", "office", "off"), ("mute", "office", 0), "office notifies again\n"),
        (
            ("mute", "office", "--between", "B", "A"),
            ("pair", "office", "B", "A", True),
            "office between B and A is muted until you write off: pathwarden mute office off --between B A\n",
        ),
        (("mute", "office", "--between", "A", "B", "off"), ("pair", "office", "A", "B", False), "office between A and B notifies again\n"),
        (("mute", "office", "off", "--between", "A", "B"), ("pair", "office", "A", "B", False), "office between A and B notifies again\n"),
        (("accept", "office"), ("accept", "office"), "the path of office is the usual one now\n"),
        (("pause", "office"), ("pause", "office", True), "office is paused\n"),
        (("resume", "office"), ("pause", "office", False), "office is probed again\n"),
    ],
)
def test_a_wish_reaches_the_daemon(world, capsys, words, wish, said):
    assert world.run(*words) == 0
    assert world.agent.wishes == [wish]
    out, err = capsys.readouterr()
    assert (out, err) == ("", said)


@pytest.mark.parametrize(
    ("words", "wish", "said"),
    [
        (("E1", "the ISP knows"), ("note", "E1", "the ISP knows"), "noted with E1"),
        (("E1", ""), ("note", "E1", ""), "the note is gone from E1"),
        (("office", "ISP に連絡済み "), ("note", "E2", "ISP に連絡済み"), "noted with 'Path B \ufffd[31m'"),
    ],
)
def test_a_note_reaches_the_daemon(world, capsys, words, wish, said):
    world.reader.tell("office")
    world.reader.tell("office").body["title"] = "Path B \x1b[31m"
    assert world.run("note", *words) == 0
    assert world.agent.wishes == [wish]
    assert capsys.readouterr() == ("", f"{said}\n")
    assert world.run("note", *words, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"event_id": wish[1], "note": wish[2] or None}


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("E9", "x"), "there is no event 'E9'; see the events with: pathwarden events --json"),
        (("a/b", "x"), "there is nothing at this address; see the events with: pathwarden events --json"),
        (("quad9", "x"), "nothing was told of 'quad9' yet; see the events with: pathwarden events"),
        (("office", "two\nlines"), "'note' must be one line of at most 300 characters, without control characters; see the events with"),
        (("office", "\udcff"), "'note' must be one line of at most 300 characters, without control characters; see the events with"),
    ],
)
def test_a_note_that_cannot_be_kept_is_one_line_and_2(world, capsys, words, error):
    world.reader.tell("office").body["title"] = "Path B"
    assert world.run("note", *words) == 2
    assert world.agent.wishes == []
    err = capsys.readouterr().err
    assert err.startswith(f"pathwarden: {error}")
    assert err.count("\n") == 1


def test_json_names_what_was_wished(world, capsys):
    assert world.run("mute", "office", "30m", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"target": "office", "for_s": 1800, "pair": None}
    assert world.run("accept", "office", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"target": "office"}


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("mute", "offices", "1h"), "there is no target 'offices'; see the targets with: pathwarden status"),
        (("accept", "../x"), "there is nothing at this address; see the targets with: pathwarden status"),
        (("mute", "office"), "for how long is missing; write: pathwarden mute office 1h"),
        (("mute", "office", "1h", "--between", "A", "B"), "paths are muted until told otherwise; leave the time out, or write off"),
        (("mute", "office", "--between", "A", "X"), "'pair' names 'X', which is no path of 'office'; see the targets with"),
    ],
)
def test_a_wrong_wish_is_one_line_and_2(world, capsys, words, error):
    assert world.run(*words) == 2
    assert world.agent.wishes == []
    err = capsys.readouterr().err
    assert err.startswith(f"pathwarden: {error}")
    assert err.count("\n") == 1


def test_a_refusal_is_one_line_and_1(world, capsys):
    assert world.run("accept", "quad9") == 1
    assert capsys.readouterr().err == "pathwarden: the daemon refused: no path to 'quad9' is known yet; try again later\n"


@pytest.mark.parametrize("time", ["1", "0h", "31d", "1y", "-1h", ""])
def test_a_time_that_is_none_is_2(world, capsys, time):
    with pytest.raises(SystemExit) as ended:
        world.run("mute", "office", f"{time}")
    assert ended.value.code == 2
    assert world.agent.wishes == []
    assert capsys.readouterr().err


@pytest.mark.parametrize("words", [("mute", "office", "1h"), ("accept", "office"), ("pause", "office"), ("note", "E1", "x")])
def test_no_daemon_is_one_line_and_4(tmp_path, capsys, words):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        config = configured(tmp_path, f"127.0.0.1:{probe.getsockname()[1]}")
        assert main(["--config", str(config), *words]) == 4
    assert capsys.readouterr().err == (
        "pathwarden: no daemon answers on its page; start one with: pathwarden run, and see that web.listen is not off\n"
    )
