r"""The network of the bench: a chain of real kernels, so that every trace has the same number of hops.

    agent - r1 - r2 - ... - r11 - target with 50 addresses (198.18.0.0/24)
            counts the probes

Every router answers every probe at once; the way back is the same chain.
"""

import json
from itertools import pairwise
from typing import Self

from netlab import Lab

HOPS = 12
TARGETS = tuple(f"198.18.0.{number}" for number in range(1, 51))
AGENT = "agent"
FIRST = "r1"  # the first router, and so the agent's device towards it
_TARGET_NET = "198.18.0.0/24"  # RFC 2544: for benchmarks of network devices
# Counted where they arrive: what is sent through packet sockets passes no output hook.
_COUNT = f"""
add counter inet lab probes
add chain inet lab arriving {{ type filter hook prerouting priority 0; }}
add rule inet lab arriving ip daddr {_TARGET_NET} counter name probes
"""


class BenchLab(Lab):
    """The chain, built when the `with` block is entered."""

    def __enter__(self) -> Self:
        """Build the nodes, cables and kernel routes."""
        super().__enter__()
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

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
        self.nft(FIRST, _COUNT)
        self.settle()

    def probes(self) -> int:
        """How many packets to the targets the first router has seen since the network was built."""
        listed = json.loads(self.exec(FIRST, ["nft", "-j", "list", "counter", "inet", "lab", "probes"]).stdout)
        return next(int(each["counter"]["packets"]) for each in listed["nftables"] if "counter" in each)
