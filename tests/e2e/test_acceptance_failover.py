"""The default route moves to the second uplink and back, with policy rules as pbr and mwan3 write them: epochs, and no alarm."""

from collections.abc import Iterator

import pytest

from equipment.agent import Agent, runners, section
from equipment.broker import Broker, Subscriber
from netlab import StandardLab, standard_lab

PBR_MARK, PBR_MASK, PBR_TABLE = 0x20000, 0xFF0000, 257  # pbr 1.2: second interface
MWAN3_MARK, MWAN3_MASK, MWAN3_TABLE = 0x200, 0x3F00, 2  # mwan3: second interface


@pytest.fixture(scope="module")
def lab() -> Iterator[StandardLab]:
    with standard_lab() as lab:
        for family, gateway in ((4, lab.gateway_wanb4), (6, lab.gateway_wanb6)):
            for table in (PBR_TABLE, MWAN3_TABLE):
                lab.route(lab.agent, "0.0.0.0/0" if family == 4 else "::/0", gateway, dev=lab.wanb, table=table)
            lab.ip(
                lab.agent,
                f"rule add pref 29998 fwmark {PBR_MARK:#x}/{PBR_MASK:#x} lookup {PBR_TABLE}",
                f"rule add pref 1002 iif {lab.wanb} lookup {MWAN3_TABLE}",
                f"rule add pref 2002 fwmark {MWAN3_MARK:#x}/{MWAN3_MASK:#x} lookup {MWAN3_TABLE}",
                f"rule add pref 3002 fwmark {MWAN3_MARK:#x}/{MWAN3_MASK:#x} unreachable",
                family=family,
            )
        yield lab


@pytest.fixture(scope="module")
def broker(lab: StandardLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker"), ns=lab.netns(lab.agent)) as broker:
        yield broker


@pytest.fixture(scope="module")
def watch(broker: Broker) -> Iterator[Subscriber]:
    with broker.subscribe("pathwarden/+/target/+/event", "watch") as watch:
        yield watch


@pytest.fixture(scope="module")
def agent(lab: StandardLab, broker: Broker, watch: Subscriber) -> Iterator[Agent]:  # noqa: ARG001 - hears every event
    with runners() as (root, _nobody):
        agent = Agent(lab, root, "home")
        agent.configure(
            section("defaults", "defaults", interval_s=1, jitter_pct=0, queries=2, wait_s=0.4),
            section("mqtt", "mqtt", host=broker.bind, port=broker.port),
            section("source", "pbr", fwmark=hex(PBR_MARK)),
            section("source", "pbr_table", table=PBR_TABLE),
            section("source", "mwan3", fwmark=hex(MWAN3_MARK)),
            section("source", "mwan3_table", table=MWAN3_TABLE),
            section("target", "plain4", host=lab.target4),
            section("target", "plain6", host=lab.target6),
            *(section("target", f"{name}4", host=lab.target4, source=name) for name in ("pbr", "pbr_table", "mwan3", "mwan3_table")),
            *(section("target", f"{name}6", host=lab.target6, source=name) for name in ("pbr", "pbr_table", "mwan3", "mwan3_table")),
        )
        with agent:
            agent.await_rounds(3, 60)
            yield agent


def leaves_by(agent: Agent, tid: str, device: str) -> None:
    agent.awaits(lambda: agent.state(tid)["kernel_route"], lambda route: route and route["device"] == device, f"{tid} leaves by {device}")
    agent.awaits(lambda: agent.state(tid), lambda state: state["state"] == "ok" and state["path_label"], f"{tid} is well there")


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("source", ["pbr", "pbr_table", "mwan3", "mwan3_table"])
def test_rules_as_pbr_and_mwan3_write_them_lead_to_the_second_uplink(agent: Agent, lab: StandardLab, source: str, family: int) -> None:
    leaves_by(agent, f"{source}{family}", lab.wanb)
    table = PBR_TABLE if source.startswith("pbr") else MWAN3_TABLE
    assert agent.state(f"{source}{family}")["kernel_route"]["table"] == table
    assert agent.state(f"{source}{family}")["hop_count"] == len(lab.hops_wanb4)


def test_failover_and_back_are_epochs_and_no_alarm(agent: Agent, lab: StandardLab, watch: Subscriber) -> None:
    for tid in ("plain4", "plain6"):
        leaves_by(agent, tid, lab.wan)
    first = {tid: agent.state(tid)["path_id"] for tid in ("plain4", "plain6")}
    lab.ip(lab.agent, f"route del default via {lab.gateway4} dev {lab.wan}", family=4)
    lab.ip(lab.agent, f"route del default via {lab.gateway6} dev {lab.wan}", family=6)
    for tid in ("plain4", "plain6"):
        leaves_by(agent, tid, lab.wanb)
    rounds = agent.rounds()
    agent.await_rounds(rounds + 4, 60)
    lab.route(lab.agent, "0.0.0.0/0", lab.gateway4, dev=lab.wan)
    lab.route(lab.agent, "::/0", lab.gateway6, dev=lab.wan)
    for tid in ("plain4", "plain6"):
        leaves_by(agent, tid, lab.wan)
        assert agent.state(tid)["path_id"] == first[tid], "the route of the first epoch is known again"
    agent.await_rounds(agent.rounds() + 4, 60)
    with agent.reader() as reader:
        for tid in ("plain4", "plain6"):
            routes = reader.routes(tid)
            assert sorted(route.label for route in routes) == ["A", "B"]
            assert len({route.epoch for route in routes}) == 2
        assert [event.event_type for event in reader.events() if event.target] == []
    assert watch.messages("/event") == []
