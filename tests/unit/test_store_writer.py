"""What the writer keeps, what it keeps only once, and what it does when it cannot write."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pathwarden.model.history import Record
from pathwarden.store import opening
from pathwarden.store.faults import StoreError
from pathwarden.store.reader import Reader
from pathwarden.store.texts import unpack
from pathwarden.store.writer import Writer
from storelab.values import event, noise, record, route, trace


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    with Writer(path, max_mb=16, boot_id="boot-1") as opened:
        yield opened


@pytest.fixture
def reader(writer: Writer) -> Iterator[Reader]:
    with Reader(writer.path) as opened:
        yield opened


def rows(path: Path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(statement).fetchall()


def test_a_record_is_there_whole(writer: Writer, reader: Reader) -> None:
    writer.save([record(events=(event(),))])
    stored = reader.latest("t1")
    assert stored is not None
    assert stored.trace == trace()
    assert (stored.trace_id, stored.route_id, stored.path_id) == (1, "t1-A", trace().path.path_id)
    assert reader.route("t1-A") == route()
    assert reader.states() == {"t1": '{"n":0}'}
    (kept,) = reader.events()
    assert kept.body == {**event().body, "seq": 1, "note": None}
    assert (kept.seq, kept.event_id, kept.target, kept.event_type, kept.at) == (1, "t1-000001", "t1", "path_changed", event().at)


def test_what_repeats_is_stored_once(writer: Writer, path: Path) -> None:
    writer.save([record(number=n, rtt_ms=10 + n / 7) for n in range(50)])
    for table in ("paths", "forms", "flows", "kernel_routes", "boots", "routes", "targets", "states"):
        assert rows(path, f"SELECT count(*) FROM {table}") == [(1,)], table
    assert rows(path, "SELECT count(*) FROM addresses") == [(4,)]  # three responders, and one that only the route knows
    writer.save([record(number=50, middle="198.51.100.77")])
    assert rows(path, "SELECT count(*) FROM paths") == [(2,)]
    assert rows(path, "SELECT count(*) FROM addresses") == [(5,)]


def test_paths_with_colliding_names_stay_apart(writer: Writer, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathwarden.model.trace.Path.path_id", "0" * 12)
    writer.save([record(number=0), record(number=1, middle="198.51.100.77")])
    assert [stored.trace for stored in reader.traces("t1")] == [trace(number=1, middle="198.51.100.77"), trace(number=0)]


def test_every_boot_of_the_machine_is_told_apart(path: Path) -> None:
    for number, boot in enumerate(["boot-1", "boot-2", "boot-2"]):
        with Writer(path, max_mb=16, boot_id=boot) as writer:
            writer.save([record(number=number)])
    assert rows(path, "SELECT boots.boot FROM traces JOIN boots ON boots.id = traces.boot ORDER BY traces.id") == [
        ("boot-1",),
        ("boot-2",),
        ("boot-2",),
    ]


def test_an_event_that_comes_again_is_ignored(writer: Writer, reader: Reader) -> None:
    writer.save([record(events=(event(),))])
    writer.save([record(number=1, events=(event(body={"other": 1}), event(change_no=2)))])
    writer.save([record(number=2, events=(event(event_id="another id of change 2", change_no=2), event(change_no=3)))])
    assert [(e.seq, e.event_id) for e in reader.events(since_seq=0)] == [(1, "t1-000001"), (2, "t1-000002"), (3, "t1-000003")]
    assert reader.events(since_seq=0, limit=1)[0].body == {**event().body, "seq": 1, "note": None}
    assert [row.seq for row in reader.outbox(0, 10)] == [1, 2, 3]


def test_an_acknowledged_event_does_not_return_to_the_outbox(writer: Writer, reader: Reader) -> None:
    writer.save([record(events=(event(),))])
    writer.acknowledge([1])
    writer.save([record(events=(event(),))])
    assert reader.outbox(0, 10) == []


def test_the_outbox_keeps_order_until_acknowledged(writer: Writer, reader: Reader) -> None:
    writer.save([record(target, events=(event(target), event(target, change_no=2))) for target in ("t2", "t1")])
    assert [(row.seq, row.event_id, row.target) for row in reader.outbox(0, 10)] == [
        (1, "t2-000001", "t2"),
        (2, "t2-000002", "t2"),
        (3, "t1-000001", "t1"),
        (4, "t1-000002", "t1"),
    ]
    assert reader.outbox(0, 1)[0].body["seq"] == 1
    writer.acknowledge([1, 3, 99])
    assert [row.seq for row in reader.outbox(0, 10)] == [2, 4]
    assert [row.seq for row in reader.outbox(2, 10)] == [4]
    assert reader.stats().outbox == 2
    assert [e.seq for e in reader.events()] == [4, 3, 2, 1]


def test_a_full_outbox_loses_what_matters_least(writer: Writer, reader: Reader) -> None:
    words = ("warning", "info", "notice", "info", "critical", "info")
    writer.save([record(events=tuple(event(change_no=number, severity=word) for number, word in enumerate(words, 1)))])
    writer.fail(3, "0x95")
    assert writer.drop_outbox(6) == 0
    assert writer.drop_outbox(4) == 2
    assert reader.failed() == {}, "what can never be sent goes first"
    assert [row.seq for row in reader.outbox(0, 10)] == [1, 4, 5, 6]
    assert writer.drop_outbox(1) == 3
    assert [row.seq for row in reader.outbox(0, 10)] == [5]
    assert len(reader.events()) == len(words), "the history keeps them"
    assert writer.drop_outbox() == 1
    assert reader.stats().outbox == 0


def test_a_failed_event_is_counted_and_not_offered_again(writer: Writer, reader: Reader) -> None:
    writer.save([record(events=(event(), event(change_no=2), event(change_no=3)))])
    writer.fail(1, "0x95")
    writer.fail(3, "0x95")
    assert [row.seq for row in reader.outbox(0, 10)] == [2]
    assert reader.stats().outbox == 1
    assert reader.failed() == {"0x95": 2}


def test_a_route_and_a_state_are_replaced(writer: Writer, reader: Reader) -> None:
    writer.save([record()])
    later = route(label="B", route_id="t1-A", hops=(("192.0.2.1",),), length=None, held_s=777, traces=9, rtt_ms=None, loss_pct=12.5)
    writer.save([Record(trace(number=1), later, '{"n":"new"}')])
    assert reader.routes("t1") == [later]
    assert reader.states() == {"t1": '{"n":"new"}'}


def test_notes_are_kept(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer:
        assert writer.meta_get("port") is None
        writer.meta_set("port", "33000")
        writer.meta_set("port", "33001")
        name = writer.meta_get("database_id")
    with Writer(path, max_mb=16, boot_id="b") as writer:
        assert writer.meta_get("port") == "33001"
        assert writer.meta_get("database_id") == name
    assert name is not None
    assert len(name) == 16


def test_closing_twice_does_nothing(path: Path) -> None:
    writer = Writer(path, max_mb=16, boot_id="b")
    writer.close()
    writer.close()
    assert rows(path, "SELECT count(*) FROM traces") == [(0,)]


def test_a_mistake_in_one_record_leaves_nothing_of_the_others(writer: Writer, reader: Reader) -> None:
    broken = event("t2", body={"not": object()})
    with pytest.raises(TypeError):
        writer.save([record(events=(event(),)), record("t2", events=(broken,))])
    assert (reader.stats().traces, reader.stats().events, reader.states()) == (0, 0, {})
    writer.save([record(events=(event(),))])
    assert reader.events()[0].seq == 1


def test_a_locked_database_is_an_error_and_the_save_may_be_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BUSY_S", 0.01)
    with Writer(path, max_mb=16, boot_id="b") as writer, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            writer.save([record()])
        assert str(caught.value) == f"the history {path} is locked by another process; end that process"
        other.execute("ROLLBACK")
        # A reader in the middle of its reading holds up the commit, not the beginning.
        other.execute("BEGIN")
        other.execute("SELECT * FROM meta").fetchone()
        with pytest.raises(StoreError):
            writer.save([record()])
        other.execute("ROLLBACK")
        writer.save([record()])
    assert rows(path, "SELECT count(*) FROM traces") == [(1,)]


def test_what_does_not_fit_is_an_error_and_nothing_of_it_stays(path: Path) -> None:
    with Writer(path, max_mb=1, boot_id="b") as writer:
        writer.save([record(events=(event(),))])
        with pytest.raises(StoreError) as caught:
            writer.save([record(number=1), record("t2", events=(event("t2", body={"text": noise(1, 2_000_000)}),))])
        remedy = "free some space on its disk, or give it more with option db_max_mb"
        assert str(caught.value) == f"no room to write the history {path}; {remedy}"
        assert caught.value.code == sqlite3.SQLITE_FULL
        writer.save([record(number=2)])
    assert rows(path, "SELECT count(*) FROM traces") == [(2,)]
    assert rows(path, "SELECT target FROM targets") == [("t1",)]
    assert path.stat().st_size < 1_000_000


def written_by_this_thread() -> int:
    lines = Path("/proc/thread-self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))


def test_the_bytes_written_to_the_disk_are_counted(writer: Writer) -> None:
    writer.save([record()])
    counted, kernel = writer.budget.total, written_by_this_thread()
    for n in range(1, 150):
        events = (event(change_no=n),) if n % 9 == 0 else ()
        writer.save([record(number=n, middle=f"10.0.{n % 7}.1", events=events)])
    counted, kernel = writer.budget.total - counted, written_by_this_thread() - kernel
    assert counted == pytest.approx(kernel, rel=0.05)
    assert writer.budget.last_day() == writer.budget.total
    before = writer.budget.total
    writer.acknowledge([10**6])
    assert writer.budget.total == before, "nothing changed, nothing written"


def test_event_bodies_are_stored_as_they_are_told(writer: Writer, path: Path) -> None:
    writer.save([record(events=(event(),))])
    ((body,),) = rows(path, "SELECT body FROM events")
    assert json.loads(unpack(body)) == event().body
    assert "changé" in unpack(body)
