"""A watch without a network: what a look gets is asked of a function, and time jumps from one thing to the next."""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count

from equipment.traces import HOME, SECOND, SITE, START_AT, Row, trace_of
from pathwarden.daemon.watching import _hops
from pathwarden.detect.detector import Detector
from pathwarden.detect.watch.outcome import Outcome
from pathwarden.detect.watch.values import Errand, Kind, Look
from pathwarden.detect.watch.watcher import Watcher
from pathwarden.model.change import Change
from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Answer, Ending, KernelRoute, Reason, Trace

RTT_S = 0.02
WAIT_S = 0.8  # until a look counts as silent

World = Callable[[str, Look, float], str | None]  # target, look and seconds so far; who answers


def known(*rows: Row, traces: int = 5, tid: str = "site", reached: bool = True) -> Detector:
    """A detector with a watch, that so many traces taught this route."""
    detector = Detector(tid, 0)
    detector.alone = False
    for number in range(traces):
        detector.on_trace(trace_of(*rows, reached=reached, mono_s=number * 300 - 300 * traces))
    return detector


def answer_by(who: str | None, *, final: bool, rtt_ms: float = 20.0, ttls: tuple[int, int] = (60, 1)) -> Answer:
    """What one look got."""
    if who is None:
        return Answer(0)
    kind = ReplyKind.PORT_UNREACHABLE if final else ReplyKind.TIME_EXCEEDED
    return Answer(0, who, round(rtt_ms * 1e6), kind, *((3, 3) if final else (11, 0)), *ttls)


def glimpse_of(errand: Errand, answers: Sequence[Answer], mono_s: float, address: str = SITE, line: KernelRoute = HOME) -> Trace:
    """What an errand saw, as the daemon makes it."""
    hops, reached = _hops(errand, answers, address)
    empty = trace_of(mono_s=mono_s, reason=Reason.WATCH, address=address, line=line, reached=False)
    ending = Ending.MAX_TTL if reached is None else Ending.REACHED
    return replace(empty, target=errand.tid, hops=hops, reached_ttl=reached, ending=ending, probes=len(answers))


class Desk:
    """Runs a watcher's errands through a world. `log` holds when each errand left, `changes` what was found by whom."""

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        world: World,
        *,
        pps: float = 1.0,
        gate: Callable[[str, int], bool] | None = None,
        together: int = 1,
    ) -> None:
        self.now_s = 0.0
        self.world = world
        self.able = lambda _tid: True
        self.detectors = detectors
        self.watcher = Watcher(detectors, pps, gate or (lambda _tid, _mono_ns: True), self._mono_ns(), together)
        self.log: list[tuple[float, Errand]] = []
        self.changes: list[tuple[str, Change]] = []
        self.outcomes: list[tuple[Errand, Outcome]] = []
        self._running: list[tuple[float, int, Errand, list[Answer], float]] = []
        self._count = count()

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        until_s = self.now_s + seconds
        while True:
            due_ns = self.watcher.next_ns()
            next_s = min(
                (due_ns - SECOND) / SECOND if due_ns is not None else until_s, self._running[0][0] if self._running else until_s, until_s
            )
            self.now_s = max(self.now_s, next_s)
            while self._running and self._running[0][0] <= self.now_s:
                self._finish(*heapq.heappop(self._running)[2:])
            if self.now_s >= until_s:
                return
            for errand in self.watcher.due(self._mono_ns(), self.able):
                self._begin(errand)

    def looks(self, *kinds: Kind) -> list[tuple[float, str, Look]]:
        """The looks of these kinds (all without any), and when they left."""
        return [(at_s, errand.tid, look) for at_s, errand in self.log for look in errand.looks if not kinds or errand.kind in kinds]

    def wanted(self) -> int:
        """How many traces were wanted."""
        return sum(outcome.wants_trace for _, outcome in self.outcomes)

    def _mono_ns(self) -> int:
        return SECOND + round(self.now_s * SECOND)

    def _begin(self, errand: Errand) -> None:
        self.log.append((self.now_s, errand))
        whos = [self.world(errand.tid, look, self.now_s) for look in errand.looks]
        address = self.detectors[errand.tid].state.address
        answers = [answer_by(who, final=who == address) for who in whos]
        done_s = self.now_s + (WAIT_S if None in whos else RTT_S)
        heapq.heappush(self._running, (done_s, next(self._count), errand, answers, self.now_s))

    def _finish(self, errand: Errand, answers: list[Answer], begun_s: float) -> None:
        state = self.detectors[errand.tid].state
        glimpse = glimpse_of(errand, answers, begun_s, state.address)
        outcome = self.watcher.done(errand, answers, glimpse, self._mono_ns())
        self.outcomes.append((errand, outcome))
        self.changes += [(errand.tid, change) for change in outcome.changes]


def along(*rows: Row, flows: Callable[[Look], int] | None = None) -> World:
    """A world in which the way has these hops, the last one the destination; a row of several shares flows by their number."""

    def world(_tid: str, look: Look, _now_s: float) -> str | None:
        row = rows[-1] if look.sentinel or look.ttl > len(rows) else rows[look.ttl - 1]
        if row is None or isinstance(row, str):
            return row
        return row[(flows(look) if flows else look.flow_no) % len(row)]

    return world


__all__ = ["HOME", "SECOND", "SITE", "START_AT", "Desk", "World", "along", "answer_by", "glimpse_of", "known"]
