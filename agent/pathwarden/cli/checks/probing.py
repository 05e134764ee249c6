"""Real probes: whether ICMP errors arrive, and whether the source port stays ours on the way.

Rules:
1. Three probes at most, with ttl 1 to 3, towards the first target. Any answer proves that ICMP errors arrive.
2. A NAT that rewrites the source port and puts it back in quotes shows in no answer. If it is this machine's, its connection
   tracking tells; beyond this machine it stays unknown.
3. A NAT that does not put it back shows in the quotes. Their port is not ours, so the transports never hear them: a further raw
   socket, which only root may open, listens without a filter for ports.
4. Answers that this machine's firewall drops reach no socket at all; connection tracking counts those that it cannot place.
"""

import re
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from pathwarden.cli.checks import tracking
from pathwarden.cli.checks.finding import FAIL, OK, WARN, Finding, Place
from pathwarden.daemon.sources import binding_now
from pathwarden.engine.correlator import Correlator, Slot
from pathwarden.errors import CannotProbe, MalformedPacket, ProbeError
from pathwarden.model.probe import Binding, Flow, Method, Reply, ReplyKind
from pathwarden.net import abilities, filters
from pathwarden.net.choose import open_transport
from pathwarden.net.clock import SystemClock
from pathwarden.net.raw import RawTransport
from pathwarden.net.rootless import RootlessTransport
from pathwarden.net.sockets import bound
from pathwarden.wire.address import af_of
from pathwarden.wire.probe_codec import decode4, decode6

PROBES = 3
WAIT_NS = 500_000_000  # the first hops answer within milliseconds; three waits fit into a check's 2 s
DEFAULT_TARGET = "1.1.1.1"  # one of those that the agent chooses itself
TRACKED = Path("/proc/net/nf_conntrack")
_ROOM = 2048  # an ICMP error is rarely longer than 576 bytes
_AT_ONCE = 1000  # packets that the open ear looks at; on a busy router others' errors come, too
_ICMP = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
# How connection tracking names a protocol (it calls ICMP for IPv6 icmpv6), and writes our end of a reply: we are its destination.
_TRACKED_AS = {
    Method.UDP: " udp ", Method.ICMP: " icmp", Method.TCP: " tcp ", Method.TCP_CONNECT: " tcp ",
    Method.UDPLITE: " udplite ", Method.DCCP: " dccp ",
}  # fmt: skip
_OUR_PORT, _OUR_ID = re.compile(r"dport=(\d+)"), re.compile(r"id=(\d+)")


class _Heard:
    """Takes the replies to our probes, by ttl."""

    def __init__(self) -> None:
        self.late = 0
        self.duplicates = 0
        self.replies: dict[int, Reply] = {}

    def on_reply(self, slot: Slot, reply: Reply) -> None:
        """Keep a reply."""
        self.replies[slot.probe.ttl] = reply


class _Seen(NamedTuple):
    """What came of the probes: who answered by ttl with RTT, ports quoted in place of ours, and ours as this machine sends it.

    `probes` left, and meanwhile connection tracking called `invalid` packets so.
    """

    flow: Flow
    answers: dict[int, tuple[str, float]]
    foreign_ports: list[int]
    translated: int | None
    probes: int
    invalid: int


def probes(place: Place) -> list[Finding]:
    """Sends up to three probes towards the first target."""
    target, dst = next(iter(place.targets()), (None, DEFAULT_TARGET))
    method, port = (target.method, target.port) if target else (Method.UDP, 0)
    try:
        transport, _ = open_transport()
    except CannotProbe as error:
        return [Finding(FAIL, "ICMP errors", f"unknown, since {error}", "see the findings about probing above")]
    able = _abilities(transport, place)
    try:
        own = binding_now(place.source(target), af_of(dst)) if target else Binding()
        way = place.oracle.effective(own, af_of(dst))
        seen = _probe(transport, transport.flow(dst, method, port, way, 0, 0), way)
    except ProbeError as error:
        return [*able, Finding(FAIL, "ICMP errors", f"no probe towards {dst} can leave: {error}", "see the default route and the sources")]
    finally:
        transport.close()
    firewall = tracking.dropped(seen.probes, len(seen.answers), seen.invalid)
    return [*able, _arrival(dst, seen), *firewall, _stability(seen)]


def _abilities(transport: RawTransport | RootlessTransport, place: Place) -> list[Finding]:
    """Which methods work, and for those that do not, what they need; a failure if a target asks for one of them."""
    wanted = {target.method for target in place.settings.targets if target.enabled}
    found = abilities.methods(transport)
    working = dict.fromkeys(each.method for each in found if not each.missing)
    lacking: dict[tuple[bool, str, str], dict[Method, None]] = {}
    for each in found:
        if each.af == 4 and each.method not in working:  # what IPv6 alone lacks shows at its default route
            lacking.setdefault((each.method in wanted, each.missing, each.remedy), {})[each.method] = None
    return [
        Finding(OK, "methods", f"{', '.join(working)} work"),
        *(
            Finding(FAIL, "other methods", f"{', '.join(which)}, which a target asks for, lack {missing}", remedy)
            if asked
            else Finding(OK, "other methods", f"{', '.join(which)} would need {missing}; no target asks for them")
            for (asked, missing, remedy), which in lacking.items()
        ),
    ]


def _arrival(dst: str, seen: _Seen) -> Finding:
    if seen.answers:
        ttl, (responder, rtt_ms) = next(iter(seen.answers.items()))
        return Finding(OK, "ICMP errors", f"arrive: {responder} answered a probe with ttl {ttl} in {rtt_ms:.1f} ms")
    if seen.foreign_ports:
        return Finding(OK, "ICMP errors", "arrive, but none that quotes our source port")
    return Finding(
        FAIL,
        "ICMP errors",
        f"no answer to {PROBES} probes towards {dst} (ttl 1 to {PROBES})",
        "let ICMP and ICMPv6 errors in through the firewall; if they are, the uplink is down",
    )


def _stability(seen: _Seen) -> Finding:
    ours = seen.flow.sport
    if seen.translated not in (None, ours):
        words = f"this machine's firewall sends port {ours} as {seen.translated}, perhaps as another one after a pause"
        return Finding(WARN, "source port", words, "take random and fully-random off its masquerade rule")
    if seen.foreign_ports:
        words = f"a router on the way makes {seen.foreign_ports[0]} of port {ours} and leaves it so in answers, which are lost to us"
        return Finding(WARN, "source port", words, "mend that router's NAT, or try option method icmp")
    if not seen.answers:
        return Finding(WARN, "source port", "unknown: no answer quotes it", "see the finding about ICMP errors")
    kept = f"this machine keeps {ours}" if seen.translated == ours else f"answers quote ours, {ours}"
    return Finding(OK, "source port", f"{kept}; whether a router further on changes it, no answer would show")


# -- on the wire


def _probe(transport: RawTransport | RootlessTransport, flow: Flow, binding: Binding) -> _Seen:
    """Probe ttl after ttl, until something other than a time exceeded comes. Raises `ProbeError`."""
    ear = _open_ear(flow.af)
    invalid = tracking.invalid()
    try:
        heard, slots = _Heard(), []
        correlator, clock = Correlator(), SystemClock()
        for ttl in range(1, PROBES + 1):
            slot = correlator.issue(heard, flow, ttl, 0, clock.mono_ns())
            if slot is None:
                break
            correlator.sent(slot, transport.send(slot.probe, binding) or clock.mono_ns())
            slots.append(slot)
            _await(transport, correlator, slot, clock)
            if ttl in heard.replies and heard.replies[ttl].kind is not ReplyKind.TIME_EXCEEDED:
                break
        idents = {slot.probe.ident for slot in slots}
        sent_ns = {slot.probe.ttl: slot.sent_ns for slot in slots}
        return _Seen(
            flow,
            {ttl: (reply.responder, (reply.at_ns - sent_ns[ttl]) / 1e6) for ttl, reply in heard.replies.items()},
            [reply.sport for reply in (_overheard(ear, flow) if ear else ()) if reply.ident in idents and reply.sport != flow.sport],
            _tracked_port(flow),
            len(slots),
            tracking.invalid() - invalid,
        )
    finally:
        if ear is not None:
            ear.close()


def _await(transport: RawTransport | RootlessTransport, correlator: Correlator, slot: Slot, clock: SystemClock) -> None:
    until_ns = clock.mono_ns() + WAIT_NS
    while not slot.answered and (left_ns := until_ns - clock.mono_ns()) > 0:
        for reply in transport.receive(left_ns):
            correlator.dispatch(reply)


def _open_ear(af: int) -> socket.socket | None:
    """A socket that hears every ICMP error; None without CAP_NET_RAW."""
    try:
        ear = bound(af, socket.SOCK_RAW, _ICMP[af], Binding())
    except PermissionError:
        return None
    filters.only_replies(ear, af)
    return ear


def _overheard(ear: socket.socket, flow: Flow) -> Iterator[Reply]:
    """What the open ear heard about our destination."""
    for _ in range(_AT_ONCE):
        try:
            packet, sender = ear.recvfrom(_ROOM)
        except BlockingIOError:
            return
        try:
            reply = decode4(packet, 0) if flow.af == 4 else decode6(packet, sender[0], 0, 0)
        except MalformedPacket:
            continue
        if reply is not None and (reply.dst, reply.method) == (flow.dst, flow.method):
            yield reply


def _tracked_port(flow: Flow) -> int | None:
    """Our source port as it leaves this machine, by its connection tracking; None if that does not know the flow or may not be read."""
    protocol = _TRACKED_AS.get(flow.method)
    if protocol is None:  # a raw protocol has no ports
        return None
    src, dst = (ip_address(address).exploded for address in (flow.src, flow.dst))
    ping = flow.method is Method.ICMP
    ours = f"id={flow.sport} " if ping else f"sport={flow.sport} dport={flow.dport} "
    try:
        with TRACKED.open(encoding="ascii") as lines:
            line = next((line for line in lines if protocol in line and f" src={src} dst={dst} " in line and ours in line), "")
    except OSError:
        return None
    found = (_OUR_ID if ping else _OUR_PORT).findall(line)
    return int(found[-1]) if found else None
