"""Makes happenings of the kernel's notifications.

Rules:
1. Any bytes give happenings or none: what is cut short or does not add up is counted in `malformed` and passed over.
2. What is already known to be so is no happening: the kernel repeats links, addresses and routes whenever a counter or a lifetime of
   theirs changes. Links and addresses are learned from a dump, routes as they come.
3. Wide routes (what leaves by default) are told one by one. Of narrow ones, of which a routing daemon changes thousands a second, only
   the first until `flush` is read; the rest is counted.
4. When a link goes down or an address goes, IPv4 forgets routes and tells nobody (fib_sync_down_dev in the kernel): so do we.
5. After messages were lost, links and addresses are dumped again and the differences told; the loss itself is told, too.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from pathwarden.errors import MalformedPacket
from pathwarden.model.happening import Happening, HappeningKind, What
from pathwarden.net import rtnetlink as rt
from pathwarden.net.rtnetlink import AddressNews, LinkNews

_KINDS = {
    rt.NEW_LINK: "link",
    rt.DEL_LINK: "link",
    rt.NEW_ADDRESS: "address",
    rt.DEL_ADDRESS: "address",
    rt.NEW_ROUTE: "route",
    rt.DEL_ROUTE: "route",
    rt.NEW_RULE: "rule",
    rt.DEL_RULE: "rule",
}
_LINK_LOCAL = "fe80:"  # comes and goes with its link, which is told
_REMEMBERED = 1024  # of links, addresses and wide routes each; a router has tens
_ACTIONS = {"ifup": What.UP, "ifdown": What.DOWN, "ifupdate": What.CHANGED}  # netifd's words

_Way = tuple[str, str]  # device, gateway
_Slot = tuple[int, str, int, int]  # family, destination, table, metric
K = TypeVar("K")
V = TypeVar("V")


class KernelMemory:
    """What the kernel has told so far. One thread alone uses it; `told` gets each happening at once, in the kernel's order."""

    def __init__(self, told: Callable[[Happening], None]) -> None:
        self.malformed = 0
        self._told = told
        self._links: dict[int, LinkNews] = {}
        self._addresses: dict[tuple[int, str], AddressNews] = {}
        self._routes: dict[_Slot, list[_Way]] = {}
        self._narrow: Happening | None = None
        self._dumped: set[object] | None = None  # what a dump under way has named
        self._learned: set[int] = set()  # the dumps that have ended once
        self._readers: dict[int, Callable[[bytes, int, int], None]] = {
            rt.NEW_LINK: self._new_link,
            rt.DEL_LINK: self._del_link,
            rt.NEW_ADDRESS: self._new_address,
            rt.DEL_ADDRESS: self._del_address,
            rt.NEW_ROUTE: self._new_route,
            rt.DEL_ROUTE: self._del_route,
            rt.NEW_RULE: lambda body, _flags, mono_ns: self._rule(body, What.ADDED, mono_ns),
            rt.DEL_RULE: lambda body, _flags, mono_ns: self._rule(body, What.REMOVED, mono_ns),
            rt.NEW_NEIGHBOUR: lambda body, _flags, mono_ns: self._neighbour(body, What.FAILED, mono_ns),
            rt.DEL_NEIGHBOUR: lambda body, _flags, mono_ns: self._neighbour(body, What.REMOVED, mono_ns),
        }

    def hear(self, data: bytes, mono_ns: int) -> dict[str, None]:
        """Take one datagram; the kinds (link, address, route, rule) of what it tells, in order, without those of a dump."""
        kinds: dict[str, None] = {}
        for kind, flags, start, end in rt.messages(data):
            if kind in _KINDS and not flags & rt.PART:
                kinds[_KINDS[kind]] = None
            read = self._readers.get(kind)
            if read:
                try:
                    read(data[start:end], flags, mono_ns)
                except MalformedPacket:
                    self.malformed += 1
        return kinds

    @property
    def narrow(self) -> int:
        """How many changes of narrow routes were counted since `flush`."""
        return self._narrow.changes if self._narrow else 0

    def flush(self) -> None:
        """Tell of the narrow routes counted so far."""
        if self._narrow:
            self._told(self._narrow)
            self._narrow = None

    def begin_dump(self) -> None:
        """A dump of all links or addresses has been asked for."""
        self._dumped = set()

    def end_dump(self, asked: int, mono_ns: int) -> None:
        """The dump that was asked for (GET_LINK, GET_ADDRESS) has ended: what it did not name is gone."""
        dumped, self._dumped = self._dumped or set(), None
        self._learned.add(asked)
        if asked == rt.GET_LINK:
            for index in [index for index in self._links if index not in dumped]:
                self._link_gone(index, mono_ns)
        else:
            for key in [key for key in self._addresses if key not in dumped]:
                self._address_gone(key, mono_ns)

    def lost(self, mono_ns: int) -> None:
        """Messages were lost."""
        self._routes.clear()
        self._told(Happening(HappeningKind.OVERFLOW, mono_ns, "", What.LOST))

    def _new_link(self, body: bytes, flags: int, mono_ns: int) -> None:
        new = rt.link(body)
        if new is None:
            return
        old = self._links.get(new.number)
        new = new._replace(name=new.name or self._name(new.number), mtu=new.mtu or (old.mtu if old else 0))
        self._named(new.number)
        _remember(self._links, new.number, new)
        if self._learns(rt.GET_LINK, flags):
            return
        if old and old.ready and not new.ready:
            self._forget_routes(old.name)
        for what, detail in _differences(old, new):
            self._tell(HappeningKind.LINK, mono_ns, new.name, what, detail)

    def _del_link(self, body: bytes, _flags: int, mono_ns: int) -> None:
        link = rt.link(body)
        if link and link.number in self._links:
            self._link_gone(link.number, mono_ns)

    def _link_gone(self, index: int, mono_ns: int) -> None:
        link = self._links.pop(index)
        self._forget_routes(link.name)
        for key in [key for key in self._addresses if key[0] == index]:
            del self._addresses[key]
        self._tell(HappeningKind.LINK, mono_ns, link.name, What.REMOVED)

    def _new_address(self, body: bytes, flags: int, mono_ns: int) -> None:
        new = rt.address(body)
        if new.tentative or new.address.startswith(_LINK_LOCAL):
            return
        key = new.number, new.address
        known = key in self._addresses
        self._named(key)
        _remember(self._addresses, key, new)
        if not known and not self._learns(rt.GET_ADDRESS, flags):
            self._tell(HappeningKind.ADDRESS, mono_ns, self._name(new.number), What.ADDED, f"{new.address}/{new.length}")

    def _del_address(self, body: bytes, _flags: int, mono_ns: int) -> None:
        gone = rt.address(body)
        if (gone.number, gone.address) in self._addresses:
            self._address_gone((gone.number, gone.address), mono_ns)

    def _address_gone(self, key: tuple[int, str], mono_ns: int) -> None:
        gone = self._addresses.pop(key)
        device = self._name(gone.number)
        self._forget_routes(device)
        self._tell(HappeningKind.ADDRESS, mono_ns, device, What.REMOVED, f"{gone.address}/{gone.length}")

    def _new_route(self, body: bytes, flags: int, mono_ns: int) -> None:
        self._route(body, mono_ns, What.ADDED, replaces=bool(flags & rt.REPLACE))

    def _del_route(self, body: bytes, _flags: int, mono_ns: int) -> None:
        self._route(body, mono_ns, What.REMOVED, replaces=False)

    def _route(self, body: bytes, mono_ns: int, what: What, *, replaces: bool) -> None:
        wide = rt.width(body)
        if wide is None:
            return
        if not wide and self._narrow:
            self._narrow = self._narrow._replace(what=What.CHANGED, changes=self._narrow.changes + 1)
            return
        route = rt.route(body)
        ways = [(self._name(index), gateway) for index, gateway in route.ways]
        device, gateway = ways[0]
        made = Happening(HappeningKind.ROUTE, mono_ns, device, what, route.destination, gateway, route.table, wide)
        if not wide:
            self._narrow = made
            return
        slot = route.family, route.destination, route.table, route.metric
        if what is What.REMOVED:
            self._keep(slot, [way for way in self._routes.get(slot, []) if way not in ways])
            self._told(made)
            return
        self._wide_added(slot, ways, made, replaces=replaces)

    def _wide_added(self, slot: _Slot, ways: list[_Way], made: Happening, *, replaces: bool) -> None:
        """A wide route came. A slot of IPv6 may hold several routes (ECMP)."""
        known = self._routes.get(slot, [])
        gone = [way for way in known if way not in ways] if replaces else []
        for device, gateway in gone:
            self._told(made._replace(what=What.REMOVED, device=device, gateway=gateway))
        if any(way not in known for way in ways):
            self._told(made)
        self._keep(slot, list(dict.fromkeys([*(way for way in known if way not in gone), *ways])))

    def _rule(self, body: bytes, what: What, mono_ns: int) -> None:
        rule = rt.rule(body)
        words = f"priority {rule.priority}, table {rule.table}"
        self._told(Happening(HappeningKind.RULE, mono_ns, rule.device, what, words, table=rule.table))

    def _neighbour(self, body: bytes, what: What, mono_ns: int) -> None:
        found = rt.neighbour(body)
        if found:
            self._tell(HappeningKind.NEIGHBOUR, mono_ns, self._name(found.number), what, found.address)

    def _tell(self, kind: HappeningKind, mono_ns: int, device: str, what: What, detail: str = "") -> None:
        self._told(Happening(kind, mono_ns, device, what, detail))

    def _learns(self, asked: int, flags: int) -> bool:
        """Whether a message is of the first dump, which tells how things are and not what happened."""
        return bool(flags & rt.PART) and asked not in self._learned

    def _named(self, key: object) -> None:
        if self._dumped is not None:
            self._dumped.add(key)

    def _name(self, index: int) -> str:
        link = self._links.get(index)
        return link.name if link else ""

    def _keep(self, slot: _Slot, ways: list[_Way]) -> None:
        if ways:
            _remember(self._routes, slot, ways)
        else:
            self._routes.pop(slot, None)

    def _forget_routes(self, device: str) -> None:
        for slot, ways in list(self._routes.items()):
            self._keep(slot, [way for way in ways if way[0] != device])


def of_interface(name: str, action: str, device: str, mono_ns: int) -> Happening | None:
    """What netifd tells of an interface (`ifup`, `ifdown`, `ifupdate`) as a happening; None for other actions."""
    what = _ACTIONS.get(action)
    return Happening(HappeningKind.INTERFACE, mono_ns, device, what, name) if what else None


def _differences(old: LinkNews | None, new: LinkNews) -> Iterator[tuple[What, str]]:
    if old is None:
        yield What.ADDED, ""
    elif old.name != new.name:
        yield What.CHANGED, f"named {old.name} before"
    if new.ready and not (old and old.ready):
        yield What.UP, ""
    elif old and old.ready and not new.ready:
        yield What.DOWN, "no carrier" if new.up else "set down"
    if old and old.mtu != new.mtu:
        yield What.CHANGED, f"MTU {old.mtu} to {new.mtu}"


def _remember(memory: dict[K, V], key: K, value: V) -> None:
    if key not in memory and len(memory) >= _REMEMBERED:
        del memory[next(iter(memory))]
    memory[key] = value
