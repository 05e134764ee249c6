"""Changes as events: the JSON body of a target's `event` topic."""

from typing import NamedTuple

from pathwarden.detect.locate import Evidence
from pathwarden.detect.quota import NOTHING_HELD, Held
from pathwarden.model.change import NOWHERE, SEVERITIES, Cause, Change, ChangeKind, Location
from pathwarden.model.history import Event, Route
from pathwarden.model.settings import Target
from pathwarden.model.trace import Trace
from pathwarden.present.instants import rfc3339
from pathwarden.present.sentences import as_json, message, of_change, title
from pathwarden.present.severity import severity_of

NOTIFY_FROM = SEVERITIES.index("notice")
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Head(NamedTuple):
    """What an event's body says besides the change: `af` is 4 or 6, `group_id` the incident's ('': its own)."""

    agent: str
    target: Target
    change_no: int
    clock_synced: bool
    af: int
    notify: bool
    event_id: str
    group_id: str = ""


def ulid(at: int, entropy: bytes) -> str:
    """A ULID: 48 bits of milliseconds and 80 random bits as 26 characters of Crockford's base 32 (`entropy` is 10 bytes)."""
    number = (at // 1_000_000) << 80 | int.from_bytes(entropy, "big")
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def event(agent: str, target: Target, change: Change, trace: Trace, change_no: int, entropy: bytes) -> Event:
    """The event that tells a change by itself, as if nothing else had ever been told.

    `trace` is the one that confirmed it, `entropy` ten random bytes for the event id.
    """
    notify = worth_telling(severity_of(change), change)
    return event_of(change, Head(agent, target, change_no, trace.clock_synced, trace.flow.af, notify, ulid(change.at, entropy)))


def worth_telling(severity: str, change: Change) -> bool:
    """Whether a change may notify, for all that is known of it alone."""
    # Learning holds back what is told about paths, never whether a target answers.
    reachability = change.kind in (ChangeKind.TARGET_UNREACHABLE, ChangeKind.TARGET_REACHABLE)
    return SEVERITIES.index(severity) >= NOTIFY_FROM and (reachability or not change.learning)


def event_of(change: Change, head: Head, held: Held = NOTHING_HELD) -> Event:
    """The event that tells a change; `held` is what a digest stands for."""
    target, kind = head.target, change.kind.value
    severity = held.severity or severity_of(change)
    name = target.label or target.host
    words = of_change(name, change, held)
    body: dict[str, object] = {
        "v": 1,
        "clock_synced": head.clock_synced,
        "event_type": kind,
        "event_id": head.event_id,
        "severity": severity,
        "notify": head.notify,
        "delayed": False,
        "agent": head.agent,
        "target": target.tid,
        "name": name,
        "address": change.new_address or None,
        "af": head.af,
        "proto": target.method.value,
        "first_seen_at": rfc3339(change.first_seen_at),
        "occurred_at": rfc3339(change.at),
        "confirmations": change.confirmations,
        "group_id": head.group_id or head.event_id,
        "change": change.classes[0] if change.classes else None,
        "changes": list(change.classes),
        "scope": change.location.segment.value,
        "first_diff_ttl": change.first_ttl or None,
        "last_diff_ttl": max(change.last_ttl, change.first_ttl) or None,
        "hops_added": list(change.added),
        "hops_removed": list(change.removed),
        "similarity": change.similarity,
        "new_path_known": change.known,
        "returns_to_usual": change.returns_to_usual,
        "rtt_delta_ms": change.rtt_delta_ms,
        "before": change.before or None,
        "after": change.after or None,
        "cause": cause(change.cause),
        "location": location(_location(change)),
        "old": _side(change.old, change.first_seen_at, change.old_seconds, change.as_before) | {"address": change.old_address or None},
        "new": _side(change.new, change.at, 0, change.as_after) | {"address": change.new_address or None},
        "digest": _digest(held) if held.total else None,
        "title": title(words),
        "message": message(words.message),
        "text": as_json(words),
        "url": None,
        "truncated": False,
    }
    return Event(head.event_id, target.tid, head.change_no, kind, severity, head.notify, change.at, head.clock_synced, body)


def cause(known: Cause) -> dict[str, object]:
    """A cause as JSON-ready values."""
    return {"kind": known.kind.value, "detail": known.detail or None}


def location(known: Location) -> dict[str, object]:
    """A place as JSON-ready values; `between` holds the responders of two neighbouring hops."""
    return {
        "segment": known.segment.value,
        "between": known.between and [list(hop) for hop in known.between],
        "confidence": known.confidence,
        "direction": known.direction.value,
        "evidence": list(known.evidence),
    }


def _side(route: Route | None, at: int, seconds: int, networks: tuple[int, ...]) -> dict[str, object]:
    """One side of before and after. RTT and loss are the route's running means."""
    return {
        "path_id": route.route_id if route else None,
        "label": route.label if route else None,
        "since": rfc3339(at - seconds * 1_000_000_000),
        "duration_s": seconds,
        "hop_count": (route.length or len(route.hops)) if route else None,
        "rtt_ms": round(route.rtt_ms, 3) if route and route.rtt_ms is not None else None,
        "loss_pct": route.loss_pct if route else None,
        "as_path": list(networks),
        "hops": [list(hop) for hop in route.hops] if route else [],
    }


def _location(change: Change) -> Location:
    """Where it is; as long as nobody placed a loss, after the last hop that answered."""
    if change.location != NOWHERE or change.lost_after_ttl is None or change.old is None:
        return change.location
    hops, ttl = change.old.hops, change.lost_after_ttl
    near = hops[ttl - 1] if 1 <= ttl <= len(hops) else ()
    far = hops[ttl] if ttl < len(hops) else ()
    return NOWHERE._replace(between=(near, far), confidence=0.5, evidence=(Evidence.LAST_ANSWER.value,))


def _digest(held: Held) -> dict[str, object]:
    """What the hourly limit held back."""
    return {"total": held.total, "counts": dict(held.counts), "first_at": rfc3339(held.first_at), "last_at": rfc3339(held.last_at)}
