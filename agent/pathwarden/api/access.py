"""Who is asking, and what they may do: sessions, sign-in, single sign-on.

Rules:
1. A request from this machine itself (its loopback addresses) may do everything, unless `home` says that it must sign in as well. What
   comes through a socket that is a file is a proxy's, and so anybody's.
2. Who signs in gets a new secret, whatever they sent, and it is known here by its digest alone. It ends after an hour without a
   request, after a week in any case, when the account is gone or changed, and when its owner leaves. Nothing of it is on any disk.
3. A write of a session must name that session's token, which no other page can read.
4. Attempts to sign in are limited by address and over all addresses. Addresses that signed in before, and this machine, are outside of
   the limit over all: a stranger who uses it up locks out no owner.
5. A code for single sign-on stands for a session of the router's, works once, and lasts a minute.
"""

import hashlib
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hmac import compare_digest
from ipaddress import ip_address
from typing import TypeVar

from pathwarden.api.guard import through_socket
from pathwarden.api.problem import Problem
from pathwarden.errors import OperatorError
from pathwarden.model.access import Account, Accounts, Right
from pathwarden.model.protocols import Clock

TOKEN_HEADER = "X-Pathwarden-Token"  # noqa: S105 - a header's name
_S = 1_000_000_000
IDLE_NS = 3600 * _S  # LuCI's own
LONGEST_NS = 7 * 86_400 * _S  # a page that is never closed asks for the password once a week
CHECK_NS = 30 * _S  # so long an account that was locked may still look
CODE_NS = 60 * _S  # a browser follows a link at once
MOST_SESSIONS = 64
MOST_CODES = 16
_SECRET_BYTES = 32
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes in base64
_OPEN = ("/healthz", "/api/v1/session")  # and the page's own files, which hold no secret
_BUSY_S = 1.0  # how long an attempt waits for another

ADDRESS_TRIES, ADDRESS_NS = 5, 30 * _S  # five slips at once, then one try every half minute
ALL_TRIES, ALL_NS = 30, 3 * _S  # a hash takes a Raspberry Pi 3B half a second
MOST_ADDRESSES = 256
MOST_KNOWN = 32
_EVERYBODY = ""

Environ = Mapping[str, object]
T = TypeVar("T")


@dataclass(slots=True)
class Session:
    """Somebody who signed in. `own` tells that the ticket was made for this page, and ends with it."""

    name: str
    account: Account
    own: bool
    began_ns: int
    seen_ns: int
    checked_ns: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(_SECRET_BYTES))


class Attempts:
    """How often somebody may still try; addresses of one IPv6 network count as one, since a machine may choose among them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._used: dict[str, tuple[float, int]] = {}
        self._known: dict[str, None] = {}
        self._lock = threading.Lock()

    def take(self, address: str) -> None:
        """Count a try. Raises `Problem` 429 if there were too many."""
        here = _network(address)
        limits = {here: (ADDRESS_TRIES, ADDRESS_NS)}
        with self._lock:
            if here not in self._known and not is_home(address):
                limits[_EVERYBODY] = ALL_TRIES, ALL_NS
            now = self._clock.mono_ns()
            used = {who: self._left(who, every_ns, now) for who, (_, every_ns) in limits.items()}
            waits = [(used[who] + 1 - most) * every_ns for who, (most, every_ns) in limits.items()]
            if max(waits) > 0:
                wait_s = -(-int(max(waits)) // _S)
                raise Problem(429, "too_many_attempts", f"too many attempts; wait {wait_s} s", headers={"Retry-After": str(wait_s)})
            for who in limits:
                self._used.pop(who, None)
                self._used[who] = used[who] + 1, now
            while len(self._used) > MOST_ADDRESSES:
                del self._used[next(who for who in self._used if who != _EVERYBODY)]

    def succeeded(self, address: str) -> None:
        """The try was a right one: it does not count, and the address is known from now on."""
        here = _network(address)
        with self._lock:
            self._used.pop(here, None)
            self._known.pop(here, None)
            self._known[here] = None
            while len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]

    def _left(self, who: str, every_ns: int, now: int) -> float:
        used, at = self._used.get(who, (0.0, now))
        return max(0.0, used - (now - at) / every_ns)


class Known:
    """Who signed in, and who tried; goes over to the next gate at a reload."""

    def __init__(self, clock: Clock) -> None:
        self.attempts = Attempts(clock)
        self.sessions: dict[bytes, Session] = {}
        self.codes: dict[bytes, tuple[str, int]] = {}
        self.lock = threading.Lock()

    def doubt(self) -> None:
        """Ask about every account at its next request."""
        with self.lock:
            for session in self.sessions.values():
                session.checked_ns = -CHECK_NS


class Gate:
    """Lets requests pass, and knows who signed in. Any thread may ask.

    `home` tells that this machine's own requests may do everything, `guests` that everybody may look. `key` is what local programs
    show that may read the daemon's own files; '' for none. `suggested` is the usual account's name.
    """

    def __init__(
        self,
        clock: Clock,
        accounts: Accounts | None = None,
        *,
        home: bool = True,
        guests: bool = True,
        key: str = "",
        suggested: str = "",
        known: Known | None = None,
    ) -> None:
        self.suggested = suggested
        self.known = known or Known(clock)
        self.known.doubt()
        self._clock = clock
        self._accounts = accounts
        self._home = home
        self._guests = guests
        self._key = key
        self._one = threading.Lock()  # one attempt at a time: a hash takes 16 MiB

    @property
    def signs_in(self) -> bool:
        """Whether there are accounts to sign in with."""
        return self._accounts is not None

    def check(self, environ: Environ) -> None:
        """Let a request pass. Raises `Problem` 401 if who asks must sign in, 403 if they may not, 503 if the accounts cannot be asked."""
        path = str(environ.get("PATH_INFO", ""))
        if path in _OPEN or path == "/" or path.startswith("/static/"):
            return
        writes = environ["REQUEST_METHOD"] not in ("GET", "HEAD")
        needed = Right.WRITE if writes else Right.READ
        if self._stranger(environ) >= needed:
            with suppress(Problem):  # who signed in all the same stays so by looking
                self.session(environ)
            return
        session = self.session(environ)
        if session is None:
            raise Problem(401, "sign_in_required", "sign in first", headers={"WWW-Authenticate": 'Session realm="pathwarden"'})
        if session.account.right < needed:
            raise Problem(403, "read_only", "this account may look, and change nothing")
        if writes and not compare_digest(str(environ.get("HTTP_X_PATHWARDEN_TOKEN", "")).encode(), session.token.encode()):
            raise Problem(403, "wrong_token", f"the header {TOKEN_HEADER} must hold the session's token")

    def right(self, environ: Environ) -> Right:
        """What who asks may do. Raises `Problem` as `check` does."""
        session = self.session(environ)
        return max(self._stranger(environ), session.account.right if session else Right.NONE)

    def session(self, environ: Environ) -> Session | None:
        """The session of who asks, which lives on with it; None if there is none. Raises `Problem` 503."""
        digest = _digest(_cookie(environ))
        with self.known.lock:
            session = self._living(digest)
        if session is None or self._accounts is None:
            return None
        now = self._clock.mono_ns()
        if now - session.checked_ns > CHECK_NS:
            right = self._asked(lambda accounts: accounts.right(session.account.ticket))
            if right is Right.NONE:
                self._forget(digest)
                return None
            session.account = session.account._replace(right=right)
            session.checked_ns = now
        session.seen_ns = now
        return session

    def sign_in(self, environ: Environ, name: str, password: str) -> tuple[str, Session]:
        """A new session and its secret. Raises `Problem`: 401 wrong, 403 no right, 429 too often, 503 no answer."""
        address = str(environ.get("REMOTE_ADDR", ""))
        self.known.attempts.take(address)
        if not self._one.acquire(timeout=_BUSY_S):
            raise Problem(429, "too_many_attempts", "another attempt is being looked at; wait 1 s", headers={"Retry-After": "1"})
        try:
            account = self._asked(lambda accounts: accounts.sign_in(name, password))
        finally:
            self._one.release()
        if account is None:
            raise Problem(401, "wrong_password", "name or password is wrong")
        return self._admit(environ, address, name, account, own=True)

    def code(self, ticket: str) -> str:
        """A code by which a browser gets the page's session for this ticket, once."""
        code = secrets.token_urlsafe(_SECRET_BYTES)
        with self.known.lock:
            while len(self.known.codes) >= MOST_CODES:
                del self.known.codes[next(iter(self.known.codes))]
            self.known.codes[_digest(code)] = ticket, self._clock.mono_ns() + CODE_NS
        return code

    def redeem(self, environ: Environ, code: str) -> tuple[str, Session]:
        """A new session and its secret for a code. Raises `Problem` as `sign_in` does."""
        address = str(environ.get("REMOTE_ADDR", ""))
        self.known.attempts.take(address)
        with self.known.lock:
            ticket, until_ns = self.known.codes.pop(_digest(code), ("", 0))
        if not ticket or until_ns < self._clock.mono_ns():
            raise Problem(401, "wrong_code", "this link was used before or is too old; open it again where it came from")
        right = self._asked(lambda accounts: accounts.right(ticket))
        return self._admit(environ, address, "", Account(ticket, right), own=False)

    def sign_out(self, environ: Environ) -> None:
        """End the session of who asks, if there is one."""
        session = self._forget(_digest(_cookie(environ)))
        if session is not None and session.own and self._accounts is not None:
            with suppress(OperatorError):  # without the accounts the ticket ends by itself within an hour
                self._accounts.end(session.account.ticket)

    def _stranger(self, environ: Environ) -> Right:
        """What a request may do without a session."""
        shown = str(environ.get("HTTP_AUTHORIZATION", ""))
        if self._key and compare_digest(shown.encode(), f"Bearer {self._key}".encode()):
            return Right.WRITE
        if self._home and is_home(str(environ.get("REMOTE_ADDR", ""))):
            return Right.WRITE
        return Right.READ if self._guests else Right.NONE

    def _asked(self, question: Callable[[Accounts], T]) -> T:
        if self._accounts is None:
            raise Problem(404, "no_sign_in", "there is nothing to sign in to here")
        try:
            return question(self._accounts)
        except OperatorError as error:
            raise Problem(503, "accounts_unavailable", str(error)) from error

    def _admit(self, environ: Environ, address: str, name: str, account: Account, *, own: bool) -> tuple[str, Session]:
        if account.right is Right.NONE:
            raise Problem(403, "no_right", "this account may neither look here nor change anything")
        self.known.attempts.succeeded(address)
        self.sign_out(environ)
        secret, now = secrets.token_urlsafe(_SECRET_BYTES), self._clock.mono_ns()
        session = Session(name, account, own, now, now, now)
        with self.known.lock:
            while len(self.known.sessions) >= MOST_SESSIONS:
                del self.known.sessions[min(self.known.sessions, key=lambda each: self.known.sessions[each].seen_ns)]
            self.known.sessions[_digest(secret)] = session
        return secret, session

    def _living(self, digest: bytes) -> Session | None:
        session, now = self.known.sessions.get(digest), self._clock.mono_ns()
        if session and (now - session.seen_ns > IDLE_NS or now - session.began_ns > LONGEST_NS):
            del self.known.sessions[digest]
            return None
        return session

    def _forget(self, digest: bytes) -> Session | None:
        with self.known.lock:
            return self.known.sessions.pop(digest, None)


def cookie_name(environ: Environ) -> str:
    """Cookies know no ports: two agents of one machine must not take each other's. A proxy gives each a name of its own."""
    return f"pathwarden_{'proxy' if through_socket(environ) else environ.get('SERVER_PORT', '')}"


def is_home(address: str) -> bool:
    """Whether an address is this machine's loopback."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _cookie(environ: Environ) -> str:
    """The secret that a request shows; '' if it shows none."""
    name = cookie_name(environ)
    for each in str(environ.get("HTTP_COOKIE", "")).split(";"):
        given, _, value = each.strip().partition("=")
        if given == name and _COOKIE.fullmatch(value):
            return value
    return ""


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _network(address: str) -> str:
    """An address, or the /64 of an IPv6 one."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else found.exploded[:19]
