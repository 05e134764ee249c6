"""Hops over time: a column is the worst trace of its time, or what is left of older ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from pathwarden.model.history import Record
from pathwarden.model.trace import Ending
from pathwarden.store.reader import Reader
from pathwarden.store.retention import RAW_DAYS
from pathwarden.store.writer import Writer
from storelab.values import SECOND, START, hop, route, trace

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.fixture
def writer(tmp_path: Path):
    with Writer(tmp_path / "history.db", max_mb=16, boot_id="boot") as opened:
        yield opened


def _lost(number: int):
    whole = trace(number=number)
    return replace(whole, hops=(*whole.hops[:2], hop(3, None, None, None, None)), ending=Ending.GAP, reached_ttl=None)


def test_a_column_is_the_worst_trace_of_its_time(writer: Writer) -> None:
    traces = [trace(number=0), trace(number=1, rtt_ms=30.0), trace(number=2), _lost(5), trace(number=6, rtt_ms=99.0)]
    writer.save([Record(each, route(), "{}") for each in traces])
    with Reader(writer.path) as reader:
        heat = reader.heat("t1", START, START + 12 * MINUTE, 3)
    assert (heat.start_s, heat.width_s) == (START // SECOND, 240)
    assert heat.at_s == [START // SECOND + 60, START // SECOND + 300, None]
    assert {ttl: tuple(cell) for ttl, cell in heat.hops[0].items()} == {1: (3, 0, 0.6), 2: (3, 1, 4.1), 3: (3, 0, 31.0)}
    assert tuple(heat.hops[1][3]) == (3, 3, None)
    assert heat.hops[2] == {}


def test_of_what_nothing_is_known_every_column_is_empty(writer: Writer) -> None:
    with Reader(writer.path) as reader:
        heat = reader.heat("gone", START, START + 100 * SECOND, 10)
    assert (heat.at_s, heat.hops) == ([None] * 10, [{}] * 10)


def test_where_traces_are_gone_the_figures_of_their_hours_and_days_stand(writer: Writer) -> None:
    first = START // DAY * DAY
    last = first + (RAW_DAYS + 3) * DAY
    for day in range(first, last + 1, DAY):
        writer.save([Record(trace(at=at, mono_ns=at), route(), "{}") for at in range(day, min(day + DAY, last + 1), HOUR // 2)])
    writer.flush()
    with Reader(writer.path) as reader:
        assert reader.levels("t1", first, first + DAY)
        hours = reader.heat("t1", first, first + DAY, 120)
        days = reader.heat("t1", first, last + DAY, 120)
    assert hours.width_s == 3600
    assert hours.at_s == [first // SECOND + 3600 * n for n in range(24)]
    assert {ttl: tuple(cell) for ttl, cell in hours.hops[0].items()} == {1: (6, 0, 0.6), 2: (6, 2, 4.1), 3: (6, 0, 11.0)}
    assert days.width_s == 86_400
    assert days.at_s[0] == first // SECOND
    assert tuple(days.hops[0][2]) == (144, 48, 4.1)
    assert tuple(days.hops[RAW_DAYS][2]) == (3, 1, 4.1)
