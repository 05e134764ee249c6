"""An incident as a value: events with one cause, and what each of them brings along. `incidents` has the rules."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from pathwarden.detect.compare import hop_at
from pathwarden.model.change import (
    NO_CAUSE,
    NOWHERE,
    SEVERITIES,
    AgentKind,
    Cause,
    CauseKind,
    Change,
    ChangeKind,
    Direction,
    Location,
    Segment,
)

SAME_TARGET_NS = 600_000_000_000
LONGEST_NS = 86_400_000_000_000
GATHER_NS = 30_000_000_000

Kind = ChangeKind | AgentKind

MOVES = (ChangeKind.PATH_CHANGED, ChangeKind.PATH_REVERTED)
OF_THE_LINE = (CauseKind.UPLINK, CauseKind.ADDRESS, CauseKind.ROUTE, CauseKind.RULE)


class Part(NamedTuple):
    """A target's part in an incident: when its newest event came, and what is not settled. `left` is the route it left, '' if none."""

    at: int
    lost: bool = False
    unstable: bool = False
    left: str = ""

    @property
    def settled(self) -> bool:
        """Whether nothing is amiss any more."""
        return not (self.lost or self.unstable or self.left)


@dataclass(frozen=True, slots=True)
class News:
    """What folding needs to know of an event.

    `seen_at` is when it was first seen, `at` when it is told. `left` and `entered` are the routes before and after a change of the path
    ('' if there is none). An uplink takes the place of a target under a name that no target can have. `address` is the target's.
    """

    event_id: str
    target: str
    kind: Kind
    severity: str
    seen_at: int
    at: int
    marks: tuple[str, ...] = ()
    left: str = ""
    entered: str = ""
    to_usual: bool = False
    cause: Cause = NO_CAUSE
    location: Location = NOWHERE
    address: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """Events with one cause. `incident_id` is its first event's; all share it as their `group_id`.

    `kind` is the type of its worst event, the first of those. `event_ids` are the first and the newest, of `events` in all. `marks` tells
    when each was seen last. `notified` is the highest severity that notified, '' if none. `told_at` and `told_severity` are of its last
    telling (0 and '' before the first), `fresh` says that there is news since. `address` is that of the target which `location` is about.
    """

    incident_id: str
    opened_at: int
    updated_at: int
    closed_at: int | None
    severity: str
    kind: Kind
    parts: Mapping[str, Part]
    event_ids: tuple[str, ...]
    events: int
    marks: Mapping[str, int] = field(default_factory=dict)
    cause: Cause = NO_CAUSE
    location: Location = NOWHERE
    notified: str = ""
    told_at: int = 0
    told_severity: str = ""
    fresh: bool = True
    address: str = ""

    @property
    def settled(self) -> bool:
        """Whether nothing in it is amiss any more."""
        return all(part.settled for part in self.parts.values())

    @property
    def lost(self) -> int:
        """How many of its targets do not answer."""
        return sum(part.lost for part in self.parts.values())

    @property
    def ends_at(self) -> int:
        """When it closes if nothing more happens."""
        at_most = self.opened_at + LONGEST_NS
        return min(self.updated_at + SAME_TARGET_NS, at_most) if self.settled else at_most

    @property
    def due_at(self) -> int | None:
        """When it must be told next; None if never."""
        if self.closed_at is not None:
            return self.closed_at
        rose = rank(self.severity) > max(rank(self.told_severity), 0)
        if rose or not self.fresh or not self.told_at:
            return self.updated_at if rose else self.ends_at
        return min(self.told_at + GATHER_NS, self.ends_at)


def is_target(name: str) -> bool:
    """Whether this part of an incident is a target; else it is an uplink."""
    return not name.startswith("@")


def uplink_part(source: str, device: str) -> str:
    """The name of an uplink's part: its source, whose device may not exist; of the kernel's choice ('') its device."""
    return f"@@{source}" if source else f"@{device}"


def source_of(part: str) -> str:
    """The source of an uplink's part, '' for the kernel's choice."""
    return part[2:] if part.startswith("@@") else ""


def line_marks(device: str) -> tuple[str, ...]:
    """The mark of whatever befalls one line: kernel, netifd and the loss of targets tell of it in their own ways.

    None without a device: two sources that have none are two lines all the same.
    """
    return (f"line {device}",) if device else ()


def marks_of(change: Change) -> tuple[str, ...]:
    """What a change has in common with those of other targets: its local cause, or else the place in the network where it begins.

    The place is known by the first responders that came or went, and by the last one before them, which stayed; of an attribute or a
    latency by the responder where it begins.
    """
    if change.cause.kind in OF_THE_LINE or change.cause.kind is CauseKind.LOAD:
        route = change.old or change.new
        device = route.epoch.partition("|")[0] if route else ""
        return line_marks(device) if change.cause.kind in OF_THE_LINE else (f"load {device}",)
    old = change.old.hops if change.old else ()
    if change.lost_after_ttl is not None:
        stays, gone = hop_at(old, change.lost_after_ttl), next((hop for hop in old[change.lost_after_ttl :] if hop), ())
        return _places(stays, gone, ())
    new = change.new.hops if change.new else ()
    if not change.first_ttl:
        return ()
    if change.kind not in MOVES:
        return tuple(f"at {responder}" for responder in sorted(hop_at(new or old, change.first_ttl)))
    before, after = hop_at(old, change.first_ttl), hop_at(new, change.first_ttl)
    return _places(hop_at(new, change.first_ttl - 1), tuple(set(before) - set(after)), tuple(set(after) - set(before)))


def _places(stays: Iterable[str], gone: Iterable[str], come: Iterable[str]) -> tuple[str, ...]:
    sides = (("after", stays), ("gone", gone), ("new", come))
    return tuple(f"{side} {responder}" for side, hop in sides for responder in sorted(hop))


def rank(severity: str) -> int:
    """Severities in order; -1 for ''. Raises ValueError for what is none."""
    return SEVERITIES.index(severity) if severity else -1


def moved(incident: Incident, of: Callable[[int], int]) -> Incident:
    """The incident with every instant moved."""
    return replace(
        incident,
        opened_at=of(incident.opened_at),
        updated_at=of(incident.updated_at),
        closed_at=None if incident.closed_at is None else of(incident.closed_at),
        parts={name: part._replace(at=of(part.at)) for name, part in incident.parts.items()},
        marks={mark: of(at) for mark, at in incident.marks.items()},
        told_at=incident.told_at and of(incident.told_at),
    )


def as_json(incident: Incident) -> dict[str, object]:
    """An incident as JSON-ready values."""
    cause, location = incident.cause, incident.location
    between = location.between and [list(hop) for hop in location.between]
    return {
        "id": incident.incident_id,
        "at": [incident.opened_at, incident.updated_at, incident.closed_at, incident.told_at],
        "severity": [incident.severity, incident.notified, incident.told_severity],
        "kind": incident.kind.value,
        "parts": {name: list(part) for name, part in incident.parts.items()},
        "event_ids": list(incident.event_ids),
        "events": incident.events,
        "marks": dict(incident.marks),
        "cause": [cause.kind.value, cause.detail],
        "location": [location.segment.value, between, location.confidence, location.direction.value, list(location.evidence)],
        "fresh": incident.fresh,
        "address": incident.address,
    }


def from_json(values: Mapping[str, Any]) -> Incident:
    """The opposite of `as_json`. Raises ValueError, TypeError or KeyError on anything else."""
    opened_at, updated_at, closed_at, told_at = values["at"]
    severity, notified, told_severity = values["severity"]
    kind, detail = values["cause"]
    for each in (severity, notified, told_severity):
        rank(each)  # raises ValueError for what is none
    return Incident(
        str(values["id"]),
        int(opened_at),
        int(updated_at),
        None if closed_at is None else int(closed_at),
        severity,
        _kind(values["kind"]),
        {str(name): _part(*part) for name, part in values["parts"].items()},
        tuple(map(str, values["event_ids"])),
        int(values["events"]),
        {str(mark): int(at) for mark, at in values["marks"].items()},
        Cause(CauseKind(kind), str(detail)),
        _location(*values["location"]),
        notified,
        int(told_at),
        told_severity,
        bool(values["fresh"]),
        str(values.get("address", "")),
    )


def _part(at: int, lost: bool, unstable: bool, left: str) -> Part:
    return Part(int(at), bool(lost), bool(unstable), str(left))


def _location(
    segment: str, between: tuple[list[str], list[str]] | None, confidence: float | None, direction: str, evidence: list[str]
) -> Location:
    sides = None
    if between is not None:
        near, far = between
        sides = (tuple(map(str, near)), tuple(map(str, far)))
    sure = None if confidence is None else float(confidence)
    return Location(Segment(segment), sides, sure, Direction(direction), tuple(map(str, evidence)))


def _kind(text: str) -> Kind:
    return ChangeKind(text) if text in set(ChangeKind) else AgentKind(text)
