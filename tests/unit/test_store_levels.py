"""Blocks and levels: what is packed is the same as before, what is rolled tells the same in fewer bytes, and when that happens."""

import gzip
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import SEED
from pathwarden.model.history import Record
from pathwarden.model.instants import ClockShift
from pathwarden.model.trace import Ending
from pathwarden.store import blocks, retention
from pathwarden.store.migrate import newest
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import MS, SECOND, START, count, event, hop, record, route, trace

MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
MIDNIGHT = START // DAY * DAY
OLD_FILE = Path(__file__).parents[1] / "corpus" / "history" / "schema-0001.db.gz"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


def at(instant: int, target: str = "t1", **changes) -> Record:
    made = record(target, at=instant, mono_ns=instant - START + DAY if instant >= MIDNIGHT else instant, **changes)
    return replace(made, route=route(target, label="A"))


def various(number: int) -> Record:
    """A trace like no other."""
    rng = random.Random(f"{SEED}-{number}")
    silent = rng.random() < 0.2
    hops = (
        hop(1, "192.0.2.1", rng.uniform(0.1, 2)),
        hop(2, None if rng.random() < 0.3 else f"198.51.100.{rng.randint(1, 3)}", None if silent else round(rng.uniform(1, 900), 2)),
        hop(3, None, None, None),
        hop(4, "203.0.113.9", *(round(rng.uniform(3, 90), 2) for _ in range(rng.randint(1, 3)))),
    )
    hops = tuple(h if h.answers[0].rtt_ns is None or h.answers[0].responder else hop(h.ttl, None, None) for h in hops)
    made = trace(
        f"t{number % 3}",
        at=START + number * MINUTE + rng.randrange(SECOND),
        mono_ns=rng.randrange(2**50),
        duration_ns=rng.randrange(10**10),
        clock_synced=rng.random() < 0.7,
        hops=hops,
        reached_ttl=4,
        late=rng.choice((0, 0, 3)),
        error=rng.choice(("", "", "no_route")),
        source=rng.choice(("", "wan")),
        kernel_route=rng.choice((None, trace().kernel_route)),
    )
    return Record(made, None if rng.random() < 0.3 else route(made.target, label=rng.choice("AB")), "{}")


def rounded(record: Record):
    """A trace as it comes back: round-trip times to 0.01 ms."""
    hops = tuple(
        h._replace(answers=tuple(a if a.rtt_ns is None else a._replace(rtt_ns=(a.rtt_ns + 5000) // 10_000 * 10_000) for a in h.answers))
        for h in record.trace.hops
    )
    return replace(record.trace, hops=hops)


def test_what_is_packed_is_what_was_written(path: Path) -> None:
    made = [various(number) for number in range(700)]
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        for start in range(0, len(made), 7):
            writer.save(made[start : start + 7])
        assert count(path, "traces") < 3 * blocks.WAITING
        assert count(path, "blocks") > 10
        for target in ("t0", "t1", "t2"):
            expected = sorted((rounded(each) for each in made if each.trace.target == target), key=lambda each: each.at)
            assert [one.trace for one in reader.walk(target)] == expected
            paged, before = [], None
            while page := reader.traces(target, limit=50, before_id=before):
                paged, before = paged + page, page[-1].trace_id
            assert [one.trace for one in paged] == expected[::-1]
            assert all(reader.trace(one.trace_id) == one for one in paged[::10])
            assert [reader.trace_at(target, one.trace.at + 1) for one in paged[::20]] == paged[::20]
        assert reader.stats().traces == 700
        assert reader.trace(10**9) is None


def test_a_series_is_the_same_before_and_after_packing(path: Path) -> None:
    made = [various(number) for number in range(143)]
    span = ("t1", START, START + 143 * MINUTE, 11)
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        writer.save(made)
        before = reader.series(*span)
        assert count(path, "blocks") == 0
        writer.save([various(number) for number in range(143, 400)])
        assert count(path, "blocks") > 0
        after = reader.series(*span)
    assert after == before


def test_numbers_that_are_far_apart_are_found_in_their_blocks(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        for n in range(120):
            writer.save([at(START + n * MINUTE)])
            writer._next += 100
        assert count(path, "blocks") > 1
        assert all(reader.trace(one.trace_id) == one for one in reader.traces("t1", limit=200))


def filled(path: Path, days: int, *, every: int = HOUR) -> Writer:
    """A writer of a history with so many whole days."""
    writer = Writer(path, max_mb=16, boot_id="b")
    for day in range(days):
        writer.save([at(MIDNIGHT + day * DAY + n * every, rtt_ms=10 + n) for n in range(DAY // every)])
    return writer


def test_old_traces_become_hours_and_older_ones_days(path: Path) -> None:
    days = retention.RAW_DAYS + retention.HOURLY_DAYS + 3
    with filled(path, days, every=2 * HOUR) as writer, Reader(path) as reader:
        traces = reader.traces("t1", limit=5000)
        today = days - 1
        assert traces[-1].trace.at // DAY == MIDNIGHT // DAY + today - retention.RAW_DAYS
        levels = reader.levels("t1", MIDNIGHT, MIDNIGHT + days * DAY)
        widths = [level.width_s for level in levels]
        assert widths == [86_400] * 2 + [3600] * 12 * retention.HOURLY_DAYS
        assert all(level.traces == (12 if level.width_s == 86_400 else 1) for level in levels)
        assert (count(path, "days"), reader.stats().days) == (days - 1 - retention.RAW_DAYS,) * 2
        year = reader.series("t1", MIDNIGHT, MIDNIGHT + days * DAY, 600)
        assert (len(year.sent), sum(year.sent)) == (days, days * 12 * 3), "no bucket is shorter than a day"
        assert year.rtt_min_ms == [10.0] * days
        assert year.rtt_median_ms == [16.5] * days
        assert year.rtt_max_ms == [24.0] * days
        assert year.routes == ["t1-A"] * days
        hourly = reader.series("t1", MIDNIGHT + 5 * DAY, MIDNIGHT + 6 * DAY, 600)
        assert hourly.sent == [3, 0] * 12
        assert writer.trim() == 0


def test_figures_are_those_of_the_traces(path: Path) -> None:
    rng = random.Random(SEED)
    rtts = [[round(rng.uniform(1, 80), 2) if rng.random() < 0.9 else None for _ in range(3)] for _ in range(288)]
    made = []
    for n, (one, two, three) in enumerate(rtts):
        hops = (hop(1, "192.0.2.1", one, two), hop(2, "203.0.113.9", three))
        reached = three is not None
        changes = {"hops": hops, "reached_ttl": 2 if reached else None, "ending": Ending.REACHED if reached else Ending.GAP, "probes": 3}
        made.append(at(MIDNIGHT + n * 5 * MINUTE, **changes))
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        writer.save(made)
        writer.save([at(MIDNIGHT + (retention.RAW_DAYS + 200) * DAY)])
        writer.save([at(MIDNIGHT + (retention.RAW_DAYS + 200) * DAY + n) for n in range(1, 100)])
        writer.save([at(MIDNIGHT + (retention.RAW_DAYS + 201) * DAY)])
        (day,) = reader.levels("t1", MIDNIGHT, MIDNIGHT + DAY)
    first = sorted(rtt for one, two, _ in rtts for rtt in (one, two) if rtt is not None)
    last = sorted(three for *_, three in rtts if three is not None)
    assert (day.at_s, day.width_s, day.route_id, day.traces) == (MIDNIGHT // SECOND, 86_400, "t1-A", 288)
    for figures, values, sent in ((day.hops[1], first, 576), (day.hops[2], last, 288), (day.destination, last, 288)):
        assert (figures.sent, figures.lost) == (sent, sent - len(values))
        assert (figures.rtt_min_ms, figures.rtt_max_ms) == (values[0], values[-1])
        middle = len(values) - 1
        assert figures.rtt_median_ms == pytest.approx((values[middle // 2] + values[(middle + 1) // 2]) / 2, abs=0.01)
        assert figures.rtt_p10_ms == values[round(middle * 0.1)]
        assert figures.rtt_p90_ms == values[round(middle * 0.9)]


def test_nothing_goes_by_age_without_a_clock_that_is_right(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        for day in range(0, 60, 2):
            writer.save([at(MIDNIGHT + day * DAY + n * MINUTE, clock_synced=False) for n in range(10)])
        assert (reader.stats().traces, count(path, "days")) == (300, 0)
        writer.save([at(MIDNIGHT + 200 * DAY)])
        writer.save([at(MIDNIGHT + 201 * DAY + n) for n in range(60)])
        assert (reader.stats().traces, count(path, "days")) == (361, 0), "what a wrong clock noted may still come right"


def test_without_aging_nothing_goes_however_old(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b", aging=False) as writer, Reader(path) as reader:
        for day in range(120):
            writer.save([at(MIDNIGHT + day * 30 * DAY)])
        assert (reader.stats().traces, count(path, "days"), count(path, "blocks") > 0) == (120, 0, True)


def test_what_is_in_blocks_is_corrected_when_the_clock_becomes_right(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        wrong = [replace(at(n * SECOND, clock_synced=False), route=None) for n in range(100)]
        for each in wrong:
            writer.save([each])
        assert count(path, "blocks") > 0
        monos = [each.trace.mono_ns for each in wrong]
        assert writer.correct_clock(ClockShift(0, 100 * SECOND, START, START)) == 100
        assert [one.trace.at for one in reader.walk("t1")] == [START + mono_ns for mono_ns in monos]
        assert all(one.trace.clock_synced for one in reader.walk("t1"))


def test_another_boots_wrong_times_stay(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="before") as writer:
        for n in range(60):
            writer.save([at(n * SECOND, clock_synced=False)])
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        assert writer.correct_clock(ClockShift(0, 100 * SECOND, START, START)) == 0
        assert [one.trace.at for one in reader.walk("t1")] == [n * SECOND for n in range(60)]


def test_the_path_at_an_instant_is_known_longer_than_its_traces(path: Path) -> None:
    with Writer(path, max_mb=16, boot_id="b") as writer, Reader(path) as reader:
        for day in range(100):
            label = "B" if 20 <= day < 23 else "A"
            made = [at(MIDNIGHT + day * DAY + n * 4 * HOUR) for n in range(6)]
            writer.save([replace(each, route=route(label=label)) for each in made])
        assert reader.trace_at("t1", MIDNIGHT + 30 * DAY) is None
        assert [reader.path_at("t1", MIDNIGHT + day * DAY + HOUR).label for day in (0, 19, 20, 22, 23, 99)] == list("AABBAA")
        assert reader.path_at("t1", MIDNIGHT - 1) is None
        assert reader.path_at("nobody", MIDNIGHT) is None
        assert reader.shares("t1", MIDNIGHT, MIDNIGHT + 30 * DAY) == {"t1-A": 27 * 86_400, "t1-B": 3 * 86_400}
        assert reader.shares("t1", MIDNIGHT + 21 * DAY, MIDNIGHT + 22 * DAY) == {"t1-B": 86_400}
        assert [(span.at, span.route_id) for span in reader.spans("t1", MIDNIGHT + 21 * DAY, MIDNIGHT + 99 * DAY)] == [
            (MIDNIGHT + 20 * DAY, "t1-B"),
            (MIDNIGHT + 23 * DAY, "t1-A"),
        ]


def test_a_month_of_twenty_targets_takes_sixty_bytes_a_trace(path: Path) -> None:
    """Twenty hours of it: twelve hops, one round-trip time each with noise of a millisecond."""
    rng = random.Random(SEED)
    ways = [[5 * ttl + rng.random() for ttl in range(1, 13)] for _ in range(20)]
    most = 20 * 12 * 20
    with Writer(path, max_mb=16, boot_id="b") as writer:
        for n in range(most // 20):
            saved = []
            for target, way in enumerate(ways):
                hops = tuple(hop(ttl, f"10.{target}.{ttl}.1", rtt + rng.expovariate(1)) for ttl, rtt in enumerate(way, start=1))
                made = at(MIDNIGHT + n * 5 * MINUTE + rng.randrange(SECOND), f"t{target}", hops=hops, reached_ttl=12, probes=12)
                saved.append(Record(replace(made.trace, duration_ns=rng.randrange(10**9)), made.route, "{}"))
            writer.save(saved)
    with closing(sqlite3.connect(path)) as db:
        pages = "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count"
        used = db.execute(pages).fetchone()[0] * 1024
    assert used / most <= 60


@pytest.mark.parametrize("wait", [False, True])
def test_a_database_from_the_first_version_is_brought_up_to_date(path: Path, tmp_path: Path, wait: bool) -> None:
    path.write_bytes(gzip.decompress(OLD_FILE.read_bytes()))
    with Writer(path, max_mb=16, boot_id="b", live_dir=tmp_path / "memory" if wait else None) as writer, Reader(path) as reader:
        assert writer.notice == ""
        assert (reader.stats().schema, reader.stats().traces, reader.stats().events) == (newest(), 120, 1)
        for target in ("t1", "t2"):
            traces = list(reader.walk(target))
            assert [one.trace.at for one in traces] == [START + n * 5 * MINUTE for n in range(60)]
            assert [one.trace.destination_rtts_ns for one in traces] == [(int((10 + n / 7) * MS) // 10_000 * 10_000,) for n in range(60)]
        assert traces[0].trace.hops[0] == hop(1, "192.0.2.1", 0.5)
        assert [reader.path_at("t1", START + n * 5 * MINUTE).label for n in (0, 39, 40, 59)] == ["A", "A", "B", "B"]
        assert {route.label for route in reader.routes("t1")} == {"A", "B"}
        assert reader.states() == {"t1": '{"n":59}', "t2": '{"n":59}'}
        assert [(row.seq, row.body["text"]) for row in reader.outbox(0, 9)] == [(1, "chemin changé")]
        for n in range(60, 120):
            writer.save([at(START + n * 5 * MINUTE)])
        writer.save([at(START + 120 * 5 * MINUTE, events=(event(change_no=2),))])
        assert [one.trace.at for one in reader.walk("t1")] == [START + n * 5 * MINUTE for n in range(121)]
