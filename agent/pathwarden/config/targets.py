"""Targets: what their options must have in common, those that the agent chooses itself, and those that are added while it runs."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pathwarden.config import uci
from pathwarden.config.schema import ID_LENGTH
from pathwarden.config.sections import Problems, Section, Sections, merge, nearest, read_options
from pathwarden.config.values import address_of, shown
from pathwarden.errors import ConfigError
from pathwarden.model.probe import Method
from pathwarden.model.settings import Settings, Target

_FAMILIES = {"auto": 0, "4": 4, "6": 6}
# What a UDP target's port 0 means, so that `port 0` and `port 33434` count as the same target.
_PORTS = {Method.UDP: 33434, Method.DCCP: 33434, Method.UDPLITE: 53}  # where a method goes if nobody says
_PORTLESS = (Method.ICMP, Method.RAW)
_CONNECTING = (Method.TCP, Method.TCP_CONNECT)
_RAREST_CONNECTING_S = 60  # a trace knocks a few times at a service that serves others
_TID = re.compile(rf"[A-Za-z0-9_]{{1,{ID_LENGTH}}}")


def default_target(tid: str, host: str, label: str, family: int) -> Target:
    """A target with every other option at its default, for an owner who named none. `family` is 0, 4 or 6."""
    name = next(text for text, number in _FAMILIES.items() if number == family)
    return make_target(tid, {**merge("target"), "host": host, "label": label, "family": name})


def with_added(settings: Settings, tid: str, options: Mapping[str, str]) -> Settings:
    """The settings with one target more, read and checked as one of the file would be.

    Raises `ConfigError` with every problem, one a line, the first ones being those of the target's name.
    """
    problems = Problems()
    if not _TID.fullmatch(tid):
        raise ConfigError(f"{shown(tid)!r} is no name of a target", f"use 1 to {ID_LENGTH} of A-Z, a-z, 0-9 and _")
    if any(target.tid == tid for target in settings.targets):
        raise ConfigError(f"there is a target {tid}", "remove it first, or choose another name")
    written = tuple(uci.Option(name, text) for name, text in options.items())
    given, bad = read_options(uci.Section("target", tid, written), tid, problems)
    usual = Section("defaults", "defaults", dict(settings.defaults), frozenset())
    sources = [Section(source.name, source.name, {}, frozenset()) for source in settings.sources]
    values = target_values(Section(tid, tid, given, bad), {"defaults": [usual], "source": sources}, problems)
    check_duplicates({**{target.tid: _values_of(target) for target in settings.targets}, tid: values}, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return replace(settings, targets=(*settings.targets, make_target(tid, values)), added=(*settings.added, tid))


def _values_of(target: Target) -> dict[str, Any]:
    family = next(text for text, number in _FAMILIES.items() if number == target.family)
    names = ("host", "source", "method", "port", "protocol")
    return {"family": family, **{name: getattr(target, name) for name in names}}


def target_values(section: Section, sections: Sections, problems: Problems) -> dict[str, Any]:
    """A target's values over those of `config defaults`; bad ones are left out and noted."""
    values = merge("target", *sections["defaults"], section)
    if "host" not in section.given and "host" not in section.bad:
        problems.add(section.label, "host", "is missing; say what to trace", "missing")
    first, last = values.get("first_ttl"), values.get("max_ttl")
    if first and last and first > last:
        problems.add(section.label, "first_ttl", f"{first} is above max_ttl {last}", "first_above_last", str(last))
    address, family = address_of(values.get("host", "")), values.get("family")
    if address and family in ("4", "6") and int(family) != address.version:
        problem = f"{family}, but {address} is IPv{address.version}; write auto or {address.version}"
        problems.add(section.label, "family", problem, "other_family", str(address.version))
    _check_method(section, values, problems)
    source, known = values.get("source"), [source.name for source in sections["source"]]
    if source and source not in known:
        remedy = nearest(source, known) if known else f"add config source '{shown(source)}'"
        problems.add(section.label, "source", f"there is no source {shown(source)}; {remedy}", "unknown_source", shown(source))
    return values


def _check_method(section: Section, values: Mapping[str, Any], problems: Problems) -> None:
    if values.get("method") not in _CONNECTING:
        return
    if values.get("port") == 0:
        problems.add(section.label, "port", f"is missing; {values['method']} needs the port of a service, such as 443", "port_missing")
    if values.get("interval_s", _RAREST_CONNECTING_S) < _RAREST_CONNECTING_S:
        remedy = f"a service deserves rest; write {_RAREST_CONNECTING_S} or more"
        problem = f"{values['interval_s']} is too often for {values['method']}; {remedy}"
        problems.add(section.label, "interval_s", problem, "too_often", str(_RAREST_CONNECTING_S))


def check_duplicates(targets: Mapping[str, dict[str, Any]], problems: Problems) -> None:
    """Note each target that is the same as one before it."""
    seen: dict[tuple[object, ...], str] = {}
    for tid, values in targets.items():
        key = tuple(values.get(name) for name in ("host", "family", "source", "method"))
        if None in key or "port" not in values:
            continue
        port = values["port"] or _PORTS.get(values["method"], 0)
        if values["method"] in _PORTLESS:
            port = values.get("protocol", 0) if values["method"] == Method.RAW else 0
        other = seen.setdefault((*key, port), tid)
        if other != tid:
            problem = f"is the same target as {other}; leave one out, or give it another source, method or port"
            problems.add(tid, "", problem, "same_target", other)


def make_target(tid: str, values: Mapping[str, Any]) -> Target:
    """The target with all its values."""
    return Target(
        **{
            **values,
            "tid": tid,
            "label": values["label"] or values["host"],
            "family": _FAMILIES[values["family"]],
            "method": Method(values["method"]),
        }
    )
