"""The machine's clocks. A router without a battery starts anywhere in time and learns the hour minutes later.

Rules:
1. Until kernel or hotplug says that a time service steers the clock, the wall clock runs on evenly from where it stood when we started:
   steps made by hand or by a boot script do not reach us.
2. Once it is steered we follow it, and hand out once what that means for the instants noted before (`take_shift`).
3. When it is no longer steered (somebody set it by hand), it runs on evenly from where it was right.
"""

import time
from collections.abc import Callable
from pathlib import Path

from pathwarden.model.instants import ClockShift

_ASK_EVERY_NS = 30_000_000_000  # synchronisation comes once after boot; half a minute late is early enough
_STEP_NS = 500_000_000  # a steered clock is slewed; a jump of this size means that somebody set it
_TIMEX = 512  # bytes; struct timex has 208 on 64-bit machines, and with `modes` 0 adjtimex(2) only reads
# OpenWrt's hotplug script for its time service leaves this file (openwrt/pathwarden/files/pathwarden.ntp); the folder is empty at boot.
_MARKER = Path("/var/run/pathwarden/time-synced")
_UNSYNCHRONISED = 5  # TIME_ERROR, what adjtimex(2) returns while STA_UNSYNC is set


def _since_boot_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)  # goes on while the machine sleeps, which the monotonic clock does not


class TimeService:
    """Whether a time service steers the clock: the kernel says so, or OpenWrt's hotplug script has said so since the last step by hand."""

    def __init__(self, marker: Path = _MARKER) -> None:
        self._marker = marker
        self._outdated: int | None = None  # the time of the script's file when the clock jumped

    def __call__(self, jumped: bool) -> bool:
        """Ask; `jumped` tells that the clock was set by somebody, who may not be the one that the file is of."""
        try:
            marked = self._marker.stat().st_mtime_ns
        except OSError:
            return _kernel_steers()
        if jumped:
            self._outdated = marked
        return marked != self._outdated or _kernel_steers()


def _kernel_steers() -> bool:
    import ctypes  # late: only the daemon asks, and it has pyroute2, which loads ctypes anyway

    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX)))
    except (OSError, AttributeError):
        return False
    return 0 <= state < _UNSYNCHRONISED


class SystemClock:
    """A `Clock` over the kernel's. The prober's thread and any other may use it."""

    def __init__(
        self,
        steered: Callable[[bool], bool] | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
        since_boot_ns: Callable[[], int] = _since_boot_ns,
    ) -> None:
        self._steered = steered or TimeService()
        self._wall_ns = wall_ns
        self._since_boot_ns = since_boot_ns
        self._offset_ns = wall_ns() - since_boot_ns()
        self._asked_ns: int | None = None
        self._synced = False
        self._shift: ClockShift | None = None

    def mono_ns(self) -> int:
        """Monotonic nanoseconds."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Nanoseconds since 1970, as right as we know; never moved by a step that no time service answers for."""
        self.synced()
        return self._since_boot_ns() + self._offset_ns

    def synced(self) -> bool:
        """Whether a time service steers the wall clock (adjtimex(2)); asked every 30 s, and at once when the clock has jumped."""
        boot_ns = self._since_boot_ns()
        offset_ns = self._wall_ns() - boot_ns
        jumped = self._synced and abs(offset_ns - self._offset_ns) > _STEP_NS
        if self._asked_ns is None or boot_ns - self._asked_ns >= _ASK_EVERY_NS or jumped:
            self.ask(jumped=jumped)
        if self._synced:
            self._offset_ns = offset_ns
        return self._synced

    def ask(self, *, jumped: bool = False) -> None:
        """Ask now, as when a time service has just said that it is done, or when the clock has jumped."""
        boot_ns = self._since_boot_ns()
        steered, self._asked_ns = self._steered(jumped), boot_ns
        if steered and not self._synced:
            offset_ns = self._wall_ns() - boot_ns
            until = boot_ns + self._offset_ns
            mono_offset_ns = boot_ns + offset_ns - self.mono_ns()
            self._shift = ClockShift(until - boot_ns, until, offset_ns - self._offset_ns, mono_offset_ns)
            self._offset_ns = offset_ns
        self._synced = steered

    def take_shift(self) -> ClockShift | None:
        """What the clock's becoming right did to earlier instants, once; None if nothing happened."""
        shift, self._shift = self._shift, None
        return shift
