"""Campaigns in virtual time: the real prober on simulated worlds, for hundreds of rounds, and exactly the events that are due.

Each file in scenarios/ is a world (see pathwarden.sim.scenario) and what is expected of it: [expect] gives rounds and interval,
[[expect.events]] the events in their order: type, at the earliest when and how soon after (`after_s`, `within_s`), the hops before
and after where they matter. Nothing else may be told.
"""

import random
import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from equipment.fakes import make_settings, make_target
from equipment.measuring import measuring
from pathwarden.daemon.drive import Driver
from pathwarden.detect.detector import Detector
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.model.history import Event, Record
from pathwarden.model.probe import Method
from pathwarden.model.trace import Reason
from pathwarden.sim.network import START_WALL_NS, SimNetwork
from pathwarden.sim.scenario import Scenario, parse

SECOND = 1_000_000_000
SCENARIOS = sorted(
    set((FOLDER := Path(__file__).parent / "scenarios").glob("*.toml")) - set(FOLDER.glob("e[0-9][0-9]_*.toml"))
)  # those have a test of their own
SEEDS = range(1, 4)


class Campaign:
    """An agent's measuring half on a simulated world; `records` is what the store would get."""

    def __init__(self, scenario: Scenario, seed: int, interval_s: int, method: Method, *, pps: float = 200.0) -> None:
        self.network = SimNetwork(scenario, seed)
        self.records: list[Record] = []
        targets = tuple(replace(make_target(d.name), host=d.address, interval_s=interval_s, method=method) for d in scenario.destinations)
        settings = replace(make_settings(), targets=targets)
        self.detectors = {target.tid: Detector(target.tid, 86_400) for target in targets}
        self.correlator = Correlator()
        dice = random.Random(seed)
        driver = Driver(self.network, self.network, self.correlator, TokenBucket(pps))
        self.prober, _ = measuring(settings, self.network, driver, self.detectors, self.records.append, dice)

    def run(self, seconds: float) -> None:
        """Let this much virtual time pass."""
        until_ns = self.network.now_ns + round(seconds * SECOND)
        while self.network.now_ns < until_ns:
            self.prober.turn(until_ns - self.network.now_ns)

    def events(self) -> list[Event]:
        return [event for record in self.records for event in record.events if event.target]

    def rounds(self) -> int:
        return sum(record.trace is not None and record.trace.reason is Reason.SCHEDULE for record in self.records)


def load(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "scenarios" / f"{name}.toml").read_text())


@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", SEEDS)
def test_exactly_what_happened_is_told(path: Path, seed: int, method: Method) -> None:
    document = tomllib.loads(path.read_text())
    expect = document.pop("expect")
    campaign = Campaign(parse(document), seed, expect["interval_s"], method)
    campaign.run(expect["rounds"] * expect["interval_s"])
    events, due = campaign.events(), expect.get("events", [])
    assert [event.event_type for event in events] == [each["type"] for each in due], [event.body["message"] for event in events]
    for event, each in zip(events, due, strict=True):
        at_s = (event.at - START_WALL_NS) / SECOND
        assert each["after_s"] <= at_s <= each["after_s"] + each["within_s"]
        for side, key in (("old", "before"), ("new", "after")):
            if key in each:
                assert event.body[side]["hops"] == each[key]
    assert campaign.rounds() >= 0.9 * expect["rounds"] * len(campaign.detectors)


def test_every_trace_is_kept_and_no_two_of_a_target_overlap() -> None:
    document = load("quiet")
    campaign = Campaign(parse(document), 9, 60, Method.UDP)
    campaign.run(3600)
    for tid in campaign.detectors:
        traces = [record.trace for record in campaign.records if record.trace is not None and record.tid == tid]
        assert len(traces) >= 55
        assert all(a.mono_ns + a.duration_ns <= b.mono_ns for a, b in pairwise(traces))
    assert campaign.correlator.foreign == 0
    assert campaign.correlator.duplicates > 0


def test_a_silent_target_alone_is_traced_on_time() -> None:
    """Re-traces come a second after a trace ends, although nothing else wakes the prober."""
    document = load("down_and_up")
    document["changes"] = [{"at_s": 130, "router": "site", "down": True}]
    campaign = Campaign(parse(document), 1, 60, Method.UDP)
    campaign.run(240)
    traces = [record.trace for record in campaign.records if record.trace is not None]
    pauses = [b.mono_ns - a.mono_ns - a.duration_ns for a, b in pairwise(traces) if b.reason is Reason.CONFIRM]
    assert len(pauses) >= 2
    assert all(SECOND <= pause < 1.1 * SECOND for pause in pauses)
    assert [event.event_type for event in campaign.events()] == ["target_unreachable"]


def test_numbers_of_events_go_on_and_their_names_differ() -> None:
    document = load("there_and_back")
    campaign = Campaign(parse(document), 1, 60, Method.UDP)
    campaign.run(12_000)
    events = campaign.events()
    assert [event.change_no for event in events] == [1, 2]
    assert len({event.event_id for event in events}) == 2


def test_a_wish_is_met_at_once() -> None:
    document = load("quiet")
    campaign = Campaign(parse(document), 1, 3600, Method.UDP)
    campaign.run(60)
    assert campaign.prober.ask("site")
    assert not campaign.prober.ask("nobody")
    campaign.run(10)
    last = campaign.records[-1].trace
    assert (last.target, last.reason) == ("site", Reason.COMMAND)
    assert last.at - START_WALL_NS < 61 * SECOND


def test_a_restart_in_the_middle_changes_nothing_that_is_told() -> None:
    whole, parts = (Campaign(parse(load("there_and_back")), 1, 60, Method.UDP) for _ in range(2))
    for _ in range(50):
        whole.run(300)
        parts.run(300)
        for tid, detector in parts.detectors.items():
            routes = tuple(detector.routes.values())
            parts.detectors[tid] = Detector.restore(tid, 86_400, parts.records[-1].state, routes)
    essence = [[(e.event_type, e.at, e.body["old"]["hops"], e.body["new"]["hops"]) for e in c.events()] for c in (whole, parts)]
    assert essence[0] == essence[1]
    assert len(essence[0]) == 2
