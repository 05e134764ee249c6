"""`pathwarden history`: traces, paths, and the trace in force at an instant."""

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest

from equipment.cli import FIRST, SECOND_PATH, Past
from equipment.fakes import hop, make_route, make_trace
from equipment.recordings import SITE, START_S, atlas
from pathwarden.cli.past import instant
from pathwarden.cli.shares import shares
from pathwarden.cli.terminal import local, width
from pathwarden.errors import ConfigError
from pathwarden.model.history import StoredTrace
from pathwarden.present import history
from pathwarden.present.instants import rfc3339

NOW = 1_795_250_700_000_000_000  # 2026-11-21T08:45:00Z
HOUR = 3600 * 1_000_000_000


@pytest.fixture(autouse=True)
def taipei(monkeypatch):
    """A time zone that is not the machine's own, eight hours east."""
    monkeypatch.setenv("TZ", "CST-8")
    monkeypatch.setenv("COLUMNS", "80")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def past(tmp_path) -> Past:
    """Path A, from 40 minutes ago to 20, then path B; one trace could not leave."""
    past = Past(tmp_path)
    past.configure(past.target("site", "Example", "www.example"))
    old = [past.trace("site", age) for age in (2400, 2100, 1800, 1500)]
    new = [past.trace("site", age, SECOND_PATH) for age in (900, 890, 880, 580)]
    past.write("site", *old, past.trace("site", 1200, error="no_route"), *new)
    return past


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-21T08:45:00Z", NOW),
        ("2026-11-21T09:45:00.5+01:00", NOW + 500_000_000),
        ("2026-11-21 16:45", NOW),
        ("2026-11-21T16:45:00", NOW),
        ("2026-11-21", NOW - 16 * HOUR - HOUR * 3 // 4),
        ("1795250700", NOW),
        ("-0s", NOW),
        ("-30m", NOW - HOUR // 2),
        ("-2h", NOW - 2 * HOUR),
        ("-3d", NOW - 72 * HOUR),
        ("-1w", NOW - 7 * 24 * HOUR),
    ],
)
def test_instants_as_people_write_them(text, at):
    assert instant(text, NOW) == at


@pytest.mark.parametrize("text", ["", "yesterday", "-2", "-2y", "2h", "2026-13-01 10:00", "2026-11-21 25:00", "2026-11-21 8:45", "-２h"])
def test_other_words_are_no_instants(text):
    with pytest.raises(ConfigError) as caught:
        instant(text, NOW)
    assert str(caught.value) == f"--at {text!r} is not a time; write it like 2026-11-21T08:45:00Z, '2026-11-21 08:45' or -2h"


@pytest.mark.parametrize("text", ["-999999999w", "1969-12-31 10:00", "2300-01-01 10:00"])
def test_instants_that_no_history_holds(text):
    with pytest.raises(ConfigError, match="outside the years 1970 to 2262"):
        instant(text, NOW)


def test_local_times_are_those_of_the_machine():
    assert local(NOW) == "2026-11-21 16:45:00"


def test_newest_traces_first(past, capsys):
    result = past.run(capsys, "history", "site")
    lines = result.out.splitlines()
    assert result.code == 0
    assert lines[0].split() == ["TIME", "PATH", "RTT", "ms", "LOSS", "HOPS", "ENDING", "REASON"]
    assert lines[1].split() == [*local(past.now - 580 * 10**9).split(), "B", "20.1", "0", "%", "4", "reached", "schedule"]
    assert lines[5].split()[2:] == ["-", "-", "-", "-", "error", "schedule"]
    assert lines[6] == "    no route to the target"
    assert lines[-1].split()[2] == "A"
    assert len(lines) == 1 + 9 + 1


def test_limit(past, capsys):
    assert len(past.run(capsys, "history", "site", "--limit", "3").out.splitlines()) == 4
    with pytest.raises(SystemExit) as caught:
        past.run(capsys, "history", "site", "--limit", "0")
    assert caught.value.code == 2
    assert "'0' is not a number from 1 to 10000" in capsys.readouterr().err


def test_json_is_an_array_of_the_apis_objects(past, capsys):
    traces = past.run(capsys, "history", "site", "--json").json
    assert len(traces) == 9
    stamps = [trace["at"] for trace in traces]
    assert stamps == sorted(stamps, reverse=True)
    assert [trace["path_label"] for trace in traces[-4:]] == ["A"] * 4
    assert {"id", "rtt_ms", "loss_pct", "hop_count", "ending", "reason", "error"} <= set(traces[0])
    assert all("hops" not in trace for trace in traces)


def test_the_trace_in_force_in_traceroutes_layout(past, capsys):
    result = past.run(capsys, "history", "site", "--at", "-25m")
    assert result.out.splitlines() == [
        "traceroute to www.example (192.0.2.9), 30 hops max, 60 byte packets",
        " 1  10.0.0.1  0.500 ms  0.600 ms  0.700 ms",
        " 2  * * *",
        " 3  198.51.100.6  4.000 ms  4.100 ms  4.200 ms",
        " 4  192.0.2.9  9.900 ms  10.100 ms  10.400 ms",
    ]
    assert result.err == f"the trace of {local(past.now - 1500 * 10**9)}, path A, reached\n"
    assert past.run(capsys, "history", "site", "--at", "-25m", "--quiet").err == ""


def test_the_trace_in_force_as_json(past, capsys):
    at = datetime.fromtimestamp(past.now / 1e9 - 1700, UTC).isoformat().replace("+00:00", "Z")
    found = past.run(capsys, "history", "site", "--at", at, "--json").json
    assert found["path_label"] == "A"
    assert [hop["responders"] for hop in found["hops"]] == [["10.0.0.1"], [], ["198.51.100.6"], ["192.0.2.9"]]


def test_a_trace_that_could_not_leave_says_so(past, capsys):
    result = past.run(capsys, "history", "site", "--at", "-19m")
    assert result.err.endswith(", error: no route to the target\n")
    assert result.out == "traceroute to www.example (192.0.2.9), 30 hops max, 60 byte packets\n"


def test_nothing_as_old_as_that(past, capsys):
    result = past.run(capsys, "history", "site", "--at", "2026-01-01 10:00")
    assert (result.code, result.out) == (1, "")
    assert result.err == "pathwarden: the history holds no trace of site from before 2026-01-01 10:00:00; ask for a later time\n"


def test_the_path_then_is_known_when_its_traces_are_not_kept_any_more(past, capsys):
    at = str(past.now // 10**9 - 1500)
    hops = past.run(capsys, "history", "site", "--at", at, "--json").json["hops"]
    with closing(sqlite3.connect(past.db)) as db, db:
        db.execute("DELETE FROM traces WHERE at < ?", (past.now - 1300 * 10**9,))
    result = past.run(capsys, "history", "site", "--at", at)
    assert result.err == f"no trace from before {local(int(at) * 10**9)} is kept any more; path A was in force then\n"
    assert result.out.splitlines() == ["path to 192.0.2.9, 4 hops", " 1  10.0.0.1", " 2  *", " 3  198.51.100.6", " 4  192.0.2.9"]
    found = past.run(capsys, "history", "site", "--at", at, "--json").json
    assert (found["path"]["label"], found["path"]["hops"]) == ("A", [hop["responders"] for hop in hops])
    assert past.run(capsys, "diff", "site", at).out.startswith("--- path A, 4 hops\n+++ path B, traced ")


def test_distinct_paths(past, capsys):
    result = past.run(capsys, "history", "site", "--paths")
    first, second = (result.out.splitlines()[n : n + 3] for n in (0, 3))
    assert first[0].startswith("A   ") and first[0].endswith(", 10.1 ms, usual")
    assert second[0].startswith("B   ") and "in force" in second[0]
    assert first[1] == f"    first {local(past.now - 2400 * 10**9)}, last {local(past.now - 1500 * 10**9)}, to 192.0.2.9"
    assert (first[2], second[2]) == ("    10.0.0.1 * 198.51.100.6 192.0.2.9", "    10.0.0.1 * 198.51.100.7 192.0.2.9")


def test_distinct_paths_as_json(past, capsys):
    paths = past.run(capsys, "history", "site", "--paths", "--json").json
    assert [(p["label"], p["usual"], p["current"]) for p in paths] == [("A", True, False), ("B", False, True)]
    assert set(paths[0]) == set(history.route(make_route("r", "A", 1), share_pct=None, usual=True, current=True))
    assert sum(p["share_pct"] for p in paths) == pytest.approx(100, abs=0.2)


def test_an_unknown_target_is_2_and_names_the_known(past, capsys):
    result = past.run(capsys, "history", "sight")
    assert (result.code, result.out) == (2, "")
    assert result.err == "pathwarden: there is no target 'sight'; known are site\n"


def test_what_was_watched_once_is_still_known(past, capsys):
    past.write("gone", past.trace("gone", 100))
    past.configure(past.target("new"))
    assert past.run(capsys, "history", "gone", "--at", "-1s").out.startswith("traceroute to 192.0.2.9 (192.0.2.9), 30 hops max")
    result = past.run(capsys, "history", "new")
    assert (result.code, result.out, result.err) == (0, "", "new has not been traced yet\n")
    assert past.run(capsys, "history", "new", "--json").json == []


def test_no_history_is_one_line(tmp_path, capsys):
    past = Past(tmp_path)
    result = past.run(capsys, "history", "site")
    assert (result.code, result.err) == (1, f"pathwarden: no history at {past.db} yet; start the daemon with: pathwarden run\n")


def test_eighty_columns_with_long_addresses(past, capsys):
    long6 = [f"2001:db8:ffff:eeee:dddd:cccc:bbbb:{n}" for n in range(1000, 1003)]
    hops = [hop._replace(answers=tuple(a._replace(responder=a.responder and long6[0]) for a in hop.answers)) for hop in FIRST * 3]
    hops = [hop._replace(ttl=n) for n, hop in enumerate(hops, 1)]
    past.write("six", past.trace("six", 50, hops))
    for words in (["--paths"], [], ["--at", "-1s"]):
        out = past.run(capsys, "history", "six", *words).out
        assert out
        assert max(map(width, out.splitlines())) <= 80


def test_traces_of_a_time_and_of_a_path(past, capsys):
    lines = past.run(capsys, "history", "site", "--from", "-31m", "--to", "-14m").out.splitlines()[1:]
    assert [line[21] for line in lines if line[0] == "2"] == ["B", "-", "-", "-", "A", "A"]
    assert [trace["path_label"] for trace in past.run(capsys, "history", "site", "--path", "A", "--json").json] == ["A"] * 4
    ids = {trace["path_id"] for trace in past.run(capsys, "history", "site", "--path", "A", "--json").json}
    assert len(past.run(capsys, "history", "site", "--path", *ids, "--limit", "3", "--json").json) == 3
    result = past.run(capsys, "history", "site", "--to", "2026-01-01")
    assert (result.code, result.out, result.err) == (0, "", "the history holds no such trace of site\n")


def test_traces_of_a_path_are_found_behind_many_of_others(past, capsys, monkeypatch):
    monkeypatch.setattr("pathwarden.cli.history.PAGE", 2)
    assert len(past.run(capsys, "history", "site", "--path", "A", "--json").json) == 4


def test_shares_of_a_time(past, capsys):
    asked = ("history", "site", "--paths", "--from", rfc3339(past.now - 2160 * 10**9), "--to", rfc3339(past.now - 600 * 10**9), "--json")
    paths = past.run(capsys, *asked).json
    # A minute before the first trace of that time the path was in force already.
    assert {p["label"]: (p["traces"], p["held_s"]) for p in paths}["A"] == (3, 60 + 300 + 300 + 300)
    assert sum(p["share_pct"] for p in paths) == pytest.approx(100, abs=0.2)
    shown = past.run(capsys, "history", "site", "--paths", "--from", "-36m", "--to", "-10m").out
    assert shown.startswith("A   ")
    result = past.run(capsys, "history", "site", "--paths", "--from", "-1s")
    assert (result.code, result.out, result.err) == (0, "", "no path of site is known in that time\n")


def test_shares_reach_back_behind_the_traces_that_are_kept():
    routes = {route.route_id: route for route in (make_route("r1", "A", 1), make_route("r2", "B", 1))}
    traces = [StoredTrace(number, "p", "r2", make_trace(hop(1, "192.0.2.9", 9.0), at=(1000 + 300 * number) * 10**9)) for number in range(3)]
    found = shares("site", routes, traces, 1200 * 10**9, {"r1": 5000, "r2": 7, "trimmed": 9})
    assert [(route.label, route.held_s, route.traces) for route in found] == [("A", 5000, 0), ("B", 407, 2)]
    assert shares("site", routes, traces[:1], 1200 * 10**9, {}) == []


def test_all_targets(past, capsys):
    past.configure(past.target("site"), past.target("new"))
    lines = past.run(capsys, "history").out.splitlines()
    assert lines[0].split() == ["TARGET", "LAST", "TRACED", "RTT", "ms", "HOPS", "ENDING"]
    assert lines[1].split() == ["new", "-", "-", "-", "-"]
    assert lines[2].split() == ["site", *local(past.now - 580 * 10**9).split(), "20.1", "4", "reached"]
    assert [each["target"] for each in past.run(capsys, "history", "--json").json] == ["new", "site"]


@pytest.fixture
def imported(past, capsys) -> Past:
    """The same with a day of another's measurements: three traces, the last by another path."""
    file = past.db.with_name("atlas.json")
    ways = [("198.51.100.1", 0), ("198.51.100.1", 900), (None, 1800), ("203.0.113.1", 2700), ("203.0.113.1", 3000)]
    file.write_text("".join(json.dumps(atlas("10.0.0.1", who, SITE, at_s=at_s)) + "\n" for who, at_s in ways))
    assert past.run(capsys, "import", str(file)).code == 0
    return past


def test_imported_targets_are_shown_as_such(imported, capsys):
    lines = imported.run(capsys, "history").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["site", "atlas-5006-6012", "imported:"]
    result = imported.run(capsys, "history", "atlas-5006-6012")
    assert result.err == "imported: RIPE Atlas, measurement 5006, probe 6012, to 192.0.2.9\n"
    assert len(result.out.splitlines()) == 6
    found = imported.run(capsys, "history", "atlas-5006-6012", "--json").json
    assert {(each["imported"]["measurement"], each["imported"]["observer"]) for each in found} == {(5006, 6012)}
    assert imported.run(capsys, "history", "site", "--json", "--limit", "1").json[0]["imported"] is None
    shown = imported.run(capsys, "history", "atlas-5006-6012", "--at", str(START_S + 5)).out
    assert shown.splitlines()[0] == "traceroute to 192.0.2.9 (192.0.2.9), 30 hops max, 76 byte packets"


def test_paths_of_imported_targets_are_told_apart_by_what_was_seen(imported, capsys):
    paths = imported.run(capsys, "history", "atlas-5006-6012", "--paths", "--json").json
    assert [(p["path_id"], p["label"], p["hops"][1], p["traces"], p["held_s"]) for p in paths] == [
        (None, None, ["198.51.100.1"], 3, 2700),
        (None, None, ["203.0.113.1"], 2, 300),
    ]
    assert imported.run(capsys, "history", "atlas-5006-6012", "--paths").out.startswith("-   90.0 % of the time (45 min), 3 traces, ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--at", "-2h"], "--at needs a TARGET; name one; pathwarden history alone lists them"),
        (["site", "--at", "-2h", "--from", "-3h"], "--from goes not with --at; leave out one of the two"),
        (["site", "--paths", "--path", "A"], "--path goes not with --paths; leave out one of the two"),
        (["site", "--path", "C"], "site has no path 'C'; known are A, B"),
        (["site", "--from", "-1h", "--to", "-2h"], "--from -1h is later than --to -2h; exchange the two"),
    ],
)
def test_options_that_exclude_each_other(past, capsys, words, said):
    assert past.run(capsys, "history", *words) == (2, "", f"pathwarden: {said}\n")
