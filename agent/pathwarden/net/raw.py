"""Probes through raw sockets: we write the whole IP datagram, and read ICMP as it came. Needs CAP_NET_RAW.

Sending (`mouths`): one socket per address family and binding, opened when first needed; none of them hears anything. TCP as the
kernel connects goes through the kernel's own sockets (`tcp_connect`).
Receiving (`ears`): one socket for ICMP, one for ICMPv6, on all devices; and from the first flow whose target may answer in the
probe's own protocol, one for that protocol, too. The kernel filters (`filters`) and stamps what comes.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pathwarden.errors import CannotProbe, ProbeError
from pathwarden.model.probe import PLAIN, Binding, Extra, Flow, Method, Probe, Reply
from pathwarden.net import ports
from pathwarden.net.ears import Ears, Recorder
from pathwarden.net.flows import NOBODYS, Flows
from pathwarden.net.mouths import Mouths, Way
from pathwarden.net.sockets import BUSY, MOVED, cannot_hold, cannot_open, cannot_send
from pathwarden.net.waiting import Waiter

if TYPE_CHECKING:
    from pathwarden.net.tcp_connect import Connects

_EVERY_IDENT = 0xFFFE  # each probe in flight is told apart by its own
_NAMELESS = frozenset({Method.TCP_CONNECT, Method.UDPLITE, Method.RAW})  # answers of these name no probe
_TCP = frozenset({Method.TCP, Method.TCP_CONNECT})
_SYN = 0x02


class RawTransport:
    """A `Transport` over raw sockets, with one source port for all targets, which is the ICMP identifier as well.

    `source_port` 0 chooses a free one outside the kernel's own range, beginning at a place that `seed` determines; one that
    another program holds is passed over, so compare the property afterwards. Raises CannotProbe without CAP_NET_RAW.
    """

    name = "raw"

    def __init__(self, source_port: int = 0, *, seed: int = 0) -> None:
        self.source_port, self._held = ports.first_free(source_port, seed, ports.hold)
        self._counts = {"malformed": 0, "ignored": 0, "enobufs": 0, "timestamps_missing": 0, "timestamps_refused": 0}
        self._flows = Flows(self.source_port, labelled=True)
        self._stale = False
        self._mouths = Mouths()
        self._ways = self._mouths.ways
        self._way: Way | None = None  # the last one used: finding it anew costs as much as laying out a packet
        self._way_of: tuple[Flow | None, Binding | None] = (None, None)
        self._connects: Connects | None = None
        self._prepared: set[tuple[int, Method]] = set()
        self._record: Recorder | None = None
        self._waiter = Waiter()
        try:
            self._ears = Ears(self.source_port, self._waiter, self._counts)
        except BaseException as error:
            for sock in self._held:
                sock.close()
            self._waiter.close()
            if isinstance(error, PermissionError):
                raise CannotProbe("raw sockets are not permitted", "give the program CAP_NET_RAW") from error
            raise

    @property
    def record(self) -> Recorder | None:
        """Told of every packet: the whole IP datagram, its instant, and the probe that it is or the reply in it (None: no reply).

        An IPv6 header that the kernel took off is put on again, without extension headers. What the kernel sends for
        Method.TCP_CONNECT is not told, what comes back is.
        """
        return self._record

    @record.setter
    def record(self, record: Recorder | None) -> None:
        self._record = self._ears.record = record

    def flow(
        self, dst: str, method: Method, port: int, binding: Binding, tos: int, size: int, label: int = 0, extra: Extra = PLAIN
    ) -> Flow:
        """See `Transport.flow`. Raises ProbeError."""
        if self._stale:
            self._stale = False
            self._renew()
        flow = self._flows.get(dst, method, port, binding, tos, size, label, extra)
        if method is not Method.ICMP and not (method is Method.UDP and flow.dport in NOBODYS):
            try:
                self._prepare(flow, binding)
            except OSError as error:
                raise cannot_open(error, binding) from error
        return flow

    def _prepare(self, flow: Flow, binding: Binding) -> None:
        """Hold the port in the flow's protocol, too, and hear what the target answers. Raises OSError and ProbeError."""
        method = flow.method
        if method is Method.TCP_CONNECT and (binding.next_hop or flow.extra.gateways):
            raise ProbeError("send_failed", "the kernel's own connect() knows neither next hop nor source route: use method tcp")
        if method in _TCP and self._connects is None:
            from pathwarden.net.tcp_connect import Connects  # few targets are asked by TCP

            try:
                self._connects = Connects(self.source_port, self._waiter, self._counts, quoting=True)
            except OSError as error:
                raise cannot_hold(error, self.source_port) from error
        if method is Method.UDPLITE and (flow.af, method) not in self._prepared:
            self._held += ports.hold_udplite(flow.af, self.source_port)
        self._prepared.add((flow.af, method))
        self._ears.hear(flow)

    def forget(self) -> None:
        """Before the next flow ask the kernel anew: an address, a device or a kernel route has changed. From any thread."""
        self._stale = True

    def _renew(self) -> None:
        self._flows.forget()
        self._mouths.forget()
        self._way = None

    def window(self, flow: Flow) -> int:
        """How many probes of one flow are told apart: as many as there are idents, or one where the target answers for one alone.

        A program's answer names no probe. A server answers a second SYN of the same ports only after it has heard our reset of
        the first (RFC 9293 section 3.10.7.4: until then it repeats which one it acknowledged).
        """
        one = (
            flow.method in _NAMELESS
            or (flow.method is Method.UDP and flow.dport not in NOBODYS)
            or (flow.method is Method.TCP and flow.extra.tcp_flags & _SYN)
        )
        return 1 if one else _EVERY_IDENT

    def send(self, probe: Probe, binding: Binding) -> int:
        """Send one probe; the monotonic instant just before, or 0 when a queue is full. Raises ProbeError."""
        try:
            return self._send(probe, binding)
        except OSError as error:
            if error.errno in BUSY:
                self._counts["enobufs"] += 1
                return 0
            if not binding.device or error.errno not in MOVED:
                raise cannot_send(error, binding) from error
        self._renew()  # a device that went and came again has a new index: its sockets must be opened anew
        try:
            return self._send(probe, binding)
        except OSError as error:
            raise cannot_send(error, binding) from error

    def _send(self, probe: Probe, binding: Binding) -> int:
        flow, way = probe.flow, self._way
        if flow is not self._way_of[0] or binding is not self._way_of[1] or way is None:
            way = self._ways.get((flow, binding))
            if way is None:
                if self._connects and flow.method is Method.TCP_CONNECT:
                    return self._connects.send(probe, binding)
                way = self._mouths.make(flow, binding)
            self._way, self._way_of = way, (flow, binding)
        packet = way.encode(probe.ident, probe.ttl)
        at_ns = time.monotonic_ns()
        way.leave(packet, way.address)
        if self._record:
            for piece in way.pieces(packet):
                self._record(piece, at_ns, probe)
        return at_ns

    def receive(self, timeout_ns: int) -> list[Reply]:
        """See `Transport.receive`."""
        replies: list[Reply] = []
        for fd in self._waiter.wait(timeout_ns):
            ear = self._ears.get(fd)
            if ear is not None:
                ear.drain(replies, self._record)
            elif self._connects:
                self._connects.settle(fd)
        if self._connects and self._connects.waiting:
            return [self._connects.claim(reply) for reply in replies]
        return replies

    def pause(self, timeout_ns: int) -> None:
        """See `Transport.pause`."""
        if self._ears.stamped:
            self._waiter.pause(timeout_ns)
        else:  # without stamps a reply is as old as its reading
            self._waiter.wait(timeout_ns)

    def wake(self) -> None:
        """See `Transport.wake`."""
        self._waiter.wake()

    def counters(self) -> Mapping[str, int]:
        """Counts since start.

        `malformed` and `ignored` packets, `overflow` of the receive buffers, `enobufs` (full send queues), receive stamps
        that were missing or refused.
        """
        return {**self._counts, "overflow": self._ears.missed}

    def close(self) -> None:
        """Release every socket."""
        self._flows.forget()
        self._mouths.close()
        if self._connects:
            self._connects.close()
        self._ears.close()
        for sock in self._held:
            sock.close()
        self._waiter.close()
