"""Translators, bleachers and firewalls on the way, made by nftables: what a trace can know of them, and at which hop.

    agent - r1 - r2 - r3 - r4 - target        r2 is the one that meddles, on what leaves towards r3

A kernel that translates by connection tracking puts quotes back as they were, checksums and all: no answer tells of it.
"""

import json
import re
import sys
from ipaddress import ip_address
from itertools import pairwise

import pytest

from equipment.traced import Traced
from netlab import Lab
from pathwarden.cli.checks import tracking
from pathwarden.model.probe import Binding, Method, ReplyKind
from pathwarden.model.trace import UNMARKED, Ending
from pathwarden.net.raw import RawTransport

CHAIN = ("agent", "r1", "r2", "r3", "r4", "target")
LAST = len(CHAIN) - 1
OUTSIDE = "203.0.113.5"  # what the target is called on the near side of a translator of destinations
BOTH = pytest.mark.parametrize("af", [4, 6])
UDP_AND_ICMP = pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])


class Way(Lab):
    """The chain. `links` are its cables in order."""

    def _build(self):
        self.nodes(hosts=["agent", "target"], routers=CHAIN[1:-1])
        self.links = [self.link(left, right) for left, right in pairwise(CHAIN)]
        for place, (left, right) in enumerate(pairwise(CHAIN)):
            link = self.links[place]
            self.route(left, "0.0.0.0/0", link.b4)
            self.route(left, "::/0", link.b6)
            for before in self.links[:place]:
                self.route(right, before.net4, link.a4)
                self.route(right, before.net6, link.a6)
        self.settle()

    def target_of(self, af):
        return self.links[-1].b4 if af == 4 else self.links[-1].b6

    def responders(self, af):
        return [(link.b4 if af == 4 else link.b6,) for link in self.links]

    def meddle(self, node, hook, kind, priority, *rules):
        """A chain of nftables with these rules."""
        begin = [f"add table inet meddle_{hook}", f"add chain inet meddle_{hook} c {{ type {kind} hook {hook} priority {priority}; }}"]
        self.nft(node, "\n".join(begin + [f"add rule inet meddle_{hook} c {rule}" for rule in rules]))

    def leave_alone(self):
        for node in ("agent", "r2"):
            listed = re.findall(r"table inet (meddle_\w+)", self.exec(node, ["nft", "list", "tables"]).stdout)
            for name in listed:
                self.nft(node, f"delete table inet {name}")


@pytest.fixture(scope="module")
def built():
    with Way() as way:
        yield way


@pytest.fixture
def way(built):
    yield built
    built.leave_alone()


@pytest.fixture
def transport(way):
    with way.enter("agent"):  # each flow's socket is opened inside
        made = RawTransport()
        yield made
        made.close()


def trace(way, transport, af=4, method=Method.UDP, **options):
    return Traced(transport, options.pop("dst", way.target_of(af)), method, max_ttl=LAST + 1, wait_s=options.pop("wait_s", 3.0), **options)


# -- translators


@BOTH
@pytest.mark.parametrize(
    ("method", "rule"),
    [
        (Method.UDP, "masquerade"),
        (Method.ICMP, "masquerade"),
        (Method.UDP, "meta l4proto udp masquerade to :20000-20010"),
        (Method.UDP, "masquerade fully-random"),
        (Method.ICMP, "masquerade fully-random"),
    ],
)
def test_a_kernel_that_tracks_connections_puts_its_quotes_back(way, transport, af, method, rule):
    """Nobody can find this translator by its answers; and none is found where there is none."""
    way.meddle("r2", "postrouting", "nat", 100, f'oifname "r3" {rule}')
    traced = trace(way, transport, af, method)
    assert [each.responders for each in traced.outcome.hops] == way.responders(af)
    assert {answer.marks for each in traced.outcome.hops for answer in each.answers} == {UNMARKED}
    seen = way.exec("r2", ["cat", "/proc/net/nf_conntrack"]).stdout
    far = way.links[2].a4 if af == 4 else ip_address(way.links[2].a6).exploded
    protocol = " udp " if method is Method.UDP else f" {'icmp' if af == 4 else 'icmpv6'} "
    assert [line for line in seen.splitlines() if protocol in line and f"dst={far} " in line], seen  # it did translate


def rewrite_statelessly(way, *also):
    """Another source on what leaves, the agent's again on what comes back; quotes stay as the far side saw them."""
    near, far = way.links[0].a4, way.links[2].a4
    way.meddle("r2", "postrouting", "filter", 0, *also, f'oifname "r3" ip saddr {near} ip saddr set {far}')
    way.meddle("r2", "prerouting", "filter", -300, f'iifname "r3" ip daddr {far} ip daddr set {near}')


def test_a_translator_without_memory_shows_from_the_next_hop_on(way, transport):
    rewrite_statelessly(way)
    traced = trace(way, transport, queries=3)
    assert [each.responders for each in traced.outcome.hops] == way.responders(4)
    nat = {each.ttl: {answer.marks.nat for answer in each.answers} for each in traced.outcome.hops}
    assert nat[1] == nat[2] == {0}
    assert 0 not in nat[3]
    assert nat[3] == nat[4] == nat[5]
    assert len(nat[3]) == 1  # it changes each checksum by as much, whatever the probe


def test_what_it_changes_is_the_difference_of_the_addresses(way, transport):
    """So a translator of the same address is known again, and another one seen."""
    rewrite_statelessly(way)
    near, far = (sum(divmod(int(ip_address(address)), 1 << 16)) for address in (way.links[0].a4, way.links[2].a4))
    assert trace(way, transport).only(LAST).marks.nat == (near - far) % 0xFFFF


def test_a_rewritten_port_that_nobody_puts_back_silences_the_hops_behind(way, transport, need):
    """Their quotes name a port that is not ours; traceroute(8) hears them as little. `doctor` does (its ear has no filter)."""
    rewrite_statelessly(way, 'oifname "r3" udp sport set 20001')
    traced = trace(way, transport)
    assert [each.responders for each in traced.outcome.hops[:2]] == way.responders(4)[:2]
    assert {each.responders for each in traced.outcome.hops[2:]} == {()}
    assert traced.outcome.ending in (Ending.GAP, Ending.MAX_TTL)
    theirs = way.exec("agent", [need("traceroute"), "-n", "-q1", "-w0.3", "-m5", way.target_of(4)]).stdout
    assert [line.split()[1] for line in theirs.splitlines()[1:]] == [way.links[0].b4, way.links[1].b4, "*", "*", "*"]


@UDP_AND_ICMP
def test_a_translator_of_the_target_answers_with_the_targets_own_address(way, transport, method):
    """Time exceeded from the target's own address, its own router included: from there on the address is translated."""
    way.nft("r2", "add table ip dest\nadd chain ip dest pre { type nat hook prerouting priority -100; }")
    way.nft("r2", f"add rule ip dest pre ip daddr {OUTSIDE} dnat to {way.target_of(4)}")
    traced = trace(way, transport, 4, method, dst=OUTSIDE)
    way.nft("r2", "delete table ip dest")
    assert [each.responders for each in traced.outcome.hops] == [(way.links[0].b4,), *[(OUTSIDE,)] * 4]
    kinds = [each.answers[0].kind for each in traced.outcome.hops]
    assert kinds[:4] == [ReplyKind.TIME_EXCEEDED] * 4
    assert traced.outcome.reached_ttl == LAST


# -- DSCP


@BOTH
@UDP_AND_ICMP
@pytest.mark.parametrize(("sent", "rule", "seen"), [(0xB8, "cs0", 0), (0x28, "af11", 0x28), (0xB9, "cs1", 0x21)])
def test_a_rewritten_dscp_shows_from_the_next_hop_on(way, transport, af, method, sent, rule, seen):
    way.meddle("r2", "postrouting", "filter", 0, *(f'oifname "r3" {family} dscp set {rule}' for family in ("ip", "ip6")))
    traced = trace(way, transport, af, method, tos=sent)
    assert [each.responders for each in traced.outcome.hops] == way.responders(af)
    answers = traced.outcome.hops if method is Method.UDP else traced.outcome.hops[:-1]  # an echo reply quotes nothing
    changed = seen if seen != sent else -1
    assert [each.answers[0].marks.tos for each in answers] == [-1, -1] + [changed] * (len(answers) - 2)


# -- firewalls on the agent

DROP_INVALID = "ct state invalid drop"


def called_invalid(way):
    """How many packets connection tracking could not place since the namespace was made."""
    with way.enter("agent"):
        return tracking.invalid()


def doctor(way, folder):
    """What `pathwarden doctor` finds about invalid packets and ICMP errors: their statuses and details."""
    path = folder / "config"
    path.write_text(f"config agent\n\toption db '{folder}/history.db'\nconfig target 'site'\n\toption host '{way.target_of(4)}'\n")
    done = way.exec("agent", [sys.executable, "-m", "pathwarden", "doctor", "--json", "--config", str(path)])
    return {each["what"]: (each["status"], each["detail"]) for each in json.loads(done.stdout)}


@BOTH
@UDP_AND_ICMP
@pytest.mark.parametrize("translated", [False, True])
def test_dropping_what_is_invalid_costs_no_honest_answer(way, transport, af, method, translated):
    way.meddle("agent", "input", "filter", 0, DROP_INVALID)
    if translated:
        way.meddle("r2", "postrouting", "nat", 100, 'oifname "r3" masquerade')
    before = called_invalid(way)
    assert [each.responders for each in trace(way, transport, af, method).outcome.hops] == way.responders(af)
    assert called_invalid(way) == before


def test_answers_that_the_firewall_drops_as_invalid_are_silent_and_doctor_says_so(way, transport, tmp_path):
    rewrite_statelessly(way)
    way.meddle("agent", "input", "filter", 0, DROP_INVALID)
    before = called_invalid(way)
    traced = trace(way, transport, wait_s=0.4)
    silent = [each for each in traced.outcome.hops if not each.responders]
    assert [each.ttl for each in silent] == [3, 4, 5, 6]
    assert traced.outcome.ending is not Ending.REACHED
    assert called_invalid(way) - before >= len(silent)  # each of them had an answer
    found = doctor(way, tmp_path)
    assert found["ICMP errors"][0] == "ok"  # two hops do answer
    assert found["invalid packets"] == ("warn", "1 of 3 probes got no answer; meanwhile connection tracking called 1 packet invalid")
    way.nft("agent", "delete table inet meddle_input")
    assert "invalid packets" not in doctor(way, tmp_path)
    assert [each.responders for each in trace(way, transport).outcome.hops] == way.responders(4)


def test_a_packet_for_a_chosen_next_hop_is_unknown_to_connection_tracking(way, transport):
    """So a firewall that lets in only what belongs to a connection drops the answers to a flow that it does not know already."""
    way.meddle("agent", "input", "filter", 0, "ct state established,related accept", "meta l4proto { icmp, icmpv6 } drop")
    for af in (4, 6):
        assert [each.responders for each in trace(way, transport, af).outcome.hops] == way.responders(af)
    before = called_invalid(way)
    beside = {"binding": Binding(next_hop=way.links[0].b4), "port": 33500}
    traced = trace(way, transport, **beside)
    assert not any(each.responders for each in traced.outcome.hops)
    assert called_invalid(way) - before >= traced.outcome.probes
    way.nft("agent", "delete table inet meddle_input")
    traced = trace(way, transport, **beside)
    assert [each.responders for each in traced.outcome.hops] == way.responders(4)
