"""All targets under watch: whose turn it is, what is urgent, and what it may cost.

Rules:
1. Steady probes leave `pps` a second, each to the target with the largest credit. A target earns credit with the square root of how
   often it changes, 0.3 to 4 times the mean: who changes often is looked at more often. Up to `together` of them leave in one breath,
   to different targets and different responders, and then nobody for as many intervals; nobody waits for their answers either.
2. What follows up a finding goes at once, and the steady watch waits until it is paid for. A debt of `DEBT_S` seconds' worth stops all
   but inquiries and vigils, twice as much stops those too, but for the sweeps that end a vigil, and thrice as much those. Siblings never
   wait for that: they are few, and spare whole inquiries.
3. What is urgent asks no responder that was asked within `SPACING_NS`. While it waits for one, the steady watch leaves its responders
   alone: with many probes a second some of them would always have been asked just now, and a sweep would never begin.
4. After a confirmed change every target whose route leads through a lost responder is asked there once (see `siblings`). A target that
   stays silent, and once more when it was lost, makes those that share most with it prove that they still answer: so one incident is
   seen as one, and soon.
5. An answer of a known responder within the first `SHARED_TTLS` hops counts for every target that it serves; such a hop is asked the
   more often the more targets it serves. Each target asks it by itself as well, only more seldom (see `worths`).
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import sqrt
from operator import attrgetter

from pathwarden.detect.compare import hop_at
from pathwarden.detect.detector import Detector
from pathwarden.detect.watch.outcome import Outcome
from pathwarden.detect.watch.siblings import sibling
from pathwarden.detect.watch.target import TargetWatch
from pathwarden.detect.watch.values import Errand, Kind, Look
from pathwarden.model.change import Change, ChangeKind
from pathwarden.model.trace import Answer, Reason, Trace

LEAST_WEIGHT = 0.3
MOST_WEIGHT = 4.0
WEIGH_EVERY_NS = 60_000_000_000
DEBT_S = 60
SHARED_TTLS = 5
SPACING_NS = 250_000_000
MOST_SPACED = 128  # responders remembered before those that may be asked again are forgotten
MOST_URGENT = 512
# What takes steps that follow each other: how many `DEBT_S` may be owed before they wait. A sweep is all that a loss waits for.
FOLLOWING = {Kind.INQUIRY: 2, Kind.VIGIL: 2, Kind.SWEEP: 3}
MOST_PROVING = 8  # targets that are asked for a sentinel when another is lost
PROVEN_NS = 3_000_000_000  # for so long it need not be asked once more for another one: those that fail together are told together
DOUBTED_NS = 30_000_000_000  # a vigil that began with being asked so is over by then
LOOK_NS = 1_000_000_000  # after so long what could not be done is tried again
TIME_NS = 3_000_000_000  # how often time alone is looked at, at most: a lost target is asked every 15 s
LATE_NS = 1_500_000_000  # so much longer it waits for steady probes, each of which wakes us anyway


_CREDIT = attrgetter("credit")


class Watcher:
    """Not thread-safe: the prober's thread alone calls it. `pps` 0 follows up suspicions only."""

    def __init__(
        self, detectors: Mapping[str, Detector], pps: float, gate: Callable[[str, int], bool], mono_ns: int, together: int = 1
    ) -> None:
        self.targets = {tid: TargetWatch(tid, detector, gate) for tid, detector in detectors.items()}
        self._seen: dict[tuple[int, str], int] = {}
        for watch in self.targets.values():
            watch.seen = self._seen
        self._gate = gate
        self._interval_ns = round(1e9 / pps) if pps and detectors else 0
        self._together = min(together, len(detectors))
        self._next_ns = mono_ns
        self._look_ns = mono_ns
        self._weigh_ns = mono_ns
        self._weights: dict[str, float] = dict.fromkeys(detectors, 1.0)
        self._urgent: list[tuple[int, int, Errand]] = []
        self._count = 0
        self._spaced: dict[str, int] = {}
        self._kept: dict[str, int] = {}  # until when the steady watch leaves a responder alone
        self._served: Mapping[tuple[int, str], int] = {}
        self._proved_ns: dict[str, int] = {}  # when a target was asked because another was silent

    def next_ns(self) -> int | None:
        """When to look again."""
        due = [self._urgent[0][0]] if self._urgent else []
        if self._interval_ns:
            # Each waking up costs as much as a probe: time alone is looked at with the steady probes, and between them when those wait.
            due += [self._next_ns, self._look_ns + LATE_NS]
        return min(due, default=None)

    def due(self, mono_ns: int, able: Callable[[str], bool]) -> list[Errand]:
        """The errands to run now, for targets that are `able` to (no trace is under way)."""
        if self._interval_ns and mono_ns >= self._look_ns:
            self._look_ns = mono_ns + max(TIME_NS, self._interval_ns)
            self._queue(errand for watch in self.targets.values() if (errand := watch.vigil.urgent(mono_ns)))
        found = self._due_urgent(mono_ns, able)
        if self._interval_ns and mono_ns >= self._next_ns:
            found += self._breath(mono_ns, able)
        return found

    def done(self, errand: Errand, answers: Sequence[Answer], glimpse: Trace, mono_ns: int) -> Outcome:
        """Take what an errand got."""
        watch = self.targets[errand.tid]
        out = watch.done(errand, answers, glimpse, mono_ns)
        self._queue(out.errands)
        self._note_shared(errand, answers, mono_ns)
        if errand.kind is Kind.VIGIL and watch.vigil.doubted and self._gate(errand.tid, mono_ns):
            self._doubt(watch, mono_ns)
        if errand.kind is not Kind.SIBLING:
            for change in out.changes:
                self._siblings(watch, change, mono_ns)
        return out

    def traced(self, trace: Trace, changes: Sequence[Change], mono_ns: int) -> None:
        """A whole trace was judged: follow up what it left open, and what it changed. The watch pays for those that it wanted."""
        watch = self.targets[trace.target]
        if trace.reason in (Reason.WATCH, Reason.CONFIRM):
            self._next_ns = max(self._next_ns, mono_ns) + self._interval_ns * trace.probes
        if watch.inquiry is None:
            self._queue(watch.follow_up(mono_ns))
        for change in changes:
            watch.count_change(mono_ns)
            self._siblings(watch, change, mono_ns)
        watch.traced(trace)

    def export(self, tid: str) -> dict[str, object]:
        """What must survive a restart of one target's watch, JSON-ready; {} if it is not watched."""
        return self.targets[tid].export() if tid in self.targets else {}

    def restore(self, tid: str, values: Mapping[str, object]) -> None:
        """Go on from what `export` gave; {} begins anew. Raises ValueError, TypeError or KeyError on anything else."""
        if values:
            self.targets[tid].restore(values)

    def put_off(self, errand: Errand, mono_ns: int) -> None:
        """This errand could not begin now: offer it again in a moment."""
        self._queue([errand._replace(not_before_ns=mono_ns + LOOK_NS)])

    def reset(self, tid: str) -> None:
        """The target's way out moved: what was under way is void."""
        self.targets[tid].reset()
        self._urgent = [entry for entry in self._urgent if entry[2].tid != tid]
        heapq.heapify(self._urgent)

    def _queue(self, errands: Iterable[Errand]) -> None:
        for errand in errands:
            # A target has one inquiry and one vigil at most, and would wait for ever for a step that was dropped.
            if len(self._urgent) < MOST_URGENT or errand.kind in FOLLOWING:
                self._count += 1
                heapq.heappush(self._urgent, (errand.not_before_ns, self._count, errand))

    def _due_urgent(self, mono_ns: int, able: Callable[[str], bool]) -> list[Errand]:
        found: list[Errand] = []
        later: list[Errand] = []
        while self._urgent and self._urgent[0][0] <= mono_ns:
            errand = heapq.heappop(self._urgent)[2]
            wait_ns = self._wait_ns(errand, mono_ns) if able(errand.tid) else LOOK_NS
            if wait_ns:
                later.append(errand._replace(not_before_ns=mono_ns + wait_ns))
                continue
            self._pay(errand, mono_ns)
            found.append(errand)
        self._queue(later)
        return found

    def _wait_ns(self, errand: Errand, mono_ns: int) -> int:
        """How long an urgent errand must wait, for its debt or for a responder."""
        debt_ns = self._next_ns - mono_ns - DEBT_S * 10**9 * FOLLOWING.get(errand.kind, 1)
        if self._interval_ns and debt_ns > 0 and errand.kind is not Kind.SIBLING:
            return debt_ns
        responders = [who for look in errand.looks if (who := self._expected(errand.tid, look))]
        ready_ns = max((self._spaced.get(who, 0) for who in responders), default=0)
        if ready_ns <= mono_ns:
            return 0
        self._kept.update(dict.fromkeys(responders, ready_ns))
        return ready_ns - mono_ns

    def _pay(self, errand: Errand, mono_ns: int) -> None:
        self._next_ns = max(self._next_ns, mono_ns) + self._interval_ns * len(errand.looks)
        if len(self._spaced) > MOST_SPACED:
            self._spaced = {who: ready_ns for who, ready_ns in self._spaced.items() if ready_ns > mono_ns}
            self._kept = {who: until_ns for who, until_ns in self._kept.items() if until_ns > mono_ns}
        for look in errand.looks:
            if who := self._expected(errand.tid, look):
                self._spaced[who] = mono_ns + SPACING_NS

    def _expected(self, tid: str, look: Look) -> str:
        """The router that will answer a look, '' if nobody knows; destinations answer more than routers."""
        route = self.targets[tid].detector.route
        if route is None or look.sentinel or look.ttl == route.length:
            return ""
        return next(iter(hop_at(route.hops, look.ttl)), "")

    def _breath(self, mono_ns: int, able: Callable[[str], bool]) -> list[Errand]:
        """The steady probes that leave now."""
        found: list[Errand] = []
        while len(found) < self._together and (errand := self._steady(mono_ns, able, found)):
            found.append(errand)
        if not found:
            self._next_ns = mono_ns + LOOK_NS
        return found

    def _steady(self, mono_ns: int, able: Callable[[str], bool], beside: Sequence[Errand]) -> Errand | None:
        """The next steady probe, to another target and responder than those that leave beside it."""
        if mono_ns >= self._weigh_ns:
            self._weigh_ns = mono_ns + WEIGH_EVERY_NS
            self._weigh(mono_ns)
        watches = self.targets
        for tid, weight in self._weights.items():
            watches[tid].credit += weight
        tids = {errand.tid for errand in beside}
        responders = {self._expected(errand.tid, errand.looks[0]) for errand in beside} - {""}
        for watch in sorted(watches.values(), key=_CREDIT, reverse=True):
            errand = watch.steady(mono_ns) if watch.tid not in tids and able(watch.tid) else None
            if errand is None:
                continue
            who = self._expected(errand.tid, errand.looks[0])
            if who not in responders and self._kept.get(who, 0) <= mono_ns:
                # Within bounds: while some cannot be asked the others fall behind, and would wait for long when those return.
                watch.credit = max(min(watch.credit - len(watches), len(watches)), -len(watches))
                self._pay(errand, mono_ns)
                return errand
        return None

    def _weigh(self, mono_ns: int) -> None:
        roots = {tid: sqrt(watch.changes(mono_ns)) for tid, watch in self.targets.items()}
        mean = sum(roots.values()) / len(roots)
        limited = {tid: min(max(root / mean, LEAST_WEIGHT), MOST_WEIGHT) for tid, root in roots.items()}
        whole = sum(limited.values()) / len(limited)
        self._weights = {tid: weight / whole for tid, weight in limited.items()}
        counts = Counter(
            (ttl, hop[0])
            for watch in self.targets.values()
            if (route := watch.detector.route)
            for ttl, hop in enumerate(route.hops[:SHARED_TTLS], 1)
            if len(hop) == 1
        )
        served = {hop: count for hop, count in counts.items() if count > 1}
        if served != self._served:
            self._served = served
            for hop in self._seen.keys() - served.keys():
                del self._seen[hop]
            for watch in self.targets.values():
                watch.served = served

    def _note_shared(self, errand: Errand, answers: Sequence[Answer], mono_ns: int) -> None:
        for look, answer in zip(errand.looks, answers, strict=True):
            if 0 < look.ttl <= SHARED_TTLS and not look.flow_no and (look.ttl, answer.responder) in self._served:
                self._seen[look.ttl, answer.responder or ""] = mono_ns

    def _siblings(self, changed: TargetWatch, change: Change, mono_ns: int) -> None:
        """Ask the targets that the same cause may have touched."""
        if change.kind is ChangeKind.TARGET_UNREACHABLE:
            self._prove(changed, change.lost_after_ttl or 0, mono_ns)
            return
        for number, (tid, watch) in enumerate(self.targets.items()):
            if watch is not changed and (errand := sibling(tid, watch.detector.route, change, number, mono_ns)):
                self._queue([errand])

    def _doubt(self, silent: TargetWatch, mono_ns: int) -> None:
        """Ask others early; who is silent as one of those is not in doubt by itself, and asks nobody."""
        if mono_ns - self._proved_ns.get(silent.tid, -DOUBTED_NS) >= DOUBTED_NS:
            self._prove(silent, 0, mono_ns)

    def _prove(self, silent: TargetWatch, last_ttl: int, mono_ns: int) -> None:
        """Ask others whether they answer, when a target does not behind this hop."""
        for watch in self._behind(silent, last_ttl):
            if mono_ns - self._proved_ns.get(watch.tid, -PROVEN_NS) >= PROVEN_NS:
                self._proved_ns[watch.tid] = mono_ns
                self._queue([Errand(watch.tid, Kind.SENTINEL, (watch.vigil.sentinel(),), mono_ns)])

    def _behind(self, lost: TargetWatch, last_ttl: int) -> list[TargetWatch]:
        """The targets that share most with a lost one's route behind the last hop that answers, most first."""
        hops = lost.detector.route.hops[last_ttl:] if lost.detector.route else ()
        shared: list[tuple[int, TargetWatch]] = []
        for watch in self.targets.values():
            route = watch.detector.route
            if watch is not lost and route is not None and watch.vigil.idle:
                shared.append((sum(bool(set(a) & set(b)) for a, b in zip(hops, route.hops[last_ttl:], strict=False)), watch))
        return [watch for _, watch in sorted(shared, key=lambda each: -each[0])[:MOST_PROVING]]
