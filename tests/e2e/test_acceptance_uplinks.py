"""Two uplinks: a target with a source really leaves through it, and the history says by which kernel route."""

from collections.abc import Iterator

import pytest

from equipment.agent import Agent, runners, section
from netlab import StandardLab
from pathwarden.model.history import StoredTrace

MAIN_TABLE = 254
KINDS = ("device", "address", "mark", "table")
WHO = ("root", "nobody")
USES = [(who, kind) for who in WHO for kind in KINDS if (who, kind) != ("nobody", "mark")]  # only root may mark packets
each_family = pytest.mark.parametrize("family", [4, 6])
each_user = pytest.mark.parametrize("who", WHO)


@pytest.fixture(scope="module")
def agents(lab: StandardLab) -> Iterator[dict[str, Agent]]:
    """Daemons of root and of an ordinary user, side by side, that have traced every target twice."""
    with runners() as both:
        agents = {runner.name: Agent(lab, runner, runner.name, port=8866 + number) for number, runner in enumerate(both)}
        for agent in agents.values():
            agent.configure(
                section("defaults", "defaults", interval_s=2, jitter_pct=0, queries=2, wait_s=0.5),
                section("source", "by_device", device=lab.wanb),
                section("source", "by_address4", address=lab.agent_wanb4),
                section("source", "by_address6", address=lab.agent_wanb6),
                section("source", "by_mark", fwmark=hex(lab.fwmark)),
                section("source", "by_table", table=lab.wanb_table),
                *(_target(lab, kind, family) for kind in ("plain", *KINDS) for family in (4, 6)),
            )
        with agents["root"], agents["nobody"]:
            for agent in agents.values():
                agent.await_rounds(2, 60)
            yield agents


def _target(lab: StandardLab, kind: str, family: int) -> str:
    source = {"plain": {}, "address": {"source": f"by_address{family}"}}.get(kind, {"source": f"by_{kind}"})
    return section("target", f"{kind}{family}", host=lab.target4 if family == 4 else lab.target6, **source)


def latest(agent: Agent, tid: str) -> StoredTrace:
    with agent.reader() as reader:
        found = reader.latest(tid)
    assert found is not None
    return found


def routed(agent: Agent, tid: str) -> tuple[str, str, str, int]:
    """Device, source address, gateway and table by which a target's newest trace left, as stored."""
    route = latest(agent, tid).trace.kernel_route
    assert route is not None
    return tuple(route)


def as_in_the_lab(hops: list[list[str]], expected: tuple[frozenset[str] | None, ...], limited_ttl: int) -> None:
    assert len(hops) == len(expected), hops
    for ttl, (seen, may) in enumerate(zip(hops, expected, strict=True), 1):
        assert set(seen) <= (may or set()), f"ttl {ttl}: {seen}, not of {may}"
        assert seen or may is None or (ttl == limited_ttl and len(expected) == 8), f"ttl {ttl} is silent"


@each_user
@each_family
def test_a_target_without_a_source_takes_the_first_uplink(lab: StandardLab, agents: dict[str, Agent], who: str, family: int) -> None:
    tid = f"plain{family}"
    gateway, own, hops = (lab.gateway4, lab.agent4, lab.hops4) if family == 4 else (lab.gateway6, lab.agent6, lab.hops6)
    assert routed(agents[who], tid) == (lab.wan, own, gateway, MAIN_TABLE)
    (path,) = agents[who].get(f"/api/v1/targets/{tid}/paths")["paths"]
    as_in_the_lab(path["hops"], hops, lab.limited_ttl)


@each_family
@pytest.mark.parametrize(("who", "kind"), USES)
def test_a_target_with_a_source_takes_the_second(lab: StandardLab, agents: dict[str, Agent], who: str, family: int, kind: str) -> None:
    agent, tid = agents[who], f"{kind}{family}"
    gateway, own = (lab.gateway_wanb4, lab.agent_wanb4) if family == 4 else (lab.gateway_wanb6, lab.agent_wanb6)
    # The device is a socket's own choice within the main table; the others are led by rules.
    assert routed(agent, tid) == (lab.wanb, own, gateway, MAIN_TABLE if kind == "device" else lab.wanb_table)
    (path,) = agent.get(f"/api/v1/targets/{tid}/paths")["paths"]
    as_in_the_lab(path["hops"], lab.hops_wanb4 if family == 4 else lab.hops_wanb6, lab.limited_ttl)
    state = agent.state(tid)
    assert (state["state"], state["hop_count"], state["kernel_route"]["device"]) == ("ok", 4, lab.wanb)
    assert latest(agent, tid).trace.flow.src == own


@each_family
def test_without_the_privilege_to_mark_a_target_says_so_while_others_are_measured(agents: dict[str, Agent], family: int) -> None:
    state = agents["nobody"].state(f"mark{family}")
    assert state["state"] == "error"
    assert (state["error"], state["error_detail"]) == ("no_permission", "the kernel does not permit these probes: Operation not permitted")
    assert agents["nobody"].state(f"table{family}")["state"] == "ok"
