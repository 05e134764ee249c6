import time

import pytest

from pathwarden.net import clock


@pytest.fixture
def answers(monkeypatch):
    given = []
    monkeypatch.setattr(clock, "_ask", lambda: given.pop(0))
    return given


def test_the_kernel_is_asked_every_half_minute(answers, monkeypatch):
    now_ns = [10]
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns[0])
    answers += [False, True]
    system = clock.SystemClock()
    assert system.synced() is False
    now_ns[0] += 29_999_999_999
    assert system.synced() is False
    now_ns[0] += 1
    assert system.synced() is True
    assert answers == []


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
    assert clock._ask() is synced


def test_the_clocks_are_the_systems():
    system = clock.SystemClock()
    before = time.time_ns(), time.monotonic_ns()
    now = system.wall_ns(), system.mono_ns()
    after = time.time_ns(), time.monotonic_ns()
    assert before <= now <= after
