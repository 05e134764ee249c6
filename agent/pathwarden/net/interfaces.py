"""OpenWrt's interfaces: what netifd calls `wan` is a device with addresses, tables and a state, and it changes.

Rules:
1. netifd is asked for everything at once (`network.interface dump`) when a connection to ubus stands and whenever it tells of a change.
2. What its last answer said holds until the next, also while ubus is away.
3. `on_change(name)` is called, in ubus's thread, for each interface that is not what it was, that went up or down, or whose way out
   depends on such a one: on the same device (`wan` and `wan6`), or by the addresses of a prefix that it delegates.
4. `on_happening` is told at once what netifd tells of an interface, with the device that it has, or had last.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol

from pathwarden.errors import ProbeError
from pathwarden.model.happening import Happening
from pathwarden.model.probe import Binding
from pathwarden.model.settings import Source
from pathwarden.net.happenings import of_interface
from pathwarden.net.ubus_message import Status
from pathwarden.net.ubus_standing import Data, Heard

OBJECT = "network.interface"  # also the name of its events
_PRIVATE = IPv6Network("fc00::/7")
_MAIN = 254  # the table that needs no rule of its own
_ASK_S = 5.0  # netifd answers in milliseconds; a router that boots is busy
_AGAIN_S = 10.0


class Bus(Protocol):
    """What this needs of the ubus client."""

    on_ready: Callable[[], None]

    def ask(self, path: str, method: str, data: Mapping[str, object], timeout_s: float, done: Callable[[Status, Data], None]) -> None:
        """Call a method; `done` is called from the bus's thread."""
        ...

    def listen(self, pattern: str, heard: Heard) -> None:
        """Hear events."""
        ...

    def subscribe(self, path: str, heard: Heard) -> None:
        """Hear notifications."""
        ...

    def after(self, pause_s: float, action: Callable[[], None]) -> None:
        """Run this in the bus's thread after a pause; to be called from there."""
        ...


class Mark(Protocol):
    """The firewall mark for probes that leave by an interface."""

    def refresh(self) -> None:
        """Something changed; look again."""
        ...

    def __call__(self) -> int:
        """The mark, 0 for none."""
        ...


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface. `device` is '' while it is down; addresses come best first; a table or metric of 0 is the kernel's usual.

    `prefixes` are those that it got to delegate (IPv6), `assigned` its own addresses out of another one's prefix.
    """

    name: str
    up: bool
    device: str
    addresses4: tuple[str, ...]
    addresses6: tuple[str, ...]
    prefixes: tuple[str, ...]
    assigned: tuple[str, ...]
    ip4table: int
    ip6table: int
    metric: int


class Interfaces:
    """The interfaces as netifd last told them; a `SourceResolver`. Threads may share it."""

    def __init__(self, bus: Bus, mark: Mark) -> None:
        self.on_change: Callable[[str], None] = lambda _name: None
        self.on_happening: Callable[[Happening], None] = lambda _happening: None
        self.trouble = "netifd has not answered yet"
        self._bus = bus
        self._mark = mark
        self._known: Mapping[str, Interface] = {}
        self._first = threading.Event()
        self._asking = False
        self._again = False
        self._moved: set[str] = set()  # what went up or down since the last answer
        self._devices: dict[str, str] = {}  # the last device of each interface, which one that is down does not tell
        bus.on_ready = self.refresh
        bus.listen(OBJECT, self._on_event)
        bus.subscribe(OBJECT, lambda _name, _data: self.refresh())

    @property
    def known(self) -> Mapping[str, Interface]:
        """All interfaces by name."""
        return self._known

    def wait(self, timeout_s: float) -> bool:
        """Wait for netifd's first answer, be it a refusal; False if none came in time."""
        return self._first.wait(timeout_s)

    def binding(self, source: Source, af: int) -> Binding:
        """The way out by the source's interface as it is now; what the source itself says has precedence. Raises ProbeError."""
        own = source.binding
        if not source.interface:
            return own
        found = self._known.get(source.interface)
        if found is None:
            raise ProbeError("device_absent", f"{source.interface}{f' ({self.trouble})' if self.trouble else ''}")
        if not (found.up and found.device):
            raise ProbeError("device_down", source.interface)
        address = own.address or source_address(self._known, found, af)
        table = found.ip4table if af == 4 else found.ip6table
        # netifd's rule for such a table asks for the source address.
        led = table if address and table != _MAIN else 0
        return Binding(found.device, address, own.table or led, own.fwmark or self._mark())

    def refresh(self) -> None:
        """Ask netifd for everything; to be called from the bus's thread. While it is being asked, once more after that."""
        if self._asking:
            self._again = True
            return
        self._asking, self._again = True, False
        self._bus.ask(OBJECT, "dump", {}, _ASK_S, self._told)

    def _on_event(self, _event: str, data: Data) -> None:
        name = data.get("interface")
        if isinstance(name, str):
            self._moved.add(name)
            happening = of_interface(name, _text(data.get("action")), self._devices.get(name, ""), time.monotonic_ns())
            if happening:
                self.on_happening(happening)
        self.refresh()

    def _told(self, status: Status, data: Data) -> None:
        self._asking = False
        if status is not Status.OK:
            self.trouble = f"{OBJECT} dump: {status.words}"
            if status is not Status.CONNECTION_FAILED:  # after that, it is asked when the connection stands again
                self._first.set()
                self._bus.after(_AGAIN_S, self.refresh)
            return
        if self._again:  # what it said may be from before the change
            self.refresh()
            return
        self._mark.refresh()
        old, self._known = self._known, interfaces_in(data)
        self._devices = {name: one.device or self._devices.get(name, "") for name, one in self._known.items()}
        self.trouble = ""
        self._first.set()
        moved, self._moved = self._moved, set()
        for name in affected(old, self._known, moved):
            self.on_change(name)


def interfaces_in(dump: Data) -> dict[str, Interface]:
    """The interfaces in netifd's answer; what is not as it should be counts as absent."""
    found = (_interface(entry) for entry in _tables(dump.get("interface")))
    return {interface.name: interface for interface in found if interface.name}


def source_address(known: Mapping[str, Interface], interface: Interface, af: int) -> str:
    """The address to send from by an interface: its own, one of another interface on its device, or one of a prefix that it got.

    An uplink may have a delegated prefix alone; then an address in it is on another interface (RFC 8415 leaves the uplink without).
    '' leaves the choice to the kernel.
    """
    side = [interface, *(other for other in known.values() if other.up and other.device == interface.device and other is not interface)]
    for one in side:
        addresses = one.addresses4 if af == 4 else one.addresses6
        if addresses:
            return addresses[0]
    if af == 4:
        return ""
    prefixes = [IPv6Network(prefix) for one in side for prefix in one.prefixes]
    assigned = (address for other in known.values() if other.up for address in other.assigned)
    return next((address for address in assigned if any(IPv6Address(address) in prefix for prefix in prefixes)), "")


def affected(old: Mapping[str, Interface], new: Mapping[str, Interface], moved: set[str]) -> list[str]:
    """The interfaces whose way out may have changed from one answer to the next; `moved` went up or down in between."""
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)} | (moved & {*old, *new})
    states = [state for name in changed for state in (old.get(name), new.get(name)) if state]
    devices = {state.device for state in states} - {""}
    delegated = any(state.assigned for state in states)
    reached = {name for name, one in new.items() if one.device in devices or (delegated and one.prefixes)}
    return sorted(changed | reached)


def _interface(entry: Data) -> Interface:
    return Interface(
        name=_text(entry.get("interface")),
        up=entry.get("up") is True,
        device=_text(entry.get("l3_device")),
        addresses4=tuple(_addresses(entry.get("ipv4-address"), 4)),
        addresses6=tuple(_addresses(entry.get("ipv6-address"), 6)),
        prefixes=tuple(_prefixes(entry.get("ipv6-prefix"))),
        assigned=tuple(_addresses([each.get("local-address") for each in _tables(entry.get("ipv6-prefix-assignment"))], 6)),
        ip4table=_number(entry.get("ip4table")),
        ip6table=_number(entry.get("ip6table")),
        metric=_number(entry.get("metric")),
    )


def _addresses(value: object, version: int) -> list[str]:
    """Addresses that a packet into the Internet may come from: those still preferred first, private IPv6 ones (RFC 4193) last."""
    found = []
    for entry in _tables(value):
        try:
            address = ip_address(_text(entry.get("address")))
        except ValueError:
            continue
        if address.version == version and not address.is_link_local:
            expiring = entry.get("preferred") == 0
            found.append((expiring, address in _PRIVATE, str(address)))
    return [text for *_, text in sorted(found, key=lambda one: one[:2])]


def _prefixes(value: object) -> list[str]:
    found = []
    for entry in _tables(value):
        try:
            prefix = ip_network(f"{_text(entry.get('address'))}/{_number(entry.get('mask'))}", strict=False)
        except ValueError:
            continue
        if prefix.version == 6:
            found.append(str(prefix))
    return found


def _tables(value: object) -> list[Data]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if type(value) is int and value > 0 else 0
