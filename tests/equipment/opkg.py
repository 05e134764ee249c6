"""Packages taken apart as opkg does it: gzip around a GNU tar with three members, two of them gzip'ed tars again."""

import zlib
from typing import NamedTuple


class Member(NamedTuple):
    """A member of a tar archive, its name without ./ and closing slash."""

    name: str
    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    content: bytes
    target: str = ""  # of a symbolic link


class Ipk(NamedTuple):
    """A package: the outer members' names, control members and data members in the archive's order, the data archive's size."""

    outer: list[str]
    control: dict[str, Member]
    data: list[Member]
    data_size: int


def read(package: bytes) -> Ipk:
    """Take a package apart; whatever opkg would not understand is an assertion."""
    outer = {member.name: member for member in untar(gunzip(package))}
    assert outer["debian-binary"].content == b"2.0\n"
    data = gunzip(outer["data.tar.gz"].content)
    control = untar(gunzip(outer["control.tar.gz"].content))
    return Ipk(list(outer), {member.name: member for member in control if member.kind == "0"}, untar(data), len(data))


def gunzip(data: bytes) -> bytes:
    """The content of one gzip member that bears neither name nor time."""
    assert data[:2] == b"\x1f\x8b"
    assert data[3:8] == bytes(5), "gzip: a name or a time"
    content = zlib.decompressobj(31)
    plain = content.decompress(data)
    assert content.eof
    assert not content.unused_data
    return plain


def untar(data: bytes) -> list[Member]:
    """The members of an archive in GNU's form; PAX headers, which opkg does not know, are an assertion."""
    members, place, long_name = [], 0, ""
    assert len(data) % 512 == 0
    while data[place : place + 512].strip(b"\0"):
        head = data[place : place + 512]
        assert sum(head[:148]) + sum(head[156:]) + 8 * 32 == _octal(head[148:156])
        assert head[257:265] == b"ustar  \0", "not GNU's form"
        kind, size = chr(head[156]), _octal(head[124:136])
        content = data[place + 512 : place + 512 + size]
        place += 512 + (size + 511) // 512 * 512
        if kind == "L":
            long_name = content.rstrip(b"\0").decode()
            continue
        assert kind in "025", f"typeflag {kind}"
        assert not head[265:329].strip(b"\0"), "names of owners instead of numbers"
        name = long_name or head[:100].rstrip(b"\0").decode()
        assert name.startswith("."), name
        long_name = ""
        mode, uid, gid, mtime = (_octal(head[start : start + length]) for start, length in ((100, 8), (108, 8), (116, 8), (136, 12)))
        target = head[157:257].rstrip(b"\0").decode()
        assert bool(target) == (kind == "2"), name
        members.append(Member(name[1:].strip("/"), kind, mode, uid, gid, mtime, content, target))
    return members


def _octal(field: bytes) -> int:
    assert field[0] < 0x80, "a number in base 256"
    return int(field.strip(b"\0 ") or b"0", 8)


def fields(text: str) -> dict[str, str]:
    """The fields of a control file."""
    return dict(line.split(": ", 1) for line in text.splitlines())
