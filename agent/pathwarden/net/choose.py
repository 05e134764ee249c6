"""Which transport works here: raw sockets if they are permitted, else what needs no privilege."""

from typing import TYPE_CHECKING

from pathwarden.errors import CannotProbe
from pathwarden.net.raw import RawTransport

if TYPE_CHECKING:
    from pathwarden.net.rootless import RootlessTransport

_RAW = "raw sockets"
_ROOTLESS = "without root: UDP with the kernel's error queue; "
_WITH_ICMP = "ICMP through datagram sockets"
_WITHOUT_ICMP = "ICMP is not permitted: net.ipv4.ping_group_range"


def open_transport(source_port: int = 0, *, seed: int = 0, rootless: bool = False) -> "tuple[RawTransport | RootlessTransport, str]":
    """A transport, and a sentence that says which.

    `source_port` and `seed` as for the transports; `rootless` passes raw sockets over. Raises CannotProbe.
    """
    if not rootless:
        try:
            return RawTransport(source_port, seed=seed), _RAW
        except CannotProbe:  # without CAP_NET_RAW; what remains may still do
            pass
    from pathwarden.net.rootless import RootlessTransport  # a router has raw sockets

    try:
        transport = RootlessTransport(source_port, seed=seed)
    except OSError as error:
        raise CannotProbe(f"no probing method works here: {error.strerror}", "run as root or with CAP_NET_RAW") from error
    return transport, _ROOTLESS + (_WITH_ICMP if transport.icmp else _WITHOUT_ICMP)
