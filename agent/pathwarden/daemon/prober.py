"""The prober's thread: starts due traces and the watch's errands, drives them, has them judged. It waits for no disk, name or broker."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from random import Random

from pathwarden.daemon.asking import Asking
from pathwarden.daemon.drive import LONGEST_WAIT_NS, Driver
from pathwarden.daemon.once import Once
from pathwarden.daemon.reporting import Reporter
from pathwarden.daemon.schedule import Schedule
from pathwarden.daemon.started import Started
from pathwarden.daemon.surroundings import Surroundings
from pathwarden.daemon.watching import Watching, WayOut
from pathwarden.detect.detector import RETRACE_AFTER_NS, Verdict
from pathwarden.detect.judge import Judge
from pathwarden.detect.watch.outcome import Outcome as WatchOutcome
from pathwarden.detect.watch.values import Errand
from pathwarden.detect.watch.watcher import Watcher
from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import Outcome, TraceSpec
from pathwarden.errors import ProbeError
from pathwarden.model.asked import Asked
from pathwarden.model.instants import ClockShift
from pathwarden.model.probe import PLAIN, Binding, Flow
from pathwarden.model.protocols import Clock, Resolver, RouteOracle, SourceResolver, Transport
from pathwarden.model.settings import Settings, Source, Target
from pathwarden.model.trace import Answer, Ending, Reason, Trace

log = logging.getLogger(__name__)

WINDOW = 16  # probes of one trace in flight, as traceroute(8) does
WATCH_TOGETHER = 2  # probes of the watch that leave together: the second costs a third of a waking up, and they wait a second at most
NAME_GRACE_NS = 5_000_000_000  # a name server may take this long before its silence is told
NAME_RETRY_NS = 500_000_000
BUSY_RETRY_NS = 500_000_000  # a trace that somebody wants once takes seconds


class Prober:
    """Owns transport, driver, schedule and detectors. `ask` and `stop` may be called from any thread, the rest from its own."""

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        clock: Clock,
        oracle: RouteOracle,
        sources: SourceResolver,
        resolver: Resolver,
        driver: Driver,
        judges: Mapping[str, Judge],
        reporter: Reporter,
        random: Random,
        surroundings: Surroundings | None = None,
    ) -> None:
        self._agent = settings.agent
        self._spared = tuple(ip_network(network) for network in settings.agent.do_not_probe)
        self._named = {"": Source("", Binding()), **{source.name: source for source in settings.sources}}
        self._targets = tuple(target for target in settings.targets if target.enabled)
        self._tids = frozenset(target.tid for target in self._targets)
        self._transport = transport
        self._clock = clock
        self._oracle = oracle
        self._sources = sources
        self._resolver = resolver
        self._driver = driver
        self._judges = judges
        self._reporter = reporter
        self._surroundings = surroundings
        self._random = random
        self._schedule = Schedule(settings.targets, random, clock.mono_ns())
        self._asking = Asking(transport.wake)
        self._once = Once(self._asking, transport, clock, resolver, driver, random, self._way_once, self._is_free)
        self._asked: deque[str] = deque()
        self._wishes: deque[Callable[[], None]] = deque()
        self._shifts: deque[tuple[ClockShift, Callable[[ClockShift], None]]] = deque()
        self._running: dict[str, Started] = {}
        self._unresolved_ns: dict[str, int] = {}
        self._watching = self._watch() if settings.agent.watch_pps else None
        self._stopping = threading.Event()
        self._finishing = threading.Event()

    def ask(self, tid: str) -> bool:
        """Trace a target as soon as possible; False if it is not watched."""
        if tid not in self._tids:
            return False
        self._asked.append(tid)
        self._transport.wake()
        return True

    def trace(self, tid: str) -> str:
        """The same, and a name by which `look` tells how far it is; '' if it is not watched."""
        target = next((target for target in self._targets if target.tid == tid), None)
        if target is None:
            return ""
        name, _ = self._asking.new(target)
        self.ask(tid)
        return name

    def trace_once(self, target: Target, source: Source) -> str:
        """Trace what is not configured, once; a name by which `look` tells how far it is, '' if too many wait."""
        name = self._once.add(target, source)
        self._transport.wake()
        return name

    def look(self, name: str) -> Asked | None:
        """How far a trace is that was asked for; None if nobody knows it."""
        return self._asking.look(name)

    def mute(self, tid: str, for_s: int) -> bool:
        """Notify nothing of a target for so long; False if it is not watched."""
        return self._wish(tid, lambda: self._reporter.mute(tid, for_s))

    def mute_pair(self, tid: str, one: str, other: str, *, muted: bool) -> bool:
        """Notify nothing when a target goes from one of two routes to the other; False if it is not watched."""
        return self._wish(tid, lambda: self._reporter.mute_pair(tid, one, other, muted=muted))

    def pause(self, tid: str, *, paused: bool) -> bool:
        """Probe a target no more but on demand, or again; False if it is not watched."""
        return self._wish(tid, lambda: self._pause(tid, paused))

    def hold(self, tid: str) -> None:
        """The target was paused before the start. To be called before `run`."""
        if tid in self._tids:
            self._schedule.pause(tid, paused=True)

    def accept_path(self, tid: str) -> bool:
        """Make the route in force the usual one; False if the target is not watched, or has no route yet."""
        judge = self._judges.get(tid)
        return judge is not None and judge.detector.route is not None and self._wish(tid, lambda: self._reporter.accept(tid))

    def _pause(self, tid: str, paused: bool) -> None:
        self._schedule.pause(tid, paused=paused)
        self._reporter.pause(tid, paused=paused)

    def _wish(self, tid: str, act: Callable[[], None]) -> bool:
        if tid not in self._tids:
            return False
        self._wishes.append(act)
        self._transport.wake()
        return True

    def clock_right(self, shift: ClockShift, then: Callable[[ClockShift], None]) -> None:
        """The wall clock became right; `then` is called when every instant noted here is, and all later ones will be."""
        self._shifts.append((shift, then))
        self._transport.wake()

    def stop(self) -> None:
        """End `run` at once; traces that run are given up."""
        self._stopping.set()
        self._transport.wake()

    def finish(self) -> None:
        """End `run` when the traces that run have ended; no new one begins."""
        self._finishing.set()
        self._transport.wake()

    def run(self) -> None:
        """Probe until `stop` or `finish`."""
        while not self._stopping.is_set() and not (self._finishing.is_set() and not len(self._driver)):
            self.turn()
        self._reporter.close()

    def turn(self, longest_ns: int = LONGEST_WAIT_NS) -> None:
        """Start what is due and drive what runs, until something happens or this much time has passed."""
        while self._shifts:
            self._shift(*self._shifts.popleft())
        while self._asked:
            tid = self._asked.popleft()
            self._schedule.ask(tid)
            if tid in self._running:
                self._asking.begun(tid, self._running[tid])
        while self._wishes:
            self._wishes.popleft()()
        self._asking.answer()
        self._reporter.tick()
        planned_ns = self._reporter.wait_ns()
        if planned_ns is not None:
            longest_ns = min(longest_ns, planned_ns)
        if not self._finishing.is_set():
            longest_ns = min(longest_ns, self._once.start_due(), self._start_due(), self._watch_due())
        self._driver.step(longest_ns)

    def _start_due(self) -> int:
        """Start what is due; how long until something is due again."""
        for target, reason in self._schedule.due(self._clock.mono_ns(), self._agent.concurrency - len(self._driver)):
            self._start(target, reason)
        next_ns = self._schedule.next_ns() if len(self._driver) < self._agent.concurrency else None
        return LONGEST_WAIT_NS if next_ns is None else max(next_ns - self._clock.mono_ns(), 0)

    def _watch(self) -> Watching:
        """The watch between traces; from now on it is the one who clears suspicions."""
        detectors = {target.tid: self._judges[target.tid].detector for target in self._targets}  # in their order, which a set has not
        for detector in detectors.values():
            detector.alone = False
        watcher = Watcher(detectors, self._agent.watch_pps, self._reporter.is_green, self._clock.mono_ns(), WATCH_TOGETHER)
        for tid in self._tids:
            try:
                watcher.restore(tid, self._judges[tid].watch)
            except (ValueError, TypeError, KeyError):
                log.error("what the watch kept of target %s is unreadable in the history: it begins anew", tid)
        self._reporter.watch_of = watcher.export
        return Watching(
            self._targets, detectors, watcher, self._driver, self._transport, self._clock, self._way_out, self._watched, self._again
        )

    def _watch_due(self) -> int:
        """Start what the watch wants; how long until it wants something again."""
        if self._watching is None:
            return LONGEST_WAIT_NS
        next_ns = self._watching.start_due(self._able)
        return LONGEST_WAIT_NS if next_ns is None else max(next_ns - self._clock.mono_ns(), 0)

    def _able(self, tid: str) -> bool:
        detector = self._judges[tid].detector
        idle = tid not in self._running and not self._once.goes_to(detector.state.address)
        return idle and not self._schedule.is_paused(tid) and detector.route is not None

    def _again(self, tid: str, reason: Reason = Reason.CONFIRM) -> None:
        """The watch wants a whole trace."""
        self._schedule.again(tid, self._clock.mono_ns(), reason)

    def _watched(self, target: Target, errand: Errand, answers: Sequence[Answer], outcome: WatchOutcome, glimpse: Trace) -> None:
        """Judge and tell what the watch found."""
        if outcome.wants_trace or outcome.follow:
            self._again(target.tid, Reason.CONFIRM if outcome.wants_trace else Reason.WATCH)
        self._heard_gateway(glimpse)
        if self._surroundings is not None and self._judges[target.tid].detector.state.suspicion is not None:
            self._surroundings.sample(glimpse.mono_ns)
        changes = (*outcome.changes, *self._judges[target.tid].on_watch(errand, answers, glimpse, outcome.changes))
        if changes:
            self._reporter.watched(target, changes, glimpse)

    def _heard_gateway(self, trace: Trace) -> None:
        """Tell the surroundings whether the gateway answered a probe to the first hop, where it is known to be that."""
        route, way = self._judges[trace.target].detector.route, trace.kernel_route
        if self._surroundings is None or way is None or route is None or not route.hops or way.gateway not in route.hops[0]:
            return
        for hop in trace.hops[:1]:
            for answer in hop.answers if hop.ttl == 1 else ():
                self._surroundings.on_gateway(way, answer.responder is not None, trace.mono_ns)

    def _shift(self, shift: ClockShift, then: Callable[[ClockShift], None]) -> None:
        for started in self._running.values():
            started.shift(shift)
        self._reporter.shift(shift)
        then(shift)

    def _start(self, target: Target, reason: Reason) -> None:
        address = self._address(target, reason)
        if address is None:
            return
        if self._once.goes_to(address):
            self._schedule.put_off(target.tid, self._clock.mono_ns() + BUSY_RETRY_NS)
            return
        started = self._started(target, address, reason)
        try:
            way_out = self._way_out(target, address)
            binding, started.kernel_route, started.flow = way_out
        except ProbeError as error:
            self._finish(target, started, Outcome(Ending.ERROR, error.code, None, (), 0, 0, 0))
            return
        route = self._judges[target.tid].detector.route
        spec = TraceSpec(
            started.flow,
            target.first_ttl,
            target.max_ttl,
            1 if reason is Reason.WATCH else target.queries,
            round(target.wait_s * 1e9),
            target.gap_limit,
            min(self._transport.window(started.flow), WINDOW),
            route.length or 0 if route and route.address == address else 0,
        )
        self._running[target.tid] = started
        session = started.session = TraceSession(spec, self._driver.correlator, self._random)
        self._driver.add(
            session, binding, lambda _: self._ended(target, started, session.outcome(), way_out), urgent=reason is not Reason.SCHEDULE
        )
        self._reporter.started(target.tid)

    def _address(self, target: Target, reason: Reason) -> str | None:
        """The target's address; None while its name is being resolved (the trace is put off, or told to have failed)."""
        address = self._resolver.lookup(target.host, target.family)
        if address is not None:
            self._unresolved_ns.pop(target.tid, None)
            return address
        now_ns = self._clock.mono_ns()
        since_ns = self._unresolved_ns.setdefault(target.tid, now_ns)
        if now_ns - since_ns < NAME_GRACE_NS:
            self._reporter.resolving(target.tid)
            self._asking.resolving(target.tid)
            self._schedule.put_off(target.tid, now_ns + NAME_RETRY_NS)
            return None
        started = self._started(target, "", reason)
        self._finish(target, started, Outcome(Ending.ERROR, ProbeError("unknown_host", target.host).code, None, (), 0, 0, 0))
        return None

    def _started(self, target: Target, address: str, reason: Reason) -> Started:
        flow = Flow(6 if ":" in address else 4, target.method, "", address, 0, target.port, 0, 0, target.size)
        started = Started(self._clock, target.tid, target.source, flow, reason, self._transport.name)
        self._asking.begun(target.tid, started)
        return started

    def _way_out(self, target: Target, address: str) -> WayOut:
        """Binding, kernel route and flow for a trace. Raises `ProbeError`."""
        self._permit(address)
        try:
            way = self._way_now(target, self._named[target.source], address)
        except ProbeError:
            if self._surroundings is not None:
                self._surroundings.uses(target.source, address, None)
            raise
        if self._surroundings is not None:
            self._surroundings.uses(target.source, address, way.kernel_route)
        return way

    def _permit(self, address: str) -> None:
        for network in self._spared:
            if ip_address(address) in network:
                raise ProbeError("do_not_probe", str(network))

    def _way_once(self, target: Target, source: Source, address: str) -> WayOut:
        self._permit(address)
        return self._way_now(target, source, address)

    def _is_free(self, address: str) -> bool:
        """Whether no other trace goes there, nor a check that bears none beside it."""
        traced = any(started.flow.dst == address for started in self._running.values())
        return not traced and not (self._watching and self._watching.is_busy(address))

    def _way_now(self, target: Target, source: Source, address: str) -> WayOut:
        af = 6 if ":" in address else 4
        binding = self._oracle.effective(self._sources.binding(source, af), af)
        # First, since a socket that cannot be bound tells more than the kernel's routes, which only know that there is no way.
        tos = target.dscp << 2 | target.ecn
        extra = PLAIN if target.protocol == PLAIN.protocol else PLAIN._replace(protocol=target.protocol)
        flow = self._transport.flow(address, target.method, target.port, binding, tos, target.size, target.flow_label, extra)
        return WayOut(binding, self._oracle.lookup(address, binding), flow)

    def _ended(self, target: Target, started: Started, outcome: Outcome, way_out: WayOut) -> None:
        """Judge a trace, unless the way out moved meanwhile: half of it went the old way then, and it tells nothing of either."""
        try:
            moved = self._way_out(target, started.flow.dst) != way_out
        except ProbeError:
            moved = True
        if not moved:
            self._finish(target, started, outcome)
            return
        trace = self._finished(target, started, outcome)
        self._schedule.finished(target.tid, started.reason, self._clock.mono_ns(), RETRACE_AFTER_NS)
        self._reporter.traced(target, trace, Verdict(None, (), None), self._schedule.next_run_ns(target.tid))

    def _finished(self, target: Target, started: Started, outcome: Outcome) -> Trace:
        self._running.pop(target.tid, None)
        trace = started.trace(outcome)
        self._asking.ended(started, trace)
        return trace

    def _finish(self, target: Target, started: Started, outcome: Outcome) -> None:
        trace = self._finished(target, started, outcome)
        verdict = self._judges[target.tid].on_trace(trace)
        self._schedule.finished(target.tid, started.reason, self._clock.mono_ns(), verdict.retrace_after_ns)
        if self._watching is not None:
            self._watching.watcher.traced(trace, verdict.changes, self._clock.mono_ns())
        self._heard_gateway(trace)
        self._reporter.traced(target, trace, verdict, self._schedule.next_run_ns(target.tid))
