"""Networks that asked not to be probed: their targets are told as errors, and no probe leaves."""

from dataclasses import replace
from random import Random

import pytest

from equipment.fakes import make_settings, make_target
from equipment.measuring import measuring
from pathwarden.daemon.drive import Driver
from pathwarden.detect.detector import Detector
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.model.probe import Binding
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import parse

WORLD = parse(
    {
        "network": {"source": "192.0.2.10", "gateway": "192.0.2.1"},
        "routers": {"r1": {"address4": "198.51.100.1", "adds_ms": 3.0}, "site": {"address4": "203.0.113.7", "adds_ms": 3.0}},
        "routes": {"main": ["r1"]},
        "targets": [{"name": "site", "address": "203.0.113.7", "route": "main"}],
    }
)


class Plain:
    """Addresses are their own names, sources bind nothing."""

    def lookup(self, host, _family):
        return host

    def binding(self, _source, _af):
        return Binding()


@pytest.mark.parametrize(
    ("spared", "error"),
    [
        (("203.0.113.0/24",), "do_not_probe: 203.0.113.0/24"),
        (("2001:db8::/32", "203.0.113.7/32"), "do_not_probe: 203.0.113.7/32"),
        (("203.0.112.0/24", "2001:db8::/32"), ""),
    ],
)
def test_a_target_in_a_spared_network_gets_no_probe(spared, error):
    network, correlator, kept = SimNetwork(WORLD, 1), Correlator(), []
    settings = make_settings()
    target = replace(make_target("site"), host="203.0.113.7")
    settings = replace(settings, targets=(target,), agent=replace(settings.agent, do_not_probe=spared))
    driver = Driver(network, network, correlator, TokenBucket(10))
    prober, _ = measuring(settings, network, driver, {"site": Detector("site", 0)}, kept.append, Random(1))
    while not kept:
        prober.turn(1_000_000_000)
    assert kept[0].trace.error == error
    assert (correlator.probes == 0) == bool(error)
