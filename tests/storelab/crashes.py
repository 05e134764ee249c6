"""A disk that loses, tears and reorders what was not synced: `python -m storelab.crashes FOLDER COUNT SEED [careless]`.

strace(1) notes every call by which one life changes its files, with the bytes, and from that note the disk of any moment can be built as a
power cut might have left it. It is the daemon's own SQLite on the kernel's own files that is watched: an SQLite module with a file system
of its own, as apsw is one, would be another SQLite than the standard library's, behind a connection that the writer never sees.

What a cut may leave:
1. Of each file what had been synced, and of the writes since then none, all, the first so many, or any of them.
2. A write is torn into sectors, each of which arrives or does not; what shares a sector with a write is not harmed by it
   (SQLite assumes the same: sqlite.org/psow.html). Where a file grew and its bytes did not arrive, there are zeros or rubbish.
3. Of a folder's changes since it was synced the first so many, since filesystems keep their order. Syncing a file says nothing of its name.
"""

import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from storelab.ledger import Ledger
from storelab.life import opened, prepare

RECORDS = 400  # of the life that is noted: old traces go in it, too
MOMENTS_A_LIFE = 125
_SECTOR = 512  # the smallest that disks write at once
_LONGEST_STRING = 1 << 20  # bytes of a call that strace notes: more than SQLite writes at once
_CHANGES = "openat,pwrite64,write,ftruncate,fsync,fdatasync,unlink,rename"
_OTHERS = "open,creat,pwritev,writev,truncate,fallocate,unlinkat,renameat,renameat2,link,linkat,sync,syncfs,sync_file_range,mmap"
_NAME = "history.db"
_CALL = re.compile(r"(\w+)\((.*)\) += (-|\d)")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(r"\d+<((?:\\x[0-9a-f]{2})+)>")


class Call(NamedTuple):
    """A call that succeeded: its name, the files it names, the bytes it gives and its last argument."""

    name: str
    paths: list[str]
    data: bytes
    last: str


class _Inode:
    """A file's content: what is on the disk, and what was changed since."""

    def __init__(self, content: bytes = b"") -> None:
        self.synced, self.now = content, bytearray(content)
        self.changes: list[tuple[int, bytes | None]] = []

    def write(self, offset: int, data: bytes) -> None:
        """Write, sector by sector."""
        end = offset + len(data)
        self.now.extend(bytes(max(offset - len(self.now), 0)))
        self.now[offset:end] = data
        for start in range(offset - offset % _SECTOR, end, _SECTOR):
            piece = slice(max(start, offset) - offset, min(start + _SECTOR, end) - offset)
            self.changes.append((offset + piece.start, data[piece]))

    def truncate(self, size: int) -> None:
        """Cut off, or grow with zeros."""
        del self.now[size:]
        self.now.extend(bytes(size - len(self.now)))
        self.changes.append((size, None))

    def sync(self) -> None:
        """All is on the disk."""
        self.synced = bytes(self.now)
        self.changes.clear()

    def after_cut(self, rng: random.Random) -> bytes:
        """What a cut might leave."""
        left = bytearray(self.synced)
        filled = rng.choice((bytes, rng.randbytes))
        for offset, data in _some(self.changes, rng):
            if data is None:
                del left[offset:]
            left.extend(filled(max(offset - len(left), 0)))
            if data is not None:
                left[offset : offset + len(data)] = data
        return bytes(left)


class Disk:
    """A folder's files as they would be after a cut."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._now = {name: _Inode(content) for name, content in files.items()}
        self._synced = dict(self._now)
        self._changes: list[dict[str, _Inode]] = []  # the folder after each change since it was synced

    def apply(self, call: Call, folder: str) -> None:
        """Follow one call."""
        first = call.paths[0]
        name = first.removeprefix(f"{folder}/")
        match call.name:
            case "openat":
                if "O_TRUNC" in call.last or (name not in self._now and "O_CREAT" not in call.last):
                    raise AssertionError(f"a way to open that is not followed: {call}")
                if name not in self._now:
                    self._change(self._now | {name: _Inode()})
            case "pwrite64":
                self._now[name].write(int(call.last), call.data)
            case "ftruncate":
                self._now[name].truncate(int(call.last))
            case "fsync" | "fdatasync" if first == folder:
                self._synced = self._now
                self._changes.clear()
            case "fsync" | "fdatasync":
                self._now[name].sync()
            case "unlink":
                self._change({key: inode for key, inode in self._now.items() if key != name})
            case "rename":
                moved = {key: inode for key, inode in self._now.items() if key != name}
                self._change(moved | {call.paths[1].removeprefix(f"{folder}/"): self._now[name]})
            case _:
                raise AssertionError(f"a change that is not followed: {call}")

    def after_cut(self, rng: random.Random) -> dict[str, bytes]:
        """The files that a cut might leave."""
        folder = rng.choice([self._synced, *self._changes])
        return {name: inode.after_cut(rng) for name, inode in folder.items()}

    def _change(self, now: dict[str, _Inode]) -> None:
        self._now = now
        self._changes.append(now)


def _some(changes: list[tuple[int, bytes | None]], rng: random.Random) -> list[tuple[int, bytes | None]]:
    """None, all, the first so many, or any."""
    how = rng.randrange(4)
    if how < 2:
        return changes[: how * len(changes)]
    if how == 2:
        return changes[: rng.randint(0, len(changes))]
    share = rng.random()
    return [change for change in changes if rng.random() < share]


def note(path: Path, most: int, *how: str) -> list[Call]:
    """Let a life come to its own end at a number; the calls that changed its folder or reported something, in their order."""
    log = path.parent.with_suffix(".strace")
    strace = ("strace", "-f", "-qq", "-y", "-xx", "-s", str(_LONGEST_STRING), "--seccomp-bpf", "-e", f"trace={_CHANGES},{_OTHERS}")
    life = (sys.executable, "-m", "storelab.life", str(path), str(most), *how)
    subprocess.run([*strace, "-o", str(log), *life], check=True, stdout=subprocess.PIPE)
    with log.open(encoding="ascii") as lines:
        return [call for call in map(_read, _joined(lines)) if call is not None and _matters(call, str(path.parent))]


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """The calls; one that another thread interrupted comes when it has ended."""
    begun: dict[str, str] = {}
    for line in lines:
        thread, _, text = line.rstrip("\n").partition(" ")
        text = text.lstrip()
        if text.endswith(" <unfinished ...>"):
            begun[thread] = text.removesuffix(" <unfinished ...>")
        elif text.startswith("<... "):
            yield begun.pop(thread) + text.partition(" resumed>")[2]
        else:
            yield text


def _read(text: str) -> Call | None:
    found = _CALL.match(text)
    if found is None or found[3] == "-":
        return None
    name, arguments = found[1], found[2]
    descriptor = _DESCRIPTOR.match(arguments)
    strings = [bytes.fromhex(string.replace("\\x", "")) for string in _STRING.findall(arguments)]
    paths = [os.fsdecode(string) for string in strings]
    last = arguments.rpartition(", ")[2]
    if descriptor is None:
        return Call(name, paths, b"", arguments if name == "openat" else last)
    return Call(name, [os.fsdecode(bytes.fromhex(descriptor[1].replace("\\x", "")))], strings[0] if strings else b"", last)


def _matters(call: Call, folder: str) -> bool:
    if call.name == "openat" and not {"O_CREAT", "O_TRUNC"} & set(re.split(r"\W", call.last)):
        return False
    path = call.paths[0] if call.paths else ""
    # The lock's file holds a number for whoever asks, and nothing of the history.
    return _is_report(call) or ((path == folder or path.startswith(f"{folder}/")) and not path.endswith(".lock"))


def _is_report(call: Call) -> bool:
    return call.name == "write" and call.paths[0].startswith("pipe:")


def main() -> None:
    """Note, cut, compare, and say what there was."""
    folder, count, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(sys.argv[3])
    base, noted = folder / "base.db", folder / "noted"
    first = prepare(base)
    unfinished = spooled = events = 0
    for start in range(0, count, MOMENTS_A_LIFE):
        noted.mkdir()
        shutil.copy(base, noted / _NAME)
        disk, ledger = Disk({_NAME: base.read_bytes()}), Ledger(first, cut=True)
        calls = note(noted / _NAME, first + RECORDS, *sys.argv[4:])
        moments = Counter(rng.choices(range(len(calls)), k=min(MOMENTS_A_LIFE, count - start)))
        for number, call in enumerate(calls):
            if _is_report(call):
                ledger.heard(call.data.decode())
            else:
                disk.apply(call, str(noted))
            for _ in range(moments[number]):
                left = disk.after_cut(rng)
                unfinished += f"{_NAME}-journal" in left
                spooled += bool(left.get(f"{_NAME}.samples"))
                events += _check(folder / "left", left, ledger)
        shutil.rmtree(noted)
    print(f"{count} power cuts, {unfinished} of them left an unfinished write, {spooled} a samples file; {events} events kept")


def _check(place: Path, left: dict[str, bytes], ledger: Ledger) -> int:
    place.mkdir()
    for name, content in left.items():
        (place / name).write_bytes(content)
    events = ledger.check(place / _NAME)
    opened(place / _NAME).close()  # it ends this program if there is anything to tell
    shutil.rmtree(place)
    return events


if __name__ == "__main__":
    main()
