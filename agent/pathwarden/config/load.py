"""A configuration file to `Settings`: everything is checked, every problem told at once."""

import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pathwarden
from pathwarden.config import uci
from pathwarden.config.broker import mqtt_problems, program_problems
from pathwarden.config.schema import ID_LENGTH
from pathwarden.config.sections import BadConfig, Problems, Section, Sections, label_of, merge, read_sections
from pathwarden.config.targets import check_duplicates, make_target, target_values
from pathwarden.config.values import is_loopback
from pathwarden.errors import ConfigError
from pathwarden.model.probe import Binding
from pathwarden.model.settings import AgentSettings, Hook, MqttSettings, Settings, Source, WebSettings

# Where OpenWrt keeps it; `uci show pathwarden` reads the same file.
PLACE = "etc/config/pathwarden"
# What a router's page listens on as well if nobody says: its network at home, where whoever comes signs in.
_ROUTERS_LISTEN = "@lan:8866"
# A hundred targets with every option take 40 KiB: more than this is another file.
_FILE_MAX = 256 * 1024
# iproute2's places, later ones win; since 6.5 its own file stands below /usr/share.
_TABLE_FILES = ("usr/share/iproute2/rt_tables", "etc/iproute2/rt_tables")
_TABLE_LINE = re.compile(r"\s*(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})\s+(\S+)")


def load(path: Path | None, *, hostname: str, environ: Mapping[str, str], is_root: bool, root: Path = Path("/")) -> Settings:
    """The settings of a configuration file; with None those of /etc/config/pathwarden, or all defaults if there is none.

    `environ` names the home folders, `root` is where the system's own files are looked for. Raises `ConfigError` with every
    problem, one a line.
    """
    place = find(path, root)
    problems = Problems()
    sections = read_sections(_parse(place) if place else uci.Document(()), problems)
    agent = _agent(sections, problems, hostname, lambda: _history_file(environ, is_root, root))
    agent["live_dir"] = agent.get("live_dir") or _live_dir(environ, is_root, root)
    mqtt, web = _mqtt(sections, problems), _web(sections, problems, root)
    hooks = tuple(_hook(section, problems) for section in sections["hook"])
    sources = {section.name: source_values(section, problems, root) for section in sections["source"]}
    targets = {section.name: target_values(section, sections, problems) for section in sections["target"]}
    check_duplicates(targets, problems)
    if not targets:
        _check_idle_defaults(sections["defaults"], problems)
    if problems:
        raise BadConfig(problems)
    return Settings(
        AgentSettings(**agent),
        MqttSettings(**mqtt),
        WebSettings(**web),
        tuple(make_target(tid, values) for tid, values in targets.items()),
        tuple(make_source(name, values) for name, values in sources.items()),
        default_targets=not targets,
        hooks=tuple(Hook(**values) for values in hooks),
        defaults={name: value for name, value in merge("defaults", *sections["defaults"]).items() if value != merge("defaults")[name]},
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


def _agent(sections: Sections, problems: Problems, hostname: str, history_file: Callable[[], str]) -> dict[str, Any]:
    values = merge("agent", *sections["agent"])
    if values.get("name") == "":
        values["name"] = re.sub("[^a-z0-9-]", "-", hostname.lower())[:ID_LENGTH] or "pathwarden"
    if values.get("db") == "":
        values["db"] = history_file()
        if not values["db"]:
            problems.add(label_of(sections, "agent"), "db", "there is no home folder to keep the history in; set db, or HOME")
    return values


def _history_file(environ: Mapping[str, str], is_root: bool, root: Path) -> str:
    """Where the history lies if nobody says; '' if there is no such place."""
    if _is_openwrt(root):
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
    if is_root or _is_openwrt(root):
        return "/var/run/pathwarden/live"  # not /var/run/pathwarden: on OpenWrt that is root's, and holds the configuration
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return f"{runtime}/pathwarden" if runtime.startswith("/") else ""


def _mqtt(sections: Sections, problems: Problems) -> dict[str, Any]:
    values = merge("mqtt", *sections["mqtt"])
    label = label_of(sections, "mqtt")
    for option, problem in mqtt_problems(values):
        problems.add(label, option, problem)
    return values


def _hook(section: Section, problems: Problems) -> dict[str, Any]:
    values = merge("hook", section)
    if "program" not in section.given and "program" not in section.bad:
        problems.add(section.label, "program", "is missing; say what to run")
    elif program := values.get("program"):
        for problem in program_problems(Path(program)):
            problems.add(section.label, "program", problem)
    return {**values, "name": section.name}


def _web(sections: Sections, problems: Problems, root: Path) -> dict[str, Any]:
    values = merge("web", *sections["web"])
    label, folder, auth = label_of(sections, "web"), values.get("root"), values.get("auth")
    if folder == "":
        values["root"] = str(_packaged_page())
    elif folder and (problem := _folder_problem(Path(folder))):
        problems.add(label, "root", f"{problem}; name the folder that holds the page's files")
    if auth == "password" and values.get("password_file") == "":
        problems.add(label, "password_file", "is missing; name a file, and write it with: pathwarden password")
    if _is_openwrt(root) and not any({"listen"} & {*section.given, *section.bad} for section in sections["web"]):
        values["listen"] += (_ROUTERS_LISTEN,)
    open_to = next((listen for listen in values.get("listen", ()) if not is_loopback(listen)), None)
    if auth == "auto" and open_to and not _is_openwrt(root):
        remedy = "set auth to password, or choose 127.0.0.1:PORT or [::1]:PORT"
        problems.add(label, "listen", f"{open_to} is not a loopback address; {remedy}")
    return values


def _is_openwrt(root: Path) -> bool:
    return (root / "etc/openwrt_release").exists()


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


def source_values(section: Section, problems: Problems, root: Path = Path("/")) -> dict[str, Any]:
    """A source's values; bad ones are left out and noted."""
    values = merge("source", section)
    if not section.given and not section.bad:
        problems.add(section.label, "", "says no way out; set interface, device, address, table or fwmark", "no_way_out")
    if values.get("interface") and values.get("device"):
        problem = f"{values['device']} stands beside interface {values['interface']}; leave out one of the two"
        problems.add(section.label, "device", problem, "two_ways", values["interface"])
    name = values.get("table")
    if isinstance(name, str):
        number = tables(root).get(name)
        if number is None:
            problem = f"{name} is not in /etc/iproute2/rt_tables; add it there or write its number"
            problems.add(section.label, "table", problem, "unknown_table")
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


def _check_idle_defaults(defaults: list[Section], problems: Problems) -> None:
    """The targets that the agent chooses itself take the schema's defaults: another value here would silently have no effect."""
    usual = merge("defaults")
    for section in defaults:
        for name, value in section.given.items():
            if value != usual[name]:
                problem = "has no effect without a target; add config target 'NAME' with option host"
                problems.add(section.label, name, problem, "no_effect")


def make_source(name: str, values: Mapping[str, Any]) -> Source:
    """The source with all its values."""
    binding = {option: values[option] for option in Binding._fields if option in values}
    return Source(name, Binding(**binding), values["interface"])
