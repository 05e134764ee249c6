"""The history in the forms of other programs, a piece at a time: what `pathwarden export` and the HTTP interface give."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from pathwarden.errors import explain
from pathwarden.export import atlas, mtr, scamper, table
from pathwarden.export.origin import Origin
from pathwarden.model.history import Exported, Route, StoredTrace
from pathwarden.model.network import Whose, nobody
from pathwarden.model.protocols import HistoryReader
from pathwarden.model.settings import Target
from pathwarden.present import history
from pathwarden.present.instants import rfc3339
from pathwarden.present.text import Show, heading, hop_line, numbers_of

NO_PACKETS = "the history keeps no packets, so it has none to write as pcapng"
PACKETS_REMEDY = "pathwarden trace --pcap FILE HOST keeps those of a trace as they pass"
PACKETS = "pcapng"  # a form that is known, and that no history can give


class Subject(NamedTuple):
    """A target whose traces are asked for: its id, whose they are, the last ttl that a trace asks, and who knows networks."""

    tid: str
    origin: Origin
    max_ttl: int
    whose: Whose = nobody


_Routes = Mapping[str, Route]  # by their ids
_Lines = Callable[[Subject, _Routes, Iterable[StoredTrace]], Iterator[str]]


class Form(NamedTuple):
    """A form: the ending of a file's name, the type of its content, its first line, and what gives the rest."""

    suffix: str
    content_type: str
    head: str
    lines: _Lines


def _label(routes: _Routes, stored: StoredTrace) -> str | None:
    route = routes.get(stored.route_id or "")
    return route.label if route else None


def _own(subject: Subject, routes: _Routes, traces: Iterable[StoredTrace]) -> Iterator[str]:
    for stored in traces:
        seen = history.trace(stored, _label(routes, stored), full=True, whose=subject.whose)
        yield json.dumps(seen, ensure_ascii=False, separators=(",", ":")) + "\n"


def _text(subject: Subject, routes: _Routes, traces: Iterable[StoredTrace]) -> Iterator[str]:
    """traceroute(8)'s layout; a comment before each trace says when it was, since traceroute does not."""
    for stored in traces:
        trace, label = stored.trace, _label(routes, stored)
        about = [f"{rfc3339(trace.at)} {subject.tid}", *([f"path {label}"] if label else []), trace.ending.value]
        said = f": {explain(trace.error)}" if trace.error else ""
        show = Show(as_of=numbers_of(trace.hops, subject.whose))
        lines = [
            f"# {', '.join(about)}{said}",
            heading(subject.origin.asked_for(trace.address), trace.address, subject.max_ttl, trace.flow.size),
        ]
        yield "".join(f"{_plain(line)}\n" for line in [*lines, *(hop_line(hop, trace.flow.af, show=show) for hop in trace.hops), ""])


def _plain(line: str) -> str:
    """A line without what could end it or steer a terminal: a name comes from whoever wrote an imported file."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


_NDJSON, _TEXT, _CSV = "application/x-ndjson", "text/plain; charset=utf-8", "text/csv; charset=utf-8"
FORMS = {
    "atlas": Form("atlas.ndjson", _NDJSON, "", lambda of, _routes, traces: atlas.lines(of.origin, (each.trace for each in traces))),
    "scamper": Form("scamper.ndjson", _NDJSON, "", lambda of, _routes, traces: scamper.lines(of.origin, (each.trace for each in traces))),
    "mtr": Form("mtr.ndjson", _NDJSON, "", lambda of, routes, traces: mtr.lines(of.origin, routes, traces, of.whose)),
    "text": Form("txt", _TEXT, "", _text),
    "csv": Form("csv", _CSV, table.head(), lambda of, routes, traces: table.lines(routes, traces, of.whose)),
    "jsonl": Form("ndjson", _NDJSON, "", _own),
}


def export(
    form: Form,
    reader: HistoryReader,
    subject: Subject,
    *,
    at_from: int | None = None,
    at_to: int | None = None,
    passed: Callable[[StoredTrace], None] | None = None,
) -> Iterator[str]:
    """The target's traces that started in [at_from, at_to], oldest first, without the form's first line; `passed` is told of each."""
    routes = {route.route_id: route for route in reader.routes(subject.tid)}
    traces = reader.walk(subject.tid, at_from=at_from, at_to=at_to)
    yield from form.lines(subject, routes, _telling(traces, passed) if passed else traces)


def _telling(traces: Iterable[StoredTrace], passed: Callable[[StoredTrace], None]) -> Iterator[StoredTrace]:
    for stored in traces:
        passed(stored)
        yield stored


class Exporter:
    """What this agent measured, for its page. Implements `protocols.Exports`."""

    def __init__(self, reader: HistoryReader, agent: str, whose: Whose = nobody) -> None:
        self._reader = reader
        self._whose = whose
        self._agent = agent

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms that there are."""
        return tuple(FORMS)

    def export(self, target: Target, form: str, at_from: int | None, at_to: int | None) -> Exported:
        """The traces of a target in one of the forms, read while it is taken."""
        chosen = FORMS[form]
        subject = Subject(target.tid, Origin.of_ours(self._agent, target.tid, target.host), target.max_ttl, self._whose)
        pieces = export(chosen, self._reader, subject, at_from=at_from, at_to=at_to)
        return Exported(chosen.content_type, f"{target.tid}.{chosen.suffix}", chain([chosen.head] if chosen.head else [], pieces))
