"""The driver's waits: where the pace alone holds probes back, replies are read together with the next sending.

Those of patient sessions are, too.
"""

from random import Random

from pathwarden.daemon.drive import LONGEST_PAUSE_NS, Driver
from pathwarden.engine.check import Ask, Check
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket, thrifty
from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import TraceSpec
from pathwarden.model.probe import Binding, Method
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import parse

SECOND = 1_000_000_000
WAIT_NS = 800_000_000
WORLD = parse(
    {
        "network": {"source": "192.0.2.10", "gateway": "192.0.2.1"},
        "routers": {
            **{name: {"address4": f"198.51.100.{n}", "adds_ms": 3.0} for n, name in enumerate(("r1", "r2", "r3"), 1)},
            "site": {"address4": "203.0.113.7", "adds_ms": 3.0},
        },
        "routes": {"main": ["r1", "r2", "r3"]},
        "targets": [{"name": "site", "address": "203.0.113.7", "route": "main"}],
    }
)


class Counting(SimNetwork):
    """Counts how often a real process would have been woken."""

    waits = 0

    def receive(self, timeout_ns):
        self.waits += timeout_ns > 0
        return super().receive(timeout_ns)

    def pause(self, timeout_ns):
        self.waits += 1
        super().pause(timeout_ns)


def traced(bucket):
    network = Counting(WORLD, 1)
    correlator = Correlator()
    driver = Driver(network, network, correlator, bucket)
    flow = network.flow("203.0.113.7", Method.UDP, 0, Binding(), 0, 0)
    session = TraceSession(TraceSpec(flow, 1, 30, 3, 3_000_000_000, 5, 16), correlator, Random(1))
    driver.add(session, Binding(), lambda _: None)
    while len(driver):
        driver.step()
    return session.outcome(), network.waits


def test_at_the_shipped_pace_a_probe_costs_one_wake_up():
    outcome, waits = traced(TokenBucket(10))
    assert outcome.reached_ttl == 4
    assert waits <= outcome.probes + 2


def test_who_is_thrifty_wakes_up_once_for_three():
    outcome, waits = traced(thrifty(10))
    assert outcome.reached_ttl == 4
    assert waits <= outcome.probes / 3 + 3


def test_the_round_trip_times_are_those_of_an_unhurried_reader():
    slow, _ = traced(thrifty(10))
    quick, _ = traced(TokenBucket(1000))
    assert (
        [hop.rtts_ns for hop in slow.hops] == [hop.rtts_ns for hop in quick.hops] == [((ttl * 3) * 1_000_000,) * 3 for ttl in (1, 2, 3, 4)]
    )


class Asking:
    """A driver on the world above, and checks that are over, by name and when."""

    def __init__(self):
        self.network = Counting(WORLD, 1)
        self.correlator = Correlator()
        self.driver = Driver(self.network, self.network, self.correlator, TokenBucket(1000))
        self.over = {}

    def ask(self, name, ttl, *, patient):
        flow = self.network.flow("203.0.113.7", Method.UDP, 0, Binding(), 0, 0)
        check = Check([Ask(flow, ttl)], self.correlator, WAIT_NS)
        self.driver.add(check, Binding(), lambda _: self.over.update({name: self.network.now_ns}), urgent=True, patient=patient)
        return check


def test_nobody_wakes_for_the_answers_of_the_patient():
    asking = Asking()
    begun_ns = asking.network.now_ns
    checks = [asking.ask(ttl, ttl, patient=True) for ttl in (1, 2, 3)]
    asking.driver.step(2 * SECOND)
    assert asking.network.waits == 1
    assert asking.over == dict.fromkeys((1, 2, 3), begun_ns + 2 * SECOND), "within the step, so that what follows leaves in the next"
    assert [check.answers[0].rtt_ns for check in checks] == [3_000_000, 6_000_000, 9_000_000], "as when they came"


def test_nor_for_their_silence():
    asking = Asking()
    asking.network.send = lambda _probe, _binding: asking.network.now_ns  # it is lost
    check = asking.ask("lost", 2, patient=True)
    asking.driver.step(2 * SECOND)
    assert asking.network.waits == 1
    assert check.done
    assert check.answers[0].responder is None


def test_but_never_for_longer_than_stamps_are_believed():
    asking = Asking()
    begun_ns = asking.network.now_ns
    asking.ask("one", 1, patient=True)
    asking.driver.step(3600 * SECOND)
    assert asking.over == {"one": begun_ns + LONGEST_PAUSE_NS}


def test_who_waits_for_an_answer_is_woken_and_the_patient_have_theirs_with_it():
    asking = Asking()
    begun_ns = asking.network.now_ns
    asking.ask("near", 1, patient=True)
    asking.ask("far", 3, patient=True)
    asking.ask("middle", 2, patient=False)
    while "middle" not in asking.over:
        asking.driver.step(2 * SECOND)
    assert asking.over == {"near": begun_ns + 3_000_000, "middle": begun_ns + 6_000_000}
