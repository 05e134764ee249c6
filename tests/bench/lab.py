r"""The network of the bench: a chain of real kernels, so that every trace has the same number of hops.

    agent - r1 - r2 - ... - r11 - target with 50 addresses (198.18.0.0/24)
            counts the probes

Every router answers every probe at once; the way back is the same chain.
"""

from itertools import pairwise

from netlab import Lab

HOPS = 12
TARGETS = tuple(f"198.18.0.{number}" for number in range(1, 51))
AGENT = "agent"
FIRST = "r1"  # the first router, and so the agent's device towards it
_TARGET_NET = "198.18.0.0/24"  # RFC 2544: for benchmarks of network devices


class BenchLab(Lab):
    """The chain, built when the `with` block is entered."""

    def _build(self) -> None:
        routers = [f"r{number}" for number in range(1, HOPS)]
        self.nodes(hosts=[AGENT, "target"], routers=routers)
        home = ""
        for left, right in pairwise([AGENT, *routers, "target"]):
            link = self.link(left, right)
            home = home or link.net4
            self.route(left, "0.0.0.0/0", link.b4)
            if right == "target":
                self.route(right, "0.0.0.0/0", link.a4)
            elif left != AGENT:
                self.route(right, home, link.a4)
        self.ip("target", *(f"address add {address}/32 dev lo" for address in TARGETS))
        self.count(FIRST, _TARGET_NET)
        self.settle()

    def probes(self) -> int:
        """How many packets to the targets the first router has seen since the network was built."""
        return self.counted(FIRST)
