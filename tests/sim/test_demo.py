"""The demo's history: equal seeds give equal weeks."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from equipment.schemas import check_object
from pathwarden.cli.demo import SCENARIO
from pathwarden.daemon import demo
from pathwarden.sim.scenario import Scenario, load
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer

FASTER = 7  # the scripted week in a day: everything happens, in a seventh of the time
START_NS = 1_790_000_000_000_000_000
# What the script brings about; how often the latency is told to have shifted with the path, chance decides.
SCRIPTED = ("path_changed", "path_reverted", "path_attribute_changed", "target_unreachable", "target_reachable")
HAPPENS = Counter(
    {
        ("office", "path_changed"): 2,
        ("office", "path_reverted"): 4,
        ("video", "path_changed"): 2,
        ("video", "path_reverted"): 2,
        ("office", "path_attribute_changed"): 1,
        ("video", "path_attribute_changed"): 1,
        **{(target, f"target_{way}"): 1 for target in ("office", "video", "game") for way in ("unreachable", "reachable")},
    }
)


class _Written(Exception):
    """The week is on disk; what would follow is a page."""


Week = tuple[list[Any], list[Any]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Week]:
    """Writes a week with a seed: its events and some targets' traces."""

    def week(seed: int) -> Week:
        folder, writers = tmp_path_factory.mktemp("week"), []

        def remembered(*args: Any, **kw: Any) -> Writer:
            writers.append(Writer(*args, **kw))
            return writers[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(demo, "WEEK_S", demo.WEEK_S // FASTER)
            patch.setattr(demo, "Writer", remembered)
            patch.setattr(time, "time_ns", lambda: START_NS)
            with pytest.raises(_Written):
                demo.run(_scenario(), folder, seed, "", str, _until_written)
        writers[-1].close()
        with Reader(folder / "history.db") as reader:
            events = [(event.event_type, event.target, event.at, event.body) for event in reader.events(limit=1000)]
            traces = [stored.trace for target in ("office", "video", "dns") for stored in reader.traces(target, limit=1000)]
        return events, traces

    return week


@pytest.fixture(scope="module")
def first(written: Callable[[int], Week]) -> Week:
    """The week of one seed."""
    return written(5)


def _scenario() -> Scenario:
    scenario = load(SCENARIO)
    return replace(scenario, changes=tuple(change._replace(at_s=change.at_s / FASTER) for change in scenario.changes))


def _until_written(day: int) -> None:
    if day == 7:
        raise _Written


def test_equal_seeds_give_equal_weeks_and_others_do_not(first, written):
    again, other = written(5), written(6)
    assert len(first[1]) > 600
    assert first == again
    for events, _ in (first, other):
        assert Counter((target, kind) for kind, target, *_ in events if kind in SCRIPTED) == HAPPENS
    assert other != first


def test_each_event_of_the_week_keeps_to_its_schema(first):
    for _, target, _, body in first[0]:
        assert body["note"] is None, "what somebody wrote beside it; it is not published"
        check_object("target/event" if target else "event", {name: value for name, value in body.items() if name != "note"})


def test_the_black_hole_of_the_week_has_its_place_and_its_incidents_end(first):
    events, _ = first
    lost = {target: body for kind, target, _, body in events if kind == "target_unreachable" and target != "game"}
    assert lost.keys() == {"office", "video"}
    for body in lost.values():
        assert (body["location"]["segment"], body["location"]["between"]) == ("transit", [["203.0.113.9"], ["203.0.113.13"]])
    over = {body["incident"]["id"] for kind, _, _, body in events if kind == "incident" and body["incident"]["closed_at"]}
    assert {body["group_id"] for body in lost.values()} <= over
