"""The detection benchmark's own rules, on cases made by hand: truth, world, score, budget."""

import argparse
import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from bench.detect.__main__ import seeds
from bench.detect.baselines import Paris, differ, merged, paris_wildcard
from bench.detect.budget import Metered
from bench.detect.chart import chart
from bench.detect.dtrack import dtrack_like
from bench.detect.score import MISSED, Alarm, judge, median
from bench.detect.table import classes, markdown, reachability, shared, table
from bench.detect.truth import Happening, What, class_of, differing, first_difference, observable
from bench.detect.world import AS_OF, ISP, Numbers, make
from pathwarden.detect.align import no_as

CALM = Numbers(loss=0.0, bursty=0.0, limited=0.0, silent=0.0, outage_rate=0.01, border_rate=0.01)


def view(*hops: str) -> tuple[frozenset[str], ...]:
    """`a` is a responder, `a|b` a balancer, `*` silence."""
    return tuple(frozenset() if hop == "*" else frozenset(hop.split("|")) for hop in hops)


def departure(
    at_s: float, until_s: float, target: str = "t", *, seen: bool = True, cause: int = 1, what: What = What.DEPARTURE
) -> Happening:
    return Happening(target, what, at_s, until_s, cause, seen, "hop", "transit")


# Truth.


@pytest.mark.parametrize(
    ("before", "after", "seen", "first", "named"),
    [
        (view("a", "b", "c", "t"), view("a", "x", "c", "t"), True, 2, "hop"),
        (view("a", "b", "c", "t"), view("a", "x", "y", "t"), True, 2, "reroute"),
        (view("a", "b", "c", "t"), view("a", "c", "t"), True, 2, "hop"),
        (view("a", "*", "c", "t"), view("a", "c", "t"), True, 2, "length"),
        (view("a", "*", "c", "t"), view("a", "x", "c", "t"), False, 2, "hop"),
        (view("a", "b", "c", "t"), view("a", "*", "c", "t"), False, 2, "hop"),
        (view("a", "b|c", "d", "t"), view("a", "c|e", "d", "t"), False, 2, "hop"),
        (view("a", "b|c", "d", "t"), view("a", "e|f", "d", "t"), True, 2, "hop"),
        (view("a", "t"), view("a", "t"), False, 0, "length"),
    ],
)
def test_what_can_be_seen_of_a_change(before, after, seen, first, named) -> None:
    assert (observable(before, after), first_difference(before, after), class_of(before, after, no_as)) == (seen, first, named)


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        (view("a1", "b1", "c1", "t9"), view("a1", "x2", "y2", "t9"), "as_path"),
        (view("a1", "x2", "y2", "t9"), view("a1", "b1", "c1", "t9"), "as_path"),
        (view("a1", "b1", "c1", "t9"), view("a1", "x2", "y1", "t9"), "reroute"),  # one address is a border
        (view("a1", "b1", "c1", "t9"), view("a1", "x2", "y3", "t9"), "reroute"),
        (view("a1", "b1", "c1", "t9"), view("a1", "x2", "*", "t9"), "reroute"),
        (view("a1", "b2", "c2", "t9"), view("a1", "t9"), "as_path"),
        (view("a1", "b1", "c1", "t9"), view("a1", "x9", "y9", "t9"), "reroute"),  # the destination's own, which was there before
        (view("a1", "b1", "c1", "t9"), view("a1", "x-", "y-", "t9"), "reroute"),  # nobody's
    ],
)
def test_an_as_change_needs_two_known_hops_of_another_as(before, after, named) -> None:
    assert class_of(before, after, lambda who: int(who[1]) if who[1].isdigit() else None) == named


def test_a_destination_is_compared_with_the_destination_alone() -> None:
    assert differing(view("a", "b", "t"), view("a", "b", "c", "t")) == []
    assert differing(view("a", "b", "t"), view("a", "x", "t")) == [2]


# The world.


def test_a_world_is_the_one_that_is_published() -> None:
    world = make(7, 1.0)
    routes = dict(world.scenario.routes)
    lengths = [len(routes[f"{target}.0"]) + 1 for target in world.targets]
    balanced = [any(len(hop) > 1 for hop in routes[f"{target}.0"]) for target in world.targets]
    assert len(world.targets) == 40
    assert min(lengths) >= 12
    assert max(lengths) <= 18
    assert 0.5 <= sum(balanced) / 40 <= 0.95
    assert max(len(routes[f"{target}.{n}"]) + 1 for target in world.targets for n in range(4)) <= 18
    assert len({routes[f"{target}.0"][3:5] for target in world.targets}) == 2, "two trunks"
    assert len({routes[f"{target}.0"][5] for target in world.targets}) == 8, "eight networks"
    assert all(
        happening.lasts_s >= 20 or happening.until_s == world.ends_s for happening in world.happenings if happening.what == What.DEPARTURE
    )


def test_every_network_of_a_world_is_an_as_and_some_departures_lead_through_another() -> None:
    world = make(7, 3.0)
    addresses = [router.address4 for router in world.scenario.routers if router.address4]
    addresses += [destination.address for destination in world.scenario.destinations]
    networks = {".".join(address.split(".")[:2]): AS_OF(address) for address in addresses}
    assert networks.pop("192.168") is None
    assert networks[ISP] is not None
    assert len(set(networks.values())) == len(networks) > 2 * 8
    kinds = [each.classes for seed in range(4) for each in make(seed, 3.0).happenings if each.what is What.DEPARTURE]
    assert 0.05 <= kinds.count("as_path") / len(kinds) <= 0.3


def test_equal_seeds_give_equal_worlds() -> None:
    assert make(3, 1.0) == make(3, 1.0)
    assert make(3, 1.0).happenings != make(4, 1.0).happenings


def test_departures_come_as_often_as_stated_and_half_are_short() -> None:
    departures = [each for seed in range(6) for each in make(seed, 5.0, CALM).happenings if each.what is What.DEPARTURE]
    # A day at home all day: 24 x 0.12 + 12 x 1.2 + 4 x 12 = 65; but a target that is away, often for hours, does not depart.
    assert 30 * 20 <= len(departures) <= 30 * 65
    short = sum(each.lasts_s < 1800 for each in departures) / len(departures)
    assert 0.4 <= short <= 0.75


def test_nothing_happens_to_a_lost_target_but_its_return() -> None:
    for seed in range(5):
        happenings = make(seed, 3.0).happenings
        for lost in (each for each in happenings if each.what is What.LOST):
            others = [each for each in happenings if each.target == lost.target and each.what in (What.DEPARTURE, What.RETURN)]
            assert not [each for each in others if lost.at_s <= each.at_s < lost.until_s]


# The score.


def test_the_earliest_alarm_within_an_event_is_its_own() -> None:
    score = judge([departure(1000, 2000)], [Alarm("t", 1500.0), Alarm("t", 1100.0), Alarm("u", 1050.0)])
    assert [match.delay_s for match in score.paths] == [100.0]
    assert (score.right, score.extra, [alarm.target for alarm in score.false]) == (1, 1, ["u"])


@pytest.mark.parametrize(("at_s", "delay_s"), [(999.0, MISSED), (1000.0, 0.0), (2030.0, 1030.0), (2031.0, MISSED)])
def test_an_alarm_may_come_until_half_a_minute_after_the_end(at_s: float, delay_s: float) -> None:
    assert [match.delay_s for match in judge([departure(1000, 2000)], [Alarm("t", at_s)]).paths] == [delay_s]


def test_one_alarm_serves_one_event() -> None:
    score = judge([departure(1000, 2000), departure(2000, 9000, what=What.RETURN)], [Alarm("t", 2020.0)])
    assert [match.alarm is not None for match in score.paths] == [True]
    assert [match.alarm for match in score.returns] == [None]
    both = judge([departure(1000, 2000), departure(2000, 9000, what=What.RETURN)], [Alarm("t", 2020.0), Alarm("t", 2025.0)])
    assert [match.delay_s for match in both.paths + both.returns] == [1020.0, 25.0]


def test_an_alarm_is_not_taken_for_an_older_event_that_nobody_saw() -> None:
    events = [departure(1000, 9000), departure(5000, 9000, cause=2, what=What.SHARED)]
    assert [match.delay_s for match in judge(events, [Alarm("t", 5010.0)]).paths] == [MISSED, 10.0]
    missed = [departure(1000, 1050), departure(1050, 9000, what=What.RETURN), departure(5000, 9000, cause=2, what=What.SHARED)]
    assert [match.delay_s for match in judge(missed, [Alarm("t", 5010.0)]).paths] == [MISSED, 10.0]


def test_the_return_from_what_was_missed_counts_nowhere() -> None:
    score = judge([departure(1000, 2000), departure(2000, 9000, what=What.RETURN)], [])
    assert (len(score.paths), score.returns, score.recall()) == (1, [], 0.0)


@pytest.mark.parametrize(("at_s", "false"), [(2600.0, False), (2601.0, True), (399.0, True), (400.0, False), (1900.0, False)])
def test_an_extra_alarm_is_false_when_nothing_happened_for_ten_minutes(at_s: float, false: bool) -> None:
    score = judge([departure(1000, 2000)], [Alarm("t", 1001.0), Alarm("t", at_s)])
    assert (len(score.false), score.extra) == ((1, 0) if false else (0, 1))


def test_what_nobody_can_see_is_listed_and_not_counted() -> None:
    score = judge([departure(1000, 2000, seen=False)], [Alarm("t", 1100.0)])
    assert (score.unobservable, score.paths, score.false, score.extra) == (1, [], [], 1)


def test_missed_events_stand_beyond_every_delay() -> None:
    assert median([5.0, MISSED, 7.0]) == 7.0
    assert median([5.0, MISSED, MISSED]) == MISSED
    assert median([]) is None
    score = judge([departure(0, 100, "a"), departure(0, 400, "b", cause=2)], [Alarm("b", 50.0)])
    assert (score.recall(), score.recall(0), score.within(60)) == (1.0, 0.5, 0.5)


def test_reachability_is_scored_by_itself() -> None:
    events = [departure(1000, 2000, what=What.LOST), departure(2000, 9000, what=What.BACK)]
    score = judge(events, [Alarm("t", 1020.0, True), Alarm("t", 2020.0, False), Alarm("t", 5000.0, True), Alarm("t", 1020.0)])
    assert [match.delay_s for match in score.losses] == [20.0]
    assert [alarm.at_s for alarm in score.false_lost] == [5000.0]
    assert [alarm.at_s for alarm in score.false] == [1020.0], "a path alarm is no word about reachability"
    assert reachability(score) == "losses of reachability: 1 of 1 told, median 20 s, false 1"


def test_worlds_add_up() -> None:
    one, other = (judge([departure(1000, 2000)], [Alarm("t", at_s)]) for at_s in (1001.0, 9000.0))
    one.days, other.days = 2.0, 2.0
    one.add(other)
    assert (one.false_per_target_day, one.precision, one.recall()) == (0.25, 0.5, 0.5)


# The table.


def test_a_row_says_what_the_score_says() -> None:
    score = judge([departure(1000, 2000)], [Alarm("t", 1050.0, classes="hop", segment="transit", incident="i")])
    score.days, score.seconds, score.spent = 40.0, 86_400.0, 86_400
    row = table({("ours", 1.0): score}).splitlines()[1].split()
    assert row == ["ours", "1.00", "0.0000", "1.0000", "1.000", "1.000", "1.000", "50", "-", "0"]
    assert classes(score).startswith("classes: macro F1 1.00 (hop 1.00)")
    assert "<polyline" in chart({("ours", 1.0): score}, "Title")


def test_the_readme_shows_all_at_one_budget_and_ours_at_every() -> None:
    score = judge([departure(0, 1000)], [Alarm("t", 10, classes="length", segment="isp")])
    score.days = score.seconds = 1.0
    text = markdown({(name, pps): score for name in ("theirs", "ours") for pps in (0.25, 1.0)}, "ours", 1.0)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["theirs", "ours", "ours"]
    assert {row.count("|") for row in rows} == {9}
    assert reachability(score) in text
    assert "most wrong" in classes(score)
    assert "most wrong" not in text


def test_a_shared_change_is_told_when_nine_of_ten_targets_are() -> None:
    events = [departure(1000, 5000, f"t{n}", what=What.SHARED) for n in range(10)]
    score = judge(events, [Alarm(f"t{n}", 1010.0 + n, incident="one") for n in range(9)])
    assert shared(score) == "shared changes: 1, 90 % of targets told after 18 s (median), incidents each 1.0"


# Budgets and seeds.


@pytest.mark.parametrize("contestant", [paris_wildcard, dtrack_like])
def test_nobody_spends_more_than_the_budget(contestant) -> None:
    world = make(1, 0.05)
    network = Metered(world.scenario, 1, world.starts_s)
    contestant(world, network, 0.5)
    allowed = 0.5 * (world.ends_s - world.starts_s)
    assert 0.95 * allowed <= network.spent <= 1.02 * allowed
    assert network.free >= 40 * 12


def test_sealed_seeds_are_refused() -> None:
    assert seeds("0-2,1999") == [0, 1, 2, 1999]
    for text in ("2000", "1999-2000", "-1", "x", "5-4"):
        with pytest.raises(argparse.ArgumentTypeError):
            seeds(text)


def test_the_command_refuses_them_too() -> None:
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "bench.detect", "--seeds", "2000"], capture_output=True, text=True, env={"PYTHONPATH": str(tests)}, cwd=tests
    )
    assert done.returncode == 2
    assert "seeds 0-999 are for tuning, 1000-1999 for reporting" in done.stderr


# The baselines' comparisons.


def test_a_wildcard_matches_everything_and_a_length_counts_where_both_reached() -> None:
    known = Paris(("a", None, "c", "t"), True)
    assert not differ(known, Paris(("a", "b", "c", "t"), True))
    assert differ(known, Paris(("a", "b", "x", "t"), True))
    assert differ(known, Paris(("a", "b", "t"), True))
    assert not differ(known, Paris(("a", "b"), False))
    assert merged(known, Paris(("a", "b", None, "t"), True)) == Paris(("a", "b", "c", "t"), True)
    assert merged(known, Paris(("a", "b"), False)) == Paris(("a", "b", "c", "t"), True)


def test_numbers_are_all_there_is_to_choose() -> None:
    assert sum(share for _, share in Numbers().rates) == pytest.approx(1)
    assert sum(share for _, share in Numbers().widths) == pytest.approx(1)
    assert make(1, 0.1, dataclasses.replace(CALM, balanced=0.0)).scenario != make(1, 0.1, CALM).scenario
