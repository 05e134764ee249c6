"""The history as a small archive, to go with a firmware upgrade, and back; and as a plain copy.

Rules:
1. `pack` copies one state of the database into a scratch folder and works on the copy; the history itself is only read. What waits in
   memory is in the copy, too.
2. What does not fit goes by `retention`'s rules, oldest traces first; the routes stay, since they are small and tell the usual path.
3. An archive appears under its name only when all of it is on the disk; so does a history that was read back.
4. `unpack` never touches a history that is there. What it cannot use it sets aside once, and says so: the next start finds nothing.
"""

import gzip
import os
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pathwarden.errors import OperatorError
from pathwarden.store import migrate, retention
from pathwarden.store.faults import StoreError, is_damage, primary_code, told, unreachable
from pathwarden.store.live import copy as copy_live
from pathwarden.store.opening import CLEAN, LIVE_KEY, archive_of, connect, journal, live_of, put_in_place, set_aside, uri_of
from pathwarden.store.reader import Reader
from pathwarden.store.spool import read as read_spool
from pathwarden.store.spool import take_in
from pathwarden.store.tables import Tables

MOST_BYTES = 4_000_000  # an upgrade of a Raspberry Pi carries its backup over in a 64 MiB boot partition, beside the kernel
# What an archive may become: gzip makes a history 3 to 6 times smaller, and anything a hundred times.
MOST_UNPACKED = 16 * MOST_BYTES
_MARGIN = 0.95  # older traces compress a little otherwise than newer ones; with it the second attempt nearly always fits
_CHUNK = 64 * 1024
_COUNT = "SELECT (SELECT count(*) FROM traces) + (SELECT coalesce(sum(traces), 0) FROM blocks)"
_ELSEWHERE = "name a place with room that this user may write"
_MORE_ROOM = "free some, or set TMPDIR to a folder with room"


class Packed(NamedTuple):
    """An archive: its size, the traces in it, and how many of the oldest traces and events found no room."""

    size_bytes: int
    traces: int
    left_out: int


class Unpacked(NamedTuple):
    """What a start found: `notice` is loud (an archive that cannot be used), `remark` is for the log; '' if there is nothing to say."""

    notice: str = ""
    remark: str = ""


class _Unusable(Exception):
    """The archive's content is not a history that this version can go on with."""


def pack(db: Path, out: Path, max_bytes: int, scratch: Path) -> Packed:
    """Write a consistent copy of the history to `out`, compressed to at most `max_bytes`; a file of that name is replaced.

    The daemon may run meanwhile; its writes wait while the database is copied into `scratch`, a folder that may be memory. Raises
    `OperatorError` if there is no history, no room, or nothing small enough.
    """
    with Reader(db):  # undoes a write that was cut off, and says what is wrong with a file that cannot be read
        pass
    if out.exists() and out.samefile(db):
        raise OperatorError(f"{out} is the history itself", "name another file")
    _check_room(db, scratch, max_bytes)
    try:
        folder = tempfile.TemporaryDirectory(prefix="pathwarden-", dir=scratch)
    except OSError as error:
        raise unreachable(scratch, error) from error
    with folder as name:
        small = Path(name) / "copy.gz"
        with _in_scratch(scratch):
            traces, left_out = _make_small(db, Path(name) / "copy.db", small, max_bytes)
        _deliver(small, out)
    return Packed(out.stat().st_size, traces, left_out)


def backup(db: Path, out: Path) -> Packed:
    """Write a consistent copy of the history to `out`, as large as it is; a file of that name is replaced. The daemon may run meanwhile."""
    with Reader(db):
        pass
    if out.exists() and out.samefile(db):
        raise OperatorError(f"{out} is the history itself", "name another file")
    new = out.with_name(f"{out.name}.new")
    try:
        try:
            with _new_file(new), told(db), closing(connect(uri_of(new, "rw"))) as target:
                _copy(db, target)
                (traces,) = target.execute(_COUNT).fetchone()
            put_in_place(new, out)
        finally:
            new.unlink(missing_ok=True)
    except StoreError as error:
        if error.code != sqlite3.SQLITE_FULL:
            raise
        raise OperatorError(f"cannot write {out}: no room", _ELSEWHERE) from error
    except OSError as error:
        raise OperatorError(f"cannot write {out}: {_reason(error)}", _ELSEWHERE) from error
    return Packed(out.stat().st_size, traces, 0)


def vacuum(db: Path) -> tuple[int, int]:
    """Write the history anew without the pages that nothing uses; its size before and after. To be called under its lock.

    The disk needs as much room again meanwhile. Raises `OperatorError`.
    """
    with Reader(db):
        pass
    before = db.stat().st_size
    with told(db), closing(connect(uri_of(db, "rw"))) as history:
        _check_whole(history)
        migrate.check(history, db)
        history.execute("VACUUM")
    return before, db.stat().st_size


def problems(db: Path) -> list[str]:
    """What is wrong with the pages, rows and indexes of a history; every page of it is read. Raises `OperatorError` if that cannot be."""
    with Reader(db):
        pass
    with told(db), closing(connect(uri_of(db, "ro"))) as history:
        try:
            found = [" ".join(str(verdict).split()) for (verdict,) in history.execute("PRAGMA integrity_check")]
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return [str(error)]
    return [] if found == ["ok"] else found


def unpack(db: Path, most_bytes: int = MOST_UNPACKED) -> Unpacked:
    """If there is no history but an archive, make it the history and remove it. To be called under the history's lock.

    Raises `OperatorError` if there is no room for it, or the place cannot be used: archive and place are as before then.
    """
    archive = archive_of(db)
    try:
        if not archive.exists():
            return Unpacked()
        if db.exists() and db.stat().st_size:
            return Unpacked(remark=f"{archive} is not read back, since there is a history: remove one of the two")
        try:
            _restore(archive, db, most_bytes)
        except _Unusable as reason:
            aside = set_aside(archive)
            return Unpacked(
                notice=f"the archive {archive} cannot be read back ({reason}): it was set aside as {aside}, and a new history was started"
            )
        archive.unlink()
    except OSError as error:
        raise unreachable(archive, error) from error
    return Unpacked(remark=f"the history was read back from {archive}")


# Packing


def _check_room(db: Path, scratch: Path, max_bytes: int) -> None:
    """The copy and the archive must fit in the scratch folder, and in memory if that is where it lies."""
    try:
        disk = os.statvfs(scratch)
        free = disk.f_bavail * disk.f_frsize
        # Device number 0: no disk below it, so it is memory, as /tmp is on OpenWrt.
        if os.major(scratch.stat().st_dev) == 0:
            free = min(free, _free_memory())
        size = db.stat().st_size
    except OSError as error:
        raise unreachable(scratch, error) from error
    need = size + min(size, max_bytes)
    if free < need:
        problem = f"packing needs {need / 1e6:.1f} MB in {scratch}, and {free / 1e6:.1f} MB are free"
        raise OperatorError(problem, _MORE_ROOM)


def _free_memory() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/meminfo does not tell the free memory")


@contextmanager
def _in_scratch(scratch: Path) -> Iterator[None]:
    """Say whose room it was that others took meanwhile: not that of the history."""
    try:
        yield
    except StoreError as error:
        if error.code != sqlite3.SQLITE_FULL:
            raise
        raise OperatorError(f"no room left in {scratch} to pack the history", _MORE_ROOM) from error
    except OSError as error:
        raise OperatorError(f"cannot pack the history in {scratch}: {_reason(error)}", _MORE_ROOM) from error


def _make_small(db: Path, copy: Path, small: Path, max_bytes: int) -> tuple[int, int]:
    """Copy the history, and leave out the oldest until the archive fits; traces in it, and what was left out."""
    with told(db), closing(connect(uri_of(copy, "rwc"))) as target:
        _copy(db, target)
        left_out, limit = 0, retention.used(target)
        while True:
            left_out += retention.trim(target, limit, 1.0, lambda: _transaction(target), keep_routes=True)
            if retention.used(target) > limit:
                raise OperatorError(f"the history cannot be packed in {max_bytes} bytes", "")
            share = _compress(copy, small, max_bytes)
            if share >= 1:
                (traces,) = target.execute(_COUNT).fetchone()
                return traces, left_out
            limit = int(retention.used(target) * share * _MARGIN)


def _copy(db: Path, target: sqlite3.Connection) -> None:
    # It is thrown away if anything fails: a journal would only take memory.
    target.execute("PRAGMA journal_mode = OFF").fetchone()
    target.execute("PRAGMA synchronous = OFF")
    with closing(connect(uri_of(db, "ro"))) as source:
        spooled = read_spool(db, source)
        # In a transaction of its own: without it `backup` waits for ever for whoever holds the file.
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_schema").fetchone()
        source.backup(target)
    _check_whole(target)
    if spooled:
        with _transaction(target):
            take_in(Tables(target), spooled)
    live = live_of(target, db)
    if live is not None and Path(live).exists():
        with closing(connect(uri_of(Path(live), "ro"))) as memory, _transaction(target):
            memory.execute("BEGIN")
            copy_live(memory, Tables(target), None, states=True, unsynced=True)
    # So that whoever reads it back checks all of it, and looks for nothing in memory.
    target.execute("DELETE FROM meta WHERE key IN (?, ?)", (CLEAN, LIVE_KEY))


def _check_whole(db: sqlite3.Connection) -> None:
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        error = sqlite3.DatabaseError(" ".join(verdict.split()))
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN")
    yield
    db.execute("COMMIT")


def _compress(file: Path, small: Path, max_bytes: int) -> float:
    """Compress a file; 1 if all of it fits, otherwise the share of it that did."""
    size, done = file.stat().st_size, 0
    with file.open("rb") as source, small.open("wb") as target:
        with gzip.GzipFile("", "wb", 6, target, mtime=0) as packer:
            while chunk := source.read(_CHUNK):
                packer.write(chunk)
                if target.tell() > max_bytes:
                    return done / size
                done += len(chunk)
        return 1 if target.tell() <= max_bytes else max_bytes / target.tell()


def _deliver(small: Path, out: Path) -> None:
    new = out.with_name(f"{out.name}.new")
    try:
        try:
            with small.open("rb") as source, _new_file(new) as target:
                shutil.copyfileobj(source, target, _CHUNK)
            put_in_place(new, out)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise OperatorError(f"cannot write {out}: {_reason(error)}", _ELSEWHERE) from error


# Unpacking


def _restore(archive: Path, db: Path, most_bytes: int) -> None:
    new = db.with_name(f"{db.name}.new")
    try:
        try:
            with archive.open("rb") as source, _new_file(new) as target:
                _decompress(source, target, most_bytes)
            _check_history(new, archive)
            # A journal without its database belongs to one that is gone; SQLite would play it into this one.
            journal(db).unlink(missing_ok=True)
            put_in_place(new, db)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        problem = f"the history cannot be read back from {archive}: {_reason(error)}"
        raise OperatorError(problem, "make room on that disk, or remove the archive to begin a new history") from error


def _decompress(source: BinaryIO, target: BinaryIO, most_bytes: int) -> None:
    done = 0
    unpacker = gzip.GzipFile(fileobj=source, mode="rb")
    while chunk := _next_chunk(unpacker):
        done += len(chunk)
        if done > most_bytes:
            raise _Unusable(f"it becomes larger than {most_bytes // 1_000_000} MB")
        target.write(chunk)


def _next_chunk(unpacker: gzip.GzipFile) -> bytes:
    # Here alone: to gzip what is no gzip is an OSError, as a full disk is.
    try:
        return unpacker.read(_CHUNK)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _Unusable(str(error)) from error


def _check_history(new: Path, archive: Path) -> None:
    with told(new), closing(connect(uri_of(new, "rw"))) as db:
        try:
            schema = migrate.check(db, archive)
            if not schema:
                raise _Unusable("it is empty")
            _check_whole(db)
            migrate.migrate(db, schema)
            # A daemon on other tables would end with a fault of ours, at every start.
            if _tables(db) != _own_tables():
                raise _Unusable("its tables are not those of a history")
        except StoreError:
            raise
        except OperatorError as error:
            problem, _, _ = str(error).partition("; ")
            raise _Unusable(problem) from error
        except sqlite3.Error as error:
            if not is_damage(error) and primary_code(error) != sqlite3.SQLITE_ERROR:
                raise
            raise _Unusable(str(error)) from error


def _tables(db: sqlite3.Connection) -> set[tuple[str, str, str]]:
    return set(db.execute("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"))


def _own_tables() -> set[tuple[str, str, str]]:
    with closing(connect("file::memory:")) as db:
        migrate.migrate(db, 0)
        return _tables(db)


# Files


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file for its owner alone, on the disk when the context ends."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
