"""The configured ways out: device, address, table and mark, and what the kernel would do with a probe."""

import socket

from pathwarden.cli.checks.finding import FAIL, OK, WARN, Finding, Place
from pathwarden.daemon.sources import UBUS, binding_now
from pathwarden.errors import ProbeError
from pathwarden.model.settings import Source
from pathwarden.net.sockets import bound, cannot_open
from pathwarden.wire.address import af_of

SOMEWHERE = {4: "1.1.1.1", 6: "2606:4700:4700::1111"}  # asked about without a target of that family; nothing is sent there
FIXES = {
    "device_absent": "see the devices with: ip link",
    "device_down": "bring it up with: ip link set {device} up",
    "address_absent": "see this machine's addresses with: ip address",
    "no_permission": "run as root, or give the program CAP_NET_ADMIN for a mark",
    "no_route": "give its routing table a route: ip route show table {table}",
}
INTERFACE_FIXES = {
    "device_absent": "see the interfaces with: ubus call network.interface dump",
    "device_down": "bring it up with: ifup {interface}",
}


def bus() -> list[Finding]:
    """OpenWrt's bus, and whether netifd tells of its interfaces; nothing elsewhere."""
    if not UBUS.exists():
        return []
    from pathwarden.daemon.bus import listening

    with listening() as found:
        trouble, names = found.snapshot()["detail"], found.interfaces()
    if trouble or not names:
        fix = "see whether ubusd and netifd run; a user other than root needs /usr/share/acl.d/pathwarden.json, then: killall -HUP ubusd"
        return [Finding(WARN, "ubus", f"netifd cannot be asked: {trouble}", fix)]
    return [Finding(OK, "ubus", f"netifd tells of {', '.join(names)}")]


def sources(place: Place) -> list[Finding]:
    """Each source: opens a socket under its binding and asks the kernel for its route; sends nothing."""
    return [_source(place, source) for source in place.settings.sources]


def _source(place: Place, source: Source) -> Finding:
    what = f"source {source.name}"
    dst = _destination(place, source)
    try:
        way = place.oracle.effective(binding_now(source, af_of(dst)), af_of(dst))
        try:
            bound(af_of(dst), socket.SOCK_DGRAM, 0, way).close()
        except OSError as error:
            raise cannot_open(error, way) from error
        route = place.oracle.lookup(dst, way)
    except ProbeError as error:
        if error.reason == "no_table_rule":
            return Finding(FAIL, what, "no rule leads to its routing table", error.detail)
        fixes = FIXES | INTERFACE_FIXES if source.interface and UBUS.exists() else FIXES
        named = {"interface": source.interface, "device": source.binding.device, "table": source.binding.table or "main"}
        fix = fixes.get(error.reason, "see: ip route get").format_map(named)
        return Finding(WARN if error.reason == "no_permission" else FAIL, what, f"cannot be used: {error}", fix)
    via = f" via {route.gateway}" if route.gateway else ""
    return Finding(OK, what, f"{dst}{via} dev {route.device} src {route.source} table {route.table}")


def _destination(place: Place, source: Source) -> str:
    """The first target that uses the source, else the first of the family of its address, else somewhere of that family."""
    family = af_of(source.binding.address) if source.binding.address else 4
    used = [address for target, address in place.targets() if target.source == source.name]
    fitting = [address for _, address in place.targets() if af_of(address) == family]
    return next(iter([*used, *fitting]), SOMEWHERE[family])
