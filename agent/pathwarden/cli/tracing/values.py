"""What options hold: numbers, times, ports, names. A bad value is told in one line: option, value, remedy."""

import re
import socket
from collections.abc import Callable
from typing import NamedTuple

from pathwarden.engine.correlator import HOLD_NS
from pathwarden.errors import ConfigError

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,16}|0|[1-9][0-9]{0,19}")
_TIME = re.compile(r"[0-9]{0,6}(\.[0-9]{0,9})?")
_SHOWN = 40  # of a value that is wrong
MAX_PORTS = 64  # more are a scan, not a trace
_LONGEST_WAIT_S = HOLD_NS // 1_000_000_000  # a reply after that is nobody's any more
_LONGEST_PAUSE_S = 60
# Sending a round takes at most 0.15 s, so two that begin so far apart keep 0.3 s between probes to one router.
LEAST_ROUND_S = 0.5
_LONGEST_ROUND_S = 3600
_MILLISECONDS = 10  # from here on traceroute(8) takes -z for milliseconds


class Waits(NamedTuple):
    """How long to wait for a reply: `longest_s`, and factors of a known RTT of the same hop and of a later one (0: not looked at)."""

    longest_s: float = 5.0
    here: float = 3.0
    near: float = 10.0


def bad(option: str, value: str, problem: str, remedy: str) -> ConfigError:
    """The error for a value, which is shown without what could steer a terminal, and cut."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value[:_SHOWN])
    return ConfigError(f"{option} {shown}: {problem}" if shown else f"{option}: {problem}", remedy)


def number(option: str, least: int, most: int) -> Callable[[str], int]:
    """Reads a decimal or 0x hexadecimal number within bounds. Raises ConfigError."""

    def read(text: str) -> int:
        remedy = f"write a number from {least} to {most}"
        if not _NUMBER.fullmatch(text):
            raise bad(option, text, "not a number", remedy)
        value = int(text, 0)
        if value < least:
            raise bad(option, text, f"below {least}", remedy)
        if value > most:
            raise bad(option, text, f"above {most}", remedy)
        return value

    return read


def is_number(text: str) -> bool:
    """Whether this is written as a number."""
    return _NUMBER.fullmatch(text) is not None


def waits(text: str) -> Waits:
    """Reads MAX[,HERE[,NEAR]] (commas or slashes); as in traceroute(8), factors that are left out are 0. Raises ConfigError."""
    parts = re.split("[,/]", text)
    if len(parts) > len(Waits._fields):
        raise bad("-w", text, "more than MAX,HERE,NEAR", "write one to three numbers, like 5,3,10")
    longest, here, near = (_time("-w", text, part) for part in [*parts, "0", "0"][: len(Waits._fields)])
    if not 0 < longest <= _LONGEST_WAIT_S:
        raise bad("-w", text, f"a wait of {longest:g} s", f"wait more than 0 and at most {_LONGEST_WAIT_S} s")
    return Waits(longest, here, near)


def interval(text: str) -> float:
    """Reads the seconds between two rounds. Raises ConfigError."""
    value = _time("--interval", text, text)
    if not LEAST_ROUND_S <= value <= _LONGEST_ROUND_S:
        raise bad("--interval", text, f"a round every {value:g} s", f"write {LEAST_ROUND_S:g} to {_LONGEST_ROUND_S}")
    return value


def pause(text: str) -> float:
    """Reads the shortest time between two probes, in seconds; from 10 on the number means milliseconds. Raises ConfigError."""
    value = _time("-z", text, text)
    value = value / 1000 if value >= _MILLISECONDS else value
    if value > _LONGEST_PAUSE_S:
        raise bad("-z", text, f"a pause of {value:g} s", f"pause at most {_LONGEST_PAUSE_S} s")
    return value


def _time(option: str, text: str, part: str) -> float:
    if not _TIME.fullmatch(part) or part in ("", "."):
        raise bad(option, text, f"{part or 'nothing'} is not a time", "write seconds, like 0.5")
    return float(part)


def ports(option: str) -> Callable[[str], tuple[int, ...]]:
    """Reads ports: numbers, ranges or names of services, separated by commas; each once, in their order. Raises ConfigError."""

    def read(text: str) -> tuple[int, ...]:
        found: dict[int, None] = {}
        for word in text.split(","):
            first, dash, last = word.partition("-")
            if dash and is_number(first) and is_number(last):
                low, high = port(option, first), port(option, last)
                if low > high:
                    raise bad(option, word, "runs backwards", f"write {high}-{low}")
                if high - low >= MAX_PORTS:
                    raise bad(option, word, f"more than {MAX_PORTS} ports", "ask for fewer")
                found |= dict.fromkeys(range(low, high + 1))
            else:
                found[port(option, word)] = None
        if len(found) > MAX_PORTS:
            raise bad(option, text, f"more than {MAX_PORTS} ports", "ask for fewer")
        return tuple(found)

    return read


def port(option: str, word: str) -> int:
    """Reads a port: a number, or the name of a service. Raises ConfigError."""
    if is_number(word):
        return number(option, 1, 65535)(word)
    try:
        return socket.getservbyname(word)
    except (OSError, ValueError):  # ValueError: a NUL inside
        raise bad(option, word, "not a port", "write a number from 1 to 65535, or a name of /etc/services") from None


def protocol(option: str, word: str) -> int:
    """Reads an IP protocol: a number, or a name. Raises ConfigError."""
    if is_number(word):
        return number(option, 0, 255)(word)
    try:
        return socket.getprotobyname(word)
    except (OSError, ValueError):
        raise bad(option, word, "not an IP protocol", "write a number from 0 to 255, or a name of /etc/protocols") from None
