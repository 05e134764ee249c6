"""Instants from before the clock was right, and what they become."""

from typing import NamedTuple


class ClockShift(NamedTuple):
    """The wall clock became right: instants noted between `since` and `until` by the wrong one are `by_ns` later in truth.

    `mono_offset_ns` added to a monotonic time of this boot gives the right instant.
    """

    since: int
    until: int
    by_ns: int
    mono_offset_ns: int

    def of(self, at: int) -> int:
        """The right instant for one that was noted; others stay as they are."""
        return at + self.by_ns if self.since <= at <= self.until else at


def since_boot(mono_offset_ns: int) -> ClockShift:
    """For a start with the right clock: it moves nothing but traces, of which an earlier life of this boot knew the monotonic time."""
    return ClockShift(0, -1, 0, mono_offset_ns)
