"""A configuration file to `Settings`: everything is checked, every problem told at once."""

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pathwarden
from pathwarden.config import uci
from pathwarden.config.broker import mqtt_problems, program_problems
from pathwarden.config.schema import ID_LENGTH, NAMELESS, SECTIONS, SINGLE
from pathwarden.config.values import BadValue, Value, address_of, default, read, shown
from pathwarden.errors import ConfigError
from pathwarden.model.probe import Binding, Method
from pathwarden.model.settings import AgentSettings, Hook, MqttSettings, Settings, Source, Target, WebSettings

# Where OpenWrt keeps it; `uci show pathwarden` reads the same file.
PLACE = "etc/config/pathwarden"
# A hundred targets with every option take 40 KiB: more than this is another file.
_FILE_MAX = 256 * 1024
_FAMILIES = {"auto": 0, "4": 4, "6": 6}
# What a UDP target's port 0 means, so that `port 0` and `port 33434` count as the same target.
_PORTS = {Method.UDP: 33434, Method.DCCP: 33434, Method.UDPLITE: 53}  # where a method goes if nobody says
_PORTLESS = (Method.ICMP, Method.RAW)
_CONNECTING = (Method.TCP, Method.TCP_CONNECT)
_RAREST_CONNECTING_S = 60  # a trace knocks a few times at a service that serves others
# iproute2's places, later ones win; since 6.5 its own file stands below /usr/share.
_TABLE_FILES = ("usr/share/iproute2/rt_tables", "etc/iproute2/rt_tables")
_TABLE_LINE = re.compile(r"\s*(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})\s+(\S+)")


def load(path: Path | None, *, hostname: str, environ: Mapping[str, str], is_root: bool, root: Path = Path("/")) -> Settings:
    """The settings of a configuration file; with None those of /etc/config/pathwarden, or all defaults if there is none.

    `environ` names the home folders, `root` is where the system's own files are looked for. Raises `ConfigError` with every
    problem, one a line.
    """
    place = find(path, root)
    problems = _Problems()
    sections = _read_sections(_parse(place) if place else uci.Document(()), problems)
    agent = _agent(sections, problems, hostname, lambda: _history_file(environ, is_root, root))
    agent["live_dir"] = agent.get("live_dir") or _live_dir(environ, is_root, root)
    mqtt, web = _mqtt(sections, problems), _web(sections, problems)
    hooks = tuple(_hook(section, problems) for section in sections["hook"])
    sources = {section.name: _source(section, problems, root) for section in sections["source"]}
    targets = {section.name: _target(section, sections, problems) for section in sections["target"]}
    _check_duplicates(targets, problems)
    if not targets:
        _check_idle_defaults(sections["defaults"], problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return Settings(
        AgentSettings(**agent),
        MqttSettings(**mqtt),
        WebSettings(**web),
        tuple(_make_target(tid, values) for tid, values in targets.items()),
        tuple(_make_source(name, values) for name, values in sources.items()),
        default_targets=not targets,
        hooks=tuple(Hook(**values) for values in hooks),
    )


def load_here(path: Path | None) -> Settings:
    """`load` with this machine's name, this process's environment and user. Raises `ConfigError`."""
    return load(path, hostname=os.uname().nodename, environ=os.environ, is_root=os.geteuid() == 0)


def check(path: Path | None) -> list[str]:
    """Every problem of a configuration file on this machine; none means that `load_here` takes it."""
    try:
        load_here(path)
    except ConfigError as error:
        return str(error).splitlines()
    return []


def find(path: Path | None, root: Path = Path("/")) -> Path | None:
    """The file that `load` reads; None means that there is none and the defaults hold."""
    standard = root / PLACE
    return path or (standard if standard.exists() else None)


def default_target(tid: str, host: str, label: str, family: int) -> Target:
    """A target with every other option at its default, for an owner who named none. `family` is 0, 4 or 6."""
    name = next(text for text, number in _FAMILIES.items() if number == family)
    return _make_target(tid, {**_merge("target"), "host": host, "label": label, "family": name})


class _Problems(list[str]):
    """What is wrong, in the operator's words."""

    def add(self, label: str, option: str, problem: str) -> None:
        self.append(f"pathwarden.{label}{'.' if option else ''}{option}: {problem}")


@dataclass(frozen=True, slots=True)
class _Section:
    """A section with the options that stand in it: the good values, and the names of the bad ones."""

    name: str
    label: str
    given: dict[str, Value]
    bad: frozenset[str]


_Sections = Mapping[str, list[_Section]]


def _parse(path: Path) -> uci.Document:
    try:
        return uci.parse(_text(path))
    except uci.UciError as error:
        raise ConfigError(f"{path}: {error}", "correct it there") from error


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_MAX + 1)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: does not exist", f"pathwarden config init > {path} writes one") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: is a folder", "name the file in it") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})", "let this user read it, or run as root") from error
    if len(content) > _FILE_MAX:
        raise ConfigError(f"{path}: is larger than {_FILE_MAX // 1024} KiB", "name a configuration file")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 at byte {error.start}", "save it as UTF-8") from error


def _read_sections(document: uci.Document, problems: _Problems) -> _Sections:
    found: dict[str, list[_Section]] = {type_: [] for type_ in SECTIONS}
    counts: dict[str, int] = {}
    for section in document.sections:
        number = counts[section.type] = counts.get(section.type, -1) + 1
        label = section.name or f"@{shown(section.type)}[{number}]"
        if section.type not in SECTIONS:
            problems.add(label, "", f"unknown section type {shown(section.type)} (line {section.line}); {_nearest(section.type, SECTIONS)}")
            continue
        if section.type not in SINGLE:
            if section.name or section.type not in NAMELESS:
                _check_name(section, label, problems)
        elif number:
            problems.add(label, "", f"is a second {section.type} section (line {section.line}); keep one")
        given, bad = _read_options(section, label, problems)
        found[section.type].append(_Section(section.name or label, label, given, bad))
    return found


def _check_name(section: uci.Section, label: str, problems: _Problems) -> None:
    if section.name is None:
        problems.add(label, "", f"this {section.type} has no name (line {section.line}); write config {section.type} 'NAME'")
    elif len(section.name) > ID_LENGTH:
        problems.add(label, "", f"the name is {len(section.name)} characters long; at most {ID_LENGTH}")


def _read_options(section: uci.Section, label: str, problems: _Problems) -> tuple[dict[str, Value], frozenset[str]]:
    known = {option.name: option for option in SECTIONS[section.type]}
    given: dict[str, Value] = {}
    bad = set()
    for name, text in section.options:
        if name not in known:
            problems.add(label, name, f"unknown option; {_nearest(name, known)}")
            continue
        try:
            given[name] = read(known[name], text)
        except BadValue as error:
            problems.add(label, name, str(error))
            bad.add(name)
    return given, frozenset(bad)


def _nearest(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # only an error needs it

    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"


def _merge(type_: str, *sections: _Section) -> dict[str, Any]:
    """A section's values: the schema's defaults under those given; bad ones are left out, so that nothing is said about them twice."""
    values: dict[str, Any] = {option.name: default(option) for option in SECTIONS[type_] if not option.required}
    for section in sections:
        values |= section.given
        for name in section.bad:
            values.pop(name, None)
    return values


def _label(sections: _Sections, type_: str) -> str:
    return sections[type_][0].label if sections[type_] else type_


def _agent(sections: _Sections, problems: _Problems, hostname: str, history_file: Callable[[], str]) -> dict[str, Any]:
    values = _merge("agent", *sections["agent"])
    if values.get("name") == "":
        values["name"] = re.sub("[^a-z0-9-]", "-", hostname.lower())[:ID_LENGTH] or "pathwarden"
    if values.get("db") == "":
        values["db"] = history_file()
        if not values["db"]:
            problems.add(_label(sections, "agent"), "db", "there is no home folder to keep the history in; set db, or HOME")
    return values


def _history_file(environ: Mapping[str, str], is_root: bool, root: Path) -> str:
    """Where the history lies if nobody says; '' if there is no such place."""
    if (root / "etc/openwrt_release").exists():
        return "/etc/pathwarden/history.db"  # /var is RAM there
    if is_root:
        return "/var/lib/pathwarden/history.db"
    home, state = environ.get("HOME", ""), environ.get("XDG_STATE_HOME", "")
    # XDG Base Directory Specification: a relative path counts as not set.
    if not state.startswith("/"):
        state = f"{home}/.local/state" if home.startswith("/") else ""
    return f"{state}/pathwarden/history.db" if state else ""


def _live_dir(environ: Mapping[str, str], is_root: bool, root: Path) -> str:
    """Where measurements wait if nobody says; '' if there is no such place."""
    if is_root or (root / "etc/openwrt_release").exists():
        return "/var/run/pathwarden/live"  # not /var/run/pathwarden: on OpenWrt that is root's, and holds the configuration
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return f"{runtime}/pathwarden" if runtime.startswith("/") else ""


def _mqtt(sections: _Sections, problems: _Problems) -> dict[str, Any]:
    values = _merge("mqtt", *sections["mqtt"])
    label = _label(sections, "mqtt")
    for option, problem in mqtt_problems(values):
        problems.add(label, option, problem)
    return values


def _hook(section: _Section, problems: _Problems) -> dict[str, Any]:
    values = _merge("hook", section)
    if "program" not in section.given and "program" not in section.bad:
        problems.add(section.label, "program", "is missing; say what to run")
    elif program := values.get("program"):
        for problem in program_problems(Path(program)):
            problems.add(section.label, "program", problem)
    return {**values, "name": section.name}


def _web(sections: _Sections, problems: _Problems) -> dict[str, Any]:
    values = _merge("web", *sections["web"])
    folder = values.get("root")
    if folder == "":
        values["root"] = str(_packaged_page())
    elif folder and (problem := _folder_problem(Path(folder))):
        problems.add(_label(sections, "web"), "root", f"{problem}; name the folder that holds the page's files")
    return values


def _folder_problem(folder: Path) -> str:
    try:
        return "" if stat.S_ISDIR(folder.stat().st_mode) else f"{folder} is not a folder"
    except OSError as error:
        return f"{folder} cannot be read ({error.strerror})"


def _packaged_page() -> Path:
    """The page that came with the program: inside the package, beside `agent` in a checkout, or in OpenWrt's share folder."""
    package = Path(pathwarden.__file__).parent
    places = [package / "static", package.parents[1] / "web", package.parents[2] / "share" / "pathwarden" / "www"]
    # A page that is nowhere is named by its last place, and the page's own error tells it.
    return next((place for place in places if place.is_dir()), places[-1])


def _source(section: _Section, problems: _Problems, root: Path) -> dict[str, Any]:
    values = _merge("source", section)
    if not section.given and not section.bad:
        problems.add(section.label, "", "says no way out; set interface, device, address, table or fwmark")
    if values.get("interface") and values.get("device"):
        problems.add(section.label, "device", f"{values['device']} stands beside interface {values['interface']}; leave out one of the two")
    name = values.get("table")
    if isinstance(name, str):
        number = tables(root).get(name)
        if number is None:
            problems.add(section.label, "table", f"{name} is not in /etc/iproute2/rt_tables; add it there or write its number")
        else:
            values["table"] = number
    return values


def tables(root: Path = Path("/")) -> dict[str, int]:
    """The names of routing tables on this machine."""
    numbers: dict[str, int] = {}
    for place in _TABLE_FILES:
        for file in (root / place, *sorted((root / f"{place}.d").glob("*.conf"))):
            try:
                lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            except OSError:
                continue  # a machine without this file has no names from it
            found = [match for match in map(_TABLE_LINE.match, lines) if match]
            numbers |= {match[2]: int(match[1], 16 if match[1][:2] in ("0x", "0X") else 10) for match in found}
    return numbers


def _target(section: _Section, sections: _Sections, problems: _Problems) -> dict[str, Any]:
    values = _merge("target", *sections["defaults"], section)
    if "host" not in section.given and "host" not in section.bad:
        problems.add(section.label, "host", "is missing; say what to trace")
    first, last = values.get("first_ttl"), values.get("max_ttl")
    if first and last and first > last:
        problems.add(section.label, "first_ttl", f"{first} is above max_ttl {last}")
    address, family = address_of(values.get("host", "")), values.get("family")
    if address and family in ("4", "6") and int(family) != address.version:
        problems.add(section.label, "family", f"{family}, but {address} is IPv{address.version}; write auto or {address.version}")
    _check_method(section, values, problems)
    source, known = values.get("source"), [source.name for source in sections["source"]]
    if source and source not in known:
        remedy = _nearest(source, known) if known else f"add config source '{shown(source)}'"
        problems.add(section.label, "source", f"there is no source {shown(source)}; {remedy}")
    return values


def _check_method(section: _Section, values: Mapping[str, Any], problems: _Problems) -> None:
    if values.get("method") not in _CONNECTING:
        return
    if values.get("port") == 0:
        problems.add(section.label, "port", f"is missing; {values['method']} needs the port of a service, such as 443")
    if values.get("interval_s", _RAREST_CONNECTING_S) < _RAREST_CONNECTING_S:
        remedy = f"a service deserves rest; write {_RAREST_CONNECTING_S} or more"
        problems.add(section.label, "interval_s", f"{values['interval_s']} is too often for {values['method']}; {remedy}")


def _check_duplicates(targets: Mapping[str, dict[str, Any]], problems: _Problems) -> None:
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
            problems.add(tid, "", f"is the same target as {other}; leave one out, or give it another source, method or port")


def _check_idle_defaults(defaults: list[_Section], problems: _Problems) -> None:
    """The targets that the agent chooses itself take the schema's defaults: another value here would silently have no effect."""
    usual = _merge("defaults")
    for section in defaults:
        for name, value in section.given.items():
            if value != usual[name]:
                problems.add(section.label, name, "has no effect without a target; add config target 'NAME' with option host")


def _make_source(name: str, values: Mapping[str, Any]) -> Source:
    binding = {option: values[option] for option in Binding._fields if option in values}
    return Source(name, Binding(**binding), values["interface"])


def _make_target(tid: str, values: Mapping[str, Any]) -> Target:
    return Target(
        **{
            **values,
            "tid": tid,
            "label": values["label"] or values["host"],
            "family": _FAMILIES[values["family"]],
            "method": Method(values["method"]),
        }
    )
