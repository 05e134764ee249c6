"""`pathwarden password [NAME]`: an account for the page, where `web.auth` is password."""

import argparse
import sys
from getpass import getpass
from pathlib import Path

from pathwarden.cli.terminal import remark
from pathwarden.config.load import load_here
from pathwarden.errors import ConfigError, OperatorError
from pathwarden.model.access import Right

_MOST_BYTES = 4096  # more than the longest password


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `password` command."""
    parser = subparsers.add_parser(
        "password",
        help="set a password for the page",
        description="Set the password of an account of the page, in the file that web.password_file names. It is asked for twice; "
        "where standard input is no terminal, its first line is the password. The file holds salted hashes (scrypt). A new password "
        "holds at once, and ends the sessions of the old one.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", default="admin", help="the account (default: admin)")
    parser.add_argument("--read", action="store_true", help="the account may look, and change nothing")


def run(args: argparse.Namespace) -> int:
    """Set the password."""
    path = load_here(args.config).web.password_file
    if not path:
        raise ConfigError("web.password_file is not set", "name a file there, and set web.auth to password")
    from pathwarden.api.passwords import PasswordFile

    PasswordFile(Path(path)).set(args.name, Right.READ if args.read else Right.WRITE, _asked(args.name))
    remark(args, f"{args.name} may {'look' if args.read else 'look and change'}, by {path}")
    return 0


def _asked(name: str) -> str:
    """The password. Raises `OperatorError`."""
    if not sys.stdin.isatty():
        return sys.stdin.readline(_MOST_BYTES).rstrip("\r\n")
    password = getpass(f"Password for {name}: ")
    if getpass("Once more: ") != password:
        raise OperatorError("the two are not the same", "try again")
    return password
