"""Incidents: events with one cause, of one target or of many.

Rules:
1. What ends a trouble joins the incident that holds the trouble: a target answers again, its path is stable again, or is back on the
   route it left.
2. Else an event joins the newest open incident of the same target, if not more than `SAME_TARGET_NS` passed since that target's last
   event; else the newest that has a mark in common with it (`marks_of`) and saw it less than `SAME_MARK_NS` ago. Else it opens one.
3. Folding limits what notifies, never what is recorded or published: the first event of an incident may notify, and after it each
   higher severity once. Whoever was told that targets are lost is told once that the last of them answers again; a loss after that
   counts anew. Flapping's beginning and end may notify always: they say that single changes do not, or do again.
4. An incident is settled when no target in it is lost, unstable, or on a route that it did not use before (the owner may accept that
   one). It closes once it is settled and `SAME_TARGET_NS` brought nothing new, or after `LONGEST_NS`.
5. It is told when it opens, when its severity rises and when it closes, at once; other news of it are gathered for `GATHER_NS`, since
   every telling is a message and a row on the flash. One that never was more than info is not told.
6. At most `MOST` are open; the one that is quiet for longest closes first.
7. An instant noted ahead of the present one comes from a clock that was wrong since: it counts as the present.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from pathwarden.detect.incident import (
    MOVES,
    SAME_TARGET_NS,
    Incident,
    Kind,
    News,
    Part,
    as_json,
    from_json,
    is_target,
    moved,
    rank,
    source_of,
)
from pathwarden.model.change import SEVERITIES, AgentKind, CauseKind, ChangeKind
from pathwarden.model.instants import ClockShift

SAME_MARK_NS = 60_000_000_000
MOST = 64
MOST_IDS = 32  # event ids named by an incident; with more it would not fit in a message of 8 KiB
MOST_MARKS = 32

_LOSES = (ChangeKind.TARGET_UNREACHABLE, AgentKind.UPLINK_DOWN)
_RETURNS = (ChangeKind.TARGET_REACHABLE, AgentKind.UPLINK_UP)
_ALWAYS = (ChangeKind.PATH_UNSTABLE, ChangeKind.PATH_STABLE)
_WORST = SEVERITIES[-1]


class Folded(NamedTuple):
    """Where an event belongs, and whether it may notify."""

    incident: Incident
    may_notify: bool


class Incidents:
    """The open incidents of the whole agent. Instants are wall-clock nanoseconds."""

    def __init__(self, incidents: Iterable[Incident] = ()) -> None:
        self._all = {incident.incident_id: incident for incident in incidents}

    def fold(self, news: News) -> Folded:
        """Find the incident that an event belongs to, or open one; `take` tells of it."""
        self._rebase(news.at)
        before = self._ended_by(news) or self._near(news)
        after = _joined(before, news) if before else _opened(news)
        for other in self._open():
            if other is not before and (part := other.parts.get(news.target)) and (healed := _healed(part, news)) != part:
                self._put(replace(other, parts={**other.parts, news.target: healed}, fresh=True))
        self._put(after)
        self._oust(news.at)
        return Folded(after, before is None or _may_notify(before, after, news))

    def notified(self, incident_id: str, kind: Kind, severity: str) -> None:
        """The event that was folded last did notify."""
        incident = self._all[incident_id]
        if kind in _RETURNS and not incident.lost:
            self._put(replace(incident, notified=""))
        elif rank(severity) > rank(incident.notified):
            self._put(replace(incident, notified=severity))

    def settle(self, target: str) -> None:
        """The owner accepted the route that a target is on."""
        for incident in self._open():
            part = incident.parts.get(target)
            if part and part.left:
                self._put(replace(incident, parts={**incident.parts, target: part._replace(left="")}, fresh=True))

    def keep_only(self, targets: Iterable[str], sources: Iterable[str]) -> None:
        """Targets that are not watched any more hold no incident open, nor do the uplinks of sources that are not in use any more."""
        watched, used = set(targets), set(sources)
        for incident in self._open():
            kept = {name for name in incident.parts if (name in watched if is_target(name) else source_of(name) in used)}
            parts = {name: part if name in kept else Part(part.at) for name, part in incident.parts.items()}
            self._put(replace(incident, parts=parts))

    @property
    def lost_uplinks(self) -> tuple[str, ...]:
        """The parts of uplinks that are down, as was told."""
        return tuple(name for incident in self._open() for name, part in incident.parts.items() if part.lost and not is_target(name))

    def take(self, at: int) -> tuple[Incident, ...]:
        """The incidents that must be told now, as they are to be told; those that closed are forgotten."""
        self._rebase(at)
        taken = []
        for incident in list(self._all.values()):
            if incident.closed_at is None and at >= incident.ends_at:
                # Over since its last event, if it is: what settled it was seen then.
                over_at = incident.updated_at if incident.settled else at
                incident = replace(incident, closed_at=over_at)  # noqa: PLW2901 - the same incident, closed
            if incident.closed_at is not None:
                del self._all[incident.incident_id]
            elif incident.due_at is None or at < incident.due_at:
                continue
            told = replace(incident, told_at=at, told_severity=incident.severity, fresh=False)
            if incident.closed_at is None:
                self._put(told)
            if incident.told_at or rank(incident.severity) > 0:
                taken.append(told)
        return tuple(taken)

    def due_at(self) -> int | None:
        """When `take` has something to do; None if never."""
        return min((incident.due_at for incident in self._all.values() if incident.due_at is not None), default=None)

    def shift(self, shift: ClockShift) -> None:
        """The clock became right."""
        for incident in list(self._all.values()):
            self._put(moved(incident, shift.of))

    def export(self) -> dict[str, object]:
        """The state as JSON-ready values, for `restore`."""
        return {"open": [as_json(incident) for incident in self._all.values()]}

    @classmethod
    def restore(cls, values: Mapping[str, Any]) -> "Incidents":
        """Incidents as they were exported. Raises ValueError, TypeError or KeyError on anything else."""
        try:
            return cls([from_json(each) for each in values["open"][-MOST:]])
        except AttributeError as error:
            raise TypeError("something else in the place of an object") from error

    def _open(self) -> list[Incident]:
        return [incident for incident in self._all.values() if incident.closed_at is None]

    def _put(self, incident: Incident) -> None:
        self._all[incident.incident_id] = incident

    def _ended_by(self, news: News) -> Incident | None:
        """The newest incident with a trouble of this target that the event ends."""
        for incident in reversed(self._open()):
            part = incident.parts.get(news.target)
            if part and not part.settled and _healed(part, news) != part:
                return incident
        return None

    def _near(self, news: News) -> Incident | None:
        for incident in reversed(self._open()):
            part = incident.parts.get(news.target)
            if part and news.seen_at - part.at <= SAME_TARGET_NS:
                return incident
        for incident in reversed(self._open()):
            if any(mark in incident.marks and news.seen_at - incident.marks[mark] <= SAME_MARK_NS for mark in news.marks):
                return incident
        return None

    def _oust(self, at: int) -> None:
        incidents = self._open()
        if len(incidents) > MOST:
            quietest = min(incidents, key=lambda incident: incident.updated_at)
            self._put(replace(quietest, closed_at=at))

    def _rebase(self, at: int) -> None:
        for incident in list(self._all.values()):
            if incident.updated_at > at or incident.told_at > at:
                self._put(moved(incident, lambda then: min(then, at)))


def _opened(news: News) -> Incident:
    part = _touched(Part(news.at), news)
    marks = dict.fromkeys(news.marks[:MOST_MARKS], news.at)
    ids = (news.event_id,)
    parts = {news.target: part}
    opened = Incident(news.event_id, news.at, news.at, None, news.severity, news.kind, parts, ids, 1, marks, news.cause, news.location)
    return replace(opened, address=news.address)


def _joined(incident: Incident, news: News) -> Incident:
    part = _touched(incident.parts.get(news.target, Part(news.at)), news)
    marks = {mark: at for mark, at in incident.marks.items() if mark not in news.marks} | dict.fromkeys(news.marks, news.at)
    worse = rank(news.severity) > rank(incident.severity)
    known = incident.cause.kind is not CauseKind.UNKNOWN
    surer = (news.location.confidence or 0.0) > (incident.location.confidence or 0.0)
    ids = (*incident.event_ids, news.event_id)
    return replace(
        incident,
        updated_at=max(news.at, incident.updated_at),
        severity=news.severity if worse else incident.severity,
        kind=news.kind if worse else incident.kind,
        parts={**incident.parts, news.target: part},
        event_ids=ids if len(ids) <= MOST_IDS else (ids[0], *ids[2:]),
        events=incident.events + 1,
        marks=dict(list(marks.items())[-MOST_MARKS:]),
        cause=incident.cause if known else news.cause,
        location=news.location if surer else incident.location,
        address=news.address if surer else incident.address,
        fresh=True,
    )


def _touched(part: Part, news: News) -> Part:
    """A target's part after an event of its own."""
    part = _healed(part, news)._replace(at=news.at)
    if news.kind in _LOSES:
        return part._replace(lost=True)
    if news.kind is ChangeKind.PATH_UNSTABLE:
        return part._replace(unstable=True)
    if news.kind in MOVES and not part.left and not news.to_usual and news.left != news.entered:
        return part._replace(left=news.left)
    return part


def _healed(part: Part, news: News) -> Part:
    """A target's part with what an event of that target ends."""
    if news.kind in _RETURNS:
        return part._replace(lost=False)
    if news.kind is ChangeKind.PATH_STABLE:
        return part._replace(unstable=False, left="")
    if news.kind is ChangeKind.TARGET_ADDRESS_CHANGED or (news.kind in MOVES and (news.to_usual or news.entered == part.left)):
        return part._replace(left="")
    return part


def _may_notify(before: Incident, after: Incident, news: News) -> bool:
    if news.kind in _ALWAYS:
        return True
    if news.kind in _RETURNS and before.notified == _WORST:
        return not after.lost
    return rank(news.severity) > rank(before.notified)
