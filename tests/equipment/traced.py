"""A trace as the prober makes it, over a real transport: driver, correlator and session, until it is done."""

from random import Random

from pathwarden.daemon.drive import Driver
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import TraceSpec
from pathwarden.model.probe import PLAIN, Binding, Extra, Method
from pathwarden.model.protocols import Transport
from pathwarden.model.trace import Answer
from pathwarden.net.clock import SystemClock

SECOND_NS = 1_000_000_000
HOME = Binding()


class Traced:
    """A trace that is done, what it found (`outcome`), and what took part in it."""

    def __init__(
        self,
        transport: Transport,
        dst: str,
        method: Method = Method.UDP,
        *,
        port: int = 0,
        tos: int = 0,
        size: int = 0,
        extra: Extra = PLAIN,
        binding: Binding = HOME,
        queries: int = 1,
        max_ttl: int = 3,
        wait_s: float = 1.0,
        rate_pps: float = 1000,
        by_hop: bool = False,
    ) -> None:
        self.correlator = Correlator()
        self.flow = transport.flow(dst, method, port, binding, tos, size, 0, extra)
        window = min(16, transport.window(self.flow))
        spec = TraceSpec(self.flow, 1, max_ttl, queries, round(wait_s * SECOND_NS), 5, window, by_hop=by_hop)
        self.session = TraceSession(spec, self.correlator, Random(1))
        driver = Driver(transport, SystemClock(), self.correlator, TokenBucket(rate_pps))
        driver.add(self.session, binding, lambda _: None)
        while not self.session.done:
            driver.step()
        self.outcome = self.session.outcome()

    def answers(self, ttl: int = 1) -> tuple[Answer, ...]:
        """The answers at a ttl; () where there is no such hop."""
        return next((each.answers for each in self.outcome.hops if each.ttl == ttl), ())

    def only(self, ttl: int = 1) -> Answer:
        """The one answer at a ttl."""
        (answer,) = self.answers(ttl)
        return answer
