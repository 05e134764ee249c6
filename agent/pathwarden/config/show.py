"""Settings back to text: the effective configuration, and the sample that people start from."""

import textwrap
from collections.abc import Mapping

from pathwarden.config import uci
from pathwarden.config.schema import LISTEN_OFF, SECTION_HELP, SECTIONS, Kind, Option, describe
from pathwarden.config.values import LISTS
from pathwarden.model.settings import Settings, Source, Target

# What the sample's commented sections say: documentation names and a usual mobile uplink.
_EXAMPLES = {
    "target": ("example", {"host": "example.net", "label": "Example"}),
    "source": ("uplink", {"device": "wwan0"}),
    "hook": ("alarm", {"program": "/bin/true"}),
}
# Comments stay readable in a terminal of 80 columns, tab included.
_WIDTH = 78
_TAB = 8

_SAMPLE_HEAD = """\
# Pathwarden's configuration. Every option stands here with its default,
# behind a #: take the # away and change the value. `pathwarden config check
# FILE` tells what is wrong, `pathwarden config show` what holds.
"""


def show(settings: Settings) -> str:
    """UCI text of the effective configuration, every default filled in; loading it gives the same settings."""
    sections = [
        *(_section(name, name, _plain_values(name, getattr(settings, name))) for name in ("agent", "mqtt", "web")),
        *(_section("source", source.name, _source_values(source)) for source in settings.sources),
        *(_section("target", target.tid, _target_values(target)) for target in settings.targets),
        *(_section("hook", None if hook.name.startswith("@") else hook.name, _plain_values("hook", hook)) for hook in settings.hooks),
    ]
    return uci.export(uci.Document(tuple(sections)), "pathwarden")


def as_json(settings: Settings) -> dict[str, object]:
    """The effective configuration as a JSON-ready object; `options` is the schema (`describe`)."""
    return {
        **{name: _plain_values(name, getattr(settings, name)) for name in ("agent", "mqtt", "web")},
        "sources": [{"name": source.name, **_source_values(source)} for source in settings.sources],
        "targets": [{"id": target.tid, **_target_values(target)} for target in settings.targets],
        "hooks": [{"name": hook.name, **_plain_values("hook", hook)} for hook in settings.hooks],
        "default_targets": settings.default_targets,
        "options": describe(),
    }


def sample() -> str:
    """A configuration file to start from: every option with its help, at its default behind a comment sign."""
    return _SAMPLE_HEAD + "".join(_sample_section(type_) for type_ in SECTIONS)


def _plain_values(type_: str, values: object) -> dict[str, object]:
    return {option.name: getattr(values, option.name) for option in SECTIONS[type_]}


def _source_values(source: Source) -> dict[str, object]:
    values = {"interface": source.interface, **source.binding._asdict()}
    return {option.name: values[option.name] for option in SECTIONS["source"]}


def _target_values(target: Target) -> dict[str, object]:
    values = _plain_values("target", target)
    # A host may be longer than a label may be; the empty label stands for it.
    return {
        **values,
        "label": "" if target.label == target.host else target.label,
        "family": str(target.family) if target.family else "auto",
    }


def _section(type_: str, name: str | None, values: Mapping[str, object]) -> uci.Section:
    return uci.Section(type_, name, tuple(uci.Option(option.name, _text(option, values[option.name])) for option in SECTIONS[type_]))


def _text(option: Option, value: object) -> str | tuple[str, ...]:
    if isinstance(value, tuple):
        return value or ((LISTEN_OFF,) if option.kind is Kind.LISTEN else "")
    if isinstance(value, bool):
        return str(int(value))
    if option.kind in (Kind.TABLE, Kind.MARK):
        return "" if not value else f"{value:#x}" if option.kind is Kind.MARK else str(value)
    # 3.0 is written as people write it.
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _sample_section(type_: str) -> str:
    name, values = _EXAMPLES.get(type_, (type_, {}))
    example = type_ in _EXAMPLES
    lines = ["", *_comment(SECTION_HELP[type_]), f"{'#' if example else ''}config {type_} '{name}'"]
    for option in SECTIONS[type_]:
        if type_ == "target" and option.name not in values:
            continue  # the options that it shares with `defaults` are explained there
        word = "list" if option.kind in LISTS else "option"
        limits = f" [{option.limits}]" if option.limits else ""
        lines += _inside(option.help + limits)
        lines.append(f"\t#{word} {option.name} '{values.get(option.name, option.default)}'")
    if type_ == "target":
        lines += _inside("Any option of defaults may stand here too.")
    return "\n".join(lines) + "\n"


def _inside(text: str) -> list[str]:
    """A comment within a section."""
    return [f"\t{line}" for line in _comment(text, _WIDTH - _TAB)]


def _comment(text: str, width: int = _WIDTH) -> list[str]:
    return textwrap.wrap(text, width, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False)
