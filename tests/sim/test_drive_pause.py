"""The driver's waits: where the pace alone holds probes back, replies are read together with the next sending."""

from random import Random

from pathwarden.daemon.drive import Driver
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.engine.session import TraceSession, TraceSpec
from pathwarden.model.probe import Binding, Method
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import parse

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


def traced(rate_pps):
    network = Counting(WORLD, 1)
    correlator = Correlator()
    driver = Driver(network, network, correlator, TokenBucket(rate_pps))
    flow = network.flow("203.0.113.7", Method.UDP, 0, Binding(), 0, 0)
    session = TraceSession(TraceSpec(flow, 1, 30, 3, 3_000_000_000, 5, 16), correlator, Random(1))
    driver.add(session, Binding(), lambda _: None)
    while len(driver):
        driver.step()
    return session.outcome(), network.waits


def test_at_the_shipped_pace_a_probe_costs_one_wake_up():
    outcome, waits = traced(10)
    assert outcome.reached_ttl == 4
    assert waits <= outcome.probes + 2


def test_the_round_trip_times_are_those_of_an_unhurried_reader():
    slow, _ = traced(10)
    quick, _ = traced(1000)
    assert (
        [hop.rtts_ns for hop in slow.hops] == [hop.rtts_ns for hop in quick.hops] == [((ttl * 3) * 1_000_000,) * 3 for ttl in (1, 2, 3, 4)]
    )
