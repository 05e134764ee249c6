"""Replies that come during a pause: they wait in the kernel, and keep the instants at which they came."""

import threading
import time

import pytest

from netlab import standard_lab
from pathwarden.model.probe import Binding, Method, Probe
from pathwarden.net.raw import RawTransport
from pathwarden.net.rootless import RootlessTransport

SOON_NS = 20_000_000  # a reply of the namespaces comes within microseconds; a busy machine may take milliseconds


@pytest.fixture(params=[RawTransport, RootlessTransport])
def transport(request):
    with standard_lab() as lab, lab.enter("agent"):
        made = request.param()
        made.target = lab.target4
        yield made
        made.close()


@pytest.mark.parametrize("pause_ns", [150_000_000, 1_100_000_000])  # also for longer than a second, where the clocks keep their distance
def test_a_reply_keeps_its_instant_while_we_pause(transport, pause_ns):
    flow = transport.flow(transport.target, Method.UDP, 0, Binding(), 0, 0)
    sent_ns = transport.send(Probe(7, flow, 1, 0), Binding())
    transport.pause(pause_ns)
    assert time.monotonic_ns() - sent_ns >= pause_ns
    (reply,) = transport.receive(0)
    assert 0 < reply.at_ns - sent_ns < SOON_NS
    assert transport.counters()["timestamps_refused"] == 0


def test_a_pause_ends_when_woken(transport):
    begun_ns = time.monotonic_ns()
    waker = threading.Thread(target=transport.wake)
    waker.start()
    transport.pause(60_000_000_000)
    waker.join()
    assert time.monotonic_ns() - begun_ns < 30_000_000_000
