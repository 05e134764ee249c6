"""A target's traces in one snapshot, wherever they lie: rows of the lasting and of the live database, and blocks."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from pathwarden.model.history import StoredTrace
from pathwarden.store.blocks import COLUMNS, MIXED, SPREAD, Head, decode, holds, samples
from pathwarden.store.rows import Content, Meanings
from pathwarden.store.spool import Block, Spooled

# SQLite's integers end here: bounds for "no bound".
FIRST = -(2**63)
LAST = 2**63 - 1

_HEAD = f"SELECT {COLUMNS} FROM {{0}}.traces"  # noqa: S608  constants only
_BLOCK = "SELECT id, at_from, heads, details FROM main.blocks"
_SAMPLE = "SELECT at, route, rtt_min, rtt_median, rtt_max, sent, lost FROM {0}.traces WHERE target = ? AND id > ? AND at >= ? AND at < ?"
_COLUMNS = "SELECT id, at_from, heads FROM main.blocks"
_MIXED = f"{_BLOCK} WHERE {MIXED} AND at_to >= ? AND at_from <= ?"
_WITHIN = "target = ? AND at_to >= ? AND at_from <= ?"

Told = tuple[Head, Content]  # a row, and what its numbers mean: a tenth of the memory of the trace that it is


class Sample(NamedTuple):
    """What a series needs of a trace; RTTs to the destination in steps of 0.01 ms, None if it did not answer."""

    at: int
    route_id: str | None
    rtt_min: int | None
    rtt_median: int | None
    rtt_max: int | None
    sent: int
    lost: int


class _Place(NamedTuple):
    """Rows of `traces` in one database, and a target there; those up to `after` lie in the other one already."""

    meanings: Meanings
    schema: str
    target: int
    after: int


class Past:
    """One snapshot of the lasting database and of a live one beside it.

    Of each target's traces in the live one only those count that are newer than the last that the lasting one has: both hold a trace
    between two flushes. Where the live one is gone, `spooled` stands for it: what was read of the samples file before the snapshot; `texts`
    are those in it. That file may have a trace twice: when it was begun anew, and a power cut brought the end of what was there before
    back.
    """

    def __init__(self, db: sqlite3.Connection, spooled: Spooled | None = None) -> None:
        self.db = db
        self.texts = [] if spooled is None else spooled.texts
        self._spooled: Sequence[Block] = () if spooled is None else spooled.blocks
        self._unpacked: dict[bytes, dict[int, list[tuple[int, ...]]]] = {}
        self.main = Meanings(db)
        self.live = Meanings(db, "live") if has_live(db) else None

    def target(self, tid: str) -> tuple[int, int] | None:
        """A target's number in the lasting database, and the number of its last trace there (FIRST: none)."""
        row = self.db.execute("SELECT id, latest FROM main.targets WHERE target = ?", (tid,)).fetchone()
        return row and (row[0], FIRST if row[1] is None else row[1])

    def find(self, number: int) -> tuple[Meanings, Head] | None:
        """The row of a trace."""
        for meanings, schema in self.places():
            row = self.db.execute(f"{_HEAD.format(schema)} WHERE id = ?", (number,)).fetchone()
            if row:
                return meanings, Head(*row)
        near = self.db.execute(f"{_BLOCK} WHERE id BETWEEN ? AND ? AND last_id >= ?", (number - SPREAD, number, number))
        for block in chain(near, self._spooled):
            if holds(block[0], block[2], number):
                return self.main, next(head for head in decode(*block) if head.id == number)
        return None

    def trace(self, number: int) -> StoredTrace | None:
        """One trace."""
        found = self.find(number)
        return found and found[0].trace(found[1])

    def latest(self, tid: str) -> StoredTrace | None:
        """The trace of a target that was written last."""
        statement = "SELECT latest FROM {0}.targets WHERE target = ?"
        numbers = [self.db.execute(statement.format(schema), (tid,)).fetchone() for schema in self.schemas()]
        spooled = [row.id for block in self._spooled for row in decode(*block, flows=self._flows(tid))]
        newest = max((*(row[0] for row in numbers if row and row[0] is not None), *spooled), default=None)
        return None if newest is None else self.trace(newest)

    def newest(self, tid: str, at_from: int, at_to: int, before: tuple[int, int], limit: int) -> list[Told]:
        """Traces that started in [at_from, at_to] before one (its start and number), newest start first, for `rows.to_trace`."""
        return _told(self._rows(tid, at_from, min(at_to, before[0]), ("<", before), limit))

    def oldest(self, tid: str, at_to: int, after: tuple[int, int], limit: int) -> list[Told]:
        """Traces that started up to `at_to` and after one (its start and number), oldest start first, likewise."""
        return _told(self._rows(tid, after[0], at_to, (">", after), limit))

    def samples(self, tid: str, at_from: int, at_to: int) -> Iterator[Sample]:
        """Samples of [at_from, at_to) in no order."""
        for meanings, schema, target, after in self._rows_of(tid):
            for at, route, *rest in self.db.execute(_SAMPLE.format(schema), (target, after, at_from, at_to)):
                yield Sample(at, None if route is None else meanings.route_id(route), *rest)
        known = self.target(tid)
        if known is None:
            return
        blocks = self.db.execute(f"{_COLUMNS} WHERE {_WITHIN}", (known[0], at_from, at_to - 1))
        own = (row for block in blocks for row in zip(*samples(*block), strict=True))
        for _, _, at, route, *rtts, sent, lost in chain(self._mixed_samples(tid, known[1], at_from, at_to), own):
            if at_from <= at < at_to:
                least, median, greatest = (None if rtt < 0 else rtt for rtt in rtts)
                yield Sample(at, self.main.route_id(route) if route else None, least, median, greatest, sent, lost)

    def _mixed_samples(self, tid: str, latest: int, at_from: int, at_to: int) -> Iterator[tuple[int, ...]]:
        """A target's rows of `blocks.samples`, of the mixed blocks and of the samples file."""
        flows = self._flows(tid)
        mixed = self.db.execute(f"{_COLUMNS} WHERE {MIXED} AND at_to >= ? AND at_from < ?", (at_from, at_to))
        kept = (row for block in mixed for row in self._of_flows(block, flows))
        return chain(kept, {row[0]: row for block in self._spooled for row in self._of_flows(block[:3], flows) if row[0] > latest}.values())

    def _of_flows(self, block: tuple[int, int, bytes], flows: Iterable[int]) -> Iterator[tuple[int, ...]]:
        """The rows of some flows; a block is unpacked once for all targets."""
        if block[2] not in self._unpacked:
            by_flow = self._unpacked[block[2]] = defaultdict(list)
            for row in zip(*samples(*block), strict=True):
                by_flow[row[1]].append(row)
        return chain.from_iterable(self._unpacked[block[2]].get(flow, ()) for flow in flows)

    def waiting(self) -> list[int]:
        """When each trace started that the samples file has and the history has not; nothing where the live database is there."""
        latest = dict(self.db.execute("SELECT flows.id, coalesce(latest, 0) FROM flows JOIN targets ON targets.id = flows.target"))
        rows = (row for block in self._spooled for row in zip(*samples(*block[:3]), strict=True))
        return list({number: at for number, flow, at, *_ in rows if flow in latest and number > latest[flow]}.values())

    def heads(self, tid: str, at_from: int, at_to: int) -> Iterator[tuple[Meanings, Head]]:
        """Rows of [at_from, at_to) in no order."""
        for meanings, schema, target, after in self._rows_of(tid):
            where = "target = ? AND id > ? AND at >= ? AND at < ?"
            for row in self.db.execute(f"{_HEAD.format(schema)} WHERE {where}", (target, after, at_from, at_to)):
                yield meanings, Head(*row)
        known = self.target(tid)
        if known is None:
            return
        for row in self._mixed(tid, at_from, at_to - 1):
            yield self.main, row
        for block in self.db.execute(f"{_BLOCK} WHERE {_WITHIN}", (known[0], at_from, at_to - 1)):
            yield from ((self.main, row) for row in decode(*block) if at_from <= row.at < at_to)

    def _rows(self, tid: str, at_from: int, at_to: int, beyond: tuple[str, tuple[int, int]], limit: int) -> list[tuple[Meanings, Head]]:
        """Rows beyond one, the nearest to it first."""
        sign, bound = beyond
        back = sign == "<"
        order = "DESC" if back else "ASC"
        where = f"target = ? AND id > ? AND at BETWEEN ? AND ? AND (at, id) {sign} (?, ?) ORDER BY at {order}, id {order} LIMIT ?"
        found: list[tuple[Meanings, Head]] = []
        for meanings, schema, target, after in self._rows_of(tid):
            values = (target, after, at_from, at_to, *bound, limit)
            found += [(meanings, Head(*row)) for row in self.db.execute(f"{_HEAD.format(schema)} WHERE {where}", values)]
        key = attrgetter("at", "id")
        found += [(self.main, row) for row in self._mixed(tid, at_from, at_to) if (key(row) < bound if back else key(row) > bound)]
        for nearest_at, number in self._blocks(tid, at_from, at_to, back=back):
            found.sort(key=lambda row: key(row[1]), reverse=back)
            del found[limit:]
            if len(found) == limit and (found[-1][1].at > nearest_at if back else found[-1][1].at < nearest_at):
                break
            block = decode(*self.db.execute(f"{_BLOCK} WHERE id = ?", (number,)).fetchone())
            rows = [row for row in block if at_from <= row.at <= at_to]
            found += [(self.main, row) for row in rows if (key(row) < bound if back else key(row) > bound)]
        found.sort(key=lambda row: key(row[1]), reverse=back)
        return found[:limit]

    def _blocks(self, tid: str, at_from: int, at_to: int, *, back: bool) -> list[tuple[int, int]]:
        """A target's blocks in reach: where each begins, seen from where we come, and its number; the nearest first."""
        known = self.target(tid)
        if known is None:
            return []
        column = "at_to" if back else "at_from"
        found = self.db.execute(f"SELECT {column}, id FROM main.blocks WHERE {_WITHIN}", (known[0], at_from, at_to))  # noqa: S608
        return sorted(found, reverse=back)

    def _mixed(self, tid: str, at_from: int, at_to: int) -> list[Head]:
        """A target's rows of the mixed blocks and of the samples file that started in [at_from, at_to]."""
        known, flows = self.target(tid), self._flows(tid)
        if known is None:
            return []
        mixed: Iterable[Block] = self.db.execute(_MIXED, (at_from, at_to))
        rows = [row for block in mixed for row in decode(*block, flows=flows)]
        rows += {row.id: row for block in self._spooled for row in decode(*block, flows=flows) if row.id > known[1]}.values()
        return [row for row in rows if at_from <= row.at <= at_to]

    def _flows(self, tid: str) -> set[int]:
        statement = "SELECT flows.id FROM main.targets CROSS JOIN main.flows ON flows.target = targets.id WHERE targets.target = ?"
        return {number for (number,) in self.db.execute(statement, (tid,))}

    def schemas(self) -> list[str]:
        """The names of the databases, the lasting one first."""
        return [schema for _, schema in self.places()]

    def places(self) -> list[tuple[Meanings, str]]:
        """The databases, the lasting one first."""
        return [(self.main, "main"), *([] if self.live is None else [(self.live, "live")])]

    def _rows_of(self, tid: str) -> list[_Place]:
        known = self.target(tid)
        places = [] if known is None else [_Place(self.main, "main", known[0], FIRST)]
        if self.live is not None:
            row = self.db.execute("SELECT id FROM live.targets WHERE target = ?", (tid,)).fetchone()
            if row:
                places.append(_Place(self.live, "live", row[0], FIRST if known is None else known[1]))
        return places


def _told(rows: list[tuple[Meanings, Head]]) -> list[Told]:
    return [(head, meanings.content(head)) for meanings, head in rows]


def has_live(db: sqlite3.Connection) -> bool:
    """Whether a live database is attached."""
    return db.execute("SELECT 1 FROM pragma_database_list WHERE name = 'live'").fetchone() is not None
