"""Several traces as one table: a row per ttl, a column per target, port and flow, the outcome below."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pathwarden.cli.terminal import Screen, fitted, width
from pathwarden.cli.tracing.probing import Running
from pathwarden.cli.tracing.wish import PORTLESS
from pathwarden.errors import explain
from pathwarden.model.history import StoredTrace
from pathwarden.model.network import Whose, nobody
from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Ending, Hop, Trace
from pathwarden.present import hops as figures
from pathwarden.present.history import trace as trace_as_json

_GAP = "  "
_TTL = 3  # columns of a ttl
_NAME = 24  # columns that a host name alone may claim
_SILENT = "*"
_INTERRUPTED = "interrupted"
_EXPIRED = "expired"
# What an arrival says about the port; by the method's own words where it has any.
_OUTCOMES = {
    ReplyKind.OPEN: "open",
    ReplyKind.CLOSED: "closed",
    ReplyKind.PORT_UNREACHABLE: "closed",
    ReplyKind.ANSWER: "open",
    ReplyKind.ECHO_REPLY: "answers",
}
_COLORS = {"open": "green", "answers": "green", "closed": "yellow", "silent": "dim", _INTERRUPTED: "red"}


class Cell(NamedTuple):
    """What one trace saw at one ttl: responders, the median RTT in ms (None: silent), and what was said but that the ttl ran out."""

    responders: tuple[str, ...]
    rtt_ms: float | None
    said: str = ""

    def __str__(self) -> str:
        if self.rtt_ms is None:
            return _SILENT
        more = f" +{len(self.responders) - 1}" if len(self.responders) > 1 else ""
        return f"{self.responders[0]}{more} {self.rtt_ms:.3f}"

    def outcome(self) -> str:
        """The cell with what was said in place of the RTT."""
        return _SILENT if self.rtt_ms is None else f"{' '.join(self.responders)} {self.said or _EXPIRED}"


class Column(NamedTuple):
    """One trace: what it went to in two lines, its cells by ttl, and how it ended."""

    target: str
    way: str
    cells: dict[int, Cell]
    outcome: str


def outcome(running: Running, *, interrupted: bool = False) -> str:
    """How a trace ended, in a word or two: open, closed, answers, unreachable with its mark, silent, or why there was none."""
    if running.error is not None:
        return str(running.error)
    trace = running.trace
    if trace is None or (interrupted and running.session is not None and not running.session.done):
        return _INTERRUPTED
    if trace.ending is Ending.ERROR:
        return explain(trace.error)
    if trace.ending is Ending.REACHED:
        last = next(hop for hop in trace.hops if hop.ttl == trace.reached_ttl)
        return _arrival(last, trace)
    if trace.ending is Ending.UNREACHABLE:
        marks = [_mark(trace, answer.icmp_type, answer.icmp_code) for answer in trace.hops[-1].answers if answer.kind]
        return f"unreachable {next(filter(None, marks), '')}".rstrip()
    return "silent"


def columns(all_running: Sequence[Running], *, interrupted: bool = False) -> list[Column]:
    """The columns, in the order of the command line."""
    numbered = any(running.wish.number for running in all_running)
    return [
        Column(running.wish.host, way(running, numbered=numbered), _cells(running.trace), outcome(running, interrupted=interrupted))
        for running in all_running
    ]


def as_text(found: Sequence[Column], screen: Screen, shown_as: Callable[[Cell], str] = str) -> Iterator[str]:
    """The table as lines, in groups of as many columns as fit side by side."""
    for number, group in enumerate(_groups(found, screen.columns - _TTL - len(_GAP), shown_as)):
        if number:
            yield ""
        widths = [width for _, width in group]
        shown = [column for column, _ in group]
        ttls = [ttl for column in shown for ttl in column.cells]
        yield _line("", [column.target for column in shown], widths)
        yield _line("ttl", [column.way for column in shown], widths)
        for ttl in sorted(set(ttls)):  # between the gap and the last probe nobody was asked
            yield _line(f"{ttl:{_TTL}d}", [shown_as(column.cells[ttl]) if ttl in column.cells else "" for column in shown], widths)
        painted = [screen.paint(fitted(column.outcome, room), _COLORS.get(column.outcome, "red")) for column, room in group]
        yield _GAP.join([" " * _TTL, *painted]).rstrip()


def as_json(all_running: Sequence[Running], *, interrupted: bool = False, whose: Whose = nobody) -> dict[str, object]:
    """`columns`, each with its whole trace, and `rows` of cells in the order of the columns; None where nothing was asked or heard."""
    found = columns(all_running, interrupted=interrupted)
    ttls = sorted({ttl for column in found for ttl in column.cells})
    return {
        "columns": [
            {
                "target": running.wish.tid,
                "host": running.wish.host,
                "address": running.wish.address,
                "port": None if running.flow is None or running.wish.chosen.method in PORTLESS else running.flow.dport,
                "flow": running.wish.number,
                "outcome": column.outcome,
                "trace": None if running.trace is None else full_json(running.trace, whose),
            }
            for running, column in zip(all_running, found, strict=True)
        ],
        "rows": [{"ttl": ttl, "cells": [_cell_json(column.cells.get(ttl)) for column in found]} for ttl in ttls],
    }


def full_json(trace: Trace, whose: Whose = nobody) -> dict[str, object]:
    """A trace that no history holds, as the API shows one."""
    return trace_as_json(StoredTrace(0, trace.path.path_id, None, trace), None, full=True, whose=whose)


def _arrival(last: Hop, trace: Trace) -> str:
    for answer in last.answers:
        if answer.responder == trace.address and answer.kind in _OUTCOMES:
            return _OUTCOMES[answer.kind]
    marks = [_mark(trace, answer.icmp_type, answer.icmp_code) for answer in last.answers if answer.responder == trace.address]
    return f"unreachable {next(filter(None, marks), '')}".rstrip()


def _mark(trace: Trace, icmp_type: int, icmp_code: int) -> str:
    return figures.annotation(trace.flow.af, icmp_type, icmp_code)


def way(running: Running, *, numbered: bool) -> str:
    """What a trace asks with: method, port, number of the flow."""
    method = running.wish.chosen.method
    port = "" if method in PORTLESS or running.flow is None else f" {running.flow.dport}"
    flow = f" flow {running.wish.number}" if numbered else ""
    return f"{method}{port}{flow}"


def _cells(trace: Trace | None) -> dict[int, Cell]:
    if trace is None:
        return {}
    return {hop.ttl: Cell(hop.responders, figures.median_ms(hop.rtts_ns), _said(hop, trace)) for hop in trace.hops}


def _said(hop: Hop, trace: Trace) -> str:
    """What a hop said but that the ttl ran out: the destination's outcome, or a mark such as `!X`."""
    words = [_OUTCOMES.get(answer.kind, "") for answer in hop.answers if answer.kind and answer.responder == trace.address]
    marks = [_mark(trace, answer.icmp_type, answer.icmp_code) for answer in hop.answers if answer.kind]
    return next(filter(None, [*words, *marks]), "")


def _groups(found: Sequence[Column], room: int, shown_as: Callable[[Cell], str]) -> Iterator[list[tuple[Column, int]]]:
    """Columns with their widths, as many at a time as there is room for."""
    group: list[tuple[Column, int]] = []
    for column in found:
        needed = min(_needed(column, shown_as), room)
        if group and sum(width for _, width in group) + len(_GAP) * len(group) + needed > room:
            yield group
            group = []
        group.append((column, needed))
    if group:
        yield group


def _needed(column: Column, shown_as: Callable[[Cell], str]) -> int:
    cells = [shown_as(cell) for cell in column.cells.values()]
    return max(min(width(column.target), _NAME), *(width(text) for text in (column.way, column.outcome, *cells)))


def _line(head: str, texts: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join([head.ljust(_TTL), *(fitted(text, room) for text, room in zip(texts, widths, strict=True))]).rstrip()


def _cell_json(cell: Cell | None) -> dict[str, object] | None:
    return None if cell is None else {"responders": list(cell.responders), "rtt_ms": cell.rtt_ms, "said": cell.said or None}
