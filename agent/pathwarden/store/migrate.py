"""Forward migrations.

Each file `schema/NNNN_*.sql` brings the database from schema N-1 to N in one transaction, together with its record, which is
`PRAGMA user_version`. `PRAGMA application_id`, set by the first, tells our files from those of other programs.
"""

import sqlite3
from pathlib import Path

from pathwarden.errors import ConfigError, OperatorError

APPLICATION_ID = 1347908196  # "PWrd"; the same number stands in 0001_first.sql

_FOLDER = Path(__file__).parent / "schema"


def newest() -> int:
    """The schema that this version of Pathwarden writes."""
    return len(_files())


def check(db: sqlite3.Connection, path: Path) -> int:
    """The database's schema, 0 if it is empty. Raises `OperatorError` if it belongs to another program or to a newer Pathwarden."""
    application, schema = _pragma(db, "application_id"), _pragma(db, "user_version")
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (application or schema or tables):
        raise ConfigError(f"{path} is the database of another program", "choose another place with option db")
    if schema > newest():
        remedy = "update Pathwarden, or choose another place with option db"
        raise OperatorError(f"{path} has schema {schema}, but this Pathwarden knows only {newest()}", remedy)
    return schema


def migrate(db: sqlite3.Connection, schema: int) -> None:
    """Bring a database from its schema to the newest."""
    for number, file in enumerate(_files()[schema:], start=schema + 1):
        try:
            db.executescript(f"BEGIN IMMEDIATE;\n{file.read_text(encoding='utf-8')}\nPRAGMA user_version = {number};\nCOMMIT;")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")


def _files() -> list[Path]:
    return sorted(_FOLDER.glob("[0-9][0-9][0-9][0-9]_*.sql"))


def _pragma(db: sqlite3.Connection, name: str) -> int:
    (value,) = db.execute(f"PRAGMA {name}").fetchone()
    return int(value)
