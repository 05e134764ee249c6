"""Reads the history, beside the daemon or without it; never changes it.

What the daemon has not flushed yet lies in the live database beside the lasting one. A snapshot begins with the lasting one, and then
takes of the live one what is newer (`past`).
"""

import json
from collections.abc import Iterator, Sequence

from pathwarden.model.history import DbStats, Heat, Level, OutboxRow, Route, Series, Span, StoredEvent, StoredIncident, StoredTrace
from pathwarden.store import heat, migrate, series
from pathwarden.store.opening import LIMIT_KEY
from pathwarden.store.past import FIRST, LAST, Past
from pathwarden.store.rows import EVENT, ROUTE, to_body, to_event, to_routes, to_trace
from pathwarden.store.snapshots import Snapshots
from pathwarden.store.texts import unpack

_A_PAGE = 200  # traces of one step of a walk: a fifth of a megabyte, and milliseconds in which nobody can write

_OF_TARGET = "(SELECT id FROM main.targets WHERE target = :target)"
_EVENT_RANGE = "seq > :since AND seq < :before AND +events.at BETWEEN :at_from AND :at_to"
_SPANS = """
    SELECT at, route_id FROM main.spans JOIN main.routes ON routes.id = spans.route
    WHERE spans.target = (SELECT id FROM main.targets WHERE target = ?) AND at
"""
_STATS = """
    SELECT (SELECT page_count * page_size FROM pragma_page_count('main'), pragma_page_size('main')),
        (SELECT value FROM main.meta WHERE key = ?),
        (SELECT count(*) FROM main.traces) + (SELECT coalesce(sum(traces), 0) FROM main.blocks), (SELECT count(*) FROM main.paths),
        (SELECT count(*) FROM main.events), (SELECT count(*) FROM main.outbox WHERE failed IS NULL),
        coalesce((SELECT at_from FROM main.blocks ORDER BY id LIMIT 1), (SELECT at FROM main.traces ORDER BY id LIMIT 1)),
        coalesce((SELECT at FROM main.traces ORDER BY id DESC LIMIT 1), (SELECT at_to FROM main.blocks ORDER BY last_id DESC LIMIT 1)),
        (SELECT count(*) FROM main.days)"""
_UNFLUSHED = """
    SELECT count(*), min(live.traces.at), max(live.traces.at) FROM live.traces JOIN live.targets AS there ON there.id = live.traces.target
    LEFT JOIN main.targets AS here ON here.target = there.target WHERE here.latest IS NULL OR live.traces.id > here.latest"""

_NS = 1_000_000_000


class Reader(Snapshots):
    """The history open for reading; a context manager. Implements `protocols.HistoryReader`; any thread may call any method.

    Every method sees one state of the database. Raises `OperatorError` on opening if there is no history, or one that this version
    cannot read, and `StoreError` when the disk or another process does not let it read.
    """

    # Traces

    def latest(self, target: str) -> StoredTrace | None:
        """The trace of a target that was written last, whatever the clock said."""
        with self._past() as past:
            return past.latest(target)

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
        return list(self.each_trace(target, before_id=before_id, at_from=at_from, at_to=at_to, limit=limit))

    def each_trace(
        self,
        target: str,
        *,
        before_id: int | None = None,
        at_from: int | None = None,
        at_to: int | None = None,
        limit: int = 50,
    ) -> Iterator[StoredTrace]:
        """As `traces`, of one state of the database too, but made one by one: together they take ten times the memory."""
        with self._past() as past:
            before = (LAST, LAST)
            if before_id is not None:
                found = past.find(before_id)
                if found is None:
                    return  # it was trimmed, and all older ones with it
                before = (found[1].at, before_id)
            rows = past.newest(target, FIRST if at_from is None else at_from, LAST if at_to is None else at_to, before, limit)
        for row in rows:
            yield to_trace(*row)

    def walk(self, target: str, *, at_from: int | None = None, at_to: int | None = None) -> Iterator[StoredTrace]:
        """All traces of a target that started in [at_from, at_to], oldest start first, few of them in memory at once.

        Each page is read as it is then: what is written or trimmed meanwhile further on is seen so.
        """
        after = (FIRST if at_from is None else at_from, FIRST)
        while True:
            with self._past() as past:
                page = past.oldest(target, LAST if at_to is None else at_to, after, _A_PAGE)
            for row in page:
                yield to_trace(*row)
            if len(page) < _A_PAGE:
                return
            after = (page[-1][0].at, page[-1][0].id)

    def trace(self, trace_id: int) -> StoredTrace | None:
        """One trace."""
        with self._past() as past:
            return past.trace(trace_id)

    def trace_at(self, target: str, at: int) -> StoredTrace | None:
        """The trace in force at an instant: the newest that started at or before it."""
        return next(iter(self.traces(target, at_to=at, limit=1)), None)

    # Routes

    def routes(self, target: str) -> list[Route]:
        """All routes of a target that some kept trace followed, most time first."""
        with self._past() as past:
            found = self._routes(past, "targets.target", target)
        return sorted(found, key=lambda route: (-route.held_s, route.route_id))

    def route(self, route_id: str) -> Route | None:
        """One route."""
        with self._past() as past:
            return next(iter(self._routes(past, "route_id", route_id)), None)

    def path_at(self, target: str, at: int) -> Route | None:
        """The route that a target's traces followed at an instant; None if none was known yet. Known longer than the traces are."""
        with self._past() as past:
            row = past.db.execute(f"{_SPANS} <= ? ORDER BY at DESC LIMIT 1", (target, at)).fetchone()
            return next(iter(self._routes(past, "route_id", row[1])), None) if row else None

    def spans(self, target: str, at_from: int, at_to: int) -> list[Span]:
        """Which routes a target's traces followed in [at_from, at_to], oldest first; the first is that in force when it began."""
        with self._past() as past:
            before = past.db.execute(f"{_SPANS} <= ? ORDER BY at DESC LIMIT 1", (target, at_from)).fetchall()
            return [
                Span(*row) for row in before + past.db.execute(f"{_SPANS} > ? AND at <= ? ORDER BY at", (target, at_from, at_to)).fetchall()
            ]

    def shares(self, target: str, at_from: int, at_to: int) -> dict[str, int]:
        """How many seconds of [at_from, at_to] a target's traces followed each route, most first; what came before is not counted."""
        spans = self.spans(target, at_from, at_to)
        ends = [span.at for span in spans[1:]] + [at_to]
        shares: dict[str, int] = {}
        for span, end in zip(spans, ends, strict=True):
            shares[span.route_id] = shares.get(span.route_id, 0) + end - max(span.at, at_from)
        return {route_id: held_ns // _NS for route_id, held_ns in sorted(shares.items(), key=lambda share: -share[1])}

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
        asked = {"since_seq": since_seq, "before_seq": before_seq, "at_from": at_from, "at_to": at_to}
        return list(self.each_event(target=target, **asked, limit=limit, incidents=incidents))

    def each_event(
        self,
        *,
        target: str | None = None,
        since_seq: int | None = None,
        before_seq: int | None = None,
        at_from: int | None = None,
        at_to: int | None = None,
        limit: int = 100,
        incidents: bool = True,
    ) -> Iterator[StoredEvent]:
        """As `events`, of one state of the database too, but made one by one: together they take ten times the memory."""
        of_target = "" if target is None else f"events.target = {_OF_TARGET} AND "
        of_target += "" if incidents else "event_type <> 'incident' AND "
        order = "DESC" if since_seq is None else "ASC"
        by = "seq" if target is None else "events.change_no"  # of one target they are in the same order, and that one has an index
        values = {
            "target": target,
            "since": FIRST if since_seq is None else since_seq,
            "before": LAST if before_seq is None else before_seq,
            "at_from": FIRST if at_from is None else at_from,
            "at_to": LAST if at_to is None else at_to,
            "limit": limit,
        }
        with self._snapshot() as db:
            rows = db.execute(f"{EVENT} WHERE {of_target}{_EVENT_RANGE} ORDER BY {by} {order} LIMIT :limit", values).fetchall()
        for row in rows:
            yield to_event(row)

    def event(self, event_id: str) -> StoredEvent | None:
        """One event."""
        with self._snapshot() as db:
            row = db.execute(f"{EVENT} WHERE event_id = ? ORDER BY seq DESC LIMIT 1", (event_id,)).fetchone()
        return row and to_event(row)

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

    def incidents(self, limit: int = 100, before: str | None = None) -> list[StoredIncident]:
        """The incidents as they were told last, newest first; `before` pages on after that one. Behind one that is gone there is none."""
        older = "" if before is None else "WHERE id < (SELECT id FROM incidents WHERE incident_id = :before)"
        statement = f"SELECT incident_id, opened_at, closed_at, body FROM incidents {older} ORDER BY id DESC LIMIT :limit"  # noqa: S608  constants only
        with self._snapshot() as db:
            rows = db.execute(statement, {"limit": limit, "before": before}).fetchall()
        return [StoredIncident(name, opened_at, closed_at, json.loads(unpack(body))) for name, opened_at, closed_at, body in rows]

    def failed(self) -> dict[str, int]:
        """How many events the broker will never take, by reason."""
        with self._snapshot() as db:
            return dict(db.execute("SELECT failed, count(*) FROM outbox WHERE failed IS NOT NULL GROUP BY failed").fetchall())

    # The rest

    def series(self, target: str, at_from: int, at_to: int, points: int) -> Series:
        """Samples of [at_from, at_to) in at most `points` equal buckets of whole seconds.

        Empty buckets are there too, with nothing sent. The median is the median of the traces' medians. A trace that did not reach
        its destination counts the probes of its last hop as lost. Where only hours or days are still known, no bucket is shorter.
        """
        with self._past() as past:
            return series.series(past, target, at_from, at_to, points)

    def series_of(self, targets: Sequence[str], at_from: int, at_to: int, points: int) -> dict[str, Series]:
        """The series of several targets, of one state of the history; see `series`."""
        with self._past() as past:
            return {target: series.series(past, target, at_from, at_to, points) for target in targets}

    def levels(self, target: str, at_from: int, at_to: int) -> list[Level]:
        """What is left of a target's older traces: hours, and days before those, that touch [at_from, at_to), oldest first."""
        with self._past() as past:
            return series.levels(past, target, at_from, at_to)

    def heat(self, target: str, at_from: int, at_to: int, columns: int) -> Heat:
        """What each hop answered in [at_from, at_to), in at most `columns` equal columns of whole seconds; see `model.history.Heat`."""
        with self._past() as past:
            return heat.heat(past, target, at_from, at_to, columns)

    def notes(self, prefix: str) -> dict[str, str]:
        """The notes about this database (`Writer.meta_set`) whose keys begin so, by the rest of the key."""
        with self._snapshot() as db:
            rows = db.execute("SELECT substr(key, ?), value FROM meta WHERE substr(key, 1, ?) = ?", (len(prefix) + 1, len(prefix), prefix))
            return dict(rows.fetchall())

    def states(self) -> dict[str, str]:
        """Each target's state machine as JSON text."""
        return self._newest("states", "SELECT targets.target, state, stamp FROM {0}.states JOIN {0}.targets ON targets.id = states.target")

    def tellings(self) -> dict[str, str]:
        """What is told of each target, as it stands, as JSON text; '' is the agent's own."""
        return self._newest("telling", "SELECT target, state, stamp FROM {0}.telling")

    def stats(self) -> DbStats:
        """Sizes and counts; `outbox` without failed ones, oldest and newest by order of writing."""
        with self._past() as past:
            size, limit, traces, paths, events, outbox, oldest, newest, days = past.db.execute(_STATS, (LIMIT_KEY,)).fetchone()
            if past.live is None:
                spooled = past.waiting()
                live, first, last = len(spooled), min(spooled, default=None), max(spooled, default=None)
            else:
                live, first, last = past.db.execute(_UNFLUSHED).fetchone()
            schema = migrate.check(past.db, self.path)
        oldest = first if oldest is None else oldest
        newest = newest if last is None else last
        return DbStats(str(self.path), size, int(limit), schema, traces + live, paths, events, outbox, oldest, newest, live, days)

    def _newest(self, table: str, statement: str) -> dict[str, str]:
        """Names and texts, of all places the one with the greatest stamp."""
        with self._past() as past:
            rows = [row for schema in past.schemas() for row in past.db.execute(statement.format(schema))]
            rows += [text[1:] for text in past.texts if text.table == table]
        return {name: unpack(text) for name, text, _ in sorted(rows, key=lambda row: row[2])}

    def _routes(self, past: Past, column: str, value: str) -> list[Route]:
        found = [
            row
            for meanings, schema in past.places()
            for row in to_routes(meanings, past.db.execute(f"{ROUTE.format(schema)} WHERE {column} = ?", (value,)))
        ]
        return list({route.route_id: route for _, route in sorted(found, key=lambda row: row[0])}.values())
