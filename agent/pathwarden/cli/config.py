"""`pathwarden config check|show|init`: look at the configuration."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pathwarden.config.load import find, load_here
from pathwarden.config.show import as_json, sample, show
from pathwarden.errors import ConfigError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `config` command with its three verbs, told apart by `args.verb`."""
    parser = subparsers.add_parser("config", help="check, show or begin a configuration", description="Look at the configuration.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="check|show|init")
    check = verbs.add_parser("check", help="tell every problem of a configuration file; exit code 2 if there is one")
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: --config, then /etc/config/pathwarden")
    verbs.add_parser("show", help="print the effective configuration with every default")
    verbs.add_parser("init", help="print a commented configuration to start from")


def run(args: argparse.Namespace) -> int:
    """Run one verb; `args.config` is the file or None, `args.json` asks for JSON. The exit code: 0, or 2 with problems on stderr.

    With JSON the problems that `check` finds are its result, on stdout.
    """
    try:
        sys.stdout.write(_VERBS[args.verb](args))
    except ConfigError as error:
        if args.json and args.verb == "check":
            sys.stdout.write(_as_json(args, problems=str(error).splitlines()))
        else:
            sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _check(args: argparse.Namespace) -> str:
    path = args.file or args.config
    settings = load_here(path)
    if args.json:
        return _as_json(args, None if settings.default_targets else len(settings.targets), len(settings.sources))
    targets = "the default targets" if settings.default_targets else _counted(len(settings.targets), "target")
    return f"{find(path) or 'no configuration file'}: ok, {targets}, {_counted(len(settings.sources), 'source')}\n"


def _as_json(args: argparse.Namespace, targets: int | None = None, sources: int | None = None, problems: Sequence[str] = ()) -> str:
    """What `check` found; `targets` is null where the agent chooses its own, both are where there are problems."""
    file = find(args.file or args.config)
    found = {"file": file and str(file), "ok": not problems, "targets": targets, "sources": sources, "problems": problems}
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _show(args: argparse.Namespace) -> str:
    settings = load_here(args.config)
    return json.dumps(as_json(settings), ensure_ascii=False, indent=2) + "\n" if args.json else show(settings)


def _init(_args: argparse.Namespace) -> str:
    return sample()


_VERBS = {"check": _check, "show": _show, "init": _init}
