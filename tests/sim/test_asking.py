"""Traces that somebody asks for: how far they are while they run, and those of what is not configured."""

import random
import threading
import tomllib
from dataclasses import replace

import pytest

from equipment.fakes import make_settings, make_target
from equipment.measuring import TWO_ROUTES, measuring
from equipment.waiting import until
from pathwarden.daemon.asking import MOST
from pathwarden.daemon.drive import Driver
from pathwarden.daemon.once import MOST as MOST_ONCE
from pathwarden.detect.detector import Detector
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.model.asked import Stage
from pathwarden.model.probe import Binding
from pathwarden.model.settings import Source
from pathwarden.model.trace import Ending
from pathwarden.sim.network import START_WALL_NS, SimNetwork
from pathwarden.sim.scenario import parse

S = 1_000_000_000
KERNEL = Source("", Binding())
SITE = "198.51.100.7"


class Names:
    """Knows what a test tells it."""

    def __init__(self):
        self.known = {}

    def lookup(self, host, _family):
        return self.known.get(host, host if host[0].isdigit() else None)


class World:
    def __init__(self, **agent):
        self.network = SimNetwork(parse(tomllib.loads(TWO_ROUTES)), 1, START_WALL_NS)
        self.target = replace(make_target("site"), host=SITE, interval_s=3600, jitter_pct=0)
        settings = replace(make_settings(), targets=(self.target,))
        settings = replace(settings, agent=replace(settings.agent, watch_pps=0.0, **agent))
        self.correlator, self.kept, self.names = Correlator(), [], Names()
        driver = Driver(self.network, self.network, self.correlator, TokenBucket(10))
        self.prober, _ = measuring(
            settings, self.network, driver, {"site": Detector("site", 0, 0)}, self.kept.append, random.Random(1), resolver=self.names
        )

    def run(self, seconds):
        until_ns = self.network.now_ns + round(seconds * S)
        while self.network.now_ns < until_ns:
            self.prober.turn(until_ns - self.network.now_ns)

    def look(self, name):
        """What somebody else's thread is told while this one probes."""
        told = []
        asking = threading.Thread(target=lambda: told.append(self.prober.look(name)))
        asking.start()

        def answered():
            self.prober.turn(0)
            return bool(told)

        until(answered, "the prober answers")
        asking.join()
        return told[0]


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    monkeypatch.setattr("pathwarden.daemon.asking.LOOK_S", 60)  # a machine may be busy with other tests


@pytest.fixture
def world():
    return World()


def test_a_trace_that_was_asked_for_is_seen_hop_by_hop(world):
    world.run(60)  # the first trace of the schedule
    kept = len(world.kept)
    name = world.prober.trace("site")
    assert world.prober.look(name).stage is Stage.QUEUED
    world.run(0.15)
    early = world.look(name)
    assert (early.target.tid, early.stage) == ("site", Stage.RUNNING)
    world.run(0.4)
    later = world.look(name)
    assert later.stage is Stage.RUNNING
    answers = [sum(len(hop.answers) for hop in each.trace.hops) for each in (early, later)]
    assert 0 < answers[0] < answers[1] < 9
    assert early.trace.at == later.trace.at
    assert early.trace.duration_ns < later.trace.duration_ns
    world.run(30)
    done = world.prober.look(name)
    assert (done.stage, done.trace.ending, len(done.trace.hops)) == (Stage.DONE, Ending.REACHED, 3)
    assert [record.trace for record in world.kept[kept:]] == [done.trace], "and it is the one that is kept"


def test_who_asks_while_one_waits_or_runs_gets_the_same_one(world):
    first = world.prober.trace("site")
    assert world.prober.trace("site") == first
    world.run(0.2)
    assert world.prober.trace("site") == first
    world.run(30)
    assert world.prober.trace("site") != first
    assert world.prober.trace("nobody") == ""
    assert world.prober.look("nothing") is None


def test_a_trace_of_the_schedule_that_runs_already_counts(world):
    world.run(0.2)
    name = world.prober.trace("site")
    world.run(0.1)
    assert world.look(name).stage is Stage.RUNNING
    world.run(30)
    assert world.prober.look(name).stage is Stage.DONE
    assert len(world.kept) == 1


def test_nothing_is_put_together_unless_somebody_looks(world, monkeypatch):
    def never(_started):
        raise AssertionError("nobody looked")

    monkeypatch.setattr("pathwarden.daemon.started.Started.so_far", never)
    name = world.prober.trace("site")
    world.run(30)
    assert world.prober.look(name).stage is Stage.DONE


def test_what_is_not_configured_is_traced_once_and_leaves_no_trace_in_the_history(world):
    world.run(60)
    kept = len(world.kept)
    name = world.prober.trace_once(replace(world.target, tid="", queries=2), KERNEL)
    assert world.prober.look(name).stage is Stage.QUEUED
    world.run(0.2)
    assert world.look(name).stage is Stage.RUNNING
    world.run(30)
    done = world.prober.look(name)
    assert (done.stage, done.target.tid, done.trace.ending) == (Stage.DONE, "", Ending.REACHED)
    assert [len(hop.answers) for hop in done.trace.hops] == [2, 2, 2]
    assert len(world.kept) == kept


def test_one_trace_at_a_time_goes_to_an_address(world):
    world.run(60)
    world.prober.trace("site")
    world.run(0.15)
    once = world.prober.trace_once(replace(world.target, tid=""), KERNEL)
    world.run(0.1)
    assert world.prober.look(once).stage is Stage.QUEUED, "while the target's own runs"
    world.run(10)
    assert world.prober.look(once).stage is Stage.DONE
    again = world.prober.trace_once(replace(world.target, tid="", gap_limit=30), KERNEL)
    world.run(0.15)
    asked = world.prober.trace("site")
    world.run(0.1)
    assert (world.look(again).stage, world.prober.look(asked).stage) == (Stage.RUNNING, Stage.QUEUED)
    world.run(30)
    assert {world.prober.look(name).stage for name in (again, asked)} == {Stage.DONE}


def test_a_name_is_waited_for_and_then_told_to_be_unknown(world):
    known, unknown = (
        world.prober.trace_once(replace(world.target, tid="", host=host), KERNEL) for host in ("site.example", "nobody.example")
    )
    world.run(1)
    assert {world.prober.look(name).stage for name in (known, unknown)} == {Stage.RESOLVING}
    world.names.known["site.example"] = SITE
    world.run(30)
    assert world.prober.look(known).stage is Stage.DONE
    failed = world.prober.look(unknown)
    assert (failed.stage, failed.trace.error) == (Stage.FAILED, "unknown_host: nobody.example")


@pytest.mark.parametrize(("host", "error"), [("203.0.113.9", "no_route"), ("192.0.2.77", "do_not_probe: 192.0.2.64/26")])
def test_why_no_probe_can_leave_is_told(host, error):
    world = World(do_not_probe=("192.0.2.64/26",))
    name = world.prober.trace_once(replace(world.target, tid="", host=host), KERNEL)
    world.run(10)
    failed = world.prober.look(name)
    assert (failed.stage, failed.trace.ending) == (Stage.FAILED, Ending.ERROR)
    assert failed.trace.error.startswith(error)


def test_few_wait_and_few_are_remembered(world):
    drafts = [replace(world.target, tid="", host=f"nobody{number}.example") for number in range(MOST_ONCE + 1)]
    names = [world.prober.trace_once(draft, KERNEL) for draft in drafts]
    assert [bool(name) for name in names] == [True] * MOST_ONCE + [False]
    world.run(10)
    later = []
    for _ in range(MOST - 1):
        later.append(world.prober.trace_once(drafts[0], KERNEL))
        world.run(10)
    assert all(later)
    assert [world.prober.look(name) is None for name in names[:MOST_ONCE]] == [True] * (MOST_ONCE - 1) + [False]
