"""What is told, as the history keeps it: the agent's own events, incidents, states, and all of it in one transaction."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pathwarden.model.history import Record, StoredIncident
from pathwarden.model.instants import ClockShift
from pathwarden.present.instants import rfc3339
from pathwarden.store import migrate, retention
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import SECOND, START, event, noise, record, trace

HOUR = 3600 * SECOND


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


def incident(number: int, opened_at: int = START, closed_at: int | None = None) -> StoredIncident:
    instants = {"opened_at": rfc3339(opened_at), "updated_at": rfc3339(opened_at), "closed_at": closed_at and rfc3339(closed_at)}
    return StoredIncident(f"I{number}", opened_at, closed_at, {"id": f"I{number}", **instants})


def told(number: int, **fields: object) -> Record:
    """A record without a trace."""
    return Record(None, None, "", (event("", change_no=number),), {"": f'{{"n":{number}}}'}, **fields)  # type: ignore[arg-type] - shorthand


def test_time_passes_without_a_trace(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        writer.save([record("t1")])
        writer.save([Record(None, None, "", (event("t1"), event("")), {"t1": "one", "": "all"}, (incident(1),))])
        assert reader.states() == {"t1": '{"n":0}'}
        assert reader.tellings() == {"t1": "one", "": "all"}
        assert [(each.target, each.seq) for each in reader.events(since_seq=0)] == [("t1", 1), ("", 2)]
        assert [(each.target, each.seq) for each in reader.outbox(0, 10)] == [("t1", 1), ("", 2)]
        assert reader.incidents() == [incident(1)]
        assert reader.stats().traces == 1
        writer.save([Record(trace(number=1), None, "{}", (), {"t1": "two"}, (incident(1, START, START + HOUR), incident(2)))])
        assert reader.tellings() == {"t1": "two", "": "all"}
        assert reader.incidents() == [incident(2), incident(1, START, START + HOUR)]
        assert reader.incidents(1) == [incident(2)]
        older = reader.incidents(5, incident(2).incident_id)
        assert older == [incident(1, START, START + HOUR)]
        assert reader.incidents(5, older[0].incident_id) == reader.incidents(5, "gone") == []


def test_change_numbers_are_of_each_target(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        assert reader.change_numbers() == {}
        writer.save([Record(None, None, "", tuple(event(tid, change_no=n) for tid, n in (("t1", 1), ("t1", 7), ("", 3), ("t2", 2))))])
        assert reader.change_numbers() == {"t1": 7, "": 3, "t2": 2}


def test_how_incidents_stand_can_be_left_out(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        kinds = ("incident", "agent_started", "incident", "uplink_down")
        writer.save([Record(None, None, "", tuple(event("", change_no=n, event_type=kind) for n, kind in enumerate(kinds)))])
        assert [each.event_type for each in reader.events(incidents=False)] == ["uplink_down", "agent_started"]
        assert len(reader.events()) == 4


def test_all_or_nothing(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        writer.save([told(1)])
        broken = told(2, incidents=(incident(1), StoredIncident("I2", None, None, {})))  # type: ignore[arg-type] - what the schema refuses
        with pytest.raises(sqlite3.IntegrityError):
            writer.save([broken])
        assert (reader.tellings(), len(reader.events()), reader.incidents()) == ({"": '{"n":1}'}, 1, [])
        writer.save([told(2)])
        assert (reader.tellings(), len(reader.events())) == ({"": '{"n":2}'}, 2)


def test_incidents_are_bounded(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        for start in range(0, 3 * retention.INCIDENTS_KEPT, 30):
            writer.save([told(start + 1, incidents=tuple(incident(n) for n in range(start, start + 30)))])
        kept = [each.incident_id for each in reader.incidents(1000)]
        last = 3 * retention.INCIDENTS_KEPT - 1
        assert kept == [f"I{n}" for n in range(last, last - retention.INCIDENTS_KEPT, -1)]


def test_what_is_told_of_a_target_goes_with_it_and_the_agents_stays(path: Path) -> None:
    with Writer(path, max_mb=1, boot_id="b") as writer, Reader(path) as reader:
        writer.save([Record(trace("gone"), None, "{}", (), {"gone": "x", "gone/rest": "x", "": "all", "/load": "l", "t1/rest": "r"})])
        for n in range(0, 6000, 500):
            writer.save([record("t1", number=m, middle=f"10.{m % 250}.{m // 250}.1", error=noise(m)) for m in range(n, n + 500)])
        for m in range(300):  # so many that even figures must go
            writer.save([record("t1", number=6000 + m, events=(event(change_no=m, body={"text": noise(m, 3000)}),))])
        writer.save([Record(trace("t1", number=7000), None, "{}", (), {"t1": "y"})])
        assert "gone" not in reader.states()
        assert reader.tellings() == {"": "all", "/load": "l", "t1/rest": "r", "t1": "y"}


def test_a_clock_that_becomes_right_corrects_digests_and_incidents(path: Path) -> None:
    def body(at: int) -> dict[str, object]:
        instants = {"opened_at": rfc3339(at), "updated_at": rfc3339(at + SECOND), "closed_at": None}
        return {
            "clock_synced": at != START,
            "occurred_at": rfc3339(at),
            "digest": {"first_at": rfc3339(at), "last_at": rfc3339(at + SECOND), "total": 1},
            "incident": {"id": "I1", **instants},
            "old": None,
        }

    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        wrong = event("", at=START, clock_synced=False, body=body(START))
        mine = StoredIncident("I1", START, START + SECOND, dict(incident(1, START, START + SECOND).body))
        earlier = incident(2, START - 50 * HOUR, START - 49 * HOUR)
        writer.save([Record(None, None, "", (wrong,), {}, (earlier, mine), clock_synced=False)])
        writer.correct_clock(ClockShift(START, START + HOUR, 10 * HOUR, 0))
        (corrected,) = reader.events()
        right = START + 10 * HOUR
        assert corrected.body == {**body(right), "seq": 1, "note": None}
        moved = StoredIncident("I1", right, right + SECOND, incident(1, right, right + SECOND).body)
        assert reader.incidents() == [moved, earlier]


def test_a_history_of_an_older_version_is_brought_up_to_date(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = tmp_path / "schema"
    older.mkdir()
    for file in migrate._files()[:2]:
        (older / file.name).write_text(file.read_text())
    folder = migrate._FOLDER
    monkeypatch.setattr(migrate, "_FOLDER", older)
    with closing(sqlite3.connect(path)) as db:
        migrate.migrate(db, 0)
        db.execute("INSERT INTO targets (id, target) VALUES (1, 't1')")
        db.execute("INSERT INTO states VALUES (1, '{\"change_no\":4}')")
        db.execute("INSERT INTO events VALUES (9, 'E', 1, 4, 'path_changed', 'notice', 1, 5, 1, '{}')")
        db.execute("INSERT INTO outbox VALUES (9, NULL)")
        db.commit()
    monkeypatch.setattr(migrate, "_FOLDER", folder)
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        assert writer.notice == ""
        assert (reader.tellings(), reader.incidents(), reader.change_numbers()) == ({}, [], {"t1": 4})
        assert (reader.states(), [row.seq for row in reader.outbox(0, 9)]) == ({"t1": '{"change_no":4}'}, [9])
        writer.save([told(1, incidents=(incident(1),))])
        assert [each.seq for each in reader.events(since_seq=0)] == [9, 10]
