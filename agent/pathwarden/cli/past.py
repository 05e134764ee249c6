"""What reading commands share: the history open beside the daemon, its targets, and instants as people write them."""

import argparse
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pathwarden.detect.detector import Detector
from pathwarden.errors import ConfigError
from pathwarden.model.history import Route
from pathwarden.model.settings import Settings, Target
from pathwarden.present.instants import LAST_NS, parse_instant
from pathwarden.store.reader import Reader

MOST = 10_000  # rows printed at once: about 10 MB of memory
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"-(\d{1,9})([smhdw])", re.ASCII)
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?", re.ASCII)
_NS = 1_000_000_000


def open_history(settings: Settings) -> Reader:
    """The history, read-only. Raises `OperatorError` if there is none."""
    return Reader(Path(settings.agent.db))


def check_target(tid: str, settings: Settings, reader: Reader) -> Target | None:
    """The configured target of this id; None if only the history knows it. Raises `ConfigError` if nobody does."""
    configured = {target.tid: target for target in settings.targets}
    known = sorted({*configured, *reader.states()})
    if tid not in known:
        remedy = f"known are {', '.join(known)}" if known else "nothing was traced yet"
        raise ConfigError(f"there is no target {tid!r}", remedy)
    return configured.get(tid)


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
    """Wall-clock ns of `2026-11-21T08:45:00Z`, `2026-11-21 08:45` (local), or `-2h` before now. Raises `ConfigError`, naming the option."""
    ago = _AGO.fullmatch(text)
    if ago:
        at = now_ns - int(ago[1]) * SECONDS[ago[2]] * _NS
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
