"""Traces, routes and events as the daemon would hand them to the store."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from pathwarden.model.history import Event, Record, Route
from pathwarden.model.probe import Flow, Method, ReplyKind
from pathwarden.model.trace import Answer, Ending, Hop, KernelRoute, Reason, Trace

START = 1_760_000_000_000_000_000  # an instant
SECOND = 1_000_000_000
MS = 1_000_000
KERNEL_ROUTE = KernelRoute("eth0", "192.0.2.2", "192.0.2.1", 254)


def count(path: Path, table: str) -> int:
    """The rows of a table."""
    with closing(sqlite3.connect(path)) as db:
        (number,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return number


def noise(number: int, size: int = 50) -> str:
    """What no compression makes smaller than so many bytes, always the same for a number: twice as many letters."""
    return random.Random(number).randbytes(size).hex()


def hop(ttl: int, responder: str | None, *rtts_ms: float | None, kind: ReplyKind = ReplyKind.TIME_EXCEEDED) -> Hop:
    """One hop; an RTT of None is a silent answer."""
    answers = [
        Answer(query)
        if rtt is None
        else Answer(query, responder, round(rtt * MS), kind, 11 if kind is ReplyKind.TIME_EXCEEDED else 3, 0, 65 - ttl, 1)
        for query, rtt in enumerate(rtts_ms)
    ]
    return Hop(ttl, tuple(answers))


def trace(target: str = "t1", *, number: int = 0, rtt_ms: float = 10.0, middle: str = "198.51.100.1", **changes: Any) -> Trace:
    """A trace of three hops that reached its destination; `number` counts minutes."""
    hops = (
        hop(1, "192.0.2.1", 0.5, 0.6, 0.7),
        hop(2, middle, 4.0, None, 4.2),
        hop(3, "203.0.113.9", rtt_ms, rtt_ms + 1, rtt_ms + 3, kind=ReplyKind.PORT_UNREACHABLE),
    )
    fields: dict[str, Any] = {
        "target": target,
        "address": "203.0.113.9",
        "flow": Flow(4, Method.UDP, "192.0.2.2", "203.0.113.9", 33000, 33434, 0, 0, 60),
        "source": "wan",
        "kernel_route": KERNEL_ROUTE,
        "transport": "raw",
        "reason": Reason.SCHEDULE,
        "at": START + number * 60 * SECOND,
        "mono_ns": 5_000 * SECOND + number * 60 * SECOND,
        "duration_ns": 1_234_567_891,
        "clock_synced": True,
        "ending": Ending.REACHED,
        "error": "",
        "reached_ttl": 3,
        "hops": hops,
        "probes": 9,
        "late": 0,
        "duplicates": 0,
    }
    return Trace(**fields | changes)


def route(target: str = "t1", *, label: str = "A", **changes: Any) -> Route:
    """The route of such a trace."""
    fields: dict[str, Any] = {
        "route_id": f"{target}-{label}",
        "target": target,
        "label": label,
        "address": "203.0.113.9",
        "epoch": KERNEL_ROUTE.epoch,
        "hops": (("192.0.2.1",), (), ("198.51.100.1", "198.51.100.2")),
        "length": 3,
        "first_at": START,
        "last_at": START + SECOND,
        "held_s": 100,
        "traces": 1,
        "rtt_ms": 10.5,
        "loss_pct": 0.0,
    }
    return Route(**fields | changes)


def event(target: str = "t1", *, change_no: int = 1, **changes: Any) -> Event:
    """An event of a target."""
    fields: dict[str, Any] = {
        "event_id": f"{target}-{change_no:06}",
        "target": target,
        "change_no": change_no,
        "event_type": "path_changed",
        "severity": "warning",
        "notify": True,
        "at": START + change_no * SECOND,
        "clock_synced": True,
        "body": {"v": 1, "event_id": f"{target}-{change_no:06}", "text": "chemin changé", "hops": [1, 2]},
    }
    return Event(**fields | changes)


def record(target: str = "t1", *, number: int = 0, events: tuple[Event, ...] = (), with_route: bool = True, **changes: Any) -> Record:
    """What a trace leaves behind."""
    return Record(trace(target, number=number, **changes), route(target) if with_route else None, f'{{"n":{number}}}', events)
