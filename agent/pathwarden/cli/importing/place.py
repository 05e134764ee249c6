"""Where imported traces are kept: a file of its own beside the history, with the same tables.

Rules:
1. What the agent measured itself and what others measured never lie in one file. So no import makes the agent forget, none waits for the
   daemon, and what the daemon knows of its targets never comes from elsewhere.
2. An imported target's id has a hyphen (`atlas-5006-6012`), which no id of a configured target can have.
3. Where it comes from stands in a note of that file: `import:` and the id, then `Origin.text`.
"""

from contextlib import closing
from pathlib import Path

from pathwarden.errors import OperatorError
from pathwarden.export.origin import Origin
from pathwarden.store import migrate
from pathwarden.store.faults import told
from pathwarden.store.opening import connect, uri_of
from pathwarden.store.reader import Reader

NOTE = "import:"


def place_of(db: Path) -> Path:
    """The file with the imports beside a history."""
    return db.with_name(f"{db.name}.imports")


def open_imports(db: Path) -> Reader | None:
    """The imports beside a history, None if there are none. Raises `OperatorError` if they cannot be read."""
    place = place_of(db)
    try:
        if not place.exists():
            return None
    except OSError:  # in a folder that this user may not enter: the history's own error says so
        return None
    with told(place), closing(connect(uri_of(place, "ro"))) as file:
        if 0 < migrate.check(file, place) < migrate.newest():
            raise OperatorError(f"the imports {place} are of an older Pathwarden", "bring them up to date with: pathwarden import --list")
    return Reader(place)


def origins(imports: Reader) -> dict[str, Origin]:
    """The imported targets by their ids, and where they come from."""
    return {tid: Origin.read(text) for tid, text in sorted(imports.notes(NOTE).items())}
