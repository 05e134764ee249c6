"""What waits in memory is written down beside the history: a power cut costs what came after that, and doubles nothing."""

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pathwarden.store import blocks, pack, spool
from pathwarden.store.faults import StoreError
from pathwarden.store.opening import spool_of
from pathwarden.store.reader import Reader
from storelab.samples import MINUTE, begun, cut, down, numbers, opened
from storelab.values import START, count, event, noise, record


def test_a_power_cut_takes_only_what_was_not_written_down(path: Path, memory: Path) -> None:
    writer = begun(path, memory, 20)
    writer.save([record("t1", number=20)])
    cut(writer, memory)
    with Reader(path) as reader:
        assert numbers(reader) == numbers(reader, "t2") == down(19)
        newest = reader.latest("t1")
        assert (newest.trace.at, reader.trace(newest.trace_id)) == (START + 19 * MINUTE, newest)
        assert reader.series("t1", START, START + 20 * MINUTE, 20).sent == [3] * 20
        assert [one.trace.at for one in reader.walk("t2")] == [START + n * MINUTE for n in range(20)]
        before = [reader.traces(target, limit=99) for target in ("t1", "t2")]
        stats = reader.stats()
        assert (stats.traces, stats.live, stats.oldest_at, stats.newest_at) == (40, 38, START, START + 19 * MINUTE)
    with opened(path, memory) as writer, Reader(path) as reader:
        assert [reader.traces(target, limit=99) for target in ("t1", "t2")] == before
        assert not spool_of(path).exists()
        writer.save([record("t1", number=20)])
        assert numbers(reader) == down(20)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_an_event_between_leaves_nothing_doubled(path: Path, memory: Path) -> None:
    writer = begun(path, memory, 5)
    writer.save([record("t1", number=5, events=(event(),))])
    for n in (6, 7):
        writer.save([record("t1", number=n), record("t2", number=n)])
        assert writer.flush() == 2
    cut(writer, memory)
    for _ in range(2):
        with Reader(path) as reader:
            assert numbers(reader) == down(7)
            assert numbers(reader, "t2") == [7, 6, 4, 3, 2, 1, 0]
        opened(path, memory).close()


def test_what_is_enough_for_blocks_goes_to_the_history_and_the_file_begins_anew(path: Path, memory: Path) -> None:
    writer = begun(path, memory, 95)
    before = spool_of(path).stat().st_size
    assert (before > 0, count(path, "blocks")) == (True, 0)
    for n in (95, 96, 97):
        writer.save([record("t1", number=n), record("t2", number=n)])
        writer.flush()
    assert count(path, "blocks") == 2
    assert spool_of(path).stat().st_size < before / 3
    # A power cut may bring the old records back behind the new ones.
    with spool_of(path).open("ab") as file:
        file.write(bytes(512))
    cut(writer, memory)
    with opened(path, memory), Reader(path) as reader:
        assert numbers(reader) == numbers(reader, "t2") == down(97)


def test_old_records_that_come_back_are_not_doubled(path: Path, memory: Path) -> None:
    writer = begun(path, memory, 90)
    old = spool_of(path).read_bytes()
    for n in range(90, 100):
        writer.save([record("t1", number=n), record("t2", number=n)])
        if n in (97, 99):
            writer.flush()
    new = spool_of(path).read_bytes()
    assert len(new) < len(old)
    cut(writer, memory)
    spool_of(path).write_bytes(new + old[len(new) :])
    with opened(path, memory), Reader(path) as reader:
        assert numbers(reader) == numbers(reader, "t2") == down(99)


def test_what_a_power_cut_left_twice_counts_once(path: Path, memory: Path) -> None:
    writer = begun(path, memory, 20)
    old = spool_of(path).read_bytes()
    spool_of(path).unlink()
    writer.flush()
    new = spool_of(path).read_bytes()
    assert len(new) < len(old), "written again as one record"
    cut(writer, memory)
    spool_of(path).write_bytes(new + old)
    for _ in range(2):
        with Reader(path) as reader:
            assert numbers(reader) == numbers(reader, "t2") == down(19)
            assert reader.series("t1", START, START + 20 * MINUTE, 20).sent == [3] * 20
            assert reader.stats().traces == 40
        opened(path, memory).close()


@pytest.mark.parametrize("harm", ["cut", "zeros", "rubbish"])
def test_a_torn_record_ends_the_file(path: Path, memory: Path, harm: str) -> None:
    writer = begun(path, memory, 3)
    whole = spool_of(path).stat().st_size
    writer.save([record("t1", number=n, error=noise(n)) for n in range(3, 12)])
    writer.flush()
    cut(writer, memory)
    data = spool_of(path).read_bytes()
    torn = {"cut": b"", "zeros": bytes(512), "rubbish": bytes(range(256)) * 2}[harm]
    spool_of(path).write_bytes(data[: whole + 512] + torn)
    with Reader(path) as reader:
        assert numbers(reader) == down(2)
    with opened(path, memory), Reader(path) as reader:
        assert numbers(reader) == numbers(reader, "t2") == down(2)


def test_the_file_of_another_history_counts_for_nothing(path: Path, memory: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "history.db"
    cut(begun(other, memory, 9), memory)
    cut(begun(path, memory, 2), memory)
    shutil.copy(spool_of(other), spool_of(path))
    with Reader(path) as reader:
        assert numbers(reader) == [0]
    with opened(path, memory), Reader(path) as reader:
        assert numbers(reader) == [0]


def test_a_file_that_vanished_is_written_again(path: Path, memory: Path) -> None:
    writer = begun(path, memory, 9)
    spool_of(path).unlink()
    writer.save([record("t1", number=9)])
    assert writer.flush() == 17, "all that waits in memory, but for the first two: they are in the history"
    cut(writer, memory)
    with Reader(path) as reader:
        assert (numbers(reader), numbers(reader, "t2")) == (down(9), down(8))


@pytest.mark.parametrize("call", ["open", "pwrite", "fsync"])
@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOSPC, "no room to write the history"),
        (errno.EIO, "reports an error"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "not perm"),
    ],
)
def test_a_disk_that_refuses_it_is_told_and_tried_again(
    path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, said: str
) -> None:
    writer = begun(path, memory, 2)
    writer.save([record("t1", number=2)])

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(spool.os, call, refuse)
        with pytest.raises(StoreError, match=said):
            writer.flush()
        with Reader(path) as reader:
            assert numbers(reader) == down(2), "it waits"
    assert writer.flush() == 1
    cut(writer, memory)
    with Reader(path) as reader:
        assert numbers(reader) == down(2)


def test_a_disk_that_is_full_amid_a_record_leaves_what_was_there(path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = begun(path, memory, 8)
    writer.save([record("t1", number=n, error=noise(n, 200)) for n in range(8, 28)])
    write = os.pwrite

    def half(file: int, data: bytes, place: int) -> int:
        if len(data) < 1000:
            raise OSError(errno.ENOSPC, "full")
        return write(file, data[: len(data) // 2], place)

    with monkeypatch.context() as patch:
        patch.setattr(spool.os, "pwrite", half)
        with pytest.raises(StoreError, match="no room to write the history"):
            writer.flush()
    cut(writer, memory)
    for _ in range(2):
        with Reader(path) as reader:
            assert numbers(reader) == numbers(reader, "t2") == down(7)
        opened(path, memory).close()


def test_both_files_share_the_limit(path: Path, memory: Path) -> None:
    n = 0
    with opened(path, memory, max_mb=1) as writer, Reader(path) as reader:
        for _ in range(60):
            writer.save([record("t1", number=m, error=noise(m, 300)) for m in range(n, n + 90)])
            n += 90
            writer.flush()
            spooled = spool_of(path).stat().st_size if spool_of(path).exists() else 0
            assert path.stat().st_size + spooled <= 1_000_000
        assert reader.stats().size_bytes > 800_000
        assert numbers(reader)[:500] == list(range(n - 1, n - 501, -1))


def test_many_targets_have_room_in_a_small_history(path: Path, memory: Path) -> None:
    with opened(path, memory, max_mb=1) as writer, Reader(path) as reader:
        for n in range(120):
            writer.save([record(f"t{m}", number=n, error=noise(n * 20 + m, 300)) for m in range(20)])
            if n % 5 == 0:
                writer.flush()
                assert path.stat().st_size + (spool_of(path).stat().st_size if spool_of(path).exists() else 0) <= 1_000_000
        assert numbers(reader, "t7")[:50] == list(range(119, 69, -1))


def test_what_is_written_down_keeps_its_meaning_when_the_history_is_trimmed(path: Path, memory: Path) -> None:
    writer = opened(path, memory)
    writer.save([record("t1", number=n, error=noise(n, 300)) for n in range(100)])
    writer.save([record("t2", with_route=False)])
    writer.flush()
    writer.save([record("t2", number=1, with_route=False, middle="203.0.113.9")])
    writer.flush()
    paths = count(path, "paths")
    assert writer.trim(0.001) > 0
    assert count(path, "paths") == paths
    cut(writer, memory)
    with opened(path, memory), Reader(path) as reader:
        assert numbers(reader, "t2") == [1, 0]
        assert "203.0.113.9" in str(reader.latest("t2").trace.hops)


def test_a_copy_has_what_was_written_down(path: Path, memory: Path, tmp_path: Path) -> None:
    cut(begun(path, memory, 9), memory)
    copy = tmp_path / "copy.db"
    assert pack.backup(path, copy).traces == 18
    with Reader(copy) as reader:
        assert numbers(reader) == numbers(reader, "t2") == down(8)


def test_a_flush_writes_little(path: Path, memory: Path) -> None:
    writer = begun(path, memory, 1)
    before = writer.budget.total
    for n in range(1, 11):
        writer.save([record("t1", number=n, rtt_ms=10 + n % 7), record("t2", number=n)])
        assert writer.flush() == 2
    assert writer.budget.total - before == spool_of(path).stat().st_size == 10 * 512
    assert blocks.WAITING > 11, "none of them made blocks"
    writer.close()
    assert not spool_of(path).exists()
