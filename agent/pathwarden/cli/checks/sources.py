"""The configured ways out: device, address, table and mark, and what the kernel would do with a probe."""

import socket

from pathwarden.cli.checks.finding import FAIL, OK, WARN, Finding, Place
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


def sources(place: Place) -> list[Finding]:
    """Each source: opens a socket under its binding and asks the kernel for its route; sends nothing."""
    return [_source(place, source) for source in place.settings.sources]


def _source(place: Place, source: Source) -> Finding:
    what = f"source {source.name}"
    dst = _destination(place, source)
    try:
        way = place.oracle.effective(source.binding, af_of(dst))
        try:
            bound(af_of(dst), socket.SOCK_DGRAM, 0, way).close()
        except OSError as error:
            raise cannot_open(error, way) from error
        route = place.oracle.lookup(dst, way)
    except ProbeError as error:
        if error.reason == "no_table_rule":
            return Finding(FAIL, what, "no rule leads to its routing table", error.detail)
        fix = FIXES.get(error.reason, "see: ip route get").format(device=source.binding.device, table=source.binding.table or "main")
        return Finding(WARN if error.reason == "no_permission" else FAIL, what, f"cannot be used: {error}", fix)
    via = f" via {route.gateway}" if route.gateway else ""
    return Finding(OK, what, f"{dst}{via} dev {route.device} src {route.source} table {route.table}")


def _destination(place: Place, source: Source) -> str:
    """The first target that uses the source, else the first of the family of its address, else somewhere of that family."""
    family = af_of(source.binding.address) if source.binding.address else 4
    used = [address for target, address in place.targets() if target.source == source.name]
    fitting = [address for _, address in place.targets() if af_of(address) == family]
    return next(iter([*used, *fitting]), SOMEWHERE[family])
