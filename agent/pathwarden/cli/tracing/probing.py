"""Traces side by side: each wish becomes a session, all of them run over one transport under one pace."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pathwarden.cli.tracing.egress import Kernel
from pathwarden.cli.tracing.values import Waits
from pathwarden.cli.tracing.wish import Wish
from pathwarden.daemon.drive import Driver
from pathwarden.daemon.started import Started
from pathwarden.engine import flows
from pathwarden.engine.correlator import LAST_IDENT, Correlator, Session
from pathwarden.engine.pacing import TokenBucket
from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import Outcome, TraceSpec
from pathwarden.engine.waits import Waits as Factors
from pathwarden.errors import CannotProbe, ConfigError, ProbeError
from pathwarden.model.probe import Binding, Flow, Method
from pathwarden.model.protocols import Clock, Transport
from pathwarden.model.trace import Ending, KernelRoute, Reason, Trace
from pathwarden.net.sockets import device_mtu
from pathwarden.wire.encoders import encoder, min_size

if TYPE_CHECKING:
    from pathwarden.engine.mtu import MtuSession

PPS = 200.0  # a person waits for it, yet routers' rate limits deserve a pause between bursts
BURST = 16  # traceroute(8)'s probes in flight
STEP_NS = 100_000_000
KERNELS_CHOICE = Binding()
REMEDIES = {
    "no_route": ("", "give the machine a route, or choose a way out with -i or -s"),
    "no_permission": ("", "run as root or with CAP_NET_RAW"),
    "device_absent": ("-i ", "see the devices with: ip link"),
    "device_down": ("-i ", "bring it up with: ip link set DEVICE up"),
    "address_absent": ("-s ", "see this machine's addresses with: ip address"),
    "no_table_rule": ("", "add the rule"),
    "do_not_probe": ("", "leave it out, or take the network out of do_not_probe"),
    "unknown_host": ("", "check the spelling and the name server"),
    "send_failed": ("", "see the kernel's log"),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """How every trace of a call is made: the options that do not depend on the target."""

    first_ttl: int
    max_ttl: int
    queries: int
    window: int
    waits: Waits
    gap_limit: int
    mtu: bool = False

    def spec(self, flow: Flow, transport: Transport, wish: Wish) -> TraceSpec:
        """A trace of one flow."""
        return TraceSpec(
            flow,
            self.first_ttl,
            self.max_ttl,
            self.queries,
            round(self.waits.longest_s * 1e9),
            self.gap_limit,
            1 if wish.chosen.method is Method.RAW else min(transport.window(flow), self.window),
            by_hop=True,
            rising_port=wish.chosen.module.rising,
            waits=Factors(self.waits.here, self.waits.near),
        )


@dataclass(slots=True)
class Running:
    """A wish that is being traced. `started` and `session` are None if not even a flow could be made, and `error` says why."""

    wish: Wish
    binding: Binding = KERNELS_CHOICE
    route: KernelRoute | None = None
    flow: Flow | None = None
    started: Started | None = None
    session: "TraceSession | MtuSession | None" = None
    error: ProbeError | None = None
    trace: Trace | None = None
    outcome: Outcome | None = field(default=None)

    @property
    def reached(self) -> bool:
        """Whether the destination answered."""
        return self.trace is not None and self.trace.reached_ttl is not None

    @property
    def failed(self) -> bool:
        """Whether no probe could leave."""
        return self.error is not None or (self.trace is not None and self.trace.ending is Ending.ERROR)


class Bench:
    """The transport, the kernel, clock and pace that all traces of a call share."""

    def __init__(self, transport: Transport, kernel: Kernel, clock: Clock, pause_s: float, first_ident: int = 0) -> None:
        self.transport = transport
        self.kernel = kernel
        self.clock = clock
        self.correlator = Correlator(first_ident or random.randint(1, LAST_IDENT))  # noqa: S311 - tells probes apart, no secret
        bucket = TokenBucket(1 / pause_s, 1) if pause_s else TokenBucket(PPS, BURST)
        self.driver = Driver(transport, clock, self.correlator, bucket)

    def prepared(self, wish: Wish) -> Running:
        """A wish with its binding, the kernel's answer and its flow, or with the reason why there is none."""
        running = Running(wish)
        try:
            running.binding = self.kernel.binding(wish)
            with suppress(ProbeError):  # sockets may know better than this question, and their errors say more
                running.route = self.kernel.route(wish, running.binding)
            running.flow = self._flow(wish, running.binding)
            _check_length(running)
        except ProbeError as error:
            running.error = error
            return running
        running.started = Started(self.clock, wish.tid, wish.source.name, running.flow, Reason.COMMAND, self.transport.name)
        running.started.kernel_route = running.route
        return running

    def begin(self, running: Running, rules: Rules) -> None:
        """Trace a prepared wish from now on."""
        if running.flow is None:
            return
        spec = rules.spec(running.flow, self.transport, running.wish)
        if rules.mtu:
            from pathwarden.engine.mtu import MtuSession

            running.session = MtuSession(spec, self.correlator)
        else:
            running.session = TraceSession(spec, self.correlator, random.Random())  # noqa: S311 - order, no secret
        self.run(running.session, running.binding, lambda _session: finish(running))

    def run(self, session: Session, binding: Binding, finished: Callable[[Session], None]) -> None:
        """Drive a session from now on."""
        self.driver.add(session, binding, finished)

    def step(self) -> bool:
        """Let a moment pass; whether anything still runs."""
        if len(self.driver):
            self.driver.step(STEP_NS)
        return len(self.driver) > 0

    def _flow(self, wish: Wish, binding: Binding) -> Flow:
        """The flow of a wish. Raises ProbeError, and ConfigError for packets that cannot be."""
        extra = wish.extra
        size = wish.size
        if size and wish.chosen.method is not Method.TCP_CONNECT:
            size = max(size, min_size(wish.af, wish.chosen.method, extra))
        flow = self.transport.flow(wish.address, wish.chosen.method, wish.port, binding, wish.tos, size, wish.label, extra)
        if flow.method is not Method.TCP_CONNECT:
            try:
                encoder(flow)
            except ValueError as error:
                raise ConfigError(f"{wish.host}: {error}", "change the length or the options of the method") from error
        if wish.number and not flows.varies(flow):
            raise ConfigError(f"--flows: a flow of {flow.method} over IPv{flow.af} has nothing that may vary", "choose UDP or ICMP")
        return flows.nth(flow, wish.number)


def _check_length(running: Running) -> None:
    """Whether the first link carries the packets. Raises CannotProbe."""
    wish, flow, route = running.wish, running.flow, running.route
    if flow is None or route is None or wish.split or wish.shrinks or flow.method is Method.TCP_CONNECT:
        return
    mtu = device_mtu(route.device)
    if mtu and flow.size > mtu:
        raise CannotProbe(f"length {flow.size}: {route.device} carries at most {mtu} bytes at once", "shorten it, or leave out -F")


def finish(running: Running) -> None:
    """Take the result of a session, complete or not."""
    if running.session is not None and running.started is not None:
        running.outcome = running.session.outcome()
        running.trace = running.started.trace(running.outcome)


def in_words(error: ProbeError, wish: Wish) -> CannotProbe:
    """The network's fault in the operator's words: option, value, remedy."""
    option, remedy = REMEDIES[error.reason]
    if error.reason == "no_route" and wish.source.binding.direct:
        remedy = "leave out -r, which reaches hosts on the link alone"
    value = {"-i ": wish.source.binding.device, "-s ": wish.source.binding.address}.get(option, "")
    return CannotProbe(f"{option}{value or wish.host}: {error}", remedy)


def held_port(asked: int, got: int) -> None:
    """Whether the transport has the source port that --sport asks for. Raises CannotProbe."""
    if asked and asked != got:
        raise CannotProbe(f"--sport {asked}: another program holds this port", "choose another one, or end that program")
