r"""The network that most tests want.

              1    2    3       4    5        6            7    8 = ttl
    agent -- r1 - r2 - r3a|r3b - r4 - r5 ---- r6 --------- r7 - target
       |             \ (x3)  /       silent   rate limit  /
       ----- b1 ------------------- b2 ------------------

r2 shares the flows between r3a and r3b (by addresses, protocol and ports, so ICMP echo is one flow); x3 stands ready
and carries nothing until `move`. The second uplink is taken by a socket bound to `wanb`, by its source address or by
the fwmark. IPv4 and IPv6 go the same way. Routers send what they do not know towards the target; the way back is
fixed. A kernel answers from the address towards the way back (IPv4) or the one the probe came in by (IPv6): r4 has one
address for all branches in IPv4, one for each branch in IPv6.
"""

from collections.abc import Sequence
from itertools import pairwise

from netlab.lab import Lab, Link

Hops = tuple[frozenset[str] | None, ...]
Cables = dict[tuple[str, str], Link]

_LIMIT_PER_S = 1  # the second of two probes within a second stays unanswered
_WANB_METRIC = 2000  # above the 1024 that IPv6 gives a kernel route without one
_MAIN_CHAIN = ("r1", "r2", "r3a", "r4", "r5", "r6", "r7", "target")
_DIAMOND = ("r3a", "r3b")
_SPARE = "x3"


class StandardLab(Lab):
    """The standard network, as `standard_lab()` builds it.

    `hops…` are tuples by ttl, from 1: the addresses that may answer there, or None for the silent hop. r6 is named
    although its rate limit leaves some probes unanswered.
    """

    agent = "agent"
    target = "target"
    wan = "wan"  # the agent's devices
    wanb = "wanb"
    fwmark = 0x100  # the mark, and
    wanb_table = 100  # the table, that lead through wanb
    diamond_ttl = 3
    silent_ttl = 5
    limited_ttl = 6

    def move(self, families: Sequence[int] = (4, 6)) -> None:
        """Move r2's kernel routes away from the diamond: hop 3 is x3 from now on, all else stays."""
        for family, (prefix, gateways) in zip((4, 6), self._branches.items(), strict=True):
            if family in families:
                self.move_route("r2", prefix, gateways[_SPARE])

    def move_back(self) -> None:
        """Let r2 share the flows between r3a and r3b again."""
        for prefix, gateways in self._branches.items():
            self.move_route("r2", prefix, nexthops=[gateways[name] for name in _DIAMOND])

    def _build(self) -> None:
        routers = dict.fromkeys([*_MAIN_CHAIN[:-1], *_DIAMOND, _SPARE, "b1", "b2"])
        self.nodes(hosts=[self.agent, self.target], routers=list(routers))
        wan = self.link(self.agent, "r1", dev_a=self.wan)
        wanb = self.link(self.agent, "b1", dev_a=self.wanb)
        # The last kernel route set stays: r4 sends back through r3a, whichever branch the probe took.
        side = [pair for name in ("r3b", _SPARE) for pair in (("r2", name), (name, "r4"))]
        cables = self._chain(wan, [*side, *pairwise(_MAIN_CHAIN)])
        cables |= self._chain(wanb, [("b1", "b2"), ("b2", "r7")])
        self._agent_routes(wan, wanb)
        self.route(self.target, "0.0.0.0/0", cables["r7", "target"].a4)
        self.route(self.target, "::/0", cables["r7", "target"].a6)
        self._name(wan, wanb, cables)
        self.move_back()
        self.silence("r5")
        self.rate_limit("r6", _LIMIT_PER_S)

    def _chain(self, home: Link, cables: Sequence[tuple[str, str]]) -> Cables:
        """Lay cables: left ends send what they do not know to the right, right ends what goes home to the left."""
        laid = {}
        for left, right in cables:
            link = laid[left, right] = self.link(left, right)
            self.route(left, "0.0.0.0/0", link.b4)
            self.route(left, "::/0", link.b6)
            if right != self.target:
                self.route(right, home.net4, link.a4)
                self.route(right, home.net6, link.a6)
        return laid

    def _agent_routes(self, wan: Link, wanb: Link) -> None:
        for prefix, first, second, source, family in (
            ("0.0.0.0/0", wan.b4, wanb.b4, wanb.a4, 4),
            ("::/0", wan.b6, wanb.b6, wanb.a6, 6),
        ):
            self.route(self.agent, prefix, first, dev=self.wan)
            self.route(self.agent, prefix, second, dev=self.wanb, metric=_WANB_METRIC)
            self.route(self.agent, prefix, second, dev=self.wanb, table=self.wanb_table)
            rules = (f"rule add {which} lookup {self.wanb_table}" for which in (f"fwmark {self.fwmark}", f"from {source}"))
            self.ip(self.agent, *rules, family=family)

    def _name(self, wan: Link, wanb: Link, cables: Cables) -> None:
        self.agent4, self.agent6, self.gateway4, self.gateway6 = wan.a4, wan.a6, wan.b4, wan.b6
        self.agent_wanb4, self.agent_wanb6 = wanb.a4, wanb.a6
        self.gateway_wanb4, self.gateway_wanb6 = wanb.b4, wanb.b6
        last = cables["r7", "target"]
        self.target4, self.target6 = last.b4, last.b6
        branches = (*_DIAMOND, _SPARE)
        self._branches = {
            "0.0.0.0/0": {name: cables["r2", name].b4 for name in branches},
            "::/0": {name: cables["r2", name].b6 for name in branches},
        }
        main = [wan, *(cables[pair] for pair in pairwise(_MAIN_CHAIN))]
        second = [wanb, cables["b1", "b2"], cables["b2", "r7"], last]
        one4, one6 = [link.b4 for link in main], [link.b6 for link in main]
        at3_4, at3_6 = self._branches.values()
        at4_4, at4_6 = dict.fromkeys(branches, one4[3]), {name: cables[name, "r4"].b6 for name in branches}
        self.hops4, self.hops4_moved = (self._hops(one4, at3_4, at4_4, names) for names in (_DIAMOND, (_SPARE,)))
        self.hops6, self.hops6_moved = (self._hops(one6, at3_6, at4_6, names) for names in (_DIAMOND, (_SPARE,)))
        self.hops_wanb4: Hops = tuple(frozenset({link.b4}) for link in second)
        self.hops_wanb6: Hops = tuple(frozenset({link.b6}) for link in second)

    def _hops(self, addresses: Sequence[str], at3: dict[str, str], at4: dict[str, str], carrying: Sequence[str]) -> Hops:
        """The hops while the branches `carrying` carry the traffic, whose addresses at ttl 3 and after it are given."""
        hops: list[frozenset[str] | None] = [frozenset({address}) for address in addresses]
        hops[self.silent_ttl - 1] = None
        hops[self.diamond_ttl - 1] = frozenset(at3[name] for name in carrying)
        hops[self.diamond_ttl] = frozenset(at4[name] for name in carrying)
        return tuple(hops)


def standard_lab() -> StandardLab:
    """The standard network, built when the `with` block is entered."""
    return StandardLab()
