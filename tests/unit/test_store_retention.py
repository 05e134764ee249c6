"""The file stays within its limit: oldest traces first, events last, nothing left that nobody refers to."""

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from pathwarden.store import retention
from pathwarden.store.faults import StoreError
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import count, event, noise, record

LIMIT = 1_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


def batches(total: int, size: int = 100) -> list[range]:
    return [range(first, first + size) for first in range(0, total, size)]


def bulk(number: int) -> str:
    """Half a kilobyte, packed: with it few traces fill a file."""
    return "".join(noise(10 * number + part) for part in range(10))


def test_the_oldest_traces_go_and_the_file_stays_within_its_limit(path: Path) -> None:
    with Writer(path, max_mb=1, boot_id="b") as writer, Reader(path) as reader:
        for numbers in batches(2_600):
            writer.save([record(f"t{n % 3}", number=n, with_route=False, error=bulk(n)) for n in numbers])
            assert path.stat().st_size <= LIMIT
        stats = reader.stats()
        assert 1_200 < stats.traces < 2_400
        assert stats.oldest_at == record(number=2_600 - stats.traces).trace.at
        assert stats.newest_at == record(number=2_599).trace.at
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_what_nothing_refers_to_goes_with_it(path: Path) -> None:
    with Writer(path, max_mb=1, boot_id="old") as writer:
        writer.save([record("gone", middle="198.51.100.66", kernel_route=None, source="lte", events=())])
    with Writer(path, max_mb=1, boot_id="new") as writer, Reader(path) as reader:
        for numbers in batches(3_000):
            writer.save([record("t1", number=n, error=bulk(n)) for n in numbers])
        assert reader.latest("gone") is None
        assert [level.traces for level in reader.levels("gone", 0, 2**62)] == [1], "its figures are left"
        assert (reader.states().keys(), len(reader.routes("gone"))) == ({"gone", "t1"}, 1)
        for n in range(300):
            writer.save([record("t1", number=3_000 + n, events=(event(change_no=n, body={"text": noise(n, 3000)}),))])
        assert reader.levels("gone", 0, 2**62) == []
        assert reader.states().keys() == {"t1"}
        assert reader.routes("gone") == []
        assert len(reader.routes("t1")) == 1
    for table in ("paths", "forms", "flows", "kernel_routes", "boots", "routes", "targets", "states"):
        assert count(path, table) == 1, table
    assert count(path, "addresses") == 4


def test_a_target_with_events_is_remembered(path: Path) -> None:
    with Writer(path, max_mb=1, boot_id="b") as writer:
        writer.save([record("old", events=(event("old"),))])
        for numbers in batches(3_000):
            writer.save([record("t1", number=n, error=bulk(n)) for n in numbers])
        with Reader(path) as reader:
            assert [e.target for e in reader.events()] == ["old"]
            assert reader.states().keys() == {"old", "t1"}
            assert reader.traces("old") == []


def test_events_go_last_and_never_all_traces(path: Path) -> None:
    with Writer(path, max_mb=1, boot_id="b") as writer, Reader(path) as reader:
        for numbers in batches(3_000):
            writer.save([record(number=n, events=(event(change_no=n + 1, body={"text": noise(n, 1500)}),)) for n in numbers])
            assert path.stat().st_size <= LIMIT
        stats = reader.stats()
        assert retention.TRACES_KEPT <= stats.traces < retention.TRACES_KEPT + 200
        assert 200 < stats.events < 700
        assert stats.outbox == stats.events
        assert [e.seq for e in reader.events(limit=1)] == [3_000]
        assert [row.seq for row in reader.outbox(0, 1)] == [3_001 - stats.events]


def test_a_lower_limit_shrinks_the_file_at_the_next_opening(path: Path) -> None:
    with Writer(path, max_mb=4, boot_id="b") as writer:
        for numbers in batches(4_000):
            writer.save([record(number=n, error=bulk(n)) for n in numbers])
    assert path.stat().st_size > 1.5 * LIMIT
    with Writer(path, max_mb=1, boot_id="b") as writer, Reader(path) as reader:
        assert path.stat().st_size <= LIMIT
        assert reader.stats().limit_bytes == LIMIT
        assert reader.stats().newest_at == record(number=3_999).trace.at
        for numbers in batches(1_000):
            writer.save([record(number=4_000 + n, error=bulk(n)) for n in numbers])
            assert path.stat().st_size <= LIMIT


def test_a_save_above_the_high_mark_trims_and_succeeds(path: Path) -> None:
    """Even a batch that meets the file's end halfway gets its room."""
    with Writer(path, max_mb=1, boot_id="b") as writer:
        number = 0
        while not retention.is_high(writer._lasting.db, writer._lasting.limit * 98 // 100):
            writer.save([record(number=n, error=noise(n)) for n in range(number, number + 100)])
            number += 100
        # 75 kB of states: less than what trimming leaves free, more than what is free now.
        big = [record(f"s{n}", number=number + n) for n in range(25)]
        writer.save([one.__class__(one.trace, None, "x" * 3000) for one in big])
        with Reader(path) as reader:
            assert len(reader.states()) == 26
            assert reader.stats().oldest_at != record().trace.at
    assert path.stat().st_size <= LIMIT


def test_a_disk_that_ends_before_the_limit_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathwarden.store.room.os.statvfs", lambda _: SimpleNamespace(f_bavail=1_000, f_frsize=1000))
    with Writer(path, max_mb=16, boot_id="b") as writer:
        grows = (16_000_000 // 1024 * 1024 - path.stat().st_size) / 1e6
        assert writer.remark == f"the history {path} may grow by {grows:.1f} MB, but only 1.0 MB are free on its disk"
    with Writer(path, max_mb=1, boot_id="b") as writer:
        assert writer.remark == ""


def test_trimming_with_room_does_nothing(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer:
        writer.save([record(number=n) for n in range(2000)])
        before = path.read_bytes()
        assert writer.trim() == 0
        assert path.read_bytes() == before


def test_a_full_disk_is_no_reason_to_forget(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the file's own limit makes room by deleting; when the disk is full, the next save may find room again."""
    with Writer(path, max_mb=1, boot_id="b") as writer, Reader(path) as reader:
        for numbers in batches(9_000):
            writer.save([record(number=n, error=noise(n)) for n in numbers])
        full = SimpleNamespace(f_bavail=0, f_frsize=4096)
        monkeypatch.setattr("pathwarden.store.room.os.statvfs", lambda _: full)
        with pytest.raises(StoreError, match="no room to write"):
            writer.save([record(number=9000, events=(event(body={"text": noise(1, 430_000)}),))])
        assert reader.stats().traces == 9000
        monkeypatch.undo()
        writer.save([record(number=9000, events=(event(body={"text": noise(1, 430_000)}),))])
        assert reader.stats().events == 1
