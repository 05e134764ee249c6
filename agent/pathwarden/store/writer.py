"""Writes the history: the only writing connection, used by one thread."""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from pathwarden.model.history import Event, Record, Route
from pathwarden.model.instants import ClockShift
from pathwarden.model.trace import KernelRoute, Trace
from pathwarden.model.trace import Path as SeenPath
from pathwarden.store import clock, retention
from pathwarden.store.codec import encode_hops, encode_trace, ticks
from pathwarden.store.faults import StoreError, is_damage, told
from pathwarden.store.opening import LIMIT_KEY, PAGE_SIZE, archive_of, close_after_writing, open_for_writing
from pathwarden.store.rows import extra_text

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
    INSERT INTO routes (route_id, target, label, address, epoch, hops, length, first_at, last_at, held_s, traces, rtt_ms, loss_pct)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (route_id) DO UPDATE SET
        target = excluded.target, label = excluded.label, address = excluded.address, epoch = excluded.epoch, hops = excluded.hops,
        length = excluded.length, first_at = excluded.first_at, last_at = excluded.last_at, held_s = excluded.held_s,
        traces = excluded.traces, rtt_ms = excluded.rtt_ms, loss_pct = excluded.loss_pct
"""
_PUT_TRACE = """
    INSERT INTO traces (target, at, flow, path, form, route, boot, rtt_min, rtt_median, rtt_max, sent, lost, detail)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PUT_EVENT = """
    INSERT INTO events (event_id, target, change_no, event_type, severity, notify, at, clock_synced, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PUT_STATE = "INSERT INTO states (target, state) VALUES (?, ?) ON CONFLICT (target) DO UPDATE SET state = excluded.state"
_PUT_TELLING = "INSERT INTO telling (target, state) VALUES (?, ?) ON CONFLICT (target) DO UPDATE SET state = excluded.state"
_PUT_INCIDENT = """
    INSERT INTO incidents (incident_id, opened_at, closed_at, body) VALUES (?, ?, ?, ?)
    ON CONFLICT (incident_id) DO UPDATE SET opened_at = excluded.opened_at, closed_at = excluded.closed_at, body = excluded.body
"""
_DROP_SENDINGS = """
    DELETE FROM outbox WHERE seq IN (
        SELECT seq FROM outbox CROSS JOIN events USING (seq)
        ORDER BY failed IS NULL, severity <> 'info', seq LIMIT max(0, (SELECT count(*) FROM outbox) - ?)
    )
"""
_PUT_META = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


class Writer:
    """The history open for writing; a context manager. Implements `protocols.HistoryWriter`.

    `max_mb` bounds the file in millions of bytes, `boot_id` names this run of the machine, from which `mono_ns` counts. `notice` is
    what the operator must be told about the opening, '' if nothing; `remark` is for the log. If there is no history but an archive
    that an upgrade brought, that is read back first. Opening raises `OperatorError`; every method raises `StoreError`
    when the disk or another process does not let it work: then nothing was written, and it may be tried again.
    """

    def __init__(self, path: Path, *, max_mb: int, boot_id: str) -> None:
        self.path = path
        self._boot_id = boot_id
        self._damaged = False
        self._known: dict[tuple[object, ...], int] = {}
        self._limit = retention.pages(max_mb * 1_000_000)
        notice, self.remark = _read_back(path)
        self._db, of_opening = open_for_writing(path)
        self.notice = notice or of_opening
        try:
            self.trim()
            if self.meta_get(LIMIT_KEY) != str(max_mb * 1_000_000):
                self.meta_set(LIMIT_KEY, str(max_mb * 1_000_000))
        except BaseException:
            self._db.close()
            raise

    def save(self, records: Sequence[Record]) -> None:
        """Write finished traces, routes, states, events and incidents in one transaction; an event that is there already stays as it is."""
        with told(self.path):
            high = retention.is_high(self._db, self._limit)
        if high:
            self.trim()
        for share in retention.SHARES:
            try:
                self._save(records)
            except StoreError as error:
                if error.code != sqlite3.SQLITE_FULL or not self._disk_has_room():
                    raise
                self.trim(share)
            else:
                return
        self._save(records)

    def acknowledge(self, seqs: Sequence[int]) -> None:
        """The broker has these events; take them out of the outbox."""
        with self._transaction():
            self._db.executemany("DELETE FROM outbox WHERE seq = ?", [(seq,) for seq in seqs])

    def fail(self, seq: int, reason: str) -> None:
        """The broker will never take this event; it stays in the outbox as failed, is counted, and is not offered again."""
        with self._transaction():
            self._db.execute("UPDATE outbox SET failed = ? WHERE seq = ?", (reason, seq))

    def drop_outbox(self, most: int = 0) -> int:
        """Leave at most so many events in the outbox; how many went: failed ones first, then informational ones, the oldest each time."""
        with self._transaction():
            return self._db.execute(_DROP_SENDINGS, (most,)).rowcount

    def correct_clock(self, shift: ClockShift) -> int:
        """The clock became right: correct what this boot noted before, and mark it as right; how many traces that were."""
        with self._transaction():
            return clock.correct(self._db, self._boot_id, shift)

    def meta_get(self, key: str) -> str | None:
        """A note about this database, None if there is none; `database_id` names the database itself."""
        with told(self.path):
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def meta_set(self, key: str, value: str) -> None:
        """Write or replace a note about this database."""
        with self._transaction():
            self._db.execute(_PUT_META, (key, value))

    def trim(self, share: float = retention.LOW) -> int:
        """Leave at most `share` of the limit in use, oldest go first (see `retention`); how many traces and events went.

        `save` calls it when needed.
        """
        self._known.clear()  # what no trace refers to goes
        with told(self.path):
            return retention.trim(self._db, self._limit, share, self._transaction)

    def close(self) -> None:
        """Close the history; a second time does nothing."""
        close_after_writing(self._db, clean=not self._damaged)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with told(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._known.clear()
                self._damaged = self._damaged or is_damage(error)
                raise
            finally:
                # Some errors have rolled back already; a commit that met a reader has not.
                if self._db.in_transaction:
                    self._known.clear()
                    self._db.execute("ROLLBACK")

    def _disk_has_room(self) -> bool:
        """Whether the file could grow to its limit: if so, it was the limit that it met, not the end of the disk."""
        disk = os.statvfs(self.path)
        return disk.f_bavail * disk.f_frsize >= self._limit * PAGE_SIZE - self.path.stat().st_size

    def _save(self, records: Sequence[Record]) -> None:
        with self._transaction():
            boot = self._number(_BOOT, self._boot_id)
            for record in records:
                if record.tid:
                    self._put_measured(record, boot)
                for event in record.events:
                    self._put_event(event)
                self._db.executemany(_PUT_TELLING, record.telling.items())
                for incident in record.incidents:
                    self._db.execute(_PUT_INCIDENT, (*incident[:3], _json(incident.body)))
            if any(record.incidents for record in records):
                self._db.execute("DELETE FROM incidents WHERE id <= (SELECT max(id) FROM incidents) - ?", (retention.INCIDENTS_KEPT,))

    def _put_measured(self, record: Record, boot: int) -> None:
        target = self._number(_TARGET, record.tid)
        route = None if record.route is None else self._put_route(record.route)
        if record.trace is not None:
            trace = self._put_trace(record.trace, target, route, boot)
            self._db.execute("UPDATE targets SET latest = ? WHERE id = ?", (trace, target))
        self._db.execute(_PUT_STATE, (target, record.state))

    def _number(self, pair: _Pair, *content: object) -> int:
        """The number of a row with this content; the row is added if it is not there."""
        find, add = pair
        key = (add, *content)
        number = self._known.get(key)
        if number is None:
            row = self._db.execute(find, content).fetchone()
            number = int(row[0]) if row else self._insert(add, content)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = number
        return number

    def _insert(self, statement: str, values: Sequence[object]) -> int:
        return cast("int", self._db.execute(statement, values).lastrowid)  # None only after something other than an INSERT

    def _address(self, address: str) -> int:
        return self._number(_ADDRESS, address)

    def _put_route(self, route: Route) -> int:
        target = self._number(_TARGET, route.target)
        hops = encode_hops(route.hops, self._address)
        head = (route.route_id, target, route.label, route.address, route.epoch, hops, route.length)
        figures = (route.first_at, route.last_at, route.held_s, route.traces, route.rtt_ms, route.loss_pct)
        self._db.execute(_PUT_ROUTE, head + figures)
        return int(self._db.execute("SELECT id FROM routes WHERE route_id = ?", (route.route_id,)).fetchone()[0])

    def _put_trace(self, trace: Trace, target: int, route: int | None, boot: int) -> int:
        path = trace.path
        form, detail = encode_trace(trace, path)
        head = (target, trace.at, self._flow(trace, target), self._path(path), self._number(_FORM, form), route, boot)
        return self._insert(_PUT_TRACE, (*head, *_destination(trace), detail))

    def _path(self, path: SeenPath) -> int:
        """The number of what a trace saw; nearly always that is what the trace before saw, and then its name and bytes are not made."""
        number = self._known.get(path)
        if number is None:
            number = self._known[path] = self._number(_PATH, path.path_id, encode_hops(path.hops, self._address))
        return number

    def _flow(self, trace: Trace, target: int) -> int:
        kernel_route = None if trace.kernel_route is None else self._kernel_route(trace.kernel_route)
        flow = (*trace.flow[:-1], extra_text(trace.flow.extra))
        return self._number(_FLOW, target, trace.address, trace.source, trace.transport, kernel_route, *flow)

    def _kernel_route(self, route: KernelRoute) -> int:
        return self._number(_KERNEL_ROUTE, *route)

    def _put_event(self, event: Event) -> None:
        target = self._number(_TARGET, event.target)
        # Not "OR IGNORE": an ignored row uses up a number of the sequence.
        known = "SELECT 1 FROM events WHERE event_id = ? OR (target = ? AND change_no = ?)"
        if self._db.execute(known, (event.event_id, target, event.change_no)).fetchone():
            return
        head = (event.event_id, target, event.change_no, event.event_type, event.severity, event.notify)
        seq = self._insert(_PUT_EVENT, (*head, event.at, event.clock_synced, _json(event.body)))
        self._db.execute("INSERT INTO outbox (seq) VALUES (?)", (seq,))


def _read_back(path: Path) -> tuple[str, str]:
    """Notice and remark about an archive beside the history."""
    if not os.path.exists(archive_of(path)):  # noqa: PTH110 - Path.exists raises where the folder may not be entered
        return "", ""
    from pathwarden.store.pack import unpack  # once in a router's life

    return unpack(path)


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
