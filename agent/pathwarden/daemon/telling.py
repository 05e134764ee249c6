"""From changes to events: what is recorded, what is published, and what notifies.

Every change becomes an event, whatever else holds. Whether it notifies is asked of, in this order: its severity, the learning phase,
what the owner muted, flapping, its incident, and the hourly limit. All that must survive a restart goes into the history with the
events it brought about, in one transaction, so that neither can be there without the other.

One thread, the prober's, calls everything here. Instants are wall-clock nanoseconds.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from pathwarden.detect.damping import Damper, Turn
from pathwarden.detect.incident import MOVES, Incident, News, line_marks, marks_of, source_of, uplink_part
from pathwarden.detect.incidents import Incidents
from pathwarden.detect.quota import NOTHING_HELD, Held, Mute, Quota
from pathwarden.model.change import SEVERITIES, AgentKind, Cause, CauseKind, Change, ChangeKind
from pathwarden.model.happening import Notice, NoticeKind
from pathwarden.model.history import Event, Record, Route, StoredIncident
from pathwarden.model.instants import ClockShift
from pathwarden.model.settings import Target
from pathwarden.model.trace import Trace
from pathwarden.present.events import NOTIFY_FROM, Head, event_of, ulid, worth_telling
from pathwarden.present.incidents import SEVERITY, AgentHead, Announcement, agent_event, incident_event
from pathwarden.present.severity import severity_of

log = logging.getLogger(__name__)

AGENT = ""  # what the agent tells of itself, in the place of a target

_NOTICES = {
    NoticeKind.UPLINK_DOWN: AgentKind.UPLINK_DOWN,
    NoticeKind.UPLINK_UP: AgentKind.UPLINK_UP,
    NoticeKind.RESOLVER_DOWN: AgentKind.PROBE_ERROR,
    NoticeKind.RESOLVER_UP: AgentKind.PROBE_ERROR,
}
_UPLINKS = (AgentKind.UPLINK_DOWN, AgentKind.UPLINK_UP)


class Entropy(Protocol):
    """A source of random bytes, for event ids: `os.urandom` is one."""

    def __call__(self, count: int, /) -> bytes:
        """Give so many bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it: events of targets, events of the agent, incidents as they stand, and states to keep with them."""

    events: tuple[Event, ...] = ()
    agent_events: tuple[Event, ...] = ()
    incidents: tuple[StoredIncident, ...] = ()
    telling: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.telling)

    def record(self, trace: Trace | None, route: Route | None, state: str, *, synced: bool = True) -> Record:
        """All of it as a record; without a trace `synced` tells whether the clock was right."""
        return Record(trace, route, state, self.events + self.agent_events, self.telling, self.incidents, synced)


NOTHING = Told()


class Heard(NamedTuple):
    """What the owner hears of a target: whether its path is unstable, until when (an instant) it is muted, which pairs of paths are.

    `paused`: nothing at all, since it is not probed.
    """

    unstable: bool = False
    muted_until: int | None = None
    muted_pairs: tuple[tuple[str, str], ...] = ()
    paused: bool = False


@dataclass(slots=True)
class _Of:
    """One target's state. `learning` and `address` are its last change's, for events that time brings about."""

    change_no: int = 0
    damper: Damper = field(default_factory=Damper)
    quota: Quota = field(default_factory=Quota)
    mute: Mute = field(default_factory=Mute)
    learning: bool = False
    address: str = ""
    paused: bool = False

    def export(self) -> dict[str, object]:
        return {
            "change_no": self.change_no,
            "damper": self.damper.export(),
            "quota": self.quota.export(),
            "mute": self.mute.export(),
            "learning": self.learning,
            "address": self.address,
            "paused": self.paused,
        }

    @classmethod
    def restore(cls, values: Mapping[str, Any]) -> "_Of":
        damper, quota, mute = Damper.restore(values["damper"]), Quota.restore(values["quota"]), Mute.restore(values["mute"])
        learning, address, paused = bool(values["learning"]), str(values["address"]), bool(values.get("paused", False))
        return cls(int(values["change_no"]), damper, quota, mute, learning, address, paused)

    def shift(self, shift: ClockShift) -> None:
        self.damper.shift(shift)
        self.quota.shift(shift)
        self.mute = self.mute.shift(shift)


class Teller:
    """Makes events of changes, for all targets and the agent. `route_of` gives the route in force of a target."""

    def __init__(self, agent: str, targets: Iterable[Target], entropy: Entropy, route_of: Callable[[str], Route | None]) -> None:
        self.next_due_at: int | None = None
        self._agent = agent
        self._targets = {target.tid: target for target in targets}
        self._names = {tid: target.label or target.host for tid, target in self._targets.items()}
        self._entropy = entropy
        self._route_of = route_of
        self._of = {tid: _Of() for tid in (AGENT, *self._targets)}
        self._incidents = Incidents()
        self._seen_at = 0
        self._events: list[Event] = []
        self._agent_events: list[Event] = []
        self._stored: list[StoredIncident] = []
        self._dirty: dict[str, None] = {}

    def restore(self, telling: Mapping[str, str], numbers: Mapping[str, int]) -> None:
        """Go on from what `export` wrote, by target; `numbers` are the highest change numbers used, of which none comes again.

        What cannot be read is logged and begins anew.
        """
        for tid, of in self._of.items():
            if tid in telling:
                try:
                    values = json.loads(telling[tid])
                    restored = _Of.restore(values)
                    if tid == AGENT:
                        self._incidents = Incidents.restore(values)
                except (ValueError, TypeError, KeyError):
                    log.error("what was told of %s is unreadable in the history: it begins anew", tid or "the agent")
                else:
                    of = self._of[tid] = restored  # noqa: PLW2901 - the same target's
            of.change_no = max(of.change_no, numbers.get(tid, 0))
        self._incidents.keep_only(self._targets, {target.source for target in self._targets.values()})
        self._plan()

    def export(self, tid: str = AGENT) -> str:
        """What must survive a restart, of a target or of the agent, as JSON text."""
        values = self._of[tid].export() | (self._incidents.export() if tid == AGENT else {})
        return json.dumps(values, ensure_ascii=False, separators=(",", ":"))

    def tell(self, tid: str, changes: Sequence[Change], trace: Trace, at: int) -> Told:
        """The events of a target's changes, in their order; `trace` confirmed them, `at` is now."""
        if not changes:
            return self.tick(at, trace.clock_synced)
        self._pass(at, synced=trace.clock_synced)
        for change in changes:
            self._change(tid, change, at, trace.clock_synced)
        return self._told(at, trace.clock_synced)

    def tick(self, at: int, synced: bool) -> Told:
        """What became due by time alone. To be called at `next_due_at` or at any other time; costs nothing if nothing is due."""
        if not self._dirty and self._seen_at <= at and (self.next_due_at is None or at < self.next_due_at):
            self._seen_at = at
            return NOTHING
        self._pass(at, synced=synced)
        return self._told(at, synced)

    def announce(self, news: Announcement, at: int, synced: bool) -> Told:
        """An event of the agent's own."""
        self._pass(at, synced=synced)
        of, event_id, severity = self._of[AGENT], self._ulid(at), SEVERITY[news.kind]
        folded = self._incidents.fold(self._of_uplink(event_id, severity, news, at)) if news.kind in _UPLINKS else None
        group_id = folded.incident.incident_id if folded else event_id
        notify = (folded is None or folded.may_notify) and SEVERITIES.index(severity) >= NOTIFY_FROM
        notify = notify and of.quota.ask(at, news.kind.value, severity, SEVERITIES)
        of.quota.drop()  # the agent's events are few, and have no digest
        if notify and folded:
            self._incidents.notified(group_id, news.kind, severity)
        head = AgentHead(self._agent, self._number(AGENT), synced, notify, event_id, group_id, at)
        self._agent_events.append(agent_event(head, news))
        return self._told(at, synced)

    def notice(self, notice: Notice, synced: bool) -> Told:
        """What the agent noticed about its own surroundings."""
        kind = _NOTICES[notice.kind]
        uplink = kind is not AgentKind.PROBE_ERROR
        cause = Cause(CauseKind.UPLINK, notice.sentence) if uplink else Cause()
        code = "" if uplink else notice.kind.value
        news = Announcement(kind, notice.first_seen_at, code, notice.sentence, notice.device, cause, source=notice.source)
        return self.announce(news, notice.at, synced)

    @property
    def down(self) -> frozenset[str]:
        """The sources whose uplinks were told to be down, and not to be up again ('' is the kernel's choice)."""
        return frozenset(map(source_of, self._incidents.lost_uplinks))

    def mute(self, tid: str, at: int, until_at: int) -> None:
        """Notify nothing of a target from now on until an instant; one that is not later unmutes it. The next `tick` keeps it."""
        self._of[tid].mute = self._of[tid].mute.until(at, until_at)
        self._dirty[tid] = None

    def mute_pair(self, tid: str, one: str, other: str, *, muted: bool) -> None:
        """Notify nothing when a target goes from one of two routes (their letters) to the other. The next `tick` keeps it."""
        self._of[tid].mute = self._of[tid].mute.between(one, other, muted=muted)
        self._dirty[tid] = None

    def pause(self, tid: str, *, paused: bool) -> None:
        """A target is probed no more, or again. The next `tick` keeps it."""
        self._of[tid].paused = paused
        self._dirty[tid] = None

    def accept(self, tid: str) -> None:
        """The owner accepted the route in force as usual: no incident waits for the old one to come back. The next `tick` tells."""
        self._incidents.settle(tid)
        self._dirty[AGENT] = None
        self._plan()

    def heard(self, tid: str, at: int) -> Heard:
        """What the owner hears of a target now."""
        of = self._of[tid]
        return Heard(of.damper.unstable, of.mute.until_at if of.mute.covers(at) else None, of.mute.pairs, of.paused)

    def shift(self, shift: ClockShift) -> None:
        """The clock became right: correct every instant noted before."""
        for tid, of in self._of.items():
            of.shift(shift)
            self._dirty[tid] = None
        self._incidents.shift(shift)
        self._seen_at = 0
        self._plan()

    def _of_uplink(self, event_id: str, severity: str, news: Announcement, at: int) -> News:
        part = uplink_part(news.source, news.device)
        if not news.source:  # the device may be another one, or not be known, since it was told
            part = next((lost for lost in self._incidents.lost_uplinks if not source_of(lost)), part)
        return News(event_id, part, news.kind, severity, min(news.first_seen_at, at), at, line_marks(news.device), cause=news.cause)

    def _change(self, tid: str, change: Change, at: int, synced: bool) -> None:
        of = self._of[tid]
        of.learning, of.address = change.learning, change.new_address
        old, new = change.old, change.new
        known_pair = change.kind in MOVES and old is not None and new is not None and of.mute.knows(old.label, new.label)
        turn = of.damper.changed(at) if change.kind in MOVES and not known_pair else Turn.NONE
        hushed = known_pair or (change.kind in MOVES and of.damper.unstable)
        self._event(tid, change, at, synced, hushed=hushed)
        if turn is Turn.UNSTABLE:
            self._event(tid, self._by_time(tid, ChangeKind.PATH_UNSTABLE, at), at, synced)

    def _event(self, tid: str, change: Change, at: int, synced: bool, *, hushed: bool = False) -> None:
        """One event of a target; `hushed` means that flapping or a muted pair keeps it from notifying."""
        of, severity, event_id = self._of[tid], severity_of(change), self._ulid(change.at)
        folded = self._incidents.fold(_news(event_id, tid, change, severity, at))
        group_id = folded.incident.incident_id
        notify = worth_telling(severity, change) and not hushed and not of.mute.covers(at) and folded.may_notify
        notify = notify and of.quota.ask(at, change.kind.value, severity, SEVERITIES)
        if notify:
            self._incidents.notified(group_id, change.kind, severity)
        self._put(tid, change, notify, event_id, group_id, synced)

    def _pass(self, at: int, *, synced: bool) -> None:
        """Tell what became due by time."""
        self._seen_at = at
        for tid in self._targets:
            of = self._of[tid]
            if of.damper.tick(at) is Turn.STABLE:
                self._event(tid, self._by_time(tid, ChangeKind.PATH_STABLE, at), at, synced)
            held = of.quota.tick(at)
            if held.total:
                event_id = self._ulid(at)
                notify = not of.mute.covers(at)
                self._put(tid, self._by_time(tid, ChangeKind.DIGEST, at, held), notify, event_id, event_id, synced, held)

    def _put(self, tid: str, change: Change, notify: bool, event_id: str, group_id: str, synced: bool, held: Held = NOTHING_HELD) -> None:
        af = 6 if ":" in change.new_address else 4
        head = Head(self._agent, self._targets[tid], self._number(tid), synced, af, notify, event_id, group_id)
        self._events.append(event_of(change, head, held))

    def _by_time(self, tid: str, kind: ChangeKind, at: int, held: Held = NOTHING_HELD) -> Change:
        """A change that is none of the network's: both its sides are the route in force."""
        of, route = self._of[tid], self._route_of(tid)
        classes = () if kind is ChangeKind.DIGEST else ("flapping",)
        return Change(
            kind=kind,
            first_seen_at=held.first_at or at,
            at=at,
            confirmations=1,
            old=route,
            new=route,
            old_address=of.address,
            new_address=of.address,
            old_seconds=0,
            classes=classes,
            first_ttl=0,
            last_ttl=0,
            added=(),
            removed=(),
            similarity=1.0,
            known=route is not None,
            returns_to_usual=False,
            rtt_delta_ms=None,
            lost_after_ttl=None,
            learning=of.learning,
        )

    def _told(self, at: int, synced: bool) -> Told:
        """Gather what was made, with the incidents that must be told, and the states that changed."""
        for incident in self._incidents.take(at):
            self._tell_incident(incident, at, synced)
        if self._events or self._agent_events:
            self._dirty[AGENT] = None
        events, agent_events, stored = tuple(self._events), tuple(self._agent_events), tuple(self._stored)
        telling = {tid: self.export(tid) for tid in self._dirty}
        for made in (self._events, self._agent_events, self._stored, self._dirty):
            made.clear()
        self._plan()
        return Told(events, agent_events, stored, telling)

    def _tell_incident(self, incident: Incident, at: int, synced: bool) -> None:
        head = AgentHead(self._agent, self._number(AGENT), synced, False, self._ulid(at), incident.incident_id, at)
        event, stored = incident_event(head, incident, self._names)
        self._agent_events.append(event)
        self._stored.append(stored)

    def _number(self, tid: str) -> int:
        of = self._of[tid]
        of.change_no += 1
        self._dirty[tid] = None
        return of.change_no

    def _ulid(self, at: int) -> str:
        return ulid(at, self._entropy(10))

    def _plan(self) -> None:
        dues = [due for of in self._of.values() for due in (of.damper.due_at(), of.quota.due_at())]
        self.next_due_at = min((due for due in (*dues, self._incidents.due_at()) if due is not None), default=None)


def _news(event_id: str, tid: str, change: Change, severity: str, at: int) -> News:
    old, new = change.old, change.new
    moves = change.kind in MOVES
    return News(
        event_id,
        tid,
        change.kind,
        severity,
        min(change.first_seen_at, at),
        at,
        marks_of(change),
        old.route_id if moves and old else "",
        new.route_id if moves and new else "",
        change.returns_to_usual,
        change.cause,
        change.location,
        change.new_address,
    )
