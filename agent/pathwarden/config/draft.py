"""A target, and the source that it leaves by, before they are configured: read and checked as those of the file would be."""

from collections.abc import Mapping

from pathwarden.config import uci
from pathwarden.config.load import make_source, source_values
from pathwarden.config.sections import Problems, Section, read_options
from pathwarden.config.targets import make_target, target_values
from pathwarden.model.asked import BadOptions
from pathwarden.model.probe import Binding
from pathwarden.model.settings import Settings, Source, Target

_UNNAMED = "source"  # what a source is called that has no name yet


def draft(settings: Settings, target: Mapping[str, str], source: Mapping[str, str] | None) -> tuple[Target, Source]:
    """The target of these options, without an id, and its source: one of the settings', or with `source` that of those options.

    Raises `BadOptions` with every problem; those of the source's options are `source.NAME`.
    """
    problems = Problems()
    known = {each.name: each for each in settings.sources}
    if source is not None:
        target = {**target, "source": target.get("source") or _UNNAMED}
        values = source_values(_section("source", source, problems), problems)
        if not problems:
            known[target["source"]] = make_source(target["source"], values)
        else:
            known.setdefault(target["source"], Source(target["source"], Binding()))
    usual = Section("defaults", "defaults", dict(settings.defaults), frozenset())
    sources = [Section(name, name, {}, frozenset()) for name in known]
    found = target_values(_section("target", target, problems), {"defaults": [usual], "source": sources}, problems)
    if problems:
        raise BadOptions([_told(line) for line in problems], problems.wrong)
    made = make_target("", found)
    return made, known[made.source] if made.source else Source("", Binding())


def _section(type_: str, options: Mapping[str, str], problems: Problems) -> Section:
    written = tuple(uci.Option(name, text) for name, text in options.items())
    return Section(type_, type_, *read_options(uci.Section(type_, type_, written), type_, problems))


def _told(line: str) -> tuple[str, str]:
    """Option and problem of a line of `Problems`."""
    place, _, problem = line.removeprefix("pathwarden.").partition(": ")
    return place.removeprefix("target").removeprefix("."), problem
