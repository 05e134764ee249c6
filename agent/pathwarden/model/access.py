"""Who may do what on the page, and the settings that it changes."""

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple, Protocol

KEY_FILE = "page.key"  # in live_dir: who may read it may do on the page what the daemon's user may


class Right(IntEnum):
    """What somebody may do; each holds what those below it hold."""

    NONE = 0
    READ = 1
    WRITE = 2


class Account(NamedTuple):
    """Somebody who gave the right name and password.

    `ticket` is what the accounts know them by from now on, a secret; `unguarded` tells that the account has no password at all.
    """

    ticket: str
    right: Right
    unguarded: bool = False


class Accounts(Protocol):
    """Who may sign in. Every method may wait some seconds, and raises `OperatorError` if the accounts cannot be asked."""

    def sign_in(self, name: str, password: str) -> Account | None:
        """The account, be it one without any right; None if name or password is wrong."""
        ...

    def right(self, ticket: str) -> Right:
        """What the account may do now, which keeps the ticket alive; NONE if it is not good any longer."""
        ...

    def end(self, ticket: str) -> None:
        """The ticket is not needed any longer."""
        ...


class Wrong(NamedTuple):
    """Something that is wrong with a configuration.

    `section` and `option` are where, '' for the whole of it. `code` is stable and for programs, `about` what else it is about, such as
    the other section ('' for nothing), `problem` are words for people.
    """

    section: str
    option: str
    code: str
    about: str
    problem: str

    @property
    def line(self) -> str:
        """All of it in one line."""
        place = ".".join(part for part in ("pathwarden", self.section, self.option) if part)
        return f"{place}: {self.problem}" if self.section else self.problem


class Outdated(Exception):
    """What stands in the file is not what the writer has seen."""


class SettingsBook(Protocol):
    """The configuration file, as far as the page may change it. `kind` is targets, sources or defaults; any thread may call.

    `tag` is what `shown` said of the section to be changed, '' if there shall be none yet; None: whatever stands there. Every method
    raises `OperatorError` if the file cannot be read or changed, and those that change it `Outdated`.
    """

    def shown(self) -> dict[str, object]:
        """Targets and sources as they stand there, the schema of their options, and whether the agent runs with what stands there."""
        ...

    def put(self, kind: str, name: str, options: Mapping[str, str], tag: str | None = None) -> list[Wrong]:
        """Write one; what is wrong with it: then nothing was written."""
        ...

    def remove(self, kind: str, name: str, tag: str | None = None) -> list[Wrong]:
        """Take one out; what would be wrong then. Raises `KeyError` if there is none."""
        ...
