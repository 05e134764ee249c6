"""Puts values into the tables, in the lasting database or in the live one; what repeats is there once."""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from pathwarden.model.history import Event, Route, StoredIncident
from pathwarden.model.probe import Flow
from pathwarden.model.trace import KernelRoute, Path, Trace
from pathwarden.store.blocks import COLUMNS, Head
from pathwarden.store.codec import encode_hops, encode_trace, ticks
from pathwarden.store.rows import Content, extra_text
from pathwarden.store.texts import pack

_ROUTES = 256  # of which the hops are known as bytes, some 100 kB: of each target the route in force
_REMEMBERED = 2000  # rows whose numbers are known without asking, some 300 kB: nearly all of a trace's are those of the trace before

# A row by its content, and how to add it; the parameters are the same.
_Pair = tuple[str, str]
_ADDRESS: _Pair = ("SELECT id FROM addresses WHERE address = ?", "INSERT INTO addresses (address) VALUES (?)")
_TARGET: _Pair = ("SELECT id FROM targets WHERE target = ?", "INSERT INTO targets (target) VALUES (?)")
_BOOT: _Pair = ("SELECT id FROM boots WHERE boot = ?", "INSERT INTO boots (boot) VALUES (?)")
_KERNEL_ROUTE: _Pair = (
    "SELECT id FROM kernel_routes WHERE device = ? AND source = ? AND gateway = ? AND route_table = ?",
    "INSERT INTO kernel_routes (device, source, gateway, route_table) VALUES (?, ?, ?, ?)",
)
_PATH: _Pair = ("SELECT id FROM paths WHERE path_id = ? AND hops = ?", "INSERT INTO paths (path_id, hops) VALUES (?, ?)")
_FORM: _Pair = ("SELECT id FROM forms WHERE form = ?", "INSERT INTO forms (form) VALUES (?)")
_FLOW: _Pair = (
    """
    SELECT id FROM flows WHERE target = ? AND address = ? AND source = ? AND transport = ? AND kernel_route IS ? AND af = ?
        AND method = ? AND src = ? AND dst = ? AND sport = ? AND dport = ? AND tos = ? AND label = ? AND size = ?
        AND extra = ?
    """,
    """
    INSERT INTO flows (target, address, source, transport, kernel_route, af, method, src, dst, sport, dport, tos, label, size, extra)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    """,
)

_PUT_ROUTE = """
    INSERT INTO routes (route_id, target, label, address, epoch, hops, length, first_at, last_at, held_s, traces, rtt_ms, loss_pct, stamp)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (route_id) DO UPDATE SET
        target = excluded.target, label = excluded.label, address = excluded.address, epoch = excluded.epoch, hops = excluded.hops,
        length = excluded.length, first_at = excluded.first_at, last_at = excluded.last_at, held_s = excluded.held_s,
        traces = excluded.traces, rtt_ms = excluded.rtt_ms, loss_pct = excluded.loss_pct, stamp = excluded.stamp
        WHERE excluded.stamp >= stamp
"""
_ROUTE = "SELECT id FROM routes WHERE route_id = ?"
_PUT_TRACE = f"INSERT OR IGNORE INTO traces (target, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  constants only
_PUT_EVENT = """
    INSERT INTO events (event_id, target, change_no, event_type, severity, notify, at, clock_synced, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_NEWER = "ON CONFLICT (target) DO UPDATE SET state = excluded.state, stamp = excluded.stamp WHERE excluded.stamp >= stamp"
_PUT_STATE = f"INSERT INTO states (target, state, stamp) VALUES (?, ?, ?) {_NEWER}"  # noqa: S608  constants only
_PUT_TELLING = f"INSERT INTO telling (target, state, stamp) VALUES (?, ?, ?) {_NEWER}"  # noqa: S608  constants only
_PUT_INCIDENT = """
    INSERT INTO incidents (incident_id, opened_at, closed_at, body) VALUES (?, ?, ?, ?)
    ON CONFLICT (incident_id) DO UPDATE SET opened_at = excluded.opened_at, closed_at = excluded.closed_at, body = excluded.body
"""
_SPAN = "SELECT route FROM spans WHERE target = ? AND at <= ? ORDER BY at DESC LIMIT 1"
_FOLLOWED = """
    SELECT route_id FROM spans JOIN routes ON routes.id = spans.route
    WHERE spans.target = (SELECT id FROM targets WHERE target = ?) ORDER BY at DESC LIMIT 1
"""
_DROP_SENDINGS = """
    DELETE FROM outbox WHERE seq IN (
        SELECT seq FROM outbox CROSS JOIN events USING (seq)
        ORDER BY failed IS NULL, severity <> 'info', seq LIMIT max(0, (SELECT count(*) FROM outbox) - ?)
    )
"""
# The newest first: an id has no index, and it is mostly what happened lately that somebody writes about.
_PUT_NOTE = "UPDATE events SET note = ? WHERE seq = (SELECT seq FROM events WHERE event_id = ? ORDER BY seq DESC LIMIT 1)"
_PUT_META = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


class Tables:
    """The tables of one database that is open for writing. Every method is to be called in a transaction.

    Long texts are packed, but not in the live database: there they are written again and again, and no flash wears.
    """

    def __init__(self, db: sqlite3.Connection, *, live: bool = False) -> None:
        self.db = db
        self._text: Callable[[str], str | bytes] = str if live else pack
        self._known: dict[tuple[object, ...], int] = {}
        self._encoded: dict[tuple[tuple[str, ...], ...], bytes] = {}  # hops of routes, in the numbers of their addresses

    def forget(self) -> None:
        """Rows may have gone, or a transaction did not happen: look again."""
        self._known.clear()
        self._encoded.clear()

    def target(self, tid: str) -> int:
        """The target's number."""
        return self._number(_TARGET, tid)

    def followed(self, tid: str) -> str | None:
        """The route that a target's traces followed last; None if none was known."""
        row = self.db.execute(_FOLLOWED, (tid,)).fetchone()
        return row and str(row[0])

    def boot(self, boot_id: str) -> int:
        """The boot's number."""
        return self._number(_BOOT, boot_id)

    def put_meta(self, key: str, value: str) -> None:
        """Write or replace a note."""
        self.db.execute(_PUT_META, (key, value))

    def put_state(self, target: int, state: str, stamp: int) -> None:
        """A target's state, unless a newer one is there."""
        self.db.execute(_PUT_STATE, (target, state, stamp))

    def put_telling(self, telling: Mapping[str, str], stamp: int) -> None:
        """What is told, unless something newer is there."""
        self.db.executemany(_PUT_TELLING, [(name, self._text(state), stamp) for name, state in telling.items()])

    def put_incident(self, incident: StoredIncident) -> None:
        """An incident as it stands now."""
        self.db.execute(_PUT_INCIDENT, (*incident[:3], self._text(_json(incident.body))))

    def drop_incidents(self, kept: int) -> None:
        """Leave the newest so many."""
        self.db.execute("DELETE FROM incidents WHERE id <= (SELECT max(id) FROM incidents) - ?", (kept,))

    def put_event(self, event: Event, *, to_send: bool) -> bool:
        """An event, and its place in the outbox if it is to be sent; False if it is there already."""
        target = self.target(event.target)
        # Not "OR IGNORE": an ignored row uses up a number of the sequence.
        known = "SELECT 1 FROM events WHERE target = ? AND change_no = ?"
        if self.db.execute(known, (target, event.change_no)).fetchone():
            return False
        head = (event.event_id, target, event.change_no, event.event_type, event.severity, event.notify)
        seq = self._insert(_PUT_EVENT, (*head, event.at, event.clock_synced, self._text(_json(event.body))))
        if to_send:
            self.db.execute("INSERT INTO outbox (seq) VALUES (?)", (seq,))
        return True

    def put_notes(self, notes: Mapping[str, str]) -> None:
        """What somebody wrote about events; '' takes it away. One that is gone has none."""
        self.db.executemany(_PUT_NOTE, [(note or None, event_id) for event_id, note in notes.items()])

    def drop_sendings(self, most: int) -> int:
        """Leave at most so many events in the outbox; how many went: failed ones first, then informational ones, the oldest each time."""
        return self.db.execute(_DROP_SENDINGS, (most,)).rowcount

    def put_route(self, route: Route, stamp: int) -> int:
        """A route as it stands now, unless something newer is there; its number."""
        target = self.target(route.target)
        head = (route.route_id, target, route.label, route.address, route.epoch, self._hops(route.hops), route.length)
        figures = (route.first_at, route.last_at, route.held_s, route.traces, route.rtt_ms, route.loss_pct)
        self.db.execute(_PUT_ROUTE, (*head, *figures, stamp))
        key = (_PUT_ROUTE, route.route_id)
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = int(self.db.execute(_ROUTE, (route.route_id,)).fetchone()[0])
        return number

    def known_route(self, route: Route, stamp: int) -> int:
        """A route's number; only one that is not there is written."""
        row = self.db.execute(_ROUTE, (route.route_id,)).fetchone()
        return int(row[0]) if row else self.put_route(route, stamp)

    def put_trace(self, number: int, trace: Trace, route: int | None, boot: int) -> None:
        """A finished trace under its number, and since when its route is followed."""
        target, head = self.target(trace.target), self.head(number, trace, route, boot)
        self.db.execute(_PUT_TRACE, (target, *head))
        self.note(target, head)

    def head(self, number: int, trace: Trace, route: int | None, boot: int) -> Head:
        """A finished trace as a row with the numbers of this database; where it goes is the caller's concern."""
        target, path = self.target(trace.target), trace.path
        kernel_route, flow = trace.kernel_route, (trace.address, trace.source, trace.transport)
        form, detail = encode_trace(trace, path)
        refs = (
            self._flow(target, flow, kernel_route, trace.flow),
            self._path(path),
            self._number(_FORM, form),
            route,
            boot,
        )
        return Head(number, trace.at, *refs, *_destination(trace), detail)

    def translate(self, head: Head, content: Content, route: int | None) -> Head:
        """A trace from another database with the numbers of this one; where it goes, and that it did (`note`), is the caller's concern."""
        target = self.target(content.target)
        refs = (
            self._flow(target, (content.address, content.source, content.transport), content.kernel_route, content.flow),
            self._path(content.path),
            self._number(_FORM, content.form),
            route,
            self.boot(content.boot),
        )
        return head._replace(flow=refs[0], path=refs[1], form=refs[2], route=refs[3], boot=refs[4])

    def put_head(self, tid: str, head: Head) -> None:
        """A row of a target, with the numbers of this database."""
        self.db.execute(_PUT_TRACE, (self.target(tid), *head))

    def note(self, target: int, head: Head) -> None:
        """This is the target's last trace; and if its route is another than before, since when it is followed."""
        self.db.execute("UPDATE targets SET latest = ? WHERE id = ?", (head.id, target))
        self.note_route(target, head)

    def note_route(self, target: int, head: Head) -> None:
        """If the trace's route is another than before: since when it is followed."""
        if head.route is not None:
            followed = self.db.execute(_SPAN, (target, head.at)).fetchone()
            if followed is None or followed[0] != head.route:
                self.db.execute("INSERT OR REPLACE INTO spans (target, at, route) VALUES (?, ?, ?)", (target, head.at, head.route))

    def _number(self, pair: _Pair, *content: object) -> int:
        """The number of a row with this content; the row is added if it is not there."""
        find, add = pair
        key = (add, *content)
        number = self._known.get(key)
        if number is None:
            row = self.db.execute(find, content).fetchone()
            number = int(row[0]) if row else self._insert(add, content)
            if len(self._known) >= _REMEMBERED:
                self.forget()
            self._known[key] = number
        return number

    def _insert(self, statement: str, values: Sequence[object]) -> int:
        return cast("int", self.db.execute(statement, values).lastrowid)  # None only after something other than an INSERT

    def _address(self, address: str) -> int:
        return self._number(_ADDRESS, address)

    def _path(self, path: Path) -> int:
        """The number of what a trace saw; nearly always that is what the trace before saw, and then its name and bytes are not made."""
        number = self._known.get(path)
        if number is None:
            number = self._known[path] = self._number(_PATH, path.path_id, encode_hops(path.hops, self._address))
        return number

    def _hops(self, hops: tuple[tuple[str, ...], ...]) -> bytes:
        """A route's hops as bytes; nearly always they are those of the time before."""
        data = self._encoded.get(hops)
        if data is None:
            if len(self._encoded) >= _ROUTES:
                self._encoded.clear()
            data = self._encoded[hops] = encode_hops(hops, self._address)
        return data

    def _flow(self, target: int, where: tuple[str, str, str], kernel_route: KernelRoute | None, flow: Flow) -> int:
        way = None if kernel_route is None else self._number(_KERNEL_ROUTE, *kernel_route)
        return self._number(_FLOW, target, *where, way, *flow[:-1], extra_text(flow.extra))


def _json(body: Mapping[str, object]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _destination(trace: Trace) -> tuple[int | None, int | None, int | None, int, int]:
    """Least, median and greatest round-trip time to the destination in steps of 0.01 ms; its probes sent and lost.

    If the destination did not answer, the probes of the last hop stand for those that it did not get: one such set is lost.
    """
    ttl = trace.reached_ttl if trace.reached_ttl is not None else max((hop.ttl for hop in trace.hops), default=0)
    sent = next((len(hop.answers) for hop in trace.hops if hop.ttl == ttl), 0)
    rtts = sorted(ticks(rtt_ns) for rtt_ns in trace.destination_rtts_ns)
    if not rtts:
        return None, None, None, sent, sent
    middle = (rtts[(len(rtts) - 1) // 2] + rtts[len(rtts) // 2]) // 2
    return rtts[0], middle, rtts[-1], sent, sent - len(rtts)
