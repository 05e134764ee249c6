"""The machine's clocks, and whether the wall clock is known to be right."""

import time

_ASK_EVERY_NS = 30_000_000_000  # synchronisation comes once after boot; half a minute late is early enough
_TIMEX = 512  # bytes; struct timex has 208 on 64-bit machines, and with `modes` 0 adjtimex(2) only reads
_UNSYNCHRONISED = 5  # TIME_ERROR, what adjtimex(2) returns while STA_UNSYNC is set


class SystemClock:
    """A `Clock` over the kernel's."""

    def __init__(self) -> None:
        self._synced = False
        self._asked_ns = 0

    def mono_ns(self) -> int:
        """Monotonic nanoseconds."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Nanoseconds since 1970; may step."""
        return time.time_ns()

    def synced(self) -> bool:
        """Whether a time service steers the wall clock (adjtimex(2)); asked again every 30 s. False if it cannot be asked."""
        mono_ns = time.monotonic_ns()
        if not self._asked_ns or mono_ns - self._asked_ns >= _ASK_EVERY_NS:
            self._asked_ns = mono_ns
            self._synced = _ask()
        return self._synced


def _ask() -> bool:
    import ctypes  # late: only the daemon asks, and it has pyroute2, which loads ctypes anyway

    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX)))
    except (OSError, AttributeError):
        return False
    return 0 <= state < _UNSYNCHRONISED
