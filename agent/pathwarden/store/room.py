"""How much a history may still grow: by its limit, and by its disk."""

import os
from pathlib import Path

from pathwarden.store.opening import PAGE_SIZE


class Room:
    """What is left of a history's limit (in pages) and of its disk. Methods raise `OSError` where the file is gone."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit

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
