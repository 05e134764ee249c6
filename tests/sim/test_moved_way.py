"""The kernel's route moves while a trace runs: that trace is kept, but judged by nobody."""

from dataclasses import replace
from random import Random

import pytest

from equipment.fakes import make_settings, make_target
from equipment.measuring import measuring
from pathwarden.daemon.drive import Driver
from pathwarden.detect.detector import Detector
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.errors import ProbeError
from pathwarden.model.trace import KernelRoute
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import parse

WORLD = parse(
    {
        "network": {"source": "192.0.2.10", "gateway": "192.0.2.1"},
        "routers": {
            "r1": {"address4": "198.51.100.1"},
            "r2": {"address4": "198.51.100.2"},
            "s1": {"address4": "198.51.100.101"},
            "site": {"address4": "203.0.113.7"},
        },
        "routes": {"first": ["r1", "r2"], "second": ["s1", "r2"]},
        "targets": [{"name": "site", "address": "203.0.113.7", "route": "first"}],
        "changes": [{"at_s": 10.2, "target": "site", "route": "second"}],
    }
)
SECOND_UPLINK = KernelRoute("wanb", "192.0.2.10", "192.0.2.2", 254)


class TwoUplinks(SimNetwork):
    """A world whose way out moves together with its route; `gone` tells that there is none for a moment."""

    gone = False

    def lookup(self, dst, binding):
        moved_s = (self.now_ns - self._start_ns) / 1e9 - 10.2
        if self.gone and 0 <= moved_s < 5:
            raise ProbeError("no_route", dst)
        return SECOND_UPLINK if moved_s >= 0 else super().lookup(dst, binding)


@pytest.mark.parametrize("gone", [False, True])
def test_a_trace_that_saw_both_ways_makes_no_route(gone):
    network, kept = TwoUplinks(WORLD, 1), []
    network.gone = gone
    target = replace(make_target("site"), host="203.0.113.7", interval_s=10, queries=3)
    detector = Detector("site", 0)
    driver = Driver(network, network, Correlator(), TokenBucket(10))
    settings = replace(make_settings(), targets=(target,))
    prober, _ = measuring(settings, network, driver, {"site": detector}, kept.append, Random(1))
    while network.now_ns < 60_000_000_000:
        prober.turn(1_000_000_000)
    kept = [record for record in kept if record.trace]
    mixed = [record for record in kept if {"198.51.100.1", "198.51.100.101"} <= {r for hop in record.trace.path.hops for r in hop}]
    assert len(mixed) == 1, "one trace ran while the way moved"
    assert mixed[0].route is None
    after = kept[kept.index(mixed[0]) + 1].trace
    assert after.mono_ns - mixed[0].trace.mono_ns < 5_000_000_000, "it is traced again at once"
    assert [(route.label, route.hops[0]) for route in detector.routes.values()] == [("A", ("198.51.100.1",)), ("B", ("198.51.100.101",))]
    assert not any(record.events for record in kept)
