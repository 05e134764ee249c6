"""What a trace may be asked for beyond the usual: rising ports, traceroute's waits; what counts as arrival; who is heeded."""

import random

import pytest

from pathwarden.engine.correlator import Correlator, Slot
from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import TraceSpec
from pathwarden.engine.waits import Waits
from pathwarden.model.probe import Flow, Method, Reply, ReplyKind
from pathwarden.model.trace import Ending

MS = 1_000_000
SECOND = 1_000_000_000
DST = "198.51.100.7"
FLOWS = {
    Method.UDP: Flow(4, Method.UDP, "192.0.2.10", DST, 61000, 33434, 0, 0, 60),
    Method.ICMP: Flow(4, Method.ICMP, "192.0.2.10", DST, 61000, 1, 0, 0, 60),
    Method.TCP: Flow(4, Method.TCP, "192.0.2.10", DST, 61000, 80, 0, 0, 40),
}
EXCEEDED = (ReplyKind.TIME_EXCEEDED, 11, 0)


class Bench:
    """A session, and a hand that sends its probes and answers them."""

    def __init__(self, method: Method = Method.UDP, **spec: object) -> None:
        values = {"first_ttl": 1, "max_ttl": 30, "queries": 3, "wait_ns": 5 * SECOND, "gap_limit": 5, "window": 16, "by_hop": True}
        self.correlator = Correlator()
        self.session = TraceSession(TraceSpec(FLOWS[method], **values | spec), self.correlator, random.Random(3))
        self.now_ns = SECOND
        self.slots: dict[tuple[int, int], Slot] = {}

    def send(self, budget: int = 99) -> list[Slot]:
        slots = self.session.poll(self.now_ns, budget)
        for slot in slots:
            self.correlator.sent(slot, self.now_ns)
            self.slots[slot.probe.ttl, slot.probe.query] = slot
        return slots

    def answer(
        self, ttl: int, query: int = 0, responder: str = "", says: tuple[ReplyKind, int, int] = EXCEEDED, rtt_ms: float = 10
    ) -> None:
        slot = self.slots[ttl, query]
        flow, kind = slot.probe.flow, says[0]
        at_ns = slot.sent_ns + round(rtt_ms * MS)
        responder = responder or (f"10.0.0.{ttl}" if says is EXCEEDED else DST)
        named = (flow.method, flow.dst, flow.sport, flow.dport, slot.probe.ident, 0)
        self.correlator.dispatch(Reply(kind, responder, at_ns, *named, *says[1:], 60, 1))

    def wait(self, ms: float) -> None:
        self.now_ns += round(ms * MS)
        self.session.poll(self.now_ns, 0)

    def silent(self, ttl: int, query: int = 0) -> bool:
        return self.slots[ttl, query].timed_out


def test_rising_ports_rise_with_each_probe_sent() -> None:
    bench = Bench(rising_port=True)
    sent = bench.send()
    assert [slot.probe.flow.dport for slot in sent] == list(range(33434, 33434 + len(sent)))
    assert len(sent) == 15
    assert {slot.probe.flow._replace(dport=33434) for slot in sent} == {FLOWS[Method.UDP]}
    for slot in sent:
        bench.answer(slot.probe.ttl, slot.probe.query)
    assert [slot.probe.flow.dport for slot in bench.send(1)] == [33434 + 15]
    assert bench.correlator.foreign == 0


def test_a_probe_that_was_refused_leaves_no_gap_among_the_ports() -> None:
    bench = Bench(rising_port=True)
    first = bench.session.poll(bench.now_ns, 4)
    bench.correlator.sent(first[0], bench.now_ns)
    for slot in reversed(first[1:]):
        bench.session.unsent(slot)
    again = bench.session.poll(bench.now_ns, 3)
    assert [(slot.probe.ttl, slot.probe.query, slot.probe.flow.dport) for slot in again] == [(1, 1, 33435), (1, 2, 33436), (2, 0, 33437)]


def test_rising_ports_go_round_and_never_are_0() -> None:
    flow = FLOWS[Method.UDP]._replace(dport=65534)
    session = TraceSession(TraceSpec(flow, 1, 30, 3, SECOND, 0, 16, by_hop=True, rising_port=True), Correlator(), random.Random(1))
    assert [slot.probe.flow.dport for slot in session.poll(1, 4)] == [65534, 65535, 1, 2]


@pytest.mark.parametrize(("method", "expected"), [(Method.ICMP, [1, 0xFFFE, 0xFFFD]), (Method.TCP, [80, 80, 80])])
def test_what_rises_for_other_methods(method: Method, expected: list[int]) -> None:
    """An echo request's sequence is its ident, which rises anyway: so its checksum falls, once it is not held constant."""
    assert [slot.probe.flow.dport for slot in Bench(method, rising_port=True).send(3)] == expected


def test_without_waits_the_trace_as_a_whole_tells_how_long_to_wait() -> None:
    bench = Bench()
    bench.send()
    bench.answer(1)
    bench.wait(799)
    assert not bench.silent(1, 1)
    bench.wait(1)
    assert bench.silent(1, 1)


def test_the_wait_is_three_times_an_answer_of_the_same_hop() -> None:
    bench = Bench(waits=Waits())
    bench.send()
    bench.answer(1, 1, rtt_ms=100)
    assert bench.session.next_wakeup() == bench.now_ns + 303 * MS
    bench.wait(302)
    assert not bench.silent(1, 0)
    bench.wait(1)
    assert (bench.silent(1, 0), bench.silent(1, 2), bench.silent(2, 0)) == (True, True, False)


def test_else_ten_times_an_answer_of_a_later_hop() -> None:
    bench = Bench(waits=Waits())
    bench.send()
    bench.answer(3, 1, rtt_ms=50)
    bench.wait(509)
    assert not bench.silent(1)
    bench.wait(1)
    assert (bench.silent(1), bench.silent(2, 2), bench.silent(3, 0), bench.silent(4)) == (True, True, True, False)


@pytest.mark.parametrize(
    ("waits", "first", "second"),
    [(Waits(0, 0), 5000, 5000), (Waits(0, 10), 2010, 2010), (Waits(3, 0), 303, 5000), (Waits(60, 60), 5000, 5000)],
)
def test_a_factor_of_0_is_switched_off_and_nothing_waits_longer_than_the_longest(waits: Waits, first: float, second: float) -> None:
    bench = Bench(waits=waits)
    bench.send()
    bench.answer(2, 0, rtt_ms=100)
    bench.answer(3, 0, rtt_ms=200)
    for probe, due_ms in (((2, 1), first), ((1, 0), 1010 if waits == Waits(0, 10) else second)):
        slot = bench.slots[probe]
        assert bench.session._adaptive_wait_ns(slot) == due_ms * MS


@pytest.mark.parametrize("kind", [ReplyKind.OPEN, ReplyKind.CLOSED, ReplyKind.ANSWER, ReplyKind.ECHO_REPLY, ReplyKind.UNREACHABLE])
def test_whatever_the_destination_answers_is_an_arrival(kind: ReplyKind) -> None:
    bench = Bench(Method.TCP)
    bench.send()
    bench.answer(1)
    bench.answer(2, says=(kind, 0, 0))
    outcome = bench.session.outcome()
    assert (outcome.ending, outcome.reached_ttl) == (Ending.REACHED, 2)


@pytest.mark.parametrize("kind", [ReplyKind.OPEN, ReplyKind.CLOSED, ReplyKind.ANSWER, ReplyKind.ECHO_REPLY])
def test_the_same_from_anybody_else_is_none_and_ends_nothing(kind: ReplyKind) -> None:
    bench = Bench(Method.TCP)
    bench.send()
    bench.answer(2, responder="10.9.9.9", says=(kind, 0, 0))
    assert (bench.session.outcome().reached_ttl, bench.session.outcome().ending) == (None, Ending.MAX_TTL)
    bench.answer(3)
    assert [hop.ttl for hop in bench.session.outcome().hops] == [2, 3]


@pytest.mark.parametrize("code", [9, 10, 13])
@pytest.mark.parametrize("responder", ["10.0.0.2", DST])
@pytest.mark.parametrize("by_hop", [False, True])
def test_administratively_prohibited_is_heeded(code: int, responder: str, by_hop: bool) -> None:
    bench = Bench(by_hop=by_hop)
    bench.send(4)
    bench.answer(1)
    bench.answer(2, responder=responder, says=(ReplyKind.UNREACHABLE, 3, code))
    before = set(bench.slots)
    bench.wait(1)
    bench.send()
    assert all(ttl < 2 for ttl, _ in set(bench.slots) - before)
    while not bench.session.done:
        bench.wait(6000)
        assert all(slot.probe.ttl < 2 for slot in bench.send())
        assert bench.now_ns < 60 * SECOND
    outcome = bench.session.outcome()
    assert outcome.ending is (Ending.REACHED if responder == DST else Ending.UNREACHABLE)
    assert outcome.hops[-1].responders == (responder,)
    assert len(outcome.hops[0].answers) == 3


@pytest.mark.parametrize(("icmp", "heeded"), [((1, 1), True), ((1, 0), False), ((3, 13), False)])
def test_prohibited_has_its_own_code_on_ipv6(icmp: tuple[int, int], heeded: bool) -> None:
    flow = Flow(6, Method.UDP, "2001:db8::10", "2001:db8:7::1", 61000, 33434, 0, 1, 80)
    correlator = Correlator()
    session = TraceSession(TraceSpec(flow, 1, 3, 3, SECOND, 0, 16), correlator, random.Random(1))
    [first] = session.poll(SECOND, 1)
    correlator.sent(first, SECOND)
    named = (flow.method, flow.dst, flow.sport, flow.dport, first.probe.ident, 0)
    correlator.dispatch(Reply(ReplyKind.UNREACHABLE, "2001:db8::1", SECOND + 5, *named, *icmp))
    assert [slot.probe.ttl for slot in session.poll(SECOND + 6, 16)] == ([] if heeded else [1])
    assert session.done == heeded


def test_a_gateway_that_prohibits_everything_ends_the_trace_at_once() -> None:
    bench = Bench(by_hop=False)
    bench.send(1)
    bench.answer(1, says=(ReplyKind.UNREACHABLE, 3, 13), responder="10.0.0.1")
    bench.wait(1)
    assert bench.session.done
    assert bench.session.probes == 1
