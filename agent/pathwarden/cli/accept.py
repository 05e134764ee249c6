"""`pathwarden accept TARGET`: the path in force is the usual one from now on."""

import argparse

from pathwarden.cli.terminal import remark, say_json
from pathwarden.cli.wish import tell


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `accept` command."""
    parser = subparsers.add_parser(
        "accept",
        help="take a target's path as usual",
        description="Take the path that a target is on as its usual one: no incident waits for the old one to come back, and going back to "
        "this one is no news. The running daemon is asked over its page; exit code 4 if none answers.",
    )
    parser.add_argument("target", metavar="TARGET", help="id of a target")


def run(args: argparse.Namespace) -> int:
    """Accept."""
    tell(args, "accept-path", {})
    if args.json:
        say_json({"target": args.target})
    else:
        remark(args, f"the path of {args.target} is the usual one now")
    return 0
