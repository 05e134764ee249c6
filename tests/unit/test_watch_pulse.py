"""The pulse of a target: what is worth a look, and how often."""

from itertools import pairwise
from random import Random

import pytest

from equipment.traces import SECOND, trace_of
from pathwarden.detect.watch.pulse import LEARNED, REST_NS, Pulse, Sign
from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Answer

MS = 1_000_000


def answer(rtt_ms: float | None, reply_ttl: int = 60, quoted_ttl: int = 20) -> Answer:
    if rtt_ms is None:
        return Answer(0)
    return Answer(0, "D", round(rtt_ms * 1e6), ReplyKind.PORT_UNREACHABLE, 3, 3, reply_ttl, quoted_ttl)


def used(rtt_ms: float = 20.0, answers: int = 50) -> Pulse:
    pulse = Pulse()
    assert {pulse.sentinel(answer(rtt_ms), number * SECOND) for number in range(answers)} == {Sign.USUAL}
    return pulse


@pytest.mark.parametrize("other", [answer(20, reply_ttl=58), answer(20, quoted_ttl=18), answer(20, 58, 18)])
def test_another_ttl_is_worth_a_look_when_it_shows_twice(other: Answer) -> None:
    pulse = used()
    assert pulse.sentinel(other, 100 * SECOND) is Sign.DOUBT
    assert pulse.sentinel(other, 101 * SECOND) is Sign.DIFFERENT
    assert pulse.sentinel(other, 102 * SECOND) is Sign.USUAL, "that is usual now"


def test_a_ttl_that_alternates_is_not_worth_a_look() -> None:
    pulse = used()
    found = [pulse.sentinel(answer(20, reply_ttl=58 if number % 2 else 60), number * SECOND) for number in range(100)]
    assert Sign.DIFFERENT not in found


def test_another_rtt_is_worth_a_look_when_it_shows_twice() -> None:
    pulse = used()
    assert pulse.sentinel(answer(40), 100 * SECOND) is Sign.DOUBT
    assert pulse.sentinel(answer(41), 101 * SECOND) is Sign.DIFFERENT
    assert {pulse.sentinel(answer(41), (102 + number) * SECOND) for number in range(20)} == {Sign.USUAL}


@pytest.mark.parametrize(("usual_ms", "step_ms", "noticed"), [(5, 0.9, False), (5, 1.1, True), (100, 1.9, False), (100, 2.1, True)])
def test_what_is_unusual(usual_ms: float, step_ms: float, noticed: bool) -> None:
    for sign in (1, -1):
        pulse = used(usual_ms)
        pulse.sentinel(answer(usual_ms + sign * step_ms), 100 * SECOND)
        assert (pulse.sentinel(answer(usual_ms + sign * step_ms), 101 * SECOND) is Sign.DIFFERENT) is noticed


def test_what_wavers_by_habit_is_usual() -> None:
    dice = Random(1)
    pulse = Pulse()
    found = [pulse.sentinel(answer(50 + dice.uniform(-12, 12)), number * 10 * SECOND) for number in range(500)]
    assert Sign.DIFFERENT not in found[LEARNED:]


def test_what_strays_now_and_then_becomes_a_habit() -> None:
    pulse = used()
    found = [pulse.sentinel(answer(20 if number % 3 else 60), (100 + number) * SECOND) for number in range(2000)]
    assert Sign.DIFFERENT not in found
    assert found.count(Sign.DOUBT) <= 20


def test_rtts_lead_to_one_look_in_a_while() -> None:
    pulse = used()
    found_ns = []
    for number in range(2000):
        now_ns = (100 + number) * SECOND
        if pulse.sentinel(answer(20 if number // 10 % 2 else 60), now_ns) is Sign.DIFFERENT:
            found_ns.append(now_ns)
    assert len(found_ns) > 2
    assert min(b - a for a, b in pairwise(found_ns)) >= REST_NS


def test_a_look_that_found_a_change_needs_no_rest() -> None:
    pulse = used()
    for rtt_ms, at_s in ((40, 100), (20, 130)):
        assert pulse.sentinel(answer(rtt_ms), at_s * SECOND) is Sign.DOUBT
        assert pulse.sentinel(answer(rtt_ms), (at_s + 1) * SECOND) is Sign.DIFFERENT
        pulse.moved()
        pulse.sentinel(answer(rtt_ms), (at_s + 2) * SECOND)


def test_where_the_route_is_another_one_the_next_rtt_is_the_usual_one() -> None:
    pulse = used()
    pulse.moved()
    assert pulse.sentinel(answer(40), 100 * SECOND) is Sign.USUAL
    assert pulse.sentinel(answer(20), 101 * SECOND) is Sign.DOUBT


def test_nothing_is_unusual_before_anything_is_usual() -> None:
    pulse = Pulse()
    found = [pulse.sentinel(answer(10.0 * 3**number), number * SECOND) for number in range(LEARNED)]
    assert set(found) == {Sign.USUAL}


def test_silence_tells_nothing() -> None:
    pulse = used()
    pulse.sentinel(answer(40), 100 * SECOND)
    assert pulse.sentinel(answer(None), 101 * SECOND) is Sign.USUAL
    assert pulse.sentinel(answer(40), 102 * SECOND) is Sign.DIFFERENT


def test_each_hop_has_its_own_usual_rtt() -> None:
    pulse = used(20)
    for number in range(LEARNED + 1):
        assert pulse.hop(3, 5 * MS, number * SECOND) is Sign.USUAL
    assert pulse.hop(3, 20 * MS, 100 * SECOND) is Sign.DOUBT


@pytest.mark.parametrize(("ttl", "sign"), [(2, Sign.DIFFERENT), (3, Sign.DOUBT), (8, Sign.DOUBT)])
def test_a_usual_answer_from_farther_away_ends_a_doubt(ttl: int, sign: Sign) -> None:
    pulse = Pulse()
    for number in range(LEARNED + 1):
        for each in (2, 3, 8):
            pulse.hop(each, each * MS, number * SECOND)
    assert pulse.hop(3, 9 * MS, 100 * SECOND) is Sign.DOUBT
    assert pulse.hop(ttl, ttl * MS, 101 * SECOND) is Sign.USUAL
    assert pulse.hop(3, 9 * MS, 102 * SECOND) is sign


def test_traces_teach_what_is_usual() -> None:
    pulse = Pulse()
    for _ in range(LEARNED + 1):
        pulse.traced(trace_of("A", "B", "D"))
    assert pulse.hop(2, 500 * MS, 100 * SECOND) is Sign.DOUBT
    pulse.moved()
    assert pulse.sentinel(answer(500), 101 * SECOND) is Sign.USUAL
