"""Whether a target answers: what is usual for it decides when silence is a loss."""

import random

import pytest

from pathwarden.detect.reach import CHANCE, LEAST_TRACES, MEMORY, Reach, after_answer, after_silence, probes_needed


def usual(hits: int, tries: int) -> Reach:
    return Reach(answered=True, hits=hits, tries=tries)


def silent(reach: Reach, traces: int, probes: int = 3) -> Reach:
    for number in range(traces):
        reach = after_silence(reach, probes, 100 + number)
    return reach


def traces_until_lost(reach: Reach, probes: int) -> int:
    for number in range(1, 1000):
        reach = after_silence(reach, probes, number)
        if reach.lost:
            return number
    raise AssertionError("never lost")


def test_a_target_that_never_answered_is_not_lost() -> None:
    reach = silent(Reach(), 500)
    assert not reach.lost
    assert not reach.answered
    assert reach.missed_traces == 0


def test_a_reliable_target_is_lost_after_three_silent_traces() -> None:
    assert traces_until_lost(usual(100, 100), 2) == LEAST_TRACES
    assert traces_until_lost(usual(100, 100), 30) == LEAST_TRACES


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.8, 0.95])
def test_so_much_silence_is_needed_that_chance_explains_it_less_than_once_in_ten_thousand(rate: float) -> None:
    needed = probes_needed(rate)
    assert (1 - rate) ** needed < CHANCE <= (1 - rate) ** (needed - 1)


def test_a_target_that_answers_one_probe_in_ten_is_not_lost_after_nine() -> None:
    reach = usual(20, 200)
    assert not silent(reach, 20).lost
    assert traces_until_lost(reach, 3) == -(-probes_needed(reach.rate) // 3)
    assert probes_needed(reach.rate) > 80


def test_a_poor_destination_is_hardly_ever_called_lost() -> None:
    """Ten per cent of the probes are answered, six go to it in a trace: fewer than 3 false alarms in 10,000 traces."""
    alarms = 0
    for seed in range(10):
        dice, reach = random.Random(seed), Reach()
        for at in range(1, 1001):
            hits = sum(dice.random() < 0.1 for _ in range(6))
            after = after_answer(reach, 6, 6 - hits) if hits else after_silence(reach, 6, at)
            alarms += after.lost and not reach.lost
            reach = after
    assert alarms < 3


def test_silence_counts_as_habit_but_an_outage_does_not() -> None:
    habit = after_answer(silent(usual(10, 10), 1, 5), 3, 0)
    assert (habit.hits, habit.tries) == (13, 18)
    outage = after_answer(silent(usual(10, 10), 10, 5), 3, 0)
    assert (outage.hits, outage.tries) == (13, 13)


def test_old_probes_fade() -> None:
    reach = usual(MEMORY, MEMORY)
    for _ in range(200):
        reach = after_answer(reach, 2, 1)
    assert reach.tries == pytest.approx(MEMORY)
    assert 0.5 < reach.rate < 0.6


def test_silence_before_the_first_answer_counts_a_little() -> None:
    late = after_answer(silent(Reach(), 1000), 3, 0)
    assert probes_needed(after_answer(Reach(), 3, 0).rate) < probes_needed(late.rate) < 100


def test_the_silence_began_with_the_first_silent_trace() -> None:
    assert silent(usual(100, 100), 5).first_missed_at == 100


def test_one_trace_without_loss_brings_it_back() -> None:
    back = after_answer(silent(usual(100, 100), 9), 3, 0)
    assert not back.lost
    assert (back.missed_traces, back.missed_probes, back.first_missed_at) == (0, 0, 0)


def test_traces_with_loss_bring_it_back_only_two_in_a_row() -> None:
    lost = silent(usual(100, 100), 9)
    once = after_answer(lost, 3, 2)
    assert once.lost
    assert once.back_traces == 1
    assert not after_answer(once, 3, 2).lost
    interrupted = after_answer(after_silence(once, 3, 1), 3, 2)
    assert interrupted.lost
