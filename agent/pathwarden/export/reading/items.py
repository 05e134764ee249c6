"""A file taken apart into JSON objects: one a line, one over several lines, or the elements of a list; a chunk at a time.

Rules:
1. Between objects stand spaces, line ends, commas and the brackets of lists; anything else is a fault.
2. An object ends where its brackets close; texts are skipped. It may hold `MOST_BYTES`, and nest `MOST_DEPTH` deep.
3. A fault is an item too, with what is wrong. Reading goes on at the next line that begins with an object or a list. So a line that
   was cut off costs itself alone, though no bracket tells where it should have ended.
4. A list that is not closed at the end of the file was cut off, and so was an object.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

MOST_BYTES = 4 << 20  # a trace takes 5 to 100 KB, a table of a hundred traces 2 MB
MOST_DEPTH = 64  # a result of RIPE Atlas nests 9 deep
CHUNK = 1 << 16
_BETWEEN = re.compile(rb"[ \t\r,\x1e]*+")  # 0x1e: JSON text sequences, RFC 7464
# Up to the next bracket or line end, over whole texts. Only sets are possessive: Python before 3.11.5 goes astray in possessive groups.
_WITHIN = re.compile(rb'(?:[^"{}\[\]\n]++|"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*")*')
_BEGINS = re.compile(rb"\n(?=[{\[])")
_MARK = b"\xef\xbb\xbf"  # a byte order mark, as some editors leave it
_STEPS = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}
_SHOWN = 20


class Readable(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes, b"" at the end."""
        ...


class Item(NamedTuple):
    """An object's bytes and where they stand: offset in bytes, number of its first line, its own number, from 1 on.

    `problem` is '' or what is wrong; `data` is b"" then.
    """

    offset: int
    line: int
    number: int
    data: bytes
    problem: str = ""


class Splitter:
    """Iterates over the items of a file."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._buffer = b""
        self._base = 0  # offset of the buffer in the file
        self._at = 0  # in the buffer
        self._line = 1
        self._number = 0
        self._lists = 0  # that are open
        self._ended = False

    def __iter__(self) -> Iterator[Item]:
        self._ahead(len(_MARK))
        self._at = len(_MARK) if self._buffer.startswith(_MARK) else 0
        while self._seek():
            self._number += 1
            yield self._item() if self._buffer[self._at] == ord("{") else self._fault(f"no object begins with {self._shown()}")
        if self._lists:
            self._number += 1
            yield Item(self._base + self._at, self._line, self._number, b"", "the file ends inside a list; it was cut off")

    def _more(self) -> bool:
        """Read on; what lies before the present place is let go. False at the end."""
        self._base += self._at
        chunk = b"" if self._ended else self._file.read(CHUNK)
        self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        self._ended = not chunk
        return bool(chunk)

    def _ahead(self, size: int) -> None:
        """Have so many bytes from the present place on, if the file has them."""
        while len(self._buffer) - self._at < size and self._more():
            pass

    def _seek(self) -> bool:
        """Go to where an object should begin; False at the end."""
        while True:
            self._at = _end(_BETWEEN, self._buffer, self._at)
            if self._at == len(self._buffer):
                if not self._more():
                    return False
                continue
            byte = self._buffer[self._at : self._at + 1]
            if byte == b"\n":
                self._line += 1
            elif byte == b"[":
                self._lists += 1
            elif byte == b"]" and self._lists:
                self._lists -= 1
            else:
                return True
            self._at += 1

    def _item(self) -> Item:
        """The object that begins here; the present place stays until it has ended."""
        length = depth = lines = 0
        while True:
            length = _end(_WITHIN, self._buffer, self._at + length) - self._at
            byte = self._buffer[self._at + length : self._at + length + 1]
            if byte in _STEPS:
                depth += _STEPS[byte]
                length += 1
                if not depth:
                    return self._whole(length, lines)
                if depth > MOST_DEPTH:
                    return self._fault(f"it is nested more than {MOST_DEPTH} deep")
            elif byte == b"\n":
                lines += 1
                length += 1
            elif byte and self._buffer.find(b"\n", self._at + length) >= 0:
                return self._fault("a text in it does not end on its line; it was cut off, or is no JSON")
            elif len(self._buffer) - self._at > MOST_BYTES:
                return self._fault(f"it does not end within {MOST_BYTES >> 20} MB; it was cut off, or is no trace")
            elif not self._more():
                return self._fault("the file ends inside it; it was cut off")

    def _whole(self, length: int, lines: int) -> Item:
        item = Item(self._base + self._at, self._line, self._number, self._buffer[self._at : self._at + length])
        self._at += length
        self._line += lines
        return item

    def _fault(self, problem: str) -> Item:
        """What is wrong here; reading goes on at the next line that begins with an object or a list (rule 3)."""
        item = Item(self._base + self._at, self._line, self._number, b"", problem)
        while True:
            found = _BEGINS.search(self._buffer, self._at)
            # A line end may be the buffer's last byte: what begins the next line is not read yet.
            to = found.end() if found else max(len(self._buffer) - self._buffer.endswith(b"\n"), self._at)
            self._line += self._buffer.count(b"\n", self._at, to)
            self._at = to
            if found or not self._more():
                return item

    def _shown(self) -> str:
        """The bytes that stand here, for an error's one line."""
        self._ahead(_SHOWN)
        return ascii(self._buffer[self._at : self._at + _SHOWN].partition(b"\n")[0].decode("ascii", "replace"))


def _end(pattern: re.Pattern[bytes], buffer: bytes, start: int) -> int:
    """Where a match that begins at `start` ends; `start` itself if there is none."""
    found = pattern.match(buffer, start)
    return found.end() if found else start
