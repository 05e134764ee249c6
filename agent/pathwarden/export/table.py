"""Traces as a table: one row for each probe, so that loss can be counted; see `COLUMNS`.

A trace without any probe has one row whose hop columns are empty. What is not known is empty. The columns only ever grow at the end.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO

from pathwarden.model.history import Route, StoredTrace
from pathwarden.model.network import Whose, nobody
from pathwarden.model.trace import Answer
from pathwarden.present.hops import annotation
from pathwarden.present.instants import rfc3339
from pathwarden.present.text import extension

COLUMNS = (
    "at",  # when the trace started, UTC
    "target",
    "address",  # that was probed
    "method",
    "source",  # the way out, by its name
    "path",  # the letter of the route
    "ending",
    "error",
    "reached_ttl",
    "ttl",
    "query",  # from 1 on
    "responder",  # empty: silent
    "rtt_ms",
    "kind",
    "icmp_type",
    "icmp_code",
    "annotation",  # as traceroute(8) writes it
    "reply_ttl",
    "quoted_ttl",
    "mtu",
    "extensions",  # as traceroute(8) writes them, joined by ;
    "asn",  # the responder's network, and where it is thought to be
    "country",
)
_NO_ANSWER = ("",) * (len(COLUMNS) - COLUMNS.index("responder"))


def lines(routes: Mapping[str, Route], traces: Iterable[StoredTrace], whose: Whose = nobody) -> Iterator[str]:
    """The rows of each trace, without the head."""
    for stored in traces:
        route = routes.get(stored.route_id or "")
        yield _text(_rows(stored, route.label if route else "", whose))


def head() -> str:
    """The first line."""
    return _text([COLUMNS])


def _rows(stored: StoredTrace, label: str, whose: Whose) -> Iterator[tuple[object, ...]]:
    seen = stored.trace
    first: tuple[object, ...] = (
        rfc3339(seen.at),
        seen.target,
        seen.address,
        seen.flow.method.value,
        seen.source,
        label,
        seen.ending.value,
        seen.error,
    )
    first = (*first, seen.reached_ttl or "")
    answers = [(hop.ttl, query, answer) for hop in seen.hops for query, answer in enumerate(hop.answers, 1)]
    for ttl, query, answer in answers:
        yield (*first, ttl, query, *_answer(answer, seen.flow.af, whose))
    if not answers:
        yield (*first, "", "", *_NO_ANSWER)


def _answer(answer: Answer, af: int, whose: Whose) -> tuple[object, ...]:
    if answer.responder is None or answer.kind is None:
        return _NO_ANSWER
    marks, network = answer.marks, whose(answer.responder)
    return (
        answer.responder,
        f"{(answer.rtt_ns or 0) / 1e6:.3f}",
        answer.kind.value,
        answer.icmp_type,
        answer.icmp_code,
        annotation(af, answer.icmp_type, answer.icmp_code, marks.mtu),
        answer.reply_ttl or "",
        answer.quoted_ttl or "",
        marks.mtu or "",
        ";".join(extension(each) for each in marks.extensions),
        network.asn or "",
        network.country,
    )


def _text(rows: Iterable[Iterable[object]]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
