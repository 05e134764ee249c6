"""Changes as events: the JSON body of the `event` topic, its severity and its words."""

from pathwarden.model.change import Change, ChangeKind
from pathwarden.model.history import Event, Route
from pathwarden.model.settings import Target
from pathwarden.model.trace import Trace
from pathwarden.present.instants import rfc3339

SEVERITIES = ("info", "notice", "warning", "critical")
NOTIFY_FROM = SEVERITIES.index("notice")
MORE_HOPS = 3  # a route this much longer is a warning
SLOWER_MS = 20.0  # and so is one this much slower
FELT_MS = 0.5  # a smaller difference is noise to people
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(at: int, entropy: bytes) -> str:
    """A ULID: 48 bits of milliseconds and 80 random bits as 26 characters of Crockford's base 32 (`entropy` is 10 bytes)."""
    number = (at // 1_000_000) << 80 | int.from_bytes(entropy, "big")
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def event(agent: str, target: Target, change: Change, trace: Trace, change_no: int, entropy: bytes) -> Event:
    """The event that tells a change; `trace` is the one that confirmed it, `entropy` ten random bytes for the event id."""
    event_id = ulid(change.at, entropy)
    severity = _severity(change)
    # Learning holds back what is told about paths, never whether a target answers.
    held_back = change.learning and change.lost_after_ttl is None and change.kind is not ChangeKind.TARGET_REACHABLE
    notify = SEVERITIES.index(severity) >= NOTIFY_FROM and not held_back
    name = target.label or target.host
    title, message = _words(name, change)
    body: dict[str, object] = {
        "v": 1,
        "clock_synced": trace.clock_synced,
        "event_type": change.kind.value,
        "event_id": event_id,
        "severity": severity,
        "notify": notify,
        "delayed": False,
        "agent": agent,
        "target": target.tid,
        "name": name,
        "address": change.new_address,
        "af": trace.flow.af,
        "proto": target.method.value,
        "first_seen_at": rfc3339(change.first_seen_at),
        "occurred_at": rfc3339(change.at),
        "confirmations": change.confirmations,
        "group_id": event_id,
        "change": change.classes[0],
        "changes": list(change.classes),
        "scope": "unknown",
        "first_diff_ttl": change.first_ttl or None,
        "last_diff_ttl": max(change.last_ttl, change.first_ttl) or None,
        "hops_added": list(change.added),
        "hops_removed": list(change.removed),
        "similarity": change.similarity,
        "new_path_known": change.known,
        "returns_to_usual": change.returns_to_usual,
        "rtt_delta_ms": change.rtt_delta_ms,
        "cause": {"kind": "unknown", "detail": None},
        "location": _location(change),
        "old": _side(change.old, change.first_seen_at, change.old_seconds) | {"address": change.old_address},
        "new": _side(change.new, change.at, 0) | {"address": change.new_address},
        "title": title,
        "message": message,
        "url": None,
        "truncated": False,
    }
    return Event(event_id, target.tid, change_no, change.kind.value, severity, notify, change.at, trace.clock_synced, body)


def _side(route: Route | None, at: int, seconds: int) -> dict[str, object]:
    """One side of before and after. RTT and loss are the route's running means."""
    return {
        "path_id": route.route_id if route else None,
        "label": route.label if route else None,
        "since": rfc3339(at - seconds * 1_000_000_000),
        "duration_s": seconds,
        "hop_count": (route.length or len(route.hops)) if route else None,
        "rtt_ms": round(route.rtt_ms, 3) if route and route.rtt_ms is not None else None,
        "loss_pct": route.loss_pct if route else None,
        "hops": [list(hop) for hop in route.hops] if route else [],
    }


def _location(change: Change) -> dict[str, object]:
    """Where it is, as far as one target can tell: after the last hop that answered, or where the routes part."""
    if change.lost_after_ttl is not None and change.old is not None:
        after = change.old.hops[change.lost_after_ttl - 1] if 1 <= change.lost_after_ttl <= len(change.old.hops) else ()
        beyond = change.old.hops[change.lost_after_ttl] if change.lost_after_ttl < len(change.old.hops) else ()
        between = [list(after), list(beyond)]
        return {"segment": "unknown", "between": between, "confidence": 0.5, "direction": "unknown", "evidence": ["last hop that answered"]}
    return {"segment": "unknown", "between": None, "confidence": None, "direction": "unknown", "evidence": []}


def _severity(change: Change) -> str:
    if change.kind is ChangeKind.TARGET_UNREACHABLE:
        return "critical"
    if change.kind in (ChangeKind.PATH_CHANGED, ChangeKind.PATH_REVERTED):
        longer = (change.new.length or 0) - (change.old.length or 0) if change.new and change.old and change.old.length else 0
        worse = longer >= MORE_HOPS or (change.rtt_delta_ms or 0.0) >= SLOWER_MS
        # Going back to the usual path is one step less than leaving it, be it for a known one.
        return SEVERITIES[NOTIFY_FROM + worse - change.returns_to_usual]
    return "notice" if change.kind is ChangeKind.TARGET_REACHABLE else "info"


def _words(name: str, change: Change) -> tuple[str, str]:
    """Title and message in English."""
    old, new = change.old.label if change.old else "?", change.new.label if change.new else "?"
    if change.kind is ChangeKind.TARGET_UNREACHABLE:
        return f"{name} does not answer", f"The last hop that answers is {change.lost_after_ttl or 'none'}."
    if change.kind is ChangeKind.TARGET_REACHABLE:
        return f"{name} answers again", "The destination answers its probes again."
    if change.kind is ChangeKind.TARGET_ADDRESS_CHANGED:
        return f"{name} has a new address", f"The name moved from {change.old_address} to {change.new_address}."
    verb = "went back to" if change.kind is ChangeKind.PATH_REVERTED else "changed to"
    where = f"Different from hop {change.first_ttl} on" if change.first_ttl else "Different length"
    if change.last_ttl > change.first_ttl:
        where = f"Hops {change.first_ttl} to {change.last_ttl} differ"
    elif change.last_ttl == change.first_ttl and change.first_ttl:
        where = f"Hop {change.first_ttl} differs"
    delta = change.rtt_delta_ms
    speed = "" if delta is None or abs(delta) < FELT_MS else f"; {abs(delta):.1f} ms {'slower' if delta > 0 else 'faster'}"
    return f"Path to {name} {verb} {new}", f"{where}; before it was path {old}{speed}."
