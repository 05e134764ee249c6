"""The search for a path's MTU: by what routers say, by what vanishes, by what the own device refuses."""

import random
import tomllib

import pytest

from pathwarden.daemon.drive import Driver
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.mtu import LEAST, Drop, How, MtuSession
from pathwarden.engine.pacing import TokenBucket
from pathwarden.engine.spec import TraceSpec
from pathwarden.errors import ProbeError
from pathwarden.model.probe import Binding, Method, Probe, Reply, ReplyKind
from pathwarden.model.trace import Ending, Marks
from pathwarden.present.text import hop_line
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import parse

WORLD = """
[network]
source = "192.0.2.10"
gateway = "10.0.0.1"
[routers]
r1 = { address4 = "10.0.0.1", address6 = "2001:db8::1" }
r2 = { address4 = "10.0.0.2", address6 = "2001:db8::2" }
r3 = { address4 = "10.0.0.3", address6 = "2001:db8::3" }
site = { address4 = "198.51.100.7", address6 = "2001:db8:7::1" }
[routes]
main = ["r1", "r2", "r3"]
[[targets]]
name = "site"
address = "198.51.100.7"
route = "main"
"""


class Narrow(SimNetwork):
    """Behind router `ttl` (0: our own device) only `mtu` bytes pass; who drops a longer one says so, lies, or is a black hole."""

    def __init__(self, narrows: dict[int, int], says: dict[int, int | None] | None = None, text: str = WORLD, seed: int = 1) -> None:
        super().__init__(parse(tomllib.loads(text)), seed)
        self.narrows = narrows
        self.says = says or {}
        self.sizes: list[int] = []

    def send(self, probe: Probe, binding: Binding) -> int:
        for ttl, mtu in sorted(self.narrows.items()):
            if probe.flow.size <= mtu or probe.ttl <= ttl:
                continue
            if ttl == 0:
                raise ProbeError("too_long", str(self.says.get(0, mtu) or ""))
            self.sizes.append(probe.flow.size)
            said = self.says.get(ttl, mtu)
            if said is not None:
                flow, icmp = probe.flow, (3, 4) if probe.flow.af == 4 else (2, 0)
                named = (flow.method, flow.dst, flow.sport, flow.dport, probe.ident, 0)
                responder = f"10.0.0.{ttl}" if flow.af == 4 else f"2001:db8::{ttl}"
                self._push(Reply(ReplyKind.PACKET_TOO_BIG, responder, self.now_ns + 1_000_000, *named, *icmp, 60, 1, mtu=said))
            return self.now_ns
        self.sizes.append(probe.flow.size)
        return super().send(probe, binding)


def search(network: SimNetwork, size: int = 65000, dst: str = "198.51.100.7", **spec: object) -> MtuSession:
    flow = network.flow(dst, Method.UDP, 0, Binding(), 0, size)
    values = {"first_ttl": 1, "max_ttl": 30, "queries": 3, "wait_ns": 3_000_000_000, "gap_limit": 5, "window": 1} | spec
    session = MtuSession(TraceSpec(flow, **values), Correlator(random.Random(1).randint(1, 60000)))
    driver = Driver(network, network, session.correlator, TokenBucket(200))
    driver.add(session, Binding(), lambda _: None)
    until_ns = network.now_ns + 300_000_000_000
    while len(driver):
        driver.step(60_000_000_000)
        assert network.now_ns < until_ns, "the search does not end"
    return session


def lines(session: MtuSession, af: int = 4) -> list[str]:
    return [hop_line(hop, af) for hop in session.outcome().hops]


def test_each_message_lowers_the_size_and_is_told_once() -> None:
    session = search(Narrow({0: 1500, 1: 1492, 3: 1400}))
    assert session.drops == (
        Drop(1, 1500, How.DEVICE),
        Drop(2, 1492, How.SAID, "10.0.0.1"),
        Drop(4, 1400, How.SAID, "10.0.0.3"),
    )
    assert session.mtu == 1400
    assert lines(session) == [
        " 1  10.0.0.1  1.000 ms F=1500  1.000 ms  1.000 ms",
        " 2  10.0.0.2  2.000 ms F=1492  2.000 ms  2.000 ms",
        " 3  10.0.0.3  3.000 ms  3.000 ms  3.000 ms",
        " 4  198.51.100.7  4.000 ms F=1400  4.000 ms  4.000 ms",
    ]
    outcome = session.outcome()
    assert (outcome.ending, outcome.reached_ttl) == (Ending.REACHED, 4)
    assert outcome.probes == 4 * 3 + 2  # two of them were too long; one never left


def test_a_size_that_passes_everywhere_stays() -> None:
    session = search(Narrow({}), 1500)
    assert (session.mtu, session.drops, session.outcome().probes) == (1500, (), 12)


@pytest.mark.parametrize("mtu", [68, 69, 576, 1006, 1399, 1400, 1420, 1499])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_black_hole_is_found_to_the_byte(mtu: int, at: int) -> None:
    session = search(Narrow({at: mtu}, {at: None}), 1500)
    assert session.mtu == mtu
    assert session.drops == (Drop(at + 1, mtu, How.SEARCHED),)
    assert session.outcome().reached_ttl == 4
    assert all(len(hop.answers) == 3 and hop.answers[0].responder for hop in session.outcome().hops)
    assert session.outcome().hops[at].answers[0].marks == Marks(mtu=mtu)


@pytest.mark.parametrize("lie", [0, 20, 1500, 9000])
def test_a_message_that_cannot_be_is_not_believed(lie: int) -> None:
    session = search(Narrow({2: 1420}, {2: lie}), 1500)
    assert session.drops == (Drop(3, 1420, How.SEARCHED),)


def test_a_word_said_during_the_search_ends_it() -> None:
    """Behind a black hole stands one that speaks."""
    session = search(Narrow({1: 1480, 2: 1300}, {1: None}), 1500)
    assert session.mtu == 1300
    assert session.drops[-1] == Drop(3, 1300, How.SAID, "10.0.0.2")


@pytest.mark.parametrize("mtu", [68, 1280, 1450, 1500])
def test_a_device_that_names_no_size_is_asked_by_halves(mtu: int) -> None:
    session = search(Narrow({0: mtu}, {0: 0}))
    assert session.drops == (Drop(1, mtu, How.DEVICE),)
    assert session.outcome().reached_ttl == 4


def test_a_silent_hop_is_asked_with_the_shortest_size_and_left_alone() -> None:
    network = Narrow({}, text=WORLD.replace('r2 = { address4 = "10.0.0.2"', 'r2 = { silent = true, address4 = "10.0.0.2"'))
    session = search(network, 1500)
    assert (session.mtu, session.drops, session.outcome().reached_ttl) == (1500, (), 4)
    assert lines(session)[1] == " 2  * * *"
    assert sorted(set(network.sizes)) == [LEAST[4], 1500]


@pytest.mark.parametrize("seed", range(5))
def test_a_lost_probe_does_not_look_like_a_black_hole(seed: int) -> None:
    network = Narrow({}, text=WORLD.replace('r3 = { address4 = "10.0.0.3"', 'r3 = { loss = 0.1, address4 = "10.0.0.3"'), seed=seed)
    assert search(network, 1500).mtu == 1500


def test_over_ipv6_no_link_takes_less_than_1280() -> None:
    text = WORLD.replace('address = "198.51.100.7"', 'address = "2001:db8:7::1"')
    session = search(Narrow({1: 1280, 2: 1280}, {1: 1000}, text=text), 1500, "2001:db8:7::1")
    assert session.drops == (Drop(2, 1280, How.SEARCHED),)
    assert session.mtu == 1280


def test_nobody_behind_a_black_hole_ends_at_the_gap() -> None:
    text = WORLD.replace("site = { address4", "site = { down = true, address4")
    session = search(Narrow({}, text=text), 1500, gap_limit=2)
    assert session.outcome().ending is Ending.GAP
    assert (session.mtu, session.drops) == (1500, ())


def test_any_other_refusal_ends_the_trace() -> None:
    class Closed(SimNetwork):
        def send(self, *_: object) -> int:
            raise ProbeError("no_route", "away")

    session = search(Closed(parse(tomllib.loads(WORLD)), 1))
    assert (session.outcome().ending, session.outcome().error) == (Ending.ERROR, "no_route: away")


def test_a_device_that_takes_not_even_the_shortest_ends_the_trace() -> None:
    session = search(Narrow({0: 60}, {0: 0}))
    assert (session.outcome().ending, session.outcome().error) == (Ending.ERROR, "too_long")


def test_a_full_queue_costs_time_and_no_probe() -> None:
    class Full(Narrow):
        refusals = 7

        def send(self, probe: Probe, binding: Binding) -> int:
            self.refusals -= 1
            return 0 if self.refusals >= 0 else super().send(probe, binding)

    session = search(Full({2: 1400}), 1500)
    assert (session.mtu, session.outcome().probes) == (1400, 13)
