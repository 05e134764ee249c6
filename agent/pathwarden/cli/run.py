"""`pathwarden run`: the agent in the foreground."""

import argparse
import logging
import os
import stat
import sys

from pathwarden.config.load import find, load_here


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `run` command."""
    subparsers.add_parser(
        "run",
        help="run the agent in the foreground",
        description="Run the agent: trace every target on schedule, keep the history, serve the page, tell the broker. "
        "SIGTERM ends it, SIGHUP reads the configuration again.",
    )


def run(args: argparse.Namespace) -> int:
    """Run the agent until it is told to stop."""
    # Some supervisors hand over none: the folders above the history would be everybody's to write. What others may read stays as it was.
    os.umask(os.umask(0o077) | stat.S_IWGRP | stat.S_IWOTH)
    level = logging.DEBUG if args.verbose else logging.WARNING if args.quiet else logging.INFO
    logging.basicConfig(stream=sys.stderr, level=level, format="%(levelname)s %(name)s: %(message)s")
    from pathwarden.daemon.run import run as live

    return live(lambda: load_here(args.config), find(args.config))
