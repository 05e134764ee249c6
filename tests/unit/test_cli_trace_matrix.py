"""Several traces as one table: cells, outcomes, groups of columns, JSON."""

import argparse
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pathwarden.cli.terminal import Screen
from pathwarden.cli.tracing import matrix
from pathwarden.cli.tracing.matrix import Cell, Column
from pathwarden.cli.tracing.methods import chosen
from pathwarden.cli.tracing.probing import Running
from pathwarden.cli.tracing.wish import Wish
from pathwarden.errors import ProbeError
from pathwarden.model.probe import Binding, Flow, Method, ReplyKind
from pathwarden.model.settings import Source
from pathwarden.model.trace import Answer, Ending, Hop, Reason, Trace

DST, GATEWAY = "203.0.113.9", "192.0.2.1"
FLOW = Flow(4, Method.TCP, "192.0.2.7", DST, 61000, 443, 0, 0, 60)


def wish(host: str = "web.example", number: int = 0) -> Wish:
    return Wish(host, DST, host, chosen("tcp", ()), 443, Source("", Binding()), 0, 0, 0, number=number)


def answer(responder: str | None, kind: ReplyKind | None = None, rtt_ms: float = 1, icmp: tuple[int, int] = (0, 0)) -> Answer:
    return Answer(0, responder, None if responder is None else round(rtt_ms * 1e6), kind, *icmp)


def ran(*hops: Answer | None, ending: Ending = Ending.REACHED, error: str = "", host: str = "web.example", number: int = 0) -> Running:
    """A trace with one answer per hop."""
    found = tuple(Hop(ttl, (each or answer(None),)) for ttl, each in enumerate(hops, 1))
    reached = len(found) if ending is Ending.REACHED else None
    trace = Trace("t", DST, FLOW, "", None, "raw", Reason.COMMAND, 0, 0, 0, True, ending, error, reached, found, len(found), 0, 0)
    return Running(wish(host, number), flow=FLOW, trace=trace)


FIRST = answer(GATEWAY, ReplyKind.TIME_EXCEEDED, 0.5, (11, 0))
OUTCOMES = [
    (ran(FIRST, answer(DST, ReplyKind.OPEN)), "open"),
    (ran(FIRST, answer(DST, ReplyKind.CLOSED)), "closed"),
    (ran(FIRST, answer(DST, ReplyKind.PORT_UNREACHABLE, 1, (3, 3))), "closed"),
    (ran(FIRST, answer(DST, ReplyKind.ANSWER)), "open"),
    (ran(FIRST, answer(DST, ReplyKind.ECHO_REPLY)), "answers"),
    (ran(FIRST, answer(DST, ReplyKind.UNREACHABLE, 1, (3, 2))), "unreachable !P"),
    (ran(answer(GATEWAY, ReplyKind.UNREACHABLE, 1, (3, 13)), ending=Ending.UNREACHABLE), "unreachable !X"),
    (ran(FIRST, None, ending=Ending.GAP), "silent"),
    (ran(FIRST, None, ending=Ending.MAX_TTL), "silent"),
    (ran(ending=Ending.ERROR, error="device_down: wan"), "the source's device is down: wan"),
    (Running(wish(), error=ProbeError("no_route", "Network is unreachable")), "no route to the target: Network is unreachable"),
    (Running(wish()), "interrupted"),
]


@pytest.mark.parametrize(("running", "said"), OUTCOMES, ids=[said for _, said in OUTCOMES])
def test_the_outcome_in_a_word(running: Running, said: str) -> None:
    assert matrix.outcome(running) == said


def test_a_trace_cut_short_is_never_shown_as_whole() -> None:
    running = ran(FIRST, answer(DST, ReplyKind.OPEN))
    running.session = SimpleNamespace(done=False)  # type: ignore[assignment]  # all that is asked of it
    assert matrix.outcome(running, interrupted=True) == "interrupted"
    running.session.done = True
    assert matrix.outcome(running, interrupted=True) == "open"


def test_cells() -> None:
    assert str(Cell((), None)) == "*"
    assert str(Cell((GATEWAY,), 0.5)) == "192.0.2.1 0.500"
    assert str(Cell((GATEWAY, DST), 12)) == "192.0.2.1 +1 12.000"


def screen(columns: int, monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("COLUMNS", str(columns))
    return Screen(argparse.Namespace(no_color=True))


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    found = matrix.columns([ran(FIRST, answer(DST, ReplyKind.OPEN)), ran(FIRST, None, ending=Ending.GAP, host="mail.example")])
    assert list(matrix.as_text(found, screen(80, monkeypatch))) == [
        "     web.example        mail.example",
        "ttl  tcp 443            tcp 443",
        "  1  192.0.2.1 0.500    192.0.2.1 0.500",
        "  2  203.0.113.9 1.000  *",
        "     open               silent",
    ]


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (answer(DST, ReplyKind.OPEN), "203.0.113.9 open"),
        (answer(DST, ReplyKind.UNREACHABLE, 1, (3, 2)), "203.0.113.9 !P"),
        (answer(GATEWAY, ReplyKind.UNREACHABLE, 1, (3, 13)), "192.0.2.1 !X"),
        (None, "*"),
    ],
)
def test_the_table_of_outcomes(last: Answer | None, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = matrix.columns([ran(FIRST, last, ending=Ending.UNREACHABLE if said[-1] == "X" else Ending.REACHED)]) if last else []
    found = found or matrix.columns([ran(FIRST, None, ending=Ending.GAP)])
    lines = list(matrix.as_text(found, screen(80, monkeypatch), Cell.outcome))
    assert lines[2:4] == ["  1  192.0.2.1 expired", f"  2  {said}"]


def test_flows_are_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    found = matrix.columns([ran(FIRST, number=number) for number in (0, 1)])
    assert list(matrix.as_text(found, screen(80, monkeypatch)))[1] == "ttl  tcp 443 flow 0   tcp 443 flow 1"


@pytest.mark.parametrize("columns", [30, 60, 80, 200])
@pytest.mark.parametrize("address", [DST, "2001:db8:1234:5678:9abc:def0:1234:5678"])
def test_columns_come_in_groups_that_fit(columns: int, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Column(f"host{n}.example.net", f"tcp {n}", {1: Cell((address,), n)}, "open") for n in range(7)]
    lines = list(matrix.as_text(found, screen(columns, monkeypatch)))
    assert max(map(len, lines)) <= columns
    assert sum(line.split().count("tcp") for line in lines) == 7
    assert [n for line in lines for n in range(7) if f" tcp {n}" in line] == list(range(7)), "in their order, each once"
    assert lines.count("") == sum(line.startswith("ttl") for line in lines) - 1


def test_the_table_as_json() -> None:
    shown = matrix.as_json([ran(FIRST, answer(DST, ReplyKind.OPEN)), Running(wish("other"), error=ProbeError("no_route"))])
    open_, failed = shown["columns"]  # type: ignore[misc]  # a list, as the next lines find
    assert (open_["target"], open_["port"], open_["flow"], open_["outcome"]) == ("web.example", 443, 0, "open")
    assert open_["trace"]["reached_ttl"] == 2
    assert (failed["port"], failed["outcome"], failed["trace"]) == (None, "no route to the target", None)
    assert shown["rows"] == [
        {"ttl": 1, "cells": [{"responders": [GATEWAY], "rtt_ms": 0.5, "said": None}, None]},
        {"ttl": 2, "cells": [{"responders": [DST], "rtt_ms": 1.0, "said": "open"}, None]},
    ]


def test_ttls_that_nobody_asked_are_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ran(FIRST, None, ending=Ending.UNREACHABLE)
    assert refused.trace is not None
    last = Hop(30, (answer(GATEWAY, ReplyKind.UNREACHABLE, 1, (3, 1)),))
    refused.trace = replace(refused.trace, hops=(*refused.trace.hops, last))
    lines = list(matrix.as_text(matrix.columns([refused]), screen(80, monkeypatch)))
    assert [line.split()[0] for line in lines[2:5]] == ["1", "2", "30"]
    assert lines[5].strip() == "unreachable !H"
