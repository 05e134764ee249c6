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

# A target with two routes, on the first until a change is appended; they differ behind the gateway.
TWO_ROUTES = """
[network]
source = "192.0.2.10"
gateway = "192.0.2.1"
[routers]
gw = { address4 = "192.0.2.1" }
old = { address4 = "10.0.0.1" }
new = { address4 = "10.1.9.2" }
site = {}
[routes]
first = ["gw", "old"]
second = ["gw", "new"]
[[targets]]
name = "site"
address = "198.51.100.7"
route = "first"
"""


def moves(*ats_s: float) -> str:
    """Changes of `TWO_ROUTES`: to the second route, back to the first and so on, at these instants."""
    routes = ("second", "first")
    return "".join(f'[[changes]]\nat_s = {at_s}\ntarget = "site"\nroute = "{routes[n % 2]}"\n' for n, at_s in enumerate(ats_s))


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
