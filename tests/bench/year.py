"""Records as months of the agent's own would leave them: traces from a small world of chance, judged and told by the real detectors.

A network of packets in virtual time, as the other benchmarks have it, would take most of a day for two million traces. Here a trace is
drawn as a whole; what follows from it (routes, states, events, incidents, re-traces) is the agent's own doing. Its judgement takes longer
than all the rest, so where nothing has happened for a while only every so manieth trace is judged, and the others prolong the route.
"""

import random
from collections.abc import Iterator
from heapq import heapify, heapreplace
from itertools import accumulate
from math import exp, pi, sin
from typing import NamedTuple, cast

from equipment.fakes import make_target
from pathwarden.daemon.reporting import Reporter
from pathwarden.daemon.telling import Teller
from pathwarden.detect.detector import Detector
from pathwarden.detect.judge import Judge
from pathwarden.model.history import Record, Route
from pathwarden.model.probe import Flow, Method, MplsLabel, MplsStack, ReplyKind
from pathwarden.model.trace import UNMARKED, Answer, Ending, Hop, KernelRoute, Marks, Reason, Trace

SECOND = 1_000_000_000
DAY_S = 86_400
START_AT = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z
INTERVAL_S = 300
HOPS = 12
_HOME = KernelRoute("wan", "192.168.1.10", "192.168.1.1", 254)
_LEARN_S = DAY_S
_JITTER_PCT = 10  # of the interval, as shipped
_SHARED = 4  # hops from home that all targets have in common
_NEAR = 2  # hops of a target's own network at the end, whatever the way there
_DETOURS = 3  # other ways of a target
# How often a day a target leaves its usual way, and the share of targets that do so: most hardly ever, a few all the time.
MOVES = ((0.02, 0.6), (0.2, 0.3), (1.0, 0.1))
_AWAY_S = (14_400.0, 1.5)  # how long it stays on another: log-normal, median and sigma
_OUTAGES = 0.01  # a day and target
_OUTAGE_S = 600.0  # mean
_SILENT = 0.05  # of routers never answer
_LIMITED = 0.10  # of routers leave out
_LEFT_OUT = 0.3  # of their answers
_LOSS = 0.003  # of answers of all others
_LABELLED = 0.1  # of routers show an MPLS label
_BUSY = 5  # every so manieth target has a line that
_BUSY_MS = 8.0  # an evening's load slows by so much at most
_NOISE = 1 << 16  # jitters and losses are drawn once; each hop starts at a place among them that is drawn for it
_JUDGED = 24  # traces: after a change all of them are, and then every so manieth


def tid_of(number: int) -> str:
    """The id of a target."""
    return f"t{number:02}"


class _Router(NamedTuple):
    """A hop as it answers."""

    address: str
    rtt_ns: int
    left_out: float
    reply_ttl: int
    marks: Marks
    kind: ReplyKind = ReplyKind.TIME_EXCEEDED
    icmp: tuple[int, int] = (11, 0)


class _Site:
    """A target of the world and how it stands: on which way, until when, and whether it answers."""

    def __init__(self, number: int, ways: list[list[_Router]], moves_a_day: float) -> None:
        self.tid = tid_of(number)
        self.target = make_target(self.tid)
        self.ways, self.moves_a_day, self.busy = ways, moves_a_day, number % _BUSY == 0
        self.flow = Flow(4, Method.UDP, _HOME.source, ways[0][-1].address, 41_000, 33_434, 0, 0, 60)
        self.way, self.lost = 0, False
        self.since = 0  # traces since something happened
        self.route: Route | None = None
        self.state = ""
        self._turns_s = self._lost_s = self._found_s = 0.0

    def advance(self, now_s: float, dice: random.Random) -> None:
        """Let happen what was due."""
        before = self.way, self.lost
        while self._turns_s <= now_s:
            if self.way or not self._turns_s:
                self.way = 0
                self._turns_s += dice.expovariate(self.moves_a_day / DAY_S)
            else:
                self.way = dice.randint(1, _DETOURS)
                self._turns_s += dice.lognormvariate(0.0, _AWAY_S[1]) * _AWAY_S[0]
        while self._found_s <= now_s:
            self._lost_s = self._found_s + dice.expovariate(_OUTAGES / DAY_S)
            self._found_s = self._lost_s + dice.expovariate(1 / _OUTAGE_S)
        self.lost = self._lost_s <= now_s
        self.since = self.since + 1 if before == (self.way, self.lost) else 0


def _moves(place: float) -> float:
    """How often a day the target moves that stands so far down the list of all, 0..1."""
    return next(rate for (rate, _), least in zip(MOVES, accumulate(share for _, share in MOVES), strict=True) if place < least + 1e-9)


class _Clock:
    """The agent's clock, standing where the year is."""

    now_s = 0.0

    def mono_ns(self) -> int:
        return SECOND + round(self.now_s * SECOND)

    def wall_ns(self) -> int:
        return START_AT + round(self.now_s * SECOND)

    def synced(self) -> bool:
        return True


class Year:
    """The records of so many targets, oldest first; `queries` is how often each hop is asked. Equal seeds give equal records."""

    def __init__(self, seed: int, targets: int, queries: int) -> None:
        self.traces = 0
        self._dice = dice = random.Random(f"year {seed}")
        self._queries = queries
        self._noise = [(round(dice.lognormvariate(-1.5, 1.0) * 1e6), dice.random()) for _ in range(_NOISE)]
        shared = [self._router(ttl) for ttl in range(1, _SHARED + 1)]
        self._sites = [_Site(number, self._ways(shared), _moves((number + 0.5) / targets)) for number in range(targets)]
        self._judges = {site.tid: Judge(Detector(site.tid, _LEARN_S)) for site in self._sites}
        self._clock = _Clock()
        self._made: list[Record] = []
        route_of = {tid: judge.detector for tid, judge in self._judges.items()}
        teller = Teller("home-rt", [site.target for site in self._sites], dice.randbytes, lambda tid: route_of[tid].route)
        self._reporter = Reporter(self._judges, teller, self._clock, self._made.append)

    @property
    def now_s(self) -> float:
        """Seconds since the year began."""
        return self._clock.now_s

    @property
    def tids(self) -> list[str]:
        """The targets' ids."""
        return [site.tid for site in self._sites]

    def run(self, days: float) -> Iterator[list[Record]]:
        """What each interval's traces leave, interval by interval."""
        due = [(number * INTERVAL_S / len(self._sites), number) for number in range(len(self._sites))]
        heapify(due)
        for end_s in range(INTERVAL_S, round(days * DAY_S) + 1, INTERVAL_S):
            while due[0][0] < end_s:
                now_s, number = due[0]
                heapreplace(due, (self._trace(self._sites[number], now_s), number))
            made = list(self._made)
            self._made.clear()
            yield made

    def _trace(self, site: _Site, now_s: float) -> float:
        """A scheduled trace and the re-traces that the detector asks for; when the next is due."""
        reason = Reason.SCHEDULE
        while True:
            self._clock.now_s = now_s
            site.advance(now_s, self._dice)
            trace = self._drawn(site, now_s, reason)
            self.traces += 1
            again_ns = self._judged(site, trace) if self._matters(site, reason) else self._prolonged(site, trace)
            if again_ns is None:
                return now_s + INTERVAL_S * (1 + (2 * self._dice.random() - 1) * _JITTER_PCT / 100)
            now_s, reason = now_s + again_ns / SECOND, Reason.CONFIRM

    def _matters(self, site: _Site, reason: Reason) -> bool:
        return site.route is None or site.since <= _JUDGED or site.since % _JUDGED == 0 or reason is Reason.CONFIRM

    def _judged(self, site: _Site, trace: Trace) -> int | None:
        self._reporter.tick()
        verdict = self._judges[site.tid].on_trace(trace)
        self._reporter.traced(site.target, trace, verdict, None)
        site.route, site.state = verdict.route, self._made[-1].state
        return verdict.retrace_after_ns

    def _prolonged(self, site: _Site, trace: Trace) -> None:
        route = cast("Route", site.route)
        passed_s = (trace.at - route.last_at) // SECOND
        site.route = route._replace(last_at=trace.at, held_s=route.held_s + passed_s, traces=route.traces + 1)
        self._made.append(Record(trace, site.route, site.state))

    def _drawn(self, site: _Site, now_s: float, reason: Reason) -> Trace:
        lost, way = site.lost, site.ways[site.way]
        load_ns = round(_BUSY_MS * 1e6 * max(sin(2 * pi * (now_s / DAY_S - 0.5)), 0.0)) if site.busy else 0
        rows = way[: HOPS - 3] if lost else way
        hops = [self._hop(ttl, router, load_ns) for ttl, router in enumerate(rows, start=1)]
        if lost:  # five silent hops end it
            silent = tuple(Answer(query) for query in range(self._queries))
            hops += [Hop(ttl, silent) for ttl in range(len(rows) + 1, len(rows) + 6)]
        reached = not lost and any(answer.rtt_ns is not None for answer in hops[-1].answers)
        return Trace(
            target=site.tid,
            address=site.flow.dst,
            flow=site.flow,
            source="",
            kernel_route=_HOME,
            transport="raw",
            reason=reason,
            at=self._clock.wall_ns(),
            mono_ns=self._clock.mono_ns(),
            duration_ns=1_400_000_000 + self._dice.randrange(SECOND),
            clock_synced=True,
            ending=Ending.REACHED if reached else Ending.GAP,
            error="",
            reached_ttl=len(hops) if reached else None,
            hops=tuple(hops),
            probes=len(hops) * self._queries,
            late=0,
            duplicates=0,
        )

    def _hop(self, ttl: int, router: _Router, load_ns: int) -> Hop:
        place = int(self._dice.random() * (_NOISE - self._queries))
        rtt_ns = router.rtt_ns + (load_ns if ttl > 1 else 0)
        answers = [
            Answer(query, router.address, rtt_ns + jitter, router.kind, *router.icmp, router.reply_ttl, 1, router.marks)
            if luck >= router.left_out
            else Answer(query)
            for query, (jitter, luck) in enumerate(self._noise[place : place + self._queries])
        ]
        return Hop(ttl, tuple(answers))

    def _ways(self, shared: list[_Router]) -> list[list[_Router]]:
        """A target's usual way and its detours; they differ in a few hops of the middle."""
        dice = self._dice
        usual = [*shared, *(self._router(ttl) for ttl in range(_SHARED + 1, HOPS))]
        final = self._router(HOPS)._replace(left_out=_LOSS, marks=UNMARKED, kind=ReplyKind.PORT_UNREACHABLE, icmp=(3, 3))
        ways = [usual]
        for _ in range(_DETOURS):
            first = dice.randint(_SHARED, HOPS - 1 - _NEAR - 1)
            last = dice.randint(first + 1, HOPS - 1 - _NEAR)
            ways.append([*usual[:first], *(self._router(ttl + 1) for ttl in range(first, last)), *usual[last:]])
        return [self._slower(way, final) for way in ways]

    def _slower(self, way: list[_Router], final: _Router) -> list[_Router]:
        """The same with round-trip times that add up along the way."""
        full = [*way, final]
        return [each._replace(rtt_ns=rtt_ns) for each, rtt_ns in zip(full, accumulate(each.rtt_ns for each in full), strict=True)]

    def _router(self, ttl: int) -> _Router:
        dice = self._dice
        luck = dice.random()
        left_out = 1.0 if luck < _SILENT and ttl > 1 else _LEFT_OUT if luck < _SILENT + _LIMITED and ttl > 1 else _LOSS
        marks = UNMARKED
        if ttl > _SHARED and dice.random() < _LABELLED:
            marks = UNMARKED._replace(extensions=(MplsStack((MplsLabel(dice.randrange(16, 1 << 20), 0, True, 1),)),))
        address = _HOME.gateway if ttl == 1 else f"10.{ttl}.{dice.randrange(256)}.{dice.randrange(1, 255)}"
        return _Router(address, round(exp(dice.uniform(-1.5, 1.2)) * 1e6), left_out, 65 - ttl, marks)
