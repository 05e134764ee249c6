"""Traces of a time as mtr's JSON report (`mtr --json`): one report, that is one line, for each path, most traces first.

Rules:
1. Probes of different paths are never counted together: a report stands for one way of `ways`.
2. `Loss%` is the smallest loss from a hop to the end (detect.loss): a router that answers seldom but forwards everything loses nothing.
   `Rcv` and `Snt` are what was counted at the hop itself.
3. `host` is who answered most at that hop, `???` if nobody did. Round-trip times in ms; without any they are 0.0, as mtr has it.
4. `ASN` is there where it is known, as with `mtr -z`.
5. The member `pathwarden` says which target, path and time it is about.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import sqrt

from pathwarden.detect.loss import Count, shown
from pathwarden.export.facts import MEMBER
from pathwarden.export.origin import Origin
from pathwarden.export.ways import Way, Ways
from pathwarden.model.history import Route, StoredTrace
from pathwarden.model.network import Whose, nobody
from pathwarden.model.trace import Hop, Trace
from pathwarden.present.instants import rfc3339

_SILENT = "???"


def lines(origin: Origin, routes: Mapping[str, Route], traces: Iterable[StoredTrace], whose: Whose = nobody) -> Iterator[str]:
    """One report a line; nothing without traces. Raises `OperatorError` if there are too many paths to count."""
    ways = Ways(routes.values())
    counted: dict[Way, _Counted] = {}
    for stored in traces:
        way = ways.of(stored)
        if way not in counted:
            counted[way] = _Counted(stored.trace)
        counted[way].add(stored.trace)
    for way, traced in sorted(counted.items(), key=lambda each: -each[1].traces):
        route = routes.get(way.route_id or "")
        yield json.dumps(traced.report(way, origin, route.label if route else None, whose), ensure_ascii=False) + "\n"


@dataclass(slots=True)
class _Hub:
    """What was counted at a ttl; round-trip times in ms. `mean` and `squares` by Welford's method, exact over any number."""

    sent: int = 0
    received: int = 0
    last: float = 0.0
    best: float = 0.0
    worst: float = 0.0
    mean: float = 0.0
    squares: float = 0.0
    hosts: Counter[str] = field(default_factory=Counter)

    def add(self, hop: Hop) -> None:
        """Count one trace's hop."""
        self.sent += len(hop.answers)
        for answer in hop.answers:
            if answer.responder is None or answer.rtt_ns is None:
                continue
            rtt_ms = answer.rtt_ns / 1e6
            self.hosts[answer.responder] += 1
            self.received += 1
            self.last = rtt_ms
            self.best = rtt_ms if self.received == 1 else min(self.best, rtt_ms)
            self.worst = max(self.worst, rtt_ms)
            before = rtt_ms - self.mean
            self.mean += before / self.received
            self.squares += before * (rtt_ms - self.mean)

    def shown(self, ttl: int, loss: float | None, whose: Whose) -> dict[str, object]:
        """As mtr writes it."""
        (host, _), *_rest = self.hosts.most_common(1) or [(_SILENT, 0)]
        spread = sqrt(self.squares / (self.received - 1)) if self.received > 1 else 0.0
        asn = whose(host).asn
        times = {"Last": self.last, "Avg": self.mean, "Best": self.best, "Wrst": self.worst, "StDev": spread}
        return {
            "count": ttl,
            "host": host,
            **({} if asn is None else {"ASN": f"AS{asn}"}),
            "Loss%": round(100 * (loss or 0.0), 2),
            "Snt": self.sent,
            "Rcv": self.received,
            **{name: round(value, 3) for name, value in times.items()},
        }


class _Counted:
    """The traces of one way, counted."""

    def __init__(self, first: Trace) -> None:
        self.traces = 0
        self._first = self._last = first
        self._hubs: dict[int, _Hub] = {}

    def add(self, trace: Trace) -> None:
        """Count a trace."""
        self.traces += 1
        self._last = trace
        for hop in trace.hops:
            self._hubs.setdefault(hop.ttl, _Hub()).add(hop)

    def report(self, way: Way, origin: Origin, label: str | None, whose: Whose) -> dict[str, object]:
        """The JSON object of mtr."""
        # Behind the destination only traces looked that did not find it.
        hubs = sorted(((ttl, hub) for ttl, hub in self._hubs.items() if way.length is None or ttl <= way.length), key=lambda each: each[0])
        losses = shown([Count(hub.sent, hub.sent - hub.received) for _, hub in hubs])
        flow = self._first.flow
        about = {
            "src": flow.src,
            "dst": origin.asked_for(way.address),
            "tos": flow.tos,
            "tests": max((hub.sent for _, hub in hubs), default=0),
            "psize": str(flow.size),
            "bitpattern": "0x00",
        }
        span = {"from": rfc3339(self._first.at), "to": rfc3339(self._last.at), "traces": self.traces}
        return {
            "report": {"mtr": about, "hubs": [hub.shown(ttl, loss, whose) for (ttl, hub), loss in zip(hubs, losses, strict=True)]},
            MEMBER: {"target": self._first.target, "path": label, "address": way.address, **span},
        }
