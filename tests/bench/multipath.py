"""All paths through a diamond of real kernels: our search beside scamper's tracelb. `python -m bench.multipath` prints the figures.

Probes are counted by the first router. Both say 95 %. With 16 next hops both need nearly as many flows there (tracelb 96, ours 109: our
95 % leaves room for a branching that was not found). tracelb stops there: ours then follows each of the 16 members to its own next hop,
asks twice for a balancer per packet, and asks more than one flow of the hops that look single. That is why it cannot get along with
tracelb's count (the stretch alone, and a flow through each member, take 96 + 16), and why it finds what lies behind one member, as its
95 % promise; tracelb's do not hold there. Vertices are compared, since tracelb names no edges inside a balanced stretch. Each run has
flows of its own.
"""

import json
from random import Random
from time import monotonic
from typing import Any, NamedTuple

from bench.figures import Row, table
from netlab.diamond import DiamondLab
from pathwarden.daemon.drive import Driver
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.multipath import MultipathSession, MultipathSpec
from pathwarden.engine.pacing import TokenBucket
from pathwarden.model.probe import Binding, Method
from pathwarden.net.clock import SystemClock
from pathwarden.net.raw import RawTransport

WIDTH = 16
PPS = 1000  # for both
WINDOW = 16
WAIT_NS = 2_000_000_000
GAP_LIMIT = 5
MAX_TTL = 30

Vertices = set[tuple[int, str]]


class Found(NamedTuple):
    """What one search cost and found. `missed` and `invented` count vertices, against those of the laboratory."""

    probes: int
    wall_s: float
    missed: int
    invented: int


def figures(runs: int, width: int = WIDTH) -> list[Row]:
    """Both contestants in turn, so often, on a plain stretch and on one whose first member has two routers behind it."""
    rows: list[Row] = []
    for nested, what in ((0, f"{width} wide"), (1, f"{width} wide, one branches on")):
        most = None if nested else 1.0  # where tracelb does not find everything, its count is no measure
        with DiamondLab(width, nested=nested) as lab:
            theirs, ours = [], []
            for number in range(runs):
                theirs.append(tracelb(lab))
                ours.append(search(lab, number))
        probes = tuple(float(one.probes) for one in theirs)
        rows += [
            Row(f"scamper tracelb, {what}: probes", "probes", probes),
            Row(f"our search, {what}: probes", "probes", tuple(float(one.probes) for one in ours), probes, most),
            Row(f"scamper tracelb, {what}: missed", "vertices", tuple(float(one.missed) for one in theirs)),
            Row(f"our search, {what}: missed", "vertices", tuple(float(one.missed) for one in ours), most=0),
        ]
    return rows


def tracelb(lab: DiamondLab) -> Found:
    """One run of scamper."""
    before, begun = lab.probes(), monotonic()
    command = ["scamper", "-p", str(PPS), "-O", "json", "-c", "tracelb -c 95 -q 2 -Q 3000 -W 15", "-i", lab.target[4]]
    done = lab.exec(lab.agent, command, check=True)
    wall_s = monotonic() - begun
    result = next(json.loads(line) for line in done.stdout.splitlines() if '"type":"tracelb"' in line)
    return _judged(lab, before, wall_s, _vertices_of(result))


def search(lab: DiamondLab, seed: int) -> Found:
    """One search of ours."""
    before = lab.probes()
    with lab.enter(lab.agent):
        transport = RawTransport(seed=seed)
        try:
            begun = monotonic()
            flow = transport.flow(lab.target[4], Method.UDP, 0, Binding(), 0, 0)
            spec = MultipathSpec(flow, 1, MAX_TTL, WAIT_NS, GAP_LIMIT, WINDOW, WINDOW)
            correlator = Correlator()
            session = MultipathSession(spec, correlator, Random(seed))
            driver = Driver(transport, SystemClock(), correlator, TokenBucket(PPS))
            driver.add(session, Binding(), lambda _: None)
            while len(driver):
                driver.step()
            wall_s = monotonic() - begun
        finally:
            transport.close()
    return _judged(lab, before, wall_s, {(vertex.ttl, vertex.address or "*") for vertex in session.outcome().vertices})


def _judged(lab: DiamondLab, before: int, wall_s: float, vertices: Vertices) -> Found:
    true = {(ttl, near) for ttl, near, _ in lab.edges[4]} | {(ttl + 1, far) for ttl, _, far in lab.edges[4]}
    return Found(lab.probes() - before, wall_s, len(true - vertices), len(vertices - true))


def _vertices_of(result: dict[str, Any]) -> Vertices:
    """A node's links are sets of addresses, a ttl further each; the next node is the last set's only member."""
    vertices: Vertices = set()
    for ttl, addresses in enumerate(_sets(result["nodes"]), start=1):
        vertices |= {(ttl, address) for address in addresses}
    return vertices


def _sets(nodes: list[dict[str, Any]]) -> list[set[str]]:
    sets = [{nodes[0]["addr"]}]
    for node in nodes:
        sets += [{hop["addr"] for hop in link} for link in node.get("links", [])]
    return sets


if __name__ == "__main__":
    print(table("All paths through a balanced stretch", figures(5)))
