"""The store's thread: the only one that writes.

Rules:
1. A record with events, or with what the owner wished, is written at once; others gather for `GATHER_S`, so that traces that ran side by
   side share a transaction.
2. Subscribers are told only after the commit.
3. When the disk refuses, records wait in memory and are tried again; beyond `MOST_WAITING` the oldest go, counted, those without
   events first.
4. When the clock becomes right, what was noted before is written first, then corrected, then the rest is written.
5. A damaged file is not written to again: the process ends, and the next start sets the file aside. It also ends when another history
   lies in the place of ours, on a disk that was changed or mounted late: the next start goes on with that one.
6. Without a broker to tell, no event waits in the outbox; one that is switched on later is not told old news. With one that stays
   away, at most `MOST_SENDINGS` wait; beyond that the oldest informational ones go, then the oldest of all, counted.
7. Every `flush_s` what the history keeps in memory is flushed to the disk; at the end, too. Then it is looked whether the disk bears it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from pathwarden.errors import OperatorError
from pathwarden.model.history import Record
from pathwarden.model.instants import ClockShift
from pathwarden.model.protocols import Clock, HistoryWriter, Publisher

log = logging.getLogger(__name__)

GATHER_S = 2.0  # fewer commits, and the page is at most this much behind
RETRY_S = 10.0
DAMAGED = (11, 26)  # SQLITE_CORRUPT and SQLITE_NOTADB
MOST_WAITING = 2000  # about 4 MB of records
MOST_SENDINGS = 5000  # months of a home's news, and sent within seconds; what comes after so much silence is history, not news


class Store(HistoryWriter, Protocol):
    """What the keeper needs of the history; `sends`: whether events wait to be sent."""

    sends: bool

    def fail(self, seq: int, reason: str) -> None:
        """The broker will never take this event."""
        ...

    def drop_outbox(self, most: int = 0) -> int:
        """Leave at most so many events to be sent; how many went."""
        ...

    def correct_clock(self, shift: ClockShift) -> int:
        """Correct what this boot wrote before the clock was right."""
        ...

    def warning(self) -> str:
        """What the operator should know although all is written, '' if nothing."""
        ...

    def flush(self) -> int:
        """Write to the disk what waits in memory."""
        ...

    def close(self) -> None:
        """Write what waits, and close the files."""
        ...


class Keeper:
    """Takes records and acknowledgements from any thread and writes them in its own."""

    def __init__(self, store: Store, flush_s: float | None = None) -> None:
        self.notice = ""
        self.warning = ""
        self.dropped = 0
        self.sendings_dropped = 0
        self.publisher: Publisher | None = None
        self.on_events: Sequence[Callable[[], None]] = ()
        self._store = store
        self._flush_s = flush_s
        self._flush_at = 0.0 if flush_s is None else time.monotonic() + flush_s
        self._logged: set[str] = set()  # a full disk may refuse in two ways by turns
        self._records: deque[Record] = deque()
        self._outbox: deque[tuple[int, str]] = deque()
        self._shifts: deque[ClockShift] = deque()  # the clock may become right again before it is written that it did
        self._condition = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    def forget_outbox(self) -> None:
        """There is no broker: drop what waits for one from earlier. To be called before `start`."""
        self._store.drop_outbox()
        self._store.sends = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Write what waits, then end."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self._thread.join(timeout_s)

    def put(self, record: Record) -> None:
        """Take a finished trace; never blocks on the disk."""
        with self._condition:
            self._records.append(record)
            if len(self._records) > MOST_WAITING:
                self._drop_one()
            if _hurries(record) or len(self._records) == 1:
                self._condition.notify()  # others gather anyway, and each waking up costs as much as a probe

    def acknowledge(self, seqs: Sequence[int]) -> None:
        """The broker has these events."""
        self._note(seqs, "")

    def fail(self, seq: int, reason: str) -> None:
        """The broker will never take this event."""
        self._note((seq,), reason)

    def correct(self, shift: ClockShift) -> None:
        """The clock became right; called between the last record with the wrong clock and the first with the right one."""
        with self._condition:
            self._shifts.append(shift)
            self._condition.notify()

    def waiting(self) -> int:
        """How many records are not written yet."""
        return len(self._records)

    def _note(self, seqs: Sequence[int], reason: str) -> None:
        with self._condition:
            self._outbox.extend((seq, reason) for seq in seqs)
            self._condition.notify()

    def _drop_one(self) -> None:
        plain = (index for index, record in enumerate(self._records) if not record.events)
        del self._records[next(plain, 0)]
        self.dropped += 1

    def _run(self) -> None:
        try:
            while self._work():
                pass
        finally:
            try:
                self._store.close()
            except OperatorError as error:
                log.error("what waits in memory could not be written: %s", error)
            if self._records:
                log.error("traces that could not be written and are lost: %d", len(self._records))

    def _work(self) -> bool:
        """Wait for something and write it; False when all is done and nothing more will come."""
        with self._condition:
            self._condition.wait_for(lambda: self._records or self._outbox or self._shifts or self._stopping, self._until_flush_s())
            if self._records:
                self._condition.wait_for(lambda: self._stopping or self._outbox or any(map(_hurries, self._records)), GATHER_S)
            # At one instant: a shift is for the records before it.
            records, notes, shifts = list(self._records), list(self._outbox), list(self._shifts)
            stopping = self._stopping
        try:
            self._write(records, notes, shifts)
            self._flush()
        except OperatorError as error:
            if getattr(error, "code", None) in DAMAGED:
                raise
            self._say(str(error))
            with self._condition:
                if not self._stopping:
                    self._condition.wait_for(lambda: self._stopping, RETRY_S)
                return not stopping
        self._say("")
        return not (stopping and not self._records and not self._outbox)

    def _until_flush_s(self) -> float | None:
        return None if self._flush_s is None else max(self._flush_at - time.monotonic(), 0.0)

    def _flush(self) -> None:
        if self._flush_s is not None and time.monotonic() >= self._flush_at:
            self._store.flush()
            self._flush_at = time.monotonic() + self._flush_s
            self._warn(self._store.warning())

    def _warn(self, warning: str) -> None:
        """Note what should be known, '' if nothing; the log has it once, since the figures in it change."""
        before, self.warning = self.warning, warning
        if bool(before) == bool(warning):
            return
        if warning:
            log.warning("%s", warning)
        if self.publisher is not None:
            self.publisher.info_changed()

    def _say(self, notice: str) -> None:
        """Note what is wrong now, '' if nothing; the log has its beginning and its end, and subscribers learn of both."""
        if notice == self.notice:
            return
        self.notice = notice
        if not notice:
            log.info("the history is written again")
            self._logged.clear()
        elif notice not in self._logged:
            log.error("%s", notice)
            self._logged.add(notice)
        if self.publisher is not None:
            self.publisher.info_changed()

    def _write(self, records: list[Record], notes: list[tuple[int, str]], shifts: list[ClockShift]) -> None:
        for shift in shifts:
            self._save([record for record in records if not record.synced])
            self._store.correct_clock(shift)
            self._shifts.popleft()
            records = [record for record in records if record.synced]
        self._save(records)
        if notes:
            self._store.acknowledge([seq for seq, reason in notes if not reason])
            for seq, reason in notes:
                if reason:
                    self._store.fail(seq, reason)
            with self._condition:
                for _ in notes:
                    self._outbox.popleft()

    def _save(self, records: list[Record]) -> None:
        if records:
            self._store.save(records)
            with self._condition:
                # Newer ones may have come, and old ones been dropped, while the disk worked.
                written = set(map(id, records))
                self._records = deque(r for r in self._records if id(r) not in written)
            self._tell(records)
            if any(record.events for record in records):
                for tell in self.on_events:
                    tell()
                self._bound_outbox()

    def _bound_outbox(self) -> None:
        if self.publisher is not None:
            self.sendings_dropped += self._store.drop_outbox(MOST_SENDINGS)

    def _tell(self, records: list[Record]) -> None:
        if self.publisher is None:
            return
        for tid in dict.fromkeys(tid for record in records for tid in _touched(record)):
            self.publisher.state_changed(tid)
        for record in records:
            if record.trace is not None:
                self.publisher.traced(record.trace)
        if any(record.events for record in records):
            self.publisher.event_stored()


def noting(keeper: Keeper, clock: Clock, name: str) -> Callable[[str], None]:
    """What keeps a text in the history under this name, among what is told of targets."""
    return lambda text: keeper.put(Record(None, None, "", telling={name: text}, clock_synced=clock.synced()))


def _hurries(record: Record) -> bool:
    """Whether somebody waits for it."""
    return bool(record.events or record.notes or _wished(record))


def _wished(record: Record) -> list[str]:
    """The targets of which it holds what the owner wished; a name with a stroke is of what a detector keeps."""
    return [name for name in record.telling if "/" not in name]


def _touched(record: Record) -> set[str]:
    """The targets whose state a record changes: an event is named in it, and what the owner wished."""
    return {tid for tid in (record.tid, *(event.target for event in record.events), *_wished(record)) if tid}
