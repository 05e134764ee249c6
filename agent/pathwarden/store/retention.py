"""Keeps the file within its limit.

1. Above HIGH of the limit the oldest traces go until LOW is left. The step between makes this rare: once in days.
2. The newest TRACES_KEPT traces stay while there are events to give up; then the oldest events go, whether sent or not; then traces.
3. Afterwards what no trace refers to any more goes: paths, forms, flows, kernel routes, boots, routes, addresses, and targets without trace
   and event, with their states and what is told of them.
   A route that is seen again comes back with its next trace. Of incidents the writer keeps the newest INCIDENTS_KEPT.
4. Free pages stay in the file for the next traces; they are given back only if the file is larger than its limit, which happens when
   the limit was lowered. To give a page back SQLite moves another, and every move wears the flash.
5. Each step is a transaction of its own, so a reader never waits long.
"""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager

from pathwarden.store.codec import decode_hops
from pathwarden.store.opening import PAGE_SIZE

HIGH = 0.95  # room for the largest usual save above it, also with a limit of 1 MB
LOW = 0.90
# For a batch that does not fit all the same, as after hours without a writable disk: room is made step by step.
SHARES = (LOW, 0.75, 0.5)
TRACES_KEPT = 1000  # about 150 kB: a history without traces would tell nothing, whatever the limit
INCIDENTS_KEPT = 100  # some 100 kB; their events tell as much
_TRACES_A_STEP = 500  # some 70 kB of journal
_EVENTS_A_STEP = 50  # an event takes one or two kB
_PAGES_A_STEP = 128

Transaction = Callable[[], AbstractContextManager[None]]

_DELETE_TRACES = "DELETE FROM traces WHERE id IN (SELECT id FROM traces ORDER BY id LIMIT ?)"
_DELETE_EVENTS = "DELETE FROM events WHERE seq IN (SELECT seq FROM events ORDER BY seq LIMIT ?)"
_DELETE_SENDINGS = "DELETE FROM outbox WHERE seq < (SELECT coalesce(min(seq), 9223372036854775807) FROM events)"

_SWEEP_TRACES = (
    "DELETE FROM paths WHERE id NOT IN (SELECT path FROM traces)",
    "DELETE FROM forms WHERE id NOT IN (SELECT form FROM traces)",
    "DELETE FROM flows WHERE id NOT IN (SELECT flow FROM traces)",
    "DELETE FROM kernel_routes WHERE id NOT IN (SELECT kernel_route FROM flows WHERE kernel_route IS NOT NULL)",
    "DELETE FROM boots WHERE id NOT IN (SELECT boot FROM traces)",
)
_SWEEP_ROUTES = (
    "DELETE FROM routes WHERE id NOT IN (SELECT route FROM traces WHERE route IS NOT NULL)",
    "DELETE FROM states WHERE target NOT IN (SELECT target FROM traces UNION SELECT target FROM events)",
    "DELETE FROM targets WHERE id NOT IN (SELECT target FROM traces UNION SELECT target FROM events)",
    # A row's name is a target's, or a target's with something behind a slash; that of the agent is empty before it.
    "DELETE FROM telling WHERE substr(target || '/', 1, instr(target || '/', '/') - 1) NOT IN (SELECT target FROM targets UNION SELECT '')",
)


def pages(limit_bytes: int) -> int:
    """How many pages fit in a limit."""
    return limit_bytes // PAGE_SIZE


def is_high(db: sqlite3.Connection, limit: int) -> bool:
    """Whether it is time to trim; `limit` in pages."""
    return used(db) > HIGH * limit


def trim(db: sqlite3.Connection, limit: int, share: float, transaction: Transaction, *, keep_routes: bool = False) -> int:
    """Bring the file within `limit` pages, of which `share` stays in use; how many traces and events went.

    `keep_routes` keeps routes, states and targets that no trace refers to.
    """
    gone = 0
    while used(db) > share * limit:
        with transaction():
            step = _delete_oldest(db)
        if step == 0:
            break
        gone += step
    if gone:
        with transaction():
            for statement in _SWEEP_TRACES if keep_routes else _SWEEP_TRACES + _SWEEP_ROUTES:
                db.execute(statement)
            _sweep_addresses(db)
    _shrink(db, limit, transaction)
    # The last guard: SQLite refuses to grow the file further. It cannot be set below the present size, hence after shrinking.
    db.execute(f"PRAGMA max_page_count = {limit}").fetchone()
    return gone


def used(db: sqlite3.Connection) -> int:
    """Pages in use."""
    return _pragma(db, "page_count") - _pragma(db, "freelist_count")


def _delete_oldest(db: sqlite3.Connection) -> int:
    # Numbers only leave at the low end, so first and last tell how many there are without counting.
    (spare,) = db.execute("SELECT coalesce(max(id) - min(id) + 1, 0) - ? FROM traces", (TRACES_KEPT,)).fetchone()
    if spare > 0:
        return db.execute(_DELETE_TRACES, (min(spare, _TRACES_A_STEP),)).rowcount
    events = db.execute(_DELETE_EVENTS, (_EVENTS_A_STEP,)).rowcount
    if events:
        db.execute(_DELETE_SENDINGS)
        return events
    return db.execute(_DELETE_TRACES, (_TRACES_A_STEP,)).rowcount


def _sweep_addresses(db: sqlite3.Connection) -> None:
    known: set[int] = set()
    for (hops,) in db.execute("SELECT hops FROM paths UNION ALL SELECT hops FROM routes"):
        known.update(number for hop in decode_hops(hops, lambda number: number) for number in hop)
    unused = [(number,) for (number,) in db.execute("SELECT id FROM addresses") if number not in known]
    db.executemany("DELETE FROM addresses WHERE id = ?", unused)


def _shrink(db: sqlite3.Connection, limit: int, transaction: Transaction) -> None:
    while _pragma(db, "page_count") > limit and _pragma(db, "freelist_count"):
        with transaction():
            db.execute(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})").fetchall()


def _pragma(db: sqlite3.Connection, name: str) -> int:
    (value,) = db.execute(f"PRAGMA {name}").fetchone()
    return int(value)
