"""Own load: whether the household filled its line.

Rules:
1. A rate is the mean over at least 5 s. Counters that went backwards begin anew (the device was made anew).
2. What a line can carry is the ceiling that was met: the highest rate, once it was reached (within 10 %) in
   three separate bursts a minute or more apart. A rate that occurred once says nothing about the line.
3. A line is full while a rate is at least 90 % of what it can carry.
4. A ceiling that was not met for a week is forgotten: lines change.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

LEAST_NS = 5_000_000_000
FULL = 0.9
AGAIN_NS = 60_000_000_000
MET = 3
FORGET_NS = 7 * 86_400_000_000_000
NEAR_NS = 20_000_000_000  # two samples of an idle agent before a change
LEAST_CEILING = 1_000_000 / 8  # bytes a second: no line of today is slower, so less is idle chatter
_SAMPLES = 16
_DEVICES = 64  # more than any router has uplinks


class Full(NamedTuple):
    """A full line: device, direction ('down' or 'up'), rate and what the line can carry, in bytes a second."""

    device: str
    direction: str
    rate: float
    ceiling: float


class _Sample(NamedTuple):
    mono_ns: int
    rx: int
    tx: int


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The highest rate (bytes a second), how often it was met, and when last."""

    rate: float = 0.0
    met: int = 0
    last_ns: int = 0

    def after(self, rate: float, mono_ns: int) -> "Ceiling":
        """The ceiling after this rate was measured."""
        known = Ceiling() if mono_ns - self.last_ns > FORGET_NS else self
        if rate < LEAST_CEILING or rate < FULL * known.rate:
            return known
        if rate * FULL > known.rate:
            return Ceiling(rate, 1, mono_ns)
        again = mono_ns - known.last_ns >= AGAIN_NS
        return replace(known, rate=max(rate, known.rate), met=min(known.met + again, MET), last_ns=mono_ns)


@dataclass(slots=True)
class _Line:
    samples: deque[_Sample] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    down: Ceiling = field(default_factory=Ceiling)
    up: Ceiling = field(default_factory=Ceiling)


class Load:
    """The load of each uplink."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    def on_counters(self, device: str, rx: int, tx: int, mono_ns: int) -> None:
        """The device has received and sent so many bytes since it exists."""
        line = self._line(device)
        last = line.samples[-1] if line.samples else None
        if last and mono_ns <= last.mono_ns:
            return
        if last and (rx < last.rx or tx < last.tx):
            line.samples.clear()
        line.samples.append(_Sample(mono_ns, rx, tx))
        rates = _rate(line.samples, len(line.samples) - 1)
        if rates:
            line.down, line.up = line.down.after(rates[0], mono_ns), line.up.after(rates[1], mono_ns)

    def full(self, device: str, mono_ns: int) -> Full | None:
        """Whether the line was full at, or within 20 s before this instant; None if not, or if nobody knows what it can carry."""
        line = self._lines.get(device)
        if line is None:
            return None
        limits = {"down": _known(line.down), "up": _known(line.up)}
        found = []
        for place, sample in enumerate(line.samples):
            rates = _rate(line.samples, place) if -LEAST_NS <= mono_ns - sample.mono_ns <= NEAR_NS else None
            for direction, rate in zip(limits, rates or (), strict=False):
                limit = limits[direction]
                if limit and rate >= FULL * limit:
                    found.append(Full(device, direction, rate, limit))
        return max(found, key=lambda one: one.rate / one.ceiling, default=None)

    def export(self) -> dict[str, object]:
        """What is to survive a restart: the ceilings."""
        return {
            device: [line.down.rate, line.down.met, line.up.rate, line.up.met]
            for device, line in self._lines.items()
            if line.down.rate or line.up.rate
        }

    @classmethod
    def restore(cls, values: Mapping[str, object], mono_ns: int) -> "Load":
        """The load as `export` gave it; its ceilings count as met now. Raises ValueError or TypeError on anything else."""
        made = cls()
        for device, value in values.items():
            if not isinstance(value, list) or len(value) != 4 or not all(type(one) in (int, float) and one >= 0 for one in value):
                raise ValueError(f"no ceilings: {value!r}")
            line = made._line(device)
            line.down = Ceiling(float(value[0]), min(int(value[1]), MET), mono_ns)
            line.up = Ceiling(float(value[2]), min(int(value[3]), MET), mono_ns)
        return made

    def _line(self, device: str) -> _Line:
        if device not in self._lines and len(self._lines) >= _DEVICES:
            del self._lines[next(iter(self._lines))]
        return self._lines.setdefault(device, _Line())


def sentence(full: Full) -> str:
    """'your line was full: 47.1 of 48.0 Mbit/s down on wan'."""
    rate, ceiling = (f"{value * 8 / 1e6:.1f}" for value in (full.rate, full.ceiling))
    return f"your line was full: {rate} of {ceiling} Mbit/s {full.direction} on {full.device}"


def _known(ceiling: Ceiling) -> float:
    return ceiling.rate if ceiling.met >= MET else 0.0


def _rate(samples: deque[_Sample], place: int) -> tuple[float, float] | None:
    """Bytes a second down and up over the shortest time of at least 5 s that ends with this sample; None if there is none."""
    end = samples[place]
    for begin in (samples[before] for before in range(place - 1, -1, -1)):
        duration_ns = end.mono_ns - begin.mono_ns
        if duration_ns >= LEAST_NS:
            return (end.rx - begin.rx) * 1e9 / duration_ns, (end.tx - begin.tx) * 1e9 / duration_ns
    return None
