"""Traces in shorthand for the detector's tests, and a feeder that does what the prober does: re-trace when asked, else wait."""

from collections.abc import Callable, Sequence

from pathwarden.detect.detector import Detector, Verdict
from pathwarden.model.change import Change
from pathwarden.model.probe import Flow, Method, ReplyKind
from pathwarden.model.trace import Answer, Ending, Hop, KernelRoute, Reason, Trace

START_AT = 1_795_250_700_000_000_000
SECOND = 1_000_000_000
HOME = KernelRoute("wan", "192.0.2.10", "192.0.2.1", 254)
OTHER_LINE = KernelRoute("wanb", "203.0.113.10", "203.0.113.1", 254)
SITE = "D"

Row = str | None | Sequence[str | None]  # one responder for all queries, or one for each; None is silence


def trace_of(
    *rows: Row,
    reached: bool = True,
    mono_s: float = 0,
    reason: Reason = Reason.SCHEDULE,
    address: str = SITE,
    line: KernelRoute = HOME,
    ending: Ending | None = None,
    queries: int = 3,
    rtt_ms: float = 10.0,
) -> Trace:
    """A trace whose rows are its hops from ttl 1 on; the last is the destination if it was reached."""
    full = [[row] * queries if row is None or isinstance(row, str) else list(row) for row in rows]
    hops = tuple(
        Hop(ttl, tuple(_answer(query, who, rtt_ms, reached and ttl == len(full)) for query, who in enumerate(row)))
        for ttl, row in enumerate(full, start=1)
    )
    return Trace(
        target="site",
        address=address,
        flow=Flow(4, Method.UDP, line.source, address, 61000, 33434, 0, 0, 60),
        source="",
        kernel_route=line,
        transport="raw",
        reason=reason,
        at=START_AT + round(mono_s * SECOND),
        mono_ns=SECOND + round(mono_s * SECOND),
        duration_ns=SECOND,
        clock_synced=True,
        ending=ending or (Ending.REACHED if reached else Ending.GAP),
        error="no_route" if ending is Ending.ERROR else "",
        reached_ttl=len(rows) if reached else None,
        hops=hops,
        probes=sum(len(hop.answers) for hop in hops),
        late=0,
        duplicates=0,
    )


def _answer(query: int, who: str | None, rtt_ms: float, final: bool) -> Answer:
    if who is None:
        return Answer(query)
    kind = ReplyKind.PORT_UNREACHABLE if final else ReplyKind.TIME_EXCEEDED
    return Answer(query, who, round(rtt_ms * 1e6), kind, *((3, 3) if final else (11, 0)), 60, 1)


class Watch:
    """One target under watch: `round` makes a scheduled trace and the re-traces that the detector asks for.

    `world` makes the rows of a trace; `changes` and `verdicts` gather what came of it.
    """

    def __init__(self, world: Callable[[], Trace] | None = None, learn_s: int = 86_400, interval_s: int = 300) -> None:
        self.detector = Detector("site", learn_s)
        self.world = world
        self.changes: list[Change] = []
        self.verdicts: list[Verdict] = []
        self.traces = 0
        self._interval_s = interval_s
        self._now_s = 0.0
        self._again: int | None = None

    def feed(self, *rows: Row, **values: object) -> Verdict:
        """One trace: a re-trace if the detector asked for one, else the next scheduled trace."""
        return self.take(trace_of(*rows, **self._timed(values)))  # type: ignore[arg-type] - shorthand

    def times(self, count: int, *rows: Row, **values: object) -> Verdict:
        """The same trace several times."""
        for _ in range(count):
            verdict = self.feed(*rows, **values)
        return verdict

    def settle(self, *rows: Row, most: int = 40, **values: object) -> list[str]:
        """A trace and its re-traces; the kinds of the changes told."""
        told = len(self.changes)
        self.feed(*rows, **values)
        while self._again is not None:
            most -= 1
            assert most, "re-traces do not end"
            self.feed(*rows, **values)
        return [change.kind.value for change in self.changes[told:]]

    def round(self) -> None:
        """A scheduled trace of the world and its re-traces."""
        assert self.world is not None
        while True:
            made = self.world()
            self.take(trace_of_other_time(made, self._timed({})))
            if self._again is None:
                return

    def take(self, trace: Trace) -> Verdict:
        """Feed a finished trace."""
        verdict = self.detector.on_trace(trace)
        self.traces += 1
        self.changes.extend(verdict.changes)
        self.verdicts.append(verdict)
        self._again = verdict.retrace_after_ns
        return verdict

    def kinds(self) -> list[str]:
        """The kinds of all changes told."""
        return [change.kind.value for change in self.changes]

    def _timed(self, values: dict[str, object]) -> dict[str, object]:
        again = self._again
        self._now_s += self._interval_s if again is None else again / SECOND
        return {"mono_s": self._now_s, "reason": Reason.SCHEDULE if again is None else Reason.CONFIRM} | values


def trace_of_other_time(trace: Trace, timed: dict[str, object]) -> Trace:
    """The same trace at another instant."""
    from dataclasses import replace

    mono_s, reason = timed["mono_s"], timed["reason"]
    assert isinstance(mono_s, float | int)
    assert isinstance(reason, Reason)
    return replace(trace, at=START_AT + round(mono_s * SECOND), mono_ns=SECOND + round(mono_s * SECOND), reason=reason)
