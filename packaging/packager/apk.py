"""Writer of apk version 3 packages (ADB), unsigned as OpenWrt's are; byte for byte what `apk mkpkg` makes of the same tree.

    file     "ADBd", then one raw DEFLATE stream of:  "ADB." "pckg" block...
    block    u32 type << 30 | length + 4, payload, zeros up to a multiple of 8; one ADB block, then one DATA block per file
    ADB      u8 0, u8 0, u16 0, u32 root value, then the stored items, at offsets from the start of the payload
    value    u32: kind in the top 4 bits, number or offset in the other 28
    DATA     u32 folder number, u32 file number, both from 1, then the content

All numbers are little-endian.
"""

import hashlib
import re
import stat
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from packager.tree import Node

_ABSENT = 0
_INT, _INT32, _INT64, _BLOB8, _BLOB16, _BLOB32, _OBJECT = 0x1, 0x2, 0x3, 0x8, 0x9, 0xA, 0xE
_ADB_BLOCK, _DATA_BLOCK = 0, 2
_ID_LENGTH = 20
_LIMIT = 1 << 28  # of a number inside a value
_MATCH = {"": 0, "=": 0, "<": 2, "<=": 3, ">": 4, ">=": 5, "~": 9}
_DEPENDENCY = re.compile(r"([A-Za-z0-9][A-Za-z0-9.+_-]*)(?:(<=|>=|[=<>~])([0-9][0-9A-Za-z._~-]*))?")
_SCRIPTS = ("trigger", "pre-install", "post-install", "pre-deinstall", "post-deinstall", "pre-upgrade", "post-upgrade")


class Info(NamedTuple):
    """What a package says of itself; '' and () are left out. Dependencies as `name` or `name>=1.0`."""

    name: str
    version: str
    description: str = ""
    arch: str = "noarch"
    license: str = ""
    origin: str = ""
    maintainer: str = ""
    url: str = ""
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()


def build(info: Info, nodes: Iterable[Node], scripts: Mapping[str, str], mtime: int, *, compress: bool = True) -> bytes:
    """A package of these nodes, each folder among them; `scripts` go by apk's names, `mtime` in seconds holds for all."""
    folders = _folders(nodes)
    plain = b"ADB.pckg" + _block(_ADB_BLOCK, _payload(info, folders, scripts, mtime))
    plain += b"".join(
        _block(_DATA_BLOCK, struct.pack("<II", number, position) + (file.content or b""))
        for number, (_, files) in enumerate(folders, 1)
        for position, file in enumerate(files, 1)
        if file.content
    )
    if not compress:
        return plain
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 8)
    return b"ADBd" + deflate.compress(plain) + deflate.flush()


_Folders = Sequence[tuple[Node, list[Node]]]


def _folders(nodes: Iterable[Node]) -> _Folders:
    """Each folder with its files and links: folders by the bytes of the path, files by those of the name."""
    ordered = sorted(nodes, key=lambda node: node.path.encode())
    inside: dict[str, list[Node]] = {node.path: [] for node in ordered if node.is_folder}
    for node in ordered:
        if not node.is_folder:
            inside[node.path.rpartition("/")[0]].append(node)
    return [(node, inside[node.path]) for node in ordered if node.is_folder]


def _block(kind: int, payload: bytes) -> bytes:
    return struct.pack("<I", kind << 30 | len(payload) + 4) + payload + bytes(-(len(payload) + 4) % 8)


class _Adb:
    """The payload while it grows. An item with the same bytes as an earlier one is stored once."""

    def __init__(self) -> None:
        self.payload = bytearray(8)
        self._places: dict[bytes, list[int]] = {}

    def store(self, kind: int, data: bytes, align: int, *, share: bool = True) -> int:
        """The value that points to these bytes."""
        places = self._places.setdefault(data, [])
        place = next((place for place in places if share and place % align == 0), None)
        if place is None:
            self.payload += bytes(-len(self.payload) % align)
            place = len(self.payload)
            places.append(place)
            self.payload += data
        return kind << 28 | place

    def number(self, value: int) -> int:
        """The value of a number; its zero is not the absent value."""
        if value < _LIMIT:
            return _INT << 28 | value
        return self.store(_INT32, struct.pack("<I", value), 4) if value < 1 << 32 else self.store(_INT64, struct.pack("<Q", value), 4)

    def blob(self, data: bytes, *, share: bool = True) -> int:
        """The value of bytes; none are the absent value."""
        if not data:
            return _ABSENT
        if len(data) < 1 << 8:
            return self.store(_BLOB8, struct.pack("<B", len(data)) + data, 1, share=share)
        if len(data) < 1 << 16:
            return self.store(_BLOB16, struct.pack("<H", len(data)) + data, 2, share=share)
        return self.store(_BLOB32, struct.pack("<I", len(data)) + data, 4, share=share)

    def text(self, text: str) -> int:
        """The value of a text in UTF-8."""
        return self.blob(text.encode())

    def object(self, slots: Sequence[int]) -> int:
        """The value of an object or array; absent slots at the end are cut off, and nothing left is the absent value."""
        used = list(slots)
        while used and used[-1] == _ABSENT:
            used.pop()
        return self.store(_OBJECT, struct.pack(f"<{len(used) + 1}I", len(used) + 1, *used), 4) if used else _ABSENT


def _payload(info: Info, folders: _Folders, scripts: Mapping[str, str], mtime: int) -> bytes:
    """The ADB payload. Readers do not mind the order of the items, but it is that of the real tool, so that its packages compare."""
    adb = _Adb()
    slots = [0] * 16
    for slot, text in ((1, info.name), (2, info.version), (4, info.description), (5, info.arch), (6, info.license), (7, info.origin)):
        slots[slot - 1] = adb.text(text)
    slots[7], slots[8] = adb.text(info.maintainer), adb.text(info.url)
    slots[14], slots[15] = _dependencies(adb, info.depends), _dependencies(adb, info.provides)
    listed = [_folder(adb, folder, files, mtime) for folder, files in folders]
    size = sum(len(file.content or b"") for _, files in folders for file in files)
    # The tool counts a package with nothing but empty files as one byte.
    slots[11] = adb.number(size or 1)
    slots[2] = adb.blob(bytes(_ID_LENGTH), share=False)
    root = [adb.object(slots), adb.object(listed)]
    root.append(adb.object([adb.text(scripts.get(name, "")) for name in _SCRIPTS]))
    adb.payload[4:8] = struct.pack("<I", adb.object(root))
    place = (slots[2] & (_LIMIT - 1)) + 1
    adb.payload[place : place + _ID_LENGTH] = hashlib.sha256(adb.payload).digest()[:_ID_LENGTH]
    return bytes(adb.payload)


def _dependencies(adb: _Adb, words: Iterable[str]) -> int:
    """The value of a list of dependencies: stored as they come, listed by name, version and match, each once."""
    stored: dict[tuple[bytes, bytes, int], int] = {}
    for word in words:
        found = _DEPENDENCY.fullmatch(word)
        if not found:
            raise ValueError(f"not a dependency that apk takes: {word}")
        name, version, match = found[1].encode(), (found[3] or "").encode(), _MATCH[found[2] or ""]
        slots = adb.blob(name), adb.blob(version), adb.number(match) if match else _ABSENT
        stored[name, version, match] = adb.object(slots)
    return adb.object([stored[key] for key in sorted(stored)])


def _folder(adb: _Adb, folder: Node, files: Iterable[Node], mtime: int) -> int:
    listed = [_file(adb, file, mtime) for file in files]
    name = adb.text(folder.path)
    access = _access(adb, folder.mode)
    return adb.object([name, access, adb.object(listed)])


def _file(adb: _Adb, file: Node, mtime: int) -> int:
    name = adb.text(file.path.rpartition("/")[2])
    content = file.content or b""
    if file.target:
        target = file.target.encode()
        checksum, size = _ABSENT, len(target)
        link = adb.blob(struct.pack("<H", stat.S_IFLNK) + target)
    else:
        checksum, size, link = adb.blob(hashlib.sha256(content).digest()), len(content), _ABSENT
    changed = adb.number(mtime)
    length = adb.number(size)
    return adb.object([name, _access(adb, file.mode), length, changed, checksum, link])


def _access(adb: _Adb, mode: int) -> int:
    user = adb.text("root")
    group = adb.text("root")
    return adb.object([adb.number(mode), user, group])
