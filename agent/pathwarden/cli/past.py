"""What reading commands share: the history open beside the daemon, its targets, and instants as people write them."""

import argparse
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pathwarden.cli.importing.place import HYPHEN, open_imports, origins
from pathwarden.config.targets import default_target
from pathwarden.daemon.adding import ADDED, read_added, with_all
from pathwarden.daemon.networks import open_networks
from pathwarden.detect.detector import Detector
from pathwarden.errors import ConfigError, OperatorError
from pathwarden.export.origin import Origin
from pathwarden.model.history import Route
from pathwarden.model.network import Whose, nobody
from pathwarden.model.settings import Settings, Target
from pathwarden.present.instants import LAST_NS, parse_instant
from pathwarden.store.reader import Reader

MOST_NAMED = 20  # targets that an error names
MOST = 10_000  # rows printed at once: about 10 MB of memory
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"-(\d{1,9})([smhdw])", re.ASCII)
_UNIX = re.compile(r"\d{9,10}", re.ASCII)  # seconds since 1970: from 1973 on, so that a year alone is none
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?", re.ASCII)
_NS = 1_000_000_000


def open_history(settings: Settings) -> Reader:
    """The history, read-only. Raises `OperatorError` if there is none, or none that this user may read."""
    path = Path(settings.agent.db)
    if not _may_read(path):
        raise OperatorError(f"the history {path} is not for this user to read", "run this as root or the daemon's user")
    return Reader(path)


def _may_read(path: Path) -> bool:
    """Whether nobody forbids it; a file that is not there is not forbidden."""
    try:
        path.stat()
    except PermissionError:
        return False
    except OSError:
        return True
    return os.access(path, os.R_OK)


class Held(NamedTuple):
    """A target's history: the reader that has it, the configured target (None: only the history knows it), and whose traces they are.

    `whose` knows the networks of addresses, by the databases of this machine.
    """

    reader: Reader
    target: Target | None
    origin: Origin
    whose: Whose = nobody


@contextmanager
def held(tids: Iterable[str] | None, settings: Settings, *, imported: bool = False) -> Iterator[dict[str, Held]]:
    """The histories of these targets, imported ones too; None: of all that this agent measured itself, and if so asked of all `imported`.

    Raises `ConfigError` for a target that nobody knows, `OperatorError` if there is no history.
    """
    with ExitStack() as stack:
        networks = open_networks(settings.agent, lookups=False)
        stack.callback(networks.close)
        wanted = None if tids is None else list(dict.fromkeys(tids))
        asked = imported if wanted is None else any(HYPHEN in tid for tid in wanted)
        imports = open_imports(Path(settings.agent.db)) if asked else None
        foreign = origins(stack.enter_context(imports)) if imports else {}
        others = {tid: Held(imports, None, origin, networks.now) for tid, origin in foreign.items() if imports}
        if wanted is None:
            # Where there are imports and nothing else, they are all there is.
            alone = imported and others and not Path(settings.agent.db).exists()
            own = {} if alone else _own(stack, settings, None, others, networks.now)
            yield own | others if imported else own
        else:
            own = {} if all(tid in others for tid in wanted) else _own(stack, settings, wanted, others, networks.now)
            yield {tid: (own | others)[tid] for tid in wanted}


def _own(stack: ExitStack, settings: Settings, wanted: Iterable[str] | None, others: Mapping[str, Held], whose: Whose) -> dict[str, Held]:
    """Those of the wanted targets (None: all) that this agent measured. Raises `ConfigError` for one that nobody knows."""
    reader = stack.enter_context(open_history(settings))
    result = {}
    for tid in sorted(known(settings, reader)) if wanted is None else wanted:
        if tid not in others:
            target = check_target(tid, settings, reader, others)
            result[tid] = Held(reader, target, Origin.of_ours(settings.agent.name, tid, target.host if target else ""), whose)
    return result


@contextmanager
def held_now(tids: Iterable[str], settings: Settings) -> Iterator[dict[str, Held]]:
    """As `held`; without targets the histories of those that are watched now, not of those that once were."""
    with held(tids or None, settings) as found:
        if tids or not found:
            yield found
            return
        now = {target.tid for target in with_targets_of(settings, next(iter(found.values())).reader).targets}
        yield {tid: where for tid, where in found.items() if tid in now}


def with_targets_of(settings: Settings, reader: Reader) -> Settings:
    """The settings with the targets that the daemon chose itself, as far as its history names them, and those that commands added."""
    added = read_added(reader.tellings().get(ADDED))
    if settings.default_targets:
        latest = ((tid, reader.latest(tid)) for tid in reader.states() if tid not in added)
        hosts = {tid: stored.trace.address or tid for tid, stored in latest if stored}
        settings = replace(settings, targets=tuple(default_target(tid, host, tid, 0) for tid, host in hosts.items()))
    return with_all(settings, added)


def known(settings: Settings, reader: Reader) -> set[str]:
    """The ids of all targets that are configured or have a history here."""
    return {*(target.tid for target in settings.targets), *reader.states()}


def bounds(since: str | None, until: str | None, now_ns: int) -> tuple[int | None, int | None]:
    """The instants of `--from` and `--to`, None without. Raises `ConfigError` for what is no time, and if they are backwards."""
    start = instant(since, now_ns, "--from") if since else None
    end = instant(until, now_ns, "--to") if until else None
    if start is not None and end is not None and start > end:
        raise ConfigError(f"--from {since} is later than --to {until}", "exchange the two")
    return start, end


def add_bounds(parser: argparse.ArgumentParser) -> None:
    """Add `--from` and `--to`."""
    form = "2026-11-21T08:45:00Z, '2026-11-21 08:45' (local), 1795250700, or so long ago: -30m -2h -3d"
    parser.add_argument("--from", dest="since", metavar="TIME", help=f"only from then on: {form}")
    parser.add_argument("--to", dest="until", metavar="TIME", help="only up to then")


def check_target(tid: str, settings: Settings, reader: Reader, foreign: Iterable[str] = ()) -> Target | None:
    """The configured target of this id; None if only the history knows it. Raises `ConfigError` if nobody does.

    `foreign` are the ids of imported targets, for the error to name.
    """
    if tid not in known(settings, reader):
        names = [*sorted(known(settings, reader)), *foreign]
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        remedy = f"known are {', '.join(names[:MOST_NAMED])}{more}" if names else "nothing was traced yet"
        raise ConfigError(f"there is no target {tid!r}", remedy)
    return next((target for target in settings.targets if target.tid == tid), None)


def in_force(tid: str, states: Mapping[str, str], routes: list[Route]) -> tuple[str | None, str | None]:
    """The ids of a target's route in force and of its usual one, as the daemon last wrote its state; None if unknown."""
    if tid not in states:
        return None, None
    try:
        detector = Detector.restore(tid, 0, states[tid], tuple(routes))
    except (ValueError, TypeError, KeyError):
        return None, None  # the daemon says so when it starts, and learns anew
    now, usual = detector.route, detector.usual
    return now.route_id if now else None, usual.route_id if usual else None


def instant(text: str, now_ns: int, option: str = "--at") -> int:
    """Wall-clock ns of `2026-11-21T08:45:00Z`, `2026-11-21 08:45` (local), `1795250700`, or `-2h` before now.

    Raises `ConfigError`, naming the option.
    """
    ago = _AGO.fullmatch(text)
    if ago:
        at = now_ns - int(ago[1]) * SECONDS[ago[2]] * _NS
    elif _UNIX.fullmatch(text):
        at = int(text) * _NS
    elif _LOCAL.fullmatch(text):
        at = _local(text, option)
    else:
        try:
            return parse_instant(text.replace(" ", "T"))
        except ValueError as error:
            raise _not_a_time(text, option) from error
    if not 0 <= at <= LAST_NS:
        raise ConfigError(f"{option} {text}: outside the years 1970 to 2262", "give another time")
    return at


def _local(text: str, option: str) -> int:
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp()) * _NS
    except (ValueError, OverflowError) as error:
        raise _not_a_time(text, option) from error


def _not_a_time(text: str, option: str) -> ConfigError:
    return ConfigError(f"{option} {text!r} is not a time", "write it like 2026-11-21T08:45:00Z, '2026-11-21 08:45' or -2h")


def limit(text: str) -> int:
    """How many to print, for argparse."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST}")
    return int(text)
