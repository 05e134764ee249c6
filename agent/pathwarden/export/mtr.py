"""Traces of a time as mtr's JSON report (`mtr --json`): one report, that is one line, for each path, most traces first.

Rules:
1. Probes of different paths are never counted together: a report stands for one route of the target. Traces that no route was found for
   (those of other programs, and what was undecided) are put together where no two known hops differ.
2. `Loss%` is the smallest loss from a hop to the end (detect.loss): a router that answers seldom but forwards everything loses nothing.
   `Rcv` and `Snt` are what was counted at the hop itself.
3. `host` is who answered most at that hop, `???` if nobody did. Round-trip times in ms; without any they are 0.0, as mtr has it.
4. The member `pathwarden` says which target, path and time it is about.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import sqrt

from pathwarden.detect.compare import Hop as Members
from pathwarden.detect.compare import compatible, fill
from pathwarden.detect.loss import Count, shown
from pathwarden.errors import OperatorError
from pathwarden.export.facts import MEMBER
from pathwarden.export.origin import Origin
from pathwarden.model.history import StoredTrace
from pathwarden.model.trace import Hop, Trace
from pathwarden.present.instants import rfc3339

MOST_PATHS = 1000  # each takes some 10 kB while it is counted
_SILENT = "???"


def lines(origin: Origin, labels: Mapping[str, str], traces: Iterable[StoredTrace]) -> Iterator[str]:
    """One report a line; nothing without traces. Raises `OperatorError` if there are too many paths to count."""
    paths: list[_Path] = []
    by_route: dict[str, _Path] = {}
    for stored in traces:
        path = by_route.get(stored.route_id or "") or _of_same_way(paths, stored)
        if path is None:
            if len(paths) >= MOST_PATHS:
                raise OperatorError(f"{stored.trace.target} has more than {MOST_PATHS} paths in that time", "choose a shorter time")
            path = _Path(stored.trace, labels.get(stored.route_id or "", ""), stored.route_id)
            paths.append(path)
            if stored.route_id is not None:
                by_route[stored.route_id] = path
        path.add(stored.trace)
    for path in sorted(paths, key=lambda each: -each.traces):
        yield json.dumps(path.report(origin), ensure_ascii=False) + "\n"


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

    def shown(self, ttl: int, loss: float | None) -> dict[str, object]:
        """As mtr writes it."""
        (host, _), *_rest = self.hosts.most_common(1) or [(_SILENT, 0)]
        spread = sqrt(self.squares / (self.received - 1)) if self.received > 1 else 0.0
        times = {"Last": self.last, "Avg": self.mean, "Best": self.best, "Wrst": self.worst, "StDev": spread}
        return {
            "count": ttl,
            "host": host,
            "Loss%": round(100 * (loss or 0.0), 2),
            "Snt": self.sent,
            "Rcv": self.received,
            **{name: round(value, 3) for name, value in times.items()},
        }


class _Path:
    """The traces of one path, counted."""

    def __init__(self, first: Trace, label: str, route_id: str | None) -> None:
        self.traces = 0
        self.route_id = route_id
        self.known: tuple[Members, ...] = ()
        self.length: int | None = None
        self.address = first.address
        self._first = self._last = first
        self._label = label
        self._hubs: dict[int, _Hub] = {}

    def add(self, trace: Trace) -> None:
        """Count a trace."""
        self.traces += 1
        self._last = trace
        self.known = fill(self.known, trace.path.hops)
        self.length = self.length or trace.reached_ttl
        for hop in trace.hops:
            self._hubs.setdefault(hop.ttl, _Hub()).add(hop)

    def report(self, origin: Origin) -> dict[str, object]:
        """The JSON object of mtr."""
        # Behind the destination only traces looked that did not find it.
        hubs = sorted(
            ((ttl, hub) for ttl, hub in self._hubs.items() if self.length is None or ttl <= self.length), key=lambda each: each[0]
        )
        losses = shown([Count(hub.sent, hub.sent - hub.received) for _, hub in hubs])
        flow = self._first.flow
        about = {
            "src": flow.src,
            "dst": origin.asked_for(self.address),
            "tos": flow.tos,
            "tests": max((hub.sent for _, hub in hubs), default=0),
            "psize": str(flow.size),
            "bitpattern": "0x00",
        }
        span = {"from": rfc3339(self._first.at), "to": rfc3339(self._last.at), "traces": self.traces}
        return {
            "report": {"mtr": about, "hubs": [hub.shown(ttl, loss) for (ttl, hub), loss in zip(hubs, losses, strict=True)]},
            MEMBER: {"target": self._first.target, "path": self._label or None, "address": self.address, **span},
        }


def _of_same_way(paths: Iterable[_Path], stored: StoredTrace) -> _Path | None:
    """The path of traces without a route that this one can belong to, None if it has a route or no such path is there."""
    if stored.route_id is not None:
        return None
    seen, address, length = stored.trace.path.hops, stored.trace.address, stored.trace.reached_ttl
    for path in paths:
        if path.route_id is None and path.address == address and compatible(path.known, path.length, seen, length):
            return path
    return None
