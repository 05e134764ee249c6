"""The search for all paths on real kernels: it finds the graph that the laboratory was built as."""

import random

import pytest

from netlab.diamond import FLOW_LABEL, LABEL_AND_ADDRESSES, DiamondLab
from pathwarden.daemon.drive import Driver
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.multipath import MultipathSession, MultipathSpec
from pathwarden.engine.pacing import TokenBucket
from pathwarden.model.multipath import Multipath
from pathwarden.model.probe import Binding, Method
from pathwarden.model.trace import Ending
from pathwarden.net.clock import SystemClock
from pathwarden.net.raw import RawTransport
from pathwarden.net.rootless import RootlessTransport

KINDS = {"raw": RawTransport, "rootless": RootlessTransport}
FAILURE = 1e-6  # a test may not depend on luck: the kernel draws its hash's key anew for each namespace


@pytest.fixture(scope="module")
def lab():
    with DiamondLab(3, nested=1) as built:
        yield built


def search(lab: DiamondLab, transport, af: int, method: Method) -> Multipath:
    flow = transport.flow(lab.target[af], method, 0, Binding(), 0, 0)
    window = 16
    spec = MultipathSpec(flow, 1, 12, 2_000_000_000, 5, window, min(transport.window(flow), window), failure=FAILURE)
    correlator = Correlator()
    session = MultipathSession(spec, correlator, random.Random(1))
    driver = Driver(transport, SystemClock(), correlator, TokenBucket(1000))
    driver.add(session, Binding(), lambda _: None)
    while len(driver):
        driver.step()
    return session.outcome()


def edges_of(result: Multipath) -> set[tuple[int, str | None, str | None]]:
    return {(edge.ttl, edge.near, edge.far) for edge in result.edges}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("af", [4, 6])
def test_the_graph_is_the_laboratorys(lab, kind, af):
    with lab.enter(lab.agent):
        transport = KINDS[kind]()
        try:
            result = search(lab, transport, af, Method.UDP)
        finally:
            transport.close()
    assert edges_of(result) == lab.edges[af]
    assert (result.ending, result.reached_ttls, result.complete) == (Ending.REACHED, (4, 5), True)
    assert not any(hop.per_packet for hop in result.hops)


def test_balancers_that_hash_the_label_alone_are_seen():
    with DiamondLab(2, nested=1) as lab:
        lab.hash_by("r1", LABEL_AND_ADDRESSES)
        lab.hash_by("m1", FLOW_LABEL)
        with lab.enter(lab.agent):
            transport = RawTransport()
            try:
                result = search(lab, transport, 6, Method.UDP)
            finally:
                transport.close()
    assert edges_of(result) == lab.edges[6]


def test_icmp_takes_one_branch_where_only_ports_are_hashed(lab):
    with lab.enter(lab.agent):
        transport = RawTransport()
        try:
            result = search(lab, transport, 4, Method.ICMP)
        finally:
            transport.close()
    assert result.complete
    assert not result.diamonds
    assert edges_of(result) <= lab.edges[4]
