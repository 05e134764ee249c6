"""UCI text, OpenWrt's configuration format, read and written as `uci export` does.

Rules, learnt from libuci:
- a line holds commands: `package NAME`, `config TYPE [NAME]`, `option NAME [VALUE]`, `list NAME VALUE`; one letter is enough;
- an argument ends at white space, at `;` or at `#` (a comment); `'...'` takes everything as it is, `"..."` and bare text take the
  character after a backslash as it is; a backslash before a line end joins the lines; a quoted value may span lines;
- `;` separates commands only after a quote or an escape: directly after bare text it ends the line, before an argument it is an empty one;
- a section named twice goes on where it was, an option given twice takes the later value, an empty option value changes nothing,
  `list` after `option` makes a list of both;
- an error names the lines read so far (a last line without line end does not count) and the byte within the joined line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

# isspace() in the C locale: other scripts' spaces belong to values.
_SPACE = frozenset(" \t\n\v\f\r")
_COMMAND = re.compile(r"[ \t]*([^ \t]*)")
_COMMANDS = {full[:length]: full for full in ("package", "config", "option", "list") for length in (1, len(full))}
# What an error says when nothing at all follows the command.
_NAMELESS = {
    "package": "package without name",
    "config": "config without name",
    "option": "option without name",
    "list": "option without name",
}
_NAME = re.compile(r"[A-Za-z0-9_]+")
_PACKAGE = re.compile(r"[A-Za-z0-9_-]+")
_TYPE = re.compile(r"[!-~]+")


class UciError(ValueError):
    """UCI text that cannot be read; the message is libuci's own. `line` counts from 1, `byte` from 0."""

    def __init__(self, reason: str, line: int, byte: int) -> None:
        super().__init__(f"Parse error ({reason}) at line {line}, byte {byte}")
        self.line = line
        self.byte = byte


class Option(NamedTuple):
    """One option: a string, or a tuple of strings if it was written with `list`."""

    name: str
    value: str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One section; `name` is None for an anonymous one, `line` where it begins (0: not read from text), which equality ignores."""

    type: str
    name: str | None
    options: tuple[Option, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Document:
    """All sections of one file, in order."""

    sections: tuple[Section, ...]


def parse(text: str) -> Document:
    """The sections of a UCI text. Raises `UciError`.

    One difference from libuci: a NUL character, which it takes for a line's end, is an error here.
    """
    if "\0" in text:
        before = text[: text.index("\0")]
        raise UciError("NUL character", before.count("\n") + 1, len(_encoded(before.rpartition("\n")[2])))
    reader = _Reader(text)
    builder = _Builder()
    while reader.next_line():
        while command := reader.command(started=builder.started):
            _COMMAND_READERS[command](reader, builder)
    return builder.document()


def export(document: Document, package_name: str) -> str:
    """The text that `uci export` prints for these sections."""
    lines = [f"package {_escape(package_name)}\n"]
    for section in document.sections:
        name = "" if section.name is None else f" '{_escape(section.name)}'"
        lines.append(f"\nconfig {_escape(section.type)}{name}\n")
        for option in section.options:
            values, word = ((option.value,), "option") if isinstance(option.value, str) else (option.value, "list")
            lines += [f"\t{word} {_escape(option.name)} '{_escape(value)}'\n" for value in values]
    return "".join(lines) + "\n"


def _escape(value: str) -> str:
    return value.replace("'", "'\\''")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class _Reader:
    """A cursor over one line, joined with those that a quote or a backslash draws in."""

    def __init__(self, text: str) -> None:
        self._lines: Iterator[str] = iter(re.findall(r"[^\n]*\n|[^\n]+", text))
        self._buffer = ""
        self._pos = 0
        self._complete = 0
        self.begun = 0

    def next_line(self) -> bool:
        """Start the next line; False at the end of the text."""
        self._pos = 0
        if not self._fetch():
            return False
        self._skip_space()
        return True

    def command(self, *, started: bool) -> str | None:
        """The next command of this line, its full word; None at the line's end. `started` tells that a section is open."""
        found = _COMMAND.match(self._buffer, self._pos)
        word = found[1] if found else ""
        if not found or not word or word[0] == "#":
            return None
        command = _COMMANDS.get(word)
        if command is None:
            self.fail("invalid command")
        if command in ("option", "list") and not started:
            self.fail("option/list command found before the first section")
        if found.end() == len(self._buffer):
            self.fail(_NAMELESS[command])
        self._pos = found.end() + 1
        return command

    def argument(self, *, required: bool = False, pattern: re.Pattern[str] | None = None) -> str:
        """The next argument, '' if there is none; `pattern` is what a name must match."""
        self._skip_space()
        if self._char == ";":
            self._pos += 1
            value = ""
        else:
            value = self._string()
        if not value and required:
            self.fail("insufficient arguments")
        if value and pattern and not pattern.fullmatch(value):
            self.fail("invalid character in name field")
        return value

    def end(self) -> None:
        """Nothing may follow in this command."""
        if self.argument():
            self.fail("too many arguments")

    def fail(self, reason: str) -> NoReturn:
        """Raise `UciError` for the place of the cursor."""
        raise UciError(reason, self._complete, len(_encoded(self._buffer[: self._pos])))

    @property
    def _char(self) -> str:
        return self._buffer[self._pos : self._pos + 1]

    def _fetch(self) -> bool:
        """Put the next line of the text in place of what is left of the buffer."""
        line = next(self._lines, "")
        self._buffer = self._buffer[: self._pos] + line
        self._complete += line.endswith("\n")
        self.begun += 1
        return bool(line)

    def _skip_space(self) -> None:
        while self._char in _SPACE:
            self._pos += 1

    def _take(self) -> str:
        char = self._char
        self._pos += 1
        return char

    def _string(self) -> str:
        parts: list[str] = []
        start = self._pos
        while (char := self._char) and char not in _SPACE and char not in "#;":
            parts.append(self._piece())
        value = "".join(parts)
        # libuci ends the string in place: without a quote or an escape before it, that overwrites the `;`, and the line ends.
        if char == "#" or (char == ";" and len(value) == self._pos - start):
            self._buffer = self._buffer[: self._pos]
        elif char in _SPACE:
            self._pos += 1
        return value

    def _piece(self) -> str:
        char = self._take()
        if char in "'\"":
            return self._quoted(char)
        return self._escaped() if char == "\\" else char

    def _quoted(self, quote: str) -> str:
        parts: list[str] = []
        while (char := self._quoted_char(quote)) != quote:
            parts.append(self._escaped() if char == "\\" and quote == '"' else char)
        return "".join(parts)

    def _quoted_char(self, quote: str) -> str:
        if not self._char and not self._fetch():
            self.fail(f"EOF with unterminated {quote}")
        return self._take()

    def _escaped(self) -> str:
        """The character after a backslash; '' if the line ends there, and the next line then takes the place of its end."""
        if self._buffer[self._pos :] in ("", "\n", "\r\n"):
            self._fetch()
            return ""
        return self._take()


class _Builder:
    """The sections read so far."""

    def __init__(self) -> None:
        self._sections: list[tuple[str, str | None, int, dict[str, str | tuple[str, ...]]]] = []
        self._named: dict[str, int] = {}
        self._options: dict[str, str | tuple[str, ...]] = {}

    @property
    def started(self) -> bool:
        return bool(self._sections)

    def type_of(self, name: str) -> str | None:
        """The type of a named section, None if there is none of this name."""
        return self._sections[self._named[name]][0] if name in self._named else None

    def open(self, type_: str, name: str, line: int) -> None:
        if name in self._named:
            self._options = self._sections[self._named[name]][3]
            return
        self._options = {}
        if name:
            self._named[name] = len(self._sections)
        self._sections.append((type_, name or None, line, self._options))

    def set(self, name: str, value: str) -> None:
        if value:
            self._options[name] = value

    def append(self, name: str, value: str) -> None:
        before = self._options.get(name, ())
        self._options[name] = (*((before,) if isinstance(before, str) else before), value)

    def document(self) -> Document:
        return Document(
            tuple(
                Section(type_, name, tuple(Option(*item) for item in options.items()), line)
                for type_, name, line, options in self._sections
            )
        )


def _read_package(reader: _Reader, _builder: _Builder) -> None:
    # The file's own name is the package's; libuci checks the word and ignores it.
    reader.argument(required=True, pattern=_PACKAGE)
    reader.end()


def _read_config(reader: _Reader, builder: _Builder) -> None:
    line = reader.begun
    type_ = reader.argument(required=True)
    if not _TYPE.fullmatch(type_):
        reader.fail("invalid character in type field")
    name = reader.argument(pattern=_NAME)
    reader.end()
    if builder.type_of(name) not in (None, type_):
        reader.fail("section of different type overwrites prior section with same name")
    builder.open(type_, name, line)


def _read_option(reader: _Reader, builder: _Builder) -> None:
    builder.set(*_name_and_value(reader))


def _read_list(reader: _Reader, builder: _Builder) -> None:
    builder.append(*_name_and_value(reader))


def _name_and_value(reader: _Reader) -> tuple[str, str]:
    name, value = reader.argument(required=True, pattern=_NAME), reader.argument()
    reader.end()
    return name, value


_COMMAND_READERS = {"package": _read_package, "config": _read_config, "option": _read_option, "list": _read_list}
