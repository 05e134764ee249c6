"""When each target is traced: phase, order, pauses, and no bursts."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.fakes import make_target
from pathwarden.daemon.schedule import LEAST_PAUSE_NS, START_SPREAD_NS, Schedule
from pathwarden.model.trace import Reason

SECOND = 1_000_000_000
START = 7 * SECOND
MANY = 100


def make(count: int = 1, jitter_pct: int = 0, interval_s: int = 300, seed: int = 1) -> Schedule:
    targets = tuple(replace(make_target(f"t{n}"), interval_s=interval_s, jitter_pct=jitter_pct) for n in range(count))
    return Schedule(targets, random.Random(seed), START)


def names(schedule: Schedule, mono_ns: int, most: int = MANY) -> list[tuple[str, str]]:
    return [(target.tid, reason.value) for target, reason in schedule.due(mono_ns, most)]


def traced(schedule: Schedule, mono_ns: int, again_s: int | None = None, lasts_ns: int = SECOND) -> Reason:
    """Trace the one target that is due."""
    ((target, reason),) = schedule.due(mono_ns, MANY)
    schedule.finished(target.tid, reason, mono_ns + lasts_ns, None if again_s is None else again_s * SECOND)
    return reason


def test_a_paused_target_is_traced_on_demand_only() -> None:
    schedule = make()
    traced(schedule, START)
    schedule.pause("t0", paused=True)
    assert schedule.is_paused("t0")
    schedule.again("t0", START + SECOND, Reason.CONFIRM)
    assert names(schedule, START + 9999 * SECOND) == []
    assert schedule.next_ns() is None
    assert schedule.next_run_ns("t0") is None
    schedule.ask("t0")
    assert traced(schedule, START + 9999 * SECOND) is Reason.COMMAND
    schedule.pause("t0", paused=False)
    assert traced(schedule, START + 10_001 * SECOND) is Reason.SCHEDULE
    assert schedule.next_run_ns("t0") == START + 10_200 * SECOND, "it kept its phase"


def test_first_traces_are_spread_over_the_first_seconds() -> None:
    schedule = make(8)
    assert names(schedule, START) == [("t0", "schedule")]
    step = START_SPREAD_NS // 8
    for n in range(1, 8):
        assert schedule.next_ns() == START + n * step
        assert names(schedule, START + n * step) == [(f"t{n}", "schedule")]
    assert schedule.next_ns() is None


def test_a_disabled_target_is_never_due() -> None:
    schedule = Schedule((replace(make_target("off"), enabled=False), make_target("on")), random.Random(1), START)
    assert names(schedule, START + 10**15) == [("on", "schedule")]
    assert schedule.ask("off") is False
    assert schedule.next_run_ns("off") is None


def test_a_target_keeps_its_phase_however_long_its_traces_last() -> None:
    schedule = make()
    for n in range(50):
        assert schedule.next_ns() == START + n * 300 * SECOND
        assert traced(schedule, START + n * 300 * SECOND, lasts_ns=(n % 20) * SECOND) is Reason.SCHEDULE


@given(st.integers(0, 2**32), st.integers(0, 50), st.integers(2, 86_400))
def test_jitter_stays_within_its_share_of_the_interval(seed: int, jitter_pct: int, interval_s: int) -> None:
    schedule = make(jitter_pct=jitter_pct, interval_s=interval_s, seed=seed)
    for _ in range(20):
        due_ns = schedule.next_run_ns("t0")
        assert due_ns is not None
        traced(schedule, due_ns, lasts_ns=1)
        next_ns = schedule.next_run_ns("t0")
        assert next_ns is not None
        assert abs(next_ns - due_ns - interval_s * SECOND) <= max(interval_s * SECOND * jitter_pct / 100, LEAST_PAUSE_NS)


def test_a_second_passes_between_two_traces() -> None:
    schedule = make(interval_s=1)
    traced(schedule, START, lasts_ns=SECOND // 2)
    assert schedule.next_ns() == START + SECOND // 2 + LEAST_PAUSE_NS


def test_a_trace_that_lasts_longer_than_its_interval_leads_to_one_trace() -> None:
    schedule = make(interval_s=2)
    traced(schedule, START, lasts_ns=9 * SECOND)
    assert schedule.next_ns() == START + 10 * SECOND
    traced(schedule, START + 10 * SECOND, lasts_ns=0)
    assert schedule.next_ns() == START + 12 * SECOND


def test_hours_of_sleep_lead_to_one_trace_of_each_target() -> None:
    schedule = make(3)
    woken = START + 3 * 3600 * SECOND
    assert len(names(schedule, woken)) == 3
    for n in range(3):
        schedule.finished(f"t{n}", Reason.SCHEDULE, woken + 5 * SECOND, None)
    assert names(schedule, woken + 6 * SECOND) == []
    due_ns = [schedule.next_run_ns(f"t{n}") for n in range(3)]
    assert all(due is not None and woken < due <= woken + 306 * SECOND for due in due_ns)


def test_a_running_target_is_not_handed_out_again() -> None:
    schedule = make()
    assert names(schedule, START) == [("t0", "schedule")]
    assert schedule.ask("t0")
    assert names(schedule, START + 10**15) == []
    assert schedule.next_ns() is None


def test_a_wish_during_a_trace_is_met_by_that_trace() -> None:
    schedule = make()
    ((_, reason),) = schedule.due(START, MANY)
    schedule.ask("t0")
    schedule.finished("t0", reason, START + SECOND, None)
    assert names(schedule, START + 2 * SECOND) == []


def test_what_a_person_asked_for_comes_first_then_retraces_then_the_schedule() -> None:
    schedule = make(3)
    later = START + 10 * SECOND
    assert len(schedule.due(later, MANY)) == 3
    schedule.finished("t0", Reason.SCHEDULE, later, SECOND)
    schedule.finished("t1", Reason.SCHEDULE, later, None)
    schedule.put_off("t2", later)
    schedule.ask("t1")
    assert names(schedule, later + 2 * SECOND) == [("t1", "command"), ("t0", "confirm"), ("t2", "schedule")]


def test_only_the_schedule_waits_for_room() -> None:
    schedule = make(3)
    later = START + 10 * SECOND
    assert names(schedule, later, 0) == []
    assert names(schedule, later, -2) == []
    schedule.ask("t1")
    assert names(schedule, later, 0) == [("t1", "command")]
    assert names(schedule, later, 1) == [("t0", "schedule")]


def test_a_wish_and_a_retrace_leave_the_phase_alone() -> None:
    schedule = make()
    traced(schedule, START, again_s=1)
    assert traced(schedule, START + 2 * SECOND, again_s=1) is Reason.CONFIRM
    schedule.ask("t0")
    assert traced(schedule, START + 3 * SECOND) is Reason.COMMAND
    assert schedule.next_ns() == START + 300 * SECOND
    assert traced(schedule, START + 300 * SECOND) is Reason.SCHEDULE


def test_a_retrace_due_after_the_scheduled_trace_is_that_trace() -> None:
    schedule = make(interval_s=2)
    traced(schedule, START, again_s=60)
    assert traced(schedule, START + 2 * SECOND) is Reason.SCHEDULE


@pytest.mark.parametrize("reason", [Reason.SCHEDULE, Reason.CONFIRM, Reason.COMMAND])
def test_a_trace_put_off_is_due_then_and_not_before(reason: Reason) -> None:
    schedule = make()
    now = START
    if reason is not Reason.SCHEDULE:
        traced(schedule, START, again_s=1 if reason is Reason.CONFIRM else None)
        now = START + 5 * SECOND
    if reason is Reason.COMMAND:
        schedule.ask("t0")
    for _ in range(10):
        assert names(schedule, now) == [("t0", reason.value)]
        now += SECOND // 2
        schedule.put_off("t0", now)
        assert schedule.next_ns() == now
        assert names(schedule, now - 1) == []
    assert traced(schedule, now) is reason
    assert (schedule.next_ns() or 0) > now


def test_nobody_asks_for_what_is_not_watched() -> None:
    assert make().ask("nobody") is False
