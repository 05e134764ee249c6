"""Traces of what is not configured: somebody tries a target before it is saved.

Rules:
1. They go before all others and are told to who asked alone: nothing of them is judged, told or kept.
2. No other trace goes to the same address meanwhile: not every flow bears more than one probe in flight.
3. At most `MOST` wait or run; all of them keep the agent's pace and whom it is not to probe.
"""

from collections.abc import Callable, Mapping
from random import Random

from pathwarden.daemon.asking import Asking, Entry
from pathwarden.daemon.drive import LONGEST_WAIT_NS, Driver
from pathwarden.daemon.started import Started
from pathwarden.daemon.watching import WayOut
from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import Outcome, TraceSpec
from pathwarden.errors import ProbeError
from pathwarden.model.probe import Flow
from pathwarden.model.protocols import Clock, Resolver, Transport
from pathwarden.model.settings import Settings, Source, Target
from pathwarden.model.trace import Ending, Reason

MOST = 4  # a form's button, pressed twice, in two browsers
WINDOW = 16  # probes in flight, as the other traces have it
NAME_GRACE_NS = 5_000_000_000  # a name server may take this long


def trace_draft(
    settings: Settings, trace: Callable[[Target, Source], str], target: Mapping[str, str], source: Mapping[str, str] | None
) -> str:
    """What `trace` says of a target of these options, and its source. Raises `BadOptions`."""
    from pathwarden.config.draft import draft  # few ever try a target

    return trace(*draft(settings, target, source))


class _Wanted:
    def __init__(self, entry: Entry, source: Source, until_ns: int) -> None:
        self.entry = entry
        self.source = source
        self.until_ns = until_ns  # until then the name may be unknown
        self.address = ""


class Once:
    """`add` may be called from any thread, the rest from the prober's alone.

    `way_out` gives the way to an address and raises `ProbeError`; `is_free` tells that nothing else goes there.
    """

    def __init__(
        self,
        asking: Asking,
        transport: Transport,
        clock: Clock,
        resolver: Resolver,
        driver: Driver,
        random: Random,
        way_out: Callable[[Target, Source, str], WayOut],
        is_free: Callable[[str], bool],
    ) -> None:
        self._asking = asking
        self._transport = transport
        self._clock = clock
        self._resolver = resolver
        self._driver = driver
        self._random = random
        self._way_out = way_out
        self._is_free = is_free
        self._wanted: list[_Wanted] = []
        self._running: dict[str, Started] = {}

    def add(self, target: Target, source: Source) -> str:
        """Trace a target soon; the name by which its trace is known, '' if too many wait."""
        if len(self._wanted) + len(self._running) >= MOST:
            return ""
        name, entry = self._asking.new(target)
        self._wanted.append(_Wanted(entry, source, self._clock.mono_ns() + NAME_GRACE_NS))
        return name

    def goes_to(self, address: str) -> bool:
        """Whether such a trace runs to an address."""
        return address in self._running

    def start_due(self) -> int:
        """Start what can; how long until something is due by time alone."""
        wait_ns = LONGEST_WAIT_NS
        for wanted in list(self._wanted):
            target, now_ns = wanted.entry.target, self._clock.mono_ns()
            wanted.address = wanted.address or self._resolver.lookup(target.host, target.family) or ""
            if not wanted.address and now_ns < wanted.until_ns:
                wanted.entry.resolving = True
                wait_ns = min(wait_ns, wanted.until_ns - now_ns)
            elif wanted.address not in self._running and self._is_free(wanted.address):
                self._wanted.remove(wanted)
                self._start(wanted)
        return wait_ns

    def _start(self, wanted: _Wanted) -> None:
        target, address = wanted.entry.target, wanted.address
        flow = Flow(6 if ":" in address else 4, target.method, "", address, 0, target.port, 0, 0, target.size)
        started = Started(self._clock, target.tid, target.source, flow, Reason.COMMAND, self._transport.name)
        self._asking.taken(wanted.entry, started)
        try:
            binding, started.kernel_route, started.flow = self._way(target, wanted)
        except ProbeError as error:
            self._asking.ended(started, started.trace(Outcome(Ending.ERROR, error.code, None, (), 0, 0, 0)))
            return
        window = min(self._transport.window(started.flow), WINDOW)
        wait_ns = round(target.wait_s * 1e9)
        spec = TraceSpec(started.flow, target.first_ttl, target.max_ttl, target.queries, wait_ns, target.gap_limit, window)
        session = started.session = TraceSession(spec, self._driver.correlator, self._random)
        self._running[address] = started
        self._driver.add(session, binding, lambda _: self._ended(address, started, session), urgent=True)

    def _way(self, target: Target, wanted: _Wanted) -> WayOut:
        if not wanted.address:
            raise ProbeError("unknown_host", target.host)
        return self._way_out(target, wanted.source, wanted.address)

    def _ended(self, address: str, started: Started, session: TraceSession) -> None:
        del self._running[address]
        self._asking.ended(started, started.trace(session.outcome()))
