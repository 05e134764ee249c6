"""The live database: samples that the lasting one does not have yet, in a folder that is memory.

Rules:
1. It has the tables of the lasting one, in WAL mode; of these it uses traces and what they refer to, routes, states and what is told.
   It survives the daemon, not the machine.
2. `copy` puts into the lasting database what is newer there, within one transaction of the lasting one. The lasting one knows by each
   target's `latest` how far that went. Rows it has already are never copied again, so an end between any two steps loses and doubles
   nothing.
3. What the last `copy` took leaves with the next `drop`. Until then traces are written down in the samples file, too (`spool`), and so is
   what goes with an event: there first, then here. An end between the two leaves the older here, until a start takes in the newer.
4. Of a route, a state and what is told the version with the greater stamp counts, wherever it lies.
5. It belongs to one history, and to its last life: a history that went on without it has given its numbers to other traces, and names
   another one or none. What does not belong is not used, unless the lasting one is new: then it was set aside as damaged, or its stick
   was changed, and what waits here is what is left of it.
"""

import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from pathwarden.errors import OperatorError
from pathwarden.model.history import Record
from pathwarden.store import migrate
from pathwarden.store.blocks import COLUMNS, Head, put_mixed
from pathwarden.store.codec import started
from pathwarden.store.faults import told, unreachable
from pathwarden.store.opening import PAGE_SIZE, connect, live_name, uri_of
from pathwarden.store.past import FIRST
from pathwarden.store.retention import sweep_traces
from pathwarden.store.rows import ROUTE, Meanings, to_routes
from pathwarden.store.spool import Text
from pathwarden.store.tables import Tables
from pathwarden.store.texts import unpack

MOST = 20_000  # traces, some 3 MB of memory: days of five targets while the lasting database cannot be written
ENOUGH = 5_000  # traces: with so many nobody waits for the clock any more
_WAL_PAGES = 256  # a quarter of a megabyte of memory, not SQLite's four
_TEXTS = """
    SELECT 'states', targets.target, state, stamp FROM states JOIN targets ON targets.id = states.target
    UNION ALL SELECT 'telling', target, state, stamp FROM telling
"""
_OF = "of_database"  # key in meta: the history that it belongs to

Numbered = tuple[int, Record]


class Live:
    """The live database of one history, open for writing. Raises `OperatorError` if its folder cannot be used.

    `named` is the one that the history names (`opening.live_of`), `new` tells that the history is empty: see rule 5.
    """

    def __init__(self, folder: Path, lasting: Path, database_id: str, *, named: str | None, new: bool) -> None:
        self.path = folder / live_name(lasting)
        self.dropped = 0
        try:
            str(self.path).encode()
        except UnicodeEncodeError as error:
            raise OperatorError(f"{str(folder)!a} is not UTF-8", "choose another place with option live_dir") from error
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise unreachable(folder, error) from error
        with told(self.path):
            try:
                self.db = _open(self.path)
            except (sqlite3.Error, OperatorError):
                _remove(self.path)
                self.db = _open(self.path)
            belongs = self.db.execute("SELECT value FROM meta WHERE key = ?", (_OF,)).fetchone()
            if belongs and (belongs[0], str(self.path)) != (database_id, named) and not new:
                self.db.close()
                _remove(self.path)
                self.db = _open(self.path)
            self.db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_OF, database_id))
        self.tables = Tables(self.db, live=True)

    def save(self, records: Sequence[Numbered], boot_id: str) -> None:
        """Write records without events; the oldest traces go where there are too many."""
        with self.transaction():
            boot = self.tables.boot(boot_id)
            for number, record in records:
                put_record(self.tables, number, record, boot)
            (count,) = self.db.execute("SELECT count(*) FROM traces").fetchone()
            if count > MOST:
                self.dropped += count - MOST
                self.db.execute("DELETE FROM traces WHERE id IN (SELECT id FROM traces ORDER BY id LIMIT ?)", (count - MOST,))

    def copy(self, to: Tables, tids: Collection[str] | None, *, states: bool, unsynced: bool) -> int:
        """As the function of this name; nobody waits for the clock any more when ENOUGH are here."""
        return copy(self.db, to, tids, states=states, unsynced=unsynced or self.is_full())

    def copy_states(self, to: Tables, tids: Collection[str] | None) -> None:
        """As the function of this name."""
        copy_states(self.db, to, tids)

    def newer(self, to: Tables, after: Mapping[str, int]) -> list[tuple[str, Head]]:
        """As the function of this name, of all targets' traces whose clock was known to be right."""
        return list(newer(self.db, to, None, after, unsynced=False))

    def newer_of(self, to: Tables, tids: Collection[str], after: Mapping[str, int]) -> list[tuple[str, Head]]:
        """As `newer`, of some targets and with any clock."""
        return list(newer(self.db, to, tids, after, unsynced=True))

    def texts(self, tids: Collection[str]) -> list[Text]:
        """States of these targets, and what is told of them."""
        rows = self.db.execute(_TEXTS).fetchall()
        return [Text(table, name, unpack(text), stamp) for table, name, text, stamp in rows if name.partition("/")[0] in tids]

    def drop(self, copied: Mapping[str, int]) -> None:
        """Take out each target's traces up to the last that the lasting database has, and what nothing refers to any more."""
        with self.transaction():
            for number, tid in self.db.execute("SELECT id, target FROM targets").fetchall():
                self.db.execute("DELETE FROM traces WHERE target = ? AND id <= ?", (number, copied.get(tid, FIRST)))
            sweep_traces(self.db)
            self.db.execute("DELETE FROM spans")
            self.tables.forget()

    def drop_oldest(self) -> None:
        """Half of the traces go, counted: more wait than the lasting database may hold."""
        with self.transaction():
            statement = "DELETE FROM traces WHERE id IN (SELECT id FROM traces ORDER BY id LIMIT (SELECT (count(*) + 1) / 2 FROM traces))"
            self.dropped += self.db.execute(statement).rowcount

    def count(self) -> int:
        """How many traces are here."""
        (count,) = self.db.execute("SELECT count(*) FROM traces").fetchone()
        return int(count)

    def is_full(self) -> bool:
        """Whether nobody waits for the clock any more."""
        return self.count() >= ENOUGH

    def close(self, *, empty: bool) -> None:
        """Close it, and remove it if the lasting database has everything."""
        self.db.close()
        if empty:
            _remove(self.path)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        with told(self.path):
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            finally:
                if self.db.in_transaction:
                    self.tables.forget()
                    self.db.execute("ROLLBACK")


def copy(live: sqlite3.Connection, to: Tables, tids: Collection[str] | None, *, states: bool, unsynced: bool) -> int:
    """Copy what is newer, of these targets or of all; how many traces. To be called in a transaction of the lasting database.

    Without `states` routes that are there, states and what is told stay as they are. Without `unsynced` traces wait whose clock was not
    known to be right, and those of their target after them.
    """
    mixed, copied = [], 0
    for tid, head in newer(live, to, tids, {}, unsynced=unsynced):
        to.note(to.target(tid), head)
        if started(head.detail)[0]:
            mixed.append(head)
        else:
            to.put_head(tid, head)
        copied += 1
    put_mixed(to.db, mixed)
    if states:
        copy_states(live, to, tids)
    return copied


def newer(
    live: sqlite3.Connection, to: Tables, tids: Collection[str] | None, after: Mapping[str, int], *, unsynced: bool
) -> Iterator[tuple[str, Head]]:
    """Traces that the lasting database does not have, with its numbers, each with its target; of each target only those after a number.

    To be called in a transaction of the lasting database, which learns what the numbers mean; for `unsynced` see `copy`.
    """
    meanings = Meanings(live)
    statement = f"SELECT {COLUMNS} FROM traces WHERE target = ? AND id > ? ORDER BY id"  # noqa: S608  constants only
    for number, tid in live.execute("SELECT id, target FROM targets").fetchall():
        if tids is None or tid in tids:
            since = max(latest(to.db, tid), after.get(tid, FIRST))
            rows = [Head(*row) for row in live.execute(statement, (number, since))]
            for row in rows if unsynced else takewhile(lambda row: started(row.detail)[0], rows):
                content = meanings.content(row)
                route = None if content.route_id is None else _route(live, to, meanings, content.route_id)
                yield tid, to.translate(row, content, route)


def _route(live: sqlite3.Connection, to: Tables, meanings: Meanings, route_id: str) -> int:
    """A route's number in the lasting database; only one that is missing there is copied."""
    row = to.db.execute("SELECT id FROM routes WHERE route_id = ?", (route_id,)).fetchone()
    if row:
        return int(row[0])
    ((stamp, route),) = to_routes(meanings, live.execute(f"{ROUTE.format('main')} WHERE route_id = ?", (route_id,)))
    return to.put_route(route, stamp)


def copy_states(live: sqlite3.Connection, to: Tables, tids: Collection[str] | None) -> None:
    """Copy newer versions of routes, states and what is told, of these targets or of all. To be called in a transaction."""
    for stamp, route in to_routes(Meanings(live), live.execute(ROUTE.format("main"))):
        if tids is None or route.target in tids:
            to.put_route(route, stamp)
    for tid, state, stamp in live.execute("SELECT targets.target, state, stamp FROM states JOIN targets ON targets.id = states.target"):
        if tids is None or tid in tids:
            to.put_state(to.target(tid), state, stamp)
    for name, state, stamp in live.execute("SELECT target, state, stamp FROM telling"):
        if tids is None or name.partition("/")[0] in tids:
            to.put_telling({name: unpack(state)}, stamp)


def put_record(to: Tables, number: int, record: Record, boot: int) -> None:
    """What a record holds but for its events and incidents."""
    if record.tid:
        target = to.target(record.tid)
        route = None if record.route is None else to.put_route(record.route, number)
        if record.trace is not None:
            to.put_trace(number, record.trace, route, boot)
        to.put_state(target, record.state, number)
    to.put_telling(record.telling, number)


def latest(lasting: sqlite3.Connection, tid: str) -> int:
    """The number of a target's last trace in the lasting database."""
    row = lasting.execute("SELECT latest FROM targets WHERE target = ?", (tid,)).fetchone()
    return FIRST if row is None or row[0] is None else int(row[0])


def last_number(db: sqlite3.Connection) -> int:
    """The greatest number of a record that a database knows, 0 for none."""
    parts = " UNION ALL ".join(
        f"SELECT max({column}) AS number FROM {table}"  # noqa: S608  names of ours
        for table, column in (
            ("traces", "id"), ("blocks", "last_id"), ("targets", "latest"), ("states", "stamp"), ("telling", "stamp"), ("routes", "stamp"),
        )
    )  # fmt: skip
    (number,) = db.execute(f"SELECT coalesce(max(number), 0) FROM ({parts})").fetchone()  # noqa: S608  names of ours
    return int(number)


def _open(path: Path) -> sqlite3.Connection:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise unreachable(path, error) from error
    db = connect(uri_of(path, "rw"))
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    schema = migrate.check(db, path)
    if schema and db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise OperatorError(f"{path} is damaged")
    if not schema:
        db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    # A power cut takes all of it anyway, and what the kernel has survives the daemon.
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA temp_store = MEMORY")
    if db.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise OperatorError(f"{path} cannot be kept in WAL mode", "choose another place with option live_dir")
    db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    migrate.migrate(db, schema)
    # Readers look for a target's newest here, hours of all targets' traces; the lasting database has them in blocks.
    db.execute("CREATE INDEX IF NOT EXISTS traces_by_time ON traces (target, at)")


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        with suppress(OSError):
            path.with_name(path.name + ending).unlink(missing_ok=True)
