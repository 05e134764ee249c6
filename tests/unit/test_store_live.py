"""Two places: what waits in memory, what goes to the lasting file at once, and that readers see one history."""

import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from pathwarden.model.history import Record
from pathwarden.model.instants import ClockShift
from pathwarden.store import live as module
from pathwarden.store import opening
from pathwarden.store.faults import StoreError
from pathwarden.store.opening import spool_of
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import SECOND, START, event, noise, record, route, trace

MINUTE = 60 * SECOND


def opened(path: Path, memory: Path, boot_id: str = "boot") -> Writer:
    return Writer(path, max_mb=16, boot_id=boot_id, live_dir=memory)


def killed(writer: Writer) -> None:
    """What an end without warning leaves: both files as they are."""
    writer._live.db.close()
    writer._lasting.db.close()


def numbers(reader: Reader, target: str = "t1", limit: int = 1000) -> list[int]:
    return [(one.trace.at - START) // MINUTE for one in reader.traces(target, limit=limit)]


def after_power_cut(path: Path, tmp_path: Path) -> Reader:
    """What is left without the memory."""
    copy = tmp_path / "left" / path.name
    copy.parent.mkdir(exist_ok=True)
    shutil.copy(path, copy)
    with suppress(FileNotFoundError):
        shutil.copy(spool_of(path), spool_of(copy))
    return Reader(copy)


def first(writer: Writer) -> None:
    """A first trace of two targets, in the lasting file: its path is new."""
    writer.save([record("t1"), record("t2")])


def test_samples_wait_in_memory_and_readers_see_them(path: Path, memory: Path, tmp_path: Path) -> None:
    with opened(path, memory) as writer, Reader(path) as reader:
        first(writer)
        before = path.read_bytes()
        writer.save([record(number=n) for n in range(1, 6)])
        assert path.read_bytes() == before
        assert numbers(reader) == [5, 4, 3, 2, 1, 0]
        assert reader.latest("t1").trace == trace(number=5)
        assert reader.trace(reader.latest("t1").trace_id).trace == trace(number=5)
        assert [(one.trace.at - START) // MINUTE for one in reader.walk("t1")] == [0, 1, 2, 3, 4, 5]
        assert reader.series("t1", START, START + 6 * MINUTE, 6).sent == [3] * 6
        assert reader.states() == {"t1": '{"n":5}', "t2": '{"n":0}'}
        assert (reader.stats().traces, reader.stats().live, reader.stats().newest_at) == (7, 5, START + 5 * MINUTE)
        with after_power_cut(path, tmp_path) as left:
            assert (numbers(left), numbers(left, "t2"), left.states()) == ([0], [0], {"t1": '{"n":0}', "t2": '{"n":0}'})


def test_a_flush_brings_everything_once(path: Path, memory: Path, tmp_path: Path) -> None:
    with opened(path, memory) as writer, Reader(path) as reader:
        first(writer)
        for n in range(1, 60):
            writer.save([record(number=n), record("t2", number=n)])
            if n % 7 == 0:
                assert writer.flush() == 14
                assert numbers(reader) == numbers(reader, "t2") == list(range(n, -1, -1))
        assert writer.flush() == 6
        assert writer.flush() == 0
        assert numbers(reader) == list(range(59, -1, -1))
        assert [one.trace for one in reader.traces("t2", limit=1000)] == [trace("t2", number=n) for n in range(59, -1, -1)]
        assert [(one.trace.at - START) // MINUTE for one in reader.walk("t2")] == list(range(60))
        assert reader.stats().traces == 120
        assert sum(reader.series("t1", START, START + 60 * MINUTE, 7).sent) == 180
        with after_power_cut(path, tmp_path) as left:
            assert numbers(left) == list(range(59, -1, -1))


def test_an_event_takes_along_all_of_its_target_and_nothing_of_others(path: Path, memory: Path, tmp_path: Path) -> None:
    with opened(path, memory) as writer, Reader(path) as reader:
        first(writer)
        writer.save([record("t1", number=1), record("t2", number=1)])
        writer.save([record("t1", number=2, events=(event(),)), record("t2", number=2), record("t1", number=3)])
        assert numbers(reader) == [3, 2, 1, 0]
        assert numbers(reader, "t2") == [2, 1, 0]
        with after_power_cut(path, tmp_path) as left:
            assert (numbers(left), left.states()["t1"]) == ([3, 2, 1, 0], '{"n":3}')
            assert (numbers(left, "t2"), left.states()["t2"]) == ([0], '{"n":0}')
            assert [one.event_id for one in left.events()] == ["t1-000001"]
            assert [row.seq for row in left.outbox(0, 9)] == [1]


def test_an_event_of_another_target_brings_that_ones_state(path: Path, memory: Path, tmp_path: Path) -> None:
    with opened(path, memory) as writer:
        first(writer)
        writer.save([Record(trace("t2", number=1), route("t2"), "new", (), {"t2/rest": "learned"})])
        writer.save([record("t1", number=2, events=(event("t2"),))])
        with after_power_cut(path, tmp_path) as left:
            assert (left.states()["t2"], left.tellings(), numbers(left, "t2")) == ("new", {"t2/rest": "learned"}, [1, 0])


def test_a_note_is_kept_at_once_changed_taken_away_and_not_sent(path: Path, memory: Path, tmp_path: Path) -> None:
    with opened(path, memory) as writer, Reader(path) as reader:
        first(writer)
        writer.save([record("t1", number=1, events=(event(), event(change_no=2)))])
        sent = [row.body for row in reader.outbox(0, 9)]
        writer.save([Record(None, None, "", notes={"t1-000001": "光纖", "gone": "nobody's"})])
        with after_power_cut(path, tmp_path) as left:
            assert [one.body["note"] for one in left.events()] == [None, "光纖"]
        writer.save([Record(None, None, "", notes={"t1-000001": "cut"}), Record(None, None, "", notes={"t1-000002": "b"})])
        noted = reader.event("t1-000001")
        assert noted is not None and (noted.seq, noted.body["note"]) == (1, "cut")
        writer.save([Record(None, None, "", notes={"t1-000001": ""})])
        assert [one.body["note"] for one in reader.events()] == ["b", None]
        assert [row.body for row in reader.outbox(0, 9)] == sent, "the broker is told of events, not of notes"
        assert reader.event("gone") is None


def test_a_change_of_path_does_not_wait(path: Path, memory: Path, tmp_path: Path) -> None:
    with opened(path, memory) as writer:
        first(writer)
        writer.save([record(number=1)])
        writer.save([Record(trace(number=2), route(label="B"), "{}")])
        writer.save([Record(trace(number=3), route(label="B"), "{}")])
        with after_power_cut(path, tmp_path) as left:
            assert numbers(left) == [2, 1, 0]
            assert left.path_at("t1", START + 5 * MINUTE).label == "B"
            assert left.path_at("t1", START + MINUTE).label == "A"
            assert left.shares("t1", START, START + 4 * MINUTE) == {"t1-A": 120, "t1-B": 120}


def test_what_waited_survives_a_kill_and_nothing_is_doubled(path: Path, memory: Path) -> None:
    writer = opened(path, memory)
    first(writer)
    writer.save([record(number=n) for n in range(1, 4)])
    killed(writer)
    with Reader(path) as reader:
        assert numbers(reader) == [3, 2, 1, 0]
        writer = opened(path, memory)
        assert writer.notice == ""
        writer.save([record(number=4)])
        assert writer.flush() == 4
        killed(writer)  # the flushed rows are still in both
        assert numbers(reader) == [4, 3, 2, 1, 0]
        with opened(path, memory) as writer:
            writer.save([record(number=5)])
            assert numbers(reader) == [5, 4, 3, 2, 1, 0]
            assert writer.flush() == 1
        assert numbers(reader) == [5, 4, 3, 2, 1, 0]
        assert len({one.trace_id for one in reader.traces("t1")}) == 6
        assert reader.stats().traces == 7


def test_an_end_between_the_two_commits_leaves_the_newer_state(path: Path, memory: Path) -> None:
    """Live is older than the event's own transaction: the greater stamp counts."""
    writer = opened(path, memory)
    first(writer)
    writer.save([Record(trace(number=1), route(held_s=7), "live", (), {"t1": "live"})])
    writer.save([Record(trace(number=2), route(held_s=8), "event", (event(),), {"t1": "event"})])
    killed(writer)
    with Reader(path) as reader:
        assert (reader.states()["t1"], reader.tellings(), reader.route("t1-A").held_s) == ("event", {"t1": "event"}, 8)
        with opened(path, memory) as writer:
            writer.save([Record(trace(number=3), route(held_s=9), "later", (), {"t1": "later"})])
            assert (reader.states()["t1"], reader.tellings(), reader.route("t1-A").held_s) == ("later", {"t1": "later"}, 9)
        assert (reader.states()["t1"], reader.tellings(), reader.route("t1-A").held_s) == ("later", {"t1": "later"}, 9)


def test_a_clean_end_leaves_nothing_in_memory(path: Path, memory: Path) -> None:
    with opened(path, memory) as writer:
        first(writer)
        writer.save([record(number=1)])
        assert len(list(memory.iterdir())) == 3
    assert list(memory.iterdir()) == []
    with Reader(path) as reader:
        assert numbers(reader) == [1, 0]


def test_memory_is_used_sparingly(path: Path, memory: Path) -> None:
    with opened(path, memory) as writer:
        first(writer)
        for n in range(1, 400):
            writer.save([replace(record(number=n), telling={"t1/rest": f"{n}" * 1000})])
            if n % 20 == 0:
                writer.flush()
        assert sum(file.stat().st_size for file in memory.iterdir()) < 600_000


def test_a_reader_follows_from_one_life_to_the_next(path: Path, memory: Path) -> None:
    with opened(path, memory) as writer:
        first(writer)
        with Reader(path) as reader:
            writer.save([record(number=1)])
            assert numbers(reader) == [1, 0]
            writer.close()
            assert numbers(reader) == [1, 0]
            with opened(path, memory) as second:
                second.save([record(number=2)])
                assert numbers(reader) == [2, 1, 0]


def test_a_folder_that_cannot_be_used_is_told_and_nothing_waits(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with opened(path, file) as writer:
        assert writer.notice.startswith(f"samples are written to {path.parent} at once, not every few minutes: cannot use {file}: ")
        assert writer.place()["live_path"] is None
        first(writer)
        writer.save([record(number=1)])
        with after_power_cut(path, tmp_path) as left:
            assert numbers(left) == [1, 0]


def test_memory_that_fails_while_running_is_told_and_nothing_waits(path: Path, memory: Path, tmp_path: Path) -> None:
    with opened(path, memory) as writer:
        first(writer)
        writer.save([record(number=1)])
        writer._live.db.execute("PRAGMA max_page_count = 1")
        writer.save([Record(trace(number=2), route(), "x" * 100_000)])
        assert "no room to write" in writer.notice
        assert writer.place()["live_path"] is None
        with after_power_cut(path, tmp_path) as left:
            assert numbers(left) == [2, 1, 0]


def test_memory_that_is_damaged_is_begun_anew(path: Path, memory: Path) -> None:
    writer = opened(path, memory)
    first(writer)
    file = Path(str(writer.place()["live_path"]))
    killed(writer)
    for each in memory.iterdir():
        each.unlink()
    file.write_bytes(b"no database" * 1000)
    with opened(path, memory) as writer, Reader(path) as reader:
        writer.save([record(number=1)])
        assert (numbers(reader), writer.notice) == ([1, 0], "")


def test_what_waits_outlives_a_history_that_was_set_aside(path: Path, memory: Path) -> None:
    writer = opened(path, memory)
    first(writer)
    writer.save([record(number=n) for n in range(1, 4)])
    killed(writer)
    path.write_bytes(b"no database" * 1000)
    with opened(path, memory) as writer:
        assert "was damaged" in writer.notice
        writer.flush()
        with Reader(path) as reader:
            assert numbers(reader) == [3, 2, 1]


def test_what_waits_of_another_history_is_not_taken(path: Path, memory: Path, tmp_path: Path) -> None:
    writer = opened(path, memory)
    first(writer)
    writer.save([record(number=n) for n in range(1, 4)])
    killed(writer)
    with Writer(tmp_path / "other.db", max_mb=16, boot_id="boot") as other:
        other.save([record("t9")])
    path.unlink()
    (tmp_path / "other.db").rename(path)
    with opened(path, memory) as writer, Reader(path) as reader:
        writer.flush()
        assert (numbers(reader), numbers(reader, "t9")) == ([], [0])


def test_what_waits_of_a_life_before_the_last_one_is_not_taken(path: Path, memory: Path, tmp_path: Path) -> None:
    """The history went on without it: its numbers are others' now."""
    writer = opened(path, memory)
    first(writer)
    writer.save([record("t2", number=1), record("t1", number=1)])
    killed(writer)
    with opened(path, tmp_path / "elsewhere") as writer:
        writer.save([record("t1", number=n) for n in range(2, 200)])
        writer.flush()
    with opened(path, memory) as writer, Reader(path) as reader:
        writer.save([record("t1", number=n) for n in range(200, 400)])
        writer.flush()
        assert numbers(reader) == [*range(399, 1, -1), 0]
        assert numbers(reader, "t2") == [0]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_readers_see_every_trace_once_while_all_moves(path: Path, memory: Path) -> None:
    saved, wrong = [0], []

    def read() -> None:
        with Reader(path) as reader:
            while saved[0] < 249:
                least, seen = saved[0], numbers(reader, limit=400)
                if seen != list(range(len(seen) - 1, -1, -1)) or len(seen) <= least:
                    wrong.append((least, seen[:3]))

    with opened(path, memory) as writer:
        first(writer)
        threads = [Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for n in range(1, 250):
            writer.save([record("t1", number=n), record("t2", number=n)])
            saved[0] = n
            if n % 5 == 0:
                writer.flush()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_more_than_the_history_may_hold_goes_from_the_oldest(path: Path, memory: Path) -> None:
    """As after days without the disk."""
    with Writer(path, max_mb=1, boot_id="boot", live_dir=memory) as writer, Reader(path) as reader:
        first(writer)
        for start in range(1, 1500, 500):
            writer.save([record(number=n, error=noise(n, 800)) for n in range(start, start + 500)])
        refused = 0
        while refused < 9:
            try:
                writer.flush()
                break
            except StoreError as error:
                assert "no room to write" in str(error)
                refused += 1
        assert 0 < refused < 9
        kept = numbers(reader, limit=5000)
        assert kept[:500] == list(range(1500, 1000, -1))
        assert 0 < writer.dropped < 1000


def test_a_copy_of_a_history_does_not_show_what_waits_for_another(path: Path, memory: Path, tmp_path: Path) -> None:
    with opened(path, memory) as writer:
        first(writer)
        writer.save([record(number=1)])
        with after_power_cut(path, tmp_path) as left:
            assert numbers(left) == [0]


def test_a_wrong_clock_keeps_samples_waiting_until_it_is_right(path: Path, memory: Path, tmp_path: Path) -> None:
    with opened(path, memory) as writer, Reader(path) as reader:
        first(writer)
        wrong = [record(at=n * SECOND, mono_ns=n * SECOND, clock_synced=False) for n in (50, 51)]
        writer.save([*wrong, record("t2", number=1)])
        assert writer.flush() == 1
        with after_power_cut(path, tmp_path) as left:
            assert (numbers(left), numbers(left, "t2")) == ([0], [1, 0])
        assert writer.correct_clock(ClockShift(0, 60 * SECOND, START, START)) == 2
        assert writer.flush() == 2
        assert [one.trace.at for one in reader.traces("t1")] == [START + 51 * SECOND, START + 50 * SECOND, START]
        assert all(one.trace.clock_synced for one in reader.traces("t1"))


def test_a_clock_that_is_never_right_fills_no_memory(path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENOUGH", 5)
    with opened(path, memory) as writer, Reader(path) as reader:
        first(writer)
        wrong = [record(at=n * SECOND, mono_ns=n * SECOND, clock_synced=False) for n in range(1, 6)]
        writer.save(wrong[:4])
        assert writer.flush() == 0
        writer.save(wrong[4:])
        assert writer.flush() == 5
        assert writer.correct_clock(ClockShift(0, 60 * SECOND, START + 99 * SECOND, START + 99 * SECOND)) == 5 + 5, "both copies"
        assert [one.trace.at for one in reader.traces("t1")][-2:] == [START + 100 * SECOND, START]


def test_while_the_disk_refuses_memory_takes_it_and_is_bounded(path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BUSY_S", 0.01)
    monkeypatch.setattr(module, "MOST", 10)
    with opened(path, memory) as writer, Reader(path) as reader:
        first(writer)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for n in range(1, 15):
                writer.save([record(number=n)])
            with pytest.raises(StoreError, match="locked by another process"):
                writer.flush()
            other.execute("ROLLBACK")
        assert writer.dropped == 4
        assert writer.flush() == 10
        assert numbers(reader) == [*range(14, 4, -1), 0]
