"""What every command prints with: columns counted as a terminal does, colours where they are wanted, nothing that could steer it."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

COLUMNS = 80  # when nobody says how wide it is
LEAST = 6  # columns that a cut text keeps
MORE = "…"
_CODES = {"green": "32", "yellow": "33", "red": "31", "bold": "1", "dim": "2"}
_GAP = "  "
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Screen:
    """Where a command prints to: `columns` wide; `colors` tells whether colours are shown."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.columns = shutil.get_terminal_size((COLUMNS, 24)).columns
        # no-color.org: set and not empty.
        self.colors = sys.stdout.isatty() and not args.no_color and not os.environ.get("NO_COLOR")

    def paint(self, text: str, color: str) -> str:
        """The text in a colour of `_CODES`; '' is none."""
        return f"\x1b[{_CODES[color]}m{text}\x1b[0m" if color and self.colors else text

    def wrapped(self, text: str, indent: int = 0, first: int | None = None) -> str:
        """The text broken between words where the screen ends; the first line begins at column `first`, the others at `indent`."""
        used = indent if first is None else first
        lines, line = [], ""
        for word in text.split():
            if line and used + width(line) + 1 + width(word) > self.columns:
                lines.append(line)
                line, used = word, indent
            else:
                line = f"{line} {word}" if line else word
        return ("\n" + " " * indent).join([*lines, line])


class Paragraphs(argparse.HelpFormatter):
    """Help whose description keeps its paragraphs apart, each broken where the screen ends."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(super(Paragraphs, self)._fill_text(part, width, indent) for part in text.split("\n\n"))


def clean(text: object) -> str:
    """The text on one line, without what could steer a terminal or turn the direction: control and format characters."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def width(text: str) -> int:
    """Columns that a text takes: two for a wide character, none for a combining mark."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fitted(text: str, columns: int) -> str:
    """The text cut or filled to exactly so many columns."""
    if width(text) > columns:
        while width(text) > columns - 1:
            text = text[:-1]
        text += MORE
    return text + " " * (columns - width(text))


def rows(table: Sequence[Sequence[str]], right: Iterable[int], elastic: Iterable[int], columns: int) -> list[list[str]]:
    """The cells of a table filled to equal columns, so that `line_of` a row fits on the screen.

    `right` names the columns of figures, `elastic` those that are cut if there is no room, the first of them first.
    """
    widths = [max(width(cell) for cell in column) for column in zip(*table, strict=True)]
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - columns
    for index in elastic:
        cut = min(max(over, 0), max(widths[index] - LEAST, 0))
        widths[index] -= cut
        over -= cut
    figures = set(right)
    fill = [_to_the_right if index in figures else fitted for index in range(len(widths))]
    return [[filled(cell, room) for filled, cell, room in zip(fill, row, widths, strict=True)] for row in table]


def _to_the_right(text: str, columns: int) -> str:
    return " " * (columns - width(text)) + text


def line_of(cells: Sequence[str]) -> str:
    """One line of a table."""
    return _GAP.join(cells).rstrip()


def local(at: int) -> str:
    """An instant (wall-clock ns) by this machine's time zone: `2026-11-21 08:45:00`."""
    return datetime.fromtimestamp(at // 1_000_000_000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float) -> str:
    """A duration in its largest unit, cut: `12 s`, `5 min`, `3 h`, `4 d`."""
    whole = max(int(seconds), 0)
    size, unit = next((pair for pair in _UNITS if whole >= pair[0]), _UNITS[-1])
    return f"{whole // size} {unit}"


def counted(count: int, noun: str) -> str:
    """`1 trace`, `2 traces`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def figure(value: object, digits: int) -> str:
    """A number with so many decimals, `-` for None."""
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "-"


def say(text: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(f"{text}\n")


def say_json(value: object, *, indent: int | None = 2) -> None:
    """Print a JSON value; on one line without `indent`."""
    say(json.dumps(value, ensure_ascii=False, indent=indent))


def remark(args: argparse.Namespace, text: str) -> None:
    """Tell something beside the result, on standard error, unless `--quiet`."""
    if not args.quiet:
        sys.stderr.write(f"{text}\n")
