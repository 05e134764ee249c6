"""`pathwarden map`: the places on the routes of the history, on a map of the world."""

import re
import xml.etree.ElementTree as ET

import pytest

from equipment.cli import Past
from equipment.towns import database, trace

SVG = "{http://www.w3.org/2000/svg}"
HOUR = 3_600_000_000_000


@pytest.fixture
def past(tmp_path):
    """One target by New York now and by London an hour ago, another one in Amsterdam; the agent has a private address."""
    past = Past(tmp_path)
    past.configure(past.target("site", "Example site"), past.target("other"), agent=f"\tlist mmdb '{database(tmp_path)}'\n")

    def seen(target, ago, *stops):
        return trace(target, "192.168.1.1", "Berlin/2", *stops, source="192.168.1.7", at=past.now - ago * HOUR // 2)

    past.write("site", seen("site", 2, "London", "Chicago/9"), seen("site", 1, "New York", "Chicago/9"))
    past.write("other", seen("other", 1, "Amsterdam/9"))
    return past


def cities(done):
    return [place["city"] for place in done.json["places"]]


def test_the_newest_ways_and_those_of_another_time(past, capsys):
    done = past.run(capsys, "map")
    assert (done.code, done.err) == (0, "")
    assert re.search(r">New York, US \d+\.\d ms<", done.out)
    assert ET.fromstring(done.out).tag == f"{SVG}svg"
    assert cities(past.run(capsys, "map", "site", "--json")) == ["Berlin", "New York", "Chicago"]
    assert cities(past.run(capsys, "map", "site", "--at", "-45m", "--json")) == ["Berlin", "London", "Chicago"]
    assert set(cities(past.run(capsys, "map", "--json"))) == {"Berlin", "New York", "Chicago", "Amsterdam"}


def test_where_this_agent_is(past, capsys):
    assert past.run(capsys, "map", "site", "--json").json["source"] is None
    told = past.run(capsys, "map", "site", "--json", "--here=-33.87,151.21").json
    assert told["source"] == {"latitude": -33.87, "longitude": 151.21}
    assert all(each["contradiction"]["other"] == "source" for place in told["places"] for each in place["responders"])


def test_the_ending_says_the_form(past, tmp_path, capsys, monkeypatch):
    done = past.run(capsys, "map", "-o", str(tmp_path / "a.svg"))
    assert (done.code, done.out, done.err) == (0, "", "4 places, 1 responder without a position\n")
    assert (tmp_path / "a.svg").read_text().startswith("<svg ")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    done = past.run(capsys, "map", "-o", str(tmp_path / "a.png"))
    assert (done.code, done.err) == (
        1, "pathwarden: rsvg-convert is not installed, which makes PNG of SVG; install librsvg2-bin, or write an .svg\n",
    )  # fmt: skip
    renderer = tmp_path / "bin" / "rsvg-convert"
    renderer.write_text('#!/bin/sh\n[ "$1 $2 $3" = "-f png -o" ] && /bin/cat > "$4"\n')
    renderer.chmod(0o755)
    assert past.run(capsys, "map", "--dark", "-o", str(tmp_path / "a.png")).code == 0
    assert (tmp_path / "a.png").read_text().startswith("<svg ")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-o", "x.dot"), 2, "-o x.dot: the ending says the form; choose .svg, .png"),
        (("--here", "home"), 2, "--here 'home' is no position; give degrees north and east"),
        (("--here", "95,0"), 2, "--here '95,0' is no position"),
        (("--at", "-2d"), 1, "the history holds no trace of these targets from before then; ask for a later time, or for others"),
        (("nobody",), 2, "nobody"),
    ],
)
def test_what_cannot_be_drawn_is_said(past, capsys, words, code, said):
    done = past.run(capsys, "map", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") == 1
