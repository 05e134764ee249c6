"""What the history keeps and gives back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pathwarden.model.trace import Trace


class Route(NamedTuple):
    """The canonical path of a target under one epoch.

    `hops[k]` holds the responders known at ttl k+1, sorted; empty means nobody has answered there yet. `length` is the ttl of the
    destination, None if it never answered. `label` is the letter people see: A, B, … Z, AA. Instants are wall-clock nanoseconds,
    `held_s` the seconds it was in force, up to `last_at`.
    """

    route_id: str
    target: str
    label: str
    address: str
    epoch: str
    hops: tuple[tuple[str, ...], ...]
    length: int | None
    first_at: int
    last_at: int
    held_s: int
    traces: int
    rtt_ms: float | None
    loss_pct: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something we tell. `body` is the finished JSON object of the `event` topic; the store adds its `seq` and keeps it as it is.

    `target` is '' for what the agent tells of itself. `change_no` counts a target's events from 1; with `target` it is unique, so that
    a repeated commit cannot double an event.
    """

    event_id: str
    target: str
    change_no: int
    event_type: str
    severity: str
    notify: bool
    at: int
    clock_synced: bool
    body: Mapping[str, object]


class StoredIncident(NamedTuple):
    """An incident as it was told last: `body` is its JSON object. `closed_at` is None while it is open."""

    incident_id: str
    opened_at: int
    closed_at: int | None
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Record:
    """What one finished trace leaves behind, written in one transaction: all of it or nothing.

    `route` is the route the trace belongs to as it now stands (None while undecided), `state` the target's state machine as JSON text.
    `events` may be of several targets and of the agent itself. `telling` holds, as JSON text by target, the state of what is told of
    it, '' being the agent's own; what is not named stays as it was. `incidents` are those that were told anew. `notes` are what somebody
    wrote about events, by event id; '' takes one away.

    Without a trace (time passed, single probes found something, or the owner said something) `target` names whose `route` and `state`
    these are ('': they mean nothing), and `clock_synced` tells whether the clock was right; else the trace knows.
    """

    trace: Trace | None
    route: Route | None
    state: str
    events: tuple[Event, ...] = ()
    telling: Mapping[str, str] = field(default_factory=dict)
    incidents: tuple[StoredIncident, ...] = ()
    clock_synced: bool = True
    target: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def tid(self) -> str:
        """Whose it is, '' if nobody's."""
        return self.target if self.trace is None else self.trace.target

    @property
    def synced(self) -> bool:
        """Whether the clock was right when this was noted."""
        return self.clock_synced if self.trace is None else self.trace.clock_synced


class StoredTrace(NamedTuple):
    """A trace read back; RTTs are exact to 0.01 ms."""

    trace_id: int
    path_id: str
    route_id: str | None
    trace: Trace


class StoredEvent(NamedTuple):
    """An event read back: its position in the one sequence of all events, and its JSON object with `seq` and `note` in it."""

    seq: int
    event_id: str
    target: str
    event_type: str
    at: int
    body: dict[str, object]


class OutboxRow(NamedTuple):
    """An event that the broker has not acknowledged yet."""

    seq: int
    event_id: str
    target: str
    body: dict[str, object]


class Exported(NamedTuple):
    """Traces as a file of another program: the type of its content, a name for it, and its text a piece at a time."""

    content_type: str
    name: str
    pieces: Iterator[str]


class Series(NamedTuple):
    """A target's samples in equal buckets, as columns of equal length.

    `at_s`: start of each bucket (seconds since 1970). RTTs in ms to the destination, None where it never answered. `sent` and `lost`
    count destination probes, `routes` names the route most traces of the bucket followed (None if unknown).
    """

    at_s: list[int]
    rtt_min_ms: list[float | None]
    rtt_median_ms: list[float | None]
    rtt_max_ms: list[float | None]
    sent: list[int]
    lost: list[int]
    routes: list[str | None]


class HeatCell(NamedTuple):
    """What a hop's probes got: `rtt_ms` is the median, None if nothing came back."""

    sent: int
    lost: int
    rtt_ms: float | None


class Heat(NamedTuple):
    """A target's hops over time, in equal columns of `width_s` from `start_s` on (seconds since 1970).

    A column is one trace, the worst of its time: that with the greatest loss at the destination, then the slowest. So no fault is averaged
    away, and `at_s` tells its start (rounded up). Where only figures of hours or days are left, they are of all traces of that route
    which most followed, and `at_s` is their start. `hops` are by ttl; where nothing is known `at_s` is None and `hops` empty.
    """

    start_s: int
    width_s: int
    at_s: list[int | None]
    hops: list[Mapping[int, HeatCell]]


class Figures(NamedTuple):
    """What probes got in a while: RTTs in ms, None if nothing came back; 10 %, median and 90 % of the answers."""

    sent: int
    lost: int
    rtt_min_ms: float | None
    rtt_p10_ms: float | None
    rtt_median_ms: float | None
    rtt_p90_ms: float | None
    rtt_max_ms: float | None


class Level(NamedTuple):
    """What is left of the traces of an hour or a day that followed one route (None if unknown): see `store.levels`.

    `at_s`: its start (seconds since 1970); `hops` by ttl.
    """

    at_s: int
    width_s: int
    route_id: str | None
    traces: int
    destination: Figures
    hops: Mapping[int, Figures]


class Span(NamedTuple):
    """Since when (`at`) a target's traces followed a route."""

    at: int
    route_id: str


class DbStats(NamedTuple):
    """Sizes and counts of the history.

    `traces` without those that live on as figures alone; `live` of them are not in the lasting file yet. `days` counts rows of figures.
    """

    path: str
    size_bytes: int
    limit_bytes: int
    schema: int
    traces: int
    paths: int
    events: int
    outbox: int
    oldest_at: int | None
    newest_at: int | None
    live: int = 0
    days: int = 0
