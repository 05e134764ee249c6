"""Rows of the database as values; the opposite of what the writer does."""

import json
import sqlite3
from collections.abc import Iterable
from sys import intern
from typing import Any, NamedTuple

from pathwarden.model.history import Route, StoredEvent, StoredTrace
from pathwarden.model.probe import PLAIN, Extra, Flow, Method
from pathwarden.model.trace import KernelRoute, Path, Trace
from pathwarden.store.blocks import Head
from pathwarden.store.codec import decode_hops, decode_trace
from pathwarden.store.texts import unpack

Row = tuple[Any, ...]

# CROSS JOIN keeps the order of the tables: SQLite's planner must start from what is asked for, whatever the sizes of the others.
_FLOW = """
    SELECT targets.target, flows.address, flows.source, transport, kernel_routes.device, kernel_routes.source, gateway, route_table,
        af, method, src, dst, sport, dport, tos, label, size, extra
    FROM {0}.flows CROSS JOIN {0}.targets ON targets.id = flows.target
    LEFT JOIN {0}.kernel_routes ON kernel_routes.id = flows.kernel_route WHERE flows.id = ?
"""
ROUTE = """
    SELECT route_id, targets.target, label, address, epoch, hops, length, first_at, last_at, held_s, traces, rtt_ms, loss_pct, stamp
    FROM {0}.routes JOIN {0}.targets ON targets.id = routes.target
"""
EVENT = """
    SELECT seq, event_id, targets.target, event_type, at, body, note
    FROM main.events CROSS JOIN main.targets ON targets.id = events.target
"""


class Content(NamedTuple):
    """What the numbers of a trace's row mean."""

    target: str
    address: str
    source: str
    transport: str
    kernel_route: KernelRoute | None
    flow: Flow
    path_id: str
    path: Path
    form: bytes
    route_id: str | None
    boot: str


class Meanings:
    """What the numbers in one database (`main`, or `live` beside it) mean, read once each; good for one snapshot."""

    def __init__(self, db: sqlite3.Connection, schema: str = "main") -> None:
        self._db = db
        self._schema = schema
        self._known: dict[tuple[str, int], Any] = {}

    def content(self, head: Head) -> Content:
        """What a row means."""
        target, address, source, transport, kernel_route, flow = self._one("flow", head.flow)
        path_id, path = self._one("path", head.path)
        route_id = None if head.route is None else self.route_id(head.route)
        form, boot = self._one("form", head.form), self._one("boot", head.boot)
        return Content(target, address, source, transport, kernel_route, flow, path_id, path, form, route_id, boot)

    def trace(self, head: Head) -> StoredTrace:
        """The trace of a row."""
        return to_trace(head, self.content(head))

    def address(self, number: int) -> str:
        """The address with this number."""
        return str(self._one("address", number))

    def route_id(self, number: int) -> str | None:
        """The route's name; None if it is not kept any more."""
        found: str | None = self._one("route", number)
        return found

    def hops(self, data: bytes) -> tuple[tuple[str, ...], ...]:
        """The responders of a path or route."""
        return decode_hops(data, self.address)

    def _one(self, what: str, number: int) -> Any:  # noqa: ANN401  each kind its own
        if (what, number) not in self._known:
            self._known[what, number] = getattr(self, f"_read_{what}")(number)
        return self._known[what, number]

    def _row(self, columns: str, table: str, number: int) -> Row | None:
        statement = f"SELECT {columns} FROM {self._schema}.{table} WHERE id = ?"  # noqa: S608  names of ours
        row: Row | None = self._db.execute(statement, (number,)).fetchone()
        return row

    def _value(self, column: str, table: str, number: int) -> Any:  # noqa: ANN401  each column its own
        row = self._row(column, table, number)
        return None if row is None else row[0]

    def _read_flow(self, number: int) -> Row:
        row = self._db.execute(_FLOW.format(self._schema), (number,)).fetchone()
        target, address, source, transport, device, *rest = row
        kernel_route = None if device is None else KernelRoute(device, *rest[:3])
        af, method, *more = rest[3:-1]
        return target, address, source, transport, kernel_route, Flow(af, Method(method), *more)._replace(extra=_extra(rest[-1]))

    def _read_path(self, number: int) -> tuple[str, Path]:
        path_id, hops = self._row("path_id, hops", "paths", number) or ("", b"")
        return path_id, Path(self.hops(hops))

    def _read_form(self, number: int) -> bytes:
        return bytes(self._value("form", "forms", number))

    def _read_boot(self, number: int) -> str:
        return str(self._value("boot", "boots", number))

    def _read_route(self, number: int) -> str | None:
        found: str | None = self._value("route_id", "routes", number)
        return found

    def _read_address(self, number: int) -> str:
        return str(self._value("address", "addresses", number))


def to_trace(head: Head, told: Content) -> StoredTrace:
    """The trace of a row, by what its numbers mean."""
    kept = decode_trace(told.form, head.detail, told.path)
    trace = Trace(
        target=told.target,
        address=told.address,
        flow=told.flow,
        source=told.source,
        kernel_route=told.kernel_route,
        transport=told.transport,
        at=head.at,
        **kept._asdict(),
    )
    return StoredTrace(head.id, told.path_id, told.route_id, trace)


def to_routes(meanings: Meanings, rows: Iterable[Row]) -> list[tuple[int, Route]]:
    """Rows of `ROUTE`, each with its stamp."""
    found = []
    for row in rows:
        route_id, target, label, address, epoch, hops, *figures, stamp = row
        found.append((stamp, Route(route_id, target, label, address, epoch, meanings.hops(hops), *figures)))
    return found


def to_event(row: Row) -> StoredEvent:
    """A row of `EVENT`; its body gets its `seq`, and `note`: what somebody wrote about it, or None."""
    seq, event_id, target, event_type, at, body, note = row
    return StoredEvent(seq, event_id, target, event_type, at, {**to_body(seq, body), "note": note})


def to_body(seq: int, body: str | bytes) -> dict[str, object]:
    """An event's JSON object with its `seq` in it."""
    content: dict[str, object] = json.loads(unpack(body), object_pairs_hook=_shared)
    content["seq"] = seq
    return content


def _shared(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose names are those of all others: in a page of events they would take half the memory."""
    return {intern(name): value for name, value in pairs}


def extra_text(extra: Extra) -> str:
    """A flow's extra as JSON, options as hexadecimal digits; '' for the usual one."""
    return "" if extra == PLAIN else json.dumps(extra._asdict() | {"tcp_options": extra.tcp_options.hex()}, separators=(",", ":"))


def _extra(text: str) -> Extra:
    if not text:
        return PLAIN
    values = json.loads(text)
    return Extra(**values | {"tcp_options": bytes.fromhex(values["tcp_options"]), "gateways": tuple(values["gateways"])})
