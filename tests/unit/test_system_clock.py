import os
import time

import pytest

from pathwarden.net import clock

S = 1_000_000_000
TRUE = 1_800_000_000 * S  # the right wall clock when the machine booted
WRONG = 10_000 * S  # what a router without a battery believes instead


class Machine:
    def __init__(self, wall_ns: int) -> None:
        self.boot_ns, self.offset_ns, self.steered, self.asked = 100 * S, wall_ns, False, 0
        self.clock = clock.SystemClock(self._ask, lambda: self.boot_ns + self.offset_ns, lambda: self.boot_ns)

    def _ask(self, _jumped: bool) -> bool:
        self.asked += 1
        return self.steered

    def after(self, seconds: float) -> int:
        self.boot_ns += round(seconds * S)
        return self.clock.wall_ns()


def test_the_kernel_is_asked_every_half_minute():
    machine = Machine(TRUE)
    machine.after(0)
    machine.after(29.9)
    assert machine.asked == 1
    machine.steered = True
    assert machine.clock.synced() is False
    machine.after(0.1)
    assert machine.clock.synced() is True
    assert machine.asked == 2


def test_a_step_that_no_time_service_answers_for_is_not_followed():
    machine = Machine(TRUE)
    machine.after(0)
    for offset_ns in (0, TRUE + 315_000_000 * S):  # 1970, and ten years ahead
        machine.offset_ns = offset_ns
        before_ns = machine.boot_ns
        assert machine.after(60) == TRUE + before_ns + 60 * S
    assert machine.clock.take_shift() is None


def test_the_clock_becomes_right_once_and_says_what_that_means():
    machine = Machine(WRONG)
    machine.after(40)
    noted = machine.clock.wall_ns()
    machine.offset_ns, machine.steered = TRUE, True
    assert machine.after(20) == machine.boot_ns + TRUE or machine.after(30) == machine.boot_ns + TRUE
    shift = machine.clock.take_shift()
    assert shift.of(noted) == noted - WRONG + TRUE
    assert shift.of(TRUE) == TRUE
    assert shift.since == WRONG  # when the machine booted, by the wrong clock
    assert machine.clock.take_shift() is None


def test_asked_at_once_when_told_that_the_clock_is_right():
    machine = Machine(WRONG)
    machine.after(0)
    machine.offset_ns, machine.steered = TRUE, True
    assert machine.clock.wall_ns() < TRUE
    machine.clock.ask()
    assert machine.clock.wall_ns() == machine.boot_ns + TRUE
    assert machine.clock.synced()


def test_a_right_clock_set_by_hand_runs_on_evenly_from_where_it_was():
    machine = Machine(TRUE)
    machine.steered = True
    machine.after(0)
    machine.clock.take_shift()
    machine.offset_ns, machine.steered = 0, False
    assert machine.after(1) == machine.boot_ns + TRUE
    assert machine.clock.synced() is False


def test_a_clock_set_by_hand_is_not_taken_for_right_because_a_time_service_was_there_once(tmp_path, monkeypatch):
    """OpenWrt's hotplug script leaves a file, which stays; only the kernel knows that somebody set the clock since."""
    monkeypatch.setattr(clock, "_kernel_steers", lambda: False)
    marker = tmp_path / "time-synced"
    machine = Machine(TRUE)
    machine.clock = clock.SystemClock(clock.TimeService(marker), lambda: machine.boot_ns + machine.offset_ns, lambda: machine.boot_ns)
    machine.after(40)
    assert machine.clock.synced() is False
    marker.touch()
    machine.after(40)
    assert machine.clock.synced() is True
    for offset_ns in (0, TRUE + 315_360_000 * S):  # 1970, and ten years ahead
        machine.offset_ns = offset_ns
        assert machine.after(60) == machine.boot_ns + TRUE
        assert machine.clock.synced() is False
    machine.offset_ns = TRUE
    os.utime(marker, ns=(1, 1))  # the script was called again
    assert machine.after(60) == machine.boot_ns + TRUE
    assert machine.clock.synced() is True


def test_a_steered_clock_is_followed_when_it_is_slewed():
    machine = Machine(TRUE)
    machine.steered = True
    machine.after(0)
    machine.offset_ns += S // 10
    assert machine.after(1) == machine.boot_ns + TRUE + S // 10


@pytest.mark.parametrize(("state", "synced"), [(0, True), (1, True), (4, True), (5, False), (-1, False)])
def test_what_adjtimex_says(monkeypatch, state, synced):
    class Library:
        def __init__(self, name):
            assert name is None

        @staticmethod
        def adjtimex(buffer):
            assert bytes(buffer) == bytes(512)  # modes 0: read only
            return state

    monkeypatch.setattr("ctypes.CDLL", Library)
    assert clock.SystemClock().synced() is synced


def test_the_clocks_are_the_systems():
    system = clock.SystemClock()
    before = time.monotonic_ns()
    now = system.mono_ns()
    assert before <= now <= time.monotonic_ns()
    assert abs(system.wall_ns() - time.time_ns()) < S
