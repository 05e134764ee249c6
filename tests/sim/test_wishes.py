"""What the owner wishes, and a path that flaps, as the running agent shows them at once and after a restart."""

import random
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipment.fakes import make_settings, make_target
from equipment.measuring import LITERAL, TWO_ROUTES, moves
from equipment.waiting import until
from pathwarden.daemon.board import STABILITY_EVERY_NS, Board
from pathwarden.daemon.drive import Driver
from pathwarden.daemon.keeper import Keeper
from pathwarden.daemon.prober import Prober
from pathwarden.daemon.reporting import Reporter, remembered
from pathwarden.daemon.restoring import restore_judges, restore_teller
from pathwarden.daemon.sources import DeviceNames
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.errors import OperatorError
from pathwarden.sim.network import START_WALL_NS, SimNetwork
from pathwarden.sim.scenario import parse
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer

S = 1_000_000_000
HOUR = 3600
WORLD = TWO_ROUTES + moves(*range(1200, 1200 + 120 * 7, 120))


class Agent:
    """An agent on a simulated network that begins `after_s` later."""

    def __init__(self, path: Path, after_s: int) -> None:
        self.network = SimNetwork(parse(tomllib.loads(WORLD)), 1, START_WALL_NS + after_s * S)
        target = replace(make_target("site"), host="198.51.100.7", interval_s=30, jitter_pct=0)
        settings = replace(make_settings(), targets=(target,))
        dice = random.Random(1)
        self.driver = driver = Driver(self.network, self.network, Correlator(), TokenBucket(200))
        writer, self.reader = Writer(path, max_mb=16, boot_id="now"), Reader(path)
        self.keeper = Keeper(writer)
        kept = self.reader.tellings()
        judges = restore_judges(settings, self.reader, kept)
        teller = restore_teller(settings, judges, self.reader, kept, dice.randbytes)
        reporter = Reporter(judges, teller, self.network, self.keeper.put)
        self.prober = Prober(settings, self.network, self.network, self.network, DeviceNames(), LITERAL, driver, judges, reporter, dice)
        self.board = Board(settings, self.network, self.reader, self.prober.trace, dict)
        heard = teller.heard("site", self.network.wall_ns())
        self.board.restored("site", remembered(judges["site"], self.reader.latest("site"), heard))
        if heard.paused:
            self.prober.hold("site")
        self.board.wishes, self.board.keep, reporter.board = self.prober, self.keeper.put, self.board
        self.keeper.start()

    def run(self, seconds: float) -> None:
        until_ns = self.network.now_ns + round(seconds * S)
        while self.network.now_ns < until_ns:
            self.prober.turn(until_ns - self.network.now_ns)

    def sent(self) -> int:
        return self.driver.correlator.probes

    def shown(self) -> dict[str, Any]:
        self.prober.turn(1)  # wishes are fulfilled by the prober's thread
        return self.board.target_states()[0]


@contextmanager
def agent(path: Path, after_s: int = 0) -> Iterator[Agent]:
    running = Agent(path, after_s)
    try:
        yield running
    finally:
        running.keeper.stop(10)
        running.reader.close()


def test_a_wish_is_shown_at_once_and_outlives_a_restart(tmp_path):
    with agent(tmp_path / "history.db") as first:
        first.run(100)
        assert (first.shown()["muted_until"], first.shown()["muted_pairs"]) == (None, [])
        assert first.board.mute("site", HOUR)
        assert first.board.mute_pair("site", "B", "A", muted=True)
        muted = first.shown()
        assert muted["muted_until"] == "2026-01-01T01:01:40.000Z"
        assert muted["muted_pairs"] == [["A", "B"]]
        until(lambda: "site" in first.reader.tellings(), "it is written, though no time passes")
    with agent(tmp_path / "history.db", 200) as second:
        assert [second.shown()[key] for key in ("muted_until", "muted_pairs")] == [muted["muted_until"], [["A", "B"]]]
        assert second.board.mute("site", 0)
        assert second.board.mute_pair("site", "A", "B", muted=False)
        assert [second.shown()[key] for key in ("muted_until", "muted_pairs")] == [None, []]


def test_a_note_is_written_though_no_time_passes(tmp_path):
    with agent(tmp_path / "history.db") as running:
        running.run(2000)
        until(lambda: running.reader.events(limit=1), "the moves of the route are told")
        (newest,) = running.reader.events(limit=1)
        running.board.note(newest.event_id, "the ISP moved us")
        until(lambda: running.reader.event(newest.event_id).body["note"] == "the ISP moved us", "it is in the history")


def test_a_paused_target_is_not_probed_until_it_is_resumed(tmp_path):
    path = tmp_path / "history.db"
    with agent(path) as first:
        first.run(60)
        assert first.board.pause("site", paused=True)
        shown = first.shown()
        assert (shown["state"], shown["verdict"], shown["next_run_at"]) == ("paused", "unknown", None)
        first.run(1)
        sent = first.sent()
        first.run(300)
        assert first.sent() == sent
        assert first.board.trace_now("site"), "asked for, it is traced once"
        first.run(100)
        once = first.sent()
        assert once > sent
        first.run(300)
        assert first.sent() == once
    with agent(path, 2000) as second:
        second.run(60)
        assert second.shown()["state"] == "paused", "also after a restart"
        assert second.sent() == 0
        assert second.board.pause("site", paused=False)
        second.run(60)
        assert second.shown()["state"] == "ok"
        assert second.shown()["next_run_at"] is not None
        assert second.sent() > 0


def test_a_mute_ends_by_itself(tmp_path):
    with agent(tmp_path / "history.db") as one:
        one.run(100)
        one.board.mute("site", 60)
        assert one.shown()["muted_until"] is not None
        one.run(61)
        assert one.shown()["muted_until"] is None


def test_a_flapping_path_is_unstable_until_it_calms_down_and_may_be_accepted(tmp_path):
    with agent(tmp_path / "history.db") as one:
        one.run(1150)
        assert one.shown()["state"] == "ok"
        one.run(900)
        state = one.shown()
        assert (state["state"], state["verdict"], state["path_label"], state["usual_path"]) == ("unstable", "ok", "B", "A")
        assert one.board.accept_path("site")
        assert one.shown()["usual_path"] == "B"
        one.run(HOUR + 600)
        assert one.shown()["state"] == "ok"


def test_how_a_target_is_can_be_told_while_the_history_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with agent(tmp_path / "history.db") as running:
        running.run(1100)
        until(lambda: running.reader.stats().traces > 30, "the history has them")
        assert running.shown()["stability_pct_7d"] == 100.0
        running.run(STABILITY_EVERY_NS / 1e9)

        def gone(*_: object) -> None:
            raise OperatorError("the history is gone")

        monkeypatch.setattr(running.reader, "series", gone)
        assert running.shown()["stability_pct_7d"] == 100.0
