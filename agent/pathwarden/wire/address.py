"""Addresses between text and network bytes (RFC 791, RFC 4291, RFC 5952).

The same few hundred addresses come again and again, so every conversion is remembered; the bound keeps a stranger who
sends from ever new addresses from filling the memory.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

_REMEMBERED = 4096  # 40 targets with 30 hops, three times over; about 1 MB when full
_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2


@lru_cache(_REMEMBERED)
def pack4(text: str) -> bytes:
    """Four bytes of a dotted IPv4 address. Raises ValueError."""
    return IPv4Address(text).packed


@lru_cache(_REMEMBERED)
def unpack4(packed: bytes) -> str:
    """Dotted text of four bytes."""
    a, b, c, d = packed
    return f"{a}.{b}.{c}.{d}"


@lru_cache(_REMEMBERED)
def pack6(text: str) -> bytes:
    """Sixteen bytes of an IPv6 address; a zone (`fe80::1%wan`) is left out. Raises ValueError."""
    return IPv6Address(text).packed


@lru_cache(_REMEMBERED)
def unpack6(packed: bytes) -> str:
    """Canonical text (RFC 5952) of sixteen bytes, without a zone."""
    if packed[:12] == _MAPPED:  # Python writes these in hex before 3.13 and dotted since; RFC 5952 section 5 says dotted
        return f"::ffff:{unpack4(packed[12:])}"
    return str(IPv6Address(packed))


@lru_cache(_REMEMBERED)
def af_of(text: str) -> int:
    """4 or 6, by the address's form. Raises ValueError for what is not an address."""
    if ":" in text:
        pack6(text)
        return 6
    pack4(text)
    return 4
