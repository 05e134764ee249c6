"""Changes: typed differences that the detector found, before they are put into words."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from pathwarden.model.history import Route

SEVERITIES = ("info", "notice", "warning", "critical")  # the least first


class ChangeKind(StrEnum):
    """The event types of a target: the closed set of its `event` topic."""

    PATH_CHANGED = "path_changed"
    PATH_REVERTED = "path_reverted"
    PATH_ATTRIBUTE_CHANGED = "path_attribute_changed"
    PATH_UNSTABLE = "path_unstable"
    PATH_STABLE = "path_stable"
    TARGET_UNREACHABLE = "target_unreachable"
    TARGET_REACHABLE = "target_reachable"
    TARGET_ADDRESS_CHANGED = "target_address_changed"
    LATENCY_SHIFT = "latency_shift"
    DIGEST = "digest"


class AgentKind(StrEnum):
    """The event types of the agent itself: the closed set of its `event` topic."""

    AGENT_STARTED = "agent_started"
    UPLINK_DOWN = "uplink_down"
    UPLINK_UP = "uplink_up"
    INCIDENT = "incident"
    PROBE_ERROR = "probe_error"


class CauseKind(StrEnum):
    """What brought a change about: the network beyond us, or something of our own."""

    REMOTE = "remote"
    UPLINK = "uplink"
    ADDRESS = "address"
    ROUTE = "route"
    RULE = "rule"
    LOAD = "load"
    UNKNOWN = "unknown"


class Cause(NamedTuple):
    """A cause and one sentence about it, '' where there is nothing to say."""

    kind: CauseKind = CauseKind.UNKNOWN
    detail: str = ""


class Segment(StrEnum):
    """The part of the way where a fault lies."""

    LAN = "lan"
    WAN = "wan"
    ISP = "isp"
    BORDER = "border"
    TRANSIT = "transit"
    DESTINATION = "destination"
    UNKNOWN = "unknown"


class Direction(StrEnum):
    """On which of the two ways; one vantage point often cannot tell."""

    FORWARD = "forward"
    RETURN = "return"
    UNKNOWN = "unknown"


class Location(NamedTuple):
    """Where a fault lies: between two neighbouring hops (their responders, () for a silent hop), how surely (0..1), and why we say so."""

    segment: Segment = Segment.UNKNOWN
    between: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    confidence: float | None = None
    direction: Direction = Direction.UNKNOWN
    evidence: tuple[str, ...] = ()


NO_CAUSE = Cause()
NOWHERE = Location()


@dataclass(frozen=True, slots=True)
class Change:
    """One confirmed change of a target.

    `old` and `new` are the routes before and after (equal for reachability; None where there is none). `first_ttl..last_ttl` is the
    part of the new route that differs, 0..0 if none. `lost_after_ttl` is the last hop that still answered when the destination was
    lost, else None. `confirmations` counts the traces that agreed. `learning` tells that the target was still being learned.
    `before` and `after` hold, in words, the attribute or the latency that changed ('0x28' and '0x00', '12.1 ms' and '26.4 ms'), else ''.
    `as_before` and `as_after` are the networks along `old` and `new`, as far as they are known, `as_names` what those of one of them alone
    are called.
    """

    kind: ChangeKind
    first_seen_at: int
    at: int
    confirmations: int
    old: Route | None
    new: Route | None
    old_address: str
    new_address: str
    old_seconds: int
    classes: tuple[str, ...]
    first_ttl: int
    last_ttl: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    similarity: float
    known: bool
    returns_to_usual: bool
    rtt_delta_ms: float | None
    lost_after_ttl: int | None
    learning: bool
    before: str = ""
    after: str = ""
    cause: Cause = NO_CAUSE
    location: Location = NOWHERE
    as_before: tuple[int, ...] = ()
    as_after: tuple[int, ...] = ()
    as_names: tuple[tuple[int, str], ...] = ()
