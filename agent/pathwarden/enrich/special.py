"""Address ranges that are nobody's on the Internet: IANA's special-purpose registries (RFC 6890) and multicast, as of 2025."""

from bisect import bisect_right
from ipaddress import ip_network

# No two of them overlap.
_RANGES = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared",  # behind a provider's translator, RFC 6598
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::ffff:0:0/96": "IPv4-mapped",
    "64:ff9b:1::/48": "translation",
    "100::/64": "discard only",
    "2001::/32": "Teredo",
    "2001:2::/48": "benchmarking",
    "2001:10::/28": "ORCHID",
    "2001:20::/28": "ORCHID",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "ff00::/8": "multicast",
}


def _table(version: int) -> tuple[list[int], list[int], list[str]]:
    """First and last address of each range, in order, and its name. No two of them overlap."""
    found = sorted((int(net[0]), int(net[-1]), name) for text, name in _RANGES.items() if (net := ip_network(text)).version == version)
    return [first for first, _, _ in found], [last for _, last, _ in found], [name for _, _, name in found]


_TABLES = {4: _table(4), 6: _table(6)}


def special(version: int, number: int) -> str:
    """The name of the range in which an address lies, '' if it may be anybody's."""
    firsts, lasts, names = _TABLES[version]
    place = bisect_right(firsts, number) - 1
    return names[place] if place >= 0 and number <= lasts[place] else ""
