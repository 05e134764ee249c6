"""`pathwarden db`: what the history takes and holds, copies of it, and its health."""

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pathwarden.cli.terminal import counted, local, say, say_json
from pathwarden.config.load import load_here
from pathwarden.errors import OperatorError
from pathwarden.present.instants import rfc3339
from pathwarden.store import pack as store
from pathwarden.store.lock import hold
from pathwarden.store.opening import archive_of
from pathwarden.store.reader import Reader

DAMAGED = 1
_BESIDE = "The daemon may run meanwhile; what waits in memory is in the copy, too."

_PACK = (
    f"Write a consistent copy of the history, compressed to at most {store.MOST_BYTES / 1e6:.0f} MB; the oldest traces are left out if "
    f"need be. {_BESIDE} A start that finds no history beside a file of the default's name reads that back."
)

# Verb, help, description, and its file if it takes one.
VERBS = (
    (
        "stats",
        "what the history takes and holds",
        "Sizes and counts, what waits in memory or in the samples file, and the room on the disk.",
        None,
    ),
    (
        "check",
        "read every page and look for damage",
        "Check every page, row and index. Exit code 1 if something is wrong; the daemon sets a damaged history aside when it starts.",
        None,
    ),
    ("backup", "write a copy of the history", f"Write a consistent copy of the history. {_BESIDE}", "replaced if it is there"),
    (
        "vacuum",
        "give unused room back to the disk",
        "Write the history anew without the pages that nothing uses. The disk needs as much room again, and the daemon must not run.",
        None,
    ),
    (
        "pack",
        "write a compressed copy of the history",
        _PACK,
        "replaced if it is there; default: beside the history, .upgrade.gz",
    ),
)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `db` command with its verbs."""
    parser = subparsers.add_parser(
        "db", help="the history's size, health and copies", description="What the history takes and holds, copies of it, and its health."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(verb for verb, *_ in VERBS))
    for verb, text, description, file in VERBS:
        each = verbs.add_parser(verb, help=text, description=description)
        if file is not None:
            each.add_argument("file", nargs="?" if verb == "pack" else None, type=Path, metavar="FILE", help=file)


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    db = Path(load_here(args.config).agent.db)
    return {"stats": _stats, "check": _check, "backup": _backup, "vacuum": _vacuum, "pack": _pack}[args.verb](args, db)


def _stats(args: argparse.Namespace, db: Path) -> int:
    with Reader(db) as reader:
        stats = reader.stats()
    free = shutil.disk_usage(db.parent).free
    if args.json:
        span = (("oldest_at", stats.oldest_at), ("newest_at", stats.newest_at))
        instants = {name: None if at is None else rfc3339(at) for name, at in span}
        say_json({**stats._asdict(), **instants, "free_bytes": free})
        return 0
    when = "none yet" if stats.oldest_at is None or stats.newest_at is None else f"{local(stats.oldest_at)} to {local(stats.newest_at)}"
    rows: tuple[tuple[str, Any], ...] = (
        ("file", stats.path),
        ("size", f"{stats.size_bytes / 1e6:.2f} of at most {stats.limit_bytes / 1e6:.0f} MB, {free / 1e6:.0f} MB free on its disk"),
        ("schema", stats.schema),
        ("traces", f"{stats.traces}, of them {stats.live} not in the file yet; {when}"),
        ("figures", f"{counted(stats.days, 'day')} of older traces"),
        ("paths", stats.paths),
        ("events", f"{stats.events}, of them {stats.outbox} to be sent"),
    )
    for name, value in rows:
        say(f"{name:9}{value}")
    return 0


def _check(args: argparse.Namespace, db: Path) -> int:
    found = store.problems(db)
    if args.json:
        say_json({"file": str(db), "ok": not found, "problems": found})
        return DAMAGED if found else 0
    if found:
        raise OperatorError(f"the history {db} is damaged ({found[0]})", "restart the daemon: it sets the file aside and starts a new one")
    say(f"{db}: every page was read and is whole")
    return 0


def _backup(args: argparse.Namespace, db: Path) -> int:
    return _tell(args, args.file, store.backup(db, args.file))


def _vacuum(args: argparse.Namespace, db: Path) -> int:
    if not db.exists():
        Reader(db)  # says what to do
    with hold(db):
        before, after = store.vacuum(db)
    if args.json:
        say_json({"file": str(db), "before_bytes": before, "after_bytes": after})
    else:
        say(f"{db}: {before / 1e6:.2f} MB before, {after / 1e6:.2f} MB now")
    return 0


def _pack(args: argparse.Namespace, db: Path) -> int:
    file = args.file or archive_of(db)
    return _tell(args, file, store.pack(db, file, store.MOST_BYTES, Path(tempfile.gettempdir())))


def _tell(args: argparse.Namespace, file: Path, made: store.Packed) -> int:
    if args.json:
        say_json({"file": str(file), **made._asdict()})
    else:
        left_out = f"; the oldest {counted(made.left_out, 'row')} left out" if made.left_out else ""
        say(f"{file}: {made.size_bytes / 1e6:.2f} MB, {counted(made.traces, 'trace')}{left_out}")
    return 0
