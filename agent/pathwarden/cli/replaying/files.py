"""The files that are replayed: their bytes unpacked, and an index of the traces in them.

Rules:
1. Each file is read twice: once to check every item and note its instant and place, then trace by trace in the order of time. In
   memory stays the index, about 70 bytes a trace, never the traces.
2. What cannot be read twice (standard input, a pipe) is copied to a temporary file first, and so is a packed file whose traces are not
   in order, since going back in one means to unpack it from its beginning.
3. An item that cannot be read ends the command before anything is told, or with `skip` is counted and left out.
"""

import gzip
import shutil
import sys
import tempfile
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO, cast

from pathwarden.cli.terminal import clean
from pathwarden.errors import ConfigError
from pathwarden.export.reading.forms import traces
from pathwarden.export.reading.items import CHUNK, Item, Splitter
from pathwarden.export.reading.recorded import Ignored, Recorded, Stream, Unreadable

STANDARD_INPUT = "-"
MOST_FILES = 0xFFFF  # the index counts them in two bytes
MOST_STREAMS = 50_000  # each keeps a detector of about 10 KB: half a gigabyte
_GZIP = b"\x1f\x8b"
# What people have instead, by its first bytes, and how it becomes what is read here.
_FOREIGN = {
    b"BZh": ("packed by bzip2", "bzcat FILE | pathwarden replay -"),
    b"\xfd7zXZ": ("packed by xz", "xzcat FILE | pathwarden replay -"),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "zstdcat FILE | pathwarden replay -"),
    b"\x12\x05": ("scamper's warts format", "sc_warts2json FILE | pathwarden replay -"),
}
_HEAD = 8  # bytes that tell
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)  # of packed data

Progress = Callable[[str, float], None]
Wanted = Callable[[Recorded], bool]


class Source:
    """A file's bytes, unpacked. `read` goes through it, `read_at` back to an item."""

    def __init__(self, name: str) -> None:
        self.name = "standard input" if name == STANDARD_INPUT else clean(name)
        with self._named():
            self._raw = _opened(name)
            head = self._raw.read(_HEAD)
            self.size = self._raw.seek(0, 2)
            self._raw.seek(0)
        for begin, (what, way) in _FOREIGN.items():
            if head.startswith(begin):
                self._raw.close()
                raise ConfigError(f"{self.name} is {what}", f"try: {way}")
        self._packed = head.startswith(_GZIP)
        self._file = cast("BinaryIO", gzip.GzipFile(fileobj=self._raw)) if self._packed else self._raw

    def read(self, size: int, /) -> bytes:
        """The next bytes. Raises `ConfigError` if they cannot be had."""
        with self._named():
            return self._file.read(size)

    def read_at(self, offset: int, length: int) -> bytes:
        """So many bytes from there. Raises `ConfigError` likewise."""
        with self._named():
            self._file.seek(offset)
            return self._file.read(length)

    @property
    def done(self) -> float:
        """Which part of it is read, 0 to 1."""
        return self._raw.tell() / self.size if self.size else 1.0

    def unpack(self) -> None:
        """Make going back cheap (rule 2)."""
        if self._packed:
            with self._named():
                self._file.seek(0)
                # Damaged data ends here where it ended at first, and was told then.
                self._packed, self._file = False, _copy(self._file, DAMAGE)

    def close(self) -> None:
        """Close the files; a copy disappears."""
        self._file.close()
        self._raw.close()

    def _named(self) -> "_Named":
        return _Named(self.name)


class _Named:
    """Whatever goes wrong with a file's bytes, as one line with its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DAMAGE):
            raise ConfigError(f"{self._name}: its gzip data is damaged or was cut off: {error}", "unpack what is left with zcat") from None
        if isinstance(error, OSError):
            raise ConfigError(f"{self._name}: {error.strerror or error}", "name a file that is there and may be read") from None


def _opened(name: str) -> BinaryIO:
    """The file, or a copy of it if it cannot be read twice (rule 2)."""
    if name == STANDARD_INPUT:
        return _copy(sys.stdin.buffer)
    file = open(name, "rb")  # noqa: PTH123, SIM115 - any name is a path here; the source closes it
    if file.seekable():
        return file
    with file:
        return _copy(file)


def _copy(file: BinaryIO, end: tuple[type[Exception], ...] = ()) -> BinaryIO:
    """A temporary file with what can be read, up to one of these exceptions."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the source closes it
    with suppress(*end):
        shutil.copyfileobj(file, copy, CHUNK)
    copy.seek(0)
    return cast("BinaryIO", copy)


class Index:
    """Where the wanted traces of all files stand, and when they were made."""

    def __init__(self, sources: list[Source], *, skip: bool) -> None:
        self.ignored: Counter[str] = Counter()
        self.bad = 0
        self.first_bad = ""
        self.streams: dict[Stream, int] = {}  # with the number of their traces
        self.targets: set[str] = set()  # of all traces, wanted or not, as far as an error names them
        self._sources = sources
        self._skip = skip
        self._at, self._offset = array("q"), array("q")
        self._length, self._source, self._part = array("L"), array("H"), array("H")

    def __len__(self) -> int:
        return len(self._at)

    @property
    def span(self) -> tuple[int, int] | None:
        """The first and the last instant; None without traces."""
        return (min(self._at), max(self._at)) if self._at else None

    def fill(self, wanted: Wanted, progress: Progress) -> None:
        """Read all files. Raises `ConfigError` for the first bad item, unless such are skipped."""
        for number, source in enumerate(self._sources):
            try:
                for item in Splitter(source):
                    self._note(number, item, wanted)
                    progress(f"reading {source.name}", source.done)
            except ConfigError as error:
                if not self._skip or isinstance(error, TooMany):
                    raise
                self._bad(str(error))

    def replay(self, progress: Progress) -> Iterator[Recorded]:
        """The traces in the order of time; those of one instant in the order of the files."""
        order = self._order()
        for done, index in enumerate(order):
            progress("replaying", done / len(order))
            yield self._read(index)

    def _read(self, index: int) -> Recorded:
        """A trace once more. Raises `ConfigError` if its file is no longer what it was."""
        source, part = self._sources[self._source[index]], self._part[index]
        data = source.read_at(self._offset[index], self._length[index])
        with suppress(Unreadable):
            found = traces(data)
            if not isinstance(found, Ignored) and part < len(found):
                return found[part]
        raise ConfigError(f"{source.name} changed while it was read", "copy it first")

    def _note(self, number: int, item: Item, wanted: Wanted) -> None:
        try:
            found = _traces(item)
        except Unreadable as error:
            problem = f"{self._sources[number].name}, line {item.line}, item {item.number}: {error}"
            if not self._skip:
                raise ConfigError(problem, "--skip-bad leaves such out") from None
            self._bad(problem)
            return
        if isinstance(found, Ignored):
            self.ignored.update([found.kind] if found.kind else [])
            return
        for part, recorded in enumerate(found):
            if len(self.targets) < MOST_STREAMS:
                self.targets.add(recorded.stream.target)
            if wanted(recorded):
                self._add(recorded, (item.offset, len(item.data), number, part))

    def _add(self, recorded: Recorded, place: tuple[int, int, int, int]) -> None:
        self.streams[recorded.stream] = self.streams.get(recorded.stream, 0) + 1
        if len(self.streams) > MOST_STREAMS:
            raise TooMany(f"there are more than {MOST_STREAMS} streams of traces", "choose with --target, --from and --to")
        self._at.append(recorded.trace.at)
        for column, value in zip((self._offset, self._length, self._source, self._part), place, strict=True):
            column.append(value)

    def _bad(self, problem: str) -> None:
        self.bad += 1
        self.first_bad = self.first_bad or problem

    def _order(self) -> list[int] | range:
        """The numbers of the traces by time; files that are read back and forth so are unpacked."""
        at, count = self._at, len(self._at)
        if all(at[index - 1] <= at[index] for index in range(1, count)):
            return range(count)
        order = sorted(range(count), key=at.__getitem__)
        last = [0] * len(self._sources)
        for index in order:
            number = self._source[index]
            if self._offset[index] < last[number]:
                self._sources[number].unpack()
            last[number] = self._offset[index]
        return order


def _traces(item: Item) -> tuple[Recorded, ...] | Ignored:
    if item.problem:
        raise Unreadable(item.problem)
    return traces(item.data)


class TooMany(ConfigError):
    """More than the memory is meant to hold; no item's fault, so not skipped with one."""
