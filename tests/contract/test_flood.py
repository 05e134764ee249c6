"""A trace in the middle of 20,000 ICMP packets a second that are nobody's answer to us.

agent - r1 - r2 - r3 - target        r1 sends the flood
"""

import subprocess
import time
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import pytest

from equipment.flood import Flood, heard
from equipment.traced import Traced
from netlab import Lab
from pathwarden.model.probe import Method
from pathwarden.net.raw import RawTransport

CHAIN = ("agent", "r1", "r2", "r3", "target")
PPS = 20_000
TRACES = 20
QUERIES = 3
ANSWERS = QUERIES * (len(CHAIN) - 1)  # to a trace


@pytest.fixture(scope="module")
def lab():
    with Lab() as built:
        built.nodes(hosts=["agent", "target"], routers=CHAIN[1:-1])
        links = [built.link(left, right) for left, right in pairwise(CHAIN)]
        for link, (left, right) in zip(links, pairwise(CHAIN), strict=True):
            built.route(left, "0.0.0.0/0", link.b4)
            built.route(left, "::/0", link.b6)
            if left != "agent" and right != "target":
                built.route(right, links[0].net4, link.a4)
                built.route(right, links[0].net6, link.a6)
        built.route("target", "0.0.0.0/0", links[-1].a4)
        built.route("target", "::/0", links[-1].a6)
        built.links = links
        built.settle()
        yield built


class Found(NamedTuple):
    """Of several traces: the RTTs, how many probes have no answer, CPU seconds of a trace."""

    traces: int
    rtts_ns: list[int]
    missing: int
    cpu_s: float


def traces_until(enough, transport, dst, method):
    """Trace again and again."""
    began, traces, rtts_ns, missing = time.process_time(), 0, [], 0
    while not enough(traces):
        one = Traced(transport, dst, method, queries=QUERIES, max_ttl=8)
        assert one.outcome.reached_ttl == len(CHAIN) - 1, one.outcome
        rtts_ns += [rtt for each in one.outcome.hops for rtt in each.rtts_ns]
        missing += sum(answer.responder is None for each in one.outcome.hops for answer in each.answers)
        traces += 1
    return Found(traces, rtts_ns, missing, (time.process_time() - began) / traces)


@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
@pytest.mark.parametrize("af", [4, 6])
def test_no_answer_is_missed_and_nothing_foreign_gets_in(lab, need, af, method):
    dst = lab.links[-1].b4 if af == 4 else lab.links[-1].b6
    traceroute = [need("traceroute"), "-n", f"-{af}", "-q3", *(["-I"] if method is Method.ICMP else []), dst]
    home = lab.links[0]
    with lab.enter("agent"):
        transport = RawTransport()
        quiet = traces_until(lambda traces: traces >= TRACES, transport, dst, method)
        with Flood(lab, "r1", home.a4, home.a6, transport.source_port, PPS):
            before, began = heard(), time.monotonic()
            beside = subprocess.Popen(traceroute, stdout=subprocess.PIPE, text=True)
            flooded = traces_until(lambda traces: heard() - before - traces * ANSWERS >= PPS, transport, dst, method)
            rate = (heard() - before - flooded.traces * ANSWERS) / (time.monotonic() - began)
            theirs, _ = beside.communicate(timeout=60)
        counters = transport.counters()
        transport.close()
    rtts = [f"{median(found.rtts_ns) / 1e6:.3f} ms" for found in (quiet, flooded)]
    cpu = [f"{found.cpu_s * 1e3:.1f} ms" for found in (quiet, flooded)]
    print(f"\n{method} over IPv{af}, {flooded.traces} traces in {rate:.0f} packets/s: RTT {rtts}, CPU of a trace {cpu} (quiet, flooded)")
    print(f"traceroute(8) beside it missed {theirs.count('*')} of {ANSWERS} answers")  # a busy machine may let its socket run over
    assert len(theirs.splitlines()) == len(CHAIN), theirs
    assert (quiet.missing, flooded.missing) == (0, 0)
    assert len(flooded.rtts_ns) == flooded.traces * ANSWERS
    assert counters["overflow"] == counters["malformed"] == counters["ignored"] == 0
