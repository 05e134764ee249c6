"""What the agent knows right now, for the page, the broker and the metrics; the prober's thread writes, any thread reads."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import NamedTuple, Protocol

from pathwarden import __version__
from pathwarden.daemon.tally import Tally
from pathwarden.detect.detector import Detector
from pathwarden.errors import OperatorError
from pathwarden.model.asked import Asked
from pathwarden.model.change import NOWHERE, Location
from pathwarden.model.history import Event, Record, Route, StoredEvent
from pathwarden.model.instants import ClockShift
from pathwarden.model.network import Whose, nobody
from pathwarden.model.protocols import Clock, HistoryReader
from pathwarden.model.settings import Settings, Target
from pathwarden.model.trace import Ending, Trace
from pathwarden.present import history, hops, live, metrics, outline
from pathwarden.present.instants import rfc3339

DAY_NS = 86_400_000_000_000
PATH_EVENTS = ("path_changed", "path_reverted")
STABILITY_EVERY_NS = 600_000_000_000  # a weekly share does not move faster than this is worth computing
WEEK_HOURS = 168
PLAN_NS = 1_000_000_000
REMEMBERED_EVENTS = 200
_SHOWN = attrgetter(*hops.NETWORK)


class Fact(NamedTuple):
    """What the prober tells about a target after each trace; `on_route` is the newest trace that followed the route in force."""

    trace: Trace | None = None
    on_route: Trace | None = None
    route: Route | None = None
    usual: Route | None = None
    route_since: int = 0
    answered: bool = False
    lost: bool = False
    learning: bool = True
    location: Location = NOWHERE
    unstable: bool = False
    muted_until: int | None = None
    muted_pairs: tuple[tuple[str, str], ...] = ()
    paused: bool = False


class Wishes(Protocol):
    """What the owner may wish; any thread may call, and each tells False if there is no such target."""

    def mute(self, tid: str, for_s: int) -> bool:
        """Notify nothing of a target for so long; 0 ends it."""
        ...

    def mute_pair(self, tid: str, one: str, other: str, *, muted: bool) -> bool:
        """Notify nothing when a target goes from one of two routes (their letters) to the other."""
        ...

    def pause(self, tid: str, *, paused: bool) -> bool:
        """Probe a target no more but on demand, or again."""
        ...

    def accept_path(self, tid: str) -> bool:
        """Make the route in force the usual one; False without a route, too."""
        ...

    def look(self, name: str) -> Asked | None:
        """How far a trace is that was asked for; None if there is none of this name."""
        ...


class _Row:
    """One target's row on the board."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.fact = Fact()
        self.running = False
        self.resolving = False
        self.next_run_ns: int | None = None
        self.events: list[StoredEvent] = []
        self.changes_total = 0
        self.stability: tuple[int, float | None] = (-STABILITY_EVERY_NS, None)
        self.stripped: tuple[Trace | None, dict[str, float | None] | None] = (None, None)


class Board:
    """Implements `model.protocols.Agent`. `parts` adds what other parts know to `info`: transport, mqtt, db, counters.

    `notices` tells what the operator should know.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        reader: HistoryReader,
        ask: Callable[[str], str],
        parts: Callable[[], Mapping[str, object]],
        notices: Callable[[], Sequence[Mapping[str, str]]] = tuple,
    ) -> None:
        self.wishes: Wishes | None = None
        self.once: Callable[[Mapping[str, str], Mapping[str, str] | None], str] = lambda _target, _source: ""
        self.whose: Whose = nobody
        self.keep: Callable[[Record], None] = lambda _record: None
        self.resolver_silent: Callable[[], bool] = lambda: False
        self._name = settings.agent.name
        self._clock = clock
        self._reader = reader
        self._ask = ask
        self._parts = parts
        self._notices = notices
        self._lock = threading.Lock()
        self._rows = {target.tid: _Row(target) for target in settings.targets}
        self._enabled = frozenset(target.tid for target in settings.targets if target.enabled)
        self._added = frozenset(settings.added)
        self._tally = Tally(self._rows, hops=settings.agent.hop_metrics)
        self._started_mono_ns = clock.mono_ns()
        self._round: set[str] = set()
        self._round_reached = 0
        self._rounds = {"ok": 0, "partial": 0, "failed": 0}
        for tid, row in self._rows.items():
            row.events = reader.events(target=tid, limit=REMEMBERED_EVENTS)[::-1]
            row.changes_total = reader.count_events(tid, 0, PATH_EVENTS)

    def restored(self, tid: str, fact: Fact) -> None:
        """What is known of a target from before the start."""
        self._rows[tid].fact = fact

    def started(self, tid: str) -> None:
        """A trace of this target runs."""
        self._rows[tid].running = True

    def resolving(self, tid: str, value: bool) -> None:
        """Whether the target's name is still being resolved."""
        self._rows[tid].resolving = value

    def finished(self, tid: str, fact: Fact, next_run_ns: int | None, events: tuple[Event, ...]) -> None:
        """A trace ended with these facts."""
        with self._lock:
            row = self._rows[tid]
            if fact.on_route is None:
                fact = fact._replace(on_route=row.fact.on_route)
            row.fact, row.next_run_ns, row.running, row.resolving = fact, next_run_ns, False, False
            self._count(row, tid, events)
            if fact.trace is not None:
                self._tally.traced(tid, fact.trace, next_run_ns)
                self._count_round(tid, fact.trace)

    def changed(self, tid: str, fact: Fact, events: tuple[Event, ...]) -> None:
        """Something changed between two traces: what the last one saw is no trace of the route in force any more, if that is another."""
        with self._lock:
            row = self._rows[tid]
            same = row.fact.route is not None and fact.route is not None and row.fact.route.route_id == fact.route.route_id
            row.fact = fact._replace(trace=row.fact.trace, on_route=row.fact.on_route if same else None)
            if fact.paused:
                self._tally.paused(tid)
            self._count(row, tid, events)

    def told(self, events: tuple[Event, ...]) -> None:
        """Time alone brought these events."""
        with self._lock:
            for event in events:
                self._count(self._rows[event.target], event.target, (event,))

    def _count(self, row: _Row, tid: str, events: tuple[Event, ...]) -> None:
        for event in events:
            row.events.append(StoredEvent(0, event.event_id, tid, event.event_type, event.at, {}))
            row.changes_total += event.event_type in PATH_EVENTS
            self._tally.told(tid, event.event_type)
        del row.events[:-REMEMBERED_EVENTS]

    def shift(self, shift: ClockShift, detectors: Mapping[str, Detector]) -> None:
        """The clock became right: correct every instant noted before; the detectors have done so."""
        with self._lock:
            for tid, row in self._rows.items():
                detector, fact = detectors[tid], row.fact
                row.fact = fact._replace(
                    trace=_shifted(fact.trace, shift),
                    on_route=_shifted(fact.on_route, shift),
                    route=detector.route,
                    usual=detector.usual,
                    route_since=detector.state.route_since,
                )
                row.events = [event._replace(at=shift.of(event.at)) for event in row.events]

    def info(self) -> dict[str, object]:
        """The `info` topic, and the API's status."""
        states = self.target_states()
        uptime_ns = self._clock.mono_ns() - self._started_mono_ns
        next_runs = [str(s["next_run_at"]) for s in states if s["next_run_at"]]
        return {
            **self._head(states),
            "version": __version__,
            "started_at": rfc3339(self._clock.wall_ns() - uptime_ns),
            "uptime_s": uptime_ns // 10**9,
            "targets": len(states),
            "rounds": dict(self._rounds),
            "next_run_at": min(next_runs, default=None),
            **self._parts(),
        }

    def overview(self) -> tuple[dict[str, object], list[dict[str, object]]]:
        """See `Agent.overview`: a page asks every few seconds, so nothing is counted for it."""
        states = self.target_states()
        return self._head(states), states

    def _head(self, states: Sequence[Mapping[str, object]]) -> dict[str, object]:
        verdict, sentence = live.overall(states, resolver_silent=self.resolver_silent())
        return {
            "v": 1,
            "agent": self._name,
            "ts": rfc3339(self._clock.wall_ns()),
            "clock_synced": self._clock.synced(),
            "verdict": verdict,
            "sentence": sentence,
            "notices": list(self._notices()),
        }

    def target_states(self) -> list[dict[str, object]]:
        """All `state` objects, in configuration order."""
        now, synced = self._clock.wall_ns(), self._clock.synced()
        return [live.state(self._name, self._view(row, now), now, synced) for row in self._rows.values()]

    def target_state(self, tid: str) -> dict[str, object] | None:
        """The `state` object of one target."""
        now, row = self._clock.wall_ns(), self._rows.get(tid)
        return live.state(self._name, self._view(row, now), now, self._clock.synced()) if row else None

    def path_name(self, tid: str) -> tuple[object, ...]:
        """The route in force, since when, and whose its hops are, which a name server may tell late."""
        row = self._rows.get(tid)
        fact = row.fact if row else Fact()
        if fact.route is None or fact.on_route is None:
            return (None,)
        rows = dict.fromkeys((*fact.on_route.path.hops, *fact.route.hops))  # in order, and nearly all of them twice
        told = [(hop, *[_SHOWN(self.whose(responder)) for responder in hop]) for hop in rows]
        return (fact.route.route_id, fact.route_since, *told)

    def target_path(self, tid: str) -> dict[str, object] | None:
        """The `path` object of one target."""
        now = self._clock.wall_ns()
        row = self._rows.get(tid)
        if row is None:
            return None
        view = self._view(row, now)
        usual = history.usual(view.route and view.route.route_id, self._reader.traces(tid, limit=history.EARLIER))
        return live.path(self._name, view, now, self._clock.synced(), usual, self.whose)

    def target_outline(self, tid: str) -> dict[str, object] | None:
        """What the overview tells of one target beyond its state."""
        row = self._rows.get(tid)
        if row is None:
            return None
        fact = row.fact
        if fact.trace is not row.stripped[0]:
            row.stripped = (fact.trace, None if fact.trace is None else outline.strip(fact.trace, self.whose))
        return {"strip": row.stripped[1], "why": outline.why(fact.lost, fact.location, fact.trace.address if fact.trace else "")}

    def trace_now(self, tid: str) -> str:
        """Ask the prober for a trace."""
        return self._ask(tid)

    def trace_once(self, target: Mapping[str, str], source: Mapping[str, str] | None) -> str:
        """Ask for a trace of what is not configured."""
        return self.once(target, source)

    def trace_asked(self, name: str) -> Asked | None:
        """How far the prober is with it."""
        return self.wishes.look(name) if self.wishes else None

    def mute(self, tid: str, for_s: int) -> bool:
        """Pass the wish on."""
        return self.wishes is not None and self.wishes.mute(tid, for_s)

    def mute_pair(self, tid: str, one: str, other: str, *, muted: bool) -> bool:
        """Pass the wish on."""
        return self.wishes is not None and self.wishes.mute_pair(tid, one, other, muted=muted)

    def pause(self, tid: str, *, paused: bool) -> bool:
        """Pass the wish on."""
        return self.wishes is not None and self.wishes.pause(tid, paused=paused)

    def accept_path(self, tid: str) -> bool:
        """Pass the wish on."""
        return self.wishes is not None and self.wishes.accept_path(tid)

    def note(self, event_id: str, text: str) -> None:
        """Pass it on to the history."""
        self.keep(Record(None, None, "", notes={event_id: text}, clock_synced=self._clock.synced()))

    def metrics(self) -> str:
        """The OpenMetrics text."""
        with self._lock:
            events = {tid: row.events for tid, row in self._rows.items()}
            traces = {tid: row.fact.trace for tid, row in self._rows.items()}
            figures = self._tally.figures(self._clock.wall_ns() - self._clock.mono_ns(), events, traces)
        return metrics.render(self.info(), self.target_states(), figures)

    def _view(self, row: _Row, now: int) -> live.TargetView:
        with self._lock:
            fact, events, changes_total = row.fact, list(row.events), row.changes_total
            next_run_ns, running, resolving = row.next_run_ns, row.running, row.resolving
        planned = next_run_ns is not None and not fact.paused
        recent = sum(event.event_type in PATH_EVENTS and event.at >= now - DAY_NS for event in events)
        return live.TargetView(
            target=row.target,
            trace=fact.trace,
            on_route=fact.on_route,
            route=fact.route,
            usual=fact.usual,
            route_since=fact.route_since,
            answered=fact.answered,
            lost=fact.lost,
            learning=fact.learning,
            running=running,
            resolving=resolving,
            next_run_at=self._planned_at(next_run_ns or 0) if planned else None,
            changes_24h=recent,
            changes_total=changes_total,
            last_change=events[-1] if events else None,
            stability_pct_7d=self._stability(row, fact.usual, now),
            location=fact.location,
            unstable=fact.unstable,
            muted_until=fact.muted_until if fact.muted_until is not None and fact.muted_until > now else None,
            muted_pairs=fact.muted_pairs,
            paused=fact.paused,
            added=row.target.tid in self._added,
        )

    def _planned_at(self, mono_ns: int) -> int:
        """When that will be, to the second: told finer, each answer would be another one, since no two looks at both clocks agree."""
        at = self._clock.wall_ns() + mono_ns - self._clock.mono_ns()
        return round(at / PLAN_NS) * PLAN_NS

    def _stability(self, row: _Row, usual: Route | None, now: int) -> float | None:
        """The share of the last week's hours with traces in which the usual path was followed, in percent."""
        mono_ns = self._clock.mono_ns()
        computed_ns, value = row.stability
        if usual is None or mono_ns - computed_ns < STABILITY_EVERY_NS:
            return value
        try:
            routes = self._reader.series(row.target.tid, now - 7 * DAY_NS, now, WEEK_HOURS).routes
        except OperatorError:  # a disk that is gone: how the target is stands here, and the notice of the history says the rest
            return value
        hours = [r for r in routes if r is not None]
        value = round(100 * sum(r == usual.route_id for r in hours) / len(hours), 1) if hours else None
        row.stability = (mono_ns, value)
        return value

    def _count_round(self, tid: str, trace: Trace) -> None:
        """A round is over when every target that is neither disabled nor paused was traced once."""
        if tid not in self._round:
            self._round.add(tid)
            self._round_reached += trace.ending is Ending.REACHED
        if any(not self._rows[missing].fact.paused for missing in self._enabled - self._round):
            return
        result = "ok" if self._round_reached == len(self._round) else "partial" if self._round_reached else "failed"
        self._rounds[result] += 1
        self._tally.round_over()
        self._round.clear()
        self._round_reached = 0


def _shifted(trace: Trace | None, shift: ClockShift) -> Trace | None:
    return trace and replace(trace, at=shift.of(trace.at), clock_synced=True)
