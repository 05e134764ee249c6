"""The `pathwarden` command: picks the subcommand, imports only what that one needs, turns errors into one line and an exit code."""

import argparse
import importlib
import os
import sys
from pathlib import Path

from pathwarden import __version__
from pathwarden.errors import OperatorError

COMMANDS = {
    "run": "run the agent in the foreground",
    "demo": "run the whole agent on a simulated network, with a week of history",
    "trace": "trace the path to a target or host now",
    "status": "what the agent watches, and how it is",
    "history": "a target's traces and paths",
    "events": "what was told, newest last",
    "doctor": "check what this machine can do, with remedies",
    "config": "check, show or begin a configuration",
}
INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns the exit code (0 ok, 1 failed, 2 usage, 3 cannot probe, 4 daemon, 5 not reached, 130 interrupted)."""
    arguments = sys.argv[1:] if argv is None else argv
    command = next((word for word in arguments if word in COMMANDS), None)
    parser = _parser(command)
    args = parser.parse_args(arguments)
    try:
        return int(importlib.import_module(f"pathwarden.cli.{args.command}").run(args))
    except OperatorError as error:
        sys.stderr.write("".join(f"pathwarden: {line}\n" for line in str(error).splitlines()))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser(command: str | None) -> argparse.ArgumentParser:
    """The parser with the chosen command's own options; the others are known by name only, so that their modules stay unread."""
    parser = argparse.ArgumentParser(prog="pathwarden", description="Path monitor: scheduled traceroutes, history, path changes told.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration in UCI form (default: /etc/config/pathwarden)")
    parser.add_argument("--json", action="store_true", help="print JSON with the API's field names")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more on standard error")
    parser.add_argument("--no-color", action="store_true", help="no colours (also: NO_COLOR in the environment)")
    parser.add_argument("--version", action="version", version=f"pathwarden {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        if name == command:
            importlib.import_module(f"pathwarden.cli.{name}").add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=text)
    return parser
