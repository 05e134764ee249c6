"""Sections of a configuration: their options read by the schema, and every problem noted in the operator's words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pathwarden.config import uci
from pathwarden.config.schema import ID_LENGTH, NAMELESS, SECTIONS, SINGLE
from pathwarden.config.values import BadValue, Value, default, read, shown
from pathwarden.errors import ConfigError
from pathwarden.model.access import Wrong


class Problems(list[str]):
    """What is wrong, in the operator's words; in `wrong` for programs."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[Wrong] = []

    def add(self, label: str, option: str, problem: str, code: str = "other", about: str = "") -> None:
        """Note one; `option` '' if it is the section's. `code` and `about` as in `Wrong`."""
        self.wrong.append(Wrong(label, option, code, about, problem))
        self.append(self.wrong[-1].line)


class BadConfig(ConfigError):
    """All that is wrong with a configuration, one a line."""

    def __init__(self, problems: Problems) -> None:
        super().__init__("\n".join(problems))
        self.wrong = tuple(problems.wrong)


@dataclass(frozen=True, slots=True)
class Section:
    """A section with the options that stand in it: the good values, and the names of the bad ones."""

    name: str
    label: str
    given: dict[str, Value]
    bad: frozenset[str]


Sections = Mapping[str, list[Section]]


def read_sections(document: uci.Document, problems: Problems) -> Sections:
    """The sections of a file by their types."""
    found: dict[str, list[Section]] = {type_: [] for type_ in SECTIONS}
    counts: dict[str, int] = {}
    for section in document.sections:
        number = counts[section.type] = counts.get(section.type, -1) + 1
        label = section.name or f"@{shown(section.type)}[{number}]"
        if section.type not in SECTIONS:
            problems.add(label, "", f"unknown section type {shown(section.type)} (line {section.line}); {nearest(section.type, SECTIONS)}")
            continue
        if section.type not in SINGLE:
            if section.name or section.type not in NAMELESS:
                _check_name(section, label, problems)
        elif number:
            problems.add(label, "", f"is a second {section.type} section (line {section.line}); keep one")
        given, bad = read_options(section, label, problems)
        found[section.type].append(Section(section.name or label, label, given, bad))
    return found


def _check_name(section: uci.Section, label: str, problems: Problems) -> None:
    if section.name is None:
        problems.add(label, "", f"this {section.type} has no name (line {section.line}); write config {section.type} 'NAME'")
    elif len(section.name) > ID_LENGTH:
        problems.add(label, "", f"the name is {len(section.name)} characters long; at most {ID_LENGTH}")


def read_options(section: uci.Section, label: str, problems: Problems) -> tuple[dict[str, Value], frozenset[str]]:
    """A section's good values, and the names of the bad ones."""
    known = {option.name: option for option in SECTIONS[section.type]}
    given: dict[str, Value] = {}
    bad = set()
    for name, text in section.options:
        if name not in known:
            problems.add(label, name, f"unknown option; {nearest(name, known)}", "unknown_option")
            continue
        try:
            given[name] = read(known[name], text)
        except BadValue as error:
            problems.add(label, name, str(error), "bad_value")
            bad.add(name)
    return given, frozenset(bad)


def nearest(word: str, known: Iterable[str]) -> str:
    """The remedy for a name that is not known."""
    from difflib import get_close_matches  # only an error needs it

    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"


def merge(type_: str, *sections: Section) -> dict[str, Any]:
    """A section's values: the schema's defaults under those given; bad ones are left out, so that nothing is said about them twice."""
    values: dict[str, Any] = {option.name: default(option) for option in SECTIONS[type_] if not option.required}
    for section in sections:
        values |= section.given
        for name in section.bad:
            values.pop(name, None)
    return values


def label_of(sections: Sections, type_: str) -> str:
    """What messages call the section of a type that stands once."""
    return sections[type_][0].label if sections[type_] else type_
