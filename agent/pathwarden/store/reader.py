"""Reads the history, beside the daemon or without it; never changes it."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore
from types import TracebackType
from typing import Self

from pathwarden.errors import OperatorError
from pathwarden.model.history import DbStats, OutboxRow, Route, Series, StoredEvent, StoredIncident, StoredTrace
from pathwarden.store import migrate
from pathwarden.store.faults import is_unfinished, told, unreachable
from pathwarden.store.opening import LIMIT_KEY, connect, uri_of
from pathwarden.store.rows import EVENT, ROUTE, TRACE, Row, to_body, to_event, to_routes, to_traces

CONNECTIONS = 4  # as many threads read at once, the others wait for milliseconds; every connection has its own cache
_CACHE_KIB = 256  # a page of traces with its path, or the newest days of a series
_A_PAGE = 200  # traces of one step of a walk: a third of a megabyte, and milliseconds in which nobody can write

# SQLite's integers end here: bounds for "no bound".
_FIRST = -(2**63)
_LAST = 2**63 - 1

_OF_TARGET = "(SELECT id FROM targets WHERE target = :target)"

_TRACE = f"{TRACE} WHERE traces.id = ?"
_LATEST = f"{TRACE} WHERE traces.id = (SELECT latest FROM targets WHERE target = ?)"  # noqa: S608  constants only
_TRACES = f"""{TRACE} WHERE traces.target = {_OF_TARGET} AND traces.at BETWEEN :at_from AND :at_to
    AND (traces.at < :before_at OR (traces.at = :before_at AND traces.id < :before_id))
    ORDER BY traces.at DESC, traces.id DESC LIMIT :limit"""
_WALK = f"""{TRACE} WHERE traces.target = {_OF_TARGET} AND traces.at BETWEEN :after_at AND :at_to
    AND (traces.at > :after_at OR traces.id > :after_id)
    ORDER BY traces.at, traces.id LIMIT {_A_PAGE}"""
_EVENT_RANGE = "seq > :since AND seq < :before AND events.at BETWEEN :at_from AND :at_to"

_SERIES = f"""
    SELECT (at - :at_from) / :width AS bucket, min(rtt_min), median(rtt_median), max(rtt_max), sum(sent), sum(lost)
    FROM traces WHERE target = {_OF_TARGET} AND at >= :at_from AND at < :at_to GROUP BY bucket"""  # noqa: S608  constants only
# With max() SQLite takes the other columns from the row that has the maximum (sqlite.org/lang_select.html#bareagg).
_SERIES_ROUTES = f"""
    SELECT bucket, route_id, max(number) FROM (
        SELECT (at - :at_from) / :width AS bucket, route, count(*) AS number
        FROM traces WHERE target = {_OF_TARGET} AND at >= :at_from AND at < :at_to AND route IS NOT NULL GROUP BY 1, 2
    ) JOIN routes ON routes.id = route GROUP BY bucket"""  # noqa: S608  constants only

_STATS = """
    SELECT (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size),
        (SELECT value FROM meta WHERE key = ?), (SELECT count(*) FROM traces), (SELECT count(*) FROM paths),
        (SELECT count(*) FROM events), (SELECT count(*) FROM outbox WHERE failed IS NULL),
        (SELECT at FROM traces ORDER BY id LIMIT 1), (SELECT at FROM traces ORDER BY id DESC LIMIT 1)"""

_NS = 1_000_000_000
_TICKS_PER_MS = 100


class _Median:
    """The SQL function `median`, which SQLite has not: four times as fast as the same with window functions. None if all are None."""

    def __init__(self) -> None:
        self._values: list[int] = []

    def step(self, value: int | None) -> None:
        """Take one row's value."""
        if value is not None:
            self._values.append(value)

    def finalize(self) -> float | None:
        """The result of a group; SQLite hands over one group after the other, so only one is held."""
        if not self._values:
            return None
        self._values.sort()
        last = len(self._values) - 1
        return (self._values[last // 2] + self._values[(last + 1) // 2]) / 2


class Reader:
    """The history open for reading; a context manager. Implements `protocols.HistoryReader`; any thread may call any method.

    Every method sees one state of the database. Raises `OperatorError` on opening if there is no history, or one that this version
    cannot read, and `StoreError` when the disk or another process does not let it read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._gate = BoundedSemaphore(CONNECTIONS)
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        try:
            path.stat()
        except FileNotFoundError:
            raise OperatorError(f"no history at {path} yet", "start the daemon with: pathwarden run") from None
        except OSError as error:
            raise unreachable(path, error) from error
        with self._snapshot():
            pass

    def close(self) -> None:
        """Close every connection; those in use close when their reading ends."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # Traces

    def latest(self, target: str) -> StoredTrace | None:
        """The trace of a target that was written last, whatever the clock said."""
        return self._one_trace(_LATEST, target)

    def traces(
        self,
        target: str,
        *,
        before_id: int | None = None,
        at_from: int | None = None,
        at_to: int | None = None,
        limit: int = 50,
    ) -> list[StoredTrace]:
        """Traces of a target that started in [at_from, at_to], newest start first; `before_id` pages on after that trace."""
        with self._snapshot() as db:
            before = (_LAST, _LAST)
            if before_id is not None:
                row = db.execute("SELECT at, id FROM traces WHERE id = ?", (before_id,)).fetchone()
                if row is None:
                    return []  # it was trimmed, and all older ones with it
                before = row
            values = {
                "target": target,
                "at_from": _FIRST if at_from is None else at_from,
                "at_to": min(before[0], _LAST if at_to is None else at_to),
                "before_at": before[0],
                "before_id": before[1],
                "limit": limit,
            }
            return to_traces(db, db.execute(_TRACES, values))

    def walk(self, target: str, *, at_from: int | None = None, at_to: int | None = None) -> Iterator[StoredTrace]:
        """All traces of a target that started in [at_from, at_to], oldest start first, few of them in memory at once.

        Each page is read as it is then: what is written or trimmed meanwhile further on is seen so.
        """
        values = {"target": target, "after_at": _FIRST if at_from is None else at_from, "after_id": _FIRST}
        values["at_to"] = _LAST if at_to is None else at_to
        while True:
            with self._snapshot() as db:
                page = to_traces(db, db.execute(_WALK, values))
            yield from page
            if len(page) < _A_PAGE:
                return
            values |= {"after_at": page[-1].trace.at, "after_id": page[-1].trace_id}

    def trace(self, trace_id: int) -> StoredTrace | None:
        """One trace."""
        return self._one_trace(_TRACE, trace_id)

    def trace_at(self, target: str, at: int) -> StoredTrace | None:
        """The trace in force at an instant: the newest that started at or before it."""
        return next(iter(self.traces(target, at_to=at, limit=1)), None)

    # Routes

    def routes(self, target: str) -> list[Route]:
        """All routes of a target that some kept trace followed, most time first."""
        with self._snapshot() as db:
            rows = db.execute(f"{ROUTE} WHERE targets.target = ? ORDER BY held_s DESC, route_id", (target,))
            return to_routes(db, rows)

    def route(self, route_id: str) -> Route | None:
        """One route."""
        with self._snapshot() as db:
            return next(iter(to_routes(db, db.execute(f"{ROUTE} WHERE route_id = ?", (route_id,)))), None)

    # Events

    def events(
        self,
        *,
        target: str | None = None,
        since_seq: int | None = None,
        before_seq: int | None = None,
        at_from: int | None = None,
        at_to: int | None = None,
        limit: int = 100,
        incidents: bool = True,
    ) -> list[StoredEvent]:
        """Events after `since_seq`, oldest first (for following); without it newest first; `before_seq` pages on.

        `at_from` and `at_to` bound when it was told. Without `incidents` those are left out that only tell how an incident stands.
        """
        of_target = "" if target is None else f"events.target = {_OF_TARGET} AND "
        of_target += "" if incidents else "event_type <> 'incident' AND "
        order = "DESC" if since_seq is None else "ASC"
        values = {
            "target": target,
            "since": _FIRST if since_seq is None else since_seq,
            "before": _LAST if before_seq is None else before_seq,
            "at_from": _FIRST if at_from is None else at_from,
            "at_to": _LAST if at_to is None else at_to,
            "limit": limit,
        }
        with self._snapshot() as db:
            rows = db.execute(f"{EVENT} WHERE {of_target}{_EVENT_RANGE} ORDER BY seq {order} LIMIT :limit", values)
            return [to_event(row) for row in rows]

    def count_events(self, target: str, at_from: int, types: Sequence[str]) -> int:
        """How many events of these types a target had since an instant."""
        marks = ", ".join("?" * len(types))
        of_target = "(SELECT id FROM targets WHERE target = ?)"
        statement = f"SELECT count(*) FROM events WHERE target = {of_target} AND at >= ? AND event_type IN ({marks})"  # noqa: S608  only marks
        with self._snapshot() as db:
            return int(db.execute(statement, (target, at_from, *types)).fetchone()[0])

    def outbox(self, after_seq: int, limit: int) -> list[OutboxRow]:
        """Events not acknowledged yet, oldest first, with `seq` greater than `after_seq`; without those that failed."""
        statement = """
            SELECT seq, event_id, targets.target, body
            FROM outbox CROSS JOIN events USING (seq) CROSS JOIN targets ON targets.id = events.target
            WHERE seq > ? AND failed IS NULL ORDER BY seq LIMIT ?"""
        with self._snapshot() as db:
            rows = db.execute(statement, (after_seq, limit))
            return [OutboxRow(seq, event_id, target, to_body(seq, body)) for seq, event_id, target, body in rows]

    def change_numbers(self) -> dict[str, int]:
        """The highest `change_no` of each target's events; '' is the agent."""
        statement = "SELECT targets.target, max(change_no) FROM events JOIN targets ON targets.id = events.target GROUP BY events.target"
        with self._snapshot() as db:
            return dict(db.execute(statement).fetchall())

    def incidents(self, limit: int = 100) -> list[StoredIncident]:
        """The incidents as they were told last, newest first."""
        statement = "SELECT incident_id, opened_at, closed_at, body FROM incidents ORDER BY id DESC LIMIT ?"
        with self._snapshot() as db:
            rows = db.execute(statement, (limit,)).fetchall()
        return [StoredIncident(incident_id, opened_at, closed_at, json.loads(body)) for incident_id, opened_at, closed_at, body in rows]

    def failed(self) -> dict[str, int]:
        """How many events the broker will never take, by reason."""
        with self._snapshot() as db:
            return dict(db.execute("SELECT failed, count(*) FROM outbox WHERE failed IS NOT NULL GROUP BY failed").fetchall())

    # The rest

    def series(self, target: str, at_from: int, at_to: int, points: int) -> Series:
        """Samples of [at_from, at_to) in at most `points` equal buckets of whole seconds, computed in SQL.

        Empty buckets are there too, with nothing sent. The median is the median of the traces' medians. A trace that did not reach
        its destination counts the probes of its last hop as lost.
        """
        seconds = max(1, -(-(at_to - at_from) // (points * _NS)))
        values = {"target": target, "at_from": at_from, "at_to": at_to, "width": seconds * _NS}
        with self._snapshot() as db:
            samples: dict[int, Row] = {row[0]: row[1:] for row in db.execute(_SERIES, values)}
            routes: dict[int, str] = {row[0]: row[1] for row in db.execute(_SERIES_ROUTES, values)}
        buckets = range(-(-(at_to - at_from) // (seconds * _NS)))
        rows = [samples.get(bucket, (None, None, None, 0, 0)) for bucket in buckets]
        return Series(
            at_s=[at_from // _NS + bucket * seconds for bucket in buckets],
            rtt_min_ms=[_ms(row[0]) for row in rows],
            rtt_median_ms=[_ms(row[1]) for row in rows],
            rtt_max_ms=[_ms(row[2]) for row in rows],
            sent=[row[3] for row in rows],
            lost=[row[4] for row in rows],
            routes=[routes.get(bucket) for bucket in buckets],
        )

    def notes(self, prefix: str) -> dict[str, str]:
        """The notes about this database (`Writer.meta_set`) whose keys begin so, by the rest of the key."""
        with self._snapshot() as db:
            rows = db.execute("SELECT substr(key, ?), value FROM meta WHERE substr(key, 1, ?) = ?", (len(prefix) + 1, len(prefix), prefix))
            return dict(rows.fetchall())

    def states(self) -> dict[str, str]:
        """Each target's state machine as JSON text."""
        with self._snapshot() as db:
            return dict(db.execute("SELECT targets.target, state FROM states JOIN targets ON targets.id = states.target").fetchall())

    def tellings(self) -> dict[str, str]:
        """What is told of each target, as it stands, as JSON text; '' is the agent's own."""
        with self._snapshot() as db:
            return dict(db.execute("SELECT target, state FROM telling").fetchall())

    def stats(self) -> DbStats:
        """Sizes and counts; `outbox` without failed ones, oldest and newest by order of writing."""
        with self._snapshot() as db:
            size, limit, traces, paths, events, outbox, oldest, newest = db.execute(_STATS, (LIMIT_KEY,)).fetchone()
            schema = migrate.check(db, self.path)
        return DbStats(str(self.path), size, int(limit), schema, traces, paths, events, outbox, oldest, newest)

    def _one_trace(self, statement: str, value: object) -> StoredTrace | None:
        with self._snapshot() as db:
            return next(iter(to_traces(db, db.execute(statement, (value,)))), None)

    # Connections

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the database for as long as it is used."""
        with self._gate, told(self.path):
            try:
                db = self._idle.pop()
            except IndexError:
                db = self._connect()
            try:
                self._begin(db)
                yield db
                db.execute("ROLLBACK")
            except BaseException:
                db.close()
                raise
            if self._closed:
                db.close()
            else:
                self._idle.append(db)

    def _connect(self) -> sqlite3.Connection:
        db = connect(uri_of(self.path, "ro"))
        try:
            self._begin(db)
            self._check(db)
            db.execute("ROLLBACK")
            # Only now: a PRAGMA reads the schema, and that must find an unfinished write undone.
            db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            db.create_aggregate("median", 1, _Median)  # type: ignore[arg-type]  # the stub knows whole numbers only
        except BaseException:
            db.close()
            raise
        return db

    def _check(self, db: sqlite3.Connection) -> None:
        if migrate.check(db, self.path) < migrate.newest():
            raise OperatorError(f"the history {self.path} is of an older Pathwarden", "start the daemon, it brings it up to date")

    def _begin(self, db: sqlite3.Connection) -> None:
        try:
            _begin(db)
        except sqlite3.OperationalError as error:
            if not is_unfinished(error):
                raise
            # A daemon was killed while it wrote. SQLite undoes that write on the first reading by someone who may write.
            db.execute("ROLLBACK")
            self._undo_unfinished()
            _begin(db)

    def _undo_unfinished(self) -> None:
        db = connect(uri_of(self.path, "rw"))
        try:
            _begin(db)
        finally:
            db.close()


def _begin(db: sqlite3.Connection) -> None:
    db.execute("BEGIN")
    db.execute("SELECT 1 FROM sqlite_schema").fetchone()  # only now does SQLite take the lock


def _ms(ticks: float | None) -> float | None:
    return None if ticks is None else ticks / _TICKS_PER_MS
