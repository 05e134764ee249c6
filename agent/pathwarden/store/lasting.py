"""The history's two files on the disk, open for writing: the lasting database and the samples file beside it, which share one limit."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pathwarden.store import retention
from pathwarden.store.blocks import Head
from pathwarden.store.budget import Budget
from pathwarden.store.faults import StoreError, is_damage, refused, told
from pathwarden.store.opening import LIMIT_KEY, PAGE_SIZE, close_after_writing, open_again, open_for_writing, read_back
from pathwarden.store.room import Room
from pathwarden.store.spool import Proof, Spool, Text, take_in
from pathwarden.store.spool import read as read_spool
from pathwarden.store.tables import Tables

_T = TypeVar("_T")

_SPOOL_PART = 4  # of the limit the samples file has this part at most: what is in it needs as much room again before it begins anew


class Lasting:
    """Both files, used by one thread. Opening raises `OperatorError`; every method raises `StoreError`: then nothing was written.

    What the life before wrote down in the samples file, and could not copy since it ended without warning, is taken in first. `max_mb`,
    `budget`, `notice` and `remark` are as of `Writer`. `on_another` is called when it went on in another file, that of a stick that was
    put back.
    """

    def __init__(self, path: Path, max_mb: int, budget: Budget | None = None) -> None:
        self.path = path
        self.budget = budget or Budget(path)
        self.limit = retention.pages(max_mb * 1_000_000)
        self.on_another: Callable[[], None] = lambda: None
        self._damaged = False
        self._limit_text = str(max_mb * 1_000_000)
        notice, remark = read_back(path)
        self.db, of_opening = open_for_writing(path)
        try:
            self.tables = Tables(self.db)
            self.disk = Room(path, self.limit)
            self.notice = notice or of_opening
            self.remark = remark or self.disk.missing()
            self.database_id = self.meta_get("database_id") or ""
            self.spool = Spool(path, self.database_id)
            self._take_spool()
            self.trim()
            self._tell_limit()
        except BaseException:
            self.db.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing, in the file that is there now."""
        self.follow()
        with told(self.path):
            self.db.execute("BEGIN IMMEDIATE")
            try:
                pages = retention.used(self.db)
                yield
                self.budget.spend(retention.used(self.db) - pages)
                self.db.execute("COMMIT")
            except sqlite3.Error as error:
                self.tables.forget()
                self._damaged = self._damaged or is_damage(error)
                raise
            finally:
                # Some errors have rolled back already; a commit that met a reader has not.
                if self.db.in_transaction:
                    self.tables.forget()
                    self.db.execute("ROLLBACK")

    def follow(self) -> None:
        """Go on in the file that is there now, if a stick was taken out and put back; what waits goes there."""
        if not self.disk.is_another():
            return
        db, notice = open_again(self.path, self.database_id)
        with suppress(sqlite3.Error):
            self.db.close()
        self.db, self.tables, self.notice = db, Tables(db), notice or self.notice
        self.disk.follow()
        self.clear_spool()
        self._tell_limit()
        self.on_another()

    def _tell_limit(self) -> None:
        if self.meta_get(LIMIT_KEY) != self._limit_text:
            self.meta_set(LIMIT_KEY, self._limit_text)

    def meta_get(self, key: str) -> str | None:
        """See `Writer.meta_get`."""
        with told(self.path):
            row = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def meta_set(self, key: str, value: str) -> None:
        """See `Writer.meta_set`."""
        with self.transaction():
            self.tables.put_meta(key, value)

    def with_room(self, write: Callable[[], _T]) -> _T:
        """Write something for which what is old makes room, step by step."""
        self.follow()  # first of all: one that is gone would read as damaged
        with told(self.path):
            high = retention.is_high(self.db, self._room())
        if high:
            self.trim()
        for share in retention.SHARES:
            try:
                return write()
            except StoreError as error:
                if error.code != sqlite3.SQLITE_FULL or not self.disk.is_on_disk():
                    raise
                self.trim(share)
        return write()

    def trim(self, share: float = retention.LOW) -> int:
        """See `Writer.trim`."""
        self.tables.forget()  # what no trace refers to goes
        with told(self.path):
            return retention.trim(self.db, self._room(), share, self.transaction, kept=self.spool.references)

    def pack(self) -> None:
        """Put rows that wait into blocks."""
        with told(self.path):
            retention.pack(self.db, self.transaction)

    def age(self, now: int) -> None:
        """Turn what is old into figures; `now` is the instant of a trace whose clock was right."""
        with told(self.path):
            retention.age(self.db, now, self.transaction, self.spool.references)
        self.tables.forget()

    def write_down(self, rows: Sequence[tuple[str, Head]]) -> bool:
        """Add traces, each with its target, to the samples file; False if there is no room for them beside the lasting one."""
        try:
            written = self.spool.add(rows, self._spool_room())
        except OSError as error:
            raise refused(self.spool.path, error) from error
        return self._written_down(written)

    def write_down_with(self, event: Proof, rows: Sequence[tuple[str, Head]], texts: Sequence[Text]) -> bool:
        """Add what counts only with an event to the samples file, in the transaction of that event; False if it cannot be written there."""
        try:
            return self._written_down(self.spool.add_with(event, rows, texts, self._spool_room()))
        except OSError:
            return False

    def _spool_room(self) -> int:
        return min(self.disk.left(), self.limit * PAGE_SIZE // _SPOOL_PART)

    def _written_down(self, written: int) -> bool:
        self.budget.add(written)
        self._bound()
        return written > 0

    def clear_spool(self, *, remove: bool = False) -> None:
        """Begin the samples file anew, since the history has it all, or something else has become of it."""
        try:
            self.spool.clear(remove=remove)
        except OSError as error:
            raise refused(self.spool.path, error) from error
        self._bound()

    def close(self, before: Callable[[], object]) -> bool:
        """Let `before` write what is left, unless the file is damaged, and close it; whether that was written."""
        written = False
        try:
            if not self._damaged:
                before()
                written = True
                self.clear_spool(remove=True)
        finally:
            close_after_writing(self.db, clean=not self._damaged)
        return written

    def _take_spool(self) -> None:
        with told(self.path):
            waiting = read_spool(self.path, self.db)
        if waiting:
            with self.transaction():
                take_in(self.tables, waiting)
        self.clear_spool(remove=True)

    def _room(self) -> int:
        """Pages that the lasting file may have."""
        return self.limit - -(-self.spool.size // PAGE_SIZE)

    def _bound(self) -> None:
        with told(self.path):
            self.db.execute(f"PRAGMA max_page_count = {self._room()}").fetchone()
