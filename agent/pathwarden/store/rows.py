"""Rows of the database as values; the opposite of what the writer does."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from pathwarden.model.history import Route, StoredEvent, StoredTrace
from pathwarden.model.probe import PLAIN, Extra, Flow, Method
from pathwarden.model.trace import KernelRoute, Path, Trace
from pathwarden.store.codec import decode_hops, decode_trace

Row = tuple[Any, ...]

# CROSS JOIN keeps the order of the tables: SQLite's planner must start from the index on traces, whatever the sizes of the others.
TRACE = """
    SELECT traces.id, targets.target, traces.at, paths.path_id, paths.hops, routes.route_id, forms.form, traces.detail,
        flows.address, flows.source, flows.transport, kernel_routes.device, kernel_routes.source, kernel_routes.gateway,
        kernel_routes.route_table, flows.af, flows.method, flows.src, flows.dst, flows.sport, flows.dport, flows.tos, flows.label,
        flows.size, flows.extra
    FROM traces
    CROSS JOIN targets ON targets.id = traces.target
    CROSS JOIN flows ON flows.id = traces.flow
    CROSS JOIN paths ON paths.id = traces.path
    CROSS JOIN forms ON forms.id = traces.form
    LEFT JOIN kernel_routes ON kernel_routes.id = flows.kernel_route
    LEFT JOIN routes ON routes.id = traces.route
"""
ROUTE = """
    SELECT route_id, targets.target, label, address, epoch, hops, length, first_at, last_at, held_s, traces, rtt_ms, loss_pct
    FROM routes JOIN targets ON targets.id = routes.target
"""
EVENT = "SELECT seq, event_id, targets.target, event_type, at, body FROM events CROSS JOIN targets ON targets.id = events.target"


class Addresses:
    """Addresses by number, read once each; good for one snapshot."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: dict[int, str] = {}

    def __call__(self, number: int) -> str:
        """The address with this number."""
        if number not in self._known:
            (self._known[number],) = self._db.execute("SELECT address FROM addresses WHERE id = ?", (number,)).fetchone()
        return self._known[number]


def to_traces(db: sqlite3.Connection, rows: Iterable[Row]) -> list[StoredTrace]:
    """Rows of `TRACE`."""
    addresses = Addresses(db)
    return [_to_trace(row, addresses) for row in rows]


def to_routes(db: sqlite3.Connection, rows: Iterable[Row]) -> list[Route]:
    """Rows of `ROUTE`."""
    addresses = Addresses(db)
    return [_to_route(row, addresses) for row in rows]


def to_event(row: Row) -> StoredEvent:
    """A row of `EVENT`; its body gets its `seq`."""
    seq, event_id, target, event_type, at, body = row
    return StoredEvent(seq, event_id, target, event_type, at, to_body(seq, body))


def to_body(seq: int, body: str) -> dict[str, object]:
    """An event's JSON object with its `seq` in it."""
    content: dict[str, object] = json.loads(body)
    content["seq"] = seq
    return content


def extra_text(extra: Extra) -> str:
    """A flow's extra as JSON, options as hexadecimal digits; '' for the usual one."""
    return "" if extra == PLAIN else json.dumps(extra._asdict() | {"tcp_options": extra.tcp_options.hex()}, separators=(",", ":"))


def _extra(text: str) -> Extra:
    if not text:
        return PLAIN
    values = json.loads(text)
    return Extra(**values | {"tcp_options": bytes.fromhex(values["tcp_options"]), "gateways": tuple(values["gateways"])})


def _to_trace(row: Row, addresses: Addresses) -> StoredTrace:
    trace_id, target, at, path_id, hops, route_id, form, detail, address, source, transport, *rest = row
    device, *more_kernel_route = rest[:4]
    af, method, *more_flow = rest[4:-1]
    kept = decode_trace(form, detail, Path(decode_hops(hops, addresses)))
    trace = Trace(
        target=target,
        address=address,
        flow=Flow(af, Method(method), *more_flow)._replace(extra=_extra(rest[-1])),
        source=source,
        kernel_route=None if device is None else KernelRoute(device, *more_kernel_route),
        transport=transport,
        at=at,
        **kept._asdict(),
    )
    return StoredTrace(trace_id, path_id, route_id, trace)


def _to_route(row: Row, addresses: Addresses) -> Route:
    route_id, target, label, address, epoch, hops, *figures = row
    return Route(route_id, target, label, address, epoch, decode_hops(hops, addresses), *figures)
