"""The local gate: whether our own side is well enough to blame anybody else.

Rules:
1. Green: the gateway lost less than 20 % of the probes of the last 30 s. Red: it lost more, at least two of them.
2. A gateway that never answered, or that usually leaves one probe in five unanswered (it limits its answers), is no witness: unknown.
   So is one that was not probed within the last 30 s.
3. A new epoch (other uplink, address or gateway) begins anew: what was learned was another gateway.
"""

from collections import deque
from enum import StrEnum

WINDOW_NS = 30_000_000_000
MOST_LOSS = 0.2
LEAST_LOST = 2  # a single lost probe says nothing
MEMORY = 200  # answers that make a habit; older ones fade
_OUTAGE = 4  # silent in a row: an outage, which is no habit
_LEAST_KNOWN = 5  # answers before there is a habit
_SAMPLES = 64  # two a second for the whole window


class GateState(StrEnum):
    """What the gate says."""

    GREEN = "green"
    RED = "red"
    UNKNOWN = "unknown"


class Gate:
    """The gate of one gateway."""

    def __init__(self) -> None:
        self._epoch = ""
        self._begin()

    def _begin(self) -> None:
        self._samples: deque[tuple[int, bool]] = deque(maxlen=_SAMPLES)
        self._hits = 0.0
        self._tries = 0.0
        self._silent = 0  # probes without an answer in a row

    def on_epoch(self, epoch: str) -> None:
        """Probes go out under this epoch (`KernelRoute.epoch`) from now on."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._begin()

    def on_answer(self, answered: bool, mono_ns: int) -> None:
        """The gateway answered a probe, or it did not in time."""
        self._samples.append((mono_ns, answered))
        self._silent = 0 if answered else self._silent + 1
        if self._silent < _OUTAGE:
            fading = min(1.0, MEMORY / (self._tries + 1))
            self._hits, self._tries = (self._hits + answered) * fading, (self._tries + 1) * fading

    def state(self, mono_ns: int) -> GateState:
        """What the gate says at this instant."""
        recent = [answered for at_ns, answered in self._samples if 0 <= mono_ns - at_ns <= WINDOW_NS]
        if not recent or not self._hits:
            return GateState.UNKNOWN
        lost = recent.count(False)
        if lost < MOST_LOSS * len(recent) or lost < LEAST_LOST:
            return GateState.GREEN
        usual = 1 - self._hits / self._tries
        return GateState.UNKNOWN if self._tries >= _LEAST_KNOWN and usual >= MOST_LOSS else GateState.RED
