"""`pathwarden events`: what was told, and what is told while one looks."""

import json
import signal
import subprocess
import sys

import pytest

from equipment.cli import Past
from pathwarden.cli import events
from pathwarden.cli.terminal import local, width
from pathwarden.config.load import load_here

HOSTILE = "\x1b]0;owned\x07" + "\u202e" + "経路が変わりました" * 12


@pytest.fixture
def past(tmp_path, monkeypatch) -> Past:
    """Three events of two targets."""
    monkeypatch.setenv("COLUMNS", "80")
    past = Past(tmp_path)
    past.configure(past.target("site"), past.target("other"))
    past.write("site", past.trace("site", 300), events=[past.event("site", 300, "Path to site changed to B", "Hop 3 differs.")])
    past.write("other", past.trace("other", 200), events=[past.event("other", 200, "other does not answer", severity="critical")])
    past.write("site", past.trace("site", 100), events=[past.event("site", 100, "Path to site went back to A")])
    return past


def test_newest_last(past, capsys):
    result = past.run(capsys, "events")
    assert result.code == 0
    assert result.out.splitlines() == [
        f"{local(past.now - 300 * 10**9)}  notice    site  Path to site changed to B",
        "                     Hop 3 differs.",
        f"{local(past.now - 200 * 10**9)}  critical  other  other does not answer",
        f"{local(past.now - 100 * 10**9)}  notice    site  Path to site went back to A",
    ]


def test_one_target_and_a_limit(past, capsys):
    assert [e["seq"] for e in past.run(capsys, "events", "--json", "--target", "site").json] == [1, 3]
    assert [e["seq"] for e in past.run(capsys, "events", "--json", "--limit", "2").json] == [2, 3]


def test_events_of_a_time(past, capsys):
    assert [e["seq"] for e in past.run(capsys, "events", "--json", "--from", "-250s").json] == [2, 3]
    assert [e["seq"] for e in past.run(capsys, "events", "--json", "--from", "-250s", "--to", "-150s").json] == [2]
    assert past.run(capsys, "events", "--to", "2026-01-01") == (0, "", "nothing was told in that time\n")
    backwards = past.run(capsys, "events", "--from", "-1h", "--to", "-2h")
    assert (backwards.code, backwards.err) == (2, "pathwarden: --from -1h is later than --to -2h; exchange the two\n")
    both = past.run(capsys, "events", "--follow", "--to", "-1h")
    assert (both.code, both.err) == (2, "pathwarden: --to goes not with --follow; leave out one of the two\n")


def test_a_note_follows_the_event(past, capsys):
    past.note("E1", f"the ISP's \x1b[31m{'long words ' * 20}")
    out = past.run(capsys, "events").out.splitlines()
    assert out[2].startswith("                     Note: the ISP's ")
    assert "\x1b" not in "".join(out) and all(len(line) <= 80 for line in out)
    assert [bool(e["note"]) for e in past.run(capsys, "events", "--json").json] == [True, False, False]


def test_json_is_an_array_of_bodies(past, capsys):
    found = past.run(capsys, "events", "--json").json
    assert [e["title"] for e in found] == ["Path to site changed to B", "other does not answer", "Path to site went back to A"]
    assert found[0]["severity"] == "notice" and found[0]["v"] == 1


def test_an_unknown_target_is_2(past, capsys):
    result = past.run(capsys, "events", "--target", "sight")
    assert (result.code, result.err) == (2, "pathwarden: there is no target 'sight'; known are other, site\n")


def test_nothing_told_yet(tmp_path, capsys):
    past = Past(tmp_path)
    past.write("site", past.trace("site", 5))
    assert past.run(capsys, "events") == (0, "", "nothing was told yet\n")
    assert past.run(capsys, "events", "--json") == (0, "[]\n", "")


def test_eighty_columns_whatever_an_event_says(past, capsys):
    past.write("site", past.trace("site", 50), events=[past.event("site", 50, HOSTILE, f"{HOSTILE} was A " * 3)])
    out = past.run(capsys, "events").out
    assert all(c.isprintable() or c == "\n" for c in out)
    past.write("site", past.trace("site", 40), events=[past.event("site", 40, "word " * 40, "word " * 60)])
    out = past.run(capsys, "events", "--limit", "1").out
    assert len(out.splitlines()) > 4
    assert max(map(width, out.splitlines())) <= 80


def test_follow_prints_what_comes_until_ctrl_c(past):
    command = [sys.executable, "-m", "pathwarden", "--config", str(past.config), "events", "--follow", "--json", "--limit", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        try:
            assert json.loads(process.stdout.readline())["seq"] == 3
            past.write("other", past.trace("other", 1), events=[past.event("other", 1, "other answers again")])
            assert json.loads(process.stdout.readline())["title"] == "other answers again"
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_following_one_target_passes_others_over(past):
    coming = events._coming(load_here(past.config), "site", 0)
    assert [next(coming).seq, next(coming).seq] == [1, 3]
    past.write("other", past.trace("other", 2), events=[past.event("other", 2, "no")])
    past.write("site", past.trace("site", 1), events=[past.event("site", 1, "yes")])
    assert next(coming).body["title"] == "yes"
    coming.close()


def test_following_goes_on_in_a_new_history(past):
    coming = events._coming(load_here(past.config), None, 2)
    assert next(coming).seq == 3
    past.db.rename(past.db.with_name("history.db.damaged-1"))
    past.write("site", past.trace("site", 1), events=[past.event("site", 1, "first of the new")])
    assert next(coming).body["title"] == "first of the new"
    coming.close()


def test_what_the_agent_tells_of_itself_is_among_them(past, capsys):
    told = past.event("", 50, "Incident: 2 targets do not answer", "2 targets do not answer.", severity="critical")
    past.write("site", past.trace("site", 60), events=[told])
    lines = past.run(capsys, "events", "--limit", "1").out.splitlines()
    assert lines == [
        f"{local(past.now - 50 * 10**9)}  critical  agent  Incident: 2 targets do not answer",
        "                     2 targets do not answer.",
    ]
