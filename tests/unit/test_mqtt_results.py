"""Traces as results of RIPE Atlas: when they go, how many wait, and how long they may be."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from equipment import mixed
from equipment.fakes import make_settings
from equipment.mqtt_agent import mqtt_settings
from equipment.schemas import check_message
from pathwarden.daemon.publishing import results
from pathwarden.model.trace import Trace
from pathwarden.mqtt.results import _WAITING, Results
from pathwarden.mqtt.topics import topics


class Wire:
    """A link that takes `room` messages."""

    def __init__(self, room: int = 1000, limit: int | None = None) -> None:
        self.room = room
        self.limit = limit
        self.sent: list[tuple[str, bytes]] = []

    def payload_limit(self, _topic: str) -> int | None:
        return self.limit

    def publish(self, topic: str, payload: bytes, *, retain: bool, qos: int) -> int | None:
        assert (retain, qos) == (False, 0)
        if len(self.sent) >= self.room:
            return None
        self.sent.append((topic, payload))
        return len(self.sent)


class Desk:
    def __init__(self, as_result: Any = lambda trace: {"at": trace.at}) -> None:
        self.counts: Counter[str] = Counter()
        self.results = Results(as_result, topics("pw", "box"), lambda reason: self.counts.update([reason]))

    def put(self, *traces: Trace) -> None:
        for trace in traces:
            self.results.put(trace)


def numbered(count: int) -> list[Trace]:
    return [replace(mixed.trace(), at=number) for number in range(count)]


def test_they_go_in_their_order_and_none_twice() -> None:
    desk, wire = Desk(), Wire(room=2)
    desk.put(*numbered(3))
    assert desk.results.send(wire) is False
    wire.room = 3
    assert desk.results.send(wire) is True
    assert desk.results.send(wire) is True
    assert wire.sent == [("pw/box/target/site/result", b'{"at":%d}' % number) for number in range(3)]
    assert not desk.counts


def test_what_waits_has_a_bound_and_the_oldest_go() -> None:
    desk, wire = Desk(), Wire()
    desk.put(*numbered(_WAITING + 5))
    desk.results.send(wire)
    assert [json.loads(payload)["at"] for _topic, payload in wire.sent] == list(range(5, _WAITING + 5))
    assert desk.counts == {"results_waiting": 5}


def test_what_waits_is_forgotten_with_its_connection() -> None:
    desk, wire = Desk(), Wire()
    desk.put(*numbered(3))
    desk.results.clear()
    assert desk.results.send(wire) is True
    assert not wire.sent


SIZES = [(None, 65_536, True), (None, 65_537, False), (100, 101, False), (10**6, 65_537, False)]


@pytest.mark.parametrize(("limit", "size", "goes"), SIZES)
def test_one_that_is_too_long_is_counted_and_the_next_goes(limit: int | None, size: int, goes: bool) -> None:
    desk, wire = Desk(lambda trace: {"x": "x" * (size - len('{"x":""}'))} if trace.at else {}), Wire(limit=limit)
    desk.put(*numbered(2)[::-1])
    desk.results.send(wire)
    assert [len(payload) for _topic, payload in wire.sent] == [size, 2][not goes :]
    assert desk.counts == ({} if goes else {"packet_too_large": 1})


@pytest.mark.parametrize(("name", "trace"), list(mixed.by_hand()))
def test_every_kind_of_trace_keeps_to_the_schema(name: str, trace: Trace) -> None:
    as_result = results(replace(make_settings(["site"]), mqtt=mqtt_settings(1883, publish_results=True)))
    assert as_result is not None, name
    desk, wire = Desk(as_result), Wire()
    desk.put(trace)
    desk.results.send(wire)
    [(topic, payload)] = wire.sent
    check_message(topic, payload.decode(), "pw")


def test_nobody_pays_for_what_nobody_wants() -> None:
    assert results(make_settings(["site"])) is None
