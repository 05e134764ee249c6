"""A network in virtual time: clock and transport in one, answering probes as the routers of a scenario would.

Rules:
1. Time stands still except in `receive`, which jumps to the next reply or to the end of the wait.
2. A probe meets the world as it is when it is sent: routes, silence, loss and rate limits of that instant.
3. Everything random comes from one seeded generator, so equal seeds give equal worlds.
"""

import heapq
from collections.abc import Mapping
from random import Random

from pathwarden.errors import ProbeError
from pathwarden.model.probe import PLAIN, Binding, Extra, Flow, Method, Probe, Reply, ReplyKind
from pathwarden.model.trace import KernelRoute
from pathwarden.sim.scenario import Change, Router, Scenario
from pathwarden.sim.topology import Place, Topology, Way
from pathwarden.sim.weather import Weather

SOURCE_PORT = 61000
DEFAULT_PORT = 33434
DEFAULT_SIZE = {4: 60, 6: 80}
ICMP_TYPES = {
    (4, ReplyKind.TIME_EXCEEDED): (11, 0),
    (4, ReplyKind.PORT_UNREACHABLE): (3, 3),
    (4, ReplyKind.ECHO_REPLY): (0, 0),
    (6, ReplyKind.TIME_EXCEEDED): (3, 0),
    (6, ReplyKind.PORT_UNREACHABLE): (1, 4),
    (6, ReplyKind.ECHO_REPLY): (129, 0),
    (4, ReplyKind.PACKET_TOO_BIG): (3, 4),
    (6, ReplyKind.PACKET_TOO_BIG): (2, 0),
}
FORGER = {4: "203.0.113.66", 6: "2001:db8:bad::66"}  # whose name forged answers bear
IDENTS = 0xFFFE  # from which a forger guesses
_ONES = 0xFFFF
START_WALL_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z, unless the caller says otherwise


class SimNetwork:
    """The world of one scenario. It is a `Transport`, a `Clock` and a `RouteOracle` at once."""

    name = "sim"

    def __init__(self, scenario: Scenario, seed: int, start_wall_ns: int = START_WALL_NS) -> None:
        self.now_ns = 1_000_000_000
        self._start_ns = self.now_ns
        self._start_wall_ns = start_wall_ns
        self._random = Random(seed)  # noqa: S311 - a simulation, no secret
        self._uplink = {"source": scenario.source, "gateway": scenario.gateway, "device": scenario.device}
        self._changes = sorted(scenario.changes, key=lambda change: change.at_s, reverse=True)
        self._topology = Topology(scenario, seed, self._random)
        self._weather = Weather(seed)
        self._step_ns = 0
        self._packet_count = 0
        self._heap: list[tuple[int, int, Reply]] = []

    def mono_ns(self) -> int:
        """Virtual nanoseconds."""
        return self.now_ns

    def wall_ns(self) -> int:
        """Virtual wall clock."""
        self._catch_up()
        return self._start_wall_ns + self.now_ns - self._start_ns + self._step_ns

    def synced(self) -> bool:
        """Tell that the clock is right; the simulated one always is."""
        return True

    def effective(self, binding: Binding, af: int) -> Binding:  # noqa: ARG002 - the simulated kernel has no rules
        """As asked."""
        return binding

    def lookup(self, dst: str, binding: Binding) -> KernelRoute:
        """Where the simulated kernel sends packets."""
        self._catch_up()
        if dst not in self._topology.destinations:
            raise ProbeError("no_route", dst)
        uplink = self._uplink
        return KernelRoute(binding.device or uplink["device"], binding.address or uplink["source"], uplink["gateway"], binding.table or 254)

    def address_of(self, host: str) -> str | None:
        """The address that a target's name has now, None while it is lost; what is no target's name is an address itself."""
        self._catch_up()
        return self._topology.addresses.get(host, host) or None

    def flow(
        self, dst: str, method: Method, port: int, binding: Binding, tos: int, size: int, label: int = 0, extra: Extra = PLAIN
    ) -> Flow:
        """The flow to a destination; ports never vary."""
        af = 6 if ":" in dst else 4
        src = self.lookup(dst, binding).source
        dport = (port or DEFAULT_PORT) if method is Method.UDP else 1
        return Flow(af, method, src, dst, SOURCE_PORT, dport, tos, label or (1 if af == 6 else 0), size or DEFAULT_SIZE[af], extra)

    def window(self, flow: Flow) -> int:  # noqa: ARG002 - the simulated network tells any number apart
        """As many probes as wanted may be in flight."""
        return 1000

    def send(self, probe: Probe, binding: Binding) -> int:  # noqa: ARG002 - the scenario has one way out
        """Let the world decide what becomes of a probe."""
        now_ns = self.now_ns
        self._catch_up()
        topology, flow = self._topology, probe.flow
        destination = topology.destinations.get(flow.dst)
        if destination is None:
            raise ProbeError("no_route", flow.dst)
        way = topology.way(flow, destination)
        self._packet_count += 1
        length = len(way.places)
        index = min(probe.ttl, length) - 1
        waited_ns = self._pass(probe, way, index) if way.hazards else 0
        if waited_ns is None:
            return now_ns
        place = way.places[index]
        router = place.router
        if router.silent or (router.rate_pps and not self._weather.has_token(router, now_ns)):
            return now_ns
        delay_ns = place.base_ns + waited_ns
        if router.jitter_ms:
            delay_ns += round(self._random.expovariate(1.0) * router.jitter_ms * 1e6)
        reply = self._reply(probe, place, way.arrives and probe.ttl >= length, length, now_ns + delay_ns)
        if reply is not None:
            self._deliver(reply, router)
        return now_ns

    def receive(self, timeout_ns: int) -> list[Reply]:
        """Replies that arrive next, or nothing after the wait; jumps the clock."""
        heap = self._heap
        until_ns = self.now_ns + timeout_ns
        if not heap or heap[0][0] > until_ns:
            self.now_ns = until_ns
            return []
        self.now_ns = max(self.now_ns, heap[0][0])
        replies = []
        while heap and heap[0][0] <= self.now_ns:
            replies.append(heapq.heappop(heap)[2])
        return replies

    def pause(self, timeout_ns: int) -> None:
        """Jump the clock."""
        self.now_ns += timeout_ns

    def next_arrival_ns(self) -> int | None:
        """When the next reply comes; None if none is on its way."""
        return self._heap[0][0] if self._heap else None

    def wake(self) -> None:
        """Nothing waits in virtual time."""

    def counters(self) -> Mapping[str, int]:
        """No faults happen here."""
        return {}

    def close(self) -> None:
        """Nothing to release."""

    def _push(self, reply: Reply) -> None:
        heapq.heappush(self._heap, (reply.at_ns, self._packet_count, reply))

    def _deliver(self, reply: Reply, router: Router) -> None:
        """Send a reply on its way, with what this router is wont to do to it."""
        random = self._random
        if router.late and random.random() < router.late:
            reply = reply._replace(at_ns=reply.at_ns + round(router.late_s * 1e9))
        self._push(reply)
        if router.duplicate and random.random() < router.duplicate:
            self._push(reply._replace(at_ns=reply.at_ns + 1_000_000))
        if router.spoofed and random.random() < router.spoofed:
            forger = FORGER[6 if ":" in reply.dst else 4]
            self._push(reply._replace(responder=forger, ident=random.randint(1, IDENTS), ident_checksum=0))

    def _catch_up(self) -> None:
        """Let happen what is due by now."""
        changes = self._changes
        while changes and changes[-1].at_s * 1_000_000_000 <= self.now_ns - self._start_ns:
            self._apply(changes.pop())

    def _apply(self, change: Change) -> None:
        self._uplink.update(change.uplink)
        self._step_ns += round(change.clock_step_s * 1e9)
        self._topology.apply(change)

    def _pass(self, probe: Probe, way: Way, index: int) -> int | None:
        """How long (ns) queues hold a probe up on its way to a place; None if it, or its answer, gets lost before."""
        random, waited_ns = self._random, 0
        for position, router in way.hazards:
            if position > index:
                break
            if router.down or (router.loss and random.random() < router.loss):
                return None
            if router.burst_loss and self._weather.bursting(router, self.now_ns) and random.random() < router.burst_loss:
                return None
            if position < index:
                if probe.flow.size > router.mtu:
                    self._refuse(probe, way.places[position])
                    return None
                if router.queue_ms:
                    waited_ns += round(random.expovariate(1.0) * router.queue_ms * 1e6)
        return waited_ns

    def _refuse(self, probe: Probe, place: Place) -> None:
        """Say that a probe is too long to be passed on, unless this router keeps quiet about it."""
        router, flow = place.router, probe.flow
        if router.silent or router.mtu_silent:
            return
        icmp = ICMP_TYPES[flow.af, ReplyKind.PACKET_TOO_BIG]
        at_ns = self.now_ns + place.base_ns
        named = (flow.method, flow.dst, flow.sport, flow.dport, probe.ident, 0)
        responder = router.address(flow.af)
        self._push(Reply(ReplyKind.PACKET_TOO_BIG, responder, at_ns, *named, *icmp, router.initial_ttl, 1, mtu=router.mtu))

    def _reply(self, probe: Probe, place: Place, is_destination: bool, length: int, at_ns: int) -> Reply | None:
        flow, router = probe.flow, place.router
        kind = ReplyKind.TIME_EXCEEDED
        if is_destination:
            kind = ReplyKind.PORT_UNREACHABLE if flow.method is Method.UDP else ReplyKind.ECHO_REPLY
        quotes = kind is not ReplyKind.ECHO_REPLY
        icmp_type, icmp_code = ICMP_TYPES[flow.af, kind]
        distance = min(probe.ttl, length)
        checksum, dport = 0, flow.dport if quotes else 0
        if place.nat and quotes:
            # The translator's fingerprint: a quoted UDP checksum that is not the ident, an ICMP one that is not the flow's.
            checksum = (probe.ident + place.nat - 1) % _ONES + 1 if flow.method is Method.UDP else 0
            dport = (dport + place.nat - 1) % _ONES + 1 if flow.method is Method.ICMP else dport
        return Reply(
            kind,
            flow.dst if is_destination else router.address(flow.af),
            at_ns,
            flow.method,
            flow.dst,
            flow.sport,
            dport,
            probe.ident,
            checksum,
            icmp_type,
            icmp_code,
            router.initial_ttl + 1 - distance - router.back_hops,
            probe.ttl - distance + 1 if quotes else 0,
            flow.tos & place.tos_mask if quotes else -1,
            0,
            place.extensions,
        )
