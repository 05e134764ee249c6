"""The least RTTs of hops around an instant."""

import pytest

from equipment.traces import SECOND, START_AT, trace_of
from pathwarden.detect.latency import blame
from pathwarden.detect.minima import MOST, STEP_MS, Minima
from pathwarden.model.instants import ClockShift


def test_the_least_before_and_since() -> None:
    minima = Minima()
    for number, rtt_ms in enumerate((12.0, 10.0, 30.0, 31.0)):
        minima.add(trace_of("A", None, "D", mono_s=number, rtt_ms=rtt_ms))
    before, since = minima.around(START_AT + 2 * SECOND)
    assert before == pytest.approx({1: 10.0, 3: 10.0}, abs=STEP_MS)
    assert since == pytest.approx({1: 30.0, 3: 30.0}, abs=STEP_MS)
    assert blame(before, since) == 1


@pytest.mark.parametrize(("rtt_ms", "kept_ms"), [(0.001, STEP_MS), (9999.0, 65_535 * STEP_MS)])
def test_what_no_step_can_tell_is_no_silence(rtt_ms: float, kept_ms: float) -> None:
    minima = Minima()
    minima.add(trace_of("A", "D", rtt_ms=rtt_ms))
    assert minima.around(START_AT)[1] == pytest.approx({1: kept_ms, 2: kept_ms})


def test_the_oldest_is_forgotten_and_a_clock_step_moves_all() -> None:
    minima = Minima()
    for number in range(MOST + 4):
        minima.add(trace_of("A", "D", mono_s=number, rtt_ms=1.0 + number))
    assert minima.around(START_AT + (MOST + 4) * SECOND)[0] == pytest.approx({1: 5.0, 2: 5.0}, abs=STEP_MS)
    shift = ClockShift(START_AT, START_AT + 1000 * SECOND, 3600 * SECOND, 0)
    minima.shift(shift)
    assert minima.around(shift.of(START_AT + 10 * SECOND))[1] == pytest.approx({1: 11.0, 2: 11.0}, abs=STEP_MS)
