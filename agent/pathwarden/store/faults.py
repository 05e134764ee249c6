"""SQLite's errors as the operator should read them."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathwarden.errors import OperatorError


class StoreError(OperatorError):
    """The history cannot be read or written now; nothing was half done. `code` is SQLite's (sqlite.org/rescode.html)."""

    def __init__(self, problem: str, remedy: str, code: int) -> None:
        super().__init__(problem, remedy)
        self.code = code


_WRITABLE = "make the file and its folder writable for this user, or choose another place with option db"

# By SQLite's primary result code: problem and remedy. What is not here is a fault of ours.
_TEXTS = {
    sqlite3.SQLITE_BUSY: ("the history {path} is locked by another process", "end that process"),
    sqlite3.SQLITE_LOCKED: ("the history {path} is locked by another process", "end that process"),
    sqlite3.SQLITE_FULL: ("no room to write the history {path}", "free some space on its disk, or give it more with option db_max_mb"),
    sqlite3.SQLITE_READONLY: ("cannot write the history {path}: read-only", _WRITABLE),
    sqlite3.SQLITE_PERM: ("cannot write the history {path}: not permitted", _WRITABLE),
    sqlite3.SQLITE_CANTOPEN: ("cannot open the history {path} or its journal", _WRITABLE),
    sqlite3.SQLITE_IOERR: (
        "the disk of the history {path} reports an error ({detail})",
        "check the disk, or choose another with option db",
    ),
    sqlite3.SQLITE_CORRUPT: ("the history {path} is damaged", "restart the daemon: it sets the file aside and starts a new one"),
    sqlite3.SQLITE_NOTADB: ("{path} is not a history", "choose another place with option db"),
}

_CODES = {
    errno.ENOSPC: sqlite3.SQLITE_FULL,
    errno.EDQUOT: sqlite3.SQLITE_FULL,
    errno.EROFS: sqlite3.SQLITE_READONLY,
    errno.EACCES: sqlite3.SQLITE_PERM,
    errno.EPERM: sqlite3.SQLITE_PERM,
    errno.ENOENT: sqlite3.SQLITE_CANTOPEN,
    errno.ENOTDIR: sqlite3.SQLITE_CANTOPEN,
}

# A reader that may not write meets the journal of a daemon that was killed.
_UNFINISHED = (
    "the history {path} holds a write that was cut off, and this user may not undo it",
    "start the daemon, or run this as the user of the daemon",
)


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its refinement in the upper bits; SQLITE_ERROR if it is the module that complains."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def is_unfinished(error: sqlite3.Error) -> bool:
    """Whether a read-only connection met a journal that must be played back first."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_ROLLBACK


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file's content is broken."""
    return primary_code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file and its disk into `StoreError`; let our own mistakes through."""
    try:
        yield
    except sqlite3.Error as error:
        code = primary_code(error)
        texts = _UNFINISHED if is_unfinished(error) else _TEXTS.get(code)
        if texts is None:
            raise
        problem, remedy = texts
        raise StoreError(problem.format(path=path, detail=error), remedy, code) from error


def refused(path: Path, error: OSError) -> StoreError:
    """What the system says to a file beside the history, as if SQLite had met it."""
    code = _CODES.get(error.errno or 0, sqlite3.SQLITE_IOERR)
    problem, remedy = _TEXTS[code]
    return StoreError(problem.format(path=path, detail=(error.strerror or str(error)).lower()), remedy, code)


def unreachable(path: Path, error: OSError) -> OperatorError:
    """What to say when the system refuses the history's folder or one of its files."""
    return OperatorError(f"cannot use {path}: {(error.strerror or str(error)).lower()}", _WRITABLE)
