"""What becomes of a measurement: judged, explained, told, shown and kept.

A change that a detector found gets its cause (what happened on this machine just before) and its place (what other targets see), becomes
events, and goes with the states that led to it into one record, so that the history has all of it or nothing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pathwarden import __version__
from pathwarden.daemon.board import Board, Fact
from pathwarden.daemon.surroundings import Surroundings
from pathwarden.daemon.telling import NOTHING, Heard, Teller, Told
from pathwarden.detect.detector import Verdict
from pathwarden.detect.gate import GateState
from pathwarden.detect.judge import Judge
from pathwarden.detect.locate import Home, Sighting, Standing, locate
from pathwarden.detect.segments import Surroundings as Networks
from pathwarden.model.change import NO_CAUSE, NOWHERE, AgentKind, Cause, CauseKind, Change, ChangeKind, Location
from pathwarden.model.history import Event, Record, StoredTrace
from pathwarden.model.instants import ClockShift
from pathwarden.model.network import Whose, exchanges, nobody, numbers
from pathwarden.model.protocols import Clock
from pathwarden.model.settings import Target
from pathwarden.model.trace import KernelRoute, Trace
from pathwarden.present.incidents import Announcement

BY_LOAD = frozenset({ChangeKind.LATENCY_SHIFT, ChangeKind.TARGET_UNREACHABLE})  # what a full line of our own could explain
TICK_NS = 100_000_000
REST = "/rest"  # after a target's id: where its traits and its watch are kept
LOAD = "/load"  # and what is known of the lines' speeds


class Reporter:
    """Not thread-safe: the prober's thread alone calls it. Without `surroundings` every cause is unknown."""

    def __init__(
        self,
        judges: Mapping[str, Judge],
        teller: Teller,
        clock: Clock,
        keep: Callable[[Record], None],
        surroundings: Surroundings | None = None,
    ) -> None:
        self.board: Board | None = None
        self.whose: Whose = nobody
        self.watch_of: Callable[[str], Mapping[str, object]] = lambda tid: judges[tid].watch
        self._judges = judges
        self._teller = teller
        self._clock = clock
        self._keep = keep
        self._surroundings = surroundings
        self._tick_ns = clock.mono_ns()
        self._planned_ns = None if surroundings is None else surroundings.next_ns()  # it moves at a tick only

    def started(self, tid: str) -> None:
        """A trace of this target runs."""
        if self.board is not None:
            self.board.started(tid)

    def resolving(self, tid: str) -> None:
        """The target's name is being resolved."""
        if self.board is not None:
            self.board.resolving(tid, True)

    def traced(self, target: Target, trace: Trace, verdict: Verdict, next_run_ns: int | None) -> None:
        """A trace was judged."""
        judge = self._judges[target.tid]
        self._meet(trace)
        told = self._tell(target, verdict.changes, trace)
        if self.board is not None:
            self.board.finished(
                target.tid,
                fact(judge, trace, self._heard(target.tid), on_route=verdict.route is not None),
                next_run_ns,
                self._own(target.tid, told),
            )
        telling = self._rest(target.tid) if verdict.changes or judge.rest_is_due() else {}
        self._keep(_with(told, telling).record(trace, verdict.route, judge.export()))

    def watched(self, target: Target, changes: Sequence[Change], glimpse: Trace) -> None:
        """The watch found changes between two traces."""
        judge = self._judges[target.tid]
        self._meet(glimpse)
        told = self._tell(target, changes, glimpse)
        if self.board is not None:
            self.board.changed(target.tid, fact(judge, None, self._heard(target.tid), on_route=False), self._own(target.tid, told))
        record = _with(told, self._rest(target.tid)).record(None, judge.detector.route, judge.export(), synced=glimpse.clock_synced)
        self._keep(replace(record, target=target.tid))

    def tick(self) -> None:
        """What became due by time, and what happened on this machine; looked at now and then, since this runs for every reply."""
        mono_ns = self._clock.mono_ns()
        if mono_ns < self._tick_ns:
            return
        self._tick_ns = mono_ns + TICK_NS
        at, synced = self._clock.wall_ns(), self._clock.synced()
        if self._surroundings is not None:
            for notice in self._surroundings.tick(mono_ns):
                self._put(self._teller.notice(notice, synced), synced)
            self._planned_ns = self._surroundings.next_ns()
        self._put(self._teller.tick(at, synced), synced)

    def wait_ns(self) -> int | None:
        """How long until `tick` has something to do; None if nothing is planned."""
        due_at, planned_ns = self._teller.next_due_at, self._planned_ns
        if due_at is None and planned_ns is None:
            return None
        mono_ns = self._clock.mono_ns()
        if due_at is not None:
            due_ns = mono_ns + due_at - self._clock.wall_ns()
            planned_ns = due_ns if planned_ns is None else min(planned_ns, due_ns)
        return max((planned_ns or 0) - mono_ns, self._tick_ns - mono_ns, 0)

    def close(self) -> None:
        """Keep what is kept only now and then."""
        telling = {name: text for tid in self._judges for name, text in self._rest(tid).items()}
        if self._surroundings is not None:
            telling[LOAD] = json.dumps(self._surroundings.load.export())
        self._keep(Record(None, None, "", telling=telling, clock_synced=self._clock.synced()))

    def is_green(self, tid: str, mono_ns: int) -> bool:
        """Whether nothing on our own side speaks against believing what this target's probes say."""
        if self._surroundings is None:
            return True
        return self._surroundings.gate(self._judges[tid].kernel_route, mono_ns) is not GateState.RED

    def accept(self, tid: str) -> None:
        """The owner accepts the route in force as usual."""
        self._judges[tid].detector.accept()
        self._teller.accept(tid)
        self._wished(tid)

    def mute(self, tid: str, for_s: int) -> None:
        """Notify nothing of a target for so long."""
        at = self._clock.wall_ns()
        self._teller.mute(tid, at, at + for_s * 10**9)
        self._wished(tid)

    def mute_pair(self, tid: str, one: str, other: str, *, muted: bool) -> None:
        """Notify nothing when a target goes from one of two routes to the other."""
        self._teller.mute_pair(tid, one, other, muted=muted)
        self._wished(tid)

    def pause(self, tid: str, *, paused: bool) -> None:
        """A target is probed no more, or again."""
        self._teller.pause(tid, paused=paused)
        self._wished(tid)

    def shift(self, shift: ClockShift) -> None:
        """The clock became right: correct every instant noted before."""
        for judge in self._judges.values():
            judge.shift(shift)
        self._teller.shift(shift)
        if self.board is not None:
            self.board.shift(shift, {tid: judge.detector for tid, judge in self._judges.items()})
            for tid in self._judges:
                self._show(tid)

    def _tell(self, target: Target, changes: Sequence[Change], trace: Trace) -> Told:
        if not changes:
            return NOTHING
        full = [self._explained(target, change, trace) for change in changes]
        judge = self._judges[target.tid]
        judge.location = full[-1].location if judge.detector.state.reach.lost else NOWHERE
        return self._teller.tell(target.tid, full, trace, self._clock.wall_ns())

    def _meet(self, trace: Trace) -> None:
        """Let whose responders are be looked up, so that it is known by the time a change is confirmed."""
        for hop in trace.hops:
            for responder in hop.responders:
                self.whose(responder)

    def begin(self) -> None:
        """Tell that the agent has started."""
        at, synced = self._clock.wall_ns(), self._clock.synced()
        self._put(self._teller.announce(Announcement(AgentKind.AGENT_STARTED, at, __version__), at, synced), synced)

    def _put(self, told: Told, synced: bool) -> None:
        if told:
            self._tell_board(told.events)
            self._keep(told.record(None, None, "", synced=synced))

    def _own(self, tid: str, told: Told) -> tuple[Event, ...]:
        """The target's own events; time may have brought about some of others meanwhile, which the board is told as well."""
        if not told.events:
            return ()
        self._tell_board(tuple(event for event in told.events if event.target != tid))
        return tuple(event for event in told.events if event.target == tid)

    def _tell_board(self, events: tuple[Event, ...]) -> None:
        if self.board is not None:
            self.board.told(events)
            for tid in {event.target for event in events}:
                self._show(tid)

    def _show(self, tid: str) -> None:
        """Something about a target is another without anything having been measured."""
        if self.board is not None:
            self.board.changed(tid, fact(self._judges[tid], None, self._heard(tid), on_route=False), ())

    def _wished(self, tid: str) -> None:
        """The owner wished something of a target: the next tick keeps it, and that is at once."""
        self._tick_ns = 0
        self._show(tid)

    def _heard(self, tid: str) -> Heard:
        return self._teller.heard(tid, self._clock.wall_ns())

    def _rest(self, tid: str) -> dict[str, str]:
        return {f"{tid}{REST}": self._judges[tid].export_rest(self.watch_of(tid))}

    def _explained(self, target: Target, change: Change, trace: Trace) -> Change:
        cause = self._cause(change, trace, self._judges[target.tid].kernel_route_before)
        local = cause.kind not in (CauseKind.UNKNOWN, CauseKind.REMOTE, CauseKind.LOAD)
        location = self._location(target.tid, change) if not local else change.location
        return replace(change, cause=cause, location=location)

    def _cause(self, change: Change, trace: Trace, before: KernelRoute | None) -> Cause:
        if self._surroundings is None:
            return NO_CAUSE
        seen_ns = self._clock.mono_ns() - max(self._clock.wall_ns() - change.first_seen_at, 0)
        return self._surroundings.cause_of(seen_ns, before, trace.kernel_route, by_load=change.kind in BY_LOAD)

    def _location(self, tid: str, change: Change) -> Location:
        """Where it is, judged with all targets of the same epoch and address family."""
        mine, way = self._judges[tid].detector.state, self._judges[tid].kernel_route
        sightings = [
            sighting
            for other, judge in self._judges.items()
            if judge.detector.state.epoch == mine.epoch and (sighting := _sighting(other, judge, change if other == tid else None))
        ]
        around = Networks(own_address=way.source if way else "", as_of=numbers(self.whose), ixp=exchanges(self.whose))
        home = Home(gateway=way.gateway, answers=self._gateway_answers(way)) if way else Home()
        return locate(sightings, home, around).get(tid, change.location)

    def _gateway_answers(self, way: KernelRoute) -> bool | None:
        """None if it never did, or nobody looked."""
        state = self._surroundings.gate(way, self._clock.mono_ns()) if self._surroundings is not None else GateState.UNKNOWN
        return None if state is GateState.UNKNOWN else state is GateState.GREEN


def _with(told: Told, telling: Mapping[str, str]) -> Told:
    return replace(told, telling={**told.telling, **telling}) if telling else told


def _sighting(tid: str, judge: Judge, change: Change | None) -> Sighting | None:
    """A target as `locate` wants to see it; None without a route."""
    state, route = judge.detector.state, judge.detector.route
    if route is None:
        return None
    verified, answered_at = tuple(judge.verified), judge.answered_at
    if change is not None and change.old is not None and change.old is not change.new and change.new is not None:
        old = change.old
        return Sighting(
            tid, route.address, old.hops, old.length, Standing.CHANGED, change.first_seen_at, answered_at=answered_at, now=change.new.hops
        )
    if state.reach.lost:
        since = (ttl for ttl, at in enumerate(verified, 1) if at >= state.reach.first_missed_at)
        last = max(since, default=0) if change is None else change.lost_after_ttl or 0
        return Sighting(
            tid, route.address, route.hops, route.length, Standing.FAILED, state.reach.first_missed_at, last, verified, answered_at
        )
    return Sighting(tid, route.address, route.hops, route.length, verified=verified, answered_at=answered_at)


def fact(judge: Judge, trace: Trace | None, heard: Heard, *, on_route: bool) -> Fact:
    """What the board shows of a target; `on_route` tells that this trace followed the route in force."""
    detector, state = judge.detector, judge.detector.state
    return Fact(
        trace,
        trace if on_route else None,
        detector.route,
        detector.usual,
        state.route_since,
        state.reach.answered,
        state.reach.lost,
        detector.learning,
        judge.location,
        *heard,
    )


def remembered(judge: Judge, latest: StoredTrace | None, heard: Heard) -> Fact:
    """What the board shows of a target and its newest trace as the history has them."""
    return fact(judge, latest.trace if latest else None, heard, on_route=latest is not None and latest.route_id is not None)
