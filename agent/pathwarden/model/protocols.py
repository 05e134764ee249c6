"""What adapters offer each other, so that none imports another; the daemon hands them over."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from pathwarden.model.asked import Asked
from pathwarden.model.history import (
    DbStats,
    Exported,
    Heat,
    OutboxRow,
    Record,
    Route,
    Series,
    StoredEvent,
    StoredIncident,
    StoredTrace,
)
from pathwarden.model.look import Look
from pathwarden.model.network import Whose
from pathwarden.model.probe import PLAIN, Binding, Extra, Flow, Method, Probe, Reply
from pathwarden.model.settings import Source, Target
from pathwarden.model.trace import KernelRoute, Trace


class Clock(Protocol):
    """Time, real or simulated."""

    def mono_ns(self) -> int:
        """Monotonic nanoseconds: the only clock for durations and schedules."""
        ...

    def wall_ns(self) -> int:
        """Nanoseconds since 1970; may step."""
        ...

    def synced(self) -> bool:
        """Whether the wall clock is known to be right."""
        ...


class Transport(Protocol):
    """Sends probes and brings replies: raw sockets, the error queue, or the simulated network."""

    name: str

    def flow(
        self, dst: str, method: Method, port: int, binding: Binding, tos: int, size: int, label: int = 0, extra: Extra = PLAIN
    ) -> Flow:
        """The flow to use for a destination: the kernel's source address, and a source port that is held for us.

        `port` 0 is the method's own (33434 for UDP), `size` 0 the method's usual datagram (60 bytes on IPv4, 80 on IPv6 for UDP and
        ICMP), `label` 0 an IPv6 flow label that follows from the addresses. Equal
        arguments give equal flows, also after a restart, as long as the source address stays. Raises `ProbeError`.
        """
        ...

    def window(self, flow: Flow) -> int:
        """How many probes of one flow may be in flight at once and still be told apart."""
        ...

    def send(self, probe: Probe, binding: Binding) -> int:
        """Send one probe; the monotonic instant of sending, or 0 when the kernel's queue is full (try again). Raises `ProbeError`."""
        ...

    def receive(self, timeout_ns: int) -> list[Reply]:
        """Replies that have come; waits at most `timeout_ns` (0: do not wait) for the first, or until `wake`."""
        ...

    def pause(self, timeout_ns: int) -> None:
        """Let at most so much time pass, or until `wake`; replies that come meanwhile wait for `receive` and keep their instants."""
        ...

    def wake(self) -> None:
        """End a waiting `receive` or `pause`; may be called from any thread and from a signal handler."""
        ...

    def counters(self) -> Mapping[str, int]:
        """Counts since start: malformed, overflow, enobufs, timestamps_missing and the like."""
        ...

    def close(self) -> None:
        """Release every socket."""
        ...


class RouteOracle(Protocol):
    """Asks the kernel where packets would go."""

    def effective(self, binding: Binding, af: int) -> Binding:
        """The binding with what leads to its routing table (mark, source or device of a rule). Raises `ProbeError` no_table_rule."""
        ...

    def lookup(self, dst: str, binding: Binding) -> KernelRoute:
        """The kernel's answer for a destination under a binding; cached until the kernel reports a change. Raises `ProbeError`."""
        ...


class SourceResolver(Protocol):
    """Turns a source into what sockets are bound to, as the machine is now."""

    def binding(self, source: Source, af: int) -> Binding:
        """The source's device, address, table and mark for IPv4 (4) or IPv6 (6); never blocks. Raises `ProbeError`."""
        ...


class Resolver(Protocol):
    """Turns host names into addresses without blocking the prober."""

    def lookup(self, host: str, family: int) -> str | None:
        """The pinned address of a host, or None while it is being resolved or does not resolve; never blocks."""
        ...


class HistoryWriter(Protocol):
    """The only writer of the history; its methods are called from the store's thread alone."""

    def save(self, records: Sequence[Record]) -> None:
        """Write finished traces, routes, states, events and incidents in one transaction."""
        ...

    def acknowledge(self, seqs: Sequence[int]) -> None:
        """The broker has these events; take them out of the outbox."""
        ...


class HistoryReader(Protocol):
    """Read-only views of the history. Instants are wall-clock nanoseconds; lists are newest first unless said otherwise."""

    def latest(self, target: str) -> StoredTrace | None:
        """The newest trace of a target."""
        ...

    def traces(
        self,
        target: str,
        *,
        before_id: int | None = None,
        at_from: int | None = None,
        at_to: int | None = None,
        limit: int = 50,
    ) -> list[StoredTrace]:
        """Traces of a target; `before_id` pages on."""
        ...

    def each_trace(
        self,
        target: str,
        *,
        before_id: int | None = None,
        at_from: int | None = None,
        at_to: int | None = None,
        limit: int = 50,
    ) -> Iterator[StoredTrace]:
        """As `traces`, made one by one: together they take ten times the memory."""
        ...

    def walk(self, target: str, *, at_from: int | None = None, at_to: int | None = None) -> Iterator[StoredTrace]:
        """All traces of a target that started in [at_from, at_to], oldest start first, few of them in memory at once."""
        ...

    def trace(self, trace_id: int) -> StoredTrace | None:
        """One trace."""
        ...

    def trace_at(self, target: str, at: int) -> StoredTrace | None:
        """The trace in force at an instant: the newest that started at or before it."""
        ...

    def path_at(self, target: str, at: int) -> Route | None:
        """The route that a target's traces followed at an instant; None if none was known yet. Known longer than the traces are."""
        ...

    def routes(self, target: str) -> list[Route]:
        """All routes of a target, most time first."""
        ...

    def route(self, route_id: str) -> Route | None:
        """One route."""
        ...

    def events(
        self,
        *,
        target: str | None = None,
        since_seq: int | None = None,
        before_seq: int | None = None,
        at_from: int | None = None,
        at_to: int | None = None,
        limit: int = 100,
        incidents: bool = True,
    ) -> list[StoredEvent]:
        """Events told in [at_from, at_to]; with `since_seq` oldest first (for following), else newest first.

        Without `incidents` those are left out that only tell how an incident stands.
        """
        ...

    def each_event(
        self,
        *,
        target: str | None = None,
        since_seq: int | None = None,
        before_seq: int | None = None,
        at_from: int | None = None,
        at_to: int | None = None,
        limit: int = 100,
        incidents: bool = True,
    ) -> Iterator[StoredEvent]:
        """As `events`, made one by one: together they take ten times the memory."""
        ...

    def event(self, event_id: str) -> StoredEvent | None:
        """One event."""
        ...

    def incidents(self, limit: int = 100, before: str | None = None) -> list[StoredIncident]:
        """The incidents as they were told last, newest first; `before` pages on after that one."""
        ...

    def count_events(self, target: str, at_from: int, types: Sequence[str]) -> int:
        """How many events of these types a target had since an instant."""
        ...

    def series(self, target: str, at_from: int, at_to: int, points: int) -> Series:
        """Samples in at most `points` equal buckets, computed in SQL."""
        ...

    def heat(self, target: str, at_from: int, at_to: int, columns: int) -> Heat:
        """What each hop answered in [at_from, at_to), in at most so many columns."""
        ...

    def series_of(self, targets: Sequence[str], at_from: int, at_to: int, points: int) -> dict[str, Series]:
        """The series of several targets at once."""
        ...

    def states(self) -> dict[str, str]:
        """Each target's state machine as JSON text."""
        ...

    def tellings(self) -> dict[str, str]:
        """What is told of each target, as it stands, as JSON text; '' is the agent's own."""
        ...

    def change_numbers(self) -> dict[str, int]:
        """The highest `change_no` of each target's events; '' is the agent."""
        ...

    def outbox(self, after_seq: int, limit: int) -> list[OutboxRow]:
        """Events not acknowledged yet, oldest first, with `seq` greater than `after_seq`."""
        ...

    def stats(self) -> DbStats:
        """Sizes and counts."""
        ...


class Exports(Protocol):
    """The history in the forms of other programs; any thread may ask."""

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms that there are."""
        ...

    def export(self, target: Target, form: str, at_from: int | None, at_to: int | None) -> Exported:
        """The traces of a target that started in [at_from, at_to], oldest first, in one of the forms; read while it is taken."""
        ...


class Additions(Protocol):
    """Adds and removes targets where the owner allows it. Each answers with one of `commands.CODES`, and what is wrong in a few words."""

    def add(self, tid: str, options: Mapping[str, str]) -> tuple[str, str]:
        """Watch a target, with options as the configuration writes them, from within half a minute on."""
        ...

    def remove(self, tid: str) -> tuple[str, str]:
        """Watch a target that was added no more; its history stays."""
        ...


class Pictures(Protocol):
    """Pictures of the history; any thread may ask."""

    def graph(self, targets: Iterable[Target], at: int, before: int | None, look: Look) -> str | None:
        """The ways to these targets at an instant, compared with those `before`, as SVG; None if none was traced by then."""
        ...

    def map(self, targets: Iterable[Target], at: int, look: Look) -> str | None:
        """The places on these ways on a map of the world, likewise."""
        ...


class Agent(Protocol):
    """The running agent as the page, the broker and the command topics see it; every method may be called from any thread."""

    whose: Whose

    def info(self) -> dict[str, object]:
        """The agent's own state: the JSON object of the `info` topic."""
        ...

    def overview(self) -> tuple[dict[str, object], list[dict[str, object]]]:
        """What `info` begins with (v, agent, ts, clock_synced, verdict, sentence, notices), and all states."""
        ...

    def target_states(self) -> list[dict[str, object]]:
        """One JSON object of the `state` topic per configured target, in configuration order."""
        ...

    def target_state(self, tid: str) -> dict[str, object] | None:
        """The JSON object of one target's `state` topic; None if there is no such target."""
        ...

    def path_name(self, tid: str) -> tuple[object, ...]:
        """Which path `target_path` would tell, since when, and whose its hops are: its content is asked for only if this changed."""
        ...

    def target_path(self, tid: str) -> dict[str, object] | None:
        """The JSON object of a target's `path` topic; None before the first trace."""
        ...

    def target_outline(self, tid: str) -> dict[str, object] | None:
        """What the overview tells of a target beyond its state: see `present.outline`; None if there is no such target."""
        ...

    def trace_now(self, tid: str) -> str:
        """Ask for a trace as soon as possible; a name for `trace_asked`, '' if there is no such target. One that runs already counts."""
        ...

    def trace_once(self, target: Mapping[str, str], source: Mapping[str, str] | None) -> str:
        """Ask for a trace of what is not configured, by options as the configuration writes them; '' if too many wait.

        With `source` it leaves by a source of these options. Raises `BadOptions`.
        """
        ...

    def trace_asked(self, name: str) -> Asked | None:
        """How far a trace is that was asked for; None if nobody knows it, as after a restart."""
        ...

    def mute(self, tid: str, for_s: int) -> bool:
        """Notify nothing of a target for so long, 0 ends it; False if there is no such target."""
        ...

    def mute_pair(self, tid: str, one: str, other: str, *, muted: bool) -> bool:
        """Notify nothing when a target goes from one of two routes (their letters) to the other; False if there is no such target."""
        ...

    def pause(self, tid: str, *, paused: bool) -> bool:
        """Probe a target no more but on demand, or again; False if there is no such target. It survives a restart."""
        ...

    def accept_path(self, tid: str) -> bool:
        """Make the route in force the usual one; False if there is no such target, or no route yet."""
        ...

    def note(self, event_id: str, text: str) -> None:
        """Keep what somebody wrote about an event, '' takes it away; it is in the history within moments."""
        ...

    def metrics(self) -> str:
        """The whole OpenMetrics text."""
        ...


class Publisher(Protocol):
    """Where the daemon sends what subscribers should know; never blocks."""

    def state_changed(self, tid: str) -> None:
        """A target's state and path may have changed."""
        ...

    def event_stored(self) -> None:
        """The outbox has something new."""
        ...

    def info_changed(self) -> None:
        """The agent's own state has changed in a way that should not wait for the next minute."""
        ...

    def traced(self, trace: Trace) -> None:
        """A trace is in the history."""
        ...


Acknowledge = Callable[[Sequence[int]], None]
AsResult = Callable[[Trace], Mapping[str, object]]  # a trace as a result of RIPE Atlas, JSON-ready
