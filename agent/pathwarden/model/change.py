"""Changes: typed differences that the detector found, before they are put into words."""

from dataclasses import dataclass
from enum import StrEnum

from pathwarden.model.history import Route


class ChangeKind(StrEnum):
    """The event types that this detector tells (a subset of the closed set of the `event` topic)."""

    PATH_CHANGED = "path_changed"
    PATH_REVERTED = "path_reverted"
    TARGET_UNREACHABLE = "target_unreachable"
    TARGET_REACHABLE = "target_reachable"
    TARGET_ADDRESS_CHANGED = "target_address_changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One confirmed change of a target.

    `old` and `new` are the routes before and after (equal for reachability; None where there is none). `first_ttl..last_ttl` is the
    part of the new route that differs, 0..0 if none. `lost_after_ttl` is the last hop that still answered when the destination was
    lost, else None. `confirmations` counts the traces that agreed. `learning` tells that the target was still being learned.
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
