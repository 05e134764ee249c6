"""`pathwarden db pack`: take the history along."""

import argparse
import tempfile
from pathlib import Path

from pathwarden.cli.terminal import counted, say, say_json
from pathwarden.config.load import load_here
from pathwarden.store.opening import archive_of
from pathwarden.store.pack import MOST_BYTES, pack


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `db` command with its verb."""
    parser = subparsers.add_parser("db", help="pack the history into one small file", description="Take the history along.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="pack")
    verb = verbs.add_parser(
        "pack",
        help="write a compressed copy of the history",
        description=f"Write a consistent copy of the history, compressed to at most {MOST_BYTES / 1e6:.0f} MB; the oldest traces are left "
        "out if need be. The daemon may run meanwhile; what it has not written yet, two seconds' worth at most, is not in the copy. "
        "A start that finds no history beside a file of the default's name reads that back.",
    )
    verb.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="replaced if it is there; default: beside the history, .upgrade.gz"
    )


def run(args: argparse.Namespace) -> int:
    """Pack the configured history; 0, or an `OperatorError`."""
    db = Path(load_here(args.config).agent.db)
    file = args.file or archive_of(db)
    packed = pack(db, file, MOST_BYTES, Path(tempfile.gettempdir()))
    if args.json:
        say_json({"file": str(file), **packed._asdict()})
    else:
        left_out = f"; the oldest {counted(packed.left_out, 'row')} left out" if packed.left_out else ""
        say(f"{file}: {packed.size_bytes / 1e6:.2f} MB, {counted(packed.traces, 'trace')}{left_out}")
    return 0
