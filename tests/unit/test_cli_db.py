"""`pathwarden db`: sizes, health and copies, what is said, exit codes."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pathwarden.cli.main import main
from pathwarden.store.lock import hold
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import record


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    file = tmp_path / "c"
    file.write_text(f"config agent\n\toption db '{tmp_path}/data/history.db'\n")
    return file


def fill(config: Path) -> Path:
    db = config.parent / "data" / "history.db"
    with Writer(db, max_mb=16, boot_id="b") as writer:
        writer.save([record(number=n) for n in range(20)])
    return db


def test_the_archive_goes_where_a_start_looks_for_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = fill(config)
    assert main(["--config", str(config), "db", "pack"]) == 0
    archive = db.with_name("history.db.upgrade.gz")
    assert capsys.readouterr() == (f"{archive}: 0.00 MB, 20 traces\n", "")
    assert archive.exists()
    assert not list((config.parent / "scratch").iterdir())


def test_the_archive_goes_to_the_file_that_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = fill(config)
    file = config.parent / "file"
    assert main(["--config", str(config), "--json", "db", "pack", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(file),
        "size_bytes": file.stat().st_size,
        "traces": 20,
        "left_out": 0,
    }
    assert [each.name for each in db.parent.iterdir()] == ["history.db"]


def test_errors_are_a_line_with_a_remedy(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(config), "db", "pack"]) == 1
    said = f"pathwarden: no history at {config.parent}/data/history.db yet; start the daemon with: pathwarden run\n"
    assert capsys.readouterr() == ("", said)
    fill(config)
    assert main(["--config", str(config), "db", "pack", "/nowhere/file"]) == 1
    said = "pathwarden: cannot write /nowhere/file: no such file or directory; name a place with room that this user may write\n"
    assert capsys.readouterr() == ("", said)
    with pytest.raises(SystemExit) as caught:
        main(["db"])
    assert caught.value.code == 2


@pytest.fixture
def waiting(config: Path) -> Iterator[Writer]:
    """A history with 20 traces on the disk and 5 in memory, as beside a running daemon."""
    db = config.parent / "data" / "history.db"
    with Writer(db, max_mb=16, boot_id="b", live_dir=config.parent / "memory") as writer:
        writer.save([record(number=n) for n in range(20)])
        writer.flush()
        writer.save([record(number=n) for n in range(20, 25)])
        yield writer


def ask(config: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["--config", str(config), "--json", "db", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_stats_tell_what_lies_where(config: Path, waiting: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    told = ask(config, capsys, "stats")
    span = {"oldest_at": "2025-10-09T08:53:20.000Z", "newest_at": "2025-10-09T09:17:20.000Z"}
    with Reader(waiting.path) as reader:
        assert told == {**reader.stats()._asdict(), **span, "free_bytes": told["free_bytes"]}
    assert (told["traces"], told["live"], told["schema"], told["free_bytes"] > 0) == (25, 5, 7, True)
    assert main(["--config", str(config), "db", "stats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"file     {waiting.path}"
    assert lines[3].startswith("traces   25, of them 5 not in the file yet; ")
    assert [line.split()[0] for line in lines] == ["file", "size", "schema", "traces", "figures", "paths", "events"]


def test_a_backup_has_what_waits_in_memory_and_stands_alone(config: Path, waiting: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    file = config.parent / "copy.db"
    told = ask(config, capsys, "backup", str(file))
    assert told == {"file": str(file), "size_bytes": file.stat().st_size, "traces": 25, "left_out": 0}
    assert file.stat().st_mode & 0o777 == 0o600
    with Reader(file) as copy, Reader(waiting.path) as reader:
        assert copy.traces("t1", limit=100) == reader.traces("t1", limit=100)
        assert (copy.stats().traces, copy.stats().live, copy.states()) == (25, 0, reader.states())
        waiting.save([record(number=25)])
        assert (len(copy.traces("t1", limit=100)), len(reader.traces("t1", limit=100))) == (25, 26)
    assert ask(config, capsys, "backup", str(file))["traces"] == 26
    assert ask(config, capsys, "pack")["traces"] == 26
    assert not [each for each in config.parent.iterdir() if each.name.endswith(".new")]


def test_backups_that_cannot_be_are_a_line(config: Path, waiting: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(config), "db", "backup", str(waiting.path)]) == 1
    assert capsys.readouterr().err == f"pathwarden: {waiting.path} is the history itself; name another file\n"
    assert main(["--config", str(config), "db", "backup", "/nowhere/file"]) == 1
    said = "pathwarden: cannot write /nowhere/file: no such file or directory; name a place with room that this user may write\n"
    assert capsys.readouterr().err == said
    with pytest.raises(SystemExit) as caught:
        main(["--config", str(config), "db", "backup"])
    assert caught.value.code == 2


def test_a_check_tells_damage(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = fill(config)
    assert ask(config, capsys, "check") == {"file": str(db), "ok": True, "problems": []}
    assert main(["--config", str(config), "db", "check"]) == 0
    assert capsys.readouterr().out == f"{db}: every page was read and is whole\n"
    with closing(sqlite3.connect(db)) as history:
        (page,) = history.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'routes_by_target'").fetchone()
    with db.open("r+b") as file:
        file.seek((page - 1) * 1024)
        file.write(b"\x5a" * 1024)
    before = db.read_bytes()
    assert main(["--config", str(config), "--json", "db", "check"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], len(told["problems"]) > 0) == (False, True)
    assert main(["--config", str(config), "db", "check"]) == 1
    assert capsys.readouterr().err.startswith(f"pathwarden: the history {db} is damaged (")
    assert db.read_bytes() == before


def test_vacuum_gives_room_back_and_wants_the_daemon_to_be_stopped(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = fill(config)
    with closing(sqlite3.connect(db)) as history, history:
        history.execute("CREATE TABLE big (content)")
        history.execute("INSERT INTO big VALUES (randomblob(500000))")
        history.execute("DROP TABLE big")
    size = db.stat().st_size
    with hold(db):
        assert main(["--config", str(config), "db", "vacuum"]) == 4
        assert "already keeps the history" in capsys.readouterr().err
    told = ask(config, capsys, "vacuum")
    assert told == {"file": str(db), "before_bytes": size, "after_bytes": db.stat().st_size}
    assert db.stat().st_size < size - 490_000
    with Reader(db) as reader:
        assert len(reader.traces("t1")) == 20


def test_without_a_history_every_verb_says_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["stats"], ["check"], ["vacuum"], ["backup", str(config.parent / "copy")]):
        assert main(["--config", str(config), "db", *words]) == 1
        said = f"pathwarden: no history at {config.parent}/data/history.db yet; start the daemon with: pathwarden run\n"
        assert capsys.readouterr() == ("", said)
    assert not (config.parent / "data").exists()
