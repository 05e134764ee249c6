"""Counts the bytes that transactions write to the lasting file and its journal.

A transaction first writes to the journal each page it will change, with 8 bytes more, behind a header of one sector; then it writes the
changed pages and the new ones to the file (sqlite.org/fileformat2.html#the_rollback_journal). So both can be told from the journal's
size and the number of pages in use. The first page, which counts the changes, follows at the end only. Of a file that no transaction
changes there is no journal.
"""

import time
from collections import deque
from pathlib import Path

from pathwarden.store.opening import PAGE_SIZE, journal

A_DAY = 2_000_000  # bytes; a flash of 16 MB that bears 10,000 erasures lasts two centuries, one ten times as worn two decades
_HOUR_S = 3600.0
_HOURS = 24
_JOURNAL_HEADER = 512
_JOURNAL_PAGE = PAGE_SIZE + 8


class Budget:
    """What was written since the opening, and in the last 24 hours of it."""

    def __init__(self, path: Path) -> None:
        self.total = 0
        self._journal = journal(path)
        self._hours: deque[tuple[int, int]] = deque(maxlen=_HOURS)  # hour of the monotonic clock, bytes

    def spend(self, new_pages: int) -> None:
        """A transaction is about to be committed, which takes so many pages more into use."""
        try:
            size = self._journal.stat().st_size
        except OSError:
            return  # nothing was changed
        changed = max(size - _JOURNAL_HEADER, 0) // _JOURNAL_PAGE
        self.add(size + _JOURNAL_PAGE + (changed + 1 + max(new_pages, 0)) * PAGE_SIZE)

    def add(self, written: int) -> None:
        """So many bytes were written to another file beside it."""
        self.total += written
        hour = int(time.monotonic() // _HOUR_S)
        if self._hours and self._hours[-1][0] == hour:
            written += self._hours.pop()[1]
        self._hours.append((hour, written))

    def last_day(self) -> int:
        """Bytes of the last 24 hours."""
        since = time.monotonic() // _HOUR_S - _HOURS
        return sum(written for hour, written in list(self._hours) if hour > since)
