"""How a socket reaches a routing table: through a rule whose conditions its binding meets (ip-rule(8))."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

from pathwarden.model.probe import Binding


class Rule(NamedTuple):
    """One rule that looks up `table`; '' and 0 are conditions that it does not have. `source` is a prefix."""

    table: int
    source: str = ""
    fwmark: int = 0
    fwmask: int = 0
    device: str = ""
    priority: int = 0


def leading(rules: Sequence[Rule], binding: Binding, own: Sequence[str]) -> Binding | None:
    """The binding, completed so that the first rule that can lead to its table does; None if none can.

    `rules` are in the kernel's order. What the binding says is kept; `own` are the addresses that may become its source.
    """
    candidates = (_complete(rule, binding, own) for rule in rules if rule.table == binding.table)
    return next((found for found in candidates if found is not None), None)


def followed(rules: Sequence[Rule], table: int, binding: Binding) -> Rule | None:
    """The first rule to a table whose conditions a binding meets as it is; None if none does. `rules` are in the kernel's order."""
    return next((rule for rule in rules if rule.table == table and _complete(rule, binding, ()) == binding), None)


def line_to_add(binding: Binding, af: int) -> str:
    """The command that makes a rule to the binding's table."""
    family = " -6" if af == 6 else ""
    if binding.address:
        condition = f"from {binding.address}"
    elif binding.device:
        condition = f"oif {binding.device}"
    else:
        condition = f"fwmark {binding.fwmark or binding.table}"
    return f"ip{family} rule add {condition} lookup {binding.table}"


def _complete(rule: Rule, binding: Binding, own: Sequence[str]) -> Binding | None:
    fwmark = binding.fwmark or rule.fwmark
    if fwmark & rule.fwmask != rule.fwmark:
        return None
    device = binding.device or rule.device
    if rule.device and device != rule.device:
        return None
    address = binding.address
    if rule.source:
        inside = [one for one in ([address] if address else own) if _within(one, rule.source)]
        if not inside:
            return None
        address = inside[0]
    return binding._replace(device=device, address=address, fwmark=fwmark)


def _within(address: str, prefix: str) -> bool:
    one: IPv4Address | IPv6Address = ip_address(address)
    return one in ip_network(prefix, strict=False)
