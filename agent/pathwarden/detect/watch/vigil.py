"""Whether a destination still answers, when a sentinel found it silent.

Rules:
1. A silent sentinel is asked again every second, from the `OTHER_FROM`th time on by another method too. The target is lost after at
   least `LEAST_SILENT` such silences, when chance cannot explain them (see `reach`) and the gateway answers; then it is asked how far
   probes still come, and the first hops that are silent are asked again. Each time it is asked once more itself: of thousands of
   silences in bursts of loss one is long enough to look like an end, and an answer ends it.
2. A destination that answers only the other method so often is asked by that one from then on.
3. A lost target is asked every `LOST_EVERY_NS`, at first. It is back after three answers of three.
"""

from collections.abc import Callable

from pathwarden.detect.compare import hop_at
from pathwarden.detect.detector import Detector
from pathwarden.detect.reach import probes_needed
from pathwarden.detect.watch.outcome import Got, Outcome
from pathwarden.detect.watch.values import OTHER_SENTINEL, SENTINEL, Errand, Kind, Look

SECOND_NS = 1_000_000_000
LEAST_SILENT = 6  # with one a second: five losses within ten seconds, and one more
MOST_SILENT = 30  # at a usual answer rate below a quarter: traces go on judging
OTHER_FROM = 3
# After the last one's time-out of at least 0.8 s: so a second lies between two, which most limits of routers allow, and so many silences
# fit into ten seconds.
AGAIN_NS = 200_000_000
DOUBTED = 2  # silences in a row after which others that may have the same trouble are asked: lost packets seldom are neighbours
LOST_EVERY_NS = 15 * SECOND_NS  # how often a lost target is asked whether it is back,
LOST_QUICK_NS = 900 * SECOND_NS  # for so long; then like any other
SWEEP_TRIES = 2  # a router that limits its answers may be silent once
SWEEP_BEYOND = 3  # hops behind the last that answered are asked again
SWEEP_NS = 30 * SECOND_NS  # a sweep that was held up for longer than this follows silences of the past


class Vigil:
    """One target's."""

    __slots__ = (
        "_detector",
        "_gate",
        "_last",
        "_lost_asked_ns",
        "_lost_since_ns",
        "_others",
        "_row",
        "_silent",
        "_silent_ns",
        "_tid",
    )

    def __init__(self, tid: str, detector: Detector, gate: Callable[[str, int], bool]) -> None:
        self._tid = tid
        self._detector = detector
        self._gate = gate
        self._silent = 0  # silences of a sentinel in a row,
        self._row = 0  # of those, since any method was answered,
        self._others = 0  # and how often another method was
        self._silent_ns = 0  # when the last of them was
        self._last = 0  # the last hop that answered a sweep
        self._lost_since_ns = 0
        self._lost_asked_ns = 0

    @property
    def idle(self) -> bool:
        """Whether a silence would be worth a sentinel: the destination is thought to answer, and none is being followed up."""
        reach = self._detector.state.reach
        return not self._silent and reach.answered and not reach.lost

    @property
    def doubted(self) -> bool:
        """Whether the silence is just now worth asking others that may be silent for the same reason."""
        return self._row == self._silent == DOUBTED

    def reset(self) -> None:
        """The way out or the address moved: what was under way is void."""
        self._silent = 0

    def sentinel(self) -> Look:
        """How the destination is asked: by a method that it answers."""
        return OTHER_SENTINEL if self._detector.state.other else SENTINEL

    def urgent(self, mono_ns: int) -> Errand | None:
        """What is due by time alone: asking a lost target whether it is back."""
        if not self._detector.state.reach.lost:
            self._lost_since_ns = 0
            return None
        self._lost_since_ns = self._lost_since_ns or mono_ns
        if mono_ns - self._lost_since_ns >= LOST_QUICK_NS or mono_ns - self._lost_asked_ns < LOST_EVERY_NS:
            return None
        self._lost_asked_ns = mono_ns
        return Errand(self._tid, Kind.SENTINEL, (self.sentinel(),), mono_ns)

    def begin(self, mono_ns: int) -> Errand:
        """A sentinel was silent."""
        self._silent, self._row, self._others = 1, 1, 0
        return self._next(mono_ns)

    def _next(self, mono_ns: int) -> Errand:
        return Errand(self._tid, Kind.VIGIL, self._sentinels(), mono_ns + AGAIN_NS)

    def _sentinels(self) -> tuple[Look, ...]:
        return (self.sentinel(),) if self._silent < OTHER_FROM or self._detector.state.other else (SENTINEL, OTHER_SENTINEL)

    def done(self, got: Got, out: Outcome) -> None:
        """Take the answers to one more sentinel."""
        detector, there = self._detector, [answer.responder == got.glimpse.address for answer in got.answers]
        if detector.state.reach.lost:
            self._silent = 0  # a trace may have told it first
            if all(there):
                out.changes += filter(None, [detector.on_answers(got.glimpse, len(there) + 1, 0)])
                out.wants_trace = True
            return
        if not self._silent:
            return
        self._silent += not there[0]
        self._row = 0 if any(there) else self._row + 1
        self._others += any(there[1:])
        if there[0] or self._others >= LEAST_SILENT:
            if not there[0]:
                detector.answers_other(True)
            self._there(got, out)
            return
        needed = max(LEAST_SILENT, probes_needed(detector.state.reach.rate))
        if self._row < LEAST_SILENT or self._silent < min(needed, MOST_SILENT):
            out.errands.append(self._next(got.mono_ns))
        elif self._silent < needed or not self._gate(self._tid, got.mono_ns):
            # Too few for so unsteady a target, or it is our own line: the next sentinel begins anew.
            self._silent = 0
        else:
            route = detector.route
            ttls = [ttl for ttl, hop in enumerate(route.hops[: route.length or None], 1) if hop][:-1] if route else []
            self._silent_ns, self._last = got.mono_ns, 0
            out.errands.append(Errand(self._tid, Kind.SWEEP, (*map(Look, ttls), *self._sentinels()), got.mono_ns))

    def _there(self, got: Got, out: Outcome) -> None:
        """It answers after all."""
        out.changes += filter(None, [self._detector.on_answers(got.glimpse, self._silent + 1, self._silent)])
        self._silent = 0

    def swept(self, got: Got, out: Outcome) -> None:
        """Take how far probes still come."""
        if not self._silent:
            return
        hops = self._detector.route.hops if self._detector.route else ()
        pairs = list(zip(got.errand.looks, got.answers, strict=True))
        if any(look.sentinel and answer.responder == got.glimpse.address for look, answer in pairs):
            self._there(got, out)
            return
        # A stranger there, such as the other router of a circle, is not behind the hops before.
        answered = [look.ttl for look, answer in pairs if not look.sentinel and answer.responder in hop_at(hops, look.ttl)]
        self._last = max(self._last, max(answered, default=0))
        beyond = [look for look in got.errand.looks if look.ttl > self._last][:SWEEP_BEYOND]
        if beyond and got.errand.tries < SWEEP_TRIES:
            looks, after_ns = (*beyond, *self._sentinels()), got.mono_ns + AGAIN_NS
            out.errands.append(Errand(self._tid, Kind.SWEEP, looks, after_ns, tries=got.errand.tries + 1))
            return
        silent, self._silent = self._silent, 0
        if got.mono_ns - self._silent_ns > SWEEP_NS:
            return  # it may have come back long since: the next sentinel tells
        self._lost_asked_ns = got.mono_ns
        out.changes += filter(None, [self._detector.on_silence(got.glimpse, silent, self._last)])
