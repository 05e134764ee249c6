"""Blocks: many traces of one target in one row.

Rules:
1. New traces wait in the live database. What must not, since its target has an event, or the live database is no more, waits here: as
   rows of `traces`, or as mixed blocks with all that came at a time. When there are WAITING for every target, in both places, all of
   them go into blocks, one for each target and UTC day.
2. What was noted with a clock that was not known to be right goes into blocks of its own, never mixed ones, and comes out again when the
   clock becomes right in the same boot (`unpack`).
3. A block holds at most MOST traces. A mixed one tells whose a trace is by its flow.

A block is two pieces, each compressed with zlib (RFC 1950). `heads` has the columns below one after the other, each with one number for
every trace, little-endian, 8 bytes for the first three and 4 for the others. The traces are in the order of (at, id), in the samples file
(`spool`) flow by flow:

    id           difference to that of the trace before; the first to the block's
    at           difference to that of the trace before; the first to the block's at_from
    offset       difference of at - mono_ns to that of the trace before; the first to 0
    flow, path, form, route, boot   numbers in the tables of these names; route 0 for none
    rtt_min, rtt_median, rtt_max    -1 for NULL
    sent, lost
    length       of the trace's detail

`details` has the details of `codec`, one after the other, each without its `mono_ns`.
"""

import sqlite3
import sys
import zlib
from array import array
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import accumulate, groupby
from typing import NamedTuple

from pathwarden.store.codec import started, with_mono, without_mono

WAITING = 96  # at 5 minutes these are 8 hours, so that packing costs the flash little
WAITING_MOST = 2000  # rows of all targets: they are looked through without an index
MOST = 192  # a trace is read by unpacking its block
SPREAD = 4 * WAITING_MOST  # the numbers of a block's first and last trace are less than this apart: most records have a trace
DAY_NS = 86_400_000_000_000
_LEVEL = 9  # a block is written once, and a few kB take a millisecond

MIXED = "target IS NULL"
_COLUMNS = "qqqiiiiiiiiiii"
COLUMNS = "id, at, flow, path, form, route, boot, rtt_min, rtt_median, rtt_max, sent, lost, detail"


class Head(NamedTuple):
    """A row of `traces` without its target."""

    id: int
    at: int
    flow: int
    path: int
    form: int
    route: int | None
    boot: int
    rtt_min: int | None
    rtt_median: int | None
    rtt_max: int | None
    sent: int
    lost: int
    detail: bytes


class Samples(NamedTuple):
    """The columns of a block that a series needs; RTTs are -1 where there are none, routes 0."""

    id: list[int]
    flow: "array[int]"
    at: list[int]
    route: "array[int]"
    rtt_min: "array[int]"
    rtt_median: "array[int]"
    rtt_max: "array[int]"
    sent: "array[int]"
    lost: "array[int]"


# One block


def encode(rows: list[Head]) -> tuple[bytes, bytes]:
    """Heads and details of rows; those of a target in the order of (at, id)."""
    columns = [array(code) for code in _COLUMNS]
    details = bytearray()
    # The block's own id is the least of all, and at_from the first, so that the first differences are small.
    number, at, offset = min(row.id for row in rows), rows[0].at, 0
    for row in rows:
        mono_ns, detail = without_mono(row.detail)
        rtts = (-1 if rtt is None else rtt for rtt in (row.rtt_min, row.rtt_median, row.rtt_max))
        refs = (row.flow, row.path, row.form, row.route or 0, row.boot)
        values = (row.id - number, row.at - at, row.at - mono_ns - offset, *refs, *rtts, row.sent, row.lost, len(detail))
        for column, value in zip(columns, values, strict=True):
            column.append(value)
        number, at, offset = row.id, row.at, row.at - mono_ns
        details += detail
    for column in columns:
        _little(column)
    return zlib.compress(b"".join(column.tobytes() for column in columns), _LEVEL), zlib.compress(bytes(details), _LEVEL)


def decode(first_id: int, at_from: int, heads: bytes, details: bytes, flows: AbstractSet[int] | None = None) -> list[Head]:
    """The rows of a block, or those of some flows, in the order in which they were encoded."""
    ids, ats, offsets, *rest = _columns(heads)
    if flows is not None and flows.isdisjoint(rest[0]):
        return []
    lengths = rest.pop()
    body, place = zlib.decompress(details), 0
    number, at, offset = first_id, at_from, 0
    rows = []
    for id_step, at_step, offset_step, length, *values in zip(ids, ats, offsets, lengths, *rest, strict=True):
        number, at, offset = number + id_step, at + at_step, offset + offset_step
        flow, path, form, route, boot, *figures = values
        if flows is None or flow in flows:
            least, median, greatest = (None if rtt < 0 else rtt for rtt in figures[:3])
            sent, lost = figures[3:]
            detail = with_mono(body[place : place + length], at - offset)
            rows.append(Head(number, at, flow, path, form, route or None, boot, least, median, greatest, sent, lost, detail))
        place += length
    return rows


def holds(first_id: int, heads: bytes, number: int) -> bool:
    """Whether a trace is in a block."""
    return number in accumulate(_columns(heads)[0], initial=first_id)


def samples(first_id: int, at_from: int, heads: bytes) -> Samples:
    """What a series needs of a block, without unpacking its details."""
    ids, ats, _, flow, _, _, route, _, *figures, _ = _columns(heads)
    ids[0] += first_id
    ats[0] += at_from
    return Samples(list(accumulate(ids)), flow, list(accumulate(ats)), route, *figures)


def references(heads: bytes) -> Iterator[set[int]]:
    """The flows, paths, forms, routes and boots that a block's traces refer to, in this order."""
    return map(set, _columns(heads)[3:8])


def _columns(heads: bytes) -> "list[array[int]]":
    data = memoryview(zlib.decompress(heads))
    count, place = len(data) // sum(array(code).itemsize for code in _COLUMNS), 0
    columns = []
    for code in _COLUMNS:
        column: array[int] = array(code)
        size = count * column.itemsize
        column.frombytes(data[place : place + size])
        _little(column)
        columns.append(column)
        place += size
    return columns


def _little(column: "array[int]") -> None:
    if sys.byteorder == "big":  # MIPS routers
        column.byteswap()


# All that wait


def enough(db: sqlite3.Connection, elsewhere: int = 0) -> bool:
    """Whether so many traces wait, here and elsewhere, that they should be packed."""
    (targets,) = db.execute("SELECT count(*) FROM targets").fetchone()
    counted = f"SELECT (SELECT count(*) FROM traces) + (SELECT coalesce(sum(traces), 0) FROM blocks WHERE {MIXED})"  # noqa: S608  constants only
    (waiting,) = db.execute(counted).fetchone()
    return bool(waiting + elsewhere >= min(max(targets, 1) * WAITING, WAITING_MOST))


def put_mixed(db: sqlite3.Connection, rows: list[Head]) -> None:
    """Keep rows of any targets, whose clocks were right, until they are packed. To be called in a transaction."""
    rows = sorted(rows, key=_by_place)
    for _, group in groupby(rows, key=lambda row: row.id // SPREAD):
        heads = list(group)
        for start in range(0, len(heads), MOST):
            _put(db, None, heads[start].at // DAY_NS, 1, sorted(heads[start : start + MOST], key=_by_time))


def pack(db: sqlite3.Connection) -> int:
    """Move what waits, the oldest WAITING_MOST or some more, into blocks; how many. To be called in a transaction; see the rules."""
    found = db.execute(f"SELECT target, {COLUMNS} FROM traces ORDER BY id LIMIT {WAITING_MOST}")  # noqa: S608  constants only
    rows = [(target, Head(*values)) for target, *values in found]
    db.executemany("DELETE FROM traces WHERE id = ?", [(head.id,) for _, head in rows])
    mixed = db.execute(f"SELECT id, at_from, heads, details FROM blocks WHERE {MIXED} ORDER BY id").fetchall()  # noqa: S608  constants only
    of_flow = dict(db.execute("SELECT id, target FROM flows")) if mixed else {}
    for block in mixed:
        if len(rows) < WAITING_MOST:
            rows += [(of_flow[head.flow], head) for head in decode(*block)]
            db.execute("DELETE FROM blocks WHERE id = ?", block[:1])
    # What is packed is deleted first, so that the blocks find room in a file that must not grow any more.
    # Numbers that are far apart, as after an import, stay apart: see SPREAD.
    keyed = [((target, started(head.detail)[0], head.at // DAY_NS, head.id // SPREAD), head) for target, head in rows]
    keyed.sort(key=lambda row: (row[0], _by_time(row[1])))
    for (target, right, day, _), group in groupby(keyed, key=lambda row: row[0]):
        heads = [head for _, head in group]
        for start in range(0, len(heads), MOST):
            _put(db, target, day, int(right), heads[start : start + MOST])
    return len(rows)


def _by_time(head: Head) -> tuple[int, int]:
    return head.at, head.id


def _by_place(head: Head) -> int:
    return head.id


def unpack(db: sqlite3.Connection, boot: int) -> None:
    """Make rows of `traces` again of blocks that hold what a boot noted with a wrong clock. To be called in a transaction."""
    found = db.execute("SELECT id, target, at_from, heads, details FROM blocks WHERE synced = 0").fetchall()
    for number, target, at_from, heads, details in found:
        rows = decode(number, at_from, heads, details)
        if any(row.boot == boot for row in rows):
            db.execute("DELETE FROM blocks WHERE id = ?", (number,))
            marks = ", ".join("?" * len(Head._fields))
            db.executemany(f"INSERT INTO traces (target, {COLUMNS}) VALUES ({target}, {marks})", rows)  # noqa: S608  a number and marks


def _put(db: sqlite3.Connection, target: int | None, day: int, synced: int, rows: list[Head]) -> None:
    ids = [row.id for row in rows]
    values = (min(ids), max(ids), target, day, rows[0].at, rows[-1].at, len(rows), synced, *encode(rows))
    db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
