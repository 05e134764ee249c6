"""What holds, what turns, and how seldom chance is taken for a turn: values, quiet hops, members of a balancer."""

import random
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.detect.members import Members, needed
from pathwarden.detect.quiet import LEAST_NS, Fell, Quiet
from pathwarden.detect.steady import CALM, ENOUGH, Rule, Steady, Turn, Value, differ, fill, log_chance

PLAIN = Rule(sightings=2, by_chance=False)
CHANCY = Rule(sightings=2, by_chance=True)


def turns(values: str, answers: int = 3, rule: Rule = CHANCY) -> list[tuple[int, Turn]]:
    """The turns of a story, `aaab!b`: one letter per sighting, `!` for both at once; with the place of each."""
    steady = Steady()
    found = []
    for place, letter in enumerate(values):
        if letter == "!":
            steady.waver(place)
            continue
        turn = steady.see((ord(letter),), answers, place, rule)
        if turn is not None:
            found.append((place, turn))
    return found


@pytest.mark.parametrize(
    ("story", "rule", "places"),
    [
        ("aaabb", PLAIN, [4]),
        ("aabb", PLAIN, []),  # not known yet
        ("aaab", PLAIN, []),
        ("aaababb", PLAIN, []),  # it came back in between, and must be learned anew
        ("aaabcc", PLAIN, []),  # what moves on at once was not steady
        ("aaaabb!bb", PLAIN, [5]),
        ("aaa!bb", PLAIN, [5]),  # it turned while a trace was under way
        ("aaa!abb", PLAIN, []),
        ("aaa!!bb", PLAIN, []),
        ("aaa!b!b", PLAIN, []),
        ("aa!bb", PLAIN, []),
        ("aaa!bcc", PLAIN, []),
        ("aaabb", CHANCY, []),  # nine answers are too few against chance
        ("aaabbb", CHANCY, [5]),
        ("aaaaabb", CHANCY, [6]),
        ("aaaaaaabbaaaaa", CHANCY, [8]),  # two sightings make no steady value to turn from
        ("aaaaaaabbbbbaaaa", CHANCY, [8, 13]),
    ],
)
def test_a_value_turns_when_it_was_steady_before_and_is_steady_again(story: str, rule: Rule, places: list[int]) -> None:
    assert [place for place, _ in turns(story, rule=rule)] == places


def test_a_turn_says_what_turned_and_since_when() -> None:
    assert turns("aaaaaaabb")[0][1] == Turn((97,), (98,), 7, 2)
    assert turns("aaaaaaa!bb")[0][1] == Turn((97,), (98,), 7, 2), "since both were there"


def test_single_answers_need_more_of_them() -> None:
    assert turns("a" * 40 + "bbb", answers=1) == []
    assert len(turns("a" * 40 + "bbbb", answers=1)) == 1
    assert len(turns("aaa" + "b" * ENOUGH, answers=1)) == 1


def test_a_restless_value_turns_without_a_word_until_it_is_calm() -> None:
    restless = "aaaa!aaaa!aaaa!aaaa"
    assert turns(restless + "a" * (CALM - 10) + "bbbb") == []
    assert len(turns(restless + "a" * CALM + "bbbb")) == 1


def test_untold_parts_differ_from_nothing_and_are_filled() -> None:
    assert not differ((1, -1), (1, 5))
    assert differ((1, 4), (1, 5))
    assert fill((1, -1), (2, 5)) == (1, 5)


def test_only_what_every_sighting_told_turns() -> None:
    steady = Steady()
    for place in range(10):
        assert steady.see((0, 7), 3, place, CHANCY) is None
    values: list[Value] = [(1, -1), (1, 9)]
    found = [steady.see(value, 3, 20, CHANCY) for value in values]
    assert found == [None, Turn((0, 7), (1, 7), 20, 2)]


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0, 1))
def test_chance_is_at_most_what_any_one_share_makes_of_it(known: int, strange: int, share: float) -> None:
    """k answers of one kind and then n of another: no constant share makes that likelier than said."""
    assert (1 - share) ** known * share**strange <= exp(log_chance(0, known, strange, strange)) + 1e-12


@pytest.mark.parametrize(("hits", "row"), [(200, 3), (30, 5), (10, 10), (3, 109)])
def test_a_hop_known_well_is_quiet_sooner(hits: int, row: int) -> None:
    quiet = Quiet()
    assert [quiet.see(3, at * LEAST_NS) for at in range(1, hits + 1)] == [None] * hits
    found = [quiet.see(0, (1000 + number) * LEAST_NS) for number in range(row)]
    assert found == [*[None] * (row - 1), Fell(quiet=True, first_seen_at=1000 * LEAST_NS, confirmations=row)]


def test_a_hop_is_not_called_quiet_within_hours() -> None:
    quiet, step = Quiet(), LEAST_NS // 50
    assert [quiet.see(3, at * step) for at in range(1, 201)] == [None] * 200
    silent = [quiet.see(0, (300 + number) * step) for number in range(51)]
    assert silent == [*[None] * 50, Fell(quiet=True, first_seen_at=300 * step, confirmations=51)]


def test_a_quiet_hop_answers_again_when_it_does_twice() -> None:
    quiet = Quiet()
    for at in range(1, 300):
        quiet.see(3 if at < 200 else 0, at * LEAST_NS)
    assert quiet.quiet
    assert [quiet.see(answers, at * LEAST_NS) for at, answers in ((300, 1), (301, 0), (302, 1))] == [None] * 3
    assert quiet.see(1, 303 * LEAST_NS) == Fell(quiet=False, first_seen_at=302 * LEAST_NS, confirmations=2)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8, 0.95, 0.99])
def test_a_hop_of_any_habit_is_seldom_called_quiet(share: float) -> None:
    seed = 23
    print(f"seed {seed}")
    chosen = random.Random(seed)
    quiet = Quiet()
    fell = sum(quiet.see(int(chosen.random() < share), at * 300 * 10**9) is not None for at in range(1, 60_001))
    # Two hundred days of a trace every five minutes: a quiet hop and its return are two.
    assert fell <= 2


@pytest.mark.parametrize(("members", "flows"), [*enumerate((8, 15, 21, 28, 36, 43, 51, 58, 66, 74), start=1)])
def test_the_stopping_rule_is_that_of_mda_at_99_percent(members: int, flows: int) -> None:
    assert needed(members) == flows


def regrouped(members: Members, who: list[int], first: int) -> list[tuple[int, int, int, int]]:
    """What was told of answers to flows with rising numbers."""
    found = [members.audit((first + number) % 4096, each, 1) for number, each in enumerate(who)]
    return [(each.before, each.after, each.came, each.went) for each in found if each is not None]


def test_a_new_member_with_most_of_the_flows_is_no_loss_of_the_others() -> None:
    seed = 4
    print(f"seed {seed}")
    chosen = random.Random(seed)
    members = Members()
    assert regrouped(members, [1] * 100, 0) == []
    assert regrouped(members, chosen.choices([1, 2], [1, 9], k=400), 100) == [(1, 2, 1, 0)]


def test_a_set_that_is_too_large_to_close_is_never_told() -> None:
    members = Members()
    assert regrouped(members, list(range(1, 41)) * 50, 0) == []
    assert regrouped(members, [*range(2, 41)] * 50, 2000) == []


def test_a_stranger_who_never_comes_again_is_forgotten() -> None:
    members = Members()
    assert regrouped(members, [1, 2] * 50 + [9] + [1, 2] * 60, 0) == []
    assert [row[0] for row in members.export()[3]] == [1, 2]  # type: ignore[attr-defined, index] - rows of numbers


@pytest.mark.parametrize("weights", [(1, 1), (1, 1, 1, 1), (8, 2), (97, 3), (5, 3, 1, 1), (1,) * 16, (1,) * 30])
def test_members_of_any_share_are_seldom_called_new_or_gone(weights: tuple[int, ...]) -> None:
    seed = 29
    print(f"seed {seed}")
    chosen = random.Random(seed)
    members = Members()
    # Four years of an audit an hour.
    assert regrouped(members, chosen.choices(range(1, len(weights) + 1), weights, k=35_000), 0) == []
