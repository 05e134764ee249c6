"""`pathwarden trace --live` over the simulated network: what it sends when, and that keys do what they say."""

import json
from itertools import pairwise
from typing import cast

import pytest

from pathwarden.cli.main import _parser
from pathwarden.cli.tracing.egress import Kernel
from pathwarden.cli.tracing.live import Live
from pathwarden.cli.tracing.methods import chosen
from pathwarden.cli.tracing.probing import Bench, Rules
from pathwarden.cli.tracing.values import Waits
from pathwarden.cli.tracing.window import Window
from pathwarden.cli.tracing.wish import Wish
from pathwarden.model.probe import Binding, Probe
from pathwarden.model.settings import Source
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import parse

HOPS = 6


class Noting(SimNetwork):
    """The network, which notes what is sent."""

    def __init__(self, targets: int) -> None:
        routers = {f"r{n}": {"address4": f"10.0.0.{n}", "adds_ms": 2, "silent": n == 3} for n in range(1, HOPS)}
        routers |= {f"t{n}": {"address4": f"198.18.0.{n}", "adds_ms": 2} for n in range(1, targets + 1)}
        destinations = [{"name": f"t{n}", "address": f"198.18.0.{n}", "route": "main"} for n in range(1, targets + 1)]
        network = {"source": "192.0.2.10", "gateway": "10.0.0.1"}
        routes = {"main": [f"r{n}" for n in range(1, HOPS)]}
        super().__init__(parse({"network": network, "routers": routers, "routes": routes, "targets": destinations}), 1)
        self.sent: list[tuple[float, int, str]] = []

    def send(self, probe: Probe, binding: Binding) -> int:
        sent_ns = super().send(probe, binding)
        self.sent.append((sent_ns / 1e9, probe.ttl, probe.flow.dst))
        return sent_ns


class Hands:
    """A terminal where keys are pressed at given seconds from the start; keeps what was drawn last before each."""

    def __init__(self, network: Noting, keys: dict[float, str]) -> None:
        self._network = network
        self._start = network.now_ns / 1e9
        self._keys = sorted(keys.items())
        self._screen: list[str] = []
        self.screens: list[list[str]] = []

    def pressed(self) -> str:
        if not self._keys or self._network.now_ns / 1e9 - self._start < self._keys[0][0]:
            return ""
        self.screens.append(self._screen)
        return self._keys.pop(0)[1]

    def size(self) -> tuple[int, int]:
        return 80, 24

    def draw(self, lines: list[str], height: int) -> None:
        assert len(lines) <= height
        self._screen = lines


def live(network: Noting, *words: str, targets: int = 1) -> Live:
    args = _parser("trace").parse_args(["--no-color", "trace", "-n", "--live", *words, "host"])
    bench = Bench(network, cast("Kernel", Simulated(network)), network, 0)
    hosts = [f"198.18.0.{n}" for n in range(1, targets + 1)]
    wishes = [Wish(host, host, host, chosen("icmp", ()), 0, Source("", Binding()), 0, 0, 0) for host in hosts]
    return Live(args, bench, [bench.prepared(wish) for wish in wishes], Rules(1, 30, 3, 16, Waits(), 5))


class Simulated:
    """The simulated kernel, as the command asks one."""

    def __init__(self, network: Noting) -> None:
        self._network = network

    def binding(self, _wish: Wish) -> Binding:
        return Binding()

    def route(self, wish: Wish, binding: Binding) -> object:
        return self._network.lookup(wish.address, binding)


def test_routers_that_targets_share_are_never_asked_too_soon() -> None:
    network = Noting(3)
    rounds = live(network, "--count", "8", "--interval", "1.5", targets=3)
    hands = Hands(network, {3.1: "p", 7.35: "p", 9.0: "n"})
    rounds.run(cast("Window", hands))
    assert rounds.reached
    for ttl in (1, 2, 4):
        times = [at for at, asked, _ in network.sent if asked == ttl]
        assert len(times) == 3 * 8
        assert min(later - sooner for sooner, later in pairwise(times)) >= 0.3
    assert any("198.18.0.1" in line for line in hands.screens[2])


def test_no_probe_passes_a_destination_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    network = Noting(1)
    rounds = live(network, "--count", "5", "--json")
    rounds.run(None)
    first_s = network.sent[0][0]
    assert {ttl for at, ttl, _ in network.sent if at > first_s + 0.9} == set(range(1, HOPS + 1))
    assert len([at for at, ttl, _ in network.sent if ttl == HOPS]) == 5
    rounds.report(waiting=False)
    (target,) = json.loads(capsys.readouterr().out)["targets"]
    assert [hop["sent"] for hop in target["hops"]] == [5] * HOPS
    assert [hop["own_loss"] for hop in target["hops"]] == [0, 0, 1, 0, 0, 0]
    assert [hop["loss"] for hop in target["hops"]] == [0] * HOPS


def test_keys() -> None:
    network = Noting(2)
    rounds = live(network, targets=2)
    hands = Hands(network, {3.2: "p", 9.2: "d", 9.8: "nx", 10.4: "r", 11.0: "p", 13.6: "q"})
    rounds.run(cast("Window", hands))
    running, paused, detailed, other, anew, at_last = hands.screens
    assert running[0] == "198.18.0.1 (198.18.0.1)  icmp  1 of 2"
    assert paused[1].endswith(" rounds, paused")
    assert len(detailed) > len(paused), "a silent hop says so below"
    assert other[0] == "198.18.0.2 (198.18.0.2)  icmp  2 of 2"
    assert anew[1] == "no round is complete yet, paused"
    assert at_last[1] in ("2 rounds", "3 rounds")
    assert not [at for at, _, _ in network.sent if 4.2 < at - network.sent[0][0] < 10.9], "nothing leaves while it is paused"
