"""What to trace, and what a session found; what is common to all that probe hop by hop."""

from dataclasses import dataclass
from typing import Protocol

from pathwarden.engine.waits import Waits
from pathwarden.model.probe import Flow, ReplyKind
from pathwarden.model.trace import Ending, Hop

SHORTEST_WAIT_NS = 800_000_000  # a router's slow path alone may take half a second
WAIT_MARGIN_NS = 200_000_000
# From a router these say that the way ends there; whatever the destination says is an arrival.
ENDS = frozenset({ReplyKind.PORT_UNREACHABLE, ReplyKind.UNREACHABLE, ReplyKind.PACKET_TOO_BIG, ReplyKind.PARAMETER_PROBLEM})
# Administratively prohibited, by address family, type and code (RFC 1122, RFC 1812, RFC 4443).
PROHIBITED = frozenset({(4, 3, 9), (4, 3, 10), (4, 3, 13), (6, 1, 1)})


class Shuffler(Protocol):
    """A source of randomness: `random.Random` is one."""

    def shuffle(self, x: list[int], /) -> None:
        """Shuffle in place."""
        ...


@dataclass(frozen=True, slots=True)
class TraceSpec:
    """What to trace. `wait_ns` is the longest wait for a reply, `gap_limit` 0 means none, `expected_ttl` 0 means unknown.

    `rising_port`: each probe goes to the port after that of the probe before (for ICMP: its sequence rises, so its checksum
    falls); for methods other than UDP and ICMP it means nothing. `waits` None: the wait adapts to the whole trace.
    """

    flow: Flow
    first_ttl: int
    max_ttl: int
    queries: int
    wait_ns: int
    gap_limit: int
    window: int
    expected_ttl: int = 0
    by_hop: bool = False
    rising_port: bool = False
    waits: Waits | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a session found."""

    ending: Ending
    error: str
    reached_ttl: int | None
    hops: tuple[Hop, ...]
    probes: int
    late: int
    duplicates: int
