"""Changes to UCI text that leave everything else as it was written: comments, blank lines, unknown sections, the order.

Rules:
1. A section is found where one line begins it and names it; its part of the text goes to the next line that begins a section.
2. Lines of options that go are taken out, those that change are written anew in their place, new ones follow the last one; whatever
   else stands there stays as it is.
3. The text that comes out is read again. Where it does not say what was wanted, and nothing else, the text is one that only people can
   change: several commands in a line, values over several lines, a section in several places.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from pathwarden.config import uci

_BEGINS = re.compile(r"[ \t]*(?:c|config|p|package)(?:[ \t]|$)")
_SETS = re.compile(r"[ \t]*(?:o|option|l|list)[ \t]+(['\"]?)(\w+)\1(?:[ \t]|$)", re.ASCII)


class CannotEdit(ValueError):
    """The text is written in a way that only people can change."""


def put(text: str, type_: str, name: str, options: Mapping[str, str]) -> str:
    """The text with a section that has these options and no others; '' leaves one out. Raises `CannotEdit` and `uci.UciError`."""
    given = {option: value for option, value in options.items() if value}
    before = uci.parse(text)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    span = _span(lines, type_, name, before)
    if span is None:
        gap = ["\n"] if lines and lines[-1].strip() else []
        made = [*lines, *gap, f"config {type_} {_quoted(name)}\n", *(_line(*item) for item in given.items())]
    else:
        there = next(dict(section.options) for section in before.sections if (section.type, section.name) == (type_, name))
        made = [*lines[: span[0]], *_rewritten(lines[slice(*span)], given, there), *lines[span[1] :]]
    wanted = uci.Section(type_, name, tuple(uci.Option(*item) for item in given.items()))
    return _checked(made, before, wanted, (type_, name))


def remove(text: str, type_: str, name: str) -> str:
    """The text without a section. Raises `KeyError` if there is none, `CannotEdit` and `uci.UciError`."""
    before = uci.parse(text)
    lines = text.splitlines(keepends=True)
    span = _span(lines, type_, name, before)
    if span is None:
        raise KeyError(name)
    # What stands behind the last option explains what comes next.
    last = max((number for number in range(*span) if _SETS.match(lines[number])), default=span[0])
    return _checked([*lines[: span[0]], *lines[last + 1 :]], before, None, (type_, name))


def _span(lines: list[str], type_: str, name: str, before: uci.Document) -> tuple[int, int] | None:
    """Where a section begins and ends; None if there is none. Raises `CannotEdit`."""
    begins = re.compile(rf"[ \t]*(?:c|config)[ \t]+(['\"]?){re.escape(type_)}\1[ \t]+(['\"]?){re.escape(name)}\2[ \t]*(?:#.*)?$")
    starts = [number for number, line in enumerate(lines) if begins.match(line)]
    if not starts:
        if any((section.type, section.name) == (type_, name) for section in before.sections):
            raise CannotEdit(name)
        return None
    after = (number for number in range(starts[0] + 1, len(lines)) if _BEGINS.match(lines[number]))
    return starts[0], next(after, len(lines))


def _rewritten(lines: list[str], given: Mapping[str, str], there: Mapping[str, object]) -> list[str]:
    left, made, last = dict(given), [], 0
    for line in lines:
        found = _SETS.match(line)
        if found is None:
            made.append(line)
        elif found[2] in left:
            value = left.pop(found[2])
            made.append(line if there.get(found[2]) == value else _line(found[2], value, _comment(line)))
        else:
            continue
        if found or len(made) == 1:
            last = len(made)
    return [*made[:last], *(_line(*item) for item in left.items()), *made[last:]]


def _comment(line: str) -> str:
    """A comment behind a value; '' where a quote might hold the sign."""
    _, sign, words = line.rstrip("\n").partition(" #")
    return f" #{words}" if sign and not set(words) & set("'\"") else ""


def _line(option: str, value: str, comment: str = "") -> str:
    return f"\toption {option} {_quoted(value)}{comment}\n"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _checked(lines: list[str], before: uci.Document, wanted: uci.Section | None, key: tuple[str, str]) -> str:
    text = "".join(lines)
    expected = [section for section in before.sections if (section.type, section.name) != key]
    try:
        found = uci.parse(text).sections
    except uci.UciError as error:
        raise CannotEdit(key[1]) from error
    changed = [section for section in found if (section.type, section.name) == key]
    others = [section for section in found if (section.type, section.name) != key]
    same = [_sorted(section) for section in changed] == ([] if wanted is None else [_sorted(wanted)])
    if others != expected or not same:
        raise CannotEdit(key[1])
    return text


def _sorted(section: uci.Section) -> uci.Section:
    return replace(section, options=tuple(sorted(section.options)))
