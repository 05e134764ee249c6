"""`pathwarden import`: traces of RIPE Atlas and scamper, kept beside the history."""

import gzip
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import mixed
from equipment.cli import Past
from equipment.recordings import SITE, START_S, atlas, scamper
from pathwarden.cli import progress
from pathwarden.cli.importing import taking
from pathwarden.cli.importing.place import place_of
from pathwarden.cli.terminal import width
from pathwarden.export.origin import Origin
from pathwarden.model.history import Record
from pathwarden.store import migrate
from pathwarden.store.lock import hold
from pathwarden.store.writer import Writer

CORPUS = Path(__file__).parents[1] / "corpus/recorded"
HOME, FIRST, OTHER = "192.168.1.1", "198.51.100.1", "203.0.113.1"
CUT = "Compressed file ended before the end-of-stream marker was reached"


@pytest.fixture
def past(tmp_path, monkeypatch) -> Past:
    monkeypatch.setenv("COLUMNS", "80")
    past = Past(tmp_path)
    past.configure(past.target("site", "Example", "www.example"))
    past.write("site", past.trace("site", 600), past.trace("site", 300))
    return past


def write(past: Past, *items: object, name: str = "traces.json") -> str:
    path = past.db.with_name(name)
    path.write_text("".join(f"{item if isinstance(item, str) else json.dumps(item)}\n" for item in items), encoding="utf-8")
    return str(path)


def files(past: Past) -> dict[str, bytes]:
    """All files of the history, but for the lock."""
    return {path.name: path.read_bytes() for path in past.db.parent.iterdir() if path.name.startswith("history") and path.suffix != ".lock"}


def targets(past: Past, capsys) -> list[str]:
    return [each["target"] for each in past.run(capsys, "import", "--list", "--json").json]


def exported(past: Past, capsys, form: str, *tids: str) -> str:
    return past.run(capsys, "export", "--format", form, *(word for tid in tids for word in ("--target", tid))).out


def test_traces_become_targets_of_their_own(past, capsys):
    file = write(past, *(atlas(HOME, FIRST, SITE, at_s=n) for n in (0, 900, 1800)), scamper(HOME, None, SITE))
    result = past.run(capsys, "import", file)
    assert (result.code, result.err) == (0, "")
    assert result.out.split() == ["4", "traces", "of", "atlas-5006-6012,", "scamper-203.0.113.7-192.0.2.9", "imported"]
    assert targets(past, capsys) == ["atlas-5006-6012", "scamper-203.0.113.7-192.0.2.9"]
    result = past.run(capsys, "import", "--list")
    assert result.out.splitlines()[0] == "atlas-5006-6012"
    assert "RIPE Atlas, measurement 5006, probe 6012, to 192.0.2.9; from" in " ".join(result.out.split())
    assert max(map(width, result.out.splitlines())) <= 80


def test_a_second_import_adds_nothing(past, capsys):
    file = write(past, *(atlas(HOME, FIRST, SITE, at_s=n) for n in (0, 900)), scamper(HOME, None, SITE))
    past.run(capsys, "import", file)
    before = files(past)
    assert past.run(capsys, "import", file, "--json").json == {
        "imported": 0, "known": 3, "unwanted": 0, "targets": {}, "ignored": {}, "bad": 0,
    }  # fmt: skip
    assert files(past) == before
    more = write(
        past, atlas(HOME, FIRST, SITE, at_s=900), atlas(HOME, OTHER, SITE, at_s=450), atlas(HOME, OTHER, SITE, at_s=450), name="more"
    )
    assert past.run(capsys, "import", more).out == "1 trace of atlas-5006-6012 imported; 2 were there already\n"
    assert len(exported(past, capsys, "atlas", "atlas-5006-6012").splitlines()) == 3


def test_the_history_is_not_touched_and_live_targets_stay_what_they_were(past, capsys):
    before = past.db.read_bytes()
    file = write(past, atlas(HOME, FIRST, SITE))
    past.run(capsys, "import", file)
    assert past.db.read_bytes() == before
    assert len(exported(past, capsys, "atlas").splitlines()) == 2
    assert {json.loads(line)["dst_name"] for line in exported(past, capsys, "atlas").splitlines()} == {"www.example"}


def test_while_the_daemon_runs(past, capsys):
    file = write(past, atlas(HOME, FIRST, SITE))
    with hold(past.db), Writer(past.db, max_mb=16, boot_id="boot") as writer:
        assert past.run(capsys, "import", file).code == 0
        writer.save([Record(past.trace("site", 1), None, "")])
    assert len(exported(past, capsys, "atlas", "atlas-5006-6012").splitlines()) == 1


def test_without_a_history(tmp_path, capsys):
    past = Past(tmp_path)
    file = write(past, atlas(HOME, FIRST, SITE))
    assert past.run(capsys, "import", file).code == 0
    assert not past.db.exists()
    assert past.run(capsys, "export", "--format", "atlas", "--target", "atlas-5006-6012").code == 0
    assert past.run(capsys, "history").out.splitlines()[1].startswith("atlas-5006-6012  ")


@pytest.mark.parametrize("form", ["atlas", "scamper"])
def test_export_import_export_is_identical(past, capsys, form):
    with Writer(past.db, max_mb=16, boot_id="boot") as writer:
        writer.save([Record(trace, None, "") for _, trace in mixed.by_hand()])
    once = exported(past, capsys, form, "site")
    (file := past.db.with_name("once")).write_text(once)
    past.run(capsys, "import", str(file))
    (tid,) = targets(past, capsys)
    assert exported(past, capsys, form, tid) == once
    assert past.run(capsys, "import", str(file)).out.startswith("0 traces imported; ")


@pytest.mark.parametrize("form", ["atlas", "scamper"])
@pytest.mark.parametrize("name", [path.name for path in sorted(CORPUS.iterdir())])
def test_recorded_traces_come_out_as_they_went_in(past, capsys, form, name):
    past.run(capsys, "import", str(CORPUS / name))
    once = exported(past, capsys, form, *targets(past, capsys))
    (file := past.db.with_name("once")).write_text(once)
    place_of(past.db).unlink()
    assert past.run(capsys, "import", str(file)).code == 0
    again = exported(past, capsys, form, *targets(past, capsys))
    assert sorted(again.splitlines()) == sorted(once.splitlines())
    assert once


def test_traces_of_any_year_are_kept(past, capsys):
    times = [0, 1, START_S - 40_000_000, START_S, 9_223_372_035]
    items = [atlas(HOME, FIRST, SITE) | {"timestamp": time, "endtime": time} for time in times]
    assert (
        past.run(capsys, "import", write(past, *items[::-1], *items[::2])).out
        == "5 traces of atlas-5006-6012 imported; 3 were there already\n"
    )
    file = write(past, *(atlas(HOME, FIRST, SITE, at_s=86_400 * n) for n in range(1, 61) for _ in range(2)), name="months.json")
    past.run(capsys, "import", file)
    found = [json.loads(line)["timestamp"] for line in exported(past, capsys, "atlas", "atlas-5006-6012").splitlines()]
    assert found == sorted({*times, *(START_S + 86_400 * n for n in range(1, 61))})


def test_other_origins_get_other_ids(past, capsys):
    file = write(
        past,
        atlas(HOME, SITE, dst_name="a.example"),
        atlas(HOME, SITE, dst_name="b.example"),
        atlas(HOME, SITE, dst_name="a.example", af=4, at_s=9),
    )
    past.run(capsys, "import", file)
    assert targets(past, capsys) == ["atlas-5006-6012", "atlas-5006-6012-2"]
    assert {json.loads(line)["dst_name"] for line in exported(past, capsys, "atlas", "atlas-5006-6012-2").splitlines()} == {"b.example"}


def test_an_imported_id_is_none_of_a_configuration(past, capsys):
    past.run(capsys, "import", write(past, atlas(HOME, SITE), scamper(HOME, SITE, monitor="../odd name\x1b[31m")))
    for tid in targets(past, capsys):
        past.configure(past.target(tid))
        assert past.run(capsys, "config", "check").code == 2
        past.configure()
    assert targets(past, capsys)[1] == "scamper-.._odd_name__31m-192.0.2.9"
    assert "\x1b" not in past.run(capsys, "import", "--list").out


def test_only_what_is_asked_for(past, capsys):
    file = write(past, *(atlas(HOME, SITE, at_s=n) for n in (0, 900, 1800)), scamper(HOME, SITE, dst=OTHER))
    asked = ("import", file, "--target", SITE, "--from", str(START_S + 900), "--to", str(START_S + 900))
    assert past.run(capsys, *asked).out == "1 trace of atlas-5006-6012 imported\n"


def test_packed_and_standard_input(past, capsys, tmp_path):
    (packed := tmp_path / "a.gz").write_bytes(
        gzip.compress(json.dumps([atlas(HOME, SITE), {"type": "ping", "fw": 5080, "prb_id": 1}]).encode())
    )
    result = past.run(capsys, "import", str(packed))
    assert (result.code, result.err) == (0, "left out, since no traceroute: 1 ping\n")
    command = [sys.executable, "-m", "pathwarden", "--config", str(past.config), "import", "-"]
    done = subprocess.run(command, input=json.dumps(atlas(HOME, SITE, at_s=9)).encode(), capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


GOOD = json.dumps(atlas(HOME, FIRST, SITE))
BAD = {
    "cut off": GOOD[:-40],
    "no JSON": "{nonsense}",
    "no object": "[1, 2]",
    "another program's": '{"hello": "world"}',
    "nested": '{"a":' * 70 + "1" + "}" * 70,
    "no UTF-8 that anybody writes": '{"fw":5080,"prb_id":1,"dst_name":"\\ud800"}',
    "a number too large": json.dumps(atlas(HOME, SITE, timestamp=10**30)),
    "NaN": GOOD.replace("10.125", "NaN", 1),
    "a negative hop": json.dumps(atlas(HOME, SITE) | {"result": [{"hop": -1, "result": []}]}),
    "an address that is none": json.dumps(atlas("999.1.1.1", SITE)),
    "a lie about the end": json.dumps(
        atlas(HOME, SITE) | {"pathwarden": {"method": "udp", "ending": "reached", "reached_ttl": 9, "clock_synced": True}}
    ),
    "a lie about what was asked": json.dumps(
        scamper(HOME, SITE)
        | {"pathwarden": {"method": "udp", "ending": "gap", "clock_synced": True, "asked": [{"ttl": 1, "probes": 4096}]}}
    ),
    "our own": json.dumps({"kernel_route": None, "ending": "gap", "hops": [], "target": "x"}),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_read_is_one_line_and_changes_nothing(past, capsys, what, monkeypatch):
    monkeypatch.setattr(taking, "BATCH", 20)
    past.run(capsys, "import", write(past, atlas(HOME, FIRST, SITE, at_s=5)))
    before = files(past)
    file = write(past, *(atlas(HOME, FIRST, SITE, at_s=900 * n) for n in range(1, 60)), BAD[what], name="bad.json")
    result = past.run(capsys, "import", file)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith(f"pathwarden: {file}, line 60, item 60: ") and "Traceback" not in result.err
    assert result.err.endswith("; nothing was imported; --skip-bad leaves such out\n")
    assert files(past) == before
    skipped = past.run(capsys, "import", file, "--skip-bad")
    assert (skipped.code, skipped.out) == (0, "59 traces of atlas-5006-6012 imported\n")
    assert skipped.err.startswith("left out, since unreadable: ") and f"the first is {file}, line 60, " in skipped.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "FILE: give at least one, standard input once; see pathwarden import --help"),
        (["-", "-"], "FILE: give at least one, standard input once; see pathwarden import --help"),
        (["x", "--list"], "--list reads no FILE; leave out one of the two"),
        (["no/such"], "no/such: No such file or directory; name a file that is there and may be read"),
        (["{empty}"], "there is no trace of RIPE Atlas or scamper in what was read"),
        (["{empty}", "--from", "-1h", "--to", "-2h"], "--from -1h is later than --to -2h; exchange the two"),
        (["{gzip}"], f"{{gzip}}: its gzip data is damaged or was cut off: {CUT}; unpack what is left with zcat"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(past, capsys, words, said):
    before = files(past)
    places = {"empty": write(past, name="empty"), "gzip": str(past.db.with_name("cut.gz"))}
    Path(places["gzip"]).write_bytes(gzip.compress(os.urandom(3000))[:-2000])
    result = past.run(capsys, "import", *(word.format(**places) for word in words))
    assert (result.code, result.out, result.err) == (2, "", f"pathwarden: {said.format(**places)}\n")
    assert files(past) == before


def test_a_place_that_is_taken_by_another_program(past, capsys):
    import sqlite3

    file = write(past, atlas(HOME, SITE))
    with sqlite3.connect(place_of(past.db)) as db:
        db.execute("CREATE TABLE photos (name TEXT)")
    db.close()
    before = files(past)
    result = past.run(capsys, "import", file)
    assert (result.code, result.err) == (
        2,
        f"pathwarden: {place_of(past.db)} is the database of another program; choose another place with option db\n",
    )
    assert files(past) == before
    place_of(past.db).write_bytes(b"no database at all " * 100)
    result = past.run(capsys, "import", file)
    assert (result.code, result.err.count("\n")) == (1, 1)


def test_two_imports_at_once(past, capsys):
    file = write(past, atlas(HOME, SITE))
    with hold(place_of(past.db)):
        result = past.run(capsys, "import", file)
    assert (result.code, result.out) == (4, "")
    assert result.err == f"pathwarden: another import is writing {place_of(past.db)}; try again when it has ended\n"
    assert set(files(past)) == {"history.db"}


def test_what_does_not_fit_is_refused_whole(past, capsys, monkeypatch):
    monkeypatch.setattr(importlib.import_module("pathwarden.cli.import_"), "MB", 200_000)
    past.configure(past.target("site"), agent="\toption db_max_mb '1'\n")
    past.run(capsys, "import", write(past, atlas(HOME, SITE)))
    before = files(past)
    # Every path another: so nothing is stored once for all.
    many = [atlas(HOME, *(f"10.{n % 250}.{n // 250}.{ttl}" for ttl in range(1, 20)), SITE, at_s=n) for n in range(600)]
    result = past.run(capsys, "import", write(past, *many))
    assert (result.code, result.err) == (
        1,
        "pathwarden: the imports would take more than 0.2 MB (agent.db_max_mb); choose with --target, --from and --to, or allow more\n",
    )
    assert files(past) == before


def test_a_killed_import_changes_nothing(past, capsys, monkeypatch):
    file = write(past, *(atlas(HOME, SITE, at_s=n) for n in range(20)))
    past.run(capsys, "import", write(past, atlas(HOME, SITE), name="first"))
    before = files(past)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(taking, "put_in_place", killed)
    monkeypatch.setattr(taking, "_remove", lambda _: None)
    assert past.run(capsys, "import", file).code == 130
    left = files(past)
    assert left.pop("history.db.imports.new")
    assert left == before
    monkeypatch.undo()
    assert past.run(capsys, "import", file).out == "19 traces of atlas-5006-6012 imported; 1 was there already\n"
    assert set(files(past)) == set(before)


def test_too_many_at_once(past, capsys, monkeypatch):
    monkeypatch.setattr(taking, "MOST_AT_ONCE", 5)
    monkeypatch.setattr(taking, "MOST_TARGETS", 2)
    same = [atlas(HOME, SITE, rtt_ms=n) for n in range(7)]
    result = past.run(capsys, "import", write(past, *same))
    assert (result.code, result.err.count("more than 5 traces that started in one instant")) == (2, 1)
    result = past.run(capsys, "import", write(past, *(atlas(HOME, SITE, probe=n) for n in range(3))))
    assert (result.code, result.err.count("more than 2 origins")) == (2, 1)


def test_imports_of_an_older_version_are_brought_up_to_date(past, capsys):
    past.run(capsys, "import", write(past, atlas(HOME, SITE)))
    import sqlite3

    with sqlite3.connect(place_of(past.db)) as db:
        for table in ("blocks", "days", "hours", "spans", "incidents", "telling"):
            db.execute(f"DROP TABLE {table}")
        for table in ("routes", "states"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN stamp")
        db.execute("CREATE INDEX traces_by_time ON traces (target, at)")
        db.execute("PRAGMA user_version = 2")
    db.close()
    result = past.run(capsys, "export", "--format", "csv", "--target", "atlas-5006-6012")
    assert (result.code, result.err.partition("; ")[2]) == (1, "bring them up to date with: pathwarden import --list\n")
    assert past.run(capsys, "history", "site").code == 0  # what is ours needs no imports
    assert targets(past, capsys) == ["atlas-5006-6012"]
    assert past.run(capsys, "export", "--format", "csv", "--target", "atlas-5006-6012").code == 0
    assert migrate.newest() > 2


def test_nothing_imported_yet(past, capsys):
    result = past.run(capsys, "import", "--list")
    assert (result.code, result.out, result.err) == (0, "", f"nothing was imported yet into {place_of(past.db)}\n")
    assert past.run(capsys, "import", "--list", "--json").json == []
    assert set(files(past)) == {"history.db"}


def test_progress_where_somebody_waits(past, capsys, monkeypatch):
    monkeypatch.setattr(progress, "LONG_S", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert "%" in past.run(capsys, "import", write(past, atlas(HOME, SITE))).err


@given(text=st.text(max_size=300), number=st.integers(-5, 2**64), at=st.integers(0, 40))
def test_any_origin_has_an_id_and_is_read_back(text, number, at):
    origin = Origin(text, number, at, text[::-1], form="scamper", file=text)
    assert Origin.read(origin.text) == origin
    assert set(taking._id(origin)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-")
    assert len(taking._id(origin)) <= 110
