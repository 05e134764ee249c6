"""`pathwarden pause TARGET`: no probes to it, but on demand."""

import argparse

from pathwarden.cli.terminal import remark, say_json
from pathwarden.cli.wish import tell


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `pause` command."""
    parser = subparsers.add_parser(
        "pause",
        help="probe a target no more",
        description="Send no probes to a target, until it is resumed; a trace that is asked for is made all the same. It stays so over a "
        "restart. The running daemon is asked over its page; exit code 4 if none answers.",
    )
    parser.add_argument("target", metavar="TARGET", help="id of a target")


def run(args: argparse.Namespace) -> int:
    """Pause."""
    return told(args, "pause", f"{args.target} is paused")


def told(args: argparse.Namespace, verb: str, done: str) -> int:
    """Tell the daemon the wish, and the owner that it is done."""
    tell(args, verb, {})
    if args.json:
        say_json({"target": args.target})
    else:
        remark(args, done)
    return 0
