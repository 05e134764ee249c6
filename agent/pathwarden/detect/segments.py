"""Whose a hop is, and to which part of the way a link belongs.

Rules:
1. A hop is the home's, the ISP's, a transit network's, the destination network's or the destination itself. A link belongs to what lies
   behind it, except those that leave the ISP: they are its border, or an exchange.
2. AS numbers tell, where they are known. A provider numbers the links to its customers, so the last address of a transit network before
   the destination's is usually the destination's own router.
3. What no AS is known of belongs to whom a hop belongs that begins alike, else where both its neighbours do, else to what lies behind it.
4. Without any AS number addresses must do: private hops of a home with a private address, 100.64.0.0/10 (RFC 6598) and other private
   ones before the first public hop, what has a prefix in common with our own public address or that first hop, what has one in common with
   the destination, or is the last hop before it; what leads to most networks is the ISP's. The rest is called transit. It is told that
   it was a guess.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from pathwarden.detect.compare import Hop
from pathwarden.model.change import Segment

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_CGNAT = ip_network("100.64.0.0/10")
# Not what the standard library calls private: that includes the networks of examples, which laboratories use as public ones.
_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")))
_HOMES = (ip_network("192.168.0.0/16"), ip_network("fc00::/7"))  # what ISPs do not number their own routers from
# Half of the announced prefixes of IPv4 are longer, but an ISP's neighbouring ones look alike; of IPv6 a /32 is what a registry gives.
_ALIKE_BITS = {4: 16, 6: 32}


class Part(StrEnum):
    """The parts of the way, finer than `Segment`."""

    ME = "me"
    ACCESS = "isp_access"
    ISP = "isp"
    BORDER = "border"
    IXP = "ixp"
    TRANSIT = "transit"
    NETWORK = "destination_network"
    HOST = "destination_host"
    UNKNOWN = "unknown"


SEGMENTS = {
    Part.ME: Segment.LAN,
    Part.ACCESS: Segment.WAN,
    Part.ISP: Segment.ISP,
    Part.BORDER: Segment.BORDER,
    Part.IXP: Segment.BORDER,
    Part.TRANSIT: Segment.TRANSIT,
    Part.NETWORK: Segment.DESTINATION,
    Part.HOST: Segment.DESTINATION,
    Part.UNKNOWN: Segment.UNKNOWN,
}


class Owner(StrEnum):
    """Whose a hop is."""

    HOME = "home"
    ISP = "isp"
    TRANSIT = "transit"
    NETWORK = "network"
    HOST = "host"
    UNKNOWN = "unknown"


_THEIRS = (Owner.NETWORK, Owner.HOST)


class Owned(NamedTuple):
    """Whose a hop is, its AS if known; `exchange`: its address is one of an Internet exchange; `guessed`: no AS number said so."""

    owner: Owner = Owner.UNKNOWN
    number: int | None = None
    exchange: bool = False
    guessed: bool = False


def _no_as(_address: str) -> int | None:
    return None


def _no_exchange(_address: str) -> bool:
    return False


class Surroundings(NamedTuple):
    """What is known of our own place, and who knows the networks beyond.

    `own_address` is what probes leave with, `public_address` what the world sees (the same without translation); '' where unknown.
    `isp_as` is the AS of our ISP, `isp_prefixes` networks that are known to be its own. `as_of` and `ixp` may know nothing.
    """

    own_address: str = ""
    public_address: str = ""
    isp_as: int | None = None
    isp_prefixes: tuple[str, ...] = ()
    as_of: Callable[[str], int | None] = _no_as
    ixp: Callable[[str], bool] = _no_exchange


def owners(hops: Sequence[Hop], address: str, around: Surroundings, shared: int = 0) -> list[Owned]:
    """Whose each hop of a route to `address` is, from ttl 1 on; what is no address is like a silent hop.

    `shared` is the ttl up to which the routes to most networks are one, 0 if few networks are known.
    """
    known = [next((each for each in hop if _parsed(each)), "") for hop in hops]
    informed = any(around.as_of(each) is not None for each in known if each)
    home = _home(known, around)
    isp = _Isp(known[home:], around)
    found = [Owned(Owner.HOME)] * home
    for each in known[home:]:
        beyond = bool(found) and found[-1].owner in (Owner.TRANSIT, Owner.NETWORK)
        found.append(_owner(each, address, around, isp, informed=informed, beyond=beyond))
    if informed:
        _by_likeness(known, found)
    else:
        _guess(found, shared)
    _between_neighbours(found)
    if informed:
        _customer_border(hops, found)
    return found


def part(near: Owned | None, far: Owned, *, adjacent: bool) -> Part:
    """The part that the link between two hops belongs to; `near` is None at our own router, `adjacent` that no hop lies between."""
    before, behind = near.owner if near else Owner.HOME, far.owner
    if far.exchange:
        return Part.IXP if before in (Owner.ISP, Owner.HOME) else Part.TRANSIT
    if behind is Owner.HOST and not adjacent:
        # Whatever is silent before the destination is mostly its own network; straight behind the ISP it may be anybody's.
        return Part.BORDER if before is Owner.ISP else Part.NETWORK
    if before in (Owner.ISP, Owner.HOME) and behind in (Owner.TRANSIT, Owner.NETWORK):
        return Part.BORDER
    if behind is Owner.ISP:
        return Part.ACCESS if before is Owner.HOME else Part.ISP
    return _BEHIND[behind]


_BEHIND = {
    Owner.HOME: Part.ME,
    Owner.TRANSIT: Part.TRANSIT,
    Owner.NETWORK: Part.NETWORK,
    Owner.HOST: Part.HOST,
    Owner.UNKNOWN: Part.UNKNOWN,
}


class _Isp:
    """What is known to be our ISP's."""

    def __init__(self, hops: Sequence[str], around: Surroundings) -> None:
        first = next((each for each in hops if each and not _private(each) and not around.ixp(each)), "")
        own = next((each for each in (around.public_address, around.own_address) if each and not _private(each)), "")
        # Not every address is announced: the first AS on the way is the ISP's.
        numbers = (around.as_of(each) for each in (own, *hops) if each and not around.ixp(each))
        self.number = around.isp_as or next((number for number in numbers if number is not None), None)
        self._networks = tuple(_network(prefix) for prefix in around.isp_prefixes)
        self._alike = tuple(parsed for each in (own, first) if (parsed := _parsed(each)))

    def names(self, address: str) -> bool:
        """Whether the address lies in one of its known networks."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def resembles(self, address: str) -> bool:
        """Whether its beginning is that of our own address, or of the first hop of all."""
        return any(alike(address, str(other)) for other in self._alike)


def _home(known: Sequence[str], around: Surroundings) -> int:
    """How many hops at the beginning are the home's: none where our own address is not private."""
    if not around.own_address or not _private(around.own_address) or _in(around.own_address, (_CGNAT,)):
        return 0
    count = 0
    for ttl, each in enumerate(known, start=1):
        if not each or not _private(each) or _in(each, (_CGNAT,)) or (ttl > 1 and not _in(each, _HOMES)):
            break
        count = ttl
    return count


def _owner(each: str, address: str, around: Surroundings, isp: _Isp, *, informed: bool, beyond: bool) -> Owned:
    if not each:
        return Owned()
    if each == address:
        return Owned(Owner.HOST)
    if around.ixp(each):
        return Owned(Owner.UNKNOWN, exchange=True)
    if _private(each):
        return Owned() if beyond else Owned(Owner.ISP)
    number = around.as_of(each)
    if number is not None:
        if number == isp.number:
            return Owned(Owner.ISP, number)
        return Owned(Owner.NETWORK if number == around.as_of(address) else Owner.TRANSIT, number)
    if isp.names(each):
        return Owned(Owner.ISP)
    if informed:
        return Owned()
    if isp.resembles(each):
        return Owned(Owner.ISP, guessed=True)
    return Owned(Owner.NETWORK if alike(each, address) else Owner.TRANSIT, guessed=True)


def _by_likeness(known: Sequence[str], found: list[Owned]) -> None:
    """Rule 3 of hops that are of no AS: one that begins like a hop of known AS is of the same."""
    for place, owned in enumerate(found):
        if owned.owner is Owner.UNKNOWN and known[place] and not owned.exchange:
            same = (other for other, each in zip(found, known, strict=True) if other.number is not None and alike(each, known[place]))
            found[place] = next(same, owned)


def _guess(found: list[Owned], shared: int) -> None:
    """Rule 4: what lies before a hop of the ISP, or leads to most networks, is the ISP's; the last hop before the destination is theirs."""
    last = max((place for place, owned in enumerate(found) if owned.owner is Owner.ISP), default=-1)
    for place, owned in enumerate(found):
        if owned.owner in (Owner.TRANSIT, Owner.NETWORK):
            if place < max(last, shared):
                found[place] = Owned(Owner.ISP, guessed=True)
            elif place + 1 < len(found) and found[place + 1].owner is Owner.HOST:
                found[place] = Owned(Owner.NETWORK, guessed=True)


def _between_neighbours(found: list[Owned]) -> None:
    """Rule 3, from the end on; the destination's own address stands for its network."""
    behind = Owner.UNKNOWN
    for place in range(len(found) - 1, -1, -1):
        owned = found[place]
        if owned.owner is Owner.UNKNOWN:
            found[place] = owned._replace(owner=behind)
        else:
            behind = Owner.NETWORK if owned.owner is Owner.HOST else owned.owner


def _customer_border(hops: Sequence[Hop], found: list[Owned]) -> None:
    """Rule 2: the last hop of a transit network that the hop before belongs to, too."""
    for place in range(1, len(found) - 1):
        before, here, behind = found[place - 1 : place + 2]
        seen = hops[place - 1] and hops[place] and hops[place + 1]
        if seen and here.owner is before.owner is Owner.TRANSIT and here.number == before.number and behind.owner in _THEIRS:
            found[place] = Owned(Owner.NETWORK)


@lru_cache(maxsize=1024)  # the hops of some forty routes
def _parsed(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _network(prefix: str) -> Network:
    return ip_network(prefix, strict=False)


@lru_cache(maxsize=1024)
def _private(address: str) -> bool:
    return _in(address, (*_PRIVATE, _CGNAT))


def _in(address: str, networks: Sequence[Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def alike(a: str, b: str) -> bool:
    """Whether two addresses begin alike, so that they may be of one network."""
    one, other = _parsed(a), _parsed(b)
    if one is None or other is None or one.version != other.version:
        return False
    rest = one.max_prefixlen - _ALIKE_BITS[one.version]
    return int(one) >> rest == int(other) >> rest
