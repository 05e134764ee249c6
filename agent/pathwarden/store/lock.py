"""One daemon per database: a lock file beside it.

The kernel drops the lock when its holder ends, however it ends. The file stays, since removing it could remove another's lock.
"""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pathwarden.errors import DaemonError
from pathwarden.store.faults import unreachable
from pathwarden.store.opening import beside

# `holder` takes the lock for some microseconds to see whether it can; a daemon starting just then tries again.
_ATTEMPTS = 5
_PAUSE_S = 0.02


class Hold:
    """The lock, held until `release` or until the process ends. A context manager."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let another daemon have the database; a second time does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def hold(path: Path) -> Hold:
    """Take the lock of a database. Raises `DaemonError` naming the process that has it, `OperatorError` if no lock file can be made."""
    file = _file(path)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _take(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:
        raise unreachable(file, error) from error
    return Hold(descriptor)


def holder(path: Path) -> int | None:
    """The process that holds the lock of a database, None if nobody does; 0 in the instant before it has written its number."""
    file = _file(path)
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreachable(file, error) from error
    try:
        return None if _lock(descriptor, fcntl.LOCK_SH) else _pid(descriptor)
    finally:
        os.close(descriptor)


def _file(path: Path) -> Path:
    return beside(path, ".lock")


def _take(descriptor: int, path: Path) -> None:
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_S)
        if _lock(descriptor, fcntl.LOCK_EX):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            return
    remedy = "stop it first, or give this one a database of its own with option db"
    raise DaemonError(f"process {_pid(descriptor)} already keeps the history {path}", remedy)


def _lock(descriptor: int, how: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        return True
    return False


def _pid(descriptor: int) -> int:
    text = os.pread(descriptor, 20, 0)
    return int(text) if text.isdigit() else 0
