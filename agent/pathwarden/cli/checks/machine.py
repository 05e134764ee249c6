"""The machine itself: probing methods, clock, default routes, gateway, names, connection tracking."""

import os
from pathlib import Path

from pathwarden.cli.checks.finding import FAIL, OK, WARN, Finding, Place
from pathwarden.config.values import address_of
from pathwarden.errors import CannotProbe, ProbeError
from pathwarden.model.probe import Binding
from pathwarden.net.clock import SystemClock
from pathwarden.net.netlink import KernelRoutes
from pathwarden.net.raw import RawTransport
from pathwarden.net.rootless import RootlessTransport

ARP = Path("/proc/net/arp")
ARP_COMPLETE = 0x2  # ATF_COM
CONNTRACK = Path("/proc/sys/net/netfilter")
FULL_PCT = 90  # beyond it a burst may find no room, and the kernel drops new connections
_SOMEWHERE = {4: "1.1.1.1", 6: "2606:4700:4700::1111"}  # addresses that only a default route leads to; nothing is sent there
_PERMIT = "run as root, or give the program CAP_NET_RAW"


def methods(_: KernelRoutes) -> list[Finding]:
    """Which ways of probing the kernel permits; opens their sockets and sends nothing."""
    raw = _raw()
    udp, icmp, why = _rootless()
    if not raw and not udp:
        return [Finding(FAIL, "probing", f"no method works: {why}", _PERMIT)]
    needed = OK if raw else WARN
    return [
        Finding(OK, "raw sockets", "permitted") if raw else Finding(WARN, "raw sockets", "not permitted, so traces are slower", _PERMIT),
        Finding(OK, "UDP without root", "works") if udp else Finding(needed, "UDP without root", why, None if raw else _PERMIT),
        Finding(OK, "ICMP without root", "permitted")
        if icmp
        else Finding(
            needed,
            "ICMP without root",
            "not permitted" + (", nor needed beside raw sockets" if raw else ""),
            None if raw else f"sysctl -w net.ipv4.ping_group_range='{os.getgid()} {os.getgid()}'",
        ),
    ]


def _raw() -> bool:
    try:
        RawTransport().close()
    except CannotProbe:
        return False
    return True


def _rootless() -> tuple[bool, bool, str]:
    """Whether UDP works without root, whether ICMP does, and why not."""
    try:
        transport = RootlessTransport()
    except (OSError, CannotProbe) as error:
        return False, False, str(error)
    icmp = transport.icmp
    transport.close()
    return True, icmp, ""


def clock(_: KernelRoutes) -> list[Finding]:
    """Whether a time service steers the wall clock."""
    if SystemClock().synced():
        return [Finding(OK, "clock", "synchronised")]
    return [Finding(WARN, "clock", "not known to be right, so times in the history may be wrong", "start a time service (NTP)")]


def routes(oracle: KernelRoutes) -> list[Finding]:
    """The default routes of both families."""
    found = {af: _default(oracle, af) for af in _SOMEWHERE}
    neither = not any(reached for reached, _ in found.values())
    return [
        Finding(OK, f"IPv{af} default route", words)
        if reached
        else Finding(FAIL if neither else WARN if af == 4 else OK, f"IPv{af} default route", words, _route_fix(af, neither))
        for af, (reached, words) in found.items()
    ]


def _route_fix(af: int, neither: bool) -> str | None:
    return "see the uplink's settings and: ip route" if af == 4 or neither else None


def _default(oracle: KernelRoutes, af: int) -> tuple[bool, str]:
    try:
        route = oracle.lookup(_SOMEWHERE[af], Binding())
    except ProbeError:
        return False, "none" + ("" if af == 4 else ", so IPv6 targets beyond this network fail")
    via = f"via {route.gateway} " if route.gateway else ""
    return True, f"{via}dev {route.device} src {route.source}"


def conntrack(_: KernelRoutes) -> list[Finding]:
    """How full the kernel's table of connections is; nothing where there is none."""
    try:
        count, most = (int((CONNTRACK / f"nf_conntrack_{name}").read_text(encoding="ascii")) for name in ("count", "max"))
    except OSError:
        return []
    words = f"{count} of {most} connections tracked"
    if most and 100 * count >= FULL_PCT * most:
        return [Finding(WARN, "connections", f"{words}: new ones may be dropped", "raise net.netfilter.nf_conntrack_max")]
    return [Finding(OK, "connections", words)]


def gateway(place: Place) -> list[Finding]:
    """Whether the default gateway answers ARP, as the kernel last saw it; nothing where there is no such gateway."""
    address = place.oracle.default_gateway(4)
    known = _arp().get(address or "")
    if known is None:
        return []
    flags, hardware, device = known
    if flags & ARP_COMPLETE:
        return [Finding(OK, "gateway", f"{address} is {hardware} on {device}")]
    return [Finding(FAIL, "gateway", f"{address} does not answer on {device}", "see the cable, and whether the gateway is on")]


def _arp() -> dict[str, tuple[int, str, str]]:
    try:
        lines = ARP.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return {}
    fields = [line.split() for line in lines]
    return {field[0]: (int(field[2], 16), field[3], field[5]) for field in fields if len(field) == 6}


def names(place: Place) -> list[Finding]:
    """Whether the first host name of the configuration resolves; asks the name server."""
    hosts = [(target.host, target.family) for target in place.settings.targets if target.enabled]
    hosts += [(place.settings.mqtt.host, 0)] if place.settings.mqtt.host else []
    named = next((pair for pair in hosts if not address_of(pair[0])), None)
    if named is None:
        return [Finding(OK, "DNS", "no host name is configured")]
    address = place.address(*named)
    if address:
        return [Finding(OK, "DNS", f"{named[0]} is {address}")]
    return [Finding(FAIL, "DNS", f"{named[0]} does not resolve in time", "see its spelling, and /etc/resolv.conf for the name server")]
