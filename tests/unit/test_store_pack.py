"""The history packed for an upgrade and read back: what goes along, what is left out, and what is no archive."""

import gzip
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from conftest import SEED
from pathwarden.errors import OperatorError
from pathwarden.store import opening
from pathwarden.store import pack as module
from pathwarden.store.faults import StoreError
from pathwarden.store.pack import MOST_BYTES, Packed, Unpacked, pack, unpack
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import event, noise, record, route

Change = Callable[[sqlite3.Connection], object]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def fill(path: Path, traces: int = 100, events: int = 3) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer:
        writer.save([record(number=n) for n in range(traces)])
        writer.save([record(number=traces, events=tuple(event(change_no=n) for n in range(events)))])


def archive(path: Path) -> Path:
    return opening.archive_of(path)


def packed(path: Path, scratch: Path) -> Path:
    """A history packed beside its place, and no longer there."""
    fill(path)
    pack(path, archive(path), MOST_BYTES, scratch)
    path.unlink()
    return archive(path)


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables but the note that only a closed history has."""
    with closing(sqlite3.connect(path)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        found = {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}
    found["meta"] = [row for row in found["meta"] if row[0] != opening.CLEAN]
    return found


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_what_is_read_back_is_what_was_packed(path: Path, scratch: Path) -> None:
    fill(path)
    before, bytes_before = content(path), path.read_bytes()
    done = pack(path, archive(path), MOST_BYTES, scratch)
    assert done == Packed(archive(path).stat().st_size, 101, 0)
    assert (path.read_bytes(), names(scratch)) == (bytes_before, [])
    assert archive(path).stat().st_mode & 0o777 == 0o600
    path.unlink()
    assert unpack(path) == Unpacked("", f"the history was read back from {archive(path)}")
    assert content(path) == before
    assert names(path.parent) == ["history.db"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_writer_reads_back_before_it_opens_and_goes_on(path: Path, scratch: Path) -> None:
    packed(path, scratch)
    with Writer(path, max_mb=16, boot_id="next") as writer, Reader(path) as reader:
        assert (writer.notice, writer.remark) == ("", f"the history was read back from {archive(path)}")
        assert (reader.stats().traces, reader.stats().events) == (101, 3)
        assert [row.seq for row in reader.outbox(0, 9)] == [1, 2, 3]
        writer.save([record(number=101, events=(event(change_no=9),))])
        assert reader.events()[0].seq == 4
    assert names(path.parent) == ["history.db"]
    with Writer(path, max_mb=16, boot_id="next") as writer:
        assert (writer.notice, writer.remark) == ("", "")


def test_a_history_is_packed_while_it_is_written(path: Path, scratch: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer:
        writer.save([record(number=n) for n in range(50)])
        out = scratch / "archive"
        assert pack(path, out, MOST_BYTES, scratch).traces == 50
        writer.save([record(number=50)])
        assert pack(path, out, MOST_BYTES, scratch).traces == 51
    assert names(scratch) == ["archive"]


def test_a_long_wait_for_whoever_holds_the_history_ends(path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(path)
    monkeypatch.setattr(opening, "BUSY_S", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked by another process"):
            pack(path, archive(path), MOST_BYTES, scratch)
    assert (names(scratch), names(path.parent)) == ([], ["history.db"])


def test_the_oldest_traces_are_left_out_and_all_else_is_kept(path: Path, scratch: Path) -> None:
    chance = random.Random(SEED)
    with Writer(path, max_mb=16, boot_id="b") as writer:
        old = record("t1", number=0, events=(event(change_no=1),))
        writer.save([replace(old, route=route(label="OLD"))])
        for first in range(0, 10_000, 1000):
            writer.save([record(number=n, rtt_ms=chance.uniform(1, 90), error=noise(n)) for n in range(first, first + 1000)])
        writer.save([record("t1", number=10_000, events=tuple(event(change_no=n) for n in range(2, 200)))])
    before = content(path)
    whole = pack(path, archive(path), MOST_BYTES, scratch)
    assert whole.left_out == 0
    limit = whole.size_bytes // 2
    done = pack(path, archive(path), limit, scratch)
    assert limit * 0.7 < done.size_bytes <= limit
    assert done.size_bytes == archive(path).stat().st_size
    assert (done.traces + done.left_out, done.traces > 3000) == (10_002, True)
    assert content(path) == before
    path.unlink()
    with Writer(path, max_mb=16, boot_id="b"), Reader(path) as reader:
        assert (reader.stats().traces, reader.stats().events, reader.stats().outbox) == (done.traces, 199, 199)
        assert reader.stats().newest_at == record(number=10_000).trace.at
        assert reader.stats().oldest_at == record(number=10_001 - done.traces).trace.at
        assert {each.label for each in reader.routes("t1")} == {"A", "OLD"}
        assert reader.latest("t1") is not None
    after = content(path)
    for table in ("routes", "states", "events", "outbox", "targets", "sqlite_sequence"):
        assert after[table] == before[table], table
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_pages_that_were_given_free_are_not_carried_along(path: Path, scratch: Path) -> None:
    chance = random.Random(SEED)
    with Writer(path, max_mb=16, boot_id="b") as writer:
        for first in range(0, 10_000, 1000):
            writer.save([record(number=n, rtt_ms=chance.uniform(1, 90)) for n in range(first, first + 1000)])
        whole = pack(path, archive(path), MOST_BYTES, scratch)
        with writer._lasting.transaction():
            writer._lasting.db.execute("DELETE FROM blocks WHERE last_id < 9000")
    assert pack(path, archive(path), MOST_BYTES, scratch).size_bytes < whole.size_bytes / 4


def test_what_cannot_be_made_small_enough_is_refused(path: Path, scratch: Path) -> None:
    fill(path)
    archive(path).write_bytes(b"an older one")
    with pytest.raises(OperatorError, match="cannot be packed in 500 bytes"):
        pack(path, archive(path), 500, scratch)
    assert archive(path).read_bytes() == b"an older one"
    assert (names(scratch), names(path.parent)) == ([], ["history.db", "history.db.upgrade.gz"])


def test_without_room_in_the_scratch_folder_nothing_is_begun(path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(path)
    monkeypatch.setattr(module.os, "statvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=4096))
    with pytest.raises(OperatorError, match=r"packing needs 0\.\d MB in .*, and 0\.0 MB are free; free some, or set TMPDIR"):
        pack(path, archive(path), MOST_BYTES, scratch)
    monkeypatch.setattr(module.os, "statvfs", lambda _: SimpleNamespace(f_bavail=10**9, f_frsize=4096))
    monkeypatch.setattr(module.os, "major", lambda _: 0)
    monkeypatch.setattr(module, "_free_memory", lambda: 100)
    with pytest.raises(OperatorError, match=r"and 0\.0 MB are free"):
        pack(path, archive(path), MOST_BYTES, scratch)
    assert (names(scratch), names(path.parent)) == ([], ["history.db"])


def test_free_memory_is_what_the_kernel_says() -> None:
    assert 1_000_000 < module._free_memory() < 10**14


def test_an_archive_that_cannot_be_written_leaves_nothing(path: Path, scratch: Path) -> None:
    fill(path)
    (path.parent / "folder").mkdir()
    for out in (path.parent / "nowhere" / "archive", path.parent / "folder"):
        with pytest.raises(OperatorError, match=f"cannot write {out}: .*; name a place with room"):
            pack(path, out, MOST_BYTES, scratch)
    assert (names(scratch), names(path.parent)) == ([], ["folder", "history.db"])


def test_the_history_is_not_packed_over_itself(path: Path, scratch: Path) -> None:
    fill(path)
    before = path.read_bytes()
    with pytest.raises(OperatorError, match="is the history itself"):
        pack(path, path.parent / ".." / path.parent.name / path.name, MOST_BYTES, scratch)
    assert path.read_bytes() == before


def test_without_a_history_or_with_a_damaged_one_nothing_is_packed(path: Path, scratch: Path) -> None:
    with pytest.raises(OperatorError, match=r"no history at .* yet"):
        pack(path, archive(path), MOST_BYTES, scratch)
    fill(path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[: size // 2] + random.Random(1).randbytes(size - size // 2))
    with pytest.raises(OperatorError, match="is damaged; restart the daemon"):
        pack(path, archive(path), MOST_BYTES, scratch)
    assert (names(scratch), names(path.parent)) == ([], ["history.db"])


def test_a_history_that_is_there_stays_whatever_lies_beside_it(path: Path, scratch: Path) -> None:
    fill(path, traces=5)
    pack(path, archive(path), MOST_BYTES, scratch)
    fill(path, traces=7)
    before, beside = content(path), archive(path).read_bytes()
    with Writer(path, max_mb=16, boot_id="b") as writer:
        assert writer.notice == ""
        assert writer.remark == f"{archive(path)} is not read back, since there is a history: remove one of the two"
    assert content(path) == before
    assert archive(path).read_bytes() == beside


def test_a_file_that_was_only_begun_is_no_history(path: Path, scratch: Path) -> None:
    packed(path, scratch)
    path.touch()
    assert unpack(path).remark
    with Reader(path) as reader:
        assert reader.stats().traces == 101


def test_the_journal_of_a_history_that_is_gone_is_not_played_in(path: Path, scratch: Path) -> None:
    packed(path, scratch)
    opening.journal(path).write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + random.Random(1).randbytes(4000))
    assert unpack(path).remark
    assert names(path.parent) == ["history.db"]


def zipped(change: Change) -> Callable[[Path], bytes]:
    """The archive of a history that was changed."""

    def make(path: Path) -> bytes:
        work = path.with_name("work.db")
        work.write_bytes(gzip.decompress(archive(path).read_bytes()))
        with closing(sqlite3.connect(work, isolation_level=None)) as db:
            db.execute("PRAGMA writable_schema = ON")
            change(db)
        made = gzip.compress(work.read_bytes())
        work.unlink()
        return made

    return make


def torn(path: Path) -> bytes:
    whole = gzip.decompress(archive(path).read_bytes())
    return gzip.compress(whole[:2048] + random.Random(1).randbytes(len(whole) - 2048))


BAD = {
    "not gzip": (lambda _: b"no archive", "Not a gzipped file"),
    "empty": (lambda _: b"", "it is empty"),
    "cut off": (lambda path: archive(path).read_bytes()[:-100], "Compressed file ended"),
    "no deflate": (lambda path: archive(path).read_bytes()[:10] + b"\xff" * 100, "Error -3"),
    "wrong sum": (lambda path: archive(path).read_bytes()[:-8] + bytes(8), "CRC check failed"),
    "bomb": (lambda _: gzip.compress(bytes(70_000_000), 1), "it becomes larger than 64 MB"),
    "no database": (lambda _: gzip.compress(b"text" * 1000), "file is not a database"),
    "torn": (torn, "malformed|Tree|Page|page"),
    "of another program": (zipped(lambda db: db.execute("PRAGMA application_id = 1")), "is the database of another program"),
    "newer": (
        zipped(lambda db: db.execute("PRAGMA user_version = 99")),
        "has schema 99, but this Pathwarden knows only",
    ),
    "without a table": (zipped(lambda db: db.execute("DROP TABLE states")), "its tables are not those of a history"),
    "with a trigger": (
        zipped(lambda db: db.execute("CREATE TRIGGER t AFTER INSERT ON traces BEGIN DELETE FROM events; END")),
        "its tables are not those of a history",
    ),
    "without a schema": (zipped(lambda db: db.executescript("PRAGMA user_version = 0; PRAGMA application_id = 0;")), "of another program"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_archive_is_set_aside_once_and_a_new_history_is_begun(path: Path, scratch: Path, what: str) -> None:
    make, why = BAD[what]
    packed(path, scratch)
    bad = make(path)
    archive(path).write_bytes(bad)
    aside = archive(path).with_name("history.db.upgrade.gz.damaged-1")
    with Writer(path, max_mb=16, boot_id="b") as writer:
        assert writer.notice.startswith(f"the archive {archive(path)} cannot be read back (")
        assert writer.notice.endswith(f"): it was set aside as {aside}, and a new history was started")
        assert any(each in writer.notice for each in why.split("|")), writer.notice
        assert "\n" not in writer.notice
        writer.save([record()])
    assert names(path.parent) == ["history.db", aside.name]
    assert aside.read_bytes() == bad
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        assert (writer.notice, writer.remark, reader.stats().traces) == ("", "", 1)


def test_a_full_disk_is_no_reason_to_give_the_archive_up(path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(path, scratch)
    before = archive(path).read_bytes()

    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", refuse)
    with pytest.raises(OperatorError, match=r"cannot be read back from .*: no space left on device; make room on that disk, or remove"):
        Writer(path, max_mb=16, boot_id="b")
    assert names(path.parent) == ["history.db.upgrade.gz"]
    assert archive(path).read_bytes() == before
    monkeypatch.undo()
    with Writer(path, max_mb=16, boot_id="b"), Reader(path) as reader:
        assert reader.stats().traces == 101
