"""Reproducible archives in the one form that opkg reads: GNU tar inside gzip."""

import io
import struct
import tarfile
import zlib
from collections.abc import Iterable

from packager.tree import Node

# gzip's header (RFC 1952): deflate, no name, time 0, best compression, unknown system. Python's own writer says more in some versions.
_GZIP_HEADER = bytes.fromhex("1f8b08000000000002ff")
_LEVEL = 9


def tar(nodes: Iterable[Node], mtime: int) -> bytes:
    """A tar archive of the nodes in their order, each name as ./path, owner 0:0, `mtime` in seconds for all."""
    out = io.BytesIO()
    # opkg knows no PAX headers; GNU's form carries long names.
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for node in nodes:
            content = node.content or b""
            member = tarfile.TarInfo(f"./{node.path}" if node.path else ".")
            member.type = tarfile.SYMTYPE if node.target else tarfile.DIRTYPE if node.is_folder else tarfile.REGTYPE
            member.linkname = node.target
            member.mode, member.mtime, member.size = node.mode, mtime, len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def gzip(data: bytes) -> bytes:
    """The same bytes on every machine with the same zlib."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return _GZIP_HEADER + deflate.compress(data) + deflate.flush() + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
