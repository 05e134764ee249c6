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
"""

import os
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pathwarden.store.blocks import MOST, Head, decode, encode, put_mixed, references
from pathwarden.store.opening import spool_of, sync_folder
from pathwarden.store.tables import Tables

MOST_BYTES = 1_000_000  # read at most: five times what WAITING_MOST traces take
_SECTOR = 512
_HEAD = struct.Struct("<4sII16s")  # magic, length and checksum of what follows, the database's id
_BODY = struct.Struct("<qqI")  # number of the first trace, its instant, length of the heads
_MAGIC = b"PWs1"
_MEANT = ("flows", "paths", "forms", "boots")

Block = tuple[int, int, bytes, bytes]  # what `blocks.decode` takes


class Spool:
    """The samples file of one history, open for adding; one that is there is overwritten. Its methods raise `OSError`."""

    def __init__(self, path: Path, database_id: str) -> None:
        self.path = spool_of(path)
        self.references: list[set[int]] = [set() for _ in range(5)]  # in the order of `blocks.references`
        self.latest: dict[str, int] = {}  # each target's last trace in it
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

    def add(self, traces: Sequence[tuple[str, Head]], most: int) -> int:
        """Write traces down, each with its target, on the disk when this returns.

        How many bytes that took, 0 if the file would become larger than `most`.
        """
        # Traces of a target are like each other, and so their bytes compress best side by side.
        rows = sorted((row for _, row in traces), key=lambda row: (row.flow, row.at, row.id))
        records = [self._record(rows[start : start + MOST]) for start in range(0, len(rows), MOST)]
        data = b"".join(records)
        if self._end + len(data) > min(most, MOST_BYTES):
            return 0
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
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
        self.references = [set() for _ in self.references]
        if remove:
            self.path.unlink(missing_ok=True)
        elif self.path.exists():
            with self.path.open("r+b") as file:
                file.truncate(0)

    def _record(self, rows: list[Head]) -> bytes:
        heads, details = encode(rows)
        for known, found in zip(self.references, references(heads), strict=True):
            known.update(found)
        body = _BODY.pack(min(row.id for row in rows), rows[0].at, len(heads)) + heads + details
        record = _HEAD.pack(_MAGIC, len(body), zlib.crc32(body), self._database) + body
        return record + bytes(-len(record) % _SECTOR)


def take_in(to: Tables, blocks: Iterable[Block]) -> int:
    """Put into the history what it does not have yet; how many traces. To be called in a transaction."""
    latest = dict(to.db.execute("SELECT target, latest FROM targets"))
    of_flow = dict(to.db.execute("SELECT flows.id, targets.target FROM flows JOIN targets ON targets.id = flows.target"))
    known = [{number for (number,) in to.db.execute(f"SELECT id FROM {name}")} for name in _MEANT]  # noqa: S608  names of ours
    fresh = {}
    for block in blocks:
        for head in decode(*block):
            refs = (head.flow, head.path, head.form, head.boot)
            # What the history does not know would be a fault of the disk, and must not become one of ours.
            if all(number in numbers for number, numbers in zip(refs, known, strict=True)) and head.id > (latest[of_flow[head.flow]] or 0):
                fresh[head.id] = head
    rows = [fresh[number] for number in sorted(fresh)]
    for head in rows:
        to.note(to.target(of_flow[head.flow]), head)
    put_mixed(to.db, rows)
    return len(rows)


def read(path: Path, db: sqlite3.Connection) -> list[Block]:
    """The blocks in the samples file of a history, which `db` has open; none if there is no such file, or it cannot be read.

    Who reads the history as well must do so afterwards: what this does not find any more is there.
    """
    try:
        with spool_of(path).open("rb") as file:
            data = file.read(MOST_BYTES)
    except OSError:
        return []
    (database_id,) = db.execute("SELECT value FROM meta WHERE key = 'database_id'").fetchone()
    return list(_blocks(data, database_id.encode()))


def _blocks(data: bytes, database_id: bytes) -> Iterator[Block]:
    place = 0
    while len(data) - place >= _HEAD.size:
        magic, length, checksum, belongs = _HEAD.unpack_from(data, place)
        body = data[place + _HEAD.size : place + _HEAD.size + length]
        if magic != _MAGIC or belongs != database_id or len(body) < max(length, _BODY.size) or zlib.crc32(body) != checksum:
            return
        number, at, heads = _BODY.unpack_from(body)
        yield number, at, body[_BODY.size : _BODY.size + heads], body[_BODY.size + heads :]
        place += -(-(_HEAD.size + length) // _SECTOR) * _SECTOR
