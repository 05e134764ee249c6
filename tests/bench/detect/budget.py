"""The one transport of all contestants, which counts what they spend.

Every probe that leaves after the initial map counts, whatever it is for. `allowed` is the budget at an instant.
"""

from pathwarden.model.probe import Binding, Probe
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import Scenario

SECOND = 1_000_000_000
WORLD_START_NS = SECOND  # where a simulated network's time begins


class Metered(SimNetwork):
    """A simulated network that counts probes; those of the first `free_s` seconds are the initial map's and cost nothing."""

    def __init__(self, scenario: Scenario, seed: int, free_s: float) -> None:
        super().__init__(scenario, seed)
        self.free_until_ns = WORLD_START_NS + round(free_s * SECOND)
        self.free = 0
        self.spent = 0

    def send(self, probe: Probe, binding: Binding) -> int:
        """Count the probe, and send it."""
        if self.now_ns < self.free_until_ns:
            self.free += 1
        else:
            self.spent += 1
        return super().send(probe, binding)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the world began."""
        return (self.now_ns - WORLD_START_NS) / SECOND

    def wait_until(self, elapsed_s: float) -> None:
        """Let time pass; what arrives meanwhile is late, and lost."""
        until_ns = WORLD_START_NS + round(elapsed_s * SECOND)
        while self.now_ns < until_ns:
            self.receive(until_ns - self.now_ns)
