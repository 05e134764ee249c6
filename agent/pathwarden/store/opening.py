"""Opening the database for writing: make it, check it, bring it up to date, and set a damaged one aside."""

import hashlib
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from pathwarden.store import migrate
from pathwarden.store.faults import StoreError, is_damage, told, unreachable

# A reader holds the file for milliseconds and a flush to a slow card takes seconds: whoever waits longer has met something stuck.
BUSY_S = 10.0
PAGE_SIZE = 1024  # bytes; small pages wear flash least: 96 flushes of 60 rows a day cost 1.0-1.4 MB, with 4096 bytes 2.7-3.5
CACHE_KIB = 512  # the newest pages of table and index of some tens of targets; SQLite's own choice is 2000
_DAMAGED_KEPT = 2  # they are as large as the history, and a router's flash is small

# Keys in meta.
LIMIT_KEY = "limit_bytes"  # the writer's limit, for readers
LIVE_KEY = "live"  # the file of the live database, for readers; not there without one
CLEAN = "clean_end"  # there only while nobody writes


class _Damaged(Exception):
    """The file's content is broken."""


def connect(uri: str) -> sqlite3.Connection:
    """A connection in autocommit mode, for one thread at a time; `uri` as `uri_of` makes it."""
    return sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def uri_of(path: Path, mode: str) -> str:
    """The SQLite URI of a file, whatever characters its path has; `mode` is ro, rw or rwc."""
    return f"{path.absolute().as_uri()}?mode={mode}"


def archive_of(path: Path) -> Path:
    """Where a start without a history looks for one that was packed before an upgrade."""
    return path.with_name(f"{path.name}.upgrade.gz")


def spool_of(path: Path) -> Path:
    """The samples file of a history, whatever links lead there (see `spool`)."""
    return beside(path, ".samples")


def beside(path: Path, ending: str) -> Path:
    """The file of this ending beside a history: by whatever link somebody comes to that, it is one and the same."""
    file = _real(path)
    return file.with_name(file.name + ending)


def _real(path: Path) -> Path:
    # Path.resolve raises for links that lead in a circle; these are for SQLite to refuse.
    return Path(os.path.realpath(path))


def live_name(path: Path) -> str:
    """The name of the live database of a history: several may share a folder, and a copy of a history has none."""
    return f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]}.live"


def live_of(db: sqlite3.Connection, path: Path) -> str | None:
    """The live database that the writer of this file has named; None if there is none, or this is a copy and it is another's."""
    row = db.execute("SELECT value FROM main.meta WHERE key = ?", (LIVE_KEY,)).fetchone()
    return str(row[0]) if row and row[0].endswith(f"/{live_name(path)}") else None


def read_back(path: Path) -> tuple[str, str]:
    """Read an archive beside the place of a history back if there is none; notice and remark about it."""
    if not os.path.exists(archive_of(path)):  # noqa: PTH110 - Path.exists raises where the folder may not be entered
        return "", ""
    from pathwarden.store.pack import unpack  # once in a router's life

    return unpack(path)


def open_for_writing(path: Path) -> tuple[sqlite3.Connection, str]:
    """The database ready to be written, and what the operator must know about it ('' if nothing).

    A file that is damaged moves to `<name>.damaged-<n>`, its journal with it, and a new one is started. Raises `OperatorError` if
    the place cannot be used, and if the file is of another program or of a newer Pathwarden.
    """
    with told(path):
        try:
            return _open(path), ""
        except _Damaged as damage:
            aside = set_aside(path)
            notice = f"the history {path} was damaged ({damage}): it was set aside as {aside}, and a new history was started"
            return _open(path), notice


def open_again(path: Path, database_id: str) -> tuple[sqlite3.Connection, str]:
    """As `open_for_writing`, a file that came back to its place, or a new one that stands for it.

    Raises `StoreError` for another history.
    """
    db, notice = open_for_writing(path)
    with told(path):
        if db.execute("SELECT value FROM meta WHERE key = 'database_id'").fetchone() != (database_id,):
            if db.execute("SELECT 1 FROM targets").fetchone():
                close_after_writing(db, clean=True)
                # The keeper ends with this code: the next start goes on with the history that is there.
                raise StoreError(f"another history lies at {path} now", "the agent starts anew with it", sqlite3.SQLITE_NOTADB)
            db.execute("UPDATE meta SET value = ? WHERE key = 'database_id'", (database_id,))
    return db, notice


def close_after_writing(db: sqlite3.Connection, *, clean: bool) -> None:
    """Close the database; if it ended clean, note that, so that the next opening need not read all of it."""
    if clean:
        # If the note cannot be written, the next opening checks the file: that is the safe side.
        with suppress(sqlite3.Error):
            db.execute("INSERT OR IGNORE INTO meta (key, value) VALUES (?, '')", (CLEAN,))
    db.close()


def _open(path: Path) -> sqlite3.Connection:
    _make_file(path)
    db = connect(uri_of(path, "rw"))
    try:
        _prepare(db, path)
    except BaseException as error:
        db.close()
        if isinstance(error, sqlite3.DatabaseError) and is_damage(error):
            raise _Damaged(str(error)) from error
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    schema = migrate.check(db, path)
    if schema == 0:
        # Both must stand before the first table.
        db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    else:
        _check_after_unclean_end(db)
    db.execute("PRAGMA journal_mode = DELETE").fetchone()
    # Not FULL: with a deleted journal a power cut right after a commit can bring the journal back and undo the commit. EXTRA flushes
    # the folder too (sqlite.org/pragma.html#pragma_synchronous).
    db.execute("PRAGMA synchronous = EXTRA")
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    db.execute("PRAGMA temp_store = MEMORY")
    migrate.migrate(db, schema)
    db.execute("DELETE FROM meta WHERE key = ?", (CLEAN,))


def _check_after_unclean_end(db: sqlite3.Connection) -> None:
    """Read all of the file, but only if its last writer was killed or lost its power: on a slow card it takes a second or two."""
    if db.execute("SELECT 1 FROM meta WHERE key = ?", (CLEAN,)).fetchone():
        return
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _Damaged(" ".join(verdict.split()))


def _make_file(path: Path) -> None:
    """Make folder and file for their owner alone."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Only if it is not there: closing a descriptor of a database drops every lock that this process holds on it (POSIX).
        with suppress(FileExistsError):
            os.close(os.open(_real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise unreachable(path, error) from error


def put_in_place(new: Path, name: Path) -> None:
    """Give a new file its name, on the disk too. Who reads the old one goes on with it."""
    new.replace(name)
    sync_folder(name)


def sync_folder(file: Path) -> None:
    """Bring a file's name to the disk."""
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def set_aside(path: Path) -> Path:
    """Move a file that cannot be used out of the way, with journal and samples; the newest two such files stay. Its new place."""
    path = _real(path)  # a link to it stays, and leads to the new one
    numbers = sorted(int(file.suffix.removeprefix(".damaged-")) for file in _damaged(path))
    aside = path.with_name(f"{path.name}.damaged-{numbers[-1] + 1 if numbers else 1}")
    # Both belong to the damaged file. Beside a new one SQLite would play the journal into that, and the samples would be removed.
    parts = [(of(path), of(aside)) for of in (journal, spool_of)]
    try:
        path.rename(aside)
        for part, place in parts:
            with suppress(FileNotFoundError):
                part.rename(place)
        for number in numbers[: -(_DAMAGED_KEPT - 1)]:
            old = path.with_name(f"{path.name}.damaged-{number}")
            for file in (journal(old), spool_of(old)):
                file.unlink(missing_ok=True)
            old.unlink()
    except OSError as error:
        raise unreachable(path, error) from error
    return aside


def _damaged(path: Path) -> list[Path]:
    prefix = f"{path.name}.damaged-"
    return [file for file in path.parent.iterdir() if file.name.startswith(prefix) and file.name.removeprefix(prefix).isdecimal()]


def journal(path: Path) -> Path:
    """The journal of a database, there only while a write is under way or after one was cut off."""
    return beside(path, "-journal")
