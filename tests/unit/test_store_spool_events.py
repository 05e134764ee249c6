"""What goes with an event is written down beside the history: both survive a power cut, or neither."""

import errno
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pathwarden.model.history import Record
from pathwarden.store import spool
from pathwarden.store.lasting import Lasting
from pathwarden.store.opening import spool_of
from pathwarden.store.reader import Reader
from storelab.samples import begun, cut, down, numbers, opened
from storelab.values import event, noise, record, trace


def told(n: int, text: str = "") -> Record:
    """What a trace leaves behind that ends with an event."""
    known = {"t1": f"told {n}", "t1/rest": f"learned {n}{text}", "": f"all {n}"}
    return replace(record("t1", number=n, events=(event(change_no=n),)), telling=known)


def test_what_goes_with_an_event_is_written_down_once_and_read_back(path: Path, memory: Path) -> None:
    writer = begun(path, memory, 5)
    writer.save([record("t1", number=5), record("t2", number=5)])
    writer.save([told(6)])
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT 'states', state FROM states WHERE stamp > 2 UNION ALL SELECT 'telling', state FROM telling").fetchall()
        assert (rows, db.execute("SELECT count(*) FROM events").fetchone()) == ([], (1,))
    written = spool_of(path).stat().st_size
    assert writer.flush() == 1, "that of t1 is there already"
    assert spool_of(path).stat().st_size == written + 512
    cut(writer, memory)
    for _ in range(2):
        with Reader(path) as reader:
            assert (numbers(reader), numbers(reader, "t2"), reader.stats().traces) == (down(6), down(5), 13)
            assert reader.states()["t1"] == '{"n":6}'
            assert reader.tellings() == {"t1": "told 6", "t1/rest": "learned 6", "": "all 6"}
        opened(path, memory).close()


def test_what_goes_with_an_event_counts_only_if_the_history_has_it(path: Path, memory: Path, tmp_path: Path) -> None:
    writer = begun(path, memory, 5)
    writer.save([told(5)])
    without = tmp_path / "before.db"
    shutil.copy(path, without)
    writer.save([told(6)])
    writer.save([record("t1", number=7), record("t2", number=7)])
    writer.flush()
    cut(writer, memory)
    shutil.copy(without, path)  # the transaction was never ended
    for _ in range(2):
        with Reader(path) as reader:
            assert [one.body["seq"] for one in reader.events()] == [1]
            assert (numbers(reader), numbers(reader, "t2")) == ([7, *down(5)], [7, *down(4)])
            assert (reader.states()["t1"], reader.tellings()["t1/rest"]) == ('{"n":5}', "learned 5")
        opened(path, memory).close()


def test_an_event_that_could_not_be_kept_leaves_nothing_written_down(path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = begun(path, memory, 5)
    write_down = Lasting.write_down_with

    def fail(lasting: Lasting, *what: Any) -> bool:
        assert write_down(lasting, *what)
        raise sqlite3.OperationalError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(Lasting, "write_down_with", fail)
        with pytest.raises(sqlite3.OperationalError, match="the disk is gone"):
            writer.save([told(5, noise(5, 900))])
    with Reader(path) as reader:
        assert (numbers(reader), reader.events()) == (down(4), [])
    writer.save([told(5)])
    size = spool_of(path).stat().st_size
    writer.save([told(6)])
    cut(writer, memory)
    assert size < spool_of(path).stat().st_size < size + 2000, "the one that failed was cut off"
    with opened(path, memory), Reader(path) as reader:
        assert (numbers(reader), [one.seq for one in reader.events()]) == (down(6), [2, 1])
        assert reader.tellings()["t1/rest"] == "learned 6"


def test_an_event_is_kept_where_nothing_can_be_written_down(path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = begun(path, memory, 5)
    writer.save([told(5)])

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "no")

    with monkeypatch.context() as patch:
        patch.setattr(spool.os, "pwrite", refuse)
        writer.save([told(6)])
    cut(writer, memory)
    spool_of(path).unlink()
    with Reader(path) as reader:
        assert (numbers(reader), reader.states()["t1"], reader.tellings()["t1"]) == (down(6), '{"n":6}', "told 6")


def test_what_goes_with_events_outlives_the_file_that_begins_anew(path: Path, memory: Path) -> None:
    writer = begun(path, memory, 90)
    writer.save([told(90)])
    before = spool_of(path).stat().st_size
    for n in range(91, 100):
        writer.save([record("t2", number=n), record("t2", number=100 + n)])
    writer.flush()
    assert spool_of(path).stat().st_size < before
    cut(writer, memory)
    spool_of(path).unlink()
    with Reader(path) as reader:
        assert (numbers(reader), reader.states()["t1"], reader.tellings()["t1/rest"]) == (down(90), '{"n":90}', "learned 90")


def test_states_go_to_the_history_after_the_file_is_gone(path: Path, memory: Path) -> None:
    writer = begun(path, memory, 5)
    writer.save([told(5)])
    spool_of(path).unlink()
    writer.flush()
    cut(writer, memory)
    with Reader(path) as reader:
        assert (numbers(reader), reader.states()["t1"], reader.tellings()["t1"]) == (down(5), '{"n":5}', "told 5")


def test_an_event_of_a_wrong_clock_is_not_written_down(path: Path, memory: Path) -> None:
    writer = begun(path, memory, 5)
    before = spool_of(path).stat().st_size
    writer.save([replace(told(5), trace=trace("t1", number=5, clock_synced=False))])
    assert spool_of(path).stat().st_size == before
    cut(writer, memory)
    with Reader(path) as reader:
        assert (numbers(reader), reader.states()["t1"]) == (down(5), '{"n":5}')
