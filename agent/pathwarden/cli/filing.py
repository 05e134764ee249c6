"""What a command makes, to standard output or to a file."""

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pathwarden.errors import OperatorError


def put(pieces: Iterable[str]) -> None:
    """Write to standard output."""
    sys.stdout.writelines(pieces)


def write(path: Path, pieces: Iterable[str]) -> None:
    """The file, all of it or nothing, for its owner alone, as the history is. Raises `OperatorError`."""
    place = path.resolve()  # a link stays a link
    if place.exists() and not place.is_file():
        raise OperatorError(f"{path} is no file", "give the name of a file, or leave out -o")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(descriptor)
        part.replace(place)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> OperatorError:
    return OperatorError(f"cannot write {path}: {error.strerror or error}", "name a file in a folder with room that you may write to")
