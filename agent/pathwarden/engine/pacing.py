"""Pace: how many probes may leave now, and how far apart those to one router are."""

from collections import deque
from collections.abc import Collection
from typing import Protocol

APART = 3  # probes from one to the next that asks the same router of a trace: 0.3 s at the shipped pace
BURST_S = 0.1  # tokens saved up while idle: a tenth of a second's worth keeps bursts below what routers' rate limits allow
GATHER_S = 0.05  # at a quick pace probes that are due within this time leave together: waking up costs more CPU than some probes
BREATH_S = 0.3  # who has time waits so long for others to leave with


class Pace(Protocol):
    """How many probes may leave, and when."""

    def available(self, mono_ns: int) -> int:
        """How many probes may leave now."""
        ...

    def take(self, probes: int, mono_ns: int) -> None:
        """Note that this many probes left."""
        ...

    def next_ns(self) -> int:
        """When to look again."""
        ...


class TokenBucket:
    """At most `rate_pps` probes a second in the long run, after a pause at most `burst` at once (default: 0.1 s worth, at least one)."""

    def __init__(self, rate_pps: float, burst: int = 0) -> None:
        self._interval_ns = round(1e9 / rate_pps)
        self._burst_ns = self._interval_ns * (burst or max(1, round(rate_pps * BURST_S)))
        self._gather_ns = self._interval_ns * max(1, int(rate_pps * GATHER_S))
        self._empty_at_ns = 0

    def available(self, mono_ns: int) -> int:
        """How many probes may leave now."""
        # Never below 0: probes leave while a turn lasts, so `mono_ns` may lie before the last of them.
        return max(min(mono_ns - self._empty_at_ns, self._burst_ns) // self._interval_ns, 0)

    def take(self, probes: int, mono_ns: int) -> None:
        """Note that this many probes left."""
        self._empty_at_ns = max(self._empty_at_ns, mono_ns - self._burst_ns) + probes * self._interval_ns

    def next_ns(self) -> int:
        """When to look again: when the next probe may leave, or the next few at 200 or more probes a second (see `GATHER_S`)."""
        return self._empty_at_ns + self._gather_ns


class Breaths:
    """At most `most` probes in any stretch of `most / rate_pps` seconds, together if they can."""

    def __init__(self, rate_pps: float, most: int) -> None:
        self._stretch_ns = round(1e9 * most / rate_pps)
        self._left_ns = deque([-self._stretch_ns] * most, most)

    def available(self, mono_ns: int) -> int:
        """How many probes may leave now."""
        return sum([left_ns + self._stretch_ns <= mono_ns for left_ns in self._left_ns])

    def take(self, probes: int, mono_ns: int) -> None:
        """Note that this many probes left."""
        self._left_ns.extend([mono_ns] * probes)

    def next_ns(self) -> int:
        """When to look again: when a whole breath may leave."""
        return self._left_ns[-1] + self._stretch_ns


def thrifty(rate_pps: float) -> Pace:
    """The pace of one who measures all day, and saves CPU: up to `APART` probes leave in one breath.

    Not more than that: who is asked twice by a trace is so many probes further on, and so never twice in one breath.
    """
    most = min(round(rate_pps * BREATH_S), APART)
    return Breaths(rate_pps, most) if 1 < most > rate_pps * GATHER_S else TokenBucket(rate_pps)


def apart(order: list[int], late: Collection[int]) -> list[int]:
    """The order (first come, first asked), with what was asked last before it moved behind its first `APART` - 1 places if it can be."""
    head = APART - 1
    places = [place for place, each in enumerate(order) if place >= head and each not in late]
    for place, each in enumerate(order[:head]):
        if each in late and places:
            other = places.pop(0)
            order[place], order[other] = order[other], each
    return order
