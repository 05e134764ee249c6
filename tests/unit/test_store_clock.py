"""Instants from before the clock was right are corrected when it is."""

from pathwarden.model.instants import ClockShift, since_boot
from pathwarden.present.instants import rfc3339
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import event, record, route

S = 1_000_000_000
RIGHT = 1_800_000_000 * S
WRONG = 5_000 * S


def saved(path, boot, *records):
    with Writer(path, max_mb=16, boot_id=boot) as writer:
        writer.save(records)


def test_a_restart_with_the_right_clock_corrects_what_the_life_before_noted_in_this_boot(tmp_path):
    path = tmp_path / "h.db"
    saved(path, "before", record(number=1, at=WRONG + S, mono_ns=70 * S, clock_synced=False))
    saved(path, "now", record(number=2, at=WRONG + 2 * S, mono_ns=50 * S, clock_synced=False))
    with Writer(path, max_mb=16, boot_id="now") as writer, Reader(path) as reader:
        assert writer.correct_clock(since_boot(RIGHT)) == 1
        assert [stored.trace.at for stored in reader.traces("t1")] == [RIGHT + 50 * S, WRONG + S]
        assert writer.correct_clock(since_boot(RIGHT)) == 0


def test_traces_routes_and_events_of_this_boot_move_and_no_others(tmp_path):
    path = tmp_path / "h.db"
    saved(path, "before", record(number=1, at=RIGHT - 900 * S, mono_ns=70 * S, clock_synced=False))
    early = WRONG + 50 * S
    body = {
        "clock_synced": False, "event_type": "path_changed", "first_seen_at": rfc3339(early - 3 * S), "occurred_at": rfc3339(early),
        "old": {"since": rfc3339(early - 40 * S)}, "new": {"since": rfc3339(early)},
    }  # fmt: skip
    told = event(change_no=2, at=early, clock_synced=False, body=body)
    with Writer(path, max_mb=16, boot_id="now") as writer:
        followed = route(label="B", first_at=early, last_at=early, route_id="b" * 12)
        writer.save(
            [
                record(number=2, at=early, mono_ns=50 * S, clock_synced=False, events=(told,), with_route=False),
                record(number=3, at=RIGHT + 60 * S, mono_ns=60 * S, clock_synced=True),
            ]
        )
        writer.save([record(number=4, at=early + S, mono_ns=51 * S, clock_synced=False, with_route=False)])
        with writer._lasting.transaction():
            writer._lasting.tables.put_route(followed, 10**6)
        shift = ClockShift(WRONG, WRONG + 55 * S, RIGHT - WRONG, RIGHT)
        assert writer.correct_clock(shift) == 2
        assert writer.correct_clock(shift) == 0, "a second time there is nothing left to correct"
    with Reader(path) as reader:
        found = {stored.trace.mono_ns: stored.trace for stored in reader.traces("t1")}
        assert found[70 * S].at == RIGHT - 900 * S
        assert not found[70 * S].clock_synced, "another boot's monotonic clock says nothing about ours"
        assert [found[n * S].at for n in (50, 51, 60)] == [RIGHT + 50 * S, RIGHT + 51 * S, RIGHT + 60 * S]
        assert all(found[n * S].clock_synced for n in (50, 51, 60))
        moved = reader.route("b" * 12)
        assert (moved.first_at, moved.last_at) == (RIGHT + 50 * S, RIGHT + 50 * S)
        (stored,) = reader.events(target="t1")
        assert stored.at == RIGHT + 50 * S
        assert stored.body["occurred_at"] == rfc3339(RIGHT + 50 * S)
        assert stored.body["first_seen_at"] == rfc3339(RIGHT + 47 * S)
        assert stored.body["old"]["since"] == rfc3339(RIGHT + 10 * S)
        assert stored.body["clock_synced"] is True
