"""Writes MaxMind DB files (format specification 2.0) with known entries, independently of the product: its reader is tested with them."""

import struct
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

MARKER = b"\xab\xcd\xefMaxMind.com"


class Pointer(int):
    """A pointer to a place in the data section, in the shortest form that can carry it."""


def encode(value: Any) -> bytes:
    match value:
        case bool():
            return control(14, int(value))
        case Pointer():
            return pointer(value)
        case str():
            return control(2, len(value.encode())) + value.encode()
        case bytes():
            return control(4, len(value)) + value
        case float():
            return control(3, 8) + struct.pack(">d", value)
        case int() if value < 0:
            return control(8, 4) + struct.pack(">i", value)
        case int():
            data = value.to_bytes((value.bit_length() + 7) // 8, "big")
            return control(5 if len(data) <= 2 else 6 if len(data) <= 4 else 9 if len(data) <= 8 else 10, len(data)) + data
        case Mapping():
            return control(7, len(value)) + b"".join(encode(key) + encode(each) for key, each in value.items())
        case list():
            return control(11, len(value)) + b"".join(map(encode, value))
    raise TypeError(value)


def control(kind: int, size: int) -> bytes:
    if size < 29:
        first, more = size, b""
    elif size < 285:
        first, more = 29, bytes([size - 29])
    elif size < 65821:
        first, more = 30, (size - 285).to_bytes(2, "big")
    else:
        first, more = 31, (size - 65821).to_bytes(3, "big")
    return (bytes([kind << 5 | first]) if kind < 8 else bytes([first, kind - 7])) + more


def pointer(to: int) -> bytes:
    if to < 2048:
        return bytes([1 << 5 | to >> 8, to & 255])
    if to < 526336:
        return bytes([1 << 5 | 1 << 3 | (to - 2048) >> 16]) + ((to - 2048) & 0xFFFF).to_bytes(2, "big")
    if to < 134744064:
        return bytes([1 << 5 | 2 << 3 | (to - 526336) >> 24]) + ((to - 526336) & 0xFFFFFF).to_bytes(3, "big")
    return bytes([1 << 5 | 3 << 3]) + to.to_bytes(4, "big")


class Names:
    """Names of members at the beginning of the data, and pointers to them, as those who offer databases write them."""

    def __init__(self, head: bytes = b"") -> None:
        self.head = head
        self._places: dict[str, Pointer] = {}

    def pointed(self, value: Any) -> Any:
        """A record with pointers for the names of its members."""
        return {self._pointer(key): self.pointed(each) for key, each in value.items()} if isinstance(value, dict) else value

    def _pointer(self, name: str) -> Pointer:
        if name not in self._places:
            self._places[name] = Pointer(len(self.head))
            self.head += encode(name)
        return self._places[name]


def write(
    path: Path,
    entries: Mapping[str, Any],
    *,
    bits: int = 24,
    version: int = 6,
    kind: str = "Test",
    built_s: int = 1_700_000_000,
    head: bytes = b"",
    metadata: Mapping[str, Any] | None = None,
    padding: int = 0,
) -> Path:
    """Entries are records by prefix; equal records are written once. `head` begins the data section, so that pointers know their place.

    `metadata` overrides members (None takes one out); `padding` makes the data section so many bytes longer.
    """
    data = bytearray(head)
    places: dict[bytes, int] = {}
    nodes: list[list[int | None]] = [[None, None]]  # child: a node (>= 0), None, or -1 - place
    for prefix, record in sorted(entries.items(), key=lambda each: ip_network(each[0]).prefixlen):
        content = encode(record)
        if content not in places:
            places[content] = len(data)
            data += content
        network = ip_network(prefix)
        length = network.prefixlen + (96 if version == 6 and network.version == 4 else 0)
        number, node = int(network.network_address), 0
        total = 32 if version == 4 else 128
        for depth in range(length):
            bit = number >> (total - 1 - depth) & 1
            if depth == length - 1:
                nodes[node][bit] = -1 - places[content]
                break
            child = nodes[node][bit]
            if child is None or child < 0:
                nodes.append([child, child])
                child = nodes[node][bit] = len(nodes) - 1
            node = child
    data += bytes(padding)
    count = len(nodes)
    tree = b"".join(pair(*(number_of(child, count) for child in node), bits) for node in nodes)
    about: dict[str, Any] = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": built_s,
        "database_type": kind,
        "description": {"en": "written by a test"},
        "ip_version": version,
        "languages": ["en"],
        "node_count": count,
        "record_size": bits,
        **(metadata or {}),
    }
    about = {key: value for key, value in about.items() if value is not None}
    path.write_bytes(tree + bytes(16) + data + MARKER + encode(about))
    return path


def number_of(child: int | None, count: int) -> int:
    return count if child is None else child if child >= 0 else count + 16 - 1 - child


def pair(left: int, right: int, bits: int) -> bytes:
    if bits == 28:
        return (left & 0xFFFFFF).to_bytes(3, "big") + bytes([left >> 24 << 4 | right >> 24]) + (right & 0xFFFFFF).to_bytes(3, "big")
    return left.to_bytes(bits // 8, "big") + right.to_bytes(bits // 8, "big")


def city(country: str, name: str, latitude: float, longitude: float) -> dict[str, Any]:
    """A record as large as GeoLite2-City's: names in eight languages."""
    names = {language: f"{name} ({language})" for language in ("de", "es", "fr", "ja", "pt-BR", "ru", "zh-CN")} | {"en": name}
    land = {"geoname_id": 2750405, "is_in_european_union": True, "iso_code": country, "names": names}
    return {
        "city": {"geoname_id": 2759794, "names": names},
        "continent": {"code": "EU", "geoname_id": 6255148, "names": names},
        "country": land,
        "location": {"accuracy_radius": 20, "latitude": latitude, "longitude": longitude, "time_zone": "Europe/Amsterdam"},
        "postal": {"code": "1012"},
        "registered_country": land,
        "subdivisions": [{"geoname_id": 2749879, "iso_code": "NH", "names": names}],
    }


def asn(number: int, name: str) -> dict[str, Any]:
    """A record as GeoLite2-ASN's."""
    return {"autonomous_system_number": number, "autonomous_system_organization": name}
