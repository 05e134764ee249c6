"""Where a source leads: as its device, address, table and mark say, or by what OpenWrt tells of its interface."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pathwarden.errors import ProbeError
from pathwarden.model.access import Accounts
from pathwarden.model.happening import Happening
from pathwarden.model.probe import Binding
from pathwarden.model.protocols import Agent, Clock, HistoryReader, Pictures, SourceResolver
from pathwarden.model.settings import Settings, Source

if TYPE_CHECKING:
    from pathwarden.net.netlink import KernelRoutes

UBUS = Path("/var/run/ubus/ubus.sock")  # the same on every OpenWrt
DEVICE_NAME = 15  # the kernel's IFNAMSIZ without the closing NUL


class DeviceNames:
    """A `SourceResolver` for a machine without ubus: an interface is a device of the same name."""

    def binding(self, source: Source, af: int) -> Binding:  # noqa: ARG002 - a device has both families
        """What the source says, with its interface as the device; the kernel tells whether there is one. Raises ProbeError."""
        if len(source.interface) > DEVICE_NAME:
            raise ProbeError("device_absent", source.interface)
        return source.binding._replace(device=source.interface) if source.interface else source.binding


def source_named(settings: Settings, name: str) -> Source:
    """The source of this name, or the kernel's choice for ''."""
    return next((source for source in settings.sources if source.name == name), Source("", Binding()))


class OpenBus(Protocol):
    """The machine's bus, as the daemon uses it."""

    sources: SourceResolver

    def start(
        self,
        agent: Agent,
        reader: HistoryReader,
        settings: Settings,
        clock: Clock,
        new_code: Callable[[str], str] | None = None,
        pictures: Callable[[], Pictures | None] = lambda: None,
    ) -> None:
        """Connect, publish the agent, and wait a moment for netifd if a source or a listener names an interface.

        `new_code` gives the code by which a browser takes over a session of rpcd's, `pictures` what draws, if that is installed.
        """
        ...

    def accounts(self) -> Accounts | None:
        """The machine's own accounts, if it has any to ask."""
        ...

    def addresses(self, interface: str) -> Iterable[str]:
        """Where the page listens for `@interface`, now. Raises `ProbeError` if there is no such device."""
        ...

    def on_change(self, changed: Callable[[str], None]) -> None:
        """From now on call `changed(name)`, in a thread of the bus, when an interface changed."""
        ...

    def on_happening(self, noted: Callable[[Happening], None]) -> None:
        """From now on call `noted`, in a thread of the bus, when something happened to an interface."""
        ...

    def snapshot(self) -> dict[str, object]:
        """The bus in `info`: `connected`, and in `detail` what does not work."""
        ...

    def counters(self) -> dict[str, int]:
        """What was counted."""
        ...

    def close(self) -> None:
        """End it; twice does no harm."""
        ...


class NoBus:
    """A machine without ubus: nothing runs."""

    def __init__(self, addresses: Callable[[str], Iterable[str]] = lambda _device: ()) -> None:
        self.sources: SourceResolver = DeviceNames()
        self.addresses = addresses

    def start(
        self,
        agent: Agent,
        reader: HistoryReader,
        settings: Settings,
        clock: Clock,
        new_code: Callable[[str], str] | None = None,
        pictures: Callable[[], Pictures | None] = lambda: None,
    ) -> None:
        """There is nobody to tell."""

    def accounts(self) -> None:
        """Nobody's."""

    def on_change(self, changed: Callable[[str], None]) -> None:
        """The kernel tells of its devices itself."""

    def on_happening(self, noted: Callable[[Happening], None]) -> None:
        """There are no interfaces but devices."""

    def snapshot(self) -> dict[str, object]:
        """Not connected, and nothing wrong about it."""
        return {"connected": False, "detail": ""}

    def counters(self) -> dict[str, int]:
        """Nothing."""
        return {}

    def close(self) -> None:
        """Nothing was opened."""


def open_bus(oracle: "KernelRoutes") -> OpenBus:
    """The bus of OpenWrt, if this is one."""
    if not UBUS.exists():
        return NoBus(oracle.addresses)
    from pathwarden.daemon.bus import Bus

    return Bus(oracle)


def by_interface(settings: Settings, interface: str) -> list[str]:
    """The ids of the targets whose source leaves by an interface."""
    names = {source.name for source in settings.sources if source.interface == interface}
    return [target.tid for target in settings.targets if target.source in names]


def names_interface(settings: Settings) -> bool:
    """Whether any source leaves by an interface of OpenWrt's, or the page listens on one."""
    return any(source.interface for source in settings.sources) or any(listen.startswith("@") for listen in settings.web.listen)


def binding_now(source: Source, af: int) -> Binding:
    """What a source leads to, for a command that runs once; asks OpenWrt if it names an interface, and waits. Raises ProbeError."""
    if not (source.interface and UBUS.exists()):
        return DeviceNames().binding(source, af)
    from pathwarden.daemon.bus import listening

    with listening() as bus:
        return bus.sources.binding(source, af)
