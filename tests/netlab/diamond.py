r"""A network with one balanced stretch, of real kernels.

                / m1 \
    agent - r1 -  ..  - join - target
                \ mN /

r1 counts the packets to the target. Every router answers every probe at once. Some members may have routers of their own between them
and `join`: then branches differ in length, and a balancer stands behind a balancer.
"""

from netlab.lab import Lab, Link

DESTINATION_PORT, FLOW_LABEL, LABEL_AND_ADDRESSES = "0x0020", "0x0008", "0x000f"


class DiamondLab(Lab):
    """The network, built when the `with` block is entered. Behind each of the first `nested` members are `behind` routers (1..26).

    `edges` are the graph's: by address family a set of (ttl, address, address a ttl later). A kernel answers from the address towards the
    way back (IPv4) or the one that the probe came in by (IPv6): the join has one address in IPv4, one for each branch in IPv6.
    """

    agent = "agent"

    def __init__(self, width: int, *, nested: int = 0, behind: int = 2) -> None:
        super().__init__()
        self._width = width
        self._nested = nested
        self._behind = behind

    def probes(self) -> int:
        """How many packets to the target r1 has seen since the network was built."""
        return self.counted("r1")

    def hash_by(self, router: str, fields: str) -> None:
        """Let a router choose by these fields of a packet alone (`fib_multipath_hash_fields`), IPv4 and IPv6."""
        for family in ("ipv4", "ipv6"):
            self.sysctl(router, f"net.{family}.fib_multipath_hash_fields", fields)

    def _build(self) -> None:
        members = [f"m{number}" for number in range(1, self._width + 1)]
        behind = {member: [f"{member}{chr(97 + number)}" for number in range(self._behind)] for member in members[: self._nested]}
        inner = [name for names in behind.values() for name in names]
        self.nodes(hosts=[self.agent, "target"], routers=["r1", *members, *inner, "join"])
        self._home = self.link(self.agent, "r1")
        self._cables: dict[tuple[str, str], Link] = {}
        self._towards(self.agent, [self._home])
        to_members = [self._cable("r1", member) for member in members]
        self._towards("r1", to_members)
        for member in members:
            onward = [self._cable(member, name) for name in behind.get(member, [])]
            if onward:
                self._towards(member, onward)
                # Kernels of one machine hash with one key: after the same choice at r1 the same fields would choose no more.
                self.hash_by(member, DESTINATION_PORT)
            for name in behind.get(member, [member]):
                self._towards(name, [self._cable(name, "join")])
        last = self._cable("join", "target")
        self._towards("join", [last])
        self.route("target", "0.0.0.0/0", last.a4)
        self.route("target", "::/0", last.a6)
        self.target = {4: last.b4, 6: last.b6}
        self.count("r1", last.b4)
        self.nft("r1", f"add rule inet lab arriving ip6 daddr {last.b6} counter name probes\n")
        self.edges = {af: self._edges(af) for af in (4, 6)}
        self.settle()

    def _edges(self, af: int) -> set[tuple[int, str, str]]:
        """Along the cables, from the agent on."""
        into_join = [link.b4 for (_, right), link in self._cables.items() if right == "join"]
        edges: set[tuple[int, str, str]] = set()
        reached = {("r1", self._home.b4 if af == 4 else self._home.b6)}
        ttl = 1
        while reached:
            found = set()
            for node, address in reached:
                for (left, right), link in self._cables.items():
                    if left == node:
                        there = link.b6 if af == 6 else into_join[-1] if right == "join" else link.b4
                        edges.add((ttl, address, there))
                        found.add((right, there))
            reached, ttl = found, ttl + 1
        return edges

    def _cable(self, left: str, right: str) -> Link:
        link = self.link(left, right)
        self._cables[left, right] = link
        if right != "target":
            self.route(right, self._home.net4, link.a4)
            self.route(right, self._home.net6, link.a6)
        return link

    def _towards(self, node: str, links: list[Link]) -> None:
        self.route(node, "0.0.0.0/0", nexthops=[link.b4 for link in links])
        self.route(node, "::/0", nexthops=[link.b6 for link in links])
