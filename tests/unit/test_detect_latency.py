"""What of the level shifts is told: held, joined to a path change, never from silence; blame and the hours of the day."""

import json
import sys
from collections.abc import Iterable, Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.detect.diurnal import HOUR_NS, Hours
from pathwarden.detect.latency import HELD_NS, HELD_SAMPLES, JOIN_NS, Latency, LatencyShift, blame, classes
from pathwarden.model.instants import ClockShift

S = 10**9
START = 1_700_000_000 * S
PACE_S = 60
JITTER = st.floats(-0.5, 0.5)


class Life:
    """A target's sentinels at an even pace."""

    def __init__(self, pace_s: int = PACE_S) -> None:
        self.latency, self.pace_ns, self.ns = Latency(), pace_s * S, 0
        self.told: list[LatencyShift] = []

    def feed(self, rtts: Iterable[float | None], series: str = "a") -> list[LatencyShift]:
        """What these brought."""
        before = len(self.told)
        for rtt in rtts:
            self.ns += self.pace_ns
            shift = self.latency.on_sample(series, rtt, START + self.ns, self.ns)
            self.told += [shift] if shift else []
        return self.told[before:]

    def change(self, old: str, new: str) -> list[LatencyShift]:
        shift = self.latency.on_path_change(old, new, START + self.ns, self.ns)
        self.told += [shift] if shift else []
        return [shift] if shift else []


@pytest.mark.parametrize("step", [8.0, -8.0, 60.0])
@pytest.mark.parametrize("pace_s", [10, 60, 200])
def test_a_step_is_told_once_when_it_has_held(step: float, pace_s: int) -> None:
    life = Life(pace_s)
    assert not life.feed([40.0, 40.3, 40.1] * 20)
    began = START + life.ns + life.pace_ns
    (shift,) = life.feed([40.0 + step, 40.2 + step, 40.1 + step] * 200)
    assert (shift.before_ms, shift.after_ms) == (pytest.approx(40, abs=0.3), pytest.approx(40 + step, abs=0.3))
    assert not shift.joined
    assert shift.since_at == began
    least_ns = max(HELD_NS, HELD_SAMPLES * life.pace_ns)
    assert HELD_NS <= shift.decided_at - shift.since_at <= least_ns + 2 * life.pace_ns


@pytest.mark.parametrize(("level", "step", "told"), [(20, 4.5, 0), (20, 5.5, 1), (200, 18, 0), (200, 22, 1), (200, -18, 0), (200, -22, 1)])
def test_a_held_step_must_be_5_ms_and_a_tenth(level: float, step: float, told: int) -> None:
    life = Life()
    life.feed([level] * 60)
    assert len(life.feed([level + step] * 100)) == told


def test_a_step_that_does_not_last_is_not_told() -> None:
    life = Life()
    life.feed([20.0] * 60)
    assert not life.feed(([60.0] * 27 + [20.0] * 60) * 3)


def test_a_step_whose_end_is_not_yet_decided_is_not_told() -> None:
    life = Life()
    life.feed([20.0] * 60)
    assert not life.feed([60.0] * 29 + [20.0] * 60), "the half hour ended while the trigger looked at the way back"


def test_small_steps_in_a_row_count_together_while_the_first_is_pending() -> None:
    life = Life()
    life.feed([20.0] * 60)
    (shift,) = life.feed([26.0] * 15 + [34.0] * 60)
    assert (shift.before_ms, shift.after_ms) == (20.0, 34.0)


def test_where_sentinels_are_rare_a_step_must_hold_for_more_of_them() -> None:
    life = Life(600)
    life.feed([20.0] * 60)
    assert not life.feed(([60.0] * 10 + [20.0] * 40) * 3)


def test_a_level_that_the_usual_one_visits_is_not_told() -> None:
    life = Life()
    life.feed(([20.0] * 12 + [32.0] * 6) * 20)
    assert not life.feed([32.0] * 200)
    assert len(life.feed([60.0] * 100)) == 1


def test_a_level_among_those_of_a_noisy_path_is_not_told() -> None:
    """A quarter of the replies waits in queues, at times many in a row: nothing of that is a shift."""
    random, life = Random(11), Life()
    print("seed 11")
    assert not life.feed(20 + random.random() + random.choice([0, 0, 0, 12]) for _ in range(20_000))


def test_a_slow_drift_is_not_told() -> None:
    life = Life()
    assert not life.feed([20.0 + 0.02 * minute for minute in range(2000)])


@given(st.floats(5, 300), st.lists(JITTER, min_size=20, max_size=120), st.sets(st.integers(0, 119)))
def test_bounded_noise_and_loss_are_never_told(level: float, jitter: list[float], lost: set[int]) -> None:
    life = Life(300)
    life.feed(None if index in lost else level + value for index, value in enumerate(jitter))
    life.change("a", "a")
    life.feed(None if index in lost else level + value for index, value in enumerate(jitter))
    assert not life.told


@given(st.lists(st.one_of(st.none(), st.floats(1, 900)), max_size=40), st.sampled_from(["a", "b"]))
def test_nothing_is_told_from_silence(rtts: list[float | None], series: str) -> None:
    life = Life()
    life.feed(rtts)
    life.change("a", series)
    assert not life.feed([None] * 60, series)


def test_silence_begins_the_half_hour_anew() -> None:
    life = Life()
    life.feed([20.0] * 60)
    assert not life.feed([60.0] * 20 + [None] * 30 + [60.0] * 25)
    assert len(life.feed([60.0] * 10)) == 1


@pytest.mark.parametrize("late", [0, 1, 4])
@pytest.mark.parametrize("step", [14.0, -14.0])
def test_a_path_change_carries_its_impact(step: float, late: int) -> None:
    """`late`: samples of the new series before the change is told of."""
    life = Life()
    life.feed([30.0, 30.4] * 30)
    found = life.feed([30.0 + step] * late, "b") + life.change("a", "b") + life.feed([30.0 + step] * 100, "b")
    (shift,) = found
    assert shift.joined
    assert shift.after_ms - shift.before_ms == pytest.approx(step, abs=0.5)
    assert shift.decided_at - (START + 60 * life.pace_ns) <= max(3, late) * life.pace_ns


@pytest.mark.parametrize(("level", "step"), [(30, 9.0), (30, -9.0), (100, 14.0)])
def test_a_path_change_of_small_impact_carries_none(level: float, step: float) -> None:
    life = Life()
    life.feed([float(level)] * 60)
    life.change("a", "b")
    assert not life.feed([level + step] * 100, "b")


def test_the_samples_of_a_noisy_level_must_be_surpassed() -> None:
    life = Life()
    life.feed([float(rtt) for rtt in (30, 55, 42, 70, 64, 38, 51, 88, 47, 59)] * 6)
    life.change("a", "b")
    assert not life.feed([50.0] * 40, "b")


def test_series_are_not_compared_without_a_change() -> None:
    life = Life()
    assert not life.feed([20.0] * 60) + life.feed([80.0] * 100, "b") + life.feed([20.0] * 100) + life.feed([80.0, 20.0] * 100, "c")


def test_replies_that_come_long_after_a_change_do_not_join_it() -> None:
    life = Life()
    life.feed([20.0] * 60)
    life.change("a", "b")
    assert not life.feed([None] * (JOIN_NS // life.pace_ns + 1) + [80.0] * 100, "b")


def test_one_slow_reply_after_a_change_is_no_impact() -> None:
    life = Life()
    life.feed([20.0] * 60)
    life.change("a", "b")
    assert not life.feed([90.0, 85.0, 20.0, 20.0, 70.0] + [20.0] * 60, "b")


def test_a_change_within_one_series_is_told_once() -> None:
    life = Life()
    life.feed([20.0] * 60 + [45.0])
    life.change("a", "a")
    (shift,) = life.feed([45.0] * 200)
    assert shift.joined
    assert (shift.before_ms, shift.after_ms) == (20.0, 45.0)


def test_an_impact_is_not_told_again_when_the_trigger_sees_it_late() -> None:
    life = Life(200)
    life.feed([20.0] * 60)
    life.change("a", "a")
    assert len(life.feed([45.0] * 3)) == 1
    assert not life.feed([45.0, None] * 8 + [45.0] * 60)


def test_a_step_long_before_the_change_is_not_its_impact() -> None:
    life = Life()
    life.feed([20.0] * 60 + [45.0] * 20)
    life.change("a", "b")
    assert not life.feed([45.0] * 60, "b")


def test_two_changes_at_once_are_held_against_the_first_path() -> None:
    life = Life()
    life.feed([20.0] * 60)
    life.change("a", "b")
    life.feed([45.0], "b")
    life.change("b", "c")
    (shift,) = life.feed([45.0] * 60, "c")
    assert (shift.before_ms, shift.after_ms, shift.joined) == (20.0, 45.0, True)


STORY = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("ab"), st.sampled_from([20.0, 20.3, 33.0, 90.0, None]), st.integers(1, 40)),
        st.tuples(st.sampled_from(["aa", "ab", "ba"]), st.none(), st.just(1)),
    ),
    max_size=12,
)


def play(latency: Latency, story: Iterable[tuple[str, float | None, int]], ns: int) -> list[LatencyShift | None]:
    told = []
    for what, rtt, count in story:
        for _ in range(count):
            ns += PACE_S * S
            if len(what) == 2:
                told.append(latency.on_path_change(what[0], what[1], START + ns, ns))
            else:
                told.append(latency.on_sample(what, rtt, START + ns, ns))
    return told


@given(STORY, STORY)
def test_a_restored_machine_goes_on_alike(first: list[tuple[str, float | None, int]], then: list[tuple[str, float | None, int]]) -> None:
    latency = Latency()
    play(latency, first, 0)
    other = Latency.restore(json.loads(json.dumps(latency.export())))
    assert other.export() == latency.export()
    # A restart sets monotonic time back, and no time passes between the last sample before it and the first one after it.
    latency._mono_ns = None
    assert play(latency, then, 10**15) == play(other, then, 10**15)


@pytest.mark.parametrize(
    "change",
    [
        {"now_ns": -1},
        {"series": 1},
        {"trigger": []},
        {"hours": {}},
        {"replies": [1, 2, 3, 4]},
        {"replies": [None]},
        {"ats": [1]},
        {"ats": "x"},
        {"parked": {str(number): [1.0, 1.0] for number in range(4)}},
        {"parked": {"a": [1.0]}},
        {"usual": [1.0, True]},
        {"join": ["b", [1.0, 1.0], -1]},
        {"join": ["b"]},
        {"pending": [1, 1, 1, 1]},
    ],
)
def test_a_damaged_state_is_refused(change: Mapping[str, object]) -> None:
    good = Latency().export()
    assert Latency.restore(good).export() == good
    with pytest.raises((TypeError, ValueError, KeyError)):
        Latency.restore({**good, **change})


def test_instants_are_corrected_with_the_clock() -> None:
    life = Life()
    life.feed([20.0] * 60 + [60.0] * 20)
    life.latency.shift(ClockShift(START, START + life.ns, 1000 * S, 0))
    life_ns = life.ns
    told = [life.latency.on_sample("a", 60.0, START + 1000 * S + ns, ns) for ns in range(life_ns + 60 * S, life_ns + 1200 * S, 60 * S)]
    (shift,) = [one for one in told if one]
    assert abs(shift.since_at - (START + 1000 * S + 61 * 60 * S)) <= 120 * S


def test_the_memory_is_bounded() -> None:
    random = Random(7)
    life = Life(300)
    for number in range(40):
        life.feed([random.choice([20.0, 25.0, 60.0, None]) for _ in range(150)], f"{number:040}")
        life.change(f"{number:040}", f"{number + 1:040}")
    assert size(life.latency) <= 4096


def size(value: object) -> int:
    """Bytes of a value and of all that it holds."""
    parts: list[object] = []
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, tuple | list):
        parts = list(value)
    elif hasattr(value, "__slots__") and not isinstance(value, str | int | float):
        parts = [getattr(value, name) for name in value.__slots__]
    return sys.getsizeof(value) + sum(size(part) for part in parts if part is not None and not isinstance(part, bool))


@pytest.mark.parametrize(
    ("before", "after", "ttl"),
    [
        ({1: 1.0, 2: 8.0, 3: 9.0, 4: 20.0}, {1: 1.0, 2: 8.0, 3: 29.0, 4: 40.0}, 3),
        ({1: 1.0, 2: 8.0, 3: 9.0, 4: 20.0}, {1: 1.0, 2: 60.0, 3: 9.0, 4: 40.0}, 4),  # a router slow to answer is not the place
        ({1: 1.0, 2: 8.0, 4: 20.0}, {1: 1.0, 3: 30.0, 4: 40.0}, 4),  # what answered once only says nothing
        ({1: 1.0, 2: 8.0, 3: 20.0}, {1: 21.0, 2: 28.0, 3: 40.0}, 1),
        ({1: 1.0, 2: 28.0, 3: 40.0}, {1: 1.0, 2: 8.0, 3: 20.0}, 2),
        ({1: 1.0, 2: 28.0, 3: 40.0}, {1: 1.0, 2: 8.0, 3: 41.0}, None),
        ({1: 1.0, 2: 8.0, 3: 20.0}, {1: 1.0, 2: 17.0, 3: 40.0}, 3),
        ({1: 1.0, 2: 8.0, 3: 20.0}, {1: 1.0, 2: 18.0, 3: 40.0}, 2),
        ({1: 1.0, 2: 8.0, 3: 20.0}, {1: 1.0, 2: 12.0, 3: 24.0}, None),
        ({1: 1.0}, {2: 8.0}, None),
        ({}, {}, None),
    ],
)
def test_the_first_hop_that_moved_with_all_deeper_ones_is_blamed(
    before: dict[int, float], after: dict[int, float], ttl: int | None
) -> None:
    assert blame(before, after) == ttl


def test_congestion_is_diurnal_behind_a_near_side_that_stayed_flat() -> None:
    shift = LatencyShift(20, 40, 1, 2, joined=False, diurnal=True)
    assert classes(shift, 4) == ("latency", "congestion")
    assert classes(shift, 1) == classes(shift, None) == classes(shift._replace(diurnal=False), 4) == ("latency",)


def week(excess: Mapping[int, float], days: int = 7, skip: frozenset[int] = frozenset()) -> Hours:
    """Hours whose samples are 20 ms plus the excess of that hour of the week."""
    hours, random = Hours(), Random(3)
    for hour in range(days * 24 + 1):
        for minute in range(0, 0 if hour in skip else 60, 6):
            hours.add(20 + random.random() + excess.get(hour, 0.0), START + hour * HOUR_NS + minute * 60 * S)
    return hours


def evenings(days: Iterable[int], first: int = 18, last: int = 23) -> dict[int, float]:
    return {day * 24 + hour: 15.0 for day in days for hour in range(first, last)}


@pytest.mark.parametrize(
    ("excess", "diurnal"),
    [
        (evenings(range(7)), True),
        (evenings(range(5)), True),
        (evenings([0, 1, 3, 4, 5, 6]), True),
        (evenings(range(7), 8, 22), True),
        (evenings([0, 2, 5]), False),
        (evenings([6]), False),
        ({}, False),
        (dict.fromkeys(range(80, 168), 15.0), False),
        (dict.fromkeys(range(0, 168, 5), 15.0), False),
        (dict.fromkeys(range(0, 168, 2), 15.0), False),
        (dict.fromkeys(range(168), 15.0), False),
        (dict.fromkeys(evenings(range(7)), 4.0), False),
    ],
)
def test_the_same_hours_of_most_days_are_diurnal(excess: dict[int, float], diurnal: bool) -> None:
    hours = week(excess)
    assert hours.diurnal() is diurnal
    assert Hours.restore(json.loads(json.dumps(hours.export()))).export() == hours.export()


def test_a_few_days_make_no_habit_and_unknown_hours_no_evidence() -> None:
    assert not week(evenings(range(7)), days=4).diurnal()
    assert not week(evenings(range(7)), skip=frozenset(range(60))).diurnal()
    assert week(evenings(range(7)), skip=frozenset(range(60, 80))).diurnal()


def test_hours_of_another_route_are_put_beside() -> None:
    life, excess = Life(300), evenings(range(7))
    for hour in range(169):
        route = min(hour // 40, 3)
        life.feed([20.0 * (route + 1) + excess.get(hour, 0.0)] * 12, f"route {route}")
    assert life.latency._hours.diurnal()


def test_a_shift_in_the_evening_of_a_diurnal_week_says_so() -> None:
    life, excess = Life(300), evenings(range(7))
    told = life.feed(20 + (index % 3) / 10 + excess.get(index // 12, 0.0) for index in range(7 * 24 * 12))
    assert told[-2].diurnal, told
    assert told[-1].diurnal, told
    assert not told[0].diurnal, told
