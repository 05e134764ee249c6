"""The samples file beside the history: what waits in memory, written down in a few bytes, so that a power cut does not take it.

Rules:
1. Every `flush_s` what is new in the live database is added here, one record and one sync; with a transaction of the history it would be
   four times as many bytes. When enough waits for whole blocks, all of it goes to the history, and this file begins anew.
2. A record holds a mixed block as `blocks` encodes it, with the history's own numbers. So the history must not forget what these mean:
   `references`.
3. It is read only where the live database is gone: by readers as part of the history, and by the next writer, which takes it in. Of each
   target only traces count that are newer than the history's last. So an end between any two steps loses and doubles nothing.
4. A record is whole or counts as the file's end: it begins with its length and checksum, and at a sector of its own, since a power cut
   harms at most the sectors that were being written (sqlite.org/psow.html).
5. It belongs to one history: each record names the database. What belongs to another counts for nothing.
6. A record may go with an event: beside samples of its target it holds states and what is told, as they are after the event (`Text`). It is
   on the disk before the transaction with the event ends, and counts only if the history has that event: both or neither. Its numbers
   may be of a transaction that did not happen, so what does not count is cut off before anything else is written.
7. Of each text the one with the greatest stamp counts, wherever it lies. This file begins anew only when the history has them all.
"""

import json
import os
import sqlite3
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pathwarden.store.blocks import MOST, Head, decode, encode, put_mixed, references
from pathwarden.store.opening import spool_of, sync_folder
from pathwarden.store.tables import Tables
from pathwarden.store.texts import pack, unpack

MOST_BYTES = 1_000_000  # read at most: five times what WAITING_MOST traces take
_SECTOR = 512
_HEAD = struct.Struct("<4sII16s")  # magic, length and checksum of what follows, the database's id
_BODY = struct.Struct("<qqI")  # number of the first trace, its instant, length of the heads
_MAGIC = b"PWs1"
_WITH_EVENT = b"PWe1"
_TEXTS = struct.Struct("<I")  # with an event: length of the packed texts, which stand before the block
_MEANT = ("flows", "paths", "forms", "boots")

_HAS_EVENT = """
    SELECT 1 FROM main.events CROSS JOIN main.targets ON targets.id = events.target WHERE targets.target = ? AND change_no >= ? LIMIT 1
"""
_STAMPS = """
    SELECT 'states', targets.target, stamp FROM states JOIN targets ON targets.id = states.target
    UNION ALL SELECT 'telling', target, stamp FROM telling
"""

Block = tuple[int, int, bytes, bytes]  # what `blocks.decode` takes
Proof = tuple[str, int]  # an event: its target and its `change_no`


class Text(NamedTuple):
    """A state, or what is told: its table, whose it is, and the number of its record."""

    table: str
    name: str
    text: str
    stamp: int


@dataclass(frozen=True, slots=True)
class Spooled:
    """What was read of the samples file."""

    blocks: list[Block] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.blocks or self.texts)


class Spool:
    """The samples file of one history, open for adding; one that is there is overwritten. Its methods raise `OSError`."""

    def __init__(self, path: Path, database_id: str) -> None:
        self.path = spool_of(path)
        self.references: list[set[int]] = [set() for _ in range(5)]  # in the order of `blocks.references`
        self.latest: dict[str, int] = {}  # each target's last trace in it
        self.texts: dict[tuple[str, str], int] = {}  # stamps of the texts in it, by table and name
        self._database = database_id.encode()
        self._end = 0

    @property
    def size(self) -> int:
        """Bytes in it."""
        return self._end

    def whole(self) -> bool:
        """Whether it is as we left it: a stick may have been changed."""
        try:
            return not self._end or self.path.stat().st_size >= self._end
        except OSError:
            return False

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """What is added meanwhile counts only if no error ends it."""
        end, latest, texts = self._end, self.latest.copy(), self.texts.copy()
        try:
            yield
        except BaseException:
            self._end, self.latest, self.texts = end, latest, texts
            raise

    def add(self, traces: Sequence[tuple[str, Head]], most: int) -> int:
        """Write traces down, each with its target, on the disk when this returns.

        How many bytes that took, 0 if the file would become larger than `most`.
        """
        rows = _side_by_side(traces)
        records = [self._record(_MAGIC, self._block(rows[start : start + MOST])) for start in range(0, len(rows), MOST)]
        return self._write(b"".join(records), traces, most)

    def add_with(self, event: Proof, traces: Sequence[tuple[str, Head]], texts: Sequence[Text], most: int) -> int:
        """As `add`, with texts, what counts only with an event (rule 6); 0 also for more traces than a block may have."""
        if len(traces) > MOST:
            return 0
        packed = pack(json.dumps([event, texts], ensure_ascii=False, separators=(",", ":")))
        block = self._block(_side_by_side(traces)) if traces else b""
        written = self._write(self._record(_WITH_EVENT, _TEXTS.pack(len(packed)) + packed + block), traces, most)
        if written:
            self.texts.update(((text.table, text.name), text.stamp) for text in texts)
        return written

    def _write(self, data: bytes, traces: Sequence[tuple[str, Head]], most: int) -> int:
        if self._end + len(data) > min(most, MOST_BYTES):
            return 0
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size > self._end:
                os.ftruncate(file, self._end)
            written = 0
            while written < len(data):
                written += os.pwrite(file, data[written:], self._end + written)
            os.fsync(file)
        finally:
            os.close(file)
        if not self._end:  # it may be new; after a sync of the folder that failed it was there already
            sync_folder(self.path)
        self._end += len(data)
        self.latest.update((tid, row.id) for tid, row in traces)
        return len(data)

    def clear(self, *, remove: bool = False) -> None:
        """Begin anew: the history has it all. If a power cut undoes this, nothing is doubled (rule 3)."""
        self._end = 0
        self.latest.clear()
        self.texts.clear()
        self.references = [set() for _ in self.references]
        if remove:
            if self.path.exists():
                self.path.unlink()
                sync_folder(self.path)  # numbers in it may be given again
        elif self.path.exists():
            with self.path.open("r+b") as file:
                file.truncate(0)

    def _block(self, rows: list[Head]) -> bytes:
        heads, details = encode(rows)
        for known, found in zip(self.references, references(heads), strict=True):
            known.update(found)
        return _BODY.pack(min(row.id for row in rows), rows[0].at, len(heads)) + heads + details

    def _record(self, magic: bytes, body: bytes) -> bytes:
        record = _HEAD.pack(magic, len(body), zlib.crc32(body), self._database) + body
        return record + bytes(-len(record) % _SECTOR)


def _side_by_side(traces: Sequence[tuple[str, Head]]) -> list[Head]:
    """Traces of a target are like each other, and so their bytes compress best side by side."""
    return sorted((row for _, row in traces), key=lambda row: (row.flow, row.at, row.id))


def newer_texts(to: sqlite3.Connection, spool: Spool, texts: Sequence[Text]) -> list[Text]:
    """Of each text the newest, where neither the history nor the samples file has it."""
    stamps = {(table, name): stamp for table, name, stamp in to.execute(_STAMPS)} | spool.texts
    newest: dict[tuple[str, str], Text] = {}
    for text in sorted(texts, key=lambda text: text.stamp):
        newest[text.table, text.name] = text
    return [text for key, text in newest.items() if text.stamp > stamps.get(key, -1)]


def take_in(to: Tables, spooled: Spooled) -> int:
    """Put into the history what it does not have yet; how many traces. To be called in a transaction."""
    latest = dict(to.db.execute("SELECT target, latest FROM targets"))
    of_flow = dict(to.db.execute("SELECT flows.id, targets.target FROM flows JOIN targets ON targets.id = flows.target"))
    known = [{number for (number,) in to.db.execute(f"SELECT id FROM {name}")} for name in _MEANT]  # noqa: S608  names of ours
    fresh = {}
    for block in spooled.blocks:
        for head in decode(*block):
            refs = (head.flow, head.path, head.form, head.boot)
            # What the history does not know would be a fault of the disk, and must not become one of ours.
            if all(number in numbers for number, numbers in zip(refs, known, strict=True)) and head.id > (latest[of_flow[head.flow]] or 0):
                fresh[head.id] = head
    rows = [fresh[number] for number in sorted(fresh)]
    for head in rows:
        to.note(to.target(of_flow[head.flow]), head)
    put_mixed(to.db, rows)
    for table, name, text, stamp in spooled.texts:
        if table == "states":
            to.put_state(to.target(name), text, stamp)
        else:
            to.put_telling({name: text}, stamp)
    return len(rows)


def read(path: Path, db: sqlite3.Connection) -> Spooled:
    """What is in the samples file of a history, which `db` has open; nothing if there is no such file, or it cannot be read.

    Who reads the history as well must do so afterwards: what this does not find any more is there.
    """
    try:
        with spool_of(path).open("rb") as file:
            data = file.read(MOST_BYTES)
    except OSError:
        return Spooled()
    (database_id,) = db.execute("SELECT value FROM meta WHERE key = 'database_id'").fetchone()
    found = Spooled()
    for magic, body in _records(data, database_id.encode()):
        block = body
        if magic == _WITH_EVENT:
            start = _TEXTS.size + _TEXTS.unpack_from(body)[0]
            event, texts = json.loads(unpack(body[_TEXTS.size : start]))
            if not db.execute(_HAS_EVENT, event).fetchone():
                continue
            found.texts.extend(Text(*text) for text in texts)
            block = body[start:]
        if block:
            number, at, heads = _BODY.unpack_from(block)
            found.blocks.append((number, at, block[_BODY.size : _BODY.size + heads], block[_BODY.size + heads :]))
    return found


def _records(data: bytes, database_id: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while len(data) - place >= _HEAD.size:
        magic, length, checksum, belongs = _HEAD.unpack_from(data, place)
        body = data[place + _HEAD.size : place + _HEAD.size + length]
        least = {_MAGIC: _BODY.size, _WITH_EVENT: _TEXTS.size}.get(magic)
        if least is None or belongs != database_id or len(body) < max(length, least) or zlib.crc32(body) != checksum:
            return
        yield magic, body
        place += -(-(_HEAD.size + length) // _SECTOR) * _SECTOR
