"""Connections that see one state of the history: of the lasting database, and of the live one beside it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import BoundedSemaphore
from types import TracebackType
from typing import Self

from pathwarden.errors import OperatorError
from pathwarden.store import migrate
from pathwarden.store.faults import is_unfinished, told, unreachable
from pathwarden.store.opening import connect, live_of, uri_of
from pathwarden.store.past import Past, has_live
from pathwarden.store.room import identity
from pathwarden.store.spool import read as read_spool

CONNECTIONS = 2  # as many threads read at once, the others wait for milliseconds; each with its cache keeps up to half a megabyte
_CACHE_KIB = 256  # a page of traces with its path, or the newest days of a series

_Identity = tuple[str, int, int]


class Snapshots:
    """The connections of a reader; any thread may take one. A context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._gate = BoundedSemaphore(CONNECTIONS)
        self._idle: list[sqlite3.Connection] = []
        self._attached: dict[int, _Identity] = {}  # the live database of a connection
        self._opened: dict[int, tuple[int, int]] = {}  # the file that it reads
        self._closed = False
        try:
            self._file = identity(path)
        except FileNotFoundError:
            raise OperatorError(f"no history at {path} yet", "start the daemon with: pathwarden run") from None
        except OSError as error:
            raise unreachable(path, error) from error
        with self._snapshot():
            pass

    def close(self) -> None:
        """Close every connection; those in use close when their reading ends."""
        self._closed = True
        self._drain()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _past(self) -> Iterator[Past]:
        with self._snapshot() as db:
            spooled = None if id(db) in self._attached else read_spool(self.path, db)
            if spooled:  # the snapshot must be younger
                db.execute("ROLLBACK")
                self._begin(db)
            yield Past(db, spooled)

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the history for as long as it is used."""
        with self._gate, told(self.path):
            db = self._take()
            try:
                self._begin(db)
                self._follow_live(db)
                yield db
                db.execute("ROLLBACK")
            except BaseException:
                self._close(db)
                raise
            if self._closed or self._opened[id(db)] != self._file:
                self._close(db)
            else:
                self._idle.append(db)

    def _take(self) -> sqlite3.Connection:
        """A connection to the file that is there now: where a stick was put back it is another one."""
        try:
            file = identity(self.path)
        except OSError:
            file = self._file
        if file != self._file:
            self._file = file
            self._drain()
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect(file)

    def _drain(self) -> None:
        with suppress(IndexError):  # other threads may take the last ones
            while True:
                self._close(self._idle.pop())

    def _connect(self, file: tuple[int, int]) -> sqlite3.Connection:
        db = connect(uri_of(self.path, "ro"))
        self._opened[id(db)] = file
        try:
            self._begin(db)
            self._check(db)
            db.execute("ROLLBACK")
            # Only now: a PRAGMA reads the schema, and that must find an unfinished write undone.
            db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        except BaseException:
            self._close(db)
            raise
        return db

    def _close(self, db: sqlite3.Connection) -> None:
        self._attached.pop(id(db), None)
        self._opened.pop(id(db), None)
        db.close()

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

    def _follow_live(self, db: sqlite3.Connection) -> None:
        """Attach the live database that there is now, and take its snapshot after that of the lasting one."""
        there = _live(db, self.path)
        if there != self._attached.get(id(db)):
            db.execute("ROLLBACK")
            if has_live(db):
                db.execute("DETACH live")
            self._attached.pop(id(db), None)
            if there is not None and _attach(db, there[0]):
                self._attached[id(db)] = there
            self._begin(db)
        if id(db) in self._attached:
            db.execute("SELECT 1 FROM live.sqlite_schema").fetchone()

    def _undo_unfinished(self) -> None:
        db = connect(uri_of(self.path, "rw"))
        try:
            _begin(db)
        finally:
            db.close()


def _begin(db: sqlite3.Connection) -> None:
    db.execute("BEGIN")
    db.execute("SELECT 1 FROM main.sqlite_schema").fetchone()  # only now does SQLite take the lock


def _live(db: sqlite3.Connection, path: Path) -> _Identity | None:
    """The live database, if its file is there, and which file that is."""
    live = live_of(db, path)
    if live is None:
        return None
    try:
        file = os.stat(live)  # noqa: PTH116 - Path would be made of it at every reading
    except OSError:
        return None
    return live, file.st_dev, file.st_ino


def _attach(db: sqlite3.Connection, path: str) -> bool:
    """Attach a live database; False if it cannot be read, or is only just being made."""
    try:
        db.execute("ATTACH ? AS live", (uri_of(Path(path), "ro"),))
        db.execute(f"PRAGMA live.cache_size = -{_CACHE_KIB}")  # SQLite's own choice is 2000, and it lies in memory anyway
    except sqlite3.Error:
        return False
    try:
        (schema,) = db.execute("PRAGMA live.user_version").fetchone()
    except sqlite3.Error:
        schema = 0
    if schema != migrate.newest():
        db.execute("DETACH live")
        return False
    return True
