"""A network in virtual time: clock and transport in one, answering probes as the routers of a scenario would.

Rules:
1. Time stands still except in `receive`, which jumps to the next reply or to the end of the wait.
2. A probe meets the world as it is when it is sent: routes, silence, loss and rate limits of that instant.
3. Everything random comes from one seeded generator, so equal seeds give equal worlds.
"""

import hashlib
import heapq
from collections.abc import Mapping
from random import Random
from zlib import crc32

from pathwarden.errors import ProbeError
from pathwarden.model.probe import PLAIN, Binding, Extra, Flow, Method, Probe, Reply, ReplyKind
from pathwarden.model.trace import KernelRoute
from pathwarden.sim.scenario import Change, Destination, Router, Scenario

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
}
START_WALL_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z, unless the caller says otherwise


class SimNetwork:
    """The world of one scenario. It is a `Transport`, a `Clock` and a `RouteOracle` at once."""

    name = "sim"

    def __init__(self, scenario: Scenario, seed: int, start_wall_ns: int = START_WALL_NS) -> None:
        self.now_ns = 1_000_000_000
        self._start_ns = self.now_ns
        self._start_wall_ns = start_wall_ns
        self._random = Random(seed)  # noqa: S311 - a simulation, no secret
        self._source = scenario.source
        self._gateway = scenario.gateway
        self._routers = {router.name: router for router in scenario.routers}
        self._routes = dict(scenario.routes)
        self._destinations = {destination.address: destination for destination in scenario.destinations}
        self._changes = sorted(scenario.changes, key=lambda change: change.at_s, reverse=True)
        self._links = dict(scenario.links)
        self._hash_key = str(seed).encode()[:64]  # the longest that blake2b takes
        self._per_packet = {name for name, hops in scenario.routes if any(choice[0].startswith("?") for choice in hops)}
        if any(hops[0].startswith("?") for hops in self._links.values()):
            self._per_packet = set(self._routes)
        self._ways: dict[tuple[Flow, int], list[tuple[Router, int]]] = {}
        self._packet_count = 0
        self._heap: list[tuple[int, int, Reply]] = []
        self._tokens: dict[str, tuple[int, float]] = {}

    def mono_ns(self) -> int:
        """Virtual nanoseconds."""
        return self.now_ns

    def wall_ns(self) -> int:
        """Virtual wall clock."""
        return self._start_wall_ns + self.now_ns - self._start_ns

    def synced(self) -> bool:
        """Tell that the clock is right; the simulated one always is."""
        return True

    def effective(self, binding: Binding, af: int) -> Binding:  # noqa: ARG002 - the simulated kernel has no rules
        """As asked."""
        return binding

    def lookup(self, dst: str, binding: Binding) -> KernelRoute:
        """Where the simulated kernel sends packets."""
        if dst not in self._destinations:
            raise ProbeError("no_route", dst)
        return KernelRoute(binding.device or "wan", binding.address or self._source, self._gateway, binding.table or 254)

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
        if self._changes and self._changes[-1].at_s * 1_000_000_000 <= now_ns - self._start_ns:
            self._apply_changes()
        destination = self._destinations.get(probe.flow.dst)
        if destination is None:
            raise ProbeError("no_route", probe.flow.dst)
        way = self._way(probe.flow, destination)
        self._packet_count += 1
        if not self._passes(way, probe.ttl):
            return now_ns
        router, base_ns = way[min(probe.ttl, len(way)) - 1]
        is_destination = probe.ttl >= len(way)
        if router.silent or not self._has_token(router, now_ns):
            return now_ns
        delay_ns = base_ns + (round(self._random.expovariate(1.0) * router.jitter_ms * 1e6) if router.jitter_ms else 0)
        reply = self._reply(probe, router, is_destination, len(way), now_ns + delay_ns)
        if reply is not None:
            self._push(reply)
            if router.duplicate and self._random.random() < router.duplicate:
                self._push(reply._replace(at_ns=reply.at_ns + 1_000_000))
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

    def _apply_changes(self) -> None:
        elapsed_ns = self.now_ns - self._start_ns
        while self._changes and self._changes[-1].at_s * 1_000_000_000 <= elapsed_ns:
            self._apply(self._changes.pop())
        self._ways.clear()

    def _apply(self, change: Change) -> None:
        if change.target:
            for address, destination in self._destinations.items():
                if destination.name == change.target:
                    self._destinations[address] = destination._replace(route=change.route)
        if change.router:
            self._routers[change.router] = self._routers[change.router]._replace(**dict(change.values))

    def _way(self, flow: Flow, destination: Destination) -> list[tuple[Router, int]]:
        """The routers a flow meets, each with the round-trip time up to it (ns); the destination is the last."""
        balanced = self._packet_count if destination.route in self._per_packet else 0
        key = (flow, balanced)
        way = self._ways.get(key)
        if way is None:
            way, total_ms = [], 0.0
            for number, choice in enumerate(self._routes[destination.route]):
                name = choice[0] if len(choice) == 1 else self._choose(flow, number, choice)
                router = self._routers[name.lstrip("?")]
                total_ms += router.adds_ms
                way.append((router, round(total_ms * 1e6)))
            while way and (name := way[-1][0].name) in self._links:
                router = self._routers[self._share(flow, name).lstrip("?")]
                total_ms += router.adds_ms
                way.append((router, round(total_ms * 1e6)))
            last = self._routers[destination.name]
            way.append((last, round((total_ms + last.adds_ms) * 1e6)))
            if not balanced:
                self._ways[key] = way
        return way

    def _choose(self, flow: Flow, number: int, choice: tuple[str, ...]) -> str:
        if choice[0].startswith("?"):
            return self._random.choice(choice)
        seed = f"{number}|{flow.src}|{flow.dst}|{flow.sport}|{flow.dport}|{flow.label}"
        return choice[crc32(seed.encode()) % len(choice)]

    def _share(self, flow: Flow, name: str) -> str:
        """Where a router with links sends a flow: its own hash of addresses, ports (ICMP: identifier, checksum) and flow label."""
        hops = self._links[name]
        if hops[0].startswith("?"):
            return self._random.choice(hops)
        fields = f"{name}|{flow.src}|{flow.dst}|{flow.sport}|{flow.dport}|{flow.label}".encode()
        # A CRC is linear: neighbouring ports would fall into patterns that no other key changes.
        digest = hashlib.blake2b(fields, digest_size=8, key=self._hash_key).digest()
        return hops[int.from_bytes(digest, "big") % len(hops)]

    def _passes(self, way: list[tuple[Router, int]], ttl: int) -> bool:
        """Whether the probe and its reply survive the routers before the one that answers, and that one's own loss."""
        return not any(router.down or (router.loss and self._random.random() < router.loss) for router, _ in way[:ttl])

    def _has_token(self, router: Router, now_ns: int) -> bool:
        """Spend one of the router's ICMP tokens (bucket of `rate_burst`, refilled at `rate_pps`)."""
        if not router.rate_pps:
            return True
        last_ns, tokens = self._tokens.get(router.name, (now_ns, float(router.rate_burst)))
        tokens = min(tokens + (now_ns - last_ns) * router.rate_pps / 1e9, float(router.rate_burst))
        allowed = tokens >= 1
        self._tokens[router.name] = (now_ns, tokens - 1 if allowed else tokens)
        return allowed

    def _reply(self, probe: Probe, router: Router, is_destination: bool, length: int, at_ns: int) -> Reply | None:
        flow = probe.flow
        kind = ReplyKind.TIME_EXCEEDED
        if is_destination:
            kind = ReplyKind.PORT_UNREACHABLE if flow.method is Method.UDP else ReplyKind.ECHO_REPLY
        icmp_type, icmp_code = ICMP_TYPES[flow.af, kind]
        distance = min(probe.ttl, length)
        quoted = 0 if kind is ReplyKind.ECHO_REPLY else probe.ttl - distance + 1
        responder = flow.dst if is_destination else router.address(flow.af)
        return Reply(
            kind,
            responder,
            at_ns,
            flow.method,
            flow.dst,
            flow.sport,
            0 if kind is ReplyKind.ECHO_REPLY else flow.dport,
            probe.ident,
            0,
            icmp_type,
            icmp_code,
            65 - distance,
            quoted,
        )
