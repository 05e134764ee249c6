"""How the baselines probe: one probe after another, each waiting for its answer, over the same network as everybody.

Rules:
1. A probe waits for its answer one second, longer than any round trip of the world.
2. What a trace costs is paid for by waiting afterwards: the next begins when the budget allows it. So a trace itself is quick, and sees
   the path as it is at one moment.
3. A trace ends at the destination, or after five silent hops in a row, or at 30 hops.
"""

from collections.abc import Iterator
from typing import NamedTuple

from bench.detect.budget import Metered
from bench.detect.world import World
from pathwarden.model.probe import Binding, Flow, Method, Probe, Reply, ReplyKind

WAIT_NS = 1_000_000_000
MAX_TTL = 30
GAP_LIMIT = 5
ANYWHERE = Binding()
LAST_IDENT = 0xFFFE


class Seen(NamedTuple):
    """One answer: who, and whether it is the destination itself."""

    responder: str
    arrived: bool


class Prober:
    """Sends single probes and keeps the budget."""

    def __init__(self, world: World, network: Metered, pps: float) -> None:
        self.world, self.network, self.pps = world, network, pps
        self.addresses = {destination.name: destination.address for destination in world.scenario.destinations}
        self._ident = 0

    def flow(self, target: str, method: Method = Method.UDP) -> Flow:
        """The target's monitored flow."""
        return self.network.flow(self.addresses[target], method, 0, ANYWHERE, 0, 0)

    def ask(self, flow: Flow, ttl: int) -> Seen | None:
        """One probe and its answer, None for silence."""
        network = self.network
        self._ident = ident = self._ident % LAST_IDENT + 1
        network.send(Probe(ident, flow, ttl, 0), ANYWHERE)
        until_ns = network.now_ns + WAIT_NS
        while network.now_ns < until_ns:
            for reply in network.receive(until_ns - network.now_ns):
                if reply.ident == ident:
                    return Seen(reply.responder, _arrived(reply, flow))
        return None

    def rounds(self) -> Iterator[str]:
        """Target after target, each when the budget allows it, until the world ends; the first round is the initial map, and free."""
        network, world = self.network, self.world
        yield from world.targets
        network.wait_until(world.starts_s)
        while network.elapsed_s < world.ends_s:
            for target in world.targets:
                self.pay()
                if network.elapsed_s >= world.ends_s:
                    return
                yield target

    def pay(self, ahead: int = 0) -> None:
        """Wait until all that was spent, and `ahead` probes more, lie within the budget."""
        self.network.wait_until(self.world.starts_s + (self.network.spent + ahead) / self.pps)


def _arrived(reply: Reply, flow: Flow) -> bool:
    return reply.responder == flow.dst and reply.kind is not ReplyKind.TIME_EXCEEDED
