"""One life of the daemon's store thread, to be ended at any moment: `python -m storelab.life DATABASE MOST [careless]`.

The real keeper and writer take records of a story that follows from the records' numbers alone, so a next life goes on where the
history ends. Beside them the outbox is read and acknowledged, as the broker's client does. What has been done is reported at once, a
line each, in a single write to standard output:

    saving FIRST LAST   these records are being written
    saved LAST          they have been: their events are promised, their samples as far as a kill goes
    flushed LAST        the samples of all records so far are promised
    told SEQ NUMBER     a subscriber has seen the event of that record
    sent SEQ...         the history knows that the broker has these
"""

import logging
import os
import random
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pathwarden.daemon import keeper
from pathwarden.model.history import Event, Record, StoredIncident
from pathwarden.model.trace import Trace
from pathwarden.store import opening
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import SECOND, START, event, record, route

TIDS = ("t1", "t2", "t3", "t4", "t5", "t6")
EVERY = 4  # every fourth record holds an event: only t1, t3 and t5 have some, so that the samples of the others wait and are written down
MAX_MB = 1  # old traces must go every few lives
FULL = 0.88  # where a prepared history stands: old traces go in its first lives, but not in all
_BATCH = 100  # of a preparation
_ERROR_BYTES = 150  # what no compression makes small: a few thousand traces fill a history
_IN_FLIGHT = 24  # records on their way to the disk
_MOST_TOGETHER = 9  # records handed over at once, and so some transactions with several
_GATHER_S = 0.001
_FLUSH_S = 0.02  # some flushes in each life
_CACHE_KIB = 32  # so small that SQLite writes to the file long before the commit: an end then leaves a journal
_MINUTE_NS = 60 * SECOND
_MONO_NS = 5_000 * SECOND  # the monotonic start of record 0


def tid_of(number: int) -> str:
    """Whose the record of a number is."""
    return TIDS[number % len(TIDS)]


def urgent(number: int) -> bool:
    """Whether a record must not wait: it holds an event, or its target's path is another than before."""
    return number % EVERY == 0 or _label(number) != _label(number - len(TIDS))


def _label(number: int) -> str:
    return "AB"[number // 50 % 2]


def of(number: int, *, quiet: bool = False) -> Record:
    """The record of a number; `quiet` leaves its event out."""
    tid = tid_of(number)
    error = random.Random(number).randbytes(_ERROR_BYTES).hex()
    made = record(tid, number=number, middle=f"10.1.{number // 50 % 2}.1", rtt_ms=10 + number % 7, error=error)
    last_at = START + number * _MINUTE_NS
    going = route(tid, label=_label(number), last_at=last_at, held_s=number * 60, traces=number)
    if quiet or number % EVERY:
        return replace(made, route=going)
    incident = StoredIncident(f"i{number // 40}", START, None, {"count": number})
    return replace(made, route=going, events=(_event(tid, number),), telling={tid: f'{{"n":{number}}}'}, incidents=(incident,))


def _event(tid: str, number: int) -> Event:
    return event(tid, change_no=number, at=START + number * _MINUTE_NS, body={"n": number, "text": "chemin changé " * 10})


def number_of(mono_ns: int) -> int:
    """Which record a trace is of."""
    return (mono_ns - _MONO_NS) // _MINUTE_NS


def prepare(path: Path) -> int:
    """Make a history that is nearly full of traces; the last number in it."""
    number = 0
    with opened(path) as writer:
        while path.stat().st_size < FULL * MAX_MB * 1_000_000:
            writer.save([of(number + step, quiet=True) for step in range(1, _BATCH + 1)])
            writer.flush()
            number += _BATCH
    return number


def newest(path: Path) -> int:
    """The number of the last record that left something in the history."""
    with Reader(path) as reader:
        latest = [reader.latest(tid) for tid in TIDS]
        events = reader.events(limit=1)
    numbers = [number_of(each.trace.mono_ns) for each in latest if each is not None]
    return max(*numbers, *(int(str(each.body["n"])) for each in events), 0)


def live_dir(path: Path) -> Path:
    """Where the samples of a history wait: beside its folder, since that one is a disk and this is memory."""
    return path.parent.with_name(f"{path.parent.name}.live")


def opened(path: Path) -> "_Reporting":
    """The history as the daemon opens it; with anything to tell about the opening this ends."""
    writer = _Reporting(path, max_mb=MAX_MB, boot_id="boot", live_dir=live_dir(path))
    if writer.notice:
        raise SystemExit(writer.notice)
    return writer


class _Reporting(Writer):
    """The writer, which says before and after what it does; `room` holds back whoever makes records faster than the disk takes them."""

    room: threading.Semaphore | None = None
    last = 0

    def save(self, records: Sequence[Record]) -> None:
        """Write, and say so."""
        numbers = [number_of(record.trace.mono_ns) for record in records if record.trace is not None]
        _report(f"saving {numbers[0]} {numbers[-1]}")
        super().save(records)
        self.last = numbers[-1]
        _report(f"saved {self.last}")
        if self.room is not None:
            self.room.release(len(records))

    def flush(self, *, everything: bool = False) -> int:
        """Take samples to the lasting file, and say so."""
        copied = super().flush(everything=everything)
        _report(f"flushed {self.last}")
        return copied

    def acknowledge(self, seqs: Sequence[int]) -> None:
        """Take events out of the outbox, and say so."""
        super().acknowledge(seqs)
        _report(f"sent {' '.join(map(str, seqs))}")


class _Client:
    """What the broker's client is to the keeper, and reads from the outbox."""

    def __init__(self, keeping: keeper.Keeper) -> None:
        self.news = threading.Event()
        self._keeping = keeping

    def traced(self, trace: Trace) -> None:
        """Nobody wants results."""

    def state_changed(self, tid: str) -> None:
        """Nothing that the history would know."""

    def event_stored(self) -> None:
        """There is something to read."""
        self.news.set()

    def info_changed(self) -> None:
        """The disk refuses: but for a power cut that is no part of this life. That much is written here is no news."""
        if self._keeping.notice:
            os.write(2, f"{self._keeping.notice}\n".encode())
            os._exit(3)


def live(path: Path, most: int | None = None, *, careless: bool = False) -> None:
    """Live until ended, or up to a number; `careless` syncs nothing, so that a test of power cuts shows whether it would notice."""
    logging.disable()  # a line of the log would pass for a report
    opening.CACHE_KIB = _CACHE_KIB
    keeper.GATHER_S = _GATHER_S
    writer = opened(path)
    writer.room = room = threading.Semaphore(_IN_FLIGHT)
    if careless:
        writer._lasting.db.execute("PRAGMA synchronous = OFF")
    number = newest(path)
    keeping = keeper.Keeper(writer, _FLUSH_S)
    keeping.publisher = client = _Client(keeping)
    keeping.start()
    seen = 0
    with Reader(path) as reader:
        while most is None or number < most:
            for _ in range(number % _MOST_TOGETHER + 1):
                number += 1
                room.acquire()
                keeping.put(of(number))
            if client.news.is_set():
                client.news.clear()
                rows = reader.outbox(seen, 100)
                for row in rows:
                    _report(f"told {row.seq} {row.body['n']}")
                    seen = row.seq
                keeping.acknowledge([row.seq for row in rows if row.seq % EVERY])
    keeping.stop(10.0)


def _report(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    live(Path(sys.argv[1]), int(sys.argv[2]), careless=sys.argv[3:] == ["careless"])
