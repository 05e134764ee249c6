"""Asks the kernel where packets would go. The only importer of pyroute2, which costs memory and is loaded at the first question.

One destination is asked for (RTM_GETROUTE), never a whole table, which may hold a million kernel routes.
"""

import errno
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec, module_from_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from pathwarden.errors import ProbeError
from pathwarden.model.happening import Happening
from pathwarden.model.probe import Binding
from pathwarden.model.trace import KernelRoute
from pathwarden.net.events import KernelEvents
from pathwarden.net.rules import Rule, followed, leading, line_to_add
from pathwarden.net.sockets import DOMAINS, cannot_connect, device_state
from pathwarden.wire.address import af_of

if TYPE_CHECKING:
    from pyroute2 import IPRoute

_SAY_TABLE = 0x1000  # RTM_F_LOOKUP_TABLE: else IPv4 always answers 'main'
_LOCAL = 255  # the table of our own addresses, which every rule set looks up first
_REMEMBERED = 1024  # (target, source) pairs; more than any configuration has
_SOMEWHERE = {4: "1.1.1.1", 6: "2606:4700:4700::1111"}  # addresses that only a default route leads to

_NUD_VALID = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80  # reachable, stale, delay, probe, no ARP, permanent: the address is known

_LOOK_UP = 1  # FR_ACT_TO_TBL
_NOT = 2  # FIB_RULE_INVERT
_NO_SUPPRESSION = 0xFFFFFFFF
# A rule with any other condition is passed over. Attributes that pyroute2 does not know do not count: the lookup tells.
_UNDERSTOOD = frozenset({
    "FRA_TABLE", "FRA_PRIORITY", "FRA_PROTOCOL", "FRA_SUPPRESS_PREFIXLEN", "FRA_SRC", "FRA_FWMARK", "FRA_FWMASK",
    "FRA_OIFNAME", "FRA_IIFNAME", "FRA_PAD", "UNKNOWN",
})  # fmt: skip


class KernelRoutes:
    """A `RouteOracle`. Answers are remembered only while `watch` runs, and dropped at any change. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ip: IPRoute | None = None
        self._events: KernelEvents | None = None
        self._generation = 0  # grows at every change, so that an answer from before is not remembered after
        self._known: dict[tuple[str, Binding], KernelRoute] = {}
        self._effective: dict[tuple[Binding, int], Binding] = {}

    def watch(
        self,
        on_change: Callable[[str], None],
        on_happening: Callable[[Happening], None] = lambda _: None,
        at_once: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin to remember answers, and tell of changes: 'link', 'address', 'route' or 'rule', from a thread of its own.

        `on_happening` is told at once, and in detail, what it was. `at_once` is for those who remember what else the kernel said, and
        is called whenever answers are dropped here: a new kernel route and an old source address would make a way that never was.
        """

        def moved() -> None:
            at_once()
            self.forget()

        self._events = KernelEvents(moved, on_change, on_happening)

    def close(self) -> None:
        """Release every socket and end the thread."""
        if self._events:
            self._events.close()
            self._events = None
        self.forget()
        with self._lock:
            if self._ip:
                self._ip.close()
                self._ip = None

    def lookup(self, dst: str, binding: Binding) -> KernelRoute:
        """The kernel's answer for a destination under a binding. A table is reached through a rule. Raises ProbeError.

        A forced next hop is the gateway, and device and source are those that lead to it.
        """
        key = (dst, binding)
        known = self._known.get(key)
        if known:
            return known
        generation = self._generation
        if binding.next_hop:
            route = self._through(binding)
        else:
            route = self._look_up(dst.partition("%")[0], binding)
            if binding.direct and route.gateway:
                raise ProbeError("no_route", f"{dst} is not on the link")
        self._remember(self._known, key, route, generation)
        return route

    def _through(self, binding: Binding) -> KernelRoute:
        gateway = binding.next_hop.partition("%")[0]
        # Rules that look at source or mark are for those who let the kernel choose the way.
        route = self._look_up(gateway, Binding(device=binding.device))
        if route.gateway:
            raise ProbeError("no_route", f"next hop {gateway} is not on the link")
        return route._replace(source=binding.address or route.source, gateway=gateway)

    def link_address(self, neighbour: str, device: str) -> bytes | None:
        """What the kernel knows as the link address of a neighbour; None while it knows none. Raises ProbeError for the device."""
        index = _index_of(device)
        with self._lock:
            ip = self._netlink()
        from pyroute2.netlink.exceptions import NetlinkError  # after `_iproute` has seen to what loads with it

        try:
            with self._lock:
                found = next(iter(ip.neigh("get", dst=neighbour, ifindex=index)))
        except NetlinkError as error:
            if error.code == errno.ENOENT:
                return None
            raise
        text = dict(found["attrs"]).get("NDA_LLADDR")
        return bytes.fromhex(text.replace(":", "")) if text and found["state"] & _NUD_VALID else None

    def effective(self, binding: Binding, af: int) -> Binding:
        """The binding for sockets: with the mark, address or device by which a rule leads to its table.

        Without a table it is the same. Raises ProbeError 'no_table_rule', whose detail is the command that adds one.
        """
        if not binding.table:
            return binding
        key = (binding, af)
        known = self._effective.get(key)
        if known:
            return known
        generation = self._generation
        found = leading(self._rules(af), binding, self._addresses(af, binding.device))
        if not found:
            raise ProbeError("no_table_rule", line_to_add(binding, af))
        self._remember(self._effective, key, found, generation)
        return found

    def rule_to(self, table: int, binding: Binding, af: int) -> Rule | None:
        """The rule by which packets of a binding come to this table; None if it looks at more than a binding can say."""
        return followed(self._rules(af), table, binding)

    def default_gateway(self, af: int) -> str | None:
        """The gateway of the default route; None if there is none, or if it needs none (a point-to-point link)."""
        try:
            return self.lookup(_SOMEWHERE[af], Binding()).gateway or None
        except ProbeError:
            return None

    def has_route(self, dst: str) -> bool:
        """Whether the kernel would send to this address at all."""
        try:
            self.lookup(dst, Binding())
        except ProbeError:
            return False
        return True

    def addresses(self, device: str) -> list[str]:
        """The addresses of a device that its network reaches and that stay: IPv4, and unique local ones (RFC 4193). Raises ProbeError."""
        found = [ip_address(each) for af in (4, 6) for each in self._addresses(af, device)]
        return [str(each) for each in found if each.version == 4 or (each.is_private and not each.is_link_local)]

    def marks(self) -> set[int]:
        """The marks that rules look for."""
        return {rule.fwmark for af in DOMAINS for rule in self._rules(af) if rule.fwmark}

    def _remember(self, memory: dict[Any, Any], key: object, value: object, generation: int) -> None:
        if self._events and generation == self._generation:
            if len(memory) >= _REMEMBERED:
                memory.clear()
            memory[key] = value

    def forget(self) -> None:
        """Drop every remembered answer: something has changed."""
        self._generation += 1
        self._known.clear()
        self._effective.clear()

    def _look_up(self, dst: str, binding: Binding) -> KernelRoute:
        binding = self.effective(binding, af_of(dst))
        index = _index_of(binding.device)
        asked: dict[str, object] = {"dst": dst, "flags": _SAY_TABLE}
        asked |= {"oif": index} if index else {}
        asked |= {"mark": binding.fwmark} if binding.fwmark else {}
        source = {"src": binding.address} if binding.address else {}
        found = self._get(asked | source, binding)
        if index and found.get("RTA_OIF") != index:
            # IPv6 takes the device as a wish where a source is named, as it does not for a bound socket; without, it obeys.
            found = self._get(asked, binding)
        table = int(found.get("RTA_TABLE", 0))
        if binding.table and table not in (binding.table, _LOCAL):
            raise ProbeError("no_route", f"routing table {binding.table} has none")
        via = found.get("RTA_VIA")
        return KernelRoute(
            device=_name_of(int(found.get("RTA_OIF", 0))) or binding.device,  # of a VRF, the one of its devices that is taken
            source=binding.address or str(found.get("RTA_PREFSRC", "")),
            gateway=str(via["addr"] if via else found.get("RTA_GATEWAY", "")),
            table=table,
        )

    def _get(self, asked: dict[str, object], binding: Binding) -> dict[str, Any]:
        with self._lock:
            ip = self._netlink()
        from pyroute2.netlink.exceptions import NetlinkError  # after `_iproute` has seen to what loads with it

        try:
            with self._lock:
                answer = ip.route("get", **asked)
                return dict(next(iter(answer))["attrs"])
        except NetlinkError as error:
            raise cannot_connect(OSError(error.code, str(error.args[-1])), binding) from error

    def _rules(self, af: int) -> list[Rule]:
        with self._lock:
            found = [_rule(message) for message in self._netlink().get_rules(family=int(DOMAINS[af]))]
        return [rule for rule in found if rule]

    def _addresses(self, af: int, device: str) -> Sequence[str]:
        wanted = {"index": _index_of(device)} if device else {}
        with self._lock:
            found = [dict(message["attrs"]) for message in self._netlink().get_addr(family=int(DOMAINS[af]), **wanted)]
        # Of a point-to-point link IFA_ADDRESS is the other end.
        return [str(attrs.get("IFA_LOCAL") or attrs["IFA_ADDRESS"]) for attrs in found]

    def _netlink(self) -> "IPRoute":
        if self._ip is None:
            self._ip = _iproute()
        return self._ip


def _iproute() -> "IPRoute":
    """A netlink socket of pyroute2, without the database, console and test tools that its package brings along by itself.

    With a bare parent in its place the one module that we need costs half the time and 8 MiB less. Should a later version not bear
    that, the package is loaded as it wants to be.
    """
    if "pyroute2" not in sys.modules:
        spec = find_spec("pyroute2")
        if spec is not None:
            sys.modules["pyroute2"] = module_from_spec(spec)
    try:
        from pyroute2.iproute import IPRoute
    except (ImportError, AttributeError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "pyroute2"]:
            del sys.modules[name]
        from pyroute2 import IPRoute
    return IPRoute()


def _index_of(device: str) -> int:
    """The device's index, 0 for ''. Raises ProbeError when it is absent or down."""
    if not device:
        return 0
    state = device_state(device)
    if state:
        raise ProbeError(state, device)
    try:
        return socket.if_nametoindex(device)
    except OSError as error:  # it went in this moment
        raise ProbeError("device_absent", device) from error


def _name_of(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError as error:
        if error.errno in {errno.ENXIO, errno.ENODEV}:  # it went in this moment
            return ""
        raise


def _rule(message: Any) -> Rule | None:  # noqa: ANN401 - a netlink message of pyroute2, which has no types
    """The rule in a netlink message; None if it leads nowhere or asks for what a binding cannot say."""
    attrs = dict(message["attrs"])
    plain = (
        message["action"] == _LOOK_UP
        and not message["flags"] & _NOT
        and not message["dst_len"]
        and not message["tos"]
        and attrs.get("FRA_SUPPRESS_PREFIXLEN", _NO_SUPPRESSION) == _NO_SUPPRESSION
        and attrs.get("FRA_IIFNAME", "lo") == "lo"  # what we send ourselves comes in through lo
        and attrs.keys() <= _UNDERSTOOD
    )
    if not plain:
        return None
    source = f"{attrs['FRA_SRC']}/{message['src_len']}" if "FRA_SRC" in attrs else ""
    return Rule(
        attrs.get("FRA_TABLE", message["table"]),
        source,
        attrs.get("FRA_FWMARK", 0),
        attrs.get("FRA_FWMASK", 0),
        attrs.get("FRA_OIFNAME", ""),
        attrs.get("FRA_PRIORITY", 0),
    )
