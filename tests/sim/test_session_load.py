"""Many traces side by side: no probe passes a destination, the pace is used up, and each trace takes little memory."""

import gc
import random
import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import pytest

from pathwarden.daemon.drive import Driver
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import Pace, TokenBucket, thrifty
from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import TraceSpec
from pathwarden.engine.waits import Waits
from pathwarden.model.probe import Binding, Flow, Method, Probe
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import parse

QUERIES = 3


def world(targets: int, hops: int, rtt_ms: float, *, silent: tuple[int, ...] = ()) -> SimNetwork:
    """Targets behind one chain of routers; those in `silent` never answer."""
    adds_ms = rtt_ms / hops
    routers = {f"r{n}": {"address4": f"10.0.0.{n}", "adds_ms": adds_ms, "silent": n in silent} for n in range(1, hops)}
    destinations = [{"name": f"t{n}", "address": f"198.18.{n // 250}.{n % 250 + 1}", "route": "main"} for n in range(targets)]
    routers |= {each["name"]: {"address4": each["address"], "adds_ms": adds_ms} for each in destinations}
    network = {"source": "192.0.2.10", "gateway": "10.0.0.1"}
    routes = {"main": [f"r{n}" for n in range(1, hops)]}
    return SimNetwork(parse({"network": network, "routers": routers, "routes": routes, "targets": destinations}), 1)


def flows(network: SimNetwork, targets: int) -> list[Flow]:
    return [network.flow(f"198.18.{n // 250}.{n % 250 + 1}", Method.UDP, 0, Binding(), 0, 0) for n in range(targets)]


def trace_all(network: SimNetwork, targets: int, pps: float) -> tuple[list[TraceSession], Correlator, float]:
    """All sessions, done; and how long it took in seconds."""
    correlator, shuffler = Correlator(), random.Random(1)
    driver = Driver(network, network, correlator, TokenBucket(pps))
    sessions = [
        TraceSession(TraceSpec(flow, 1, 30, QUERIES, 5_000_000_000, 5, 16), correlator, shuffler) for flow in flows(network, targets)
    ]
    for session in sessions:
        driver.add(session, Binding(), lambda _: None)
    start_ns = network.now_ns
    while len(driver):
        driver.step()
    return sessions, correlator, (network.now_ns - start_ns) / 1e9


@pytest.mark.parametrize("hops", [9, 10, 11, 12, 13])
@pytest.mark.parametrize("rtt_ms", [0.3, 1, 20])
def test_at_a_pace_that_many_share_no_probe_passes_the_destination(hops: int, rtt_ms: float) -> None:
    sessions, correlator, _ = trace_all(world(50, hops, rtt_ms), 50, 1000)
    assert {session.outcome().reached_ttl for session in sessions} == {hops}
    assert correlator.probes == 50 * hops * QUERIES


def test_and_no_time_is_lost() -> None:
    _, correlator, took_s = trace_all(world(50, 12, 1.0), 50, 1000)
    assert took_s < correlator.probes / 1000 + 0.1


def test_a_silent_hop_does_not_stop_the_climb() -> None:
    silent = (3, 6, 7, 10)
    sessions, correlator, took_s = trace_all(world(50, 12, 1.0, silent=silent), 50, 1000)
    assert {session.outcome().reached_ttl for session in sessions} == {12}
    assert correlator.probes < 50 * (12 * QUERIES + 1)
    assert took_s < correlator.probes / 1000 + 0.8 + 0.2  # the last silence lasts as long as a wait does


@pytest.mark.parametrize("queries", [1, 3])
def test_nor_does_it_stop_the_lines_of_a_reader_who_waits_long(queries: int) -> None:
    """With 5 s to wait for an answer, or ten times that of a hop behind: so the hops behind must be asked without waiting."""
    network = world(1, 12, 1.0, silent=(5, 9))
    correlator = Correlator()
    driver = Driver(network, network, correlator, TokenBucket(200, 16))
    (flow,) = flows(network, 1)
    session = TraceSession(TraceSpec(flow, 1, 30, queries, 5_000_000_000, 5, 16, by_hop=True, waits=Waits()), correlator, random.Random(1))
    driver.add(session, Binding(), lambda _: None)
    start_ns = network.now_ns
    while len(driver):
        driver.step()
    assert session.outcome().reached_ttl == 12
    assert network.now_ns - start_ns < 1_000_000_000


def test_alone_a_trace_does_not_wait_for_each_hop() -> None:
    sessions, _, took_s = trace_all(world(1, 12, 120.0), 1, 10_000)
    assert sessions[0].outcome().reached_ttl == 12
    assert took_s < 0.6  # five round trips; one hop after another would take 0.78 s for the first queries alone


class Logging(SimNetwork):
    """Notes when each ttl was asked."""

    def __init__(self, network: SimNetwork) -> None:
        self.__dict__ = network.__dict__
        self.asked: dict[int, list[int]] = {}

    def send(self, probe: Probe, binding: Binding) -> int:
        self.asked.setdefault(probe.ttl, []).append(self.now_ns)
        return super().send(probe, binding)


@pytest.mark.parametrize("make", [TokenBucket, thrifty])
@pytest.mark.parametrize("expected_ttl", [0, 12])
def test_at_the_shipped_pace_no_router_of_a_trace_is_asked_twice_within_a_quarter_of_a_second(
    expected_ttl: int, make: Callable[[float], Pace]
) -> None:
    for seed in range(50):
        network, correlator = Logging(world(1, 12, 24.0)), Correlator()
        driver = Driver(network, network, correlator, make(10))
        spec = TraceSpec(flows(network, 1)[0], 1, 30, QUERIES, 5_000_000_000, 5, 16, expected_ttl)
        driver.add(TraceSession(spec, correlator, random.Random(seed)), Binding(), lambda _: None)
        start_ns = network.now_ns
        while len(driver):
            driver.step()
        assert all(second - first >= 250_000_000 for times in network.asked.values() for first, second in pairwise(times))
        assert network.now_ns - start_ns <= 12 * QUERIES * 100_000_000  # and not a probe's time is lost


def test_a_trace_takes_at_most_20_kb() -> None:
    """Of 500 side by side, with all that correlator and driver keep of them."""
    count = 500
    network = world(count, 12, 30.0)
    for flow in flows(network, count):
        network.window(flow)
    gc.collect()
    tracemalloc.start()
    try:
        sessions, _, _ = trace_all(network, count, 2000)
        peak = tracemalloc.get_traced_memory()[1] / count
    finally:
        tracemalloc.stop()
    assert len(sessions) == count
    print(f"{peak:.0f} bytes per trace")
    assert peak < 20_000
