"""`pathwarden graph`: the routes of the history as a picture."""

import os
import stat
import xml.etree.ElementTree as ET

import pytest

from equipment.cli import SECOND_PATH, Past

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def past(tmp_path):
    """A target by path A until 20 minutes ago, then by path B; another one by path A."""
    past = Past(tmp_path)
    past.configure(past.target("site", "Example site"), past.target("other"))
    past.write("site", *(past.trace("site", age) for age in (2400, 1500)), *(past.trace("site", age, SECOND_PATH) for age in (900, 580)))
    past.write("other", past.trace("other", 300))
    return past


def test_the_newest_ways_of_all_targets_to_standard_output(past, capsys):
    done = past.run(capsys, "graph")
    assert (done.code, done.err) == (0, "")
    words = [each.text for each in ET.fromstring(done.out).iter(f"{SVG}text")]
    assert {"here", "10.0.0.1", "198.51.100.6", "198.51.100.7", "192.0.2.9"} <= set(words)
    found = past.run(capsys, "graph", "site", "--json").json
    assert [node["lines"] for node in found["nodes"] if node["kind"] == "destination"] == [["192.0.2.9", "udp", "Example site"]]
    assert not [node for node in found["nodes"] if node["name"] == "198.51.100.6"]


def test_two_times_are_compared(past, capsys):
    found = past.run(capsys, "graph", "site", "--before", "-25m", "--json").json
    assert {node["name"]: node["state"] for node in found["nodes"] if node["name"].startswith("198")} == {
        "198.51.100.7": "come", "198.51.100.6": "gone",
    }  # fmt: skip
    at = past.run(capsys, "graph", "site", "--at", "-25m", "--json").json
    assert [node["name"] for node in at["nodes"] if node["name"].startswith("198")] == ["198.51.100.6"]


def test_the_ending_says_the_form(past, tmp_path, capsys, monkeypatch):
    for name, begins in (("a.svg", "<svg "), ("b.dot", "digraph routes {")):
        done = past.run(capsys, "graph", "-o", str(tmp_path / name))
        assert (done.code, done.out) == (0, "")
        assert done.err == "7 nodes, 7 edges\n"
        assert (tmp_path / name).read_text().startswith(begins)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    done = past.run(capsys, "graph", "-o", str(tmp_path / "c.png"))
    assert (done.code, done.err) == (
        1, "pathwarden: rsvg-convert is not installed, which makes PNG of SVG; install librsvg2-bin, or write an .svg\n",
    )  # fmt: skip
    renderer = tmp_path / "bin" / "rsvg-convert"
    renderer.write_text('#!/bin/sh\n[ "$1 $2 $3" = "-f png -o" ] && /bin/cat > "$4"\n')
    renderer.chmod(0o755)
    assert past.run(capsys, "graph", "--dark", "-o", str(tmp_path / "c.png")).code == 0
    assert (tmp_path / "c.png").read_text().startswith("<svg ")
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.svg", "b.dot", "c.png")] == [0o600] * 3
    renderer.write_text("#!/bin/sh\necho 'no memory' >&2\nexit 1\n")
    done = past.run(capsys, "graph", "-o", str(tmp_path / "c.png"))
    assert (done.code, done.err) == (1, "pathwarden: rsvg-convert failed: no memory; write an .svg\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-o", "x.gif"), 2, "-o x.gif: the ending says the form; choose .svg, .dot, .png"),
        (("--at", "-2d"), 1, "the history holds no trace of these targets from before then; ask for a later time, or for others"),
        (("--before", "soon"), 2, "--before 'soon' is not a time"),
        (("nobody",), 2, "nobody"),
    ],
)
def test_what_cannot_be_drawn_is_said(past, capsys, words, code, said):
    done = past.run(capsys, "graph", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_file_that_cannot_be_written_is_said(past, tmp_path, capsys):
    done = past.run(capsys, "graph", "-o", f"{tmp_path}/nowhere{os.sep}a.svg")
    assert done.code == 1
    assert done.err.startswith(f"pathwarden: cannot write {tmp_path}/nowhere/a.svg: No such file or directory")


def test_what_is_watched_no_more_or_never_left_is_not_drawn(past, capsys):
    def drawn(*words):
        found = past.run(capsys, "graph", *words, "--json").json
        return [node["lines"][2:] for node in found["nodes"] if node["kind"] == "destination"]

    past.configure(past.target("other", "Other"), past.target("odd", "Odd"))
    past.write("odd", past.trace("odd", 100, error="device_absent"))
    assert drawn() == [["Other"]]
    assert drawn("site") == [["site"]]
    past.configure()  # the agent chooses its targets itself
    assert drawn() == [["other", "site"]]


def test_a_map_without_a_place_says_what_is_lacking(past, capsys):
    assert "name one with agent.mmdb, see: pathwarden enrich status\n" in past.run(capsys, "map").err
