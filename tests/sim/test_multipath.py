"""The search for all paths on simulated networks: what it finds, and what it must not be fooled by."""

import random

import pytest

from equipment.diamonds import World, edges_of, exact, layers, search, vertices_of, world
from pathwarden.daemon.drive import Driver
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.multipath import MultipathSession, MultipathSpec
from pathwarden.engine.pacing import TokenBucket
from pathwarden.engine.stopping import per_decision
from pathwarden.errors import ProbeError
from pathwarden.model.multipath import Limit
from pathwarden.model.probe import Binding, Method, Probe
from pathwarden.model.trace import Ending
from pathwarden.sim.network import SimNetwork

SURE = 1e-9  # a test may not depend on luck
PARTING = {"a": ["b", "c"], "b": ["d"], "c": ["d"]}
LONGER = {"a": ["b", "c"], "b": ["d"], "d": ["e"], "c": ["e"], "e": ["f"]}
NESTED = {"a": ["b", "c"], "b": ["d", "e"], "c": ["f"], "d": ["g"], "e": ["g"], "f": ["g"]}
SILENT = {"silent": True}

WORLDS: dict[str, World] = {
    "chain": world(layers(1, 1, 1)),
    **{f"{width} wide": world(layers(1, width, 1)) for width in (2, 3, 8, 16)},
    "long": world(layers(1, 2, 4, 2, 1)),
    "two": world(layers(1, 3, 1, 2, 1)),
    "meshed": world(layers(1, 3, 3, 1, meshed=[1])),
    "meshed, narrowing": world(layers(1, 4, 2, 1, meshed=[1])),
    "unequal lengths": world(LONGER),
    "unequal to the target": world({"a": ["b", "c"], "b": ["d"]}),
    "unequal shares": world({"a": ["b*3", "c"], "b": ["d"], "c": ["d"]}),
    "nested": world(NESTED),
    "silent join": world(layers(1, 4, 1), c=SILENT),
    "silent members": world(layers(1, 2, 2, 1), b0=SILENT, b1=SILENT),
    "silent member": world(layers(1, 4, 1), b1=SILENT),
    "loss": world(layers(1, 4, 1), a={"loss": 0.05}, c={"loss": 0.1}),
}
LIMITED = {"c": {"rate_pps": 5, "rate_burst": 3}, "site": {"rate_pps": 1, "rate_burst": 6}}


@pytest.mark.parametrize("name", WORLDS)
def test_the_whole_graph_and_nothing_else_is_found(name: str) -> None:
    result = search(WORLDS[name], 5, failure=SURE)
    assert exact(WORLDS[name], result), (vertices_of(result) ^ WORLDS[name].vertices, edges_of(result) ^ WORLDS[name].edges)
    assert (result.ending, result.complete, result.limits) == (Ending.REACHED, True, ())
    assert not any(hop.per_packet for hop in result.hops)


@pytest.mark.parametrize("router", LIMITED)
def test_a_router_or_target_that_limits_its_answers_costs_time_and_invents_nothing(router: str) -> None:
    made = world(layers(1, 4, 1), **{router: LIMITED[router]})
    result = search(made, 5)
    assert exact(made, result)
    assert result.complete
    assert result.probes < 2 * search(WORLDS["silent join"], 5).probes


@pytest.mark.parametrize(("method", "af"), [(Method.ICMP, 4), (Method.UDP, 6), (Method.ICMP, 6)])
def test_other_methods_and_families_find_the_same(method: Method, af: int) -> None:
    made = world(layers(1, 4, 1), af)
    assert exact(made, search(made, 5, method=method, af=af, failure=SURE))


@pytest.mark.parametrize(
    ("links", "traits"),
    [
        (layers(1, 4, 1), (1, 3, 2, 4, False, False)),
        (layers(1, 3, 3, 1, meshed=[1]), (1, 4, 3, 3, True, False)),
        (LONGER, (1, 6, 5, 2, False, True)),
        (NESTED, (1, 4, 3, 3, False, True)),
    ],
)
def test_a_diamond_is_described(links: dict[str, list[str]], traits: tuple[object, ...]) -> None:
    (found,) = search(world(links), 5, failure=SURE).diamonds
    assert (found.ttl, found.end_ttl, found.length, found.width, found.meshed, found.asymmetric) == traits
    assert (found.per_packet, found.joined) == (False, True)


@pytest.mark.parametrize(("name", "branchings"), [("chain", 0), ("16 wide", 1), ("long", 2), ("two", 2), ("nested", 2)])
def test_the_stated_probability_is_shared_between_the_branchings_found_and_one_more(name: str, branchings: int) -> None:
    result = search(WORLDS[name], 5, failure=SURE)
    assert result.per_decision == pytest.approx(per_decision(SURE, branchings + 1))
    assert result.failure_probability == SURE


def test_plain_stretches_cost_less_than_crossing_ones() -> None:
    plain, crossing = (search(world(layers(1, 4, 4, 1, meshed=meshed)), 5) for meshed in ([], [1]))
    assert plain.probes < crossing.probes / 2
    assert [hop.ttl for hop in plain.hops if hop.by_vertex] == []
    assert [hop.ttl for hop in crossing.hops if hop.by_vertex] == [3, 4]


def test_a_balancer_per_packet_is_said_and_joins_nothing() -> None:
    made = world({"a": ["?b", "c"], "b": ["d"], "c": ["e"], "d": ["f"], "e": ["f"]})
    result = search(made, 5, failure=SURE)
    assert [hop.ttl for hop in result.hops if hop.per_packet] == [2, 3]
    assert [each.per_packet for each in result.diamonds] == [True]
    assert vertices_of(result) == made.vertices
    assert edges_of(result) == {edge for edge in made.edges if edge[0] != 2}


def test_the_cap_on_probes_ends_the_search_and_is_told() -> None:
    result = search(WORLDS["16 wide"], 5, max_probes=50)
    assert result.probes == 50
    assert (result.complete, result.limits) == (False, (Limit.PROBES,))


def test_the_cap_on_flows_is_told() -> None:
    result = search(WORLDS["16 wide"], 5, max_flows=20)
    assert (result.complete, result.limits, result.flow_count) == (False, (Limit.FLOWS,), 20)


def test_a_router_that_hardly_answers_is_given_up_and_told() -> None:
    made = world(layers(1, 1, 1), b={"rate_pps": 0.01, "rate_burst": 3})
    result = search(made, 5)
    assert vertices_of(result) == made.vertices
    assert (result.complete, result.limits) == (False, (Limit.ANSWERS,))
    assert [hop.ttl for hop in result.hops if not hop.closed] == [2]


def test_a_target_that_is_down_ends_by_the_gap() -> None:
    result = search(world(layers(1, 2, 1), site={"down": True}), 5, failure=SURE)
    assert (result.ending, result.reached_ttls) == (Ending.GAP, ())
    assert vertices_of(result) == {vertex for vertex in WORLDS["2 wide"].vertices if vertex[0] < 4}


def test_the_largest_ttl_ends_the_search() -> None:
    result = search(world(layers(1, 1, 1)), 5, max_ttl=2)
    assert (result.ending, [hop.ttl for hop in result.hops], result.complete) == (Ending.MAX_TTL, [1, 2], True)


@pytest.mark.parametrize("per_flow", [1, 4])
def test_of_one_flow_no_more_probes_are_on_their_way_than_the_transport_tells_apart(per_flow: int) -> None:
    network, correlator = SimNetwork(WORLDS["3 wide"].scenario, 1), Correlator()
    flow = network.flow("198.51.100.7", Method.UDP, 0, Binding(), 0, 0)
    spec = MultipathSpec(flow, 1, 30, 3_000_000_000, 5, 8, per_flow)
    driver = Driver(network, network, correlator, TokenBucket(1000))
    driver.add(MultipathSession(spec, correlator, random.Random(7)), Binding(), lambda _: None)
    while len(driver):
        driver.step()
        live = [slot.probe.flow for slot in correlator._order if slot.sent_ns and not (slot.answered or slot.timed_out)]
        assert len(live) <= 8
        assert all(live.count(each) <= per_flow for each in live)


class Refusing(SimNetwork):
    """The kernel's queue is full for every third probe."""

    asked = 0

    def send(self, probe: Probe, binding: Binding) -> int:
        self.asked += 1
        return super().send(probe, binding) if self.asked % 3 else 0


class Breaking(SimNetwork):
    """After some probes, none can leave any more."""

    lasts = 2

    def send(self, probe: Probe, binding: Binding) -> int:
        self.lasts -= 1
        if self.lasts < 0:
            raise ProbeError("network_down", "wan")
        return super().send(probe, binding)


def run_on(network: SimNetwork) -> MultipathSession:
    flow = network.flow("198.51.100.7", Method.UDP, 0, Binding(), 0, 0)
    correlator = Correlator()
    session = MultipathSession(MultipathSpec(flow, 1, 30, 3_000_000_000, 5, 16, 16, failure=SURE), correlator, random.Random(7))
    driver = Driver(network, network, correlator, TokenBucket(1000))
    driver.add(session, Binding(), lambda _: None)
    while len(driver):
        driver.step()
    return session


def test_a_full_queue_costs_no_probe() -> None:
    session = run_on(Refusing(WORLDS["2 wide"].scenario, 5))
    assert exact(WORLDS["2 wide"], session.outcome())
    assert session.probes == session.correlator.probes


def test_an_error_in_mid_search_ends_it_with_the_reason() -> None:
    outcome = run_on(Breaking(WORLDS["2 wide"].scenario, 5)).outcome()
    assert (outcome.ending, outcome.error, outcome.complete) == (Ending.ERROR, str(ProbeError("network_down", "wan")), False)
