"""The demo's history: equal seeds give equal weeks."""

import time
from dataclasses import replace
from typing import Any

import pytest

from pathwarden.cli.demo import SCENARIO
from pathwarden.daemon import demo
from pathwarden.sim.scenario import load
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer

FASTER = 7  # the scripted week in a day: everything happens, in a seventh of the time
START_NS = 1_790_000_000_000_000_000
DRAWN = {"event_id": "", "group_id": ""}  # random in every run


class _Written(Exception):
    """The week is on disk; what would follow is a page."""


@pytest.fixture
def written(monkeypatch, tmp_path):
    scenario = load(SCENARIO)
    scenario = replace(scenario, changes=tuple(change._replace(at_s=change.at_s / FASTER) for change in scenario.changes))
    monkeypatch.setattr(demo, "WEEK_S", demo.WEEK_S // FASTER)
    writers = []

    def remembered(*args: Any, **kw: Any) -> Writer:
        writers.append(Writer(*args, **kw))
        return writers[-1]

    def progress(day: int) -> None:
        if day == 7:
            raise _Written

    monkeypatch.setattr(demo, "Writer", remembered)

    def week(seed: int) -> tuple[list[Any], list[Any]]:
        folder = tmp_path / str(len(writers))
        folder.mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(time, "time_ns", lambda: START_NS)
            with pytest.raises(_Written):
                demo.run(scenario, folder, seed, "", str, progress)
        writers[-1].close()
        with Reader(folder / "history.db") as reader:
            events = [(event.event_type, event.at, event.body | DRAWN) for event in reader.events(limit=100)]
            traces = [stored.trace for target in ("office", "video", "dns") for stored in reader.traces(target, limit=1000)]
        return events, traces

    return week


def test_equal_seeds_give_equal_weeks_and_others_do_not(written):
    first, again, other = written(5), written(5), written(6)
    assert len(first[0]) == 8
    assert len(first[1]) > 600
    assert first == again
    assert [event[0] for event in other[0]] == [event[0] for event in first[0]]
    assert other != first
