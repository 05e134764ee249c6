"""The `pathwarden` command: picks the subcommand, imports only what that one needs, turns errors into one line and an exit code."""

import argparse
import importlib
import io
import os
import re
import sys
from collections.abc import Callable
from itertools import pairwise
from keyword import iskeyword
from pathlib import Path
from typing import Any, NoReturn

from pathwarden import __version__
from pathwarden.cli.tracing import personality
from pathwarden.errors import OperatorError

COMMANDS = {
    "run": "run the agent in the foreground",
    "demo": "run the whole agent on a simulated network, with a week of history",
    "trace": "trace the path to a target or host now",
    "status": "what the agent watches, and how it is",
    "history": "a target's traces and paths",
    "diff": "two of a target's paths side by side, hop by hop",
    "events": "what was told, newest last",
    "note": "write a note to an event",
    "mute": "notify nothing of a target for a while",
    "accept": "take a target's path as usual",
    "pause": "probe a target no more",
    "resume": "probe a paused target again",
    "export": "the history in the forms of other programs",
    "import": "take in traces of RIPE Atlas and scamper",
    "replay": "what recorded traces would have told",
    "enrich": "networks and places of addresses",
    "graph": "the routes as a picture",
    "map": "the routes on a map of the world",
    "doctor": "check what this machine can do, with remedies",
    "mqtt": "try the connection to the broker",
    "password": "set a password for the page",
    "db": "the history's size, health and copies",
    "config": "check, show or begin a configuration",
}
INTERRUPTED = 130
# `--at -2h`: argparse takes the time for an option, unless it stands behind an equals sign.
_TIMES = ("--at", "--from", "--to")
_AGO = re.compile(r"-\d+[a-z]")


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns the exit code (0 ok, 1 failed, 2 usage, 3 cannot probe, 4 daemon, 5 not reached, 130 interrupted)."""
    # A script's interpreter is what `exec -a` may have renamed; a link renames the script itself.
    called = None if argv is not None else personality.program(sys.argv[0], *sys.orig_argv[:1])
    _make_printable()
    try:
        try:
            args = _stand_in(called, sys.argv[1:]) if called else _parsed(_joined(sys.argv[1:] if argv is None else argv))
            return int(_module(args.command).run(args))
        finally:
            sys.stdout.flush()  # argparse's own texts, too; Python would tell at exit of what fails, with a traceback
    except OperatorError as error:
        return _failed(called, error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence()  # the reader of our output went away (`| head`)
        return 0
    except OSError as error:
        if not _is_of_output():
            raise
        _silence()
        return _failed(called, OperatorError(f"cannot write standard output: {error.strerror or error}", "make room where it goes to"))


def _make_printable() -> None:
    """Streams that were closed (`>&-`) swallow what is printed; what the terminal's encoding has no sign for becomes a question mark."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - lives as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _is_of_output() -> bool:
    """Whether standard output fails, by one more line: what it did not take may be in no buffer any more."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        return True
    return False


def _silence() -> None:
    """Send what is left of the output nowhere, or Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(called: personality.Program | None, error: OperatorError) -> int:
    """Say what the operator can mend; the exit code."""
    name = called.name if called else "pathwarden"
    sys.stderr.write("".join(f"{name}: {line}\n" for line in str(error).splitlines()))
    return personality.exit_code(error) if called else error.exit_code


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints another may take over."""

    complain: Callable[[str], NoReturn] | None = None

    def error(self, message: str) -> NoReturn:
        """What argparse found wrong: usage and exit code 2, unless somebody says it better."""
        if self.complain is not None:
            self.complain(message)
        super().error(message)


class _Command(_Parser):
    """A command's parser, and its verbs': knows the global options, so that they may stand behind the command as well."""

    _nested = False

    def __init__(self, **kw: Any) -> None:  # noqa: ANN401 - whatever argparse hands on
        super().__init__(**kw)
        # What argparse takes for a number and not for an option: `diff TARGET -2h -1h`, too.
        self._negative_number_matcher = re.compile(r"-\d+[a-z]?$|-\d*\.\d+$")
        # Without a default: it would undo what stood before the command.
        _add_global(self.add_argument_group("global options"), default=argparse.SUPPRESS)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - argparse's overloads
        """As argparse does, yet with words behind options (`mute office --between A B off`), and what is too much told by this command."""
        # Where verbs follow, argparse cannot; its own way calls this one again.
        if self._nested or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._nested = True
        try:
            known, more = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._nested = False
        if more:
            self.error(f"unrecognized arguments: {' '.join(more)}")
        return known, more


def _add_global(to: "argparse._ActionsContainer", **kw: Any) -> None:  # noqa: ANN401 - keywords of add_argument
    to.add_argument("--config", type=Path, metavar="FILE", help="configuration in UCI form (default: /etc/config/pathwarden)", **kw)
    to.add_argument("--json", action="store_true", help="print JSON with the API's field names", **kw)
    to.add_argument("--quiet", action="store_true", help="no progress on standard error", **kw)
    to.add_argument("-v", "--verbose", action="store_true", help="say more on standard error", **kw)
    to.add_argument("--no-color", action="store_true", help="no colours (also: NO_COLOR in the environment)", **kw)


def _stand_in(called: personality.Program, words: list[str]) -> argparse.Namespace:
    """The arguments of a program whose name we were called by."""
    options = _module("trace", ".tracing.options")
    parser = _Command(prog=called.name, description=options.about(called), usage=options.usage(called))
    parser.complain = options.complain
    parser.set_defaults(command="trace", config=None, json=False, quiet=False, verbose=False, no_color=False)
    options.add(parser, called)
    return parser.parse_args(personality.arguments(called, words))


def _parsed(arguments: list[str]) -> argparse.Namespace:
    command = next((word for before, word in pairwise(["", *arguments]) if word in COMMANDS and before != "--config"), None)
    return _parser(command).parse_args(arguments)


def _parser(command: str | None) -> _Parser:
    """The parser with the chosen command's own options; the others are known by name only, so that their modules stay unread."""
    parser = _Parser(prog="pathwarden", description="Path monitor: scheduled traceroutes, history, path changes told.")
    _add_global(parser)
    parser.add_argument("--version", action="version", version=f"pathwarden {__version__}")
    subparsers: argparse._SubParsersAction[_Command]
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Command)
    for name, text in COMMANDS.items():
        if name == command:
            module = _module(name)
            module.add_parser(subparsers)
            parser.complain = subparsers.choices[name].complain = getattr(module, "complain", None)
        else:
            subparsers.add_parser(name, help=text)
    return parser


def _module(command: str, part: str = "") -> Any:  # noqa: ANN401 - a module
    """The command's module, or a part of it, such as `.tracing.options`. Raises `OperatorError` if the command is not installed."""
    # A word of Python's own can be no module's name.
    name = f"pathwarden.cli{part or f'.{command}'}{'_' if iskeyword(command) else ''}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise OperatorError(f"{command} is not installed", "install the package pathwarden-tools") from None


def _joined(arguments: list[str]) -> list[str]:
    """The arguments with a time such as `-2h` joined to the option before it."""
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] in _TIMES and _AGO.fullmatch(word):
            joined[-1] = f"{joined[-1]}={word}"
        else:
            joined.append(word)
    return joined
