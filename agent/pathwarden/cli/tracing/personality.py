"""The programs that this one can stand in for: called by their name, it takes their defaults and ends with their exit codes."""

import getopt
import re
from pathlib import PurePath
from typing import NamedTuple

from pathwarden.errors import ConfigError, OperatorError


class Program(NamedTuple):
    """Who was called. `module` is the method without any letter, `family` 0 if the name says none, `traceroute` whether it is one.

    A traceroute knows no gap limit, and ends with 0 whether or not the destination answered.
    """

    name: str = "pathwarden trace"
    module: str = ""
    family: int = 0
    traceroute: bool = False


OWN = Program()
_MODULES = {"traceroute": "default", "tracert": "icmp", "tcptraceroute": "tcp"}
_NAME = re.compile(rf"({'|'.join(_MODULES)})([46]?)")
_TCP_LETTERS = "hvdnNi:l:f:Fm:p:q:w:s:t:SAE46"
_SAME = frozenset("dnF46ifmqwst")  # letters that mean what they mean to traceroute(8)
_RENAMED = {"-h": "--help", "-v": "--version", "-S": "--options=syn", "-A": "--options=ack", "-E": "--options=ecn"}


def program(*called: str) -> Program | None:
    """The program that one of these file names stands for, the first of them first; None if it is none that we know."""
    for word in called:
        match = _NAME.fullmatch(PurePath(word).name)
        if match:
            return Program(match[0], _MODULES[match[1]], int(match[2] or 0), traceroute=True)
    return None


def arguments(called: Program, words: list[str]) -> list[str]:
    """The words as `pathwarden trace` understands them: tcptraceroute(8) has letters and places of its own. Raises ConfigError.

    Its -p is the source port, -l the length, -S, -A and -E are flags, and the target's port and the length stand behind the host.
    Long options stay as they are; their values must stand behind an equals sign.
    """
    if called.module != "tcp":
        return words
    long = [word for word in words if word.startswith("--") and word != "--"]
    try:
        given, places = getopt.gnu_getopt([word for word in words if word not in long], _TCP_LETTERS)
    except getopt.GetoptError as error:
        raise ConfigError(f"-{error.opt}: {error.msg}", f"see: {called.name} --help") from None
    letters = ["--options=info"]
    length: list[str] = []
    for letter, value in given:
        if letter[1] in _SAME:
            letters.append(letter + value)
        elif letter in _RENAMED:
            letters.append(_RENAMED[letter])
        elif letter == "-p":
            letters.append(f"--sport={value}")
        elif letter == "-l":
            length = [value]
    host, port, more = places[:1], places[1:2], places[2:]
    return [*letters, *long, *(f"--port={value}" for value in port), *host, *(more or length)]


def exit_code(error: OperatorError) -> int:
    """What traceroute(8) ends with: 2 for what the command line got wrong, 1 for all else."""
    return 2 if isinstance(error, ConfigError) else 1
