"""`pathwarden resume TARGET`: it is probed again."""

import argparse

from pathwarden.cli.pause import told


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `resume` command."""
    parser = subparsers.add_parser(
        "resume",
        help="probe a paused target again",
        description="Probe a paused target again. The running daemon is asked over its page; exit code 4 if none answers.",
    )
    parser.add_argument("target", metavar="TARGET", help="id of a target")


def run(args: argparse.Namespace) -> int:
    """Resume."""
    return told(args, "resume", f"{args.target} is probed again")
