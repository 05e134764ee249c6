"""How long traceroute(8) waits for a probe."""

from typing import NamedTuple

_PRECISION_NS = 1_000_000  # traceroute(8) adds it to an RTT before it multiplies


class Waits(NamedTuple):
    """How traceroute(8) shortens the longest wait: to `here` times the RTT of an answer from the same hop, else `near` times a later one's.

    One millisecond is added to the RTT first; 0 switches a factor off.
    """

    here: float = 3.0
    near: float = 10.0


def scaled_ns(factor: float, rtt_ns: int) -> int:
    """A wait of so many times an RTT."""
    return round(factor * (rtt_ns + _PRECISION_NS))
