"""What a person sees: a program run on a pseudo terminal, and the screen that its output draws."""

import fcntl
import os
import re
import select
import struct
import termios
import time
from collections.abc import Callable

from pathwarden.cli.terminal import width

_SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")
_DEADLINE_S = 60


class Glass:
    """A screen of fixed size that understands what the live table draws with, and refuses every other control."""

    def __init__(self, columns: int, height: int) -> None:
        self.columns, self.height = columns, height
        self.rows = [""] * height
        self.other = False  # the other screen is shown
        self.cursor = True
        self.colored = False
        self.left = ""  # what is written outside the other screen
        self._row = 0
        self._rest = ""

    def feed(self, text: str) -> None:
        """Take in output; a sequence may be cut at its end."""
        text = self._rest + text
        cut = text.rfind("\x1b")
        whole = len(text) if cut < 0 or _SEQUENCE.match(text, cut) else cut
        text, self._rest = text[:whole], text[whole:]
        at = 0
        for found in _SEQUENCE.finditer(text):
            self._write(text[at : found.start()])
            self._control(found[1], found[2])
            at = found.end()
        self._write(text[at:])

    def text(self) -> str:
        """What is seen."""
        return "\n".join(row.rstrip() for row in self.rows).rstrip()

    def _write(self, text: str) -> None:
        if not self.other:
            self.left += text
            return
        assert "\x1b" not in text, repr(text)
        assert text.isprintable() or not text, repr(text)
        self.rows[self._row] += text
        assert width(self.rows[self._row]) <= self.columns, self.rows[self._row]

    def _control(self, arguments: str, letter: str) -> None:
        if letter == "H":
            row, _column = arguments.split(";")
            self._row = int(row) - 1
            assert self._row < self.height
        elif (arguments, letter) == ("2", "K"):
            self.rows[self._row] = ""
        elif (arguments, letter) == ("", "J"):
            self.rows[self._row :] = [""] * (self.height - self._row)
        elif letter == "m":
            self.colored = True
        else:
            mode = {"?1049": "other", "?25": "cursor"}[arguments]
            setattr(self, mode, letter == "h")


class Terminal:
    """A pseudo terminal: hand `inside` to a program as its standard input and output, then `until` a screen is seen."""

    def __init__(self, columns: int = 80, height: int = 24) -> None:
        self.outside, self.inside = os.openpty()
        self.glass = Glass(columns, height)
        self.resize(columns, height)

    def resize(self, columns: int, height: int) -> None:
        """Another size; what was drawn before it may still come, so it is looked at with a glass that takes both."""
        self.glass.columns = max(columns, self.glass.columns)
        fcntl.ioctl(self.outside, termios.TIOCSWINSZ, struct.pack("HHHH", height, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.outside, keys.encode())

    def until(self, seen: Callable[[Glass], bool]) -> Glass:
        """Read on until the screen is so."""
        deadline = time.monotonic() + _DEADLINE_S
        while not seen(self.glass):
            assert time.monotonic() < deadline, f"never seen; on the screen:\n{self.glass.text()}\nbeside it:\n{self.glass.left}"
            self.read(0.5)
        return self.glass

    def read(self, wait_s: float) -> None:
        """Take in what the program wrote."""
        if select.select([self.outside], [], [], wait_s)[0]:
            self.glass.feed(os.read(self.outside, 65536).decode())

    def close(self) -> None:
        """Give both ends back."""
        os.close(self.outside)
        os.close(self.inside)
