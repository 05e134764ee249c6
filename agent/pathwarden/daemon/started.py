"""A trace that has begun: what must be remembered until it ends."""

from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import Outcome
from pathwarden.model.instants import ClockShift
from pathwarden.model.probe import Flow
from pathwarden.model.protocols import Clock
from pathwarden.model.trace import KernelRoute, Reason, Trace


class Started:
    """Notes the instant. `flow` stands for the trace even if no probe can leave.

    `kernel_route` is added when it is known, `session` when it runs.
    """

    def __init__(self, clock: Clock, target: str, source: str, flow: Flow, reason: Reason, transport: str) -> None:
        self.flow = flow
        self.reason = reason
        self.kernel_route: KernelRoute | None = None
        self.session: TraceSession | None = None
        self._clock = clock
        self._target = target
        self._source = source
        self._transport = transport
        self._synced = clock.synced()
        self._at = clock.wall_ns()
        self._mono_ns = clock.mono_ns()

    def shift(self, shift: ClockShift) -> None:
        """The clock became right while this trace runs."""
        self._at, self._synced = shift.of(self._at), True

    def so_far(self) -> Trace | None:
        """What is known by now, its ending left aside; None before the first probe."""
        return None if self.session is None else self.trace(self.session.outcome())

    def trace(self, outcome: Outcome) -> Trace:
        """The finished trace."""
        return Trace(
            target=self._target,
            address=self.flow.dst,
            flow=self.flow,
            source=self._source,
            kernel_route=self.kernel_route,
            transport=self._transport,
            reason=self.reason,
            at=self._at,
            mono_ns=self._mono_ns,
            duration_ns=self._clock.mono_ns() - self._mono_ns,
            clock_synced=self._synced,
            ending=outcome.ending,
            error=outcome.error,
            reached_ttl=outcome.reached_ttl,
            hops=outcome.hops,
            probes=outcome.probes,
            late=outcome.late,
            duplicates=outcome.duplicates,
        )
