"""The page's own accounts, where there is no OpenWrt: a file with one line for each, `NAME:read|write:HASH`.

HASH is `scrypt:N:R:P:SALT:KEY`, salt and key in base64 (RFC 7914). The cost stands beside it, so that it may rise one day.
"""

import os
import re
import secrets
import stat
from base64 import b64decode, b64encode
from hashlib import scrypt
from hmac import compare_digest
from pathlib import Path

from pathwarden.errors import OperatorError
from pathwarden.model.access import Account, Right

# 16 MiB and 45 ms on a PC, half a second on a Raspberry Pi 3B: a guess costs as much, and the machine bears it.
_N, _R, _P = 2**14, 8, 1
_MOST_N, _MOST_RP = 2**15, 16  # what a file may ask for: twice that
_SALT, _KEY = 16, 32
SHORTEST, LONGEST = 8, 1024  # characters of a password
_MOST_LINES = 64
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_RIGHTS = {"read": Right.READ, "write": Right.WRITE}


class PasswordFile:
    """Implements `model.access.Accounts`. The file is read at each attempt, so that a new password holds at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sign_in(self, name: str, password: str) -> Account | None:
        """The account of this name, if the password is right. Raises `OperatorError`."""
        line = self._lines().get(name)
        # One who does not exist takes as long as one who does.
        right, _, kept = (line or f"read:{_kept(bytes(_SALT), bytes(_KEY))}").partition(":")
        good = _fits(password, kept)
        return Account(f"{name}:{line}", _RIGHTS[right]) if line and good else None

    def right(self, ticket: str) -> Right:
        """What the account may do; NONE if its line is another now. Raises `OperatorError`."""
        name, _, line = ticket.partition(":")
        return _RIGHTS[line.partition(":")[0]] if self._lines().get(name) == line else Right.NONE

    def end(self, ticket: str) -> None:
        """Nothing was begun."""

    def check(self) -> None:
        """Raises `OperatorError` if the file cannot be used."""
        self._lines()

    def set(self, name: str, right: Right, password: str) -> None:
        """Write an account, new or not. Raises `OperatorError`."""
        if not _NAME.fullmatch(name):
            raise OperatorError(f"{name!r} is not a name here", "use 1 to 64 of A-Z, a-z, 0-9 and . _ @ -")
        if not SHORTEST <= len(password) <= LONGEST:
            raise OperatorError(f"the password has {len(password)} characters", f"use {SHORTEST} to {LONGEST}")
        lines = self._lines() if self._path.exists() else {}
        lines[name] = f"{right.name.lower()}:{_hash(password, secrets.token_bytes(_SALT))}"
        if len(lines) > _MOST_LINES:
            raise OperatorError(f"{self._path} has {_MOST_LINES} accounts already", "take some lines out")
        self._write("".join(f"{name}:{line}\n" for name, line in lines.items()))

    def _lines(self) -> dict[str, str]:
        """The accounts by name."""
        try:
            with self._path.open(encoding="utf-8") as file:
                if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~stat.S_IRGRP:
                    raise OperatorError(f"{self._path} is open to everyone", f"chmod 600 {self._path}")
                text = file.read(_MOST_LINES * 512)
        except OSError as error:
            raise OperatorError(f"{self._path} cannot be read ({error.strerror})", "pathwarden password writes it") from error
        except UnicodeDecodeError as error:
            raise OperatorError(f"{self._path} is not a file of passwords", "pathwarden password writes one") from error
        lines = {}
        for number, line in enumerate(text.splitlines(), 1):
            name, _, rest = line.partition(":")
            right, _, kept = rest.partition(":")
            if right not in _RIGHTS or not _NAME.fullmatch(name) or _parts(kept) is None:
                raise OperatorError(f"{self._path}: line {number} is no account", "take it out; pathwarden password writes a new one")
            lines[name] = rest
        return lines

    def _write(self, text: str) -> None:
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            new.unlink(missing_ok=True)  # of an attempt that was cut short: its mode is not known
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if self._path.exists():
                _keep_owner(self._path, new)
            new.replace(self._path)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise OperatorError(f"{self._path} cannot be written ({error.strerror})", "run it as who may write there") from error


def _keep_owner(old: Path, new: Path) -> None:
    """The daemon's user may own the file, and root change the password."""
    about = old.stat()
    if (about.st_uid, about.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(new, about.st_uid, about.st_gid)
    new.chmod(stat.S_IMODE(about.st_mode) & (stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP))


def _hash(password: str, salt: bytes) -> str:
    return _kept(salt, _derived(password, salt, _N, _R, _P))


def _kept(salt: bytes, key: bytes) -> str:
    return f"scrypt:{_N}:{_R}:{_P}:{b64encode(salt).decode()}:{b64encode(key).decode()}"


def _fits(password: str, kept: str) -> bool:
    parts = _parts(kept)
    if parts is None:
        return False
    n, r, p, salt, key = parts
    return compare_digest(_derived(password[: LONGEST + 1], salt, n, r, p), key)


def _parts(kept: str) -> tuple[int, int, int, bytes, bytes] | None:
    """Cost, salt and key of a kept hash; None if it is none, or would cost too much."""
    try:
        kind, n, r, p, salt, key = kept.split(":")
        cost = int(n), int(r), int(p)
        found = *cost, b64decode(salt, validate=True), b64decode(key, validate=True)
    except ValueError:
        return None
    bounded = 2 <= cost[0] <= _MOST_N and cost[0] & (cost[0] - 1) == 0 and 1 <= cost[1] * cost[2] <= _MOST_RP and cost[1] >= 1
    return found if kind == "scrypt" and bounded and found[4] else None


def _derived(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # OpenSSL's own limit of 32 MiB counts a little more than 128 N r.
    return scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r + 2**20, dklen=_KEY)
