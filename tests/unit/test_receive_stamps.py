"""Receive stamps are wall-clock; what becomes of them when that clock steps."""

import socket
import struct
import time

import pytest

from pathwarden.net import sockets

WALL_NS = 1_700_000_000_000_000_000
MONO_NS = 5_000_000_000


@pytest.fixture(autouse=True)
def clocks(monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: WALL_NS)
    monkeypatch.setattr(time, "monotonic_ns", lambda: MONO_NS)


@pytest.mark.parametrize(
    ("age_ns", "believed"),
    [(0, True), (1, True), (999_999_999, True), (1_000_000_000, False), (-1, False), (-86_400_000_000_000, False)],
)
def test_a_stamp_is_believed_if_it_is_less_than_a_second_old(age_ns, believed):
    assert sockets.monotonic_of(WALL_NS - age_ns) == (MONO_NS - age_ns if believed else MONO_NS, believed)


@pytest.mark.parametrize("kind", [35, 64])
@pytest.mark.parametrize("form", ["=qq", "=ii"])
def test_stamps_of_either_width_are_read(kind, form):
    data = struct.pack(form, 1_700_000_000, 123_456_789)
    assert sockets.stamp_of(socket.SOL_SOCKET, kind, data) == WALL_NS + 123_456_789


def test_other_control_messages_are_no_stamps():
    assert sockets.stamp_of(socket.SOL_SOCKET, 40, bytes(4)) is None
    assert sockets.stamp_of(socket.IPPROTO_IP, 35, bytes(16)) is None
