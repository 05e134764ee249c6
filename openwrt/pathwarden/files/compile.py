"""Make bytecode for the Python that runs this: of source/NAME-VERSION.tar.bz2 here bytecode/NAME-VERSION.TAG.

    python3 -I -S -X no_debug_ranges compile.py [FOLDER]

FOLDER takes what finds no room in bytecode/, which is then told on standard output. TAG is Python's own, such as cpython-311.

    file    SHA-256 of the archive, u32 length of the index (little-endian), index, modules
    index   marshal: {module: (offset behind the index, length, path below this folder, whether it is a package)}
    module  zlib: marshal: code object, without docstrings, asserts and columns

An archive is a tar of modules, each by its path; its order is that of the file.
"""  # noqa: INP001 - a script that lies alone on the router

import contextlib
import hashlib
import io
import marshal
import os
import sys
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

HOME = Path(__file__).resolve().parent
INSTALLED = "/usr/lib/pathwarden"  # what tracebacks name: where the program lies, wherever this runs
TAG = sys.implementation.cache_tag
ENDING = ".tar.bz2"
_BEST = 9  # of zlib's levels: it is packed once and read at each start


def main(spare: Path | None) -> None:
    """Bring all bytecode up to date. `spare` is the folder for what finds no room."""
    source, kept = HOME / "source", HOME / "bytecode"
    if not source.is_dir():
        return  # a package of OpenWrt's own build system: it brings bytecode and no source
    # A package of another version, which may be left over, is not for this one.
    version = (HOME / "VERSION").read_text(encoding="ascii").strip()
    archives = {name(file.name): file.read_bytes() for file in sorted(source.glob(f"*-{version}{ENDING}"))}
    for folder in filter(None, (kept, spare)):
        remove_stale(folder, archives)
    for file, archive in archives.items():
        if not (kept / file).exists():
            place(file, archive, kept, spare)


def name(archive: str) -> str:
    """The bytecode file's name by that of the archive."""
    return f"{archive.removesuffix(ENDING)}.{TAG}"


def remove_stale(folder: Path, archives: Mapping[str, bytes]) -> None:
    """Remove what is of another Python, of another archive, or half written: before anything new is written, which may need its room."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in archives or not path.read_bytes().startswith(digest(archives[path.name])):
            with contextlib.suppress(OSError):  # a read-only root: then nothing new can be written either
                path.unlink()


def place(file: str, archive: bytes, kept: Path, spare: Path | None) -> None:
    """Put an archive's bytecode where there is room, on flash if possible."""
    spared = spare / file if spare else None
    content = spared.read_bytes() if spared and spared.exists() else compiled(archive)
    try:
        write(kept / file, content)
    except OSError as error:
        if not spared:
            raise
        if not spared.exists():
            write(spared, content)
        sys.stdout.write(f"{kept}: {error.strerror}; {file} lies in memory and is made again at each boot; make room on the overlay\n")
    else:
        if spared:
            spared.unlink(missing_ok=True)


def compiled(archive: bytes) -> bytes:
    """The bytecode file of an archive."""
    index, modules, offset = {}, [], 0
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        for member in members:
            source = members.extractfile(member)
            assert source, "an archive holds files alone"  # noqa: S101 - the packager's promise
            path = member.name.removeprefix("./")
            code = compile(source.read(), f"{INSTALLED}/{path}", "exec", dont_inherit=True, optimize=2)
            module = zlib.compress(marshal.dumps(code), _BEST)
            dotted = path.removesuffix(".py").replace("/", ".")
            index[dotted.removesuffix(".__init__")] = offset, len(module), path, dotted.endswith(".__init__")
            modules.append(module)
            offset += len(module)
    listed = marshal.dumps(index)
    return b"".join([digest(archive), len(listed).to_bytes(4, "little"), listed, *modules])


def write(path: Path, content: bytes) -> None:
    """Write a file so that a power cut leaves all of it or nothing under its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def digest(archive: bytes) -> bytes:
    """What tells an archive from every other."""
    return hashlib.sha256(archive).digest()


if __name__ == "__main__":
    os.umask(0o022)  # the daemon's own user reads what root makes
    try:
        main(Path(sys.argv[1]) if sys.argv[1:] else None)
    except OSError as error:
        sys.exit(f"the program could not be compiled: {error}; make room on the overlay")
