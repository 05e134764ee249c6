"""Opening: places, permissions, other programs' files, newer and older schemas, damage."""

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pathwarden.errors import DaemonError, OperatorError
from pathwarden.store import migrate, opening
from pathwarden.store.lock import hold
from pathwarden.store.opening import spool_of
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import START, event, noise, record

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that an ordinary user may enter; the test runs as one, since permissions do not bind root."""
    folder = Path(tempfile.mkdtemp(prefix="pathwarden-test-"))
    root = os.geteuid() == 0
    if root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


def open_and_close(path: Path) -> str:
    with Writer(path, max_mb=16, boot_id="b") as writer:
        writer.save([record()])
        return writer.notice


def pragma(path: Path, name: str) -> object:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"PRAGMA {name}").fetchone()[0]


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def end_uncleanly(path: Path) -> None:
    """Make the file look as after a kill."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM meta WHERE key = 'clean_end'")


def test_folder_and_file_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "pathwarden" / "history.db"
    open_and_close(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_file_has_the_form_that_spares_flash(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer:
        assert [writer._lasting.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")] == ["delete", 3]
    assert (pragma(path, "page_size"), pragma(path, "auto_vacuum")) == (1024, 2)
    assert names(path.parent) == ["history.db"]


@pytest.mark.parametrize("name", ["a?b#c%20d.db", "file:x.db", ":memory:", "späße 'q\".db", "line\nbreak.db", "\udcff.db"])
def test_odd_names_are_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    open_and_close(path)
    with Reader(path) as reader:
        assert reader.stats().traces == 1
    assert names(tmp_path) == [name]


# Schema


def test_each_migration_leaves_its_record(path: Path) -> None:
    open_and_close(path)
    assert pragma(path, "user_version") == migrate.newest() == 7
    assert pragma(path, "application_id") == migrate.APPLICATION_ID


def test_migrations_run_once_each_and_in_order(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_and_close(path)
    schema = tmp_path / "schema"
    shutil.copytree(migrate._FOLDER, schema)
    (schema / "0008_colour.sql").write_text("ALTER TABLE targets ADD COLUMN colour TEXT;")
    (schema / "0009_paint.sql").write_text("UPDATE targets SET colour = 'green';")
    monkeypatch.setattr(migrate, "_FOLDER", schema)
    with pytest.raises(OperatorError) as caught:
        Reader(path)
    assert str(caught.value) == f"the history {path} is of an older Pathwarden; start the daemon, it brings it up to date"
    for _ in range(2):
        open_and_close(path)
        assert pragma(path, "user_version") == 9
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT colour FROM targets").fetchall() == [("green",)]


def test_texts_of_the_fourth_schema_are_read_and_numbers_go_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, closing(sqlite3.connect(path)) as db:
        older = migrate._files()[:4]
        patch.setattr(migrate, "_files", lambda: older)
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        migrate.migrate(db, 0)
        db.execute("INSERT INTO targets VALUES (1, 't1', NULL)")
        put = "INSERT INTO events VALUES (?, ?, 1, ?, 'path_changed', 'notice', 1, ?, 1, ?)"
        db.executemany(put, [(n, f"E{n}", n, START + n, f'{{"n":{n},"text":"changé"}}') for n in range(1, 8)])
        db.execute("INSERT INTO outbox VALUES (6, NULL)")
        db.execute("DELETE FROM events WHERE seq = 7")
        db.execute("INSERT INTO telling VALUES ('t1', 'stays', 3)")
        db.execute("""INSERT INTO incidents VALUES (1, 'I1', 5, NULL, '{"id":"I1"}')""")
        db.commit()
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        assert [(row.seq, row.event_id, row.body["text"]) for row in reader.outbox(0, 9)] == [(6, "E6", "changé")]
        assert [one.seq for one in reader.events(target="t1")] == [6, 5, 4, 3, 2, 1]
        assert (reader.tellings(), reader.incidents()[0].body) == ({"t1": "stays"}, {"id": "I1"})
        writer.save([record(events=(event(change_no=8),))])
        assert reader.events(limit=1)[0].seq == 8, "a number that subscribers have seen never comes back"


def test_a_migration_that_fails_leaves_nothing(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_and_close(path)
    schema = tmp_path / "schema"
    shutil.copytree(migrate._FOLDER, schema)
    (schema / "0008_half.sql").write_text("ALTER TABLE targets ADD COLUMN colour TEXT; SELECT no_such_column FROM targets;")
    monkeypatch.setattr(migrate, "_FOLDER", schema)
    with pytest.raises(sqlite3.OperationalError, match="no_such_column"):
        open_and_close(path)
    assert pragma(path, "user_version") == 7
    with closing(sqlite3.connect(path)) as db, pytest.raises(sqlite3.OperationalError):
        db.execute("SELECT colour FROM targets")


@pytest.mark.parametrize("opener", [open_and_close, Reader])
def test_a_newer_schema_is_refused(path: Path, opener) -> None:
    open_and_close(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 8")
    before = path.read_bytes()
    with pytest.raises(OperatorError) as caught:
        opener(path)
    remedy = "update Pathwarden, or choose another place with option db"
    assert str(caught.value) == f"{path} has schema 8, but this Pathwarden knows only 7; {remedy}"
    assert path.read_bytes() == before


@pytest.mark.parametrize("opener", [open_and_close, Reader])
@pytest.mark.parametrize("statement", ["CREATE TABLE songs (title TEXT)", "PRAGMA application_id = 5", "PRAGMA user_version = 1"])
def test_the_database_of_another_program_is_refused(path: Path, statement: str, opener) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
    before = path.read_bytes()
    with pytest.raises(OperatorError) as caught:
        opener(path)
    assert str(caught.value) == f"{path} is the database of another program; choose another place with option db"
    assert caught.value.exit_code == 2
    assert (path.read_bytes(), names(path.parent)) == (before, ["history.db"])


def test_an_empty_file_becomes_a_history(path: Path) -> None:
    path.touch()
    assert open_and_close(path) == ""


# Places


WRITABLE = "make the file and its folder writable for this user, or choose another place with option db"


def test_a_folder_that_may_not_be_written_is_named(place: Path) -> None:
    place.chmod(0o500)
    with pytest.raises(OperatorError) as caught:
        open_and_close(place / "history.db")
    assert str(caught.value) == f"cannot use {place}/history.db: permission denied; {WRITABLE}"


def test_a_file_that_may_not_be_read_is_named(place: Path) -> None:
    path = place / "history.db"
    open_and_close(path)
    path.chmod(0)
    for opener in (open_and_close, Reader):
        with pytest.raises(OperatorError) as caught:
            opener(path)
        assert str(caught.value) == f"cannot open the history {path} or its journal; {WRITABLE}"


def test_a_file_that_may_not_be_written_is_named(place: Path) -> None:
    path = place / "history.db"
    open_and_close(path)
    path.chmod(0o400)
    with pytest.raises(OperatorError) as caught:
        open_and_close(path)
    assert str(caught.value) == f"cannot write the history {path}: read-only; {WRITABLE}"
    with Reader(path) as reader:
        assert reader.stats().traces == 1


def test_a_folder_that_becomes_read_only_loses_nothing(place: Path) -> None:
    path = place / "history.db"
    with Writer(path, max_mb=16, boot_id="b") as writer:
        writer.save([record(events=(event(),))])
        place.chmod(0o500)
        with pytest.raises(OperatorError, match=r"history\.db"):
            writer.save([record(number=1, events=(event(change_no=2),))])
        with Reader(path) as reader:
            assert (reader.stats().traces, reader.stats().events) == (1, 1)
        place.chmod(0o700)
        writer.save([record(number=1, events=(event(change_no=2),))])
        with Reader(path) as reader:
            assert [e.seq for e in reader.events()] == [2, 1]


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError) as caught:
        open_and_close(tmp_path)
    assert str(caught.value).startswith(f"cannot open the history {tmp_path}")


def test_a_database_that_another_process_holds_is_not_damaged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BUSY_S", 0.01)
    open_and_close(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for opener in (open_and_close, Reader):
            with pytest.raises(OperatorError) as caught:
                opener(path)
            assert str(caught.value) == f"the history {path} is locked by another process; end that process"
    assert names(path.parent) == [path.name]


# Damage


def test_what_is_no_database_is_set_aside(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)
    notice = open_and_close(path)
    aside = path.with_name("history.db.damaged-1")
    why = "file is not a database"
    assert notice == f"the history {path} was damaged ({why}): it was set aside as {aside}, and a new history was started"
    assert aside.read_bytes() == b"not a database" * 100
    assert open_and_close(path) == ""


def test_a_journal_goes_aside_with_its_database(path: Path) -> None:
    path.write_bytes(b"a database")
    path.with_name("history.db-journal").write_bytes(b"its journal")
    aside = opening.set_aside(path)
    assert aside.with_name("history.db.damaged-1-journal").read_bytes() == b"its journal"
    assert names(path.parent) == ["history.db.damaged-1", "history.db.damaged-1-journal"]


def damage(path: Path) -> None:
    """Overwrite all pages but the first with noise."""
    content = path.read_bytes()
    path.write_bytes(content[:1024] + b"\x5a" * (len(content) - 1024))


def test_samples_go_aside_with_their_database(path: Path) -> None:
    path.write_bytes(b"no history " * 200)
    spool_of(path).write_bytes(b"its samples")
    assert "was damaged" in open_and_close(path)
    assert path.with_name("history.db.damaged-1.samples").read_bytes() == b"its samples"


def test_by_a_link_it_is_the_same_history(tmp_path: Path) -> None:
    path, link, memory = tmp_path / "disk" / "history.db", tmp_path / "link.db", tmp_path / "memory"
    path.parent.mkdir()
    link.symlink_to(path)
    with hold(link), pytest.raises(DaemonError, match="already keeps the history"):
        hold(path)
    writer = Writer(link, max_mb=16, boot_id="boot", live_dir=memory)
    writer.save([record()])
    writer.save([record(number=1)])
    assert writer.flush() == 1
    assert writer.budget.total > 5000, "its journal is counted"
    writer._live.db.close()
    writer._lasting.db.close()
    shutil.rmtree(memory)
    with Reader(path) as reader, Reader(link) as linked:
        assert len(reader.traces("t1")) == len(linked.traces("t1")) == 2
    path.write_bytes(b"no history " * 200)
    assert f"it was set aside as {path}.damaged-1, " in open_and_close(link)
    assert link.is_symlink()
    assert names(path.parent) == ["history.db", "history.db.damaged-1", "history.db.damaged-1.samples", "history.db.lock"]


def test_a_malformed_file_is_set_aside_after_an_unclean_end(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer:
        writer.save([record(number=n, error=noise(n)) for n in range(300)])
    end_uncleanly(path)
    with closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'blocks_by_time'").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 1024)
        file.write(b"\x5a" * 1024)
    with Writer(path, max_mb=16, boot_id="b") as writer:
        assert writer.notice.startswith(f"the history {path} was damaged (")
        writer.save([record()])
    with Reader(path) as reader:
        assert reader.stats().traces == 1
    assert path.with_name("history.db.damaged-1").stat().st_size > 40_000


def test_a_file_without_a_schema_page_is_set_aside_even_after_a_clean_end(path: Path) -> None:
    open_and_close(path)
    damage(path)
    assert "was damaged" in open_and_close(path)


def test_a_clean_end_spares_the_check(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_and_close(path)
    statements: list[str] = []

    def traced(uri: str) -> sqlite3.Connection:
        db = connect(uri)
        db.set_trace_callback(statements.append)
        return db

    connect = opening.connect
    monkeypatch.setattr(opening, "connect", traced)
    open_and_close(path)
    assert not [text for text in statements if "quick_check" in text]
    end_uncleanly(path)
    open_and_close(path)
    assert [text for text in statements if "quick_check" in text] == ["PRAGMA quick_check(1)"]


def test_only_the_newest_damaged_files_stay(path: Path) -> None:
    for number in range(1, 5):
        path.write_bytes(b"damage %d" % number * 200)
        assert f"history.db.damaged-{number}," in open_and_close(path)
    assert names(path.parent) == ["history.db", "history.db.damaged-3", "history.db.damaged-4"]


def test_damage_met_while_running_makes_the_next_opening_check(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "CACHE_KIB", 8)
    with Writer(path, max_mb=16, boot_id="b") as writer:
        writer.save([record(number=n) for n in range(2000)])
        damage(path)
        with pytest.raises(OperatorError) as caught:
            writer.save([record(number=n, middle=f"10.0.0.{n}") for n in range(200)])
        remedy = "restart the daemon: it sets the file aside and starts a new one"
        assert str(caught.value) == f"the history {path} is damaged; {remedy}"
    assert "was damaged" in open_and_close(path)
