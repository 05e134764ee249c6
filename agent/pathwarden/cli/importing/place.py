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
from pathwarden.store.faults import told, unreachable
from pathwarden.store.opening import connect, uri_of
from pathwarden.store.reader import Reader

NOTE = "import:"
HYPHEN = "-"  # rule 2


def place_of(db: Path) -> Path:
    """The file with the imports beside a history."""
    return db.with_name(f"{db.name}.imports")


def schema_of(place: Path) -> int:
    """The schema of the imports, 0 if there are none. Raises `OperatorError` if the file is not ours, or cannot be read."""
    try:
        if not place.exists():
            return 0
    except OSError as error:
        raise unreachable(place, error) from error
    with told(place), closing(connect(uri_of(place, "ro"))) as file:
        return migrate.check(file, place)


def open_imports(db: Path) -> Reader | None:
    """The imports beside a history, None if there are none. Raises `OperatorError` if they cannot be read."""
    place = place_of(db)
    schema = schema_of(place)
    if 0 < schema < migrate.newest():
        raise OperatorError(f"the imports {place} are of an older Pathwarden", "bring them up to date with: pathwarden import --list")
    return Reader(place) if schema else None


def origins(imports: Reader) -> dict[str, Origin]:
    """The imported targets by their ids, and where they come from."""
    return {tid: Origin.read(text) for tid, text in sorted(imports.notes(NOTE).items())}
