"""What the agent tells of itself, and incidents: the JSON bodies of the agent's `event` topic."""

from collections.abc import Mapping
from typing import NamedTuple

from pathwarden.detect.incident import Incident, is_target
from pathwarden.model.change import NO_CAUSE, NOWHERE, AgentKind, Cause, ChangeKind, Location
from pathwarden.model.history import Event, StoredIncident
from pathwarden.present.events import cause, location
from pathwarden.present.instants import rfc3339
from pathwarden.present.sentences import Sentence, Words, around, as_json, message, say, title

MOST_TARGETS = 64  # named in an incident; all are counted

SEVERITY = {
    AgentKind.AGENT_STARTED: "info",
    AgentKind.UPLINK_DOWN: "critical",
    AgentKind.UPLINK_UP: "notice",
    AgentKind.PROBE_ERROR: "warning",
}
_UNNAMED = ".unnamed"  # a way out that the kernel names no device of: there is no route at all
_OF_UPLINK = (AgentKind.UPLINK_DOWN, AgentKind.UPLINK_UP)
_WHAT = {
    ChangeKind.TARGET_UNREACHABLE: "unreachable",
    ChangeKind.TARGET_REACHABLE: "unreachable",
    ChangeKind.PATH_CHANGED: "path",
    ChangeKind.PATH_REVERTED: "path",
    ChangeKind.PATH_UNSTABLE: "unstable",
    ChangeKind.PATH_STABLE: "unstable",
    ChangeKind.LATENCY_SHIFT: "latency",
}


class AgentHead(NamedTuple):
    """What the body of an agent's event says besides its content."""

    agent: str
    change_no: int
    clock_synced: bool
    notify: bool
    event_id: str
    group_id: str
    at: int


class Announcement(NamedTuple):
    """Something that the agent tells of itself. `code` is for programs, `detail` one sentence for people; '' where there is none.

    `source` is whose uplink it tells of, '' for the kernel's choice.
    """

    kind: AgentKind
    first_seen_at: int
    code: str = ""
    detail: str = ""
    device: str = ""
    cause: Cause = NO_CAUSE
    location: Location = NOWHERE
    source: str = ""


def agent_event(head: AgentHead, news: Announcement) -> Event:
    """The event that announces something."""
    key = f"title.{news.kind.value}"
    uplink = news.source or news.device
    if news.kind in _OF_UPLINK and not uplink:
        key += _UNNAMED
    clauses = (say("said", detail=news.detail),) if news.detail else ()
    return _event(head, news, SEVERITY[news.kind], Words(say(key, version=news.code, device=uplink), clauses), None)


def incident_event(head: AgentHead, incident: Incident, names: Mapping[str, str]) -> tuple[Event, StoredIncident]:
    """The event that tells how an incident stands, and what the history keeps of it. `names` gives each target's name.

    It does not notify: the incident's own events have done so.
    """
    clauses = sentence_of(incident, names)
    content: dict[str, object] = {
        "id": incident.incident_id,
        "opened_at": rfc3339(incident.opened_at),
        "updated_at": rfc3339(incident.updated_at),
        "closed_at": None if incident.closed_at is None else rfc3339(incident.closed_at),
        "severity": incident.severity,
        "kind": incident.kind.value,
        "targets": _targets(incident)[:MOST_TARGETS],
        "target_count": len(_targets(incident)),
        "lost_count": sum(part.lost for name, part in incident.parts.items() if is_target(name)),
        "event_ids": list(incident.event_ids),
        "event_count": incident.events,
        "cause": cause(incident.cause),
        "location": location(incident.location),
        "sentence": message(clauses),
        "text": [{"key": clause.key, "args": clause.args} for clause in clauses],
    }
    news = Announcement(AgentKind.INCIDENT, incident.opened_at, cause=incident.cause, location=incident.location)
    words = Words(say("title.incident", sentence=clauses[0].english), clauses)
    told = _event(head, news, incident.severity, words, content)
    return told, StoredIncident(incident.incident_id, incident.opened_at, incident.closed_at, content)


def sentence_of(incident: Incident, names: Mapping[str, str]) -> tuple[Sentence, ...]:
    """What is said of an incident, in clauses."""
    tids = _targets(incident)
    still = [name for name in tids if incident.parts[name].lost]
    what = f"incident.{_WHAT.get(incident.kind, 'other')}" if isinstance(incident.kind, ChangeKind) else ""
    if not what:
        device = next((name.lstrip("@") for name in incident.parts if not is_target(name)), "")
        head = say("incident.uplink", device=device) if device else say(f"incident.uplink{_UNNAMED}")
    elif len(tids) == 1:
        head = say(what, name=names.get(tids[0], tids[0]))
    else:
        head = say(f"{what}.many", count=len(tids))
    some = (say("incident.still", count=len(still)),) if still and len(still) < len(tids) else ()
    over = (say("incident.over"),) if incident.closed_at is not None and incident.settled else ()
    return (head, *some, *over, *around(incident.cause, incident.location, incident.address))


def _targets(incident: Incident) -> list[str]:
    return [name for name in incident.parts if is_target(name)]


def _event(head: AgentHead, news: Announcement, severity: str, words: Words, incident: dict[str, object] | None) -> Event:
    body: dict[str, object] = {
        "v": 1,
        "clock_synced": head.clock_synced,
        "event_type": news.kind.value,
        "event_id": head.event_id,
        "severity": severity,
        "notify": head.notify,
        "delayed": False,
        "agent": head.agent,
        "target": None,
        "name": head.agent,
        "first_seen_at": rfc3339(news.first_seen_at),
        "occurred_at": rfc3339(head.at),
        "group_id": head.group_id or head.event_id,
        "code": news.code or None,
        "device": news.device or None,
        "cause": cause(news.cause),
        "location": location(news.location),
        "incident": incident,
        "title": title(words),
        "message": message(words.message),
        "text": as_json(words),
        "url": None,
        "truncated": False,
    }
    return Event(head.event_id, "", head.change_no, news.kind.value, severity, head.notify, head.at, head.clock_synced, body)
