"""Traces: one measurement, hop by hop, and the path it saw."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from pathwarden.model.probe import Extension, Flow, MplsLabel, ReplyKind, mpls_of


class Marks(NamedTuple):
    """What an answer tells beyond who and when: what the way changed on the probe, and what the responder added.

    `tos` (-1), `length` and `mss` (0) are as the responder quoted them where they differ from what was sent. `nat` is the quoted
    checksum minus the one sent, in ones' complement (0: as sent, or not quoted): what a translator on the way leaves behind. `mtu` is
    what the responder says it can pass on, 0 if it says nothing.
    """

    tos: int = -1
    length: int = 0
    nat: int = 0
    mtu: int = 0
    mss: int = 0
    segment: bytes = b""
    extensions: tuple[Extension, ...] = ()


UNMARKED = Marks()


class Answer(NamedTuple):
    """What one probe got. `responder`, `rtt_ns` and `kind` are None when nothing came in time (silent)."""

    query: int
    responder: str | None = None
    rtt_ns: int | None = None
    kind: ReplyKind | None = None
    icmp_type: int = 0
    icmp_code: int = 0
    reply_ttl: int = 0
    quoted_ttl: int = 0
    marks: Marks = UNMARKED

    @property
    def mpls(self) -> tuple[MplsLabel, ...]:
        """The label stack that the responder quoted, () without one."""
        return mpls_of(self.marks.extensions)


class Hop(NamedTuple):
    """All answers at one ttl, in the order of their queries."""

    ttl: int
    answers: tuple[Answer, ...]

    @property
    def responders(self) -> tuple[str, ...]:
        """Every responder once, in order of appearance; empty when the hop is silent."""
        seen: list[str] = []  # a few: a list is quicker than a dictionary, and this is asked for all day
        for answer in self.answers:
            if answer.responder is not None and answer.responder not in seen:
                seen.append(answer.responder)
        return tuple(seen)

    @property
    def rtts_ns(self) -> tuple[int, ...]:
        """The round-trip times that came back."""
        return tuple([a.rtt_ns for a in self.answers if a.rtt_ns is not None])


class Ending(StrEnum):
    """Why a trace ended."""

    REACHED = "reached"
    UNREACHABLE = "unreachable"  # a router on the way said so
    GAP = "gap"  # too many silent hops in a row
    MAX_TTL = "max_ttl"
    ERROR = "error"  # no probe could leave


class Reason(StrEnum):
    """Why a trace was made."""

    SCHEDULE = "schedule"
    CONFIRM = "confirm"
    COMMAND = "command"
    WATCH = "watch"  # to follow a change that single probes found, with one query a hop; or no whole trace but those probes


class KernelRoute(NamedTuple):
    """What the kernel would do with a packet to the target: device, source address, gateway ('' on link) and routing table."""

    device: str
    source: str
    gateway: str
    table: int

    @property
    def epoch(self) -> str:
        """The part whose change re-hashes every load balancer: uplink, source address and gateway."""
        return f"{self.device}|{self.source}|{self.gateway}"


class Path(NamedTuple):
    """What a trace saw: for ttl 1, 2, … the sorted responders; an empty tuple is a silent hop and says nothing."""

    hops: tuple[tuple[str, ...], ...]

    @property
    def path_id(self) -> str:
        """Name by content, 12 hexadecimal digits: equal hops give equal names; silent hops at the end do not count."""
        text = ";".join(",".join(hop) for hop in self.hops).rstrip(";")
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Trace:
    """One measurement of one target.

    `at` is wall-clock nanoseconds since 1970 at the start, `mono_ns` the monotonic clock then. `hops` runs from the first ttl to the
    destination, or to the last hop probed. `reached_ttl` is None if the destination did not answer. `error` is the code
    of a `ProbeError` when `ending` is ERROR, else ''.
    """

    target: str
    address: str
    flow: Flow
    source: str
    kernel_route: KernelRoute | None
    transport: str
    reason: Reason
    at: int
    mono_ns: int
    duration_ns: int
    clock_synced: bool
    ending: Ending
    error: str
    reached_ttl: int | None
    hops: tuple[Hop, ...]
    probes: int
    late: int
    duplicates: int

    @property
    def path(self) -> Path:
        """The responders by ttl, without trailing silence."""
        by_ttl = {hop.ttl: tuple(sorted(responders)) for hop in self.hops if (responders := hop.responders)}
        return Path(tuple([by_ttl.get(ttl, ()) for ttl in range(1, max(by_ttl, default=0) + 1)]))

    @property
    def destination_rtts_ns(self) -> tuple[int, ...]:
        """Round-trip times to the destination itself; empty if it did not answer."""
        return next((hop.rtts_ns for hop in reversed(self.hops) if hop.ttl == self.reached_ttl), ())  # nearly always the last
