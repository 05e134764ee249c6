"""A world that never answers: the trace must end by itself all the same."""

import random
import tomllib

import pytest

from pathwarden.daemon.drive import Driver
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import TraceSpec
from pathwarden.model.probe import Binding, Method
from pathwarden.model.trace import Ending
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import parse

WORLD = """
[network]
source = "192.0.2.10"
gateway = "192.0.2.1"
[routers]
gw = { address4 = "192.0.2.1", silent = true }
site = { address4 = "198.51.100.7", down = true }
[routes]
main = ["gw"]
[[targets]]
name = "site"
address = "198.51.100.7"
route = "main"
"""


@pytest.mark.parametrize(("by_hop", "probes"), [(False, 5 + 1), (True, 3 * (5 + 1))])
def test_a_trace_that_nothing_answers_ends(by_hop: bool, probes: int) -> None:
    network = SimNetwork(parse(tomllib.loads(WORLD)), 1)
    flow = network.flow("198.51.100.7", Method.UDP, 0, Binding(), 0, 0)
    correlator = Correlator()
    session = TraceSession(TraceSpec(flow, 1, 30, 3, 3_000_000_000, 5, 16, by_hop=by_hop), correlator, random.Random(7))
    driver = Driver(network, network, correlator, TokenBucket(1000))
    driver.add(session, Binding(), lambda _session: None)
    for _ in range(100):
        if not len(driver):
            break
        driver.step()
    assert session.done
    outcome = session.outcome()
    assert (outcome.ending, outcome.reached_ttl, outcome.probes) == (Ending.GAP, None, probes)
