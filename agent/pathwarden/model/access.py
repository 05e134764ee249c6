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


class SettingsBook(Protocol):
    """The configuration file, as far as the page may change it. `kind` is targets or sources; any thread may call.

    Every method raises `OperatorError` if the file cannot be read or changed.
    """

    def shown(self) -> dict[str, object]:
        """Targets and sources as they stand there, and the schema of their options."""
        ...

    def put(self, kind: str, name: str, options: Mapping[str, str]) -> list[tuple[str, str]]:
        """Write one; the options that are wrong, each with what is wrong: then nothing was written."""
        ...

    def remove(self, kind: str, name: str) -> list[tuple[str, str]]:
        """Take one out; what would be wrong then. Raises `KeyError` if there is none."""
        ...
