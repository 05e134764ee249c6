"""Writes the history: the only writing connections, used by one thread."""

import math
import sqlite3
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pathwarden.errors import OperatorError
from pathwarden.model.history import Record
from pathwarden.model.instants import ClockShift
from pathwarden.store import blocks, clock, retention
from pathwarden.store.blocks import DAY_NS
from pathwarden.store.budget import A_DAY, Budget
from pathwarden.store.codec import started
from pathwarden.store.faults import StoreError, told
from pathwarden.store.lasting import Lasting
from pathwarden.store.live import Live, Numbered, last_number, put_record
from pathwarden.store.opening import LIVE_KEY, live_of
from pathwarden.store.spool import Proof, Text, newer_texts

STATES_S = 24 * 3600  # states weigh more than samples, and what they learn is slow; with an event its target's are written down at once


class Writer:
    """The history open for writing; a context manager. Implements `protocols.HistoryWriter`.

    `max_mb` bounds the file in millions of bytes, `boot_id` names this run of the machine, from which `mono_ns` counts. With `live_dir`,
    a folder that is memory, samples wait there for `flush`; events, changes of path and the outbox go to the lasting file at once, and all
    of their target to it or to the samples file beside it (`spool`). Without it, or if it cannot be used, everything goes to the lasting
    file at once. Without `aging` traces stay traces however old they are.

    `budget` has counted what this process wrote to the same file before, so that a reload forgets none of it.

    While `sends` is True events wait in the outbox; without a broker it is set to False.

    `notice` is what the operator must be told about the opening, '' if nothing; `remark` is for the log. If there is no history but an
    archive that an upgrade brought, that is read back first. Opening raises `OperatorError`; every method raises `StoreError`
    when the disk or another process does not let it work: then nothing was written, and it may be tried again.
    """

    def __init__(
        self, path: Path, *, max_mb: int, boot_id: str, live_dir: Path | None = None, aging: bool = True, budget: Budget | None = None
    ) -> None:
        self.path = path
        self.sends = True
        self._boot_id = boot_id
        self._aging = aging
        self._closed = False
        self._live: Live | None = None
        self._dropped = 0
        self._followed: dict[str, str | None] = {}
        self._now: int | None = None
        self._aged: int | None = None
        self._states_at = time.monotonic()
        self._written_down: dict[str, int] = {}  # each target's last trace in the samples file
        self._lasting = Lasting(path, max_mb, budget)
        self.budget, self.remark = self._lasting.budget, self._lasting.remark
        self._lasting.on_another = self._on_another
        try:
            if live_dir is not None:
                self._open_live(live_dir)
            self._name_live()
            self._next = 1 + max(last_number(self._lasting.db), 0 if self._live is None else last_number(self._live.db))
        except BaseException:
            self._close_live(empty=False)
            self._lasting.db.close()
            raise

    @property
    def notice(self) -> str:
        """What the operator must be told about the opening, '' if nothing."""
        return self._lasting.notice

    @property
    def dropped(self) -> int:
        """Traces that found no place any more while the lasting file could not be written."""
        return self._dropped + (0 if self._live is None else self._live.dropped)

    def place(self) -> dict[str, object]:
        """Where it lies and what it costs there, for the agent's `info`: any thread may ask."""
        return {
            "live_path": None if self._live is None else str(self._live.path),
            "free_bytes": self._lasting.disk.free(),
            "written_bytes": self.budget.total,
            "written_24h_bytes": self.budget.last_day(),
            "budget_24h_bytes": A_DAY,
        }

    def warning(self) -> str:
        """What the operator should know although all is written, '' if nothing: too much of it, or too little room for more."""
        if self.budget.last_day() > A_DAY:
            remedy = "fewer targets or longer intervals write less, or choose another place with option db"
            return f"more than {A_DAY / 1e6:.0f} MB were written to the history {self.path} in 24 hours, which wears small flash; {remedy}"
        return self._lasting.disk.missing()

    def save(self, records: Sequence[Record]) -> None:
        """Write finished traces, routes, states, events and incidents: those with events, and what goes with them, all or nothing.

        An event that is there already stays as it is.
        """
        numbered = list(enumerate(records, self._next))
        self._next += len(numbered)
        if self._live is not None:
            urgent = {tid for record in records if self._is_urgent(record) for tid in touched(record)}
            at_once = {number: self._is_urgent(record) or record.tid in urgent for number, record in numbered}
            if any(at_once.values()):
                written_down = self._save_at_once([each for each in numbered if at_once[each[0]]], urgent)
                numbered = [each for each in numbered if written_down or not at_once[each[0]]]
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
        self._lasting.follow()
        with told(self.path):
            flushed = dict(self._lasting.db.execute("SELECT target, latest FROM targets WHERE latest IS NOT NULL"))
            self._live.drop(flushed)
            enough = self._live.is_full() or blocks.enough(self._lasting.db, self._live.count())
        if not self._lasting.spool.whole():
            self._lasting.clear_spool()
            self._states_at = -math.inf  # it held newer ones than the lasting file
        states = everything or time.monotonic() >= self._states_at + STATES_S
        written = None if everything or enough else self._write_down(self._live)
        if states or written is None:
            copied = self._settle(self._live, states=states, samples=written is None, unsynced=everything)
        return copied if written is None else written

    def acknowledge(self, seqs: Sequence[int]) -> None:
        """The broker has these events; take them out of the outbox."""
        with self._lasting.transaction():
            self._lasting.db.executemany("DELETE FROM outbox WHERE seq = ?", [(seq,) for seq in seqs])

    def fail(self, seq: int, reason: str) -> None:
        """The broker will never take this event; it stays in the outbox as failed, is counted, and is not offered again."""
        with self._lasting.transaction():
            self._lasting.db.execute("UPDATE outbox SET failed = ? WHERE seq = ?", (reason, seq))

    def drop_outbox(self, most: int = 0) -> int:
        """Leave at most so many events in the outbox; how many went: failed ones first, then informational ones, the oldest each time."""
        with self._lasting.transaction():
            return self._lasting.tables.drop_sendings(most)

    def correct_clock(self, shift: ClockShift) -> int:
        """The clock became right: correct what this boot noted before, and mark it as right; how many traces that were."""
        with self._lasting.transaction():
            corrected = clock.correct(self._lasting.db, self._boot_id, shift)
        if self._live is not None:
            with self._live.transaction():
                corrected += clock.correct_traces(self._live.db, self._boot_id, shift)
        return corrected

    def meta_get(self, key: str) -> str | None:
        """A note about this database, None if there is none; `database_id` names the database itself."""
        return self._lasting.meta_get(key)

    def meta_set(self, key: str, value: str) -> None:
        """Write or replace a note about this database."""
        self._lasting.meta_set(key, value)

    def trim(self, share: float = retention.LOW) -> int:
        """Leave at most `share` of the limit in use, oldest go first (see `retention`); how many traces and events went.

        `save` calls it when needed.
        """
        return self._lasting.trim(share)

    def close(self) -> None:
        """Write what waits and close the history; a second time does nothing. Raises `StoreError` if it could not be written."""
        if self._closed:
            return
        self._closed = True
        flushed = False
        try:
            flushed = self._lasting.close(lambda: self.flush(everything=True))
        finally:
            self._close_live(empty=flushed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _open_live(self, folder: Path) -> None:
        with told(self.path):
            (targets,) = self._lasting.db.execute("SELECT count(*) FROM targets").fetchone()
            named = live_of(self._lasting.db, self.path)
        try:
            self._live = Live(folder, self.path, self._lasting.database_id, named=named, new=not targets)
        except OperatorError as error:
            self._say_through(error)

    def _say_through(self, error: OperatorError) -> None:
        said = f"samples are written to {self.path.parent} at once, not every few minutes: {error}"
        self._lasting.notice = self._lasting.notice or said

    def _on_another(self) -> None:
        self._states_at = -math.inf
        self._name_live()

    def _name_live(self) -> None:
        """Tell readers where the live database lies."""
        if self._live is None:
            with told(self.path):
                self._lasting.db.execute("DELETE FROM meta WHERE key = ?", (LIVE_KEY,))
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
                self._followed[record.tid] = self._lasting.tables.followed(record.tid)
        return self._followed[record.tid] != record.route.route_id

    def _save_rest(self, records: Sequence[Numbered]) -> None:
        """Write what may wait."""
        if self._live is not None:
            try:
                self._live.save(records, self._boot_id)
            except OperatorError as error:
                self._write_through(self._live, error)
            else:
                return
        self._save_at_once(records, ())
        self._lasting.pack()

    def _write_through(self, live: Live, error: OperatorError) -> None:
        """The live database cannot be written any more: do without."""
        self._settle(live, states=True, samples=True, unsynced=True)
        self._lasting.clear_spool(remove=True)
        self._live, self._dropped = None, self._dropped + live.dropped
        live.close(empty=True)
        self._say_through(error)
        self._name_live()

    def _look_after_age(self) -> None:
        """Once a day, by a clock that is right, turn what is old into figures."""
        if self._aging and self._now is not None and self._now // DAY_NS != self._aged:
            self._lasting.age(self._now)
            self._aged = self._now // DAY_NS

    def _write_down(self, live: Live) -> int | None:
        """Add to the samples file what it does not have yet; how many traces, None if there is no room for them beside the lasting one."""
        with self._lasting.transaction():
            rows = live.newer(self._lasting.tables, self._lasting.spool.latest)
        return len(rows) if not rows or self._lasting.write_down(rows) else None

    def _settle(self, live: Live, *, states: bool, samples: bool, unsynced: bool) -> int:
        """Copy from the live database to the lasting one; how many traces."""
        try:
            copied = self._lasting.with_room(lambda: self._copy(live, states=states, samples=samples, unsynced=unsynced))
        except StoreError as error:
            if error.code == sqlite3.SQLITE_FULL and self._lasting.disk.is_on_disk():
                live.drop_oldest()  # the next time it may fit
            raise
        if states:
            self._states_at = time.monotonic()
        if samples:
            self._lasting.clear_spool()
        return copied

    def _copy(self, live: Live, *, states: bool, samples: bool, unsynced: bool) -> int:
        copied = 0
        with self._lasting.transaction():
            if samples:
                copied = live.copy(self._lasting.tables, None, states=False, unsynced=unsynced)
                while blocks.enough(self._lasting.db):
                    blocks.pack(self._lasting.db)
            if states or samples:  # the samples file, which begins anew, has newer ones of these
                live.copy_states(
                    self._lasting.tables, None if states else {name.partition("/")[0] for _, name in self._lasting.spool.texts}
                )
        return copied

    def _save_at_once(self, records: Sequence[Numbered], tids: Collection[str]) -> bool:
        """Write to the disk, with all that waits of some targets; whether all but the events must go to the live database, too."""
        return self._lasting.with_room(lambda: self._save(records, tids))

    def _save(self, records: Sequence[Numbered], tids: Collection[str]) -> bool:
        with self._lasting.spool.all_or_nothing(), self._lasting.transaction():
            tables = self._lasting.tables
            event, boot = self._put_events(records), tables.boot(self._boot_id)
            if self._live is not None and event is not None and self._write_down_with(event, self._live, records, tids, boot):
                return True
            if self._live is not None and tids:
                self._live.copy(tables, tids, states=True, unsynced=True)
            for number, record in records:
                put_record(tables, number, record, boot)
            return False

    def _put_events(self, records: Sequence[Numbered]) -> Proof | None:
        """Put events, and what goes with them; the last of them, None if there are none or it is there already."""
        tables, last = self._lasting.tables, None
        for _, record in records:
            for event in record.events:
                last = (event.target, event.change_no) if tables.put_event(event, to_send=self.sends) else None
            for incident in record.incidents:
                tables.put_incident(incident)
            tables.put_notes(record.notes)
        if any(record.incidents for _, record in records):
            tables.drop_incidents(retention.INCIDENTS_KEPT)
        return last

    def _write_down_with(self, event: Proof, live: Live, records: Sequence[Numbered], tids: Collection[str], boot: int) -> bool:
        """Write what goes with an event to the samples file; False if it must go to the lasting one."""
        lasting, spool = self._lasting, self._lasting.spool
        if not all(record.synced for _, record in records):
            return False  # it will be corrected, and nothing that is written down ever is
        rows, texts = live.newer_of(lasting.tables, tids, spool.latest), live.texts(tids)
        for number, record in records:
            if record.tid:
                texts.append(Text("states", record.tid, record.state, number))
                route = None if record.route is None else lasting.tables.known_route(record.route, number)
                if record.trace is not None:
                    rows.append((record.tid, lasting.tables.head(number, record.trace, route, boot)))
                    lasting.tables.note_route(lasting.tables.target(record.tid), rows[-1][1])
            texts += [Text("telling", name, text, number) for name, text in record.telling.items()]
        if not all(started(head.detail)[0] for _, head in rows):
            return False
        return lasting.write_down_with(event, rows, newer_texts(lasting.db, spool, texts))


def touched(record: Record) -> set[str]:
    """The targets whose state a record changes: an event is named in it, too."""
    return {tid for tid in (record.tid, *(event.target for event in record.events)) if tid}
