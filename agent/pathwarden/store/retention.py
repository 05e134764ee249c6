"""Keeps the file within its limit, and what is old in fewer bytes.

1. Traces are kept for RAW_DAYS, then the figures of their hours for HOURLY_DAYS, then those of their days: counted back from the
   newest trace whose clock was right. Without any such, nothing goes by age; what was noted with a wrong clock never does.
2. Above HIGH of the limit the oldest goes until LOW is left, whatever its age: traces become figures, then the hours' figures go, then
   the days', then events, whether sent or not. The step between HIGH and LOW makes this rare.
3. The newest TRACES_KEPT traces stay while there is anything else to give up.
4. Afterwards what nothing refers to any more goes: paths, forms, flows, kernel routes, boots, routes, addresses, and targets without
   trace, figures and event, with their states and what is told of them.
   A route that is seen again comes back with its next trace. Of incidents the writer keeps the newest INCIDENTS_KEPT.
5. Free pages stay in the file for the next traces; they are given back only if the file is larger than its limit, which happens when
   the limit was lowered. To give a page back SQLite moves another, and every move wears the flash.
6. Each step is a transaction of its own, so a reader never waits long.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager

from pathwarden.store import blocks, levels
from pathwarden.store.codec import decode_hops
from pathwarden.store.opening import PAGE_SIZE

RAW_DAYS = 14  # a fault is looked into within days; 20 targets at 5 minutes take 4 MB
HOURLY_DAYS = 90  # a season's evenings can be compared
HIGH = 0.95  # room for the largest usual save above it, also with a limit of 1 MB
LOW = 0.90
# For a batch that does not fit all the same, as after hours without a writable disk: room is made step by step.
SHARES = (LOW, 0.75, 0.5)
TRACES_KEPT = 1000  # about 50 kB: a history without traces would tell nothing, whatever the limit
INCIDENTS_KEPT = 100  # some 100 kB; their events tell as much
_ROLLED_A_STEP = 500  # traces of a target, when room is needed
_ROLLED_A_DAY = 3000  # traces of a target, when they are old: a day at 30 s is one row; a tenth of a second's work
_EVENTS_A_STEP = 50  # an event takes one or two kB
_DAYS_A_STEP = 20  # rows of figures
_PAGES_A_STEP = 128

Transaction = Callable[[], AbstractContextManager[None]]
References = Sequence[AbstractSet[int]]  # in the order of `blocks.references`; () for none

_OLD = "SELECT target, day FROM blocks WHERE target IS NOT NULL AND synced = 1 AND day < ? GROUP BY day, target LIMIT 1"
# In the order of writing, of all targets on the oldest day.
_OLDEST = """
    SELECT target, day FROM blocks WHERE target IS NOT NULL AND last_id <= :last AND day = (
        SELECT day FROM blocks WHERE target IS NOT NULL AND last_id <= :last ORDER BY id LIMIT 1
    ) GROUP BY target
"""
_NEWEST = "SELECT max(coalesce((SELECT max(id) FROM traces), 0), coalesce((SELECT max(last_id) FROM blocks), 0))"
_DELETE_TRACES = f"DELETE FROM traces WHERE id IN (SELECT id FROM traces ORDER BY id LIMIT {_ROLLED_A_STEP})"  # noqa: S608  a number
_DELETE_HOURS = "DELETE FROM hours WHERE id IN (SELECT id FROM hours ORDER BY id LIMIT ?)"
_DELETE_OLD_HOURS = "DELETE FROM hours WHERE id IN (SELECT id FROM days WHERE day < ?)"
_DELETE_DAYS = "DELETE FROM days WHERE id IN (SELECT id FROM days ORDER BY day LIMIT ?)"
_DELETE_EVENTS = "DELETE FROM events WHERE seq IN (SELECT seq FROM events ORDER BY seq LIMIT ?)"
_DELETE_SENDINGS = "DELETE FROM outbox WHERE seq < (SELECT coalesce(min(seq), 9223372036854775807) FROM events)"
# Of the time before everything that is kept, only what was followed when it began.
_DELETE_SPANS = """
    DELETE FROM spans WHERE at < (
        SELECT max(earlier.at) FROM spans AS earlier WHERE earlier.target = spans.target AND earlier.at <= (
            SELECT min(
                coalesce((SELECT min(day) FROM days WHERE days.target = spans.target) * 86400000000000, 9223372036854775807),
                coalesce((SELECT min(at_from) FROM blocks WHERE blocks.target = spans.target), 9223372036854775807),
                coalesce((SELECT min(at) FROM traces WHERE traces.target = spans.target), 9223372036854775807)
            )
        )
    )
"""

# Temporary tables of what blocks refer to: their order is that of `blocks.references`.
_REFERRED = ("flow", "path", "form", "route", "boot")
_SWEEP_TRACES = (
    "DELETE FROM paths WHERE id NOT IN (SELECT path FROM traces UNION SELECT id FROM temp.used_path)",
    "DELETE FROM forms WHERE id NOT IN (SELECT form FROM traces UNION SELECT id FROM temp.used_form)",
    "DELETE FROM flows WHERE id NOT IN (SELECT flow FROM traces UNION SELECT id FROM temp.used_flow)",
    "DELETE FROM kernel_routes WHERE id NOT IN (SELECT kernel_route FROM flows WHERE kernel_route IS NOT NULL)",
    "DELETE FROM boots WHERE id NOT IN (SELECT boot FROM traces UNION SELECT id FROM temp.used_boot)",
)
_KEPT_TARGETS = """
    SELECT target FROM traces UNION SELECT target FROM flows UNION SELECT target FROM blocks WHERE target IS NOT NULL
    UNION SELECT target FROM days UNION SELECT target FROM events
"""
_SWEEP_ROUTES = (
    _DELETE_SPANS,
    f"DELETE FROM spans WHERE target NOT IN ({_KEPT_TARGETS})",  # noqa: S608  constants only
    """DELETE FROM routes WHERE id NOT IN (
        SELECT route FROM traces WHERE route IS NOT NULL UNION SELECT id FROM temp.used_route UNION SELECT route FROM spans)""",
    f"DELETE FROM states WHERE target NOT IN ({_KEPT_TARGETS})",  # noqa: S608  constants only
    f"DELETE FROM targets WHERE id NOT IN ({_KEPT_TARGETS})",  # noqa: S608  constants only
    # A row's name is a target's, or a target's with something behind a slash; that of the agent is empty before it.
    "DELETE FROM telling WHERE substr(target || '/', 1, instr(target || '/', '/') - 1) NOT IN (SELECT target FROM targets UNION SELECT '')",
)


def pages(limit_bytes: int) -> int:
    """How many pages fit in a limit."""
    return limit_bytes // PAGE_SIZE


def is_high(db: sqlite3.Connection, limit: int) -> bool:
    """Whether it is time to trim; `limit` in pages."""
    return used(db) > HIGH * limit


def pack(db: sqlite3.Connection, transaction: Transaction) -> None:
    """Put rows that wait into blocks until few enough are left."""
    while blocks.enough(db):
        with transaction():
            blocks.pack(db)


def age(db: sqlite3.Connection, now: int, transaction: Transaction, kept: References = ()) -> None:
    """Make figures of what is too old at the instant `now`: that of a trace whose clock was right (rule 1); for `kept` see `trim`."""
    today = now // blocks.DAY_NS
    rolled = False
    while old := db.execute(_OLD, (today - RAW_DAYS,)).fetchone():
        with transaction():
            levels.roll(db, old[0], old[1], _ROLLED_A_DAY)
        rolled = True
    if rolled:
        with transaction():
            db.execute(_DELETE_OLD_HOURS, (today - RAW_DAYS - HOURLY_DAYS,))
            sweep_traces(db, kept)


def trim(
    db: sqlite3.Connection, limit: int, share: float, transaction: Transaction, *, keep_routes: bool = False, kept: References = ()
) -> int:
    """Bring the file within `limit` pages, of which `share` stays in use; how many traces and events went.

    `keep_routes` keeps routes, states and targets that no trace refers to; `kept` is what traces outside of the file refer to.
    """
    gone = 0
    if used(db) > share * limit:
        pack(db, transaction)
    while used(db) > share * limit:
        step = _give_up_oldest(db, transaction)
        if step is None:
            break
        gone += step
    if gone:
        with transaction():
            _sweep(db, _SWEEP_TRACES if keep_routes else _SWEEP_TRACES + _SWEEP_ROUTES, kept)
    _shrink(db, limit, transaction)
    # The last guard: SQLite refuses to grow the file further. It cannot be set below the present size, hence after shrinking.
    db.execute(f"PRAGMA max_page_count = {limit}").fetchone()
    return gone


def used(db: sqlite3.Connection) -> int:
    """Pages in use."""
    return _pragma(db, "page_count") - _pragma(db, "freelist_count")


def _give_up_oldest(db: sqlite3.Connection, transaction: Transaction) -> int | None:
    """One step of rule 2; how many traces and events went, None if there is nothing left."""
    (newest,) = db.execute(_NEWEST).fetchone()
    for last in (newest - TRACES_KEPT, newest):
        gone = 0
        for target, day in db.execute(_OLDEST, {"last": last}).fetchall():
            with transaction():
                gone += levels.roll(db, target, day, _ROLLED_A_STEP, last=last)
        if gone:
            return gone
        with transaction():
            if db.execute(_DELETE_HOURS, (_DAYS_A_STEP,)).rowcount or db.execute(_DELETE_DAYS, (_DAYS_A_STEP,)).rowcount:
                return 0
            events = db.execute(_DELETE_EVENTS, (_EVENTS_A_STEP,)).rowcount
            if events:
                db.execute(_DELETE_SENDINGS)
                return events
    with transaction():
        return db.execute(_DELETE_TRACES).rowcount or None


def sweep_traces(db: sqlite3.Connection, kept: References = ()) -> None:
    """Take out what no trace refers to, but for routes and targets; for `kept` see `trim`. To be called in a transaction."""
    _sweep(db, _SWEEP_TRACES, kept)


def _sweep(db: sqlite3.Connection, statements: Iterable[str], kept: References) -> None:
    used_by_blocks: list[set[int]] = [set(numbers) for numbers in kept or ((),) * len(_REFERRED)]
    for (heads,) in db.execute("SELECT heads FROM blocks"):
        for known, found in zip(used_by_blocks, blocks.references(heads), strict=True):
            known.update(found)
    for name, numbers in zip(_REFERRED, used_by_blocks, strict=True):
        db.execute(f"CREATE TEMP TABLE IF NOT EXISTS used_{name} (id INTEGER PRIMARY KEY)")
        db.execute(f"DELETE FROM temp.used_{name}")  # noqa: S608  names of ours
        db.executemany(f"INSERT INTO temp.used_{name} VALUES (?)", [(number,) for number in numbers])  # noqa: S608  names of ours
    for statement in statements:
        db.execute(statement)
    _sweep_addresses(db)


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
