"""Reads databases of addresses in the MaxMind DB file format (specification 2.0), a few bytes of the file for each look-up.

Rules:
1. The file is neither read whole nor mapped: a mapped file that somebody overwrites in place ends the program by a signal.
2. What it holds is a stranger's: places, sizes, depth and the number of values are bounded, and whatever is wrong raises `BadDatabase`.
3. Of a record only the wanted members are made into values; the others are passed over.

    +--------------------------+----------+--------------+--------+----------+
    | search tree              | 16 zeros | data section | marker | metadata |
    | node_count x 2 records   |          |              |        |          |
    +--------------------------+----------+--------------+--------+----------+

A record of a node is the number of another node, `node_count` for nothing, or more than that: a place in the data section.
"""

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

Value = str | int | float | bytes | list["Value"] | dict[str, "Value"]
Want = Mapping[str, "Want | None"]  # the wanted members; None: the whole of it

_MARKER = b"\xab\xcd\xefMaxMind.com"
_METADATA = 128 * 1024  # the marker stands within so many bytes from the end
_GAP = 16
_LAST_S = 9_000_000_000  # the year 2255; our instants end in 2262
_WINDOW = 4096  # bytes read at once; nothing longer is a value that we take
_DEEPEST = 16  # values within one another; City has 4
_MOST_VALUES = 4096  # of one record; City has about 150
_POINTER, _TEXT, _DOUBLE, _BYTES, _UINT16, _UINT32, _MAP, _INT32, _UINT64, _UINT128, _ARRAY = range(1, 12)
_BOOL, _FLOAT = 14, 15
_NUMBERS = (_UINT16, _UINT32, _UINT64, _UINT128)
_POINTER_BASES = (0, 2048, 526336, 0)
_LONG = 29  # from here on a size has bytes of its own
_MOST_NAMES, _LONGEST_NAME = 64, 64  # City has 30 names of members


class BadDatabase(Exception):
    """The file is no such database, or a damaged one; the message says what is wrong with it."""


class Metadata(NamedTuple):
    """What a database says of itself; `built_s` is in seconds since 1970."""

    kind: str
    built_s: int
    nodes: int
    bits: int
    version: int


class Database:
    """An open file. Several threads may look up at once. Raises `BadDatabase`, and `OSError` if it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._names: dict[bytes, str] = {}
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe has no writer
        try:
            self._size = os.fstat(self._file).st_size
            self.metadata, self._end = self._read_metadata()
            self._node_size = self.metadata.bits // 4
            self._tree = self.metadata.nodes * self._node_size
            self._start4 = self._walk(0, 0, 96) if self.metadata.version == 6 else 0
        except BaseException:
            os.close(self._file)
            raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def get(self, version: int, number: int, want: Want) -> dict[str, Value]:
        """The wanted members of an address's record; empty without a record. Raises `BadDatabase`."""
        if version > self.metadata.version:
            return {}
        bits = 32 if version == 4 else 128
        record = self._walk(self._start4 if version == 4 else 0, number, bits)
        nodes = self.metadata.nodes
        if record < nodes:
            raise BadDatabase("its tree is deeper than an address is long")
        if record == nodes:
            return {}
        # A record counts from the data section's start, which is the gap behind the tree; `nodes` + 16 is its first byte.
        reader = _Records(self._file, self._tree + _GAP, self._end, self._names)
        found, _ = reader.value(self._tree + record - nodes, want)
        return found if isinstance(found, dict) else {}

    def _read_metadata(self) -> tuple[Metadata, int]:
        start = max(self._size - _METADATA, 0)
        tail = _read(self._file, start, min(self._size, _METADATA))
        place = tail.rfind(_MARKER)
        if place < 0:
            raise BadDatabase("it is no MaxMind DB file, or its end is missing")
        first = start + place + len(_MARKER)
        said, _ = _Records(self._file, first, self._size, {}).value(first, None)
        if not isinstance(said, dict):
            raise BadDatabase("it says nothing of itself")
        if _whole(said, "binary_format_major_version") != 2:
            raise BadDatabase("it is of another version of the format than 2")
        kind = said.get("database_type")
        about = Metadata(
            kind if isinstance(kind, str) else "",
            _whole(said, "build_epoch"),
            _whole(said, "node_count"),
            _whole(said, "record_size"),
            _whole(said, "ip_version"),
        )
        if about.bits not in (24, 28, 32) or about.version not in (4, 6) or about.nodes < 1:
            raise BadDatabase(f"it has {about.nodes} nodes of {about.bits} bits for IPv{about.version}")
        if not 0 <= about.built_s <= _LAST_S:
            raise BadDatabase("it was made at no time that there is")
        if about.nodes * about.bits // 4 + _GAP > start + place:
            raise BadDatabase(f"its {about.nodes} nodes are not all there")
        return about, start + place

    def _walk(self, node: int, number: int, bits: int) -> int:
        """The record at which the bits of an address end: as many of its last ones as `bits` says, the highest first."""
        nodes, size, file, pread, whole = self.metadata.nodes, self._node_size, self._file, os.pread, int.from_bytes
        half, mixed = size // 2, size == 7  # of 28 bits: the middle byte holds the highest four of both
        for shift in range(bits - 1, -1, -1):
            if node >= nodes:
                break
            data = pread(file, size, node * size)
            if len(data) != size:
                raise BadDatabase("it was cut off")
            if number >> shift & 1:
                node = whole(data[-half:], "big") | ((data[3] & 15) << 24 if mixed else 0)
            else:
                node = whole(data[:half], "big") | (data[3] >> 4 << 24 if mixed else 0)
        return node


class _Records:
    """Values of the data section, read through a window; for one look-up."""

    def __init__(self, file: int, start: int, end: int, names: dict[bytes, str]) -> None:
        self._file = file
        self._names = names  # of members, by the pointer to them: the same few in every record
        self._start = start
        self._end = end
        self._window = b""
        self._at = 0  # where it begins
        self._left = _MOST_VALUES

    def value(self, at: int, want: "Want | None", depth: int = 0) -> tuple[Value, int]:
        """The value at a place of the file, and where the next one begins."""
        kind, size, at = self._control(at, depth)
        if kind == _POINTER:
            if self._bytes(size, 1)[0] >> 5 == _POINTER:
                raise BadDatabase("a pointer leads to a pointer")
            return self.value(size, want, depth + 1)[0], at
        if kind == _MAP:
            return self._map(at, size, want, depth)
        if kind == _ARRAY:
            found: list[Value] = []
            for _ in range(size):
                item, at = self.value(at, want, depth + 1)
                found.append(item)
            return found, at
        if kind == _BOOL:
            return size, at
        return _scalar(kind, self._bytes(at, size)), at + size

    def _map(self, at: int, size: int, want: "Want | None", depth: int) -> tuple[Value, int]:
        found: dict[str, Value] = {}
        for _ in range(size):
            key, at = self._key(at, depth + 1)
            if want is None or key in want:
                found[key], at = self.value(at, None if want is None else want[key], depth + 1)
            else:
                at = self._skip(at, depth + 1)
        return found, at

    def _key(self, at: int, depth: int) -> tuple[str, int]:
        """A member's name, and where its value begins: most are short texts, or pointers to the same few."""
        place = at - self._at
        if place >= 0 and place + 4 < len(self._window):
            first = self._window[place]
            if first >> 5 == _POINTER:
                length = (first >> 3 & 3) + 1
                known = self._names.get(self._window[place : place + 1 + length])
                if known is not None:
                    self._spend(depth)
                    return known, at + 1 + length
            elif first >> 5 == _TEXT and first & 31 < _LONG and place + 1 + (first & 31) <= len(self._window):
                self._spend(depth)
                end = place + 1 + (first & 31)
                return self._window[place + 1 : end].decode("utf-8", "replace"), at + end - place
        key, behind = self.value(at, None, depth)
        if not isinstance(key, str):
            raise BadDatabase("a member has no name")
        if len(self._names) < _MOST_NAMES and len(key) <= _LONGEST_NAME:
            pointer = self._bytes(at, behind - at)
            if pointer[0] >> 5 == _POINTER:
                self._names[pointer] = key
        return key, behind

    def _skip(self, at: int, depth: int) -> int:
        """Where the value after this one begins; short texts and pointers, which most are, without further ado."""
        place = at - self._at
        if 0 <= place < len(self._window):
            first = self._window[place]
            if first >> 5 == _POINTER or (first >> 5 == _TEXT and first & 31 < _LONG):
                self._spend(depth)
                return at + 1 + (first & 31 if first >> 5 == _TEXT else (first >> 3 & 3) + 1)
        kind, size, at = self._control(at, depth)
        if kind in (_MAP, _ARRAY):
            for _ in range(size * 2 if kind == _MAP else size):
                at = self._skip(at, depth + 1)
            return at
        return at if kind in (_POINTER, _BOOL) else at + size

    def _control(self, at: int, depth: int) -> tuple[int, int, int]:
        """Kind and size of the value at a place, and where its content begins; for a pointer the size is the place it leads to."""
        self._spend(depth)
        first = self._bytes(at, 1)[0]
        kind, size, at = first >> 5, first & 31, at + 1
        if kind == _POINTER:
            length = (size >> 3) + 1
            number = int.from_bytes(self._bytes(at, length), "big")
            if length < 4:
                number |= (size & 7) << 8 * length
            return kind, self._start + number + _POINTER_BASES[length - 1], at + length
        if kind == 0:
            kind, at = 7 + self._bytes(at, 1)[0], at + 1
        if size >= _LONG:
            length = size - 28
            size = (29, 285, 65821)[length - 1] + int.from_bytes(self._bytes(at, length), "big")
            at += length
        return kind, size, at

    def _spend(self, depth: int) -> None:
        """Count a value."""
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise BadDatabase("a record has no end")

    def _bytes(self, at: int, count: int) -> bytes:
        place = at - self._at
        if place < 0 or place + count > len(self._window):
            if at < self._start or at + count > self._end or count > _WINDOW:
                raise BadDatabase("it was cut off, or a record leads out of it")
            self._window, self._at, place = os.pread(self._file, min(_WINDOW, self._end - at), at), at, 0
            if len(self._window) < count:
                raise BadDatabase("it was cut off")
        return self._window[place : place + count]


def _scalar(kind: int, data: bytes) -> Value:
    if kind == _TEXT:
        return data.decode("utf-8", "replace")
    if kind in _NUMBERS and len(data) <= 16:
        return int.from_bytes(data, "big")
    if kind == _INT32 and len(data) <= 4:
        number = int.from_bytes(data, "big")
        return number - (1 << 32) if number >> 31 else number
    if kind in (_DOUBLE, _FLOAT) and len(data) == (8 if kind == _DOUBLE else 4):
        (real,) = struct.unpack(">d" if kind == _DOUBLE else ">f", data)
        return float(real)
    if kind == _BYTES:
        return data
    raise BadDatabase(f"a value is of kind {kind} and {len(data)} bytes")


def _read(file: int, at: int, count: int) -> bytes:
    data = os.pread(file, count, at)
    if len(data) != count:
        raise BadDatabase("it was cut off")
    return data


def _whole(said: Mapping[str, Value], key: str) -> int:
    found = said.get(key)
    if not isinstance(found, int):
        raise BadDatabase(f"it does not say its {key}")
    return found
