"""The pulse of a destination: what is worth a look, and how often."""

from itertools import pairwise
from random import Random

import pytest

from equipment.traces import SECOND
from pathwarden.detect.watch.pulse import LEARNED, REST_NS, Pulse
from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Answer


def answer(rtt_ms: float | None, reply_ttl: int = 60, quoted_ttl: int = 20) -> Answer:
    if rtt_ms is None:
        return Answer(0)
    return Answer(0, "D", round(rtt_ms * 1e6), ReplyKind.PORT_UNREACHABLE, 3, 3, reply_ttl, quoted_ttl)


def used(rtt_ms: float = 20.0, answers: int = 50) -> Pulse:
    pulse = Pulse()
    assert not any(pulse.looks_different(answer(rtt_ms), number * SECOND) for number in range(answers))
    return pulse


@pytest.mark.parametrize("other", [answer(20, reply_ttl=58), answer(20, quoted_ttl=18), answer(20, 58, 18)])
def test_another_ttl_is_worth_a_look_when_it_shows_twice(other: Answer) -> None:
    pulse = used()
    assert not pulse.in_doubt
    assert not pulse.looks_different(other, 100 * SECOND)
    assert pulse.in_doubt
    assert pulse.looks_different(other, 101 * SECOND)
    assert not pulse.in_doubt
    assert not pulse.looks_different(other, 102 * SECOND), "that is usual now"


def test_ttls_that_show_once_are_nothing() -> None:
    pulse = used()
    for number in range(20):
        assert not pulse.looks_different(answer(20, reply_ttl=58 if number % 2 else 60), number * SECOND)


def test_an_unusual_rtt_is_worth_a_look_when_it_shows_twice() -> None:
    pulse = used()
    assert not pulse.looks_different(answer(40), 100 * SECOND)
    assert pulse.in_doubt
    assert pulse.looks_different(answer(41), 101 * SECOND)
    assert not any(pulse.looks_different(answer(41), (102 + number) * SECOND) for number in range(20))


@pytest.mark.parametrize(("usual_ms", "step_ms", "noticed"), [(5, 2.9, False), (5, 3.2, True), (100, 14, False), (100, 16, True)])
def test_what_is_unusual(usual_ms: float, step_ms: float, noticed: bool) -> None:
    for sign in (1, -1):
        pulse = used(usual_ms)
        pulse.looks_different(answer(usual_ms + sign * step_ms), 100 * SECOND)
        assert pulse.looks_different(answer(usual_ms + sign * step_ms), 101 * SECOND) is noticed


def test_what_wavers_by_habit_is_usual() -> None:
    dice = Random(1)
    pulse = Pulse()
    found = [pulse.looks_different(answer(50 + dice.uniform(-12, 12)), number * 10 * SECOND) for number in range(500)]
    assert not any(found[LEARNED:])


def test_rtts_lead_to_one_look_in_a_while() -> None:
    pulse = used()
    found_ns = []
    for number in range(2000):
        now_ns = (100 + number) * SECOND
        if pulse.looks_different(answer(20 if number // 10 % 2 else 60), now_ns):
            found_ns.append(now_ns)
    assert len(found_ns) > 2
    assert min(b - a for a, b in pairwise(found_ns)) >= REST_NS


def test_nothing_is_unusual_before_anything_is_usual() -> None:
    pulse = Pulse()
    for number in range(LEARNED):
        assert not pulse.looks_different(answer(10.0 * 3**number), number * SECOND)


def test_silence_tells_nothing() -> None:
    pulse = used()
    pulse.looks_different(answer(40), 100 * SECOND)
    assert not pulse.looks_different(answer(None), 101 * SECOND)
    assert pulse.in_doubt
    assert pulse.looks_different(answer(40), 102 * SECOND)
