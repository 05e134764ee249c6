"""What the history holds, as JSON-ready dicts. All keys are always there; None means unknown."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypedDict

from pathwarden.detect.classify import as_path_of
from pathwarden.detect.loss import Count, tally
from pathwarden.errors import explain
from pathwarden.model.asked import Stage
from pathwarden.model.history import Heat, Route, Series, StoredTrace
from pathwarden.model.network import Whose, nobody
from pathwarden.model.trace import UNMARKED, Answer, Hop, Marks, Trace
from pathwarden.present import findings, hops
from pathwarden.present.instants import rfc3339
from pathwarden.present.text import extension, segment

EARLIER = 30  # traces that tell a router's habits: enough probes if each trace sends but one to a hop


class Columns(TypedDict):
    """A series as columns of equal length; see `model.history.Series`. `path_id` names the route."""

    at_s: list[int]
    rtt_min_ms: list[float | None]
    rtt_median_ms: list[float | None]
    rtt_max_ms: list[float | None]
    sent: list[int]
    lost: list[int]
    path_id: list[str | None]


def trace(
    stored: StoredTrace, label: str | None, full: bool, earlier: Sequence[StoredTrace] = (), whose: Whose = nobody
) -> dict[str, object]:
    """A stored trace. `path_id` and `path_label` name the route it belongs to; `hops` and `findings` are there only when `full`.

    `earlier` are the last traces of the target before this one (about `EARLIER`), whatever their route; they tell the hops' habits.
    `address` and `af` are None if the name did not resolve. `rtt_ms` is the median to the destination, `loss_pct` the loss there,
    `hop_count` its ttl or that of the last hop that answered. `findings` are what the hops together tell, each with its sentence; see
    `findings.Finding`. A hop's `way_back` is the guessed length of the way back, an answer's `marks` what the quote or the
    responder tells beyond (None: nothing); see `model.trace.Marks`.
    """
    seen = stored.trace
    target = hops.destination(seen)
    result: dict[str, object] = {
        "id": stored.trace_id,
        "target": seen.target,
        "at": rfc3339(seen.at),
        "clock_synced": seen.clock_synced,
        "duration_ms": round(seen.duration_ns / 1e6, 3),
        "address": seen.address or None,
        "af": seen.flow.af if seen.address else None,
        "proto": seen.flow.method.value,
        "method": seen.flow.method.value,
        "source": seen.source,
        "kernel_route": None if seen.kernel_route is None else seen.kernel_route._asdict(),
        "transport": seen.transport,
        "reason": seen.reason.value,
        "ending": seen.ending.value,
        "error": seen.error.partition(": ")[0] or None,
        "error_detail": explain(seen.error) or None,
        "reached": seen.reached_ttl is not None,
        "reached_ttl": seen.reached_ttl,
        "hop_count": target.hop_count,
        "rtt_ms": target.rtt_ms,
        "loss_pct": target.loss_pct,
        "path_id": stored.route_id,
        "path_label": label,
        "probes": seen.probes,
        "late": seen.late,
        "duplicates": seen.duplicates,
    }
    if full:
        result["hops"] = _hops(seen, usual(stored.route_id, (stored, *earlier)), whose)
        result["findings"] = [findings.as_json(found) for found in findings.findings(seen)]
    return result


def unstored(seen: Trace, stage: Stage, whose: Whose = nobody) -> dict[str, object]:
    """A trace that is not, or not yet, in the history: as `trace`, without an id. While it runs `ending` is None, and nothing is found."""
    told = trace(StoredTrace(0, seen.path.path_id, None, seen), None, full=True, whose=whose)
    return {**told, "id": None} | ({"ending": None, "findings": []} if stage is Stage.RUNNING else {})


def route(known: Route, *, share_pct: float | None, usual: bool, current: bool, whose: Whose = nobody) -> dict[str, object]:
    """A route. `share_pct` is its part of the time that all routes of the target were in force, `as_path` the networks along it."""
    return {
        "path_id": known.route_id,
        "target": known.target,
        "label": known.label,
        "address": known.address,
        "epoch": known.epoch,
        "hops": [list(responders) for responders in known.hops],
        "length": known.length,
        "as_path": list(as_path_of(known, whose)),
        "first_at": rfc3339(known.first_at),
        "last_at": rfc3339(known.last_at),
        "held_s": known.held_s,
        "share_pct": None if share_pct is None else round(share_pct, 1),
        "traces": known.traces,
        "rtt_ms": None if known.rtt_ms is None else round(known.rtt_ms, 3),
        "loss_pct": round(known.loss_pct, 1),
        "usual": usual,
        "current": current,
    }


def series(target: str, samples: Series) -> dict[str, object]:
    """A target's samples as columns."""
    columns: Columns = {
        "at_s": samples.at_s,
        "rtt_min_ms": _rounded(samples.rtt_min_ms),
        "rtt_median_ms": _rounded(samples.rtt_median_ms),
        "rtt_max_ms": _rounded(samples.rtt_max_ms),
        "sent": samples.sent,
        "lost": samples.lost,
        "path_id": samples.routes,
    }
    return {"target": target, "columns": columns}


def spark(samples: Series) -> dict[str, object]:
    """The few columns that a sparkline draws: start of the bucket, median RTT, destination probes lost; `changed`: when the path did."""
    known = [(at_s, route_id) for at_s, route_id in zip(samples.at_s, samples.routes, strict=True) if route_id is not None]
    changed = [at_s for (_, before), (at_s, route_id) in pairwise(known) if route_id != before]
    return {"at_s": samples.at_s, "rtt_ms": _rounded(samples.rtt_median_ms), "lost": samples.lost, "changed": changed}


def heat(target: str, samples: Heat) -> dict[str, object]:
    """A target's hops over time: for each ttl a column of median RTTs and one of losses, as long as `at_s`; see `model.history.Heat`."""
    ttls = range(1, max((ttl for hops in samples.hops for ttl in hops), default=0) + 1)
    return {
        "target": target,
        "start_s": samples.start_s,
        "width_s": samples.width_s,
        "at_s": samples.at_s,
        "hops": [
            {
                "ttl": ttl,
                "rtt_ms": _rounded([None if cell is None else cell.rtt_ms for cell in column]),
                "loss_pct": [round(100 * cell.lost / cell.sent) if cell is not None and cell.sent else None for cell in column],
            }
            for ttl, column in ((ttl, [hops.get(ttl) for hops in samples.hops]) for ttl in ttls)
        ],
    }


def usual(route_id: str | None, stored: Sequence[StoredTrace]) -> dict[int, Count]:
    """What those of the traces that followed this route got, by ttl, for `hops.rows`; nothing of an unknown route."""
    return tally(each.trace for each in stored if route_id is not None and each.route_id == route_id)


def _hops(seen: Trace, known: Mapping[int, Count], whose: Whose) -> list[dict[str, object]]:
    return [
        {
            "ttl": hop.ttl,
            "answers": [_answer(answer, seen.flow.af) for answer in hop.answers],
            **{key: row[key] for key in ("responders", "loss_pct", "rtt_ms", "adds_ms", "note", *hops.NETWORK)},
            "way_back": _way_back(hop),
        }
        for hop, row in zip(seen.hops, hops.rows(seen, known, whose), strict=True)
    ]


def _way_back(hop: Hop) -> int | None:
    return next((hops.way_back(answer.reply_ttl) for answer in hop.answers if answer.reply_ttl), None)


def _marks(marks: Marks) -> dict[str, object]:
    """What is not said is None; `extensions` and `segment` are as traceroute(8) writes them."""
    return {
        "tos": None if marks.tos < 0 else marks.tos,
        "length": marks.length or None,
        "nat": marks.nat or None,
        "mtu": marks.mtu or None,
        "mss": marks.mss or None,
        "segment": segment(marks.segment) or None,
        "extensions": [extension(each) for each in marks.extensions],
    }


def _answer(answer: Answer, af: int) -> dict[str, object]:
    """One probe's answer; ttls that are 0 inside (unknown) are None outside."""
    return {
        "responder": answer.responder,
        "rtt_ms": None if answer.rtt_ns is None else round(answer.rtt_ns / 1e6, 3),
        "kind": None if answer.kind is None else answer.kind.value,
        "annotation": "" if answer.kind is None else hops.annotation(af, answer.icmp_type, answer.icmp_code, answer.marks.mtu),
        "reply_ttl": answer.reply_ttl or None,
        "quoted_ttl": answer.quoted_ttl or None,
        "mpls": hops.labels(answer.mpls),
        "marks": None if answer.marks == UNMARKED else _marks(answer.marks),
    }


def _rounded(column: list[float | None]) -> list[float | None]:
    return [None if value is None else round(value, 3) for value in column]
