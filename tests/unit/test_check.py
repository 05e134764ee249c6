"""Checks: each ask leaves once, waits for itself, and gets one answer."""

import pytest

from pathwarden.engine.check import Ask, Check
from pathwarden.engine.correlator import Correlator, Slot
from pathwarden.model.probe import Flow, Method, Reply, ReplyKind

MS = 1_000_000
WAIT_NS = 800 * MS
T = 1_000 * MS  # when it begins
FLOW = Flow(4, Method.UDP, "192.0.2.10", "203.0.113.7", 61000, 33434, 0, 0, 60)


def reply(slot: Slot, at_ns: int, responder: str = "198.51.100.1", kind: ReplyKind = ReplyKind.TIME_EXCEEDED, code: int = 0) -> Reply:
    flow = slot.probe.flow
    return Reply(kind, responder, at_ns, flow.method, flow.dst, flow.sport, flow.dport, slot.probe.ident, 0, 11, code, 61, 1)


class Bench:
    """A check and what a driver does with it."""

    def __init__(self, *ttls: int, window: int = 99) -> None:
        self.correlator = Correlator()
        self.check = Check([Ask(FLOW, ttl) for ttl in ttls], self.correlator, WAIT_NS, window)
        self.slots: list[Slot] = []

    def send(self, mono_ns: int, budget: int = 9) -> int:
        slots = self.check.poll(mono_ns, budget)
        for slot in slots:
            self.correlator.sent(slot, mono_ns)
        self.slots += slots
        return len(slots)


def test_every_ask_leaves_once_in_order_and_within_the_budget() -> None:
    bench = Bench(7, 3, 5)
    assert [bench.send(T, 0), bench.send(T, 2), bench.send(T, 2), bench.send(T, 2)] == [0, 2, 1, 0]
    assert [slot.probe.ttl for slot in bench.slots] == [7, 3, 5]


def test_answers_stand_in_the_order_of_the_asks_whatever_the_order_of_the_replies() -> None:
    bench = Bench(1, 2, 3)
    bench.send(T)
    for number in (2, 0, 1):
        assert not bench.check.done
        bench.correlator.dispatch(reply(bench.slots[number], T + (number + 1) * MS, f"r{number}"))
        bench.check.poll(T + 5 * MS, 0)
    assert bench.check.done
    assert [(answer.responder, answer.rtt_ns) for answer in bench.check.answers] == [("r0", MS), ("r1", 2 * MS), ("r2", 3 * MS)]
    assert bench.check.answers[0].reply_ttl == 61


def test_each_ask_waits_for_itself() -> None:
    bench = Bench(1, 2)
    bench.send(T, 1)
    bench.send(T + 500 * MS, 1)
    assert bench.check.next_wakeup() == T + WAIT_NS
    bench.check.poll(T + WAIT_NS - 1, 0)
    assert not bench.slots[0].timed_out
    bench.check.poll(T + WAIT_NS, 0)
    assert [slot.timed_out for slot in bench.slots] == [True, False]
    assert not bench.check.done
    assert bench.check.next_wakeup() == T + WAIT_NS + 500 * MS
    bench.correlator.dispatch(reply(bench.slots[1], T + WAIT_NS + 499 * MS))
    bench.check.poll(T + WAIT_NS + 500 * MS, 0)
    assert bench.check.done
    assert [answer.responder for answer in bench.check.answers] == [None, "198.51.100.1"]
    assert bench.check.next_wakeup() is None


def test_late_and_doubled_replies_are_counted_and_change_nothing() -> None:
    bench = Bench(1, 2)
    bench.send(T)
    bench.correlator.dispatch(reply(bench.slots[1], T + MS, "first"))
    bench.correlator.dispatch(reply(bench.slots[1], T + 2 * MS, "second"))
    bench.check.poll(T + WAIT_NS, 0)
    bench.correlator.dispatch(reply(bench.slots[0], T + WAIT_NS + 1, "late"))
    assert [answer.responder for answer in bench.check.answers] == [None, "first"]
    assert (bench.check.late, bench.check.duplicates) == (1, 1)


def test_an_unreachable_from_our_own_address_is_silence() -> None:
    bench = Bench(1)
    bench.send(T)
    bench.correlator.dispatch(reply(bench.slots[0], T + MS, FLOW.src, ReplyKind.UNREACHABLE))
    bench.check.poll(T + MS, 0)
    assert bench.check.done
    assert bench.check.answers[0].responder is None


def test_a_prohibition_is_an_answer_like_any() -> None:
    bench = Bench(1)
    bench.send(T)
    bench.correlator.dispatch(reply(bench.slots[0], T + MS, kind=ReplyKind.UNREACHABLE, code=13))
    assert (bench.check.answers[0].responder, bench.check.answers[0].icmp_code) == ("198.51.100.1", 13)


def test_what_a_full_queue_refused_is_asked_again() -> None:
    bench = Bench(1, 2, 3)
    slots = bench.check.poll(T, 9)
    bench.correlator.sent(slots[0], T)
    for slot in reversed(slots[1:]):
        bench.check.unsent(slot)
    assert not bench.check.done
    assert [slot.probe.ttl for slot in bench.check.poll(T + 10 * MS, 9)] == [2, 3]
    assert not bench.check.done


@pytest.mark.parametrize("sent", [0, 2])
def test_a_check_that_failed_is_over_and_hears_nothing(sent: int) -> None:
    bench = Bench(1, 2)
    bench.send(T, sent)
    bench.check.fail("no_route")
    assert bench.check.done
    assert bench.check.error == "no_route"
    for slot in bench.slots:
        bench.correlator.dispatch(reply(slot, T + MS))
    assert all(answer.responder is None for answer in bench.check.answers)
    assert bench.check.late == sent


def test_what_is_not_told_apart_leaves_one_by_one() -> None:
    bench = Bench(1, 2, 3, window=1)
    assert bench.send(T) == 1
    assert bench.send(T) == 0
    bench.correlator.dispatch(reply(bench.slots[0], T + MS))
    assert bench.send(T + MS) == 1
    assert bench.check.next_wakeup() == T + MS + WAIT_NS
    assert bench.send(T + MS + WAIT_NS) == 1, "the second stayed without an answer"
    bench.correlator.dispatch(reply(bench.slots[2], T + 2 * MS + WAIT_NS))
    bench.check.poll(T + 2 * MS + WAIT_NS, 0)
    assert bench.check.done
    assert [answer.responder is not None for answer in bench.check.answers] == [True, False, True]


def test_nothing_to_ask_is_done_at_once() -> None:
    bench = Bench()
    bench.send(T)
    assert bench.check.done
    assert bench.check.answers == []
