"""Which flow a probe to a target belongs to: the kernel's source address, our source port, a constant checksum and label."""

import socket
import time
from zlib import crc32

from pathwarden.model.probe import PLAIN, Binding, Extra, Flow, Method
from pathwarden.model.trace import KernelRoute
from pathwarden.net.sockets import bound, cannot_connect, cannot_open
from pathwarden.wire.address import af_of
from pathwarden.wire.probe_codec import default_size

# Where traceroute(8) goes without a port: 33434, which nobody serves, or a service's.
_PORTS = {Method.TCP: 80, Method.TCP_CONNECT: 80, Method.UDPLITE: 53}
_NO_SERVICE = 33434
NOBODYS = range(33434, 33535)  # UDP ports where traceroutes have always gone: no program answers there
_REMEMBER_NS = 60_000_000_000  # an address change that nobody reports is seen after this; the kernel's reports end it at once
_REMEMBERED = 1024  # flows; more than any configuration has
_DISCARD = 9  # connecting a UDP socket sends nothing, but wants a port

_Key = tuple[str, Method, int, Binding, int, int, int, Extra]


def constant(src: str, dst: str, largest: int) -> int:
    """A number from 1 to `largest` that follows from the two addresses alone."""
    return 1 + crc32(f"{src} {dst}".encode()) % largest


class Flows:
    """Makes flows, and remembers them for a few seconds or until `forget`.

    A flow's ICMP checksum (1..0xfffe) and IPv6 flow label (1..0xfffff) follow from source and destination address, so
    they are the same after a restart. Without `labelled` the label is 0.
    """

    def __init__(self, source_port: int, *, labelled: bool) -> None:
        self._source_port = source_port
        self._labelled = labelled
        self._known: dict[_Key, tuple[Flow, int]] = {}

    def forget(self) -> None:
        """Ask the kernel anew: an address, a device or a kernel route has changed."""
        self._known.clear()

    def get(self, dst: str, method: Method, port: int, binding: Binding, tos: int, size: int, label: int = 0, extra: Extra = PLAIN) -> Flow:
        """See `Transport.flow`. Raises ProbeError."""
        key = (dst, method, port, binding, tos, size, label, extra)
        mono_ns = time.monotonic_ns()
        flow, until_ns = self._known.get(key, (None, 0))
        if flow is None or until_ns <= mono_ns:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            made = self._make(*key)
            flow = flow if flow == made else made  # one object for all its probes is found sooner
            self._known[key] = flow, mono_ns + _REMEMBER_NS
        return flow

    def _make(self, dst: str, method: Method, port: int, binding: Binding, tos: int, size: int, label: int, extra: Extra) -> Flow:
        af = af_of(dst)
        dst = dst.partition("%")[0]  # the zone is the binding's device
        src = source_address(af, dst, binding)
        dport = constant(src, dst, 0xFFFE) if method is Method.ICMP else port or _PORTS.get(method, _NO_SERVICE)
        if not label and af == 6 and self._labelled:
            label = constant(src, dst, 0xFFFFF)
        return Flow(af, method, src, dst, self._source_port, dport, tos, label, size or default_size(af, method, extra), extra)


def source_address(af: int, dst: str, binding: Binding) -> str:
    """The address that the kernel would send from, under a binding. Sends nothing. Raises ProbeError."""
    if binding.next_hop or (binding.direct and af == 6):  # the kernel heeds SO_DONTROUTE on IPv4 alone
        return kernel_route(dst, binding).source
    try:
        sock = bound(af, socket.SOCK_DGRAM, 0, binding)
    except OSError as error:
        raise cannot_open(error, binding) from error
    with sock:
        try:
            sock.connect((dst, _DISCARD))
        except OSError as error:
            raise cannot_connect(error, binding) from error
        return str(sock.getsockname()[0])


def kernel_route(dst: str, binding: Binding) -> KernelRoute:
    """Where the kernel would send under a binding, asked anew. Raises ProbeError."""
    from pathwarden.net.netlink import KernelRoutes  # late: costs memory, and most never ask for this

    routes = KernelRoutes()
    try:
        return routes.lookup(dst, binding)
    finally:
        routes.close()
