"""`pathwarden export`: the history in the forms of other programs."""

import csv
import io
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from equipment.cli import FIRST, SECOND_PATH, Past
from equipment.fakes import hop, make_route, make_trace
from pathwarden.cli import progress
from pathwarden.errors import OperatorError
from pathwarden.export import mtr, table, ways
from pathwarden.export.exporter import FORMS, NO_PACKETS, PACKETS_REMEDY, Subject
from pathwarden.export.origin import FIRST_ID, Origin
from pathwarden.export.reading.forms import traces as read
from pathwarden.export.ways import Ways
from pathwarden.model.history import StoredTrace
from pathwarden.model.trace import Trace
from pathwarden.present.instants import rfc3339

SECOND = 1_000_000_000


@pytest.fixture
def past(tmp_path) -> Past:
    """Two targets: one changes its path, the other's last trace could not leave."""
    past = Past(tmp_path)
    past.configure(past.target("site", "Example", "www.example"), past.target("other"))
    past.write(
        "site", *(past.trace("site", age) for age in (2400, 2100)), *(past.trace("site", age, SECOND_PATH) for age in (900, 890, 880))
    )
    past.write("other", past.trace("other", 1500), past.trace("other", 1200, error="no_route"))
    return past


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_atlas_one_result_a_line_oldest_first(past, capsys):
    result = past.run(capsys, "export", "--format", "atlas")
    seen = lines(result.out)
    assert (result.code, result.err) == (0, "")
    assert [each["dst_name"] for each in seen] == ["other.example"] * 2 + ["www.example"] * 5
    assert [each["timestamp"] for each in seen[2:]] == [past.now // SECOND - age for age in (2400, 2100, 900, 890, 880)]
    assert {(each["fw"], each["type"], each["proto"]) for each in seen} == {(5080, "traceroute", "UDP")}
    assert all(each["prb_id"] >= FIRST_ID and each["msm_id"] >= FIRST_ID for each in seen)
    assert len({each["prb_id"] for each in seen}) == 1 and len({each["msm_id"] for each in seen}) == 2
    assert seen[1]["result"] == [{"hop": 1, "error": "no route to the target"}]
    assert seen[2]["result"][1] == {"hop": 2, "result": [{"x": "*"}] * 3}


@pytest.mark.parametrize("form", ["atlas", "scamper", "jsonl"])
def test_what_replay_reads(past, capsys, form):
    out = past.run(capsys, "export", "--format", form, "--target", "site").out
    found = [read(line.encode())[0].trace for line in out.splitlines()]
    assert [trace.reached_ttl for trace in found] == [4] * 5
    assert [trace.hops[2].responders for trace in found] == [("198.51.100.6",)] * 2 + [("198.51.100.7",)] * 3
    assert [each.rtts_ns for each in found[0].hops] == [each.rtts_ns for each in FIRST]


def test_text_in_traceroutes_layout(past, capsys):
    shown = past.run(capsys, "export", "--format", "text", "--target", "other").out
    assert shown.splitlines() == [
        f"# {rfc3339(past.now - 1500 * SECOND)} other, path A, reached",
        "traceroute to other.example (192.0.2.9), 30 hops max, 60 byte packets",
        " 1  10.0.0.1  0.500 ms  0.600 ms  0.700 ms",
        " 2  * * *",
        " 3  198.51.100.6  4.000 ms  4.100 ms  4.200 ms",
        " 4  192.0.2.9  9.900 ms  10.100 ms  10.400 ms",
        "",
        f"# {rfc3339(past.now - 1200 * SECOND)} other, error: no route to the target",
        "traceroute to other.example (192.0.2.9), 30 hops max, 60 byte packets",
        "",
    ]


def test_csv_has_a_row_for_each_probe(past, capsys):
    rows = list(csv.DictReader(io.StringIO(past.run(capsys, "export", "--format", "csv", "--target", "other").out)))
    assert tuple(rows[0]) == table.COLUMNS
    assert len(rows) == 12 + 1
    assert [row["responder"] for row in rows[3:6]] == [""] * 3
    assert {key: rows[11][key] for key in ("target", "path", "ttl", "query", "responder", "rtt_ms")} == {
        "target": "other",
        "path": "A",
        "ttl": "4",
        "query": "3",
        "responder": "192.0.2.9",
        "rtt_ms": "10.400",
    }
    assert (rows[12]["error"], rows[12]["ttl"], rows[12]["ending"]) == ("no_route", "", "error")
    assert past.run(capsys, "export", "--format", "csv", "--to", "-9d").out == ",".join(table.COLUMNS) + "\n"


def test_mtr_has_a_report_for_each_path(past, capsys):
    old = [past.trace("moved", age) for age in (2400, 2100, 1800, 1500)]
    past.write("moved", *old, *(past.trace("moved", age, SECOND_PATH) for age in (900, 890, 880, 580)))
    reports = {each["pathwarden"]["path"]: each for each in lines(past.run(capsys, "export", "--format", "mtr", "--target", "moved").out)}
    assert [hub["host"] for hub in reports["A"]["report"]["hubs"]] == ["10.0.0.1", "???", "198.51.100.6", "192.0.2.9"]
    new = reports["B"]["report"]
    probes = 3 * reports["B"]["pathwarden"]["traces"]
    assert probes >= 3
    assert new["mtr"] == {"src": "192.0.2.1", "dst": "192.0.2.9", "tos": 0, "tests": probes, "psize": "60", "bitpattern": "0x00"}
    assert [hub["host"] for hub in new["hubs"]] == ["10.0.0.1", "???", "198.51.100.7", "192.0.2.9"]
    assert (new["hubs"][3]["Snt"], new["hubs"][3]["Rcv"], new["hubs"][3]["Loss%"]) == (probes, probes, 0.0)
    # The second hop never answers, and what is behind it does: it loses nothing.
    times = {"Last": 0.0, "Avg": 0.0, "Best": 0.0, "Wrst": 0.0, "StDev": 0.0}
    assert new["hubs"][1] == {"count": 2, "host": "???", "Loss%": 0.0, "Snt": probes, "Rcv": 0, **times}


def report(*traces: Trace, route: str | None = "r1") -> list[dict]:
    stored = [StoredTrace(number, "p", route, trace) for number, trace in enumerate(traces)]
    return lines("".join(mtr.lines(Origin.of_ours("a", "t", "host"), {}, stored)))


def test_mtrs_figures():
    usual = make_trace(hop(1, "10.0.0.1", 1.0, None), hop(2, "192.0.2.9", 4.0, 6.0))
    lost = replace(
        make_trace(hop(1, "10.0.0.1", 3.0, 1.0), hop(2, None, None, None), hop(3, None, None, None), reached=False), at=usual.at + 1
    )
    (both,) = report(usual, lost)
    near, site = both["report"]["hubs"]  # and none behind the destination, where only the trace looked that did not find it
    assert near == {
        "count": 1,
        "host": "10.0.0.1",
        "Loss%": 25.0,
        "Snt": 4,
        "Rcv": 3,
        "Last": 1.0,
        "Avg": 1.667,
        "Best": 1.0,
        "Wrst": 3.0,
        "StDev": 1.155,
    }
    assert site == {
        "count": 2,
        "host": "192.0.2.9",
        "Loss%": 50.0,
        "Snt": 4,
        "Rcv": 2,
        "Last": 6.0,
        "Avg": 5.0,
        "Best": 4.0,
        "Wrst": 6.0,
        "StDev": 1.414,
    }
    assert both["pathwarden"]["traces"] == 2


def test_mtr_puts_traces_without_a_route_together_where_no_known_hops_differ():
    one, other = (make_trace(hop(1, "10.0.0.1", 1.0), hop(2, who, 2.0), hop(3, "192.0.2.9", 4.0)) for who in ("10.1.1.1", "10.2.2.2"))
    silent = make_trace(hop(1, "10.0.0.1", 1.0), hop(2, None, None), hop(3, "192.0.2.9", 4.0))
    found = report(other, one, silent, one, route=None)
    assert [(each["pathwarden"]["traces"], each["report"]["hubs"][1]["host"]) for each in found] == [(3, "10.1.1.1"), (1, "10.2.2.2")]
    assert report(make_trace(reached=False), route=None)[0]["report"]["hubs"] == []


def test_traces_that_were_undecided_are_of_the_route_that_they_fit():
    known = [make_route("r1", "A", 900)._replace(last_at=1), make_route("r2", "B", 300)._replace(hops=(("10.0.0.2",), (), ("192.0.2.9",)))]
    ways = Ways(known)

    def way(who: str | None, route: str | None = None) -> str | None:
        near = hop(1, who, 1.0) if who else hop(1, None, None)
        seen = make_trace(near, hop(2, None, None), hop(3, "192.0.2.9", 4.0))
        return ways.of(StoredTrace(1, "p", route, seen)).route_id

    assert way("10.0.0.1") == "r1"
    assert way(None) == "r1"  # as the trace before
    assert way("10.0.0.2") == way(None) == "r2"
    assert way("10.0.0.2", "r1") == way("10.0.0.1", "r1") == "r1"  # what was decided stays
    assert way("10.0.0.3") is None
    assert way(None) is None
    assert way("10.0.0.9", "trimmed") == "trimmed"


def test_mtr_does_not_count_more_paths_than_memory_holds(monkeypatch):
    monkeypatch.setattr(ways, "MOST_WAYS", 3)
    others = [make_trace(hop(1, f"10.0.0.{number}", 1.0)) for number in range(4)]
    with pytest.raises(OperatorError, match="cloudflare has more than 3 paths in that time; choose a shorter time"):
        report(*others, route=None)


def test_a_span(past, capsys):
    asked = ("export", "--format", "jsonl", "--target", "site")
    assert len(past.run(capsys, *asked, "--from", "-2100s", "--to", "-885s").out.splitlines()) == 2
    at = -(-(past.now - 900 * SECOND) // SECOND)
    assert len(past.run(capsys, *asked, "--from", str(at), "--to", rfc3339(past.now)).out.splitlines()) == 2


def test_nothing_in_that_time_is_an_answer(past, capsys):
    assert past.run(capsys, "export", "--format", "text", "--to", "2026-01-01") == (0, "", "0 traces of 2 targets\n")


@pytest.mark.parametrize("form", FORMS)
def test_a_file_appears_whole_for_its_owner_alone(past, capsys, tmp_path, form):
    file = tmp_path / "out"
    file.write_text("old")
    printed = past.run(capsys, "export", "--format", form).out
    result = past.run(capsys, "export", "--format", form, "-o", str(file))
    assert (result.code, result.out, result.err) == (0, "", "7 traces of 2 targets\n")
    assert file.read_text() == printed
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--format", "atlas", "--target", "sight"], 2, "there is no target 'sight'; known are other, site"),
        (["--format", "csv", "--from", "-1h", "--to", "-2h"], 2, "--from -1h is later than --to -2h; exchange the two"),
        (
            ["--format", "csv", "--from", "noon"],
            2,
            "--from 'noon' is not a time; write it like 2026-11-21T08:45:00Z, '2026-11-21 08:45' or -2h",
        ),
        (
            ["--format", "pcapng"],
            2,
            f"{NO_PACKETS}; {PACKETS_REMEDY}",
        ),
        (["--format", "text", "-o", "."], 1, ". is no file; give the name of a file, or leave out -o"),
        (
            ["--format", "text", "-o", "no/such/folder"],
            1,
            "cannot write no/such/folder: No such file or directory; name a file in a folder with room that you may write to",
        ),
    ],
)
def test_mistakes_are_one_line(past, capsys, words, code, said):
    assert past.run(capsys, "export", *words) == (code, "", f"pathwarden: {said}\n")


def test_no_history_and_anothers_database_are_one_line(tmp_path, capsys):
    past = Past(tmp_path)
    assert (
        past.run(capsys, "export", "--format", "csv").err
        == f"pathwarden: no history at {past.db} yet; start the daemon with: pathwarden run\n"
    )
    past.db.write_text("not a database, " * 100)
    result = past.run(capsys, "export", "--format", "csv", "-o", str(tmp_path / "out"))
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_nothing_behind(past, capsys, tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = past.run(capsys, "export", "--format", "csv", "-o", str(tmp_path / "out.csv"))
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"pathwarden: cannot write {tmp_path / 'out.csv'}: No space left on device; ")
    assert [each.name for each in tmp_path.iterdir() if "out" in each.name] == []


def test_progress_where_somebody_waits(past, capsys, monkeypatch):
    monkeypatch.setattr(progress, "LONG_S", 0.0)
    monkeypatch.setattr(progress, "PROGRESS_S", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    said = past.run(capsys, "export", "--format", "csv").err
    parts = [int(part.rpartition(" %")[0].rpartition(" ")[2]) for part in said.split("\r") if "%" in part]
    assert parts and parts == sorted(parts) and parts[-1] <= 100
    assert said.endswith("\r\x1b[K")
    assert "%" not in past.run(capsys, "--quiet", "export", "--format", "csv").err


def test_hostile_names_steer_no_terminal():
    odd = "\x1b]0;owned\x07\u202e\nnext"
    subject = Subject("x", Origin.of_ours("a", "x", odd), 30)
    out = "".join(FORMS["text"].lines(subject, {}, [StoredTrace(1, "p", None, make_trace(hop(1, "192.0.2.9", 1.0)))]))
    assert len(out.splitlines()) == 4
    assert all(c.isprintable() or c == "\n" for c in out)


def test_a_full_disk_behind_standard_output_is_one_line(past):
    command = [sys.executable, "-m", "pathwarden", "--config", str(past.config), "export", "--format", "csv"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    said = "pathwarden: cannot write standard output: No space left on device; make room where it goes to\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize("command", ["export", "import", "diff", "history", "events", "replay"])
def test_the_help_fits_in_eighty_columns(past, capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        past.run(capsys, command, "--help")
    assert caught.value.code == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
