"""Happenings: what changed on this machine, as kernel and netifd told it; and what the agent tells about itself because of them."""

from enum import StrEnum
from typing import NamedTuple


class HappeningKind(StrEnum):
    """What it happened to. `OVERFLOW` says that some happenings were lost: nothing is proven about that moment."""

    LINK = "link"
    ADDRESS = "address"
    ROUTE = "route"
    RULE = "rule"
    NEIGHBOUR = "neighbour"
    INTERFACE = "interface"
    OVERFLOW = "overflow"


class What(StrEnum):
    """What happened to it."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    UP = "up"
    DOWN = "down"
    FAILED = "failed"
    LOST = "lost"


class Happening(NamedTuple):
    """One happening at a monotonic instant. `device` is '' where none is named.

    `detail` is the address with its prefix length, the route's destination ('default', or a prefix), the rule in words, the neighbour's
    address, the interface's name, or why a link went down. `wide` marks a route so wide that it is taken by default (0.0.0.0/0, /1,
    2000::/3). `changes` tells how many narrow routes changed at once; device and detail are those of the first.
    """

    kind: HappeningKind
    mono_ns: int
    device: str
    what: What
    detail: str = ""
    gateway: str = ""
    table: int = 0
    wide: bool = False
    changes: int = 1


class NoticeKind(StrEnum):
    """What the agent tells of its own surroundings."""

    UPLINK_DOWN = "uplink_down"
    UPLINK_UP = "uplink_up"
    RESOLVER_DOWN = "resolver_down"
    RESOLVER_UP = "resolver_up"


class Notice(NamedTuple):
    """Something to tell. `first_seen_at` is when it began, `at` when it was certain (wall-clock ns).

    `source` is '' for the kernel's choice, `device` '' for the resolver. `seconds` is how long the state before had lasted.
    """

    kind: NoticeKind
    first_seen_at: int
    at: int
    source: str
    device: str
    sentence: str
    seconds: int


def earlier(duration_ns: int) -> str:
    """How long before a change something happened, in words: '1.8 s earlier', '2 min earlier'."""
    if duration_ns < 100_000_000:  # reading the news takes a moment, too
        return "at the same moment"
    seconds = duration_ns / 1e9
    if seconds < 9.95:
        return f"{seconds:.1f} s earlier"
    return f"{seconds:.0f} s earlier" if seconds < 120 else f"{seconds / 60:.0f} min earlier"
