"""The configuration file as the page changes it: targets and sources, checked as a whole before anything is written."""

import os
import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from pathwarden.config import edit, uci
from pathwarden.config.schema import SECTIONS, describe
from pathwarden.errors import ConfigError, OperatorError
from pathwarden.model.settings import Settings

KINDS = {"targets": "target", "sources": "source"}


class Book:
    """Implements `model.access.SettingsBook`. `load` reads a file as the daemon does, `changed` is called when another one stands there."""

    def __init__(self, path: Path, load: Callable[[Path], Settings], changed: Callable[[], None]) -> None:
        self._path = path
        self._load = load
        self._changed = changed
        self._lock = threading.Lock()

    def shown(self) -> dict[str, object]:
        """Targets and sources as they stand in the file, and what may stand there. Raises `OperatorError`."""
        sections = _parsed(self._text()).sections
        told: dict[str, object] = {
            kind: [{"id": each.name, "options": dict(each.options)} for each in sections if each.type == type_]
            for kind, type_ in KINDS.items()
        }
        return {**told, "schema": [each for each in describe() if each["section"] in KINDS.values()]}

    def put(self, kind: str, name: str, options: Mapping[str, str]) -> list[tuple[str, str]]:
        """Write a section of a kind (`targets`, `sources`); each option that is wrong with what is wrong, and then nothing was written.

        Raises `OperatorError` if the file cannot be changed.
        """
        type_ = KINDS[kind]
        known = {option.name for option in SECTIONS[type_]}
        unknown = [(option, "is no option here") for option in options if option not in known]
        return unknown or self._change(lambda text: edit.put(text, type_, name, options), name)

    def remove(self, kind: str, name: str) -> list[tuple[str, str]]:
        """Take a section out; what would be wrong then, as `put` tells. Raises `KeyError` if there is none, and `OperatorError`."""
        return self._change(lambda text: edit.remove(text, KINDS[kind], name), name)

    def _change(self, made: Callable[[str], str], name: str) -> list[tuple[str, str]]:
        with self._lock:
            try:
                text = made(self._text())
            except edit.CannotEdit as error:
                raise OperatorError(f"{self._path}: {name} is written there in a way that only people can change", "edit it") from error
            except uci.UciError as error:
                raise OperatorError(f"{self._path}: {error}", "correct it there") from error
            new = self._path.with_name(f"{self._path.name}.new")
            try:
                self._write(new, text)
                problems = self._problems(new, name)
                if not problems:
                    new.replace(self._path)
                    _settle(self._path.parent)
            except OSError as error:
                raise OperatorError(f"{self._path} cannot be written ({error.strerror})", "let the daemon's user write it") from error
            finally:
                new.unlink(missing_ok=True)
        if not problems:
            self._changed()
        return problems

    def _problems(self, new: Path, name: str) -> list[tuple[str, str]]:
        try:
            self._load(new)
        except ConfigError as error:
            return [_split(line, name) for line in str(error).splitlines()]
        return []

    def _text(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise OperatorError(f"{self._path} cannot be read ({error})", "pathwarden config check tells more") from error

    def _write(self, new: Path, text: str) -> None:
        about = self._path.stat()
        new.unlink(missing_ok=True)  # of an attempt that was cut short
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if (about.st_uid, about.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(new, about.st_uid, about.st_gid)
        new.chmod(stat.S_IMODE(about.st_mode))


def _settle(folder: Path) -> None:
    """A power cut must not bring the old name back after we said that the new one stands."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _parsed(text: str) -> uci.Document:
    try:
        return uci.parse(text)
    except uci.UciError as error:
        raise OperatorError(str(error), "correct it in the configuration") from error


def _split(line: str, name: str) -> tuple[str, str]:
    """Option and problem of a line such as `pathwarden.cloudflare.interval_s: 0 is below 1`; '' for one of another section."""
    place, colon, problem = line.removeprefix("pathwarden.").partition(": ")
    section, _, option = place.partition(".")
    return (option, problem) if colon and section == name else ("", line)
