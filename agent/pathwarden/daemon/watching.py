"""Runs the watch's errands: probes out through the driver, answers back to the watcher, what it found to the prober."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from pathwarden.daemon.drive import Driver
from pathwarden.detect.compare import hop_at
from pathwarden.detect.detector import Detector
from pathwarden.detect.watch.outcome import Outcome
from pathwarden.detect.watch.values import Errand, Look
from pathwarden.detect.watch.watcher import Watcher
from pathwarden.engine.check import Ask, Check
from pathwarden.engine.flows import nth, varies
from pathwarden.errors import ProbeError
from pathwarden.model.probe import Binding, Flow, Method, ReplyKind
from pathwarden.model.protocols import Clock, Transport
from pathwarden.model.settings import Target
from pathwarden.model.trace import Answer, Ending, Hop, KernelRoute, Reason, Trace

SHORTEST_WAIT_NS = 800_000_000  # a router's slow path alone may take half a second
LONGEST_WAIT_NS = 3_000_000_000
WAIT_MARGIN_NS = 200_000_000


class WayOut(NamedTuple):
    """How probes to a target leave now."""

    binding: Binding
    kernel_route: KernelRoute
    flow: Flow


class Found(Protocol):
    """Who is told what the watch found."""

    def __call__(self, target: Target, errand: Errand, answers: Sequence[Answer], outcome: Outcome, glimpse: Trace, /) -> None:
        """An errand led to this."""
        ...


class Watching:
    """The watch of all enabled targets. Not thread-safe: the prober's thread alone calls it.

    `way_out` gives a target's way to an address and raises `ProbeError`; `moved` is told of targets whose way is not what it was.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        detectors: Mapping[str, Detector],
        watcher: Watcher,
        driver: Driver,
        transport: Transport,
        clock: Clock,
        way_out: Callable[[Target, str], WayOut],
        found: Found,
        moved: Callable[[str], None],
    ) -> None:
        self.watcher = watcher
        self._targets = {target.tid: target for target in targets}
        self._detectors = detectors
        self._driver = driver
        self._transport = transport
        self._clock = clock
        self._way_out = way_out
        self._found = found
        self._moved = moved
        self._stuck: set[str] = set()  # targets to which no probe could leave
        self._busy: set[str] = set()  # targets with a check under way whose flow bears one probe in flight

    def start_due(self, able: Callable[[str], bool]) -> int | None:
        """Start what is due; when (monotonic) something is due again, None for never."""
        for errand in self.watcher.due(self._clock.mono_ns(), able):
            self._start(errand)
        return self.watcher.next_ns()

    def is_busy(self, address: str) -> bool:
        """Whether a check is under way whose flow to this address bears one probe in flight."""
        return any(self._detectors[tid].state.address == address for tid in self._busy)

    def _start(self, errand: Errand) -> None:
        target, state = self._targets[errand.tid], self._detectors[errand.tid].state
        if errand.tid in self._busy:
            self.watcher.put_off(errand, self._clock.mono_ns())
            return
        try:
            way = self._way_out(target, state.address)
            asks = [self._ask(target, way, look) for look in errand.looks]
        except ProbeError:
            self._stick(errand.tid)
            return
        if way.kernel_route.epoch != state.epoch:
            self._give_up(errand.tid)
            return
        self.watcher.targets[errand.tid].can_vary = varies(way.flow)
        window = self._transport.window(way.flow)
        if window == 1:
            self._busy.add(errand.tid)
        check = Check(asks, self._driver.correlator, self._wait_ns(errand.tid), window)
        at, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        self._driver.add(check, way.binding, lambda _: self._done(errand, check, way, at, mono_ns), urgent=True, patient=errand.patient)

    def _ask(self, target: Target, way: WayOut, look: Look) -> Ask:
        flow = way.flow
        if look.other:
            method = Method.UDP if flow.method is Method.ICMP else Method.ICMP
            flow = self._transport.flow(flow.dst, method, 0, way.binding, flow.tos, 0, flow.label)
        elif look.flow_no:
            flow = nth(flow, look.flow_no)
        return Ask(flow, target.max_ttl if look.sentinel else look.ttl)

    def _wait_ns(self, tid: str) -> int:
        route = self._detectors[tid].route
        usual_ns = round((route.rtt_ms or 0.0) * 1e6) if route else 0
        return min(max(3 * usual_ns + WAIT_MARGIN_NS, SHORTEST_WAIT_NS), LONGEST_WAIT_NS)

    def _done(self, errand: Errand, check: Check, way: WayOut, at: int, mono_ns: int) -> None:
        self._busy.discard(errand.tid)
        target, state = self._targets[errand.tid], self._detectors[errand.tid].state
        try:
            moved = self._way_out(target, way.flow.dst) != way
        except ProbeError:
            moved = True
        if check.error and not moved:
            self._stick(errand.tid)
            return
        if moved or errand.tid in self._stuck:
            self._give_up(errand.tid)
            return
        if (way.flow.dst, way.kernel_route.epoch) != (state.address, state.epoch):
            self.watcher.reset(errand.tid)  # a trace went there meanwhile: what this check saw is the past
            return
        now_ns = self._clock.mono_ns()
        route = self._detectors[errand.tid].route
        known = route.hops if route else ()
        answers = [_as_hop(answer, hop_at(known, look.ttl), way.flow.dst) for look, answer in zip(errand.looks, check.answers, strict=True)]
        hops, reached = _hops(errand, answers, way.flow.dst)
        glimpse = Trace(
            target=errand.tid,
            address=way.flow.dst,
            flow=way.flow,
            source=target.source,
            kernel_route=way.kernel_route,
            transport=self._transport.name,
            reason=Reason.WATCH,
            at=at,
            mono_ns=mono_ns,
            duration_ns=now_ns - mono_ns,
            clock_synced=self._clock.synced(),
            ending=Ending.REACHED if reached is not None else Ending.MAX_TTL,
            error="",
            reached_ttl=reached,
            hops=hops,
            probes=len(answers),
            late=check.late,
            duplicates=check.duplicates,
        )
        outcome = self.watcher.done(errand, answers, glimpse, now_ns)
        self._found(target, errand, answers, outcome, glimpse)

    def _stick(self, tid: str) -> None:
        """No probe can leave. Traces tell why, at their own pace; one is due as soon as probes leave again."""
        self.watcher.reset(tid)
        self._stuck.add(tid)

    def _give_up(self, tid: str) -> None:
        self._stuck.discard(tid)
        self.watcher.reset(tid)
        self._moved(tid)


def _as_hop(answer: Answer, known: Sequence[str], address: str) -> Answer:
    """What an answer tells of the hop that was asked, where these are known, on the way to this address.

    Nothing if it is a router before that calls the probe too long; traces tell that. Nor if a router that is not known there calls the
    destination unreachable: it may be anywhere on the way.
    """
    refused = answer.kind is ReplyKind.UNREACHABLE and answer.responder != address and answer.responder not in known
    return Answer(answer.query) if refused or answer.kind is ReplyKind.PACKET_TOO_BIG else answer


def _hops(errand: Errand, answers: Sequence[Answer], address: str) -> tuple[tuple[Hop, ...], int | None]:
    """The monitored flow's answers by hop, and the nearest ttl at which the destination itself answered."""
    rows: dict[int, list[Answer]] = {}
    for look, answer in zip(errand.looks, answers, strict=True):
        if look.ttl and not look.flow_no:
            rows.setdefault(look.ttl, []).append(answer)
    hops = tuple(Hop(ttl, tuple(rows[ttl])) for ttl in sorted(rows))
    reached = [hop.ttl for hop in hops if any(a.responder == address and a.kind is not ReplyKind.TIME_EXCEEDED for a in hop.answers)]
    return hops, min(reached, default=None)
