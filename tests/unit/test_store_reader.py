"""What the reader gives back, in which order, and that it gets along with a writer."""

import sqlite3
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pathwarden.errors import OperatorError
from pathwarden.model.history import DbStats, Record
from pathwarden.model.trace import Ending
from pathwarden.store.reader import Reader
from pathwarden.store.snapshots import CONNECTIONS
from pathwarden.store.writer import Writer
from storelab.values import SECOND, START, event, hop, record, route, trace

MINUTE = 60 * SECOND


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    with Writer(path, max_mb=16, boot_id="boot") as opened:
        yield opened


@pytest.fixture
def reader(writer: Writer) -> Iterator[Reader]:
    with Reader(writer.path) as opened:
        yield opened


def test_no_history_yet(path: Path) -> None:
    with pytest.raises(OperatorError) as caught:
        Reader(path)
    assert str(caught.value) == f"no history at {path} yet; start the daemon with: pathwarden run"
    assert not path.exists()


def test_an_empty_history_answers_everything(reader: Reader) -> None:
    assert reader.latest("t1") is None
    assert reader.traces("t1") == []
    assert reader.traces("t1", before_id=5) == []
    assert reader.trace(1) is None
    assert reader.trace_at("t1", START) is None
    assert reader.routes("t1") == []
    assert reader.route("t1-A") is None
    assert reader.events() == reader.events(since_seq=0, target="t1") == []
    assert reader.count_events("t1", 0, ["path_changed"]) == 0
    assert reader.states() == reader.failed() == {}
    assert reader.outbox(0, 10) == []
    assert reader.series("t1", START, START, 10).at_s == []


def test_nothing_can_be_written_through_it(reader: Reader) -> None:
    with reader._snapshot() as db, pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("DELETE FROM meta")


# Traces


def numbers(stored) -> list[int]:
    """Minutes since START."""
    return [(one.trace.at - START) // MINUTE for one in stored]


def test_traces_come_newest_first_and_page_on(writer: Writer, reader: Reader) -> None:
    writer.save([record(target, number=n) for n in range(10) for target in ("t1", "t2")])
    assert numbers(reader.traces("t1")) == list(range(9, -1, -1))
    assert {one.trace.target for one in reader.traces("t2")} == {"t2"}
    first = reader.traces("t1", limit=4)
    second = reader.traces("t1", limit=4, before_id=first[-1].trace_id)
    third = reader.traces("t1", limit=4, before_id=second[-1].trace_id)
    assert numbers(first + second + third) == list(range(9, -1, -1))


def test_traces_of_a_span(writer: Writer, reader: Reader) -> None:
    writer.save([record(number=n) for n in range(10)])
    assert numbers(reader.traces("t1", at_from=START + 3 * MINUTE, at_to=START + 5 * MINUTE)) == [5, 4, 3]
    before = reader.traces("t1", at_to=START + 5 * MINUTE, limit=1)[0].trace_id
    assert numbers(reader.traces("t1", at_from=START + 3 * MINUTE, before_id=before)) == [4, 3]
    assert numbers(reader.traces("t1", at_to=START + MINUTE, before_id=before)) == [1, 0]


def test_traces_of_one_instant_are_all_there(writer: Writer, reader: Reader) -> None:
    writer.save([record(mono_ns=n) for n in range(5)])
    first = reader.traces("t1", limit=2)
    rest = reader.traces("t1", before_id=first[-1].trace_id)
    assert [one.trace.mono_ns for one in first + rest] == [4, 3, 2, 1, 0]


def test_a_walk_passes_all_traces_of_a_span_oldest_first(writer: Writer, reader: Reader) -> None:
    writer.save([record(number=number // 2) for number in reversed(range(450))])  # two of each instant, more than a page
    writer.save([record("t2")])
    walked = list(reader.walk("t1"))
    assert [each.trace.at for each in walked] == [START + number // 2 * MINUTE for number in range(450)]
    assert len({each.trace_id for each in walked}) == 450
    part = list(reader.walk("t1", at_from=START + 3 * MINUTE, at_to=START + 5 * MINUTE))
    assert [each.trace.at for each in part] == [START + number // 2 * MINUTE for number in range(6, 12)]
    assert list(reader.walk("nobody")) == list(reader.walk("t1", at_from=START + 1, at_to=START)) == []


def test_a_walk_lets_others_write_and_sees_what_they_wrote(writer: Writer, reader: Reader) -> None:
    writer.save([record(number=number) for number in range(300)])
    walk = reader.walk("t1")
    next(walk)
    writer.save([record(number=300)])
    assert sum(1 for _ in walk) == 300


def test_events_of_a_span(writer: Writer, reader: Reader) -> None:
    told = [event("t1", change_no=number, at=START + number * MINUTE) for number in (1, 2, 3)]
    writer.save([record(events=tuple(told))])
    assert [each.at for each in reader.events(at_from=START + 2 * MINUTE)] == [START + 3 * MINUTE, START + 2 * MINUTE]
    assert [each.at for each in reader.events(at_to=START + MINUTE, target="t1")] == [START + MINUTE]


def test_notes_by_the_beginning_of_their_keys(writer: Writer, reader: Reader) -> None:
    for key in ("import:b", "import:a_", "imports", "import%"):
        writer.meta_set(key, key.upper())
    assert reader.notes("import:") == {"b": "IMPORT:B", "a_": "IMPORT:A_"}


def test_the_trace_in_force_at_an_instant(writer: Writer, reader: Reader) -> None:
    writer.save([record(number=n) for n in range(3)])
    for at, expected in ((START - 1, None), (START, 0), (START + MINUTE - 1, 0), (START + MINUTE, 1), (START + 99 * MINUTE, 2)):
        found = reader.trace_at("t1", at)
        assert (None if found is None else numbers([found])[0]) == expected


def test_the_latest_trace_is_the_last_written_even_if_the_clock_went_back(writer: Writer, reader: Reader) -> None:
    writer.save([record(number=1000), record(number=1)])
    latest = reader.latest("t1")
    assert latest is not None
    assert numbers([latest]) == [1]


def test_a_trace_without_any_reply(writer: Writer, reader: Reader) -> None:
    silent = trace(hops=(), probes=0, reached_ttl=None, ending=Ending.ERROR, error="no_route", kernel_route=None)
    writer.save([Record(silent, None, "{}")])
    stored = reader.latest("t1")
    assert stored is not None
    assert stored.trace == silent


# Routes and events


def test_routes_come_by_time_held(writer: Writer, reader: Reader) -> None:
    for label, held_s in (("A", 5), ("B", 50), ("C", 20)):
        writer.save([Record(trace(), route(label=label, held_s=held_s), "{}")])
    writer.save([Record(trace("t2"), route("t2", held_s=99), "{}")])
    assert [one.label for one in reader.routes("t1")] == ["B", "C", "A"]
    assert reader.route("t2-A") == route("t2", held_s=99)


def test_events_of_one_and_of_all_targets(writer: Writer, reader: Reader) -> None:
    for change_no in range(1, 5):
        writer.save([record(target, number=change_no, events=(event(target, change_no=change_no),)) for target in ("t1", "t2")])
    assert [e.seq for e in reader.events()] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert [e.seq for e in reader.events(limit=2, before_seq=6)] == [5, 4]
    assert [e.seq for e in reader.events(since_seq=5)] == [6, 7, 8]
    assert [e.seq for e in reader.events(since_seq=0, limit=2)] == [1, 2]
    assert [e.seq for e in reader.events(target="t2")] == [8, 6, 4, 2]
    assert [e.seq for e in reader.events(target="t2", since_seq=2, before_seq=8)] == [4, 6]
    assert reader.events(target="nobody") == []


def test_events_are_counted_by_type_and_time(writer: Writer, reader: Reader) -> None:
    types = ["path_changed", "unreachable", "path_changed", "reached"]
    writer.save([record(events=tuple(event(change_no=n, event_type=kind) for n, kind in enumerate(types, start=1)))])
    assert reader.count_events("t1", START, ["path_changed"]) == 2
    assert reader.count_events("t1", START + 2 * SECOND, ["path_changed", "unreachable"]) == 2
    assert reader.count_events("t1", START, []) == 0
    assert reader.count_events("t2", START, types) == 0


# Series and sizes


def test_a_series_has_equal_buckets(writer: Writer, reader: Reader) -> None:
    writer.save([record(number=n, rtt_ms=10.0 + n) for n in (0, 1, 2, 6)])
    series = reader.series("t1", START, START + 8 * MINUTE, 4)
    assert series.at_s == [START // SECOND + 120 * n for n in range(4)]
    assert series.rtt_min_ms == [10.0, 12.0, None, 16.0]
    assert series.rtt_median_ms == [11.5, 13.0, None, 17.0]  # medians of the traces are 11, 12; 13; 17
    assert series.rtt_max_ms == [14.0, 15.0, None, 19.0]
    assert series.sent == [6, 3, 0, 3]
    assert series.lost == [0, 0, 0, 0]
    assert series.routes == ["t1-A", "t1-A", None, "t1-A"]


def test_a_series_counts_what_the_destination_did_not_answer(writer: Writer, reader: Reader) -> None:
    partly = trace(hops=(hop(1, "192.0.2.1", 1.0), hop(2, "203.0.113.9", 9.0, None, None)), reached_ttl=2)
    never = trace(hops=(hop(1, "192.0.2.1", 1.0), hop(2, None, None, None, None)), reached_ttl=None, ending=Ending.GAP)
    failed = trace(hops=(), reached_ttl=None, ending=Ending.ERROR, error="no_route")
    writer.save([Record(one, None, "{}") for one in (partly, never, failed)])
    series = reader.series("t1", START, START + MINUTE, 1)
    assert (series.sent, series.lost) == ([6], [5])
    assert (series.rtt_min_ms, series.rtt_median_ms, series.rtt_max_ms, series.routes) == ([9.0], [9.0], [9.0], [None])


def test_a_series_names_the_route_of_most_traces(writer: Writer, reader: Reader) -> None:
    for number, label in enumerate(["A", "B", "B", None, None, None]):
        writer.save([Record(trace(number=number), label and route(label=label), "{}")])
    assert reader.series("t1", START, START + 10 * MINUTE, 1).routes == ["t1-B"]


@pytest.mark.parametrize(("span_s", "points", "expected"), [(100, 1000, 100), (100, 30, 25), (101, 50, 34), (1, 7, 1), (86400, 288, 288)])
def test_a_series_never_has_more_points_than_asked(reader: Reader, span_s: int, points: int, expected: int) -> None:
    series = reader.series("t1", START, START + span_s * SECOND, points)
    assert {len(column) for column in series} == {expected}
    assert expected <= points


def test_sizes_and_counts(writer: Writer, reader: Reader, path: Path) -> None:
    writer.save([record(target, number=n, events=(event(target, change_no=n + 1),)) for n in range(3) for target in ("t1", "t2")])
    writer.acknowledge([1])
    assert reader.stats() == DbStats(
        path=str(path),
        size_bytes=path.stat().st_size,
        limit_bytes=16_000_000,
        schema=7,
        traces=6,
        paths=1,
        events=6,
        outbox=5,
        oldest_at=START,
        newest_at=START + 2 * MINUTE,
    )


def test_no_question_reads_all_traces(writer: Writer, reader: Reader) -> None:
    statements: list[str] = []
    writer.save([record(number=n, events=(event(change_no=n + 1),)) for n in range(100)])
    with reader._snapshot() as db:
        assert db.execute("SELECT count(*) FROM traces").fetchone() == (0,), "what waits for its block is few, and has no index"
        db.set_trace_callback(statements.append)
    reader.latest("t1")
    reader.traces("t1", before_id=2, at_from=START, limit=2)
    reader.trace(1)
    reader.series("t1", START, START + MINUTE, 3)
    reader.events(target="t1")
    reader.events(since_seq=1)
    reader.outbox(0, 10)
    reader.count_events("t1", START, ["path_changed"])
    with reader._snapshot() as db:
        db.set_trace_callback(None)
        tables = ("main.blocks", "main.events", "events", "outbox")
        questions = [text for text in statements if any(f"FROM {table}" in text for table in tables)]
        plans = [row[3] for text in questions for row in db.execute(f"EXPLAIN QUERY PLAN {text}")]
    assert len(questions) >= 8
    assert not [plan for plan in plans if plan.startswith(("SCAN blocks", "SCAN traces"))]
    assert any("blocks_by_time (target=? AND at_to>?" in plan for plan in plans)
    assert not [plan for plan in plans if "TEMP B-TREE FOR ORDER BY" in plan]


# Beside a writer


def test_a_page_made_one_by_one_takes_little_memory(writer: Writer, reader: Reader) -> None:
    body: dict[str, object] = {"text": {f"name {n}": f"value {n}" for n in range(40)}}
    writer.save([record(number=n) for n in range(200)])
    writer.save([record(number=200, events=tuple(event(change_no=n, body=body) for n in range(1, 401)))])

    def peak(asked: Callable[[], Iterable[object]], count: int) -> int:
        for _ in asked():  # once before, so that caches are full
            pass
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert sum(1 for _ in asked()) == count
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        assert peak(lambda: reader.each_trace("t1", limit=200), 200) < 0.5 * peak(lambda: reader.traces("t1", limit=200), 200)
        assert peak(lambda: reader.each_event(limit=400), 400) < 0.2 * peak(lambda: reader.events(limit=400), 400)
    finally:
        tracemalloc.stop()


def test_readers_and_a_writer_get_along(path: Path) -> None:
    """No reader meets a locked database or half a save, no save fails."""
    faults: list[BaseException] = []
    ready = threading.Barrier(4)
    done = threading.Event()

    def read(reader: Reader) -> None:
        try:
            ready.wait(timeout=30)
            while not done.is_set():
                stats = reader.stats()
                assert stats.traces == stats.events == stats.outbox
                assert stats.traces % 5 == 0
                reader.traces("t1", limit=3)
                reader.series("t1", START, START + 1000 * MINUTE, 10)
        except BaseException as error:
            faults.append(error)

    with Writer(path, max_mb=16, boot_id="boot") as writer, Reader(path) as reader:
        threads = [threading.Thread(target=read, args=(reader,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            ready.wait(timeout=30)
            for batch in range(60):
                writer.save([record(number=n, events=(event(change_no=n),)) for n in range(batch * 5 + 1, batch * 5 + 6)])
        finally:
            done.set()
            for thread in threads:
                thread.join(timeout=60)
        assert faults == []
        assert reader.stats().traces == 300


def test_connections_are_bounded_and_shared(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="boot") as writer:
        writer.save([record()])
    with Reader(path) as reader:
        threads = [threading.Thread(target=reader.latest, args=("t1",)) for _ in range(5 * CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert 1 <= len(reader._idle) <= CONNECTIONS
    assert reader._idle == []


def test_closing_waits_for_nobody_and_leaves_nothing_open(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="boot"):
        pass
    reader = Reader(path)
    with reader._snapshot() as db:
        reader.close()
        assert db.execute("SELECT count(*) FROM traces").fetchone() == (0,)
    assert reader._idle == []
    with pytest.raises(sqlite3.ProgrammingError):
        db.execute("SELECT 1")


def test_a_connection_in_use_when_the_file_is_another_is_not_used_again(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "history.db"
    for place, traces in ((path, 1), (other, 3)):
        with Writer(place, max_mb=16, boot_id="boot") as writer:
            writer.save([record(number=number) for number in range(traces)])
    with Reader(path) as reader:
        with reader._snapshot():  # one thread reads while the stick is another one, and a second thread sees that
            other.replace(path)
            thread = threading.Thread(target=reader.stats)
            thread.start()
            thread.join(timeout=60)
        assert [reader.stats().traces for _ in range(2)] == [3, 3]
        assert len(reader._idle) == 1


WRITES_AND_DIES = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 2")
db.execute("BEGIN IMMEDIATE")
for number in range(3000):
    db.execute("INSERT INTO addresses (address) VALUES (?)", (f"cut off {number}",))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_unfinished_write_is_undone_by_the_first_reader(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="boot") as writer:
        writer.save([record()])
    with Reader(path) as open_before:
        assert subprocess.run([sys.executable, "-c", WRITES_AND_DIES, str(path)]).returncode == -9
        assert path.with_name("history.db-journal").stat().st_size > 0
        assert open_before.stats().traces == 1
        assert not path.with_name("history.db-journal").exists()
    assert subprocess.run([sys.executable, "-c", WRITES_AND_DIES, str(path)]).returncode == -9
    with Reader(path) as reader:
        assert reader.stats().traces == 1
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM addresses WHERE address LIKE 'cut off%'").fetchone() == (0,)
