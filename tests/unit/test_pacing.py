"""The pace: never more than the rate in the long run, never a burst beyond a tenth of a second."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.engine.pacing import APART, BREATH_S, GATHER_S, Pace, TokenBucket, apart, thrifty

SECOND = 1_000_000_000


@pytest.mark.parametrize(("rate", "burst", "expected"), [(10, 0, 1), (0.1, 0, 1), (100, 0, 10), (1000, 0, 100), (10, 5, 5)])
def test_after_a_pause_a_tenth_of_a_second_may_leave_at_once(rate: float, burst: int, expected: int) -> None:
    assert TokenBucket(rate, burst).available(3600 * SECOND) == expected


def test_the_next_probe_waits_its_interval() -> None:
    bucket = TokenBucket(10)
    bucket.take(1, 5 * SECOND)
    assert bucket.available(5 * SECOND) == 0
    assert bucket.next_ns() == 5 * SECOND + SECOND // 10
    assert bucket.available(bucket.next_ns() - 1) == 0
    assert bucket.available(bucket.next_ns()) == 1


def test_a_turn_that_began_before_the_last_probe_left_may_send_nothing() -> None:
    """The clock goes on while probes leave; a number below 0 would look like "less than asked for" to the driver."""
    bucket = TokenBucket(10)
    bucket.take(1, 5 * SECOND + 1000)
    assert bucket.available(5 * SECOND) == 0


@given(st.sampled_from([0.1, 1, 10, 33, 1000]), st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=60))
def test_no_stretch_of_time_sees_more_than_rate_and_burst(rate: float, pauses_ns: list[int]) -> None:
    bucket, now_ns, left = TokenBucket(rate), 10**15, list[int]()
    for pause_ns in pauses_ns:
        now_ns += pause_ns
        count = bucket.available(now_ns)
        if count:
            bucket.take(count, now_ns)
            left.extend([now_ns] * count)
        assert bucket.next_ns() > now_ns
    most_at_once = max(1, round(rate / 10))
    for first in range(len(left)):
        for last in range(first, len(left), 7):
            assert last - first + 1 <= most_at_once + (left[last] - left[first]) / SECOND * rate + 1e-6


@pytest.mark.parametrize("make", [TokenBucket, thrifty])
def test_waiting_for_the_next_probe_keeps_the_rate(make: Callable[[float], Pace]) -> None:
    bucket, now_ns, probes = make(10), 10**12, 0
    until_ns = now_ns + 60 * SECOND
    while now_ns < until_ns:
        probes += bucket.available(now_ns)
        bucket.take(bucket.available(now_ns), now_ns)
        now_ns = bucket.next_ns()
    assert probes == 600


@pytest.mark.parametrize(("rate", "together"), [(0.1, 1), (1, 1), (3, 1), (5, 2), (10, 3), (60, 3), (100, 5), (1000, 50)])
def test_who_is_thrifty_lets_some_leave_together_and_never_more_than_may_be_asked_in_one_breath(rate: float, together: int) -> None:
    """At a quick pace that is what anybody does."""
    bucket, now_ns = thrifty(rate), 3600 * SECOND
    bucket.take(bucket.available(now_ns), now_ns)
    gone_ns = []
    for _ in range(10):
        now_ns = bucket.next_ns()
        assert bucket.available(now_ns - 1) < together
        assert bucket.available(now_ns) == together
        bucket.take(together, now_ns)
        gone_ns.append(now_ns)
    assert all(b - a == pytest.approx(together / rate * SECOND) for a, b in pairwise(gone_ns))
    assert together <= max(APART, rate * GATHER_S)


@given(st.sampled_from([3.5, 5, 10, 33]), st.lists(st.integers(0, SECOND), min_size=1, max_size=60), st.data())
def test_who_is_thrifty_never_asks_more_than_a_breath_within_its_time(rate: float, pauses_ns: list[int], data: st.DataObject) -> None:
    """However many of those that may leave do: so two probes that are `APART` apart are so in time as well."""
    pace, now_ns, left = thrifty(rate), 10**15, list[int]()
    most = min(round(rate * BREATH_S), APART)
    for pause_ns in pauses_ns:
        now_ns += pause_ns
        count = data.draw(st.integers(0, pace.available(now_ns)))
        pace.take(count, now_ns)
        left += [now_ns] * count
    assert all(later - first >= round(most / rate * SECOND) for first, later in zip(left, left[most:], strict=False))


@given(st.data(), st.integers(1, 40))
def test_who_was_asked_just_now_is_not_among_the_first(data: st.DataObject, count: int) -> None:
    before = data.draw(st.permutations(range(count)))
    drawn = data.draw(st.permutations(range(count)))
    late = before[1 - APART :]
    after = apart(list(drawn), late)
    assert sorted(after) == sorted(drawn)
    if count >= 2 * (APART - 1):
        asked = [*before, *after]
        assert all(second - first >= APART for each in drawn for first, second in [[n for n, other in enumerate(asked) if other == each]])
    if not set(drawn[: APART - 1]) & set(late):
        assert after == list(drawn)
