"""A history's place: how much it may still grow there, by its limit and by its disk, and whether it is still there."""

import os
import sqlite3
from pathlib import Path

from pathwarden.store.faults import StoreError, refused
from pathwarden.store.opening import PAGE_SIZE


class Room:
    """What is left of a history's limit (in pages) and of its disk. Methods raise `OSError` where the file is gone."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._file = identity(path)

    def is_another(self) -> bool:
        """Whether another file is there than before: that of a stick that was put back is another one for the system.

        Raises `StoreError` while there is none.
        """
        try:
            file = identity(self._path)
        except FileNotFoundError as error:
            problem, remedy = f"the history {self._path} is gone", "bring its disk back: then all that waits is written"
            raise StoreError(problem, remedy, sqlite3.SQLITE_CANTOPEN) from error
        except OSError as error:
            raise refused(self._path, error) from error
        return file != self._file

    def follow(self) -> None:
        """The file that is there now is the right one."""
        self._file = identity(self._path)

    def free(self) -> int | None:
        """Bytes that are free on the disk; None if it does not say."""
        try:
            disk = os.statvfs(self._path)
        except OSError:
            return None
        return disk.f_bavail * disk.f_frsize

    def left(self) -> int:
        """Bytes by which the file may grow."""
        return self._limit * PAGE_SIZE - self._path.stat().st_size

    def missing(self) -> str:
        """What to say if the disk ends before the limit; '' otherwise, and where nobody can tell."""
        try:
            free, left = self.free(), self.left()
        except OSError:
            return ""
        if free is None or free >= left:
            return ""
        return f"the history {self._path} may grow by {left / 1e6:.1f} MB, but only {free / 1e6:.1f} MB are free on its disk"

    def is_on_disk(self) -> bool:
        """Whether the file could grow to its limit: if so, it was the limit that it met, not the end of the disk."""
        free = self.free()
        return free is not None and free >= self.left()


def identity(path: Path) -> tuple[int, int]:
    """What tells a file from another of the same name."""
    file = path.stat()
    return file.st_dev, file.st_ino
