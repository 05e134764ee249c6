"""How much may notify, what is muted, and what is accepted as usual."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.changes import HOUR, MINUTE, START_AT, route
from pathwarden.detect.quota import HOUR_NS, MOST_AN_HOUR, MOST_PAIRS, NOTHING_HELD, Held, Mute, Quota
from pathwarden.detect.usual import LEAD_S, NOT_ACCEPTED, Accepted, accept
from pathwarden.model.change import SEVERITIES
from pathwarden.model.instants import ClockShift

KINDS = ("path_changed", "latency_shift")
asked = st.lists(st.tuples(st.integers(0, 40 * MINUTE), st.sampled_from(KINDS), st.sampled_from(SEVERITIES)), max_size=60)


def ask(quota: Quota, at: int, kind: str = "path_changed", severity: str = "notice") -> bool:
    return quota.ask(at, kind, severity, SEVERITIES)


def test_six_an_hour_then_a_digest_at_the_end_of_the_hour() -> None:
    quota = Quota()
    assert [ask(quota, START_AT + n * MINUTE) for n in range(9)] == [True] * 6 + [False] * 3
    assert not ask(quota, START_AT + 20 * MINUTE, "latency_shift", "warning")
    assert quota.due_at() == START_AT + HOUR
    assert quota.tick(START_AT + HOUR - 1) == NOTHING_HELD
    held = quota.tick(START_AT + HOUR)
    assert held == Held((("path_changed", 3), ("latency_shift", 1)), START_AT + 6 * MINUTE, START_AT + 20 * MINUTE, "warning")
    assert held.total == 4
    assert (quota.tick(START_AT + HOUR), quota.due_at()) == (NOTHING_HELD, None)
    # The digest was the sixth of this hour.
    assert not ask(quota, START_AT + HOUR)
    assert quota.due_at() == START_AT + HOUR + MINUTE


@given(asked)
def test_no_hour_has_more_than_six_and_nothing_is_forgotten(asked: list[tuple[int, str, str]]) -> None:
    quota, at, told, held = Quota(), START_AT, [], 0
    for gap, kind, severity in asked:
        while (due_at := quota.due_at()) is not None and due_at <= at + gap:
            digest = quota.tick(due_at)
            assert digest.total
            held -= digest.total
            told.append(due_at)
        at += gap
        if ask(quota, at, kind, severity):
            told.append(at)
        else:
            held += 1
    assert quota.held.total == held
    assert all(later - one >= HOUR_NS for one, later in zip(told, told[MOST_AN_HOUR:], strict=False))


@given(asked, st.integers(0, 60))
def test_a_restored_quota_goes_on_identically(asked: list[tuple[int, str, str]], cut: int) -> None:
    one, other, at = Quota(), Quota(), START_AT
    for number, (gap, kind, severity) in enumerate(asked):
        at += gap
        if number == cut:
            other = Quota.restore(json.loads(json.dumps(other.export())))
        assert one.tick(at) == other.tick(at)
        assert ask(one, at, kind, severity) == ask(other, at, kind, severity)
        assert (one.due_at(), one.held) == (other.due_at(), other.held)


def test_a_clock_that_was_ahead_does_not_silence_a_target() -> None:
    quota = Quota()
    for n in range(7):
        ask(quota, START_AT + 24 * HOUR + n)
    assert not ask(quota, START_AT)
    assert quota.due_at() == START_AT + HOUR
    assert quota.tick(START_AT + HOUR).total == 2


def test_a_clock_that_becomes_right_moves_the_hour() -> None:
    quota = Quota()
    for n in range(7):
        ask(quota, START_AT + n)
    quota.shift(ClockShift(START_AT, START_AT + 10, 5 * HOUR, 0))
    assert quota.due_at() == START_AT + 6 * HOUR
    assert quota.held.first_at == START_AT + 5 * HOUR + 6


@pytest.mark.parametrize(
    "values",
    [{}, {"told": 1, "held": []}, {"told": [], "held": []}, {"told": [], "held": [[], 0, 0, ""]}, {"told": [None], "held": [{}, 0, 0, ""]}],
)
def test_no_quota_is_refused(values: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Quota.restore(values)


def test_a_mute_has_an_end_and_a_beginning() -> None:
    mute = Mute().until(START_AT, START_AT + HOUR)
    assert [mute.covers(START_AT + n) for n in (-1, 0, HOUR - 1, HOUR)] == [False, True, True, False]
    assert not mute.until(START_AT, START_AT).covers(START_AT)
    moved = mute.shift(ClockShift(START_AT - 1, START_AT + 1, 10 * HOUR, 0))
    assert (moved.from_at, moved.until_at) == (START_AT + 10 * HOUR, START_AT + 11 * HOUR)
    # One that an earlier boot began with a right clock stays.
    assert mute.shift(ClockShift(0, 10, 10 * HOUR, 0)) == mute


def test_a_pair_is_muted_in_both_directions_until_told_otherwise() -> None:
    mute = Mute().between("B", "A", muted=True).between("A", "C", muted=True)
    assert [mute.knows(*pair) for pair in ("AB", "BA", "AC", "CA", "BC")] == [True, True, True, True, False]
    assert not mute.between("A", "B", muted=False).knows("B", "A")
    assert mute.between("A", "B", muted=True).pairs == (("A", "C"), ("A", "B"))
    with pytest.raises(ValueError, match="a pair is two routes"):
        mute.between("A", "A", muted=True)
    for n in range(100):
        mute = mute.between("A", f"X{n}", muted=True)
    assert len(mute.pairs) == MOST_PAIRS
    assert mute.knows("A", "X99")
    assert Mute.restore(json.loads(json.dumps(mute.export()))) == mute


@pytest.mark.parametrize("values", [{}, {"from_at": 0, "until_at": None, "pairs": []}, {"from_at": 0, "until_at": 0, "pairs": [["A"]]}])
def test_no_mute_is_refused(values: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Mute.restore(values)


def test_the_usual_route_is_the_one_with_most_time_or_the_accepted_one() -> None:
    old, new = route("A")._replace(held_s=5000), route("B")._replace(held_s=60)
    assert max([old, new], key=NOT_ACCEPTED.weight) == old
    accepted = accept(new, [old, new])
    assert max([old, new], key=accepted.weight) == new
    # Going back for less than a week changes nothing; then time counts as before.
    assert max([old._replace(held_s=5000 + LEAD_S - 1), new], key=accepted.weight) == new
    assert max([old._replace(held_s=5000 + LEAD_S + 1), new], key=accepted.weight) == old._replace(held_s=5000 + LEAD_S + 1)
    assert max([old], key=accepted.weight) == old
    assert Accepted.restore(json.loads(json.dumps(accepted.export()))) == accepted
    for values in ({}, {"route_id": 1, "credit_s": 0}, {"route_id": "", "credit_s": None}):
        with pytest.raises((TypeError, KeyError)):
            Accepted.restore(values)


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=16), st.data())
def test_what_is_accepted_is_usual_at_once(held: list[int], data: st.DataObject) -> None:
    routes = [route("A")._replace(route_id=f"r{n}", held_s=s) for n, s in enumerate(held)]
    chosen = data.draw(st.sampled_from(routes))
    assert max(routes, key=accept(chosen, routes).weight) == chosen
