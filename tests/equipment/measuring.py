"""An agent's measuring half on a simulated network, wired as the runtime does it, but without a history."""

from collections.abc import Callable, Mapping
from random import Random

from pathwarden.daemon.drive import Driver
from pathwarden.daemon.prober import Prober
from pathwarden.daemon.reporting import Reporter
from pathwarden.daemon.sources import DeviceNames
from pathwarden.daemon.telling import Teller
from pathwarden.detect.detector import Detector
from pathwarden.detect.judge import Judge
from pathwarden.model.history import Record
from pathwarden.model.protocols import Clock, Resolver
from pathwarden.model.settings import Settings
from pathwarden.sim.network import SimNetwork


class Literal:
    """A resolver for targets that are addresses."""

    def lookup(self, host: str, family: int) -> str | None:  # noqa: ARG002 - the protocol's signature
        """The host itself."""
        return host


LITERAL = Literal()


def measuring(
    settings: Settings,
    network: SimNetwork,
    driver: Driver,
    detectors: Mapping[str, Detector],
    keep: Callable[[Record], None],
    dice: Random,
    *,
    clock: Clock | None = None,
    resolver: Resolver = LITERAL,
) -> tuple[Prober, Reporter]:
    """A prober and what reports of it; `clock` is the network's own unless told otherwise."""
    judges = {tid: Judge(detector) for tid, detector in detectors.items()}
    teller = Teller(settings.agent.name, settings.targets, dice.randbytes, lambda tid: judges[tid].detector.route)
    reporter = Reporter(judges, teller, clock or network, keep)
    prober = Prober(settings, network, clock or network, network, DeviceNames(), resolver, driver, judges, reporter, dice)
    return prober, reporter
