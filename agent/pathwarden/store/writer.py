"""Writes the history: the only writing connections, used by one thread."""

import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pathwarden.errors import OperatorError
from pathwarden.model.history import Record
from pathwarden.model.instants import ClockShift
from pathwarden.store import blocks, clock, retention
from pathwarden.store.blocks import DAY_NS
from pathwarden.store.budget import A_DAY, Budget
from pathwarden.store.faults import StoreError, is_damage, refused, told
from pathwarden.store.live import Live, Numbered, last_number, put_record
from pathwarden.store.opening import LIMIT_KEY, LIVE_KEY, PAGE_SIZE, close_after_writing, open_again, open_for_writing, read_back
from pathwarden.store.room import Room
from pathwarden.store.spool import Spool, take_in
from pathwarden.store.spool import read as read_spool
from pathwarden.store.tables import Tables

FLUSH_S = 900  # how long samples stay off the flash
STATES_S = 12 * 3600  # states weigh more than samples, and what they learn is slow; with an event its target's go at once


class Writer:
    """The history open for writing; a context manager. Implements `protocols.HistoryWriter`.

    `max_mb` bounds the file in millions of bytes, `boot_id` names this run of the machine, from which `mono_ns` counts. With `live_dir`,
    a folder that is memory, samples wait there for `flush`; events, changes of path and the outbox go to the lasting file at once, with
    all of their target. Without it, or if it cannot be used, everything goes to the lasting file at once. Without `aging` traces stay
    traces however old they are.

    While `sends` is True events wait in the outbox; without a broker it is set to False.

    `notice` is what the operator must be told about the opening, '' if nothing; `remark` is for the log. If there is no history but an
    archive that an upgrade brought, that is read back first. Opening raises `OperatorError`; every method raises `StoreError`
    when the disk or another process does not let it work: then nothing was written, and it may be tried again.
    """

    def __init__(self, path: Path, *, max_mb: int, boot_id: str, live_dir: Path | None = None, aging: bool = True) -> None:
        self.path = path
        self.budget = Budget(path)
        self.sends = True
        self._boot_id = boot_id
        self._aging = aging
        self._damaged = False
        self._closed = False
        self._limit = retention.pages(max_mb * 1_000_000)
        self._live: Live | None = None
        self._dropped = 0
        self._followed: dict[str, str | None] = {}
        self._now: int | None = None
        self._aged: int | None = None
        self._states_at = time.monotonic()
        notice, self.remark = read_back(path)
        self._db, of_opening = open_for_writing(path)
        self._tables = Tables(self._db)
        self._disk = Room(path, self._limit)
        self.notice = notice or of_opening
        self.remark = self.remark or self._disk.missing()
        self._database_id = self.meta_get("database_id") or ""
        self._spool = Spool(path, self._database_id)
        self._written_down: dict[str, int] = {}  # each target's last trace in the samples file
        try:
            self._take_spool()
            if live_dir is not None:
                self._open_live(live_dir)
            self._name_live()
            self.trim()
            if self.meta_get(LIMIT_KEY) != str(max_mb * 1_000_000):
                self.meta_set(LIMIT_KEY, str(max_mb * 1_000_000))
            self._next = 1 + max(last_number(self._db), 0 if self._live is None else last_number(self._live.db))
        except BaseException:
            self._close_live(empty=False)
            self._db.close()
            raise

    @property
    def live_path(self) -> Path | None:
        """Where samples wait; None if they are written through."""
        return None if self._live is None else self._live.path

    @property
    def dropped(self) -> int:
        """Traces that found no place any more while the lasting file could not be written."""
        return self._dropped + (0 if self._live is None else self._live.dropped)

    def place(self) -> dict[str, object]:
        """Where it lies and what it costs there, for the agent's `info`: any thread may ask."""
        return {
            "live_path": None if self._live is None else str(self._live.path),
            "free_bytes": self._disk.free(),
            "written_bytes": self.budget.total,
            "written_24h_bytes": self.budget.last_day(),
            "budget_24h_bytes": A_DAY,
        }

    def warning(self) -> str:
        """What the operator should know although all is written, '' if nothing: too much of it, or too little room for more."""
        if self.budget.last_day() > A_DAY:
            remedy = "fewer targets or longer intervals write less, or choose another place with option db"
            return f"more than {A_DAY / 1e6:.0f} MB were written to the history {self.path} in 24 hours, which wears small flash; {remedy}"
        return self._disk.missing()

    def save(self, records: Sequence[Record]) -> None:
        """Write finished traces, routes, states, events and incidents: those with events, and what goes with them, in one transaction.

        An event that is there already stays as it is.
        """
        numbered = list(enumerate(records, self._next))
        self._next += len(numbered)
        if self._live is not None:
            urgent = {tid for record in records if self._is_urgent(record) for tid in touched(record)}
            at_once = {number: self._is_urgent(record) or record.tid in urgent for number, record in numbered}
            if any(at_once.values()):
                self._save_with_room([each for each in numbered if at_once[each[0]]], urgent)
            numbered = [each for each in numbered if not at_once[each[0]]]
        if numbered:
            self._save_rest(numbered)
        rights = [record.trace.at for record in records if record.trace is not None and record.trace.clock_synced]
        self._now = max(rights, default=self._now)
        for record in records:
            if record.route is not None:
                self._followed[record.tid] = record.route.route_id
        self._look_after_age()

    def flush(self, *, everything: bool = False) -> int:
        """Bring to the disk what waits in the live database; how many traces.

        They are written down in the samples file, or go to the lasting one when they are enough for whole blocks. What was noted with a
        clock that is not known to be right waits on; with `everything` all goes to the lasting one, states, too.
        """
        if self._live is None:
            return 0
        self._follow_file()
        with told(self.path):
            flushed = dict(self._db.execute("SELECT target, latest FROM targets WHERE latest IS NOT NULL"))
            self._live.drop(flushed)
            enough = self._live.is_full() or blocks.enough(self._db, self._live.count())
        if not self._spool.whole():
            self._clear_spool()
        states = everything or time.monotonic() >= self._states_at + STATES_S
        written = None if everything or enough else self._write_down(self._live)
        if states or written is None:
            copied = self._settle(self._live, states=states, samples=written is None, unsynced=everything)
        return copied if written is None else written

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
            return self._tables.drop_sendings(most)

    def correct_clock(self, shift: ClockShift) -> int:
        """The clock became right: correct what this boot noted before, and mark it as right; how many traces that were."""
        with self._transaction():
            corrected = clock.correct(self._db, self._boot_id, shift)
        if self._live is not None:
            with self._live.transaction():
                corrected += clock.correct_traces(self._live.db, self._boot_id, shift)
        return corrected

    def meta_get(self, key: str) -> str | None:
        """A note about this database, None if there is none; `database_id` names the database itself."""
        with told(self.path):
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def meta_set(self, key: str, value: str) -> None:
        """Write or replace a note about this database."""
        with self._transaction():
            self._tables.put_meta(key, value)

    def trim(self, share: float = retention.LOW) -> int:
        """Leave at most `share` of the limit in use, oldest go first (see `retention`); how many traces and events went.

        `save` calls it when needed.
        """
        self._tables.forget()  # what no trace refers to goes
        with told(self.path):
            return retention.trim(self._db, self._room(), share, self._transaction, kept=self._spool.references)

    def close(self) -> None:
        """Write what waits and close the history; a second time does nothing. Raises `StoreError` if it could not be written."""
        if self._closed:
            return
        self._closed = True
        flushed = False
        try:
            if not self._damaged:
                self.flush(everything=True)
                flushed = True
                self._clear_spool(remove=True)
        finally:
            self._close_live(empty=flushed)
            close_after_writing(self._db, clean=not self._damaged)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _follow_file(self) -> None:
        """Go on in the file that is there now, if a stick was taken out and put back; what waits goes there."""
        if not self._disk.is_another():
            return
        db, notice = open_again(self.path, self._database_id)
        with suppress(sqlite3.Error):
            self._db.close()
        self._db, self._tables, self.notice = db, Tables(db), notice or self.notice
        self._disk.follow()
        self._clear_spool()
        self._name_live()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._follow_file()
        with told(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                pages = retention.used(self._db)
                yield
                self.budget.spend(retention.used(self._db) - pages)
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._tables.forget()
                self._damaged = self._damaged or is_damage(error)
                raise
            finally:
                # Some errors have rolled back already; a commit that met a reader has not.
                if self._db.in_transaction:
                    self._tables.forget()
                    self._db.execute("ROLLBACK")

    def _open_live(self, folder: Path) -> None:
        with told(self.path):
            (targets,) = self._db.execute("SELECT count(*) FROM targets").fetchone()
        try:
            self._live = Live(folder, self.path, self._database_id, new=not targets)
        except OperatorError as error:
            self._say_through(error)

    def _say_through(self, error: OperatorError) -> None:
        self.notice = self.notice or f"samples are written to {self.path.parent} at once, not every few minutes: {error}"

    def _name_live(self) -> None:
        """Tell readers where the live database lies."""
        with told(self.path):
            if self._live is None:
                self._db.execute("DELETE FROM meta WHERE key = ?", (LIVE_KEY,))
            elif self.meta_get(LIVE_KEY) != str(self._live.path):
                self.meta_set(LIVE_KEY, str(self._live.path))

    def _close_live(self, *, empty: bool) -> None:
        if self._live is not None:
            self._live.close(empty=empty)

    def _is_urgent(self, record: Record) -> bool:
        if record.events or record.incidents or record.notes:
            return True
        if record.trace is None or record.route is None:
            return False
        if record.tid not in self._followed:
            with told(self.path):
                self._followed[record.tid] = self._tables.followed(record.tid)
        return self._followed[record.tid] != record.route.route_id

    def _save_rest(self, records: Sequence[Numbered]) -> None:
        """Write what may wait."""
        if self._live is not None:
            try:
                self._live.save(records, self._boot_id)
            except OperatorError as error:
                self._write_through(error)
            else:
                return
        self._save_with_room(records, ())
        self._pack()

    def _pack(self) -> None:
        with told(self.path):
            retention.pack(self._db, self._transaction)

    def _write_through(self, error: OperatorError) -> None:
        """The live database cannot be written any more: do without."""
        live = self._live
        if live is None:
            return
        with self._transaction():
            live.copy(self._tables, None, states=True, unsynced=True)
        self._clear_spool(remove=True)
        self._live, self._dropped = None, self._dropped + live.dropped
        live.close(empty=True)
        self._say_through(error)
        self._name_live()

    def _look_after_age(self) -> None:
        """Once a day, by a clock that is right, turn what is old into figures."""
        if self._aging and self._now is not None and self._now // DAY_NS != self._aged:
            with told(self.path):
                retention.age(self._db, self._now, self._transaction, self._spool.references)
            self._tables.forget()
            self._aged = self._now // DAY_NS

    def _write_down(self, live: Live) -> int | None:
        """Add to the samples file what it does not have yet; how many traces, None if there is no room for them beside the lasting one."""
        with self._transaction():
            rows = live.newer(self._tables, self._written_down)
        if not rows:
            return 0
        try:
            written = self._spool.add([head for _, head in rows], self._disk.left())
        except OSError as error:
            raise refused(self._spool.path, error) from error
        if not written:
            return None
        self.budget.add(written)
        self._written_down.update((tid, head.id) for tid, head in rows)
        self._bound()
        return len(rows)

    def _settle(self, live: Live, *, states: bool, samples: bool, unsynced: bool) -> int:
        """Copy from the live database to the lasting one; how many traces."""
        copied = 0
        self._make_room()
        with self._transaction():
            if samples:
                copied = live.copy(self._tables, None, states=False, unsynced=unsynced)
                while blocks.enough(self._db):
                    blocks.pack(self._db)
            if states:
                live.copy_states(self._tables)
        if states:
            self._states_at = time.monotonic()
        if samples:
            self._clear_spool()
        return copied

    def _take_spool(self) -> None:
        """Take in what the life before wrote down and could not copy: it ended without warning."""
        with told(self.path):
            waiting = read_spool(self.path, self._db)
        if waiting:
            with self._transaction():
                take_in(self._tables, waiting)
        self._clear_spool(remove=True)

    def _clear_spool(self, *, remove: bool = False) -> None:
        self._written_down.clear()
        try:
            self._spool.clear(remove=remove)
        except OSError as error:
            raise refused(self._spool.path, error) from error
        self._bound()

    def _room(self) -> int:
        """Pages that the lasting file may have: it and the samples file beside it share the limit."""
        return self._limit - -(-self._spool.size // PAGE_SIZE)

    def _bound(self) -> None:
        with told(self.path):
            self._db.execute(f"PRAGMA max_page_count = {self._room()}").fetchone()

    def _make_room(self) -> None:
        with told(self.path):
            high = retention.is_high(self._db, self._room())
        if high:
            self.trim()

    def _save_with_room(self, records: Sequence[Numbered], tids: Collection[str]) -> None:
        """Write to the lasting file, with all that waits of some targets; what is old makes room."""
        self._follow_file()  # first of all: one that is gone would read as damaged
        self._make_room()
        for share in retention.SHARES:
            try:
                self._save(records, tids)
            except StoreError as error:
                if error.code != sqlite3.SQLITE_FULL or not self._disk.is_on_disk():
                    raise
                self.trim(share)
            else:
                return
        self._save(records, tids)

    def _save(self, records: Sequence[Numbered], tids: Collection[str]) -> None:
        with self._transaction():
            if self._live is not None and tids:
                self._live.copy(self._tables, tids, states=True, unsynced=True)
            boot = self._tables.boot(self._boot_id)
            for number, record in records:
                put_record(self._tables, number, record, boot)
                for event in record.events:
                    self._tables.put_event(event, to_send=self.sends)
                for incident in record.incidents:
                    self._tables.put_incident(incident)
                self._tables.put_notes(record.notes)
            if any(record.incidents for _, record in records):
                self._db.execute("DELETE FROM incidents WHERE id <= (SELECT max(id) FROM incidents) - ?", (retention.INCIDENTS_KEPT,))


def touched(record: Record) -> set[str]:
    """The targets whose state a record changes: an event is named in it, too."""
    return {tid for tid in (record.tid, *(event.target for event in record.events)) if tid}
