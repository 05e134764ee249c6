"""Trace sessions on the simulated network: what a trace sees, and what it must not be fooled by."""

import random
import tomllib

import pytest

from pathwarden.daemon.drive import Driver
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import Outcome, TraceSpec
from pathwarden.errors import ProbeError
from pathwarden.model.probe import Binding, Method, Probe, Reply, ReplyKind
from pathwarden.model.trace import Ending
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import parse

WORLD = """
[network]
source = "192.0.2.10"
gateway = "192.0.2.1"
[routers]
gw = { address4 = "192.0.2.1", adds_ms = 1 }
a = { address4 = "10.0.1.1", adds_ms = 2 }
b = { address4 = "10.0.1.2", adds_ms = 2 }
quiet = { address4 = "10.0.2.1", silent = true }
core = { address4 = "10.0.3.1", adds_ms = 3 }
site = { address4 = "198.51.100.7" }
[routes]
main = ["gw", ["a", "b"], "quiet", "core"]
[[targets]]
name = "site"
address = "198.51.100.7"
route = "main"
"""


def world(text: str = WORLD, seed: int = 1, **routers: dict) -> SimNetwork:
    document = tomllib.loads(text)
    for name, values in routers.items():
        document["routers"][name].update(values)
    return SimNetwork(parse(document), seed)


def trace(network: SimNetwork, pps: float = 1000, correlator: Correlator | None = None, **spec: object) -> Outcome:
    flow = network.flow("198.51.100.7", spec.pop("method", Method.UDP), 0, Binding(), 0, 0)
    values = {"first_ttl": 1, "max_ttl": 30, "queries": 3, "wait_ns": 3_000_000_000, "gap_limit": 5, "window": 16} | spec
    correlator = correlator or Correlator()
    session = TraceSession(TraceSpec(flow, **values), correlator, random.Random(7))
    driver = Driver(network, network, correlator, TokenBucket(pps))
    finished = []
    driver.add(session, Binding(), finished.append)
    until_ns = network.now_ns + 120_000_000_000
    while not finished:
        driver.step(60_000_000_000)
        assert network.now_ns < until_ns, "the trace does not end"
    assert finished == [session]
    assert len(driver) == 0
    return session.outcome()


def responders(outcome: Outcome) -> list[tuple[int, tuple[str, ...]]]:
    return [(hop.ttl, hop.responders) for hop in outcome.hops]


@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
@pytest.mark.parametrize("by_hop", [False, True])
@pytest.mark.parametrize("expected_ttl", [0, 3, 5, 9])
def test_hops_in_order_with_the_silent_one_unknown(method: Method, by_hop: bool, expected_ttl: int) -> None:
    outcome = trace(world(), method=method, by_hop=by_hop, expected_ttl=expected_ttl)
    balanced = responders(outcome)[1][1]
    assert balanced in (("10.0.1.1",), ("10.0.1.2",))
    assert responders(outcome) == [
        (1, ("192.0.2.1",)),
        (2, balanced),
        (3, ()),
        (4, ("10.0.3.1",)),
        (5, ("198.51.100.7",)),
    ]
    assert outcome.ending is Ending.REACHED
    assert outcome.reached_ttl == 5
    assert all(len(hop.answers) == 3 for hop in outcome.hops)


def test_round_trip_times_are_the_worlds() -> None:
    outcome = trace(world())
    assert [set(hop.rtts_ns) for hop in outcome.hops] == [{1_000_000}, {3_000_000}, set(), {7_000_000}, {8_000_000}]


def test_an_expected_length_saves_the_probes_beyond_the_destination() -> None:
    assert trace(world(), expected_ttl=5).probes == 15
    assert trace(world()).probes <= 15 + 5


def test_an_unreachable_destination_costs_one_climb_and_one_last_probe() -> None:
    outcome = trace(world(site={"down": True}))
    assert outcome.ending is Ending.GAP
    assert outcome.reached_ttl is None
    # 4 hops and 5 silent ones once, the last probe, and two more rounds over the hops that answer.
    assert outcome.probes == 9 + 1 + 2 * 4


def test_no_gap_limit_climbs_to_the_last_ttl() -> None:
    outcome = trace(world(site={"down": True}), gap_limit=0, queries=1)
    assert outcome.ending is Ending.MAX_TTL
    assert outcome.probes == 30


def test_a_destination_seen_only_by_the_last_probe_is_put_at_its_true_distance() -> None:
    quiet_routers = {name: {"silent": True} for name in ("gw", "a", "b", "core")}
    outcome = trace(world(**quiet_routers), gap_limit=2)
    assert outcome.reached_ttl == 5
    assert outcome.hops[-1].ttl == 5


def test_loss_leaves_answers_silent_but_never_moves_them() -> None:
    for seed in range(40):
        outcome = trace(world(seed=seed, core={"loss": 0.4}), queries=3)
        for ttl, seen in responders(outcome):
            assert set(seen) <= {1: {"192.0.2.1"}, 2: {"10.0.1.1", "10.0.1.2"}, 4: {"10.0.3.1"}}.get(ttl, {"198.51.100.7"})


def test_late_replies_are_counted_and_booked_nowhere() -> None:
    correlator = Correlator()
    network = world(core={"adds_ms": 1500})
    outcome = trace(network, correlator=correlator, wait_ns=1_000_000_000, queries=1)
    for reply in network.receive(5_000_000_000):
        correlator.dispatch(reply)
    assert [seen for _, seen in responders(outcome)[2:]] == [()] * 5
    assert outcome.reached_ttl is None
    assert correlator.late == 5  # ttls 4 to 7 and the last probe
    assert (correlator.foreign, correlator.duplicates) == (0, 0)


def test_duplicates_are_counted_and_change_nothing() -> None:
    correlator = Correlator()
    outcome = trace(world(core={"duplicate": 1.0}), correlator=correlator)
    assert responders(outcome)[3] == (4, ("10.0.3.1",))
    assert correlator.duplicates == 3


def test_a_rate_limited_hop_misses_answers_only_for_itself() -> None:
    outcome = trace(world(core={"rate_pps": 0.2, "rate_burst": 1}))
    hop = outcome.hops[3]
    assert sum(a.responder is not None for a in hop.answers) == 1
    assert hop.responders == ("10.0.3.1",)
    assert outcome.reached_ttl == 5


def test_replies_of_concurrent_traces_are_never_mixed() -> None:
    text = WORLD + '[[targets]]\nname = "core"\naddress = "10.0.3.1"\nroute = "short"\n'
    text = text.replace('main = ["gw"', 'short = ["gw"]\nmain = ["gw"')
    network, correlator = world(text), Correlator()
    driver = Driver(network, network, correlator, TokenBucket(50))
    sessions = {}
    for address in ("198.51.100.7", "10.0.3.1"):
        flow = network.flow(address, Method.UDP, 0, Binding(), 0, 0)
        spec = TraceSpec(flow, 1, 30, 3, 3_000_000_000, 5, 16)
        sessions[address] = TraceSession(spec, correlator, random.Random(3))
        driver.add(sessions[address], Binding(), lambda _: None)
    while len(driver):
        driver.step(1_000_000_000)
    assert [hop.responders for hop in sessions["10.0.3.1"].outcome().hops] == [("192.0.2.1",), ("10.0.3.1",)]
    assert sessions["198.51.100.7"].outcome().reached_ttl == 5
    assert correlator.foreign == 0


def test_the_pace_is_kept() -> None:
    network = world()
    start_ns = network.now_ns
    outcome = trace(network, pps=10, expected_ttl=5)
    assert outcome.probes == 15
    assert network.now_ns - start_ns >= 1_400_000_000


def test_a_route_change_in_mid_world_is_seen() -> None:
    text = WORLD.replace("[routes]", 'x = { address4 = "10.0.9.1" }\n[routes]\nother = ["gw", "x", "core"]')
    network = world(text + '[[changes]]\nat_s = 60\ntarget = "site"\nroute = "other"\n')
    before = responders(trace(network))
    network.receive(60_000_000_000)
    after = responders(trace(network))
    assert len(before) == 5
    assert after == [(1, ("192.0.2.1",)), (2, ("10.0.9.1",)), (3, ("10.0.3.1",)), (4, ("198.51.100.7",))]


class Refusing(SimNetwork):
    """The kernel's queue is full for the first `refusals` probes, then for every third."""

    refusals = 20

    def send(self, probe: Probe, binding: Binding) -> int:
        self.asked = getattr(self, "asked", 0) + 1
        if self.asked <= self.refusals or self.asked % 3 == 0:
            return 0
        return super().send(probe, binding)


def test_a_full_queue_costs_time_and_nothing_else() -> None:
    network = Refusing(parse(tomllib.loads(WORLD)), 1)
    start_ns = network.now_ns
    outcome = trace(network)
    assert responders(outcome) == responders(trace(world()))
    assert 15 <= outcome.probes <= 20
    assert all(answer.responder for hop in outcome.hops if hop.ttl != 3 for answer in hop.answers)
    assert network.now_ns - start_ns > Refusing.refusals * 1_000_000


def test_a_queue_that_stays_full_neither_spins_nor_uses_up_idents() -> None:
    network = Refusing(parse(tomllib.loads(WORLD)), 1)
    network.refusals = 10**9
    correlator = Correlator()
    flow = network.flow("198.51.100.7", Method.UDP, 0, Binding(), 0, 0)
    driver = Driver(network, network, correlator, TokenBucket(1000))
    driver.add(TraceSession(TraceSpec(flow, 1, 30, 3, 3_000_000_000, 5, 16), correlator, random.Random(7)), Binding(), lambda _: None)
    for _ in range(1000):
        driver.step()
    assert network.now_ns > 5_000_000_000
    network.refusals = 0
    while len(driver):
        driver.step()
    assert 15 <= correlator.probes <= 20


class Breaking(SimNetwork):
    """After some probes, none can leave any more."""

    lasts = 4

    def send(self, probe: Probe, binding: Binding) -> int:
        self.lasts -= 1
        if self.lasts < 0:
            raise ProbeError("network_down", "wan")
        return super().send(probe, binding)


def test_an_error_in_mid_trace_ends_it_with_the_reason_and_what_was_seen() -> None:
    network, correlator = Breaking(parse(tomllib.loads(WORLD)), 1), Correlator()
    outcome = trace(network, correlator=correlator, window=2)
    assert (outcome.ending, outcome.reached_ttl) == (Ending.ERROR, None)
    assert outcome.error == str(ProbeError("network_down", "wan"))
    assert responders(outcome)[0] == (1, ("192.0.2.1",))
    for reply in network.receive(5_000_000_000):
        assert correlator.dispatch(reply) is None


@pytest.mark.parametrize("by_hop", [False, True])
@pytest.mark.parametrize("expected_ttl", [0, 5])
def test_a_window_of_one_keeps_one_probe_in_flight(by_hop: bool, expected_ttl: int) -> None:
    network, correlator = world(), Correlator()
    flow = network.flow("198.51.100.7", Method.UDP, 0, Binding(), 0, 0)
    spec = TraceSpec(flow, 1, 30, 3, 3_000_000_000, 5, 1, expected_ttl, by_hop)
    session = TraceSession(spec, correlator, random.Random(7))
    driver = Driver(network, network, correlator, TokenBucket(1000))
    driver.add(session, Binding(), lambda _: None)
    while len(driver):
        driver.step()
        assert sum(not (s.answered or s.timed_out) for s in correlator._order if s.sent_ns) <= 1
    assert session.outcome().reached_ttl == 5
    assert [hop.responders for hop in session.outcome().hops] == [hop.responders for hop in trace(world()).hops]


class Speaking(SimNetwork):
    """Some replies are of another kind, by ttl of the probe; a kind may come from somebody else."""

    says: dict[int, tuple[ReplyKind, str]] = {}  # noqa: RUF012 - set anew by each test

    def _reply(self, probe: Probe, *args: object) -> Reply | None:
        reply = super()._reply(probe, *args)
        kind, responder = self.says.get(probe.ttl, (reply.kind, reply.responder))
        return reply._replace(kind=kind, responder=responder, quoted_ttl=0)


def speaking(says: dict[int, tuple[ReplyKind, str]], **spec: object) -> Outcome:
    network = Speaking(parse(tomllib.loads(WORLD)), 1)
    network.says = says
    return trace(network, **spec)


@pytest.mark.parametrize("kind", [ReplyKind.UNREACHABLE, ReplyKind.PORT_UNREACHABLE, ReplyKind.PACKET_TOO_BIG])
@pytest.mark.parametrize("expected_ttl", [0, 5])
def test_an_unreachable_from_a_router_ends_the_trace_and_is_no_arrival(kind: ReplyKind, expected_ttl: int) -> None:
    says = dict.fromkeys(range(4, 31), (kind, "10.0.3.1"))
    outcome = speaking(says, expected_ttl=expected_ttl)
    assert (outcome.ending, outcome.reached_ttl) == (Ending.UNREACHABLE, None)
    assert outcome.hops[-1].ttl == 4
    assert outcome.hops[-1].responders == ("10.0.3.1",)


@pytest.mark.parametrize("expected_ttl", [0, 3, 5, 7])
@pytest.mark.parametrize("by_hop", [False, True])
def test_an_unreachable_from_a_router_says_nothing_once_the_destination_answered(expected_ttl: int, by_hop: bool) -> None:
    outcome = speaking({2: (ReplyKind.UNREACHABLE, "10.0.1.1")}, expected_ttl=expected_ttl, by_hop=by_hop, window=16)
    assert outcome.reached_ttl in (5, None)
    assert outcome.reached_ttl is None or outcome.hops[-1].ttl == 5
    assert outcome.ending is (Ending.REACHED if outcome.reached_ttl else Ending.UNREACHABLE)


@pytest.mark.parametrize("kind", [ReplyKind.UNREACHABLE, ReplyKind.PORT_UNREACHABLE])
@pytest.mark.parametrize("queries", [1, 3])
def test_an_unreachable_that_only_the_last_probe_provoked_ends_the_trace_and_is_no_hop(kind: ReplyKind, queries: int) -> None:
    network = Speaking(parse(tomllib.loads(WORLD.replace('"quiet", "core"', '"quiet", "core"' + 6 * ', "quiet"'))), 1)
    network.says = {30: (kind, "10.0.3.1")}
    outcome = trace(network, queries=queries)
    assert (outcome.ending, outcome.reached_ttl) == (Ending.UNREACHABLE, None)
    assert outcome.hops[-1].ttl == 9
    assert [who for _, who in responders(outcome)[4:]] == 5 * [()]
    # A reader of traceroute's lines sees what each ttl got.
    assert responders(trace(network, queries=queries, by_hop=True))[-1] == (30, ("10.0.3.1",))


def test_an_unreachable_belongs_to_the_nearest_ttl_that_provoked_it_in_whatever_order_they_come() -> None:
    for expected_ttl in range(9):
        outcome = speaking(dict.fromkeys(range(5, 31), (ReplyKind.UNREACHABLE, "10.0.3.1")), expected_ttl=expected_ttl)
        assert responders(outcome)[3:] == [(4, ("10.0.3.1",)), (5, ("10.0.3.1",))]
        assert outcome.ending is Ending.UNREACHABLE


def test_time_exceeded_from_the_destinations_own_address_is_no_arrival() -> None:
    outcome = speaking(dict.fromkeys(range(5, 31), (ReplyKind.TIME_EXCEEDED, "198.51.100.7")), max_ttl=8)
    assert outcome.reached_ttl is None
    assert outcome.ending is Ending.MAX_TTL
    assert outcome.hops[-1].responders == ("198.51.100.7",)


def test_any_other_answer_of_the_destination_is_an_arrival() -> None:
    outcome = speaking(dict.fromkeys(range(5, 31), (ReplyKind.UNREACHABLE, "198.51.100.7")))
    assert (outcome.ending, outcome.reached_ttl) == (Ending.REACHED, 5)


@pytest.mark.parametrize("queries", [1, 3])
def test_a_router_that_answers_the_last_probe_is_a_hop(queries: int) -> None:
    """So it is in a loop, or with more silent routers in a row than the gap limit."""
    network, correlator = world(core={"silent": True}, site={"silent": True}), Correlator()
    flow = network.flow("198.51.100.7", Method.UDP, 0, Binding(), 0, 0)
    session = TraceSession(TraceSpec(flow, 1, 30, queries, 1_000_000_000, 2, 16), correlator, random.Random(7))
    while not session.done:
        for slot in session.poll(network.now_ns, 8):
            correlator.sent(slot, network.send(slot.probe, Binding()) or network.now_ns)
            if slot.probe.ttl == 30:
                kind, ident = ReplyKind.TIME_EXCEEDED, slot.probe.ident
                looped = Reply(kind, "192.0.2.1", network.now_ns, Method.UDP, flow.dst, flow.sport, flow.dport, ident, 0, 11, 0)
                correlator.dispatch(looped)
        for reply in network.receive(200_000_000):
            correlator.dispatch(reply)
    outcome = session.outcome()
    assert (outcome.ending, outcome.reached_ttl) == (Ending.GAP, None)
    assert (outcome.hops[-1].ttl, outcome.hops[-1].responders) == (30, ("192.0.2.1",))


def test_a_wait_is_bounded_by_what_was_seen_so_far() -> None:
    network = world(site={"down": True})
    start_ns = network.now_ns
    trace(network, wait_ns=10_000_000_000, queries=1)
    assert network.now_ns - start_ns < 2_000_000_000  # twice the shortest wait: the climb's and the last probe's


def test_traces_side_by_side_at_a_slow_pace_all_end() -> None:
    network, correlator = world(), Correlator()
    driver = Driver(network, network, correlator, TokenBucket(5))
    flow = network.flow("198.51.100.7", Method.UDP, 0, Binding(), 0, 0)
    sessions = [TraceSession(TraceSpec(flow, 1, 30, 3, 3_000_000_000, 5, 16), correlator, random.Random(n)) for n in range(6)]
    for session in sessions:
        driver.add(session, Binding(), lambda _: None)
    while len(driver):
        driver.step()
        assert network.now_ns < 120_000_000_000
    assert {session.outcome().reached_ttl for session in sessions} == {5}


@pytest.mark.parametrize("by_hop", [False, True])
def test_an_unreachable_from_our_own_address_is_silence_and_no_hop(by_hop: bool) -> None:
    network, correlator = world(), Correlator()
    flow = network.flow("198.51.100.7", Method.UDP, 0, Binding(), 0, 0)
    session = TraceSession(TraceSpec(flow, 1, 3, 1, 3_000_000_000, 0, 16, by_hop=by_hop), correlator, random.Random(1))
    now_ns = network.now_ns
    for slot in session.poll(now_ns, 8):
        correlator.sent(slot, now_ns)
        own = Reply(ReplyKind.UNREACHABLE, flow.src, now_ns + 5, Method.UDP, flow.dst, flow.sport, flow.dport, slot.probe.ident, 0, 3, 1)
        correlator.dispatch(own)
    session.poll(now_ns + 10, 8)
    assert session.done
    outcome = session.outcome()
    assert [hop.responders for hop in outcome.hops] == ([(flow.src,)] if by_hop else [(), (), ()])
    assert outcome.ending is (Ending.UNREACHABLE if by_hop else Ending.MAX_TTL)
