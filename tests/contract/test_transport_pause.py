"""Replies that come during a pause: they wait in the kernel, and keep the instants at which they came."""

import threading
import time

import pytest

from netlab import standard_lab
from pathwarden.model.probe import Binding, Method, Probe
from pathwarden.net.raw import RawTransport
from pathwarden.net.rootless import RootlessTransport

PAUSE_NS = 150_000_000
LONG_NS = 1_100_000_000
SOON_NS = 20_000_000  # a reply of the namespaces comes within microseconds; a busy machine may take milliseconds


@pytest.fixture(params=[RawTransport, RootlessTransport])
def transport(request):
    with standard_lab() as lab, lab.enter("agent"):
        made = request.param()
        made.target = lab.target4
        yield made
        made.close()


def test_a_reply_keeps_its_instant_while_we_pause(transport):
    flow = transport.flow(transport.target, Method.UDP, 0, Binding(), 0, 0)
    sent_ns = transport.send(Probe(7, flow, 1, 0), Binding())
    transport.pause(PAUSE_NS)
    assert time.monotonic_ns() - sent_ns >= PAUSE_NS
    (reply,) = transport.receive(0)
    assert 0 < reply.at_ns - sent_ns < SOON_NS


def test_also_for_longer_than_a_second_where_the_clocks_keep_their_distance():
    with standard_lab() as lab, lab.enter("agent"):
        transport = RawTransport()
        flow = transport.flow(lab.target4, Method.UDP, 0, Binding(), 0, 0)
        sent_ns = transport.send(Probe(7, flow, 1, 0), Binding())
        transport.pause(LONG_NS)
        (reply,) = transport.receive(0)
        counts = transport.counters()
        transport.close()
    assert 0 < reply.at_ns - sent_ns < SOON_NS
    assert counts["timestamps_refused"] == 0


def test_a_pause_ends_when_woken(transport):
    begun_ns = time.monotonic_ns()
    waker = threading.Thread(target=transport.wake)
    waker.start()
    transport.pause(60_000_000_000)
    waker.join()
    assert time.monotonic_ns() - begun_ns < 30_000_000_000
