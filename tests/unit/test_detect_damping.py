"""Flapping: the penalty, and when a path is unstable."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.changes import HOUR, MINUTE, SECOND, START_AT
from pathwarden.detect.damping import HALF_LIFE_NS, MOST, REUSE, SUPPRESS, Damper, Turn
from pathwarden.model.instants import ClockShift

gaps = st.lists(st.integers(0, 2 * HOUR), max_size=40)


def test_four_changes_in_four_minutes_are_flapping_and_two_half_lives_of_calm_end_it() -> None:
    damper = Damper()
    assert [damper.changed(START_AT + n * MINUTE) for n in range(4)] == [Turn.NONE, Turn.NONE, Turn.NONE, Turn.UNSTABLE]
    assert SUPPRESS <= damper.penalty(START_AT + 3 * MINUTE) < 4000
    due_at = damper.due_at()
    assert due_at is not None
    assert 2 * HALF_LIFE_NS < due_at - START_AT < 3 * HALF_LIFE_NS
    assert damper.tick(due_at - 1) is Turn.NONE
    assert damper.tick(due_at) is Turn.STABLE
    assert (damper.due_at(), damper.unstable, damper.tick(due_at + HOUR)) == (None, False, Turn.NONE)
    assert damper.penalty(due_at) == pytest.approx(REUSE)


def test_three_changes_within_minutes_are_none() -> None:
    damper = Damper()
    assert {damper.changed(START_AT + n * MINUTE) for n in range(3)} == {Turn.NONE}
    assert damper.due_at() is None


def test_a_change_every_quarter_of_an_hour_is_never_flapping() -> None:
    damper = Damper()
    assert {damper.changed(START_AT + n * HALF_LIFE_NS) for n in range(1000)} == {Turn.NONE}


def test_the_wildest_path_is_stable_after_an_hour_of_calm() -> None:
    damper = Damper()
    turns = [damper.changed(START_AT + n * SECOND) for n in range(3000)]
    assert turns.count(Turn.UNSTABLE) == 1
    end = START_AT + 2999 * SECOND
    assert damper.penalty(end) == MOST
    assert damper.due_at() == end + 4 * HALF_LIFE_NS


def test_a_clock_that_was_ahead_does_not_hold_a_path_unstable() -> None:
    damper = Damper()
    for n in range(5):
        damper.changed(START_AT + 24 * HOUR + n)
    assert damper.tick(START_AT) is Turn.NONE
    assert damper.due_at() is not None
    assert damper.tick(START_AT + HOUR) is Turn.STABLE


def test_a_clock_that_becomes_right_moves_the_end() -> None:
    damper = Damper()
    for n in range(5):
        damper.changed(START_AT + n)
    before = damper.due_at()
    damper.shift(ClockShift(START_AT - 1, START_AT + 10, HOUR, 0))
    assert before is not None
    assert damper.due_at() == before + HOUR


@given(gaps)
def test_unstable_and_stable_take_turns_and_due_at_is_kept(gaps: list[int]) -> None:
    damper, at, turns = Damper(), START_AT, []
    for gap in gaps:
        due_at, at = damper.due_at(), at + gap
        ended = damper.tick(at)
        assert (ended is Turn.STABLE) == (due_at is not None and at >= due_at)
        turns += [turn for turn in (ended, damper.changed(at)) if turn is not Turn.NONE]
        assert 0 <= damper.penalty(at) <= MOST
    assert turns[:1] in ([], [Turn.UNSTABLE])
    assert all(one is not other for one, other in pairwise(turns))


@given(gaps, st.integers(0, 40))
def test_a_restored_damper_goes_on_identically(gaps: list[int], cut: int) -> None:
    one, other, at = Damper(), Damper(), START_AT
    for number, gap in enumerate(gaps):
        at += gap
        if number == cut:
            other = Damper.restore(json.loads(json.dumps(other.export())))
        assert [one.tick(at), one.changed(at), one.due_at()] == [other.tick(at), other.changed(at), other.due_at()]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"penalty": "1", "at": 0, "unstable": False},
        {"penalty": 1.0, "at": None, "unstable": False},
        {"penalty": 1.0, "at": 0, "unstable": 1},
        {"penalty": -1.0, "at": 0, "unstable": False},
        {"penalty": float("nan"), "at": 0, "unstable": True},
        {"penalty": MOST + 1, "at": 0, "unstable": True},
        {"penalty": 0.0, "at": 0, "unstable": True},
    ],
)
def test_anything_else_is_refused(values: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Damper.restore(values)
