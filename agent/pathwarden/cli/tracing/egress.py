"""Where probes leave: what the kernel would do with them, asked before the first one, shown alone by --egress, checked by the first hop."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pathwarden.cli.tracing.wish import Wish
from pathwarden.config.load import tables
from pathwarden.config.schema import KERNEL_TABLES
from pathwarden.daemon.sources import binding_now
from pathwarden.model.probe import Binding
from pathwarden.model.trace import Hop, KernelRoute
from pathwarden.net.rules import Rule

if TYPE_CHECKING:
    from pathwarden.net.netlink import KernelRoutes

_LABEL = 9  # columns of the words before the answers


class Kernel:
    """Asks the kernel; opens what that needs at the first question."""

    def __init__(self) -> None:
        self._routes: KernelRoutes | None = None

    def binding(self, wish: Wish) -> Binding:
        """What sockets are bound to: a routing table is reached through a rule. Raises ProbeError."""
        binding = binding_now(wish.source, wish.af)
        return self._ask().effective(binding, wish.af) if binding.table else binding

    def route(self, wish: Wish, binding: Binding) -> KernelRoute:
        """What the kernel would do with a packet to the target. Raises ProbeError."""
        return self._ask().lookup(wish.address, binding)

    def rule(self, wish: Wish, binding: Binding, route: KernelRoute) -> Rule | None:
        """The rule that leads to the route's table; None if it asks for more than a binding can say, as a VRF's does."""
        return None if binding.next_hop or binding.direct else self._ask().rule_to(route.table, binding, wish.af)

    def close(self) -> None:
        """Release the socket, if one was opened."""
        if self._routes is not None:
            self._routes.close()

    def _ask(self) -> "KernelRoutes":
        if self._routes is None:
            from pathwarden.net.netlink import KernelRoutes  # late: it loads pyroute2, which costs a small router a second

            self._routes = KernelRoutes()
        return self._routes


def as_json(wish: Wish, binding: Binding, route: KernelRoute, rule: Rule | None) -> dict[str, object]:
    """The answer as JSON: `rule` is None where none is known, `gateway` '' on the link; mark and source are what a rule may ask for."""
    return {
        "target": wish.tid,
        "host": wish.host,
        "address": wish.address,
        "af": wish.af,
        **route._asdict(),
        "table_name": _names().get(route.table),
        "fwmark": binding.fwmark,
        "next_hop": binding.next_hop or None,
        "rule": None if rule is None else rule._asdict(),
    }


def as_text(wish: Wish, binding: Binding, route: KernelRoute, rule: Rule | None) -> list[str]:
    """The answer as lines."""
    name = _names().get(route.table)
    said = {
        "device": route.device,
        "source": route.source,
        "gateway": route.gateway or "none: the target is on the link",
        "table": f"{route.table} ({name})" if name else str(route.table),
        "rule": _rule(rule, binding),
    }
    if binding.fwmark:
        said["fwmark"] = hex(binding.fwmark)
    return [f"{wish.host} ({wish.address})", *(f"  {label:{_LABEL}}{value}" for label, value in said.items())]


def mismatch(hops: Mapping[int, Hop], wish: Wish, route: KernelRoute | None) -> str:
    """What to say if the first hop is not the gateway that the kernel names; '' if it is, or if nothing can be said.

    Over IPv6 a gateway's address is link-local and its answers come from another one. Behind a loose source route the first hop is the
    same, so it counts as well.
    """
    first = hops.get(1)
    if route is None or wish.af == 6 or first is None or not first.responders:
        return ""
    expected = route.gateway or wish.address
    if expected in first.responders or route.source in first.responders:
        return ""
    seen = " and ".join(first.responders)
    what = f"gateway {route.gateway}" if route.gateway else "target itself, on the link"
    return f"the first hop, {seen}, is not what the kernel's route says (device {route.device}, {what}, table {route.table})"


def _names() -> dict[int, str]:
    return {number: name for name, number in {**tables(), **KERNEL_TABLES}.items()}


def _rule(rule: Rule | None, binding: Binding) -> str:
    if binding.next_hop:
        return "none: the next hop is forced"
    if binding.direct:
        return "none: past the routing tables"
    if rule is None:
        return "unknown: it asks for more than source, mark and device"
    conditions = [f"from {rule.source or 'all'}"]
    if rule.fwmark:
        conditions.append(f"fwmark {rule.fwmark:#x}" + (f"/{rule.fwmask:#x}" if rule.fwmask != _WHOLE else ""))
    if rule.device:
        conditions.append(f"oif {rule.device}")
    return f"{rule.priority}: {' '.join(conditions)} lookup {_names().get(rule.table, rule.table)}"


_WHOLE = 0xFFFFFFFF  # the mask of a rule that looks at the whole mark
