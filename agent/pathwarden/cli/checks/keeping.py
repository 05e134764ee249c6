"""The place of the history: whether it may be written, has room, and is whole."""

import os
import shutil
from pathlib import Path

from pathwarden.cli.checks.finding import FAIL, OK, WARN, Finding, Place
from pathwarden.errors import OperatorError
from pathwarden.store.faults import told
from pathwarden.store.lock import holder
from pathwarden.store.opening import connect, uri_of

LEAST_FREE = 1_000_000  # bytes; SQLite's journal alone may need as much


def history(place: Place) -> list[Finding]:
    """Looks at the file and its folder; writes nothing."""
    path = Path(place.settings.agent.db)
    try:
        there = path.exists()
    except OSError:
        return [Finding(WARN, "history", f"this user may not see {path}", "run this as the user of the daemon")]
    if there and not os.access(path, os.R_OK):
        return [Finding(WARN, "history", f"{path} is not for this user to read", "run this as root or the daemon's user")]
    findings = [_writable(path, there), _room(path, there, place.settings.agent.db_max_mb * 1_000_000)]
    return [*findings, _whole(path)] if there else findings


def _folder(path: Path) -> Path:
    """The folder of the file, or the nearest above it that is there."""
    return next(folder for folder in path.absolute().parents if folder.is_dir())


def _writable(path: Path, there: bool) -> Finding:
    folder = _folder(path)
    places = [folder, path] if there else [folder]
    if all(os.access(each, os.W_OK) for each in places):
        return Finding(OK, "history", f"{path} {'is there' if there else 'can be made'}")
    if _kept(path):
        return Finding(OK, "history", f"{path} is kept by the daemon, this user may only read it")
    return Finding(FAIL, "history", f"{path} cannot be written by this user", "give it the folder, or choose another place with option db")


def _kept(path: Path) -> bool:
    try:
        return holder(path) is not None
    except OperatorError:
        return False


def _room(path: Path, there: bool, limit: int) -> Finding:
    size = path.stat().st_size if there else 0
    free = shutil.disk_usage(_folder(path)).free
    words = f"{size / 1e6:.1f} MB of at most {limit / 1e6:.0f}, {free / 1e6:.0f} MB free on its disk"
    if free < LEAST_FREE:
        return Finding(FAIL, "space", words, "free some space, or choose another place with option db")
    if free < limit - size:
        return Finding(WARN, "space", f"{words}: it may grow beyond that", "lower option db_max_mb, or free some space")
    return Finding(OK, "space", words)


def _whole(path: Path) -> Finding:
    try:
        with told(path):
            db = connect(uri_of(path, "ro"))
            try:
                (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            finally:
                db.close()
    except OperatorError as error:
        problem, _, remedy = str(error).partition("; ")
        return Finding(FAIL, "integrity", problem, remedy)
    if verdict == "ok":
        return Finding(OK, "integrity", "every page was read and is whole")
    return Finding(FAIL, "integrity", " ".join(verdict.split()), "restart the daemon: it sets the file aside and starts a new one")
