"""The simulated world's names: a target's name leads to the address that it has at the moment."""

from pathwarden.sim.network import SimNetwork


class SimNames:
    """A `Resolver` over a simulated network."""

    def __init__(self, network: SimNetwork) -> None:
        self._network = network

    def lookup(self, host: str, family: int) -> str | None:  # noqa: ARG002 - simulated names have one address
        """The present address of a target of that name, None while its name is lost; anything else is an address already."""
        return self._network.address_of(host)
