"""Makes a database (MaxMind DB file format 2.0) of a table of prefixes, which is looked up without being read whole.

Rules:
1. A line of the table is a prefix and an AS number as pyasn has them (`192.0.2.0/24<TAB>64496`), or a prefix and the name of the exchange
   whose network it is. Empty lines and what follows `;` or `#` at a line's beginning are comments. Of equal prefixes the last counts.
2. The longest prefix that holds an address is the one that is found: prefixes go into the tree the shorter ones first, and a longer one
   splits what it lies in.
3. What it says of its age is the table's.
"""

import gzip
import os
import tempfile
import zlib
from array import array
from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple

from pathwarden.errors import ConfigError, OperatorError

KIND = "Pathwarden-Prefixes"
_LAST_ASN = 2**32 - 1
_LONGEST_NAME = 64
_LONGEST_LINE = 1024
_GZIP = b"\x1f\x8b"
_MARKER = b"\xab\xcd\xefMaxMind.com"
_GAP = bytes(16)
_OFFSET4 = 96  # IPv4 lies at ::/96
_PIECE = 65536  # nodes written at once


class Made(NamedTuple):
    """What a table became."""

    path: Path
    prefixes: int
    networks: int
    exchanges: int


class _Prefixes:
    """Prefixes by their length in an IPv6 tree, in few bytes: the Internet has more than a million."""

    def __init__(self) -> None:
        self._by_length: dict[int, tuple[array[int], array[int], array[int]]] = {}

    def add(self, text: str, leaf: int) -> None:
        """Raises ValueError if it is no prefix."""
        network = ip_network(text)
        four = network.version == 4
        if not network.prefixlen and not four:
            raise ValueError(text)
        high, low, leaves = self._by_length.setdefault(network.prefixlen + _OFFSET4 * four, (array("Q"), array("Q"), array("I")))
        number = int(network.network_address)
        high.append(number >> 64)
        low.append(number & 2**64 - 1)
        leaves.append(leaf)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Address, length and leaf, the shortest prefixes first."""
        for length, (highs, lows, leaves) in sorted(self._by_length.items()):
            for high, low, leaf in zip(highs, lows, leaves, strict=True):
                yield high << 64 | low, length, leaf


class _Tree:
    """A binary tree. A child is the number of a node, 0 for nothing (nobody leads to the root), or -1 - N for leaf N."""

    def __init__(self) -> None:
        self.children = array("i", (0, 0))

        self._four = -1  # the node at ::/96, where IPv4 begins

    def put(self, number: int, length: int, leaf: int) -> None:
        """Lay a leaf over all addresses that begin like this one; shorter prefixes were put before."""
        if number >> 32 or length <= _OFFSET4:
            place = self._place(0, number, 127, length)
        else:
            if self._four < 0:
                self._four = self._node(self._place(0, 0, 127, _OFFSET4))
            place = self._place(self._four, number, 31, length - _OFFSET4)
        self.children[place] = -1 - leaf

    def _place(self, node: int, number: int, highest: int, length: int) -> int:
        """Where the child stands to which so many bits of an address lead from a node."""
        children = self.children
        last = highest - length + 1
        for shift in range(highest, last, -1):
            place = 2 * node + (number >> shift & 1)
            node = children[place]
            if node <= 0:
                node = self._node(place)
        return 2 * node + (number >> last & 1)

    def _node(self, place: int) -> int:
        """The node at this place; what lay there lies in both its halves then."""
        child = self.children[place]
        if child <= 0:
            self.children.extend((child, child))
            child = self.children[place] = len(self.children) // 2 - 1
        return child


class _Leaves:
    """The records of the data section, each once."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.places: list[int] = []
        self.networks = 0
        self.exchanges = 0
        self._known: dict[str, int] = {}

    def of(self, said: str) -> int:
        """The leaf of an AS number or an exchange's name. Raises ValueError."""
        if said not in self._known:
            self._known[said] = len(self.places)
            self.places.append(len(self.data))
            self.data += encoded(self._record(said))
        return self._known[said]

    def _record(self, said: str) -> dict[str, int | str]:
        if said.isascii() and said.isdigit():
            if len(said) > 10 or not 0 < int(said) <= _LAST_ASN:
                raise ValueError(said)
            self.networks += 1
            return {"autonomous_system_number": int(said)}
        if not said.isprintable() or not 0 < len(said) <= _LONGEST_NAME:
            raise ValueError(said)
        self.exchanges += 1
        return {"ixp": said}


def make(source: Path, to: Path) -> Made:
    """Convert a table, packed by gzip or not.

    Raises `ConfigError` with the line that is wrong, `OperatorError` if `to` cannot be written; then nothing was.
    """
    prefixes, leaves = _Prefixes(), _Leaves()
    count = 0
    for number, line in enumerate(_lines(source), 1):
        text = line.strip()
        if not text or text[0] in ";#":
            continue
        prefix, _, said = text.replace("\t", " ", 1).partition(" ")
        try:
            prefixes.add(prefix, leaves.of(said.strip()))
        except ValueError:
            raise ConfigError(
                f"{source}:{number}: this is no prefix with an AS number or an exchange's name", "write lines like 192.0.2.0/24<TAB>64496"
            ) from None
        count += 1
    if not count:
        raise ConfigError(f"{source} holds no prefix", "name a table of prefixes and AS numbers, such as pyasn makes")
    tree = _Tree()
    for address, length, leaf in prefixes:
        tree.put(address, length, leaf)
    _write(to, tree, leaves, source)
    return Made(to, count, leaves.networks, leaves.exchanges)


def encoded(value: int | str | list[str] | dict[str, int | str] | dict[str, object]) -> bytes:
    """A value as the data section holds it: a text, a whole number up to 64 bits, or a list or map of such."""
    if isinstance(value, str):
        return _sized(2, len(data := value.encode())) + data
    if isinstance(value, int):
        kind, most = (6, 4) if value < 2**32 else (9, 8)
        return _sized(kind, len(data := value.to_bytes(most, "big").lstrip(b"\0"))) + data
    if isinstance(value, list):
        return _sized(11, len(value)) + b"".join(map(encoded, value))
    return _sized(7, len(value)) + b"".join(encoded(key) + encoded(each) for key, each in value.items())  # type: ignore[arg-type] # ours


def _sized(kind: int, size: int) -> bytes:
    more = b"" if size < 29 else bytes([size - 29])  # nothing of ours is longer than 284
    first = min(size, 29)
    return (bytes([kind << 5 | first]) if kind < 8 else bytes([first, kind - 7])) + more


def _lines(source: Path) -> Iterator[str]:
    try:
        with source.open("rb") as plain:
            packed = plain.read(2) == _GZIP
        with gzip.open(source, "rt", encoding="utf-8") if packed else source.open(encoding="utf-8") as file:
            while line := file.readline(_LONGEST_LINE):
                yield line
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {source}: {getattr(error, 'strerror', None) or error}", "name a table of prefixes") from error


def _write(to: Path, tree: _Tree, leaves: _Leaves, source: Path) -> None:
    """The file, all of it or nothing. Raises `OperatorError`."""
    nodes = len(tree.children) // 2
    bits = 24 if nodes + 16 + len(leaves.data) < 2**24 else 32
    about: dict[str, object] = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": int(source.stat().st_mtime),
        "database_type": KIND,
        "description": {"en": source.name[:_LONGEST_NAME]},
        "ip_version": 6,
        "languages": [],
        "node_count": nodes,
        "record_size": bits,
    }
    part: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{to.name}.", dir=to.parent)
        part = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(_records(tree, leaves, nodes, bits // 8))
            file.write(_GAP + leaves.data + _MARKER + encoded(about))
            file.flush()
            os.fsync(descriptor)
        part.chmod(0o644)  # it holds nothing of ours, and the daemon may be another user
        part.replace(to)
    except OSError as error:
        raise OperatorError(f"cannot write {to}: {error.strerror or error}", "name a file in a folder with room with -o") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _records(tree: _Tree, leaves: _Leaves, nodes: int, size: int) -> Iterable[bytes]:
    places = leaves.places
    for start in range(0, len(tree.children), _PIECE):
        piece = tree.children[start : start + _PIECE]
        numbers = (child if child > 0 else nodes + 16 + places[-1 - child] if child else nodes for child in piece)
        yield b"".join([number.to_bytes(size, "big") for number in numbers])
