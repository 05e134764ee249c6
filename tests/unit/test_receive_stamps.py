"""Receive stamps are wall-clock; what becomes of them when that clock steps."""

import socket
import struct
import time

import pytest

from pathwarden.net import sockets

WALL_NS = 1_700_000_000_000_000_000
MONO_NS = 5_000_000_000


@pytest.mark.parametrize("kind", [35, 64])
@pytest.mark.parametrize("form", ["=qq", "=ii"])
def test_stamps_of_either_width_are_read(kind, form):
    data = struct.pack(form, 1_700_000_000, 123_456_789)
    assert sockets.stamp_of(socket.SOL_SOCKET, kind, data) == WALL_NS + 123_456_789


def test_other_control_messages_are_no_stamps():
    assert sockets.stamp_of(socket.SOL_SOCKET, 40, bytes(4)) is None
    assert sockets.stamp_of(socket.IPPROTO_IP, 35, bytes(16)) is None


class Clocks:
    """The kernel's two, and what becomes of a stamp."""

    def __init__(self, monkeypatch):
        self.mono_ns = MONO_NS
        self.offset_ns = WALL_NS - MONO_NS
        monkeypatch.setattr(time, "time_ns", lambda: self.mono_ns + self.offset_ns)
        monkeypatch.setattr(time, "monotonic_ns", lambda: self.mono_ns)
        self.counts = {"timestamps_refused": 0}
        self.stamps = sockets.Stamps(self.counts)

    def read(self, *ages_ns):
        """When packets came that are so old at this reading."""
        self.stamps.read_ns = 0
        return [self.mono_ns - self.stamps.instant(self.mono_ns + self.offset_ns - age_ns) for age_ns in ages_ns]


AGES_NS = (0, 999_999_999, 1_500_000_000, 3_999_999_999)


def test_who_reads_late_still_knows_when_it_came(monkeypatch):
    clocks = Clocks(monkeypatch)
    for _ in range(3):
        clocks.mono_ns += 600_000_000_000
        assert clocks.read(*AGES_NS) == [*AGES_NS]
        assert clocks.read(4_000_000_000, -1) == [0, 0]
    assert clocks.counts == {"timestamps_refused": 6}


@pytest.mark.parametrize("step_ns", [-86_400_000_000_000, -2_000_000, 2_000_000, 3_600_000_000_000])
def test_after_a_step_only_a_young_stamp_is_believed_until_the_next_reading(monkeypatch, step_ns):
    clocks = Clocks(monkeypatch)
    clocks.mono_ns += 2_000_000_000
    clocks.offset_ns += step_ns
    assert clocks.read(*AGES_NS) == [0, 999_999_999, 0, 0]
    assert clocks.counts == {"timestamps_refused": 2}
    clocks.mono_ns += 2_000_000_000
    assert clocks.read(*AGES_NS) == [*AGES_NS]


def test_a_stamp_made_while_others_are_read_is_believed(monkeypatch):
    clocks = Clocks(monkeypatch)
    assert clocks.read(1000) == [1000]
    clocks.mono_ns += 5000
    assert clocks.stamps.instant(clocks.mono_ns + clocks.offset_ns - 10) == clocks.mono_ns - 10
    assert clocks.stamps.instant(clocks.mono_ns + clocks.offset_ns - 3_000_000_000) == clocks.mono_ns - 3_000_000_000


def test_clocks_that_were_read_with_an_interruption_in_between_are_read_again(monkeypatch):
    clocks = Clocks(monkeypatch)
    late_ns = iter([50_000_000, 7_000_000] + 100 * [0])

    def interrupted():
        clocks.mono_ns += next(late_ns)
        return clocks.mono_ns + clocks.offset_ns

    monkeypatch.setattr(time, "time_ns", interrupted)
    clocks.mono_ns += 2_000_000_000
    assert clocks.read(1_500_000_000) == [1_500_000_000]
