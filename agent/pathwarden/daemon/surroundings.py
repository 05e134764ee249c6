"""What is around the probes on this machine: happenings, the load of the uplinks, gateways and name servers, in one place.

Rules:
1. `note` may be called from any thread; everything else belongs to the prober's. What was noted is taken over at the next `tick`, or when
   a cause or the gate is asked for.
2. A source is in use since `uses` named it. Its uplink is down while there is no way out for the address that it was last used for, or
   while a device by which it left when it was up is down, though there is another way out. That is looked at when something happened, and
   every 10 s, or a little sooner.
3. `uplink_down` and `uplink_up` are told when a state has held for 5 s: a link that flaps within that time tells nothing. The first state
   of a source is told only if it is down, and was not told so before a reload, or is up, and was. A device that replaces one that is
   down is the uplink after an hour.
4. Counters are read as often, and at `sample`, which whoever suspects something calls.
"""

import threading
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pathwarden.detect.causes import Journal
from pathwarden.detect.gate import Gate, GateState
from pathwarden.detect.load import Load
from pathwarden.errors import ProbeError
from pathwarden.model.change import Cause
from pathwarden.model.happening import Happening, HappeningKind, Notice, NoticeKind, What
from pathwarden.model.probe import Binding
from pathwarden.model.protocols import Clock, RouteOracle, SourceResolver
from pathwarden.model.settings import Source
from pathwarden.model.trace import KernelRoute

HOLD_NS = 5_000_000_000
EVERY_NS = 10_000_000_000
EARLY_NS = 2_500_000_000  # by so much it may be sooner, when we are awake anyway: the watch's probes wake us every two seconds
ADOPT_NS = 3_600_000_000_000  # a modem may come back under another name; a line that is repaired is back sooner or stays away
LEAST_APART_NS = 1_000_000_000  # several targets may suspect something at once
_NOTED = 256  # happenings between two ticks; netifd makes tens for a new uplink
_MOST = 64  # sources and gateways; more than any configuration has
_SECOND_NS = 1_000_000_000


class Counting(Protocol):
    """Reads the counters of devices."""

    def read(self, device: str) -> tuple[int, int] | None:
        """Bytes received and sent; None if there is no such device."""
        ...


class NameServers(Protocol):
    """Watches the name servers."""

    @property
    def silent_since_ns(self) -> int | None:
        """Since when they have not answered; None while they do."""
        ...

    def check(self) -> None:
        """Ask, if it is time; never blocks."""
        ...


@dataclass(slots=True)
class _Way:
    """How a source leaves by one address family: the address it was last used for, and the kernel's answer or why there is none."""

    address: str
    route: KernelRoute | None
    why: str = ""


@dataclass(slots=True)
class _Uplink:
    """A source in use. `homes` are the devices of its ways when it was last up, `why` says why it is not.

    `told` is what was told last (None: nothing yet), `told_ns` since when that had been so.
    """

    since_ns: int
    ways: dict[int, _Way] = field(default_factory=dict)
    homes: tuple[str, ...] = ()
    up: bool = True
    why: str = ""
    told: bool | None = None
    told_ns: int = 0

    @property
    def pending(self) -> bool:
        """Whether there is something to tell when it has held."""
        return self.up != (self.told is not False)

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices of its ways."""
        return tuple(dict.fromkeys(way.route.device for way in self.ways.values() if way.route))


class Surroundings:
    """The surroundings of one runtime."""

    def __init__(
        self,
        clock: Clock,
        oracle: RouteOracle,
        sources: SourceResolver,
        named: Sequence[Source],
        counters: Counting,
        name_servers: NameServers,
        load: Load,
        down: Collection[str] = (),
    ) -> None:
        """`down` are the sources whose uplinks were told to be down, before this runtime."""
        self.load = load
        self._told_down = down
        self._noted = 0
        self._dropped = 0  # of those noted, how many came too fast
        self._clock = clock
        self._oracle = oracle
        self._sources = sources
        self._named = {"": Source("", Binding()), **{source.name: source for source in named}}
        self._counters = counters
        self._name_servers = name_servers
        self._journal = Journal(clock.mono_ns())
        self._lock = threading.Lock()
        self._new: deque[Happening] = deque()
        self._lost_ns: int | None = None
        self._down: dict[str, str] = {}  # devices that are, and why
        self._uplinks: dict[str, _Uplink] = {}
        self._look = False  # at the next tick, whatever the time
        self._gates: dict[str, Gate] = {}
        self._looked_ns = clock.mono_ns()
        self._sampled_ns: int | None = None
        self._resolver_told_ns: int | None = None

    def note(self, happening: Happening) -> None:
        """Something happened; from any thread."""
        with self._lock:
            self._noted += 1
            if len(self._new) >= _NOTED:
                self._dropped += 1
                self._lost_ns = happening.mono_ns
            else:
                self._new.append(happening)

    def uses(self, source: str, address: str, route: KernelRoute | None) -> None:
        """Probes to this address leave by this source ('' for the kernel's choice) and kernel route, or cannot: None.

        A single address may have no route though the uplink is well, so for a known source None only makes us look again.
        """
        uplink = self._uplinks.get(source)
        if uplink is None:
            if len(self._uplinks) >= _MOST:
                return
            now_ns = self._clock.mono_ns()
            uplink = self._uplinks[source] = _Uplink(now_ns, told=False if source in self._told_down else None, told_ns=now_ns)
        af = 6 if ":" in address else 4
        way = uplink.ways.get(af)
        if way is None:
            way = uplink.ways[af] = _Way(address, route)
        if route or not way.route:
            way.address, way.route, way.why = address, route, ""
        if not route or route.device not in uplink.homes:
            self._look = True  # what happened is noted before the kernel's answer changes, but may wait to be taken over

    def on_gateway(self, route: KernelRoute, answered: bool, mono_ns: int) -> None:
        """The gateway of this kernel route answered a probe, or it did not in time."""
        key = f"{route.device}|{route.gateway}"
        gate = self._gates.get(key)
        if gate is None:
            if len(self._gates) >= _MOST:
                del self._gates[next(iter(self._gates))]
            gate = self._gates[key] = Gate()
        gate.on_epoch(route.epoch)
        gate.on_answer(answered, mono_ns)

    def gate(self, route: KernelRoute | None, mono_ns: int) -> GateState:
        """Whether our own side is well: red too while the device is down, unknown without a gateway or a route."""
        self._take()
        if route is None:
            return GateState.UNKNOWN
        if route.device in self._down:
            return GateState.RED
        gate = self._gates.get(f"{route.device}|{route.gateway}")
        if gate is None:
            return GateState.UNKNOWN
        gate.on_epoch(route.epoch)
        return gate.state(mono_ns)

    def cause_of(self, mono_ns: int, old: KernelRoute | None, new: KernelRoute | None, *, by_load: bool) -> Cause:
        """The cause of a change that was first seen at `mono_ns`, with the kernel's routes before and after.

        `by_load` says that a full line could explain it (latency, loss), as it could not another path.
        """
        self._take()
        full = self.load.full(new.device, mono_ns) if by_load and new else None
        return self._journal.cause_of(mono_ns, old, new, self.gate(new, self._clock.mono_ns()), full)

    @property
    def resolver_silent(self) -> bool:
        """Whether the name servers do not answer."""
        return self._name_servers.silent_since_ns is not None

    def sample(self, mono_ns: int) -> None:
        """Read the counters of the devices in use, unless they were read within the last second."""
        if self._sampled_ns is not None and mono_ns - self._sampled_ns < LEAST_APART_NS:
            return
        self._sampled_ns = mono_ns
        for device in {device for uplink in self._uplinks.values() for device in uplink.devices}:
            found = self._counters.read(device)
            if found:
                self.load.on_counters(device, *found, mono_ns)

    def tick(self, mono_ns: int) -> tuple[Notice, ...]:
        """Look around; what is to be told. To be called at least at `next_ns`, and may be called as often as one likes."""
        self._take()
        if self._look or mono_ns - self._looked_ns >= EVERY_NS - EARLY_NS:
            self._looked_ns, self._look = mono_ns, False
            for source, uplink in self._uplinks.items():
                for af, way in uplink.ways.items():
                    way.route, way.why = self._way_out(source, af, way.address)
                self._judge(uplink, mono_ns)
        if self._sampled_ns is None or mono_ns - self._sampled_ns >= EVERY_NS - EARLY_NS:
            self.sample(mono_ns)
        self._name_servers.check()
        told = [self._uplink(source, uplink, mono_ns) for source, uplink in self._uplinks.items()]
        return tuple(notice for notice in (*told, self._resolver(mono_ns)) if notice)

    def next_ns(self) -> int:
        """When to call `tick` at the latest."""
        pending = [uplink.since_ns + HOLD_NS for uplink in self._uplinks.values() if uplink.pending]
        return min([self._looked_ns + EVERY_NS, *pending])

    def counters(self) -> dict[str, int]:
        """What was counted since start."""
        return {"happenings": self._noted, "happenings_dropped": self._dropped}

    def _take(self) -> None:
        """Take over what was noted."""
        with self._lock:
            new, lost_ns = list(self._new), self._lost_ns
            self._new.clear()
            self._lost_ns = None
        ways = [way for uplink in self._uplinks.values() for way in uplink.ways.values()]
        gateways = {(way.route.device, way.route.gateway) for way in ways if way.route}
        for one in new:
            if one.kind is HappeningKind.LINK:
                self._link(one)
            if one.kind is not HappeningKind.NEIGHBOUR or (one.device, one.detail) in gateways:
                self._journal.note(one)
                self._look |= one.wide or one.kind is not HappeningKind.ROUTE  # a routing daemon would make us look all the time
        if lost_ns is not None:
            self._journal.note(Happening(HappeningKind.OVERFLOW, lost_ns, "", What.LOST))

    def _link(self, one: Happening) -> None:
        if one.what in (What.UP, What.ADDED) or (one.what is What.REMOVED and not self._used(one.device)):
            self._down.pop(one.device, None)
        elif one.what in (What.DOWN, What.REMOVED):
            if len(self._down) >= _MOST:
                del self._down[next(iter(self._down))]
            self._down[one.device] = one.detail or "it is gone"

    def _used(self, device: str) -> bool:
        return any(device in uplink.homes or device in uplink.devices for uplink in self._uplinks.values())

    def _way_out(self, source: str, af: int, address: str) -> tuple[KernelRoute | None, str]:
        """The kernel route that a source has now, or None and why."""
        try:
            binding = self._sources.binding(self._named[source], af)
            route = self._oracle.lookup(address, self._oracle.effective(binding, af))
        except ProbeError as error:
            return None, str(error)
        return (None, self._down[route.device]) if route.device in self._down else (route, "")

    def _judge(self, uplink: _Uplink, mono_ns: int) -> None:
        """Whether an uplink is up, given the ways as they are now."""
        away = next((home for home in uplink.homes if home in self._down), "")
        devices = uplink.devices
        if away and not uplink.up and mono_ns - uplink.since_ns >= ADOPT_NS:
            away = ""
        missing = next((way for way in uplink.ways.values() if not way.route), None)
        if missing:
            alone = f"IPv{6 if ':' in missing.address else 4}: " if devices else ""
            uplink.why = alone + (missing.why or "there is no way out")
        elif away:
            uplink.why = f"{self._down[away]}; traffic leaves by {' and '.join(devices)}"
        up = not missing and not away
        if up:
            uplink.homes = devices
        if up != uplink.up:
            uplink.up, uplink.since_ns = up, mono_ns

    def _uplink(self, source: str, uplink: _Uplink, mono_ns: int) -> Notice | None:
        if not uplink.pending:
            if uplink.told is None:
                uplink.told, uplink.told_ns = True, uplink.since_ns
            return None
        since_ns = uplink.since_ns
        if mono_ns - since_ns < HOLD_NS:
            return None
        before_ns = since_ns - uplink.told_ns if uplink.told is not None else 0
        uplink.told, uplink.told_ns = uplink.up, since_ns
        device = next((home for home in uplink.homes if uplink.up or home in self._down), next(iter(uplink.homes), ""))
        name = f"Uplink {source or device}" if source or device else "The uplink"
        kind = NoticeKind.UPLINK_UP if uplink.up else NoticeKind.UPLINK_DOWN
        state = f"is up again, by {device}" if uplink.up else f"is down: {uplink.why}"
        return self._notice(kind, since_ns, mono_ns, source, device, f"{name} {state}.", before_ns)

    def _resolver(self, mono_ns: int) -> Notice | None:
        since_ns, told_ns = self._name_servers.silent_since_ns, self._resolver_told_ns
        if (since_ns is None) == (told_ns is None):
            return None
        self._resolver_told_ns = since_ns
        if since_ns is not None:
            return self._notice(NoticeKind.RESOLVER_DOWN, since_ns, mono_ns, "", "", "Your resolver does not answer.", 0)
        silent_ns = mono_ns - (told_ns or mono_ns)
        return self._notice(NoticeKind.RESOLVER_UP, mono_ns, mono_ns, "", "", "Your resolver answers again.", silent_ns)

    def _notice(self, kind: NoticeKind, since_ns: int, mono_ns: int, source: str, device: str, sentence: str, before_ns: int) -> Notice:
        now = self._clock.wall_ns()
        return Notice(kind, now - (mono_ns - since_ns), now, source, device, sentence, before_ns // _SECOND_NS)
