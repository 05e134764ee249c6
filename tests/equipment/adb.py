"""A reader of apk version 3 packages, written from the format alone; strict where apk is."""

import hashlib
import struct
import zlib
from typing import Any, NamedTuple

_INFO = [
    *("name", "version", "id", "description", "arch", "license", "origin", "maintainer", "url", "commit", "build-time"),
    *("installed-size", "file-size", "provider-priority", "depends", "provides", "replaces", "install-if", "recommends", "layer", "tags"),
]
_SCRIPTS = ["trigger", "pre-install", "post-install", "pre-deinstall", "post-deinstall", "pre-upgrade", "post-upgrade"]


class File(NamedTuple):
    """A file or link as recorded, and its content."""

    mode: int
    owner: tuple[str, str]
    size: int
    mtime: int
    sha256: bytes
    target: bytes
    content: bytes


class Apk(NamedTuple):
    """A package. `folders`: path to mode and owner, the root as ''; `files`: full path."""

    info: dict[str, Any]
    folders: dict[str, tuple[int, tuple[str, str]]]
    files: dict[str, File]
    scripts: dict[str, str]


class _Values:
    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def slots(self, value: int, names: int) -> list[int]:
        """The values of an object or array, filled up with absent ones."""
        if not value:
            return [0] * names
        assert value >> 28 in (0xD, 0xE), f"{value:#x} is no object"
        place = value & 0xFFFFFFF
        assert place % 4 == 0
        (count,) = struct.unpack_from("<I", self.payload, place)
        found = list(struct.unpack_from(f"<{count - 1}I", self.payload, place + 4))
        return found + [0] * (names - len(found))

    def number(self, value: int) -> int:
        kind, rest = value >> 28, value & 0xFFFFFFF
        if kind == 1:
            return rest
        assert kind in (2, 3), f"{value:#x} is no number"
        assert rest % 4 == 0
        return int(struct.unpack_from("<I" if kind == 2 else "<Q", self.payload, rest)[0])

    def blob(self, value: int) -> bytes:
        if not value:
            return b""
        form = {0x8: "<B", 0x9: "<H", 0xA: "<I"}[value >> 28]
        place = value & 0xFFFFFFF
        (length,) = struct.unpack_from(form, self.payload, place)
        start = place + struct.calcsize(form)
        assert start + length <= len(self.payload)
        return self.payload[start : start + length]

    def text(self, value: int) -> str:
        return self.blob(value).decode()


def read(package: bytes) -> Apk:
    """Take a package apart; whatever apk would refuse is an assertion."""
    payload, data = _blocks(package)
    values = _Values(payload)
    assert payload[:4] == bytes(4)
    info, paths, scripts = values.slots(struct.unpack_from("<I", payload, 4)[0], 5)[:3]
    folders: dict[str, tuple[int, tuple[str, str]]] = {}
    files: dict[str, File] = {}
    for number, folder in enumerate(values.slots(paths, 0), 1):
        name, access, inside = values.slots(folder, 3)
        path = values.text(name)
        assert path not in folders
        folders[path] = _access(values, access)
        for position, file in enumerate(values.slots(inside, 0), 1):
            _file(values, path, file, data.pop((number, position), b""), files)
    assert not data, "data blocks without a file"
    found = zip(_SCRIPTS, map(values.text, values.slots(scripts, len(_SCRIPTS))), strict=True)
    return Apk(_info(values, info), folders, files, {name: text for name, text in found if text})


def _blocks(package: bytes) -> tuple[bytes, dict[tuple[int, int], bytes]]:
    plain = {b"ADB.": lambda: package, b"ADBd": lambda: zlib.decompress(package[4:], -15)}[package[:4]]()
    assert plain[:8] == b"ADB.pckg"
    place, payload, data = 8, b"", {}
    while place < len(plain):
        (head,) = struct.unpack_from("<I", plain, place)
        kind, length = head >> 30, (head & 0x3FFFFFFF) - 4
        body = plain[place + 4 : place + 4 + length]
        end = place + 4 + length
        padding = -(4 + length) % 8
        assert plain[end : end + padding] == bytes(padding)
        place = end + padding
        assert (kind == 0) == (not payload), "one ADB block, and it is the first"
        if kind == 0:
            payload = body
        else:
            assert kind == 2, "only data blocks follow in an unsigned package"
            number, position = struct.unpack_from("<II", body)
            assert not data or (number, position) > max(data), "data blocks are in the order of the files"
            data[number, position] = body[8:]
    return payload, data


def _file(values: _Values, folder: str, value: int, content: bytes, files: dict[str, File]) -> None:
    name, access, size, mtime, digest, target = values.slots(value, 6)
    file = File(*_access(values, access), values.number(size), values.number(mtime), values.blob(digest), values.blob(target)[2:], content)
    if not target:
        assert file.sha256 == hashlib.sha256(content).digest()
        assert file.size == len(content)
    path = f"{folder}/{values.text(name)}".lstrip("/")
    assert path not in files
    files[path] = file


def _access(values: _Values, value: int) -> tuple[int, tuple[str, str]]:
    mode, user, group = values.slots(value, 3)
    return values.number(mode), (values.text(user), values.text(group))


def _info(values: _Values, value: int) -> dict[str, Any]:
    slots = dict(zip(_INFO, values.slots(value, len(_INFO)), strict=True))
    found: dict[str, Any] = {}
    for name, slot in slots.items():
        if not slot:
            continue
        if name in ("depends", "provides"):
            found[name] = [values.text(values.slots(item, 3)[0]) for item in values.slots(slot, 0)]
        elif name == "installed-size":
            found[name] = values.number(slot)
        else:
            found[name] = values.blob(slot) if name == "id" else values.text(slot)
    place = slots["id"] & 0xFFFFFFF
    blank = values.payload[: place + 1] + bytes(20) + values.payload[place + 21 :]
    assert found["id"] == hashlib.sha256(blank).digest()[:20]
    return found
