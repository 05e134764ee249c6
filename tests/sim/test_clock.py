"""A machine without a battery: traces from before the clock is right end up in their place, none lost, doubled or out of order."""

import random
import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from equipment.fakes import make_settings, make_target
from equipment.measuring import TWO_ROUTES, measuring, moves
from pathwarden.daemon.board import Board
from pathwarden.daemon.drive import Driver
from pathwarden.daemon.keeper import Keeper
from pathwarden.detect.detector import Detector
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.net.clock import SystemClock
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import parse
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer

S = 1_000_000_000
TRUE = 1_800_000_000 * S  # the right instant at which the machine booted
TEN_YEARS = 315_360_000 * S
WORLD = TWO_ROUTES + moves(630)


class Machine(SystemClock):
    """Its kernel's clocks are the simulated network's; `wall_offset` is what the wall clock shows beyond them."""

    def __init__(self, network: SimNetwork, wall_offset: int) -> None:
        self.network, self.wall_offset, self.steered = network, wall_offset, False
        super().__init__(lambda _jumped: self.steered, lambda: network.now_ns + self.wall_offset, lambda: network.now_ns)

    def mono_ns(self) -> int:
        return self.network.now_ns


class Agent:
    def __init__(self, path: Path, wall_offset: int) -> None:
        self.network = SimNetwork(parse(tomllib.loads(WORLD)), 1)
        self.clock = Machine(self.network, wall_offset)
        target = replace(make_target("site"), host="198.51.100.7", interval_s=60, jitter_pct=0)
        settings = replace(make_settings(), targets=(target,))
        dice = random.Random(1)
        driver = Driver(self.network, self.clock, Correlator(), TokenBucket(200))
        self.writer = Writer(path, max_mb=16, boot_id="now")
        self.reader = Reader(path)
        self.keeper = Keeper(self.writer)
        detectors = {"site": Detector("site", 0)}
        self.prober, reporter = measuring(settings, self.network, driver, detectors, self.keeper.put, dice, clock=self.clock)
        reporter.board = self.board = Board(settings, self.clock, self.reader, self.prober.trace, dict)
        self.keeper.start()

    def run(self, seconds: float) -> None:
        until_ns = self.network.now_ns + round(seconds * S)
        while self.network.now_ns < until_ns:
            self.prober.turn(until_ns - self.network.now_ns)

    def becomes_right(self) -> None:
        self.clock.wall_offset, self.clock.steered = TRUE, True
        self.clock.ask()
        self.prober.clock_right(self.clock.take_shift(), self.keeper.correct)

    def end(self) -> None:
        self.keeper.stop(10)
        self.reader.close()


def story(path: Path, *wall_offsets: int) -> None:
    """Ten minutes of traces while the wall clock shows these, one after the other and equally long; then it becomes right."""
    agent = Agent(path, wall_offsets[0])
    for wall_offset in wall_offsets:
        agent.clock.wall_offset, agent.clock.steered = wall_offset, False
        if wall_offset == TRUE:
            agent.becomes_right()
        agent.run(600 / len(wall_offsets))
        agent.board.target_states()
    agent.becomes_right()
    agent.run(600)
    shown = agent.board.target_states()[0]
    agent.end()
    with Reader(path) as reader:
        traces = [stored.trace for stored in reader.traces("site", limit=200)][::-1]
        routes = {route.label: route for route in reader.routes("site")}
        (event,) = reader.events(target="site")
    assert [trace.at for trace in traces] == [trace.mono_ns + TRUE for trace in traces], "every trace stands at its right instant"
    assert all(trace.clock_synced for trace in traces)
    assert all(a.mono_ns + a.duration_ns <= b.mono_ns for a, b in pairwise(traces)), "in their order, none doubled"
    assert sum(trace.reason.value == "schedule" for trace in traces) == 20, "none lost: one a minute"
    assert routes["A"].first_at == traces[0].at
    assert event.body["event_type"] == "path_changed"
    assert abs(event.body["old"]["duration_s"] - 660) < 70, "the old path's time runs over the clock's jump"
    assert shown["clock_synced"] is True


def test_from_1970(tmp_path: Path) -> None:
    story(tmp_path / "h.db", 0)


def test_from_ten_years_ahead(tmp_path: Path) -> None:
    story(tmp_path / "h.db", TRUE + TEN_YEARS)


def test_set_by_hand_to_1970_and_ten_years_ahead_while_running(tmp_path: Path) -> None:
    story(tmp_path / "h.db", TRUE - 4000 * S, 0, TRUE + TEN_YEARS)


def test_set_by_hand_from_ten_years_ahead_to_1970_while_running(tmp_path: Path) -> None:
    story(tmp_path / "h.db", TRUE + TEN_YEARS, 0)


def test_set_by_hand_after_it_was_right(tmp_path: Path) -> None:
    story(tmp_path / "h.db", TRUE, 0, TRUE + TEN_YEARS)
