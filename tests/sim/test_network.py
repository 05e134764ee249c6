"""What a scenario's routers may be like, and what may happen to them: each as a probe meets it."""

import tomllib

import pytest

from equipment.sim_names import SimNames
from pathwarden.engine.marks import marks_of
from pathwarden.errors import ConfigError
from pathwarden.model.probe import Binding, Flow, Method, Probe, Reply, ReplyKind
from pathwarden.sim.network import FORGER, SimNetwork
from pathwarden.sim.scenario import load, parse

SECOND = 1_000_000_000
WORLD = """
[network]
source = "192.0.2.10"
gateway = "192.0.2.1"
[routers]
gw = { address4 = "192.0.2.1" }
a = { address4 = "10.0.0.1" }
b = { address4 = "10.0.0.2" }
c = { address4 = "10.0.0.3" }
d = { address4 = "10.0.0.4" }
site = {}
[routes]
main = ["gw", "a", "b"]
shared = ["gw", ["a", "b", "c", "d"]]
circle = ["gw", "a", "b", "@2"]
[[targets]]
name = "site"
address = "198.51.100.7"
route = "main"
"""


class Lab:
    """A network whose probes are sent one by one."""

    def __init__(self, route: str = "main", changes: list[dict] | None = None, seed: int = 1, **routers: dict) -> None:
        document = tomllib.loads(WORLD)
        document["changes"] = changes or []
        document["targets"][0]["route"] = route
        for name, values in routers.items():
            document["routers"][name] |= values
        self.network = SimNetwork(parse(document), seed)
        self.ident = 0

    def flow(self, method: Method = Method.UDP, tos: int = 0, size: int = 0, dst: str = "198.51.100.7") -> Flow:
        return self.network.flow(dst, method, 0, Binding(), tos, size)

    def ask(self, ttl: int, flow: Flow | None = None, wait_s: float = 1.0) -> list[Reply]:
        """The replies that come in time."""
        self.ident += 1
        self.network.send(Probe(self.ident, flow or self.flow(), ttl, 0), Binding())
        until_ns, replies = self.network.now_ns + round(wait_s * SECOND), []
        while self.network.now_ns < until_ns:
            replies += self.network.receive(until_ns - self.network.now_ns)
        return replies

    def who(self, ttl: int, flow: Flow | None = None) -> str | None:
        replies = self.ask(ttl, flow)
        return replies[0].responder if replies else None

    def at(self, elapsed_s: float) -> None:
        self.network.now_ns = (1 + round(elapsed_s)) * SECOND


def test_bursts_come_when_they_come_whoever_probes() -> None:
    values = {"burst_loss": 1.0, "burst_s": 10, "burst_every_s": 30}
    busy, lazy = Lab(a=values), Lab(a=values)
    seen = {second: busy.who(2) for second in range(600) if busy.at(second) is None}
    assert {None, "10.0.0.1"} == set(seen.values())
    assert 0.1 < sum(who is None for who in seen.values()) / 600 < 0.5
    for second in range(0, 600, 50):
        lazy.at(second)
        assert lazy.who(2) == seen[second]


def test_a_circle_never_arrives() -> None:
    lab = Lab("circle")
    assert [lab.who(ttl) for ttl in (1, 2, 3, 4, 5, 30)] == ["192.0.2.1", "10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2", "10.0.0.1"]
    assert all(reply.kind is ReplyKind.TIME_EXCEEDED for reply in lab.ask(30))


def test_a_queue_holds_up_what_passes_and_not_its_own_answers() -> None:
    lab = Lab(gw={"queue_ms": 100})
    start_ns = lab.network.now_ns
    own = lab.ask(1)[0].at_ns - start_ns
    waits = []
    for _ in range(200):
        sent_ns = lab.network.now_ns
        waits.append((lab.ask(2, wait_s=2)[0].at_ns - sent_ns) / 1e6)
    assert own == 1_000_000
    assert 80 < sum(waits) / 200 < 125


def test_late_and_forged_answers() -> None:
    lab = Lab(a={"late": 1.0, "late_s": 4}, b={"spoofed": 1.0})
    assert lab.ask(2) == []
    assert [reply.responder for reply in lab.ask(1, wait_s=5)] == ["192.0.2.1", "10.0.0.1"]
    true, forged = sorted(lab.ask(3), key=lambda reply: reply.responder == FORGER[4])
    assert (true.responder, true.ident, forged.responder) == ("10.0.0.2", lab.ident, FORGER[4])


def test_marks_are_bleached_from_the_next_hop_on() -> None:
    lab = Lab(a={"keeps_tos": 3})
    flow = lab.flow(tos=46 << 2 | 2)
    assert [lab.ask(ttl, flow)[0].quoted_tos for ttl in (1, 2, 3, 4)] == [186, 186, 2, 2]
    assert lab.ask(4, lab.flow(Method.ICMP, tos=184))[0].quoted_tos == -1, "an echo reply quotes nothing"


@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
def test_a_translator_leaves_its_fingerprint(method: Method) -> None:
    lab = Lab(a={"nat": 4711})
    flow = lab.flow(method)
    nats = []
    for ttl in (1, 2, 3):
        reply = lab.ask(ttl, flow)[0]
        nats.append(marks_of(Probe(lab.ident, flow, ttl, 0), reply).nat)
    assert nats == [0, 0, 4711]


def test_labels_on_off() -> None:
    lab = Lab(changes=[{"at_s": 60, "router": "a", "mpls": [16001, 17]}, {"at_s": 120, "router": "a", "mpls": []}])
    stacks = []
    for second in (0, 60, 120):
        lab.at(second)
        stacks.append([(label.label, label.bottom) for label in lab.ask(2)[0].mpls])
    assert stacks == [[], [(16001, False), (17, True)], []]


@pytest.mark.parametrize("quiet", [False, True])
def test_a_narrow_link_says_so_or_not(quiet: bool) -> None:
    lab = Lab(a={"mtu": 1400, "mtu_silent": quiet})
    long = lab.flow(size=1500)
    assert lab.who(2, long) == "10.0.0.1", "its own hop is reached"
    replies = lab.ask(3, long)
    assert [(reply.kind, reply.responder, reply.mtu) for reply in replies] == (
        [] if quiet else [(ReplyKind.PACKET_TOO_BIG, "10.0.0.1", 1400)]
    )
    assert lab.who(3) == "10.0.0.2"


def test_the_way_back_may_be_longer() -> None:
    lab = Lab(a={"back_hops": 2}, b={"initial_ttl": 255})
    assert [lab.ask(ttl)[0].ttl for ttl in (1, 2, 3)] == [64, 61, 253]


def test_balancers_share_anew_with_another_key() -> None:
    lab = Lab("shared", changes=[{"at_s": 60 * n, "hash": f"key {n}"} for n in range(1, 9)])
    members = []
    for n in range(9):
        lab.at(60 * n)
        members.append({lab.who(2) for _ in range(5)})
    assert all(len(each) == 1 for each in members), "a flow stays where it is as long as the key does"
    assert len(set.union(*members)) > 1


def test_a_route_gets_other_hops_and_a_router_other_links() -> None:
    lab = Lab(changes=[{"at_s": 60, "route": "main", "hops": ["gw", "c"]}, {"at_s": 120, "router": "c", "links": ["d"]}])
    assert lab.who(3) == "10.0.0.2"
    lab.at(60)
    assert [lab.who(ttl) for ttl in (2, 3)] == ["10.0.0.3", "198.51.100.7"]
    lab.at(120)
    assert [lab.who(ttl) for ttl in (2, 3, 4)] == ["10.0.0.3", "10.0.0.4", "198.51.100.7"]


def test_a_target_moves_and_loses_its_name() -> None:
    changes = [{"at_s": 60, "target": "site", "address": "198.51.100.70"}, {"at_s": 120, "target": "site", "address": ""}]
    lab = Lab(changes=changes)
    names = SimNames(lab.network)
    assert (names.lookup("site", 0), names.lookup("203.0.113.1", 0)) == ("198.51.100.7", "203.0.113.1")
    lab.at(60)
    assert names.lookup("site", 0) == "198.51.100.70"
    assert lab.who(9, lab.flow(dst="198.51.100.70")) == "198.51.100.70"
    assert lab.who(9) == "198.51.100.7", "what is under way to the old address is answered"
    lab.at(120)
    assert names.lookup("site", 0) is None


def test_the_uplink_changes_and_the_clock_steps() -> None:
    lab = Lab(
        changes=[{"at_s": 60, "source": "192.0.2.77", "gateway": "192.0.2.129", "device": "wwan"}, {"at_s": 120, "clock_step_s": -3600}]
    )
    network = lab.network
    epochs = [network.lookup("198.51.100.7", Binding()).epoch]
    before = network.wall_ns() - network.mono_ns()
    lab.at(60)
    epochs.append(network.lookup("198.51.100.7", Binding()).epoch)
    assert epochs == ["wan|192.0.2.10|192.0.2.1", "wwan|192.0.2.77|192.0.2.129"]
    assert lab.flow().src == "192.0.2.77"
    lab.at(120)
    assert network.wall_ns() - network.mono_ns() == before - 3600 * SECOND


@pytest.mark.parametrize(
    ("added", "complaint"),
    [
        ('[[changes]]\nat_s = 1\ntarget = "nobody"\nroute = "main"', "unknown target nobody"),
        ('[[changes]]\nat_s = 1\ntarget = "site"', "unknown route"),
        ('[[changes]]\nat_s = 1\nroute = "main"\nhops = ["x"]', "unknown router x"),
        ('[[changes]]\nat_s = 1\nrouter = "a"\nlinks = ["x"]', "unknown router x"),
        ('[[changes]]\nat_s = 1\ncolour = "red"', "unknown value colour"),
        ('[[changes]]\nat_s = 1\nroute = "main"\nhops = ["a", "@2"]', "@2 is longer than the route"),
    ],
)
def test_a_wrong_change_is_named(tmp_path, added: str, complaint: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(f"{WORLD}\n{added}\n")
    with pytest.raises(ConfigError, match=complaint):
        load(path)
