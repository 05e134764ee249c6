"""The configuration file as the page changes it: targets and sources, checked as a whole before anything is written."""

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from pathwarden.config import edit, uci
from pathwarden.config.schema import SECTIONS, SINGLE, describe
from pathwarden.config.sections import BadConfig
from pathwarden.errors import ConfigError, OperatorError
from pathwarden.model.access import Outdated, Wrong
from pathwarden.model.settings import Settings

KINDS = {"targets": "target", "sources": "source", "defaults": "defaults"}
_HALF = "holds half of a surrogate pair, which no file can; leave it out"
_TRIES = 5  # whoever saves the file by hand at the same instant does not do so again at once


class Book:
    """Implements `model.access.SettingsBook`. `load` reads a file as the daemon does, `changed` is called when another one stands there.

    `running` are the settings that the agent runs with; `refused` tells why it did not take those of the file, '' if nothing hinders it.
    """

    def __init__(
        self, path: Path, load: Callable[[Path], Settings], changed: Callable[[], None], running: Settings, refused: Callable[[], str]
    ) -> None:
        self._path = path
        self._load = load
        self._changed = changed
        self._running = running
        self._refused = refused
        self._lock = threading.Lock()

    def shown(self) -> dict[str, object]:
        """Targets and sources as they stand in the file, what may stand there, and whether the agent has taken the file, or why not.

        Raises `OperatorError`.
        """
        sections = _parsed(self._text()).sections
        told: dict[str, object] = {
            kind: [{"id": each.name, "options": dict(each.options), "tag": _tag(each)} for each in sections if each.type == type_]
            for kind, type_ in KINDS.items()
            if type_ not in SINGLE
        }
        usual = next((each for each in sections if each.type == "defaults"), None)
        told |= {"defaults": dict(usual.options) if usual else {}, "defaults_tag": _tag(usual) if usual else ""}
        schema = [each for each in describe() if each["section"] in KINDS.values()]
        return {**told, "schema": schema, **self._standing()}

    def put(self, kind: str, name: str, options: Mapping[str, str], tag: str | None = None) -> list[Wrong]:
        """Write a section of a kind (`targets`, `sources`, `defaults`); what is wrong, and then nothing was written.

        Raises `OperatorError` if the file cannot be changed, `Outdated` if the section there is not that of `tag`.
        """
        type_ = KINDS[kind]
        known = {option.name for option in SECTIONS[type_]}
        refused = [Wrong(name, option, "unknown_option", "", "is no option here") for option in options if option not in known]
        refused += [Wrong(name, option, "bad_value", "", _HALF) for option, text in options.items() if not _is_writable(text)]

        def made(text: str) -> str:
            there = _name(text, type_, name)
            return edit.put(_seen(text, type_, there, tag), type_, there, options)

        return refused or self._change(made, name)

    def remove(self, kind: str, name: str, tag: str | None = None) -> list[Wrong]:
        """Take a section out; what would be wrong then. Raises `KeyError` if there is none, and what `put` does."""
        type_ = KINDS[kind]
        return self._change(lambda text: edit.remove(_seen(text, type_, name, tag), type_, name), name)

    def _change(self, made: Callable[[str], str], name: str) -> list[Wrong]:
        with self._lock:
            for _ in range(_TRIES):
                problems = self._try(made, name)
                if problems is not None:
                    break
            else:
                raise OperatorError(f"{self._path} is changed all the time", "try again when it rests")
        if not problems:
            self._changed()
        return problems

    def _try(self, made: Callable[[str], str], name: str) -> list[Wrong] | None:
        """What is wrong, and if nothing is, the change is made; None if somebody else changed the file meanwhile."""
        before = self._text()
        try:
            text = made(before)
        except edit.CannotEdit as error:
            raise OperatorError(f"{self._path}: {name} is written there in a way that only people can change", "edit it") from error
        except uci.UciError as error:
            raise OperatorError(f"{self._path}: {error}", "correct it there") from error
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            self._write(new, text)
            problems = self._problems(new)
            if not problems:
                if self._text() != before:
                    return None
                new.replace(self._path)
                _settle(self._path.parent)
        except OSError as error:
            raise OperatorError(f"{self._path} cannot be written ({error.strerror})", "let the daemon's user write it") from error
        finally:
            new.unlink(missing_ok=True)
        return problems

    def _problems(self, file: Path) -> list[Wrong]:
        try:
            self._load(file)
        except BadConfig as error:
            return list(error.wrong)
        except ConfigError as error:
            return [Wrong("", "", "other", "", str(error))]
        return []

    def _standing(self) -> dict[str, object]:
        """`taken`: whether the agent runs with the file as it is; `wrong`: why it cannot, None if nothing hinders it."""
        try:
            taken = self._load(self._path) == self._running
        except ConfigError as error:
            return {"taken": False, "wrong": str(error)}
        return {"taken": taken, "wrong": None if taken else self._refused() or None}

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


def _is_writable(text: str) -> bool:
    """JSON can bring what UTF-8 cannot write."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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


def _name(text: str, type_: str, name: str) -> str:
    """The section's name; what stands once may have another one. Raises `CannotEdit` if it has none."""
    there = [each.name for each in uci.parse(text).sections if each.type == type_] if type_ in SINGLE else []
    if None in there:
        raise edit.CannotEdit(name)
    return there[0] or name if there else name


def _seen(text: str, type_: str, name: str, tag: str | None) -> str:
    """The text. Raises `Outdated` if the section in it is not that of the tag."""
    if tag is not None:
        there = (each for each in uci.parse(text).sections if (each.type, each.name) == (type_, name))
        if next(map(_tag, there), "") != tag:
            raise Outdated
    return text


def _tag(section: uci.Section) -> str:
    """Stands for what a section says, whatever the order."""
    return hashlib.sha256(repr(sorted(section.options)).encode()).hexdigest()[:16]
