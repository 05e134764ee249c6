"""A terminal that is drawn in place: another screen while it is open, keys as they are pressed, everything as before afterwards."""

import os
import select
import signal
import sys
import termios
from types import FrameType
from typing import Self

_OPEN = "\x1b[?1049h\x1b[?25l"  # the other screen, without a cursor
_CLOSE = "\x1b[?25h\x1b[?1049l"
_SIZE = (80, 24)  # of a terminal that does not tell, as a serial line does not
_TERMINATED = 128 + signal.SIGTERM


class Window:
    """Use it as a context manager, in the main thread. Without a terminal to read from there are no keys."""

    def __init__(self) -> None:
        self._keys_from = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        self._before = termios.tcgetattr(self._keys_from) if self._keys_from is not None else None
        self._encoding = sys.stdout.encoding or "ascii"

    def __enter__(self) -> Self:
        self._handler = signal.signal(signal.SIGTERM, _end)  # or the terminal would stay as it is
        if self._keys_from is not None:
            mode = termios.tcgetattr(self._keys_from)
            mode[3] &= ~(termios.ICANON | termios.ECHO)
            # Nobody could go back to a shell that sits behind this screen.
            mode[6][termios.VSUSP] = b"\0"
            termios.tcsetattr(self._keys_from, termios.TCSADRAIN, mode)
        self._write(_OPEN)
        return self

    def __exit__(self, *_: object) -> None:
        self._write(_CLOSE)
        if self._keys_from is not None and self._before is not None:
            termios.tcsetattr(self._keys_from, termios.TCSADRAIN, self._before)
        signal.signal(signal.SIGTERM, self._handler)

    @staticmethod
    def size() -> tuple[int, int]:
        """Columns and lines, as they are now."""
        try:
            found = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            return _SIZE
        return (found.columns or _SIZE[0], found.lines or _SIZE[1])

    def draw(self, lines: list[str], height: int) -> None:
        """Show these lines, at most `height` of them, from the top, and nothing below."""
        # Each line is emptied before it is written: afterwards the last column of a full one would go.
        pieces = [f"\x1b[{row};1H\x1b[2K{line}" for row, line in enumerate(lines, 1)]
        if len(lines) < height:
            pieces.append(f"\x1b[{len(lines) + 1};1H\x1b[J")
        self._write("".join(pieces))

    def pressed(self) -> str:
        """The keys pressed since the last call; cursor keys and the like are none."""
        if self._keys_from is None or not select.select([self._keys_from], [], [], 0)[0]:
            return ""
        keys = os.read(self._keys_from, 64)
        if not keys:
            self._keys_from = None  # hung up
        return "" if keys.startswith(b"\x1b") else keys.decode("ascii", "ignore")

    def _write(self, text: str) -> None:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode(self._encoding, "replace"))
        sys.stdout.buffer.flush()


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(_TERMINATED)
