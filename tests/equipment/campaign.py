"""An agent's measuring half on a simulated network in virtual time: the real prober, driver and detectors, and nobody else."""

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from equipment.fakes import make_settings, make_target
from equipment.measuring import measuring
from equipment.sim_names import SimNames
from pathwarden.daemon.drive import Driver
from pathwarden.detect.detector import Detector
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import thrifty
from pathwarden.model.history import Event, Record
from pathwarden.model.network import Whose, nobody
from pathwarden.model.settings import Target
from pathwarden.sim.network import SimNetwork

SECOND = 1_000_000_000
LEARN_S = 0  # nothing is held back for learning: what would notify does
CEILING_PPS = 10.0  # the agent's default `max_pps`


class Told:
    """An event and when it was told, in seconds since the world began."""

    def __init__(self, event: Event, at_s: float) -> None:
        self.event, self.at_s = event, at_s

    def __repr__(self) -> str:
        body = self.event.body
        return f"{self.at_s:.1f} s {self.event.target} {self.event.event_type} {body.get('changes')}: {body.get('message')}"


class Campaign:
    """Runs targets over a network; `told` are the events. Scheduled traces follow the targets' intervals, the watch `watch_pps`.

    `whose` tells whose addresses are, as the enrichment would.
    """

    def __init__(
        self,
        network: SimNetwork,
        targets: Iterable[Target],
        seed: int,
        watch_pps: float,
        max_pps: float = CEILING_PPS,
        *,
        whose: Whose = nobody,
    ) -> None:
        self.network, self.told, self.traces = network, list[Told](), 0
        self._start_ns = network.now_ns
        base = make_settings()
        settings = replace(base, agent=replace(base.agent, watch_pps=watch_pps), targets=tuple(targets))
        dice = random.Random(f"campaign {seed}")
        self.detectors = {target.tid: Detector(target.tid, LEARN_S) for target in settings.targets}
        self.correlator = Correlator()
        driver = Driver(network, network, self.correlator, thrifty(max_pps))
        names = SimNames(network)
        self.prober, reporter = measuring(settings, network, driver, self.detectors, self._keep, dice, resolver=names)
        reporter.whose = whose
        for detector in self.detectors.values():
            detector.whose = whose

    def run_until(self, elapsed_s: float) -> None:
        """Let time pass until so many seconds after the world began."""
        until_ns = self._start_ns + round(elapsed_s * SECOND)
        while self.network.now_ns < until_ns:
            self.prober.turn(until_ns - self.network.now_ns)

    def _keep(self, record: Record) -> None:
        self.traces += record.trace is not None
        at_s = (self.network.now_ns - self._start_ns) / SECOND
        self.told += [Told(event, at_s) for event in record.events if event.target]


def sim_target(name: str, host: str, interval_s: int, **values: Any) -> Target:
    """A target of a simulated world."""
    return replace(make_target(name), host=host, interval_s=interval_s, **values)
