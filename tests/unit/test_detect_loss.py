"""Honest loss: what persists to the end, and what is only a router's habit."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.fakes import hop, make_trace
from pathwarden.detect.loss import LEAST, Count, Habit, habits, shown, tally

counts = st.integers(0, 60).flatmap(lambda sent: st.builds(Count, st.just(sent), st.integers(0, sent)))
ways = st.lists(counts, min_size=1, max_size=12)
GOOD = Count(LEAST, 0)


def test_loss_that_does_not_persist_is_not_shown() -> None:
    assert shown([Count(30, 20), Count(30, 30), Count(30, 3), Count(30, 3)]) == [0.1, 0.1, 0.1, 0.1]
    assert shown([Count(30, 0), Count(30, 30), Count(30, 30)]) == [0.0, 1.0, 1.0]
    assert shown([Count(30, 15), Count(), Count(30, 30), Count()]) == [0.5, 1.0, 1.0, None]


@given(ways)
def test_shown_loss_never_falls_along_the_way_and_never_exceeds_the_hops_own(way: list[Count]) -> None:
    losses = [loss for loss in shown(way) if loss is not None]
    assert losses == sorted(losses)
    assert all(loss is None or count.ratio is None or loss <= count.ratio for loss, count in zip(shown(way), way, strict=True))


@given(ways, counts, st.data())
def test_a_hop_that_answers_less_changes_nothing_behind_it_and_shows_no_more_than_persists(
    way: list[Count], end: Count, data: st.DataObject
) -> None:
    way = [*way, Count(end.sent + 1, end.lost)]
    place = data.draw(st.integers(0, len(way) - 2))
    more = data.draw(st.integers(1, 40))
    worse = [*way[:place], Count(way[place].sent + more, way[place].lost + more), *way[place + 1 :]]
    before, after = shown(way), shown(worse)
    assert after[place + 1 :] == before[place + 1 :]
    behind = after[place + 1]
    assert behind is not None
    assert all(loss is not None and loss <= behind for loss in after[: place + 1])
    own = way[place].ratio
    if own is None or own >= behind:
        # Its losses were none that persist, and more of them are none either.
        assert after == before


@given(ways)
def test_where_the_destination_loses_nothing_no_hop_shows_a_loss(way: list[Count]) -> None:
    assert set(shown([*way, Count(3, 0)])) == {0.0}


@given(ways)
def test_the_last_hop_has_no_habit_and_no_habit_is_seen_in_few_probes(way: list[Count]) -> None:
    assert habits(way)[-1] is Habit.NONE
    few = [Count(count.sent % LEAST, min(count.lost, count.sent % LEAST)) for count in way]
    assert Habit.RATE_LIMITED not in habits(few)


@pytest.mark.parametrize(
    ("count", "behind", "habit"),
    [
        (Count(30, 6), GOOD, Habit.NONE),  # 1 in 64
        (Count(30, 7), GOOD, Habit.RATE_LIMITED),  # 1 in 128
        (Count(29, 20), GOOD, Habit.NONE),
        (Count(30, 20), Count(29, 0), Habit.NONE),
        (Count(30, 30), GOOD, Habit.QUIET),
        (Count(2, 2), Count(2, 1), Habit.QUIET),
        (Count(30, 30), Count(30, 30), Habit.NONE),
        (Count(30, 15), Count(30, 15), Habit.NONE),
        (Count(300, 150), Count(300, 15), Habit.RATE_LIMITED),
        (Count(), GOOD, Habit.NONE),
    ],
)
def test_a_habit_is_what_chance_does_not_explain(count: Count, behind: Count, habit: Habit) -> None:
    assert habits([count, behind]) == [habit, Habit.NONE]


def test_a_hop_is_compared_with_the_best_of_all_behind_it() -> None:
    assert habits([Count(30, 9), Count(30, 8), Count(30, 28), GOOD, Count(30, 1)]) == [
        Habit.RATE_LIMITED, Habit.RATE_LIMITED, Habit.RATE_LIMITED, Habit.NONE, Habit.NONE,
    ]  # fmt: skip


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2, 0.5])
def test_loss_alone_makes_few_routers_look_as_if_they_limited_their_answers(loss: float) -> None:
    chance = random.Random(7)
    ways = [[Count(30, sum(chance.random() < loss for _ in range(30))) for _ in range(12)] for _ in range(300)]
    seen = [habit for way in ways for habit in habits(way)]
    share = seen.count(Habit.RATE_LIMITED) / len(seen)
    assert share < 0.012, f"seed 7: {share}"


def test_a_router_that_limits_its_answers_is_never_shown_as_loss() -> None:
    chance = random.Random(8)
    recognised = 0
    for _ in range(500):
        limit = chance.uniform(0.05, 0.9)  # the part of its answers that it gives
        way = [GOOD, Count(60, sum(chance.random() > limit for _ in range(60))), Count(60, 0), Count(60, 0)]
        assert shown(way) == [0.0] * 4, "seed 8"
        recognised += habits(way)[1] is not Habit.NONE
    assert recognised > 480, f"seed 8: {recognised}"


def test_a_tally_counts_the_traces_that_reached_the_destination() -> None:
    reached = make_trace(hop(1, "a", 1.0, None), hop(2, "b", 2.0, 2.0))
    silent = make_trace(hop(1, "a", 1.0, 1.0), hop(2, None, None, None), reached=False)
    assert tally([reached, silent, reached]) == {1: Count(4, 2), 2: Count(4, 0)}
    assert tally([]) == {}
