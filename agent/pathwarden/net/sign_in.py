"""Signing in with OpenWrt's own accounts: rpcd's sessions over ubus."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from pathwarden.errors import OperatorError
from pathwarden.model.access import Account, Right
from pathwarden.net.ubus_message import Status
from pathwarden.net.ubus_session import UbusError
from pathwarden.net.ubus_standing import Data

_ID = re.compile(r"[0-9a-f]{32}")
_NOBODY = "0" * 32  # rpcd's session of everyone who has not signed in; it always exists and may do little, but not nothing
_GROUP = "pathwarden"  # in rpcd's access list
_IDLE_S = 3600  # LuCI's own
_PROBE_S = 5  # nobody uses it

T = TypeVar("T")


class Caller(Protocol):
    """What this needs of the ubus client."""

    def call(self, path: str, method: str, data: Mapping[str, object], timeout_s: float = 3.0) -> Data:
        """Call a method and wait. Raises UbusError."""
        ...


class SignedIn(NamedTuple):
    """A session: its id, and after how many seconds without a request it ends."""

    session_id: str
    timeout_s: int


class Sessions:
    """rpcd's sessions. Each call waits a few seconds at most and raises UbusError when ubus or rpcd is not there."""

    def __init__(self, bus: Caller) -> None:
        self._bus = bus

    def login(self, username: str, password: str, timeout_s: int) -> SignedIn | None:
        """Begin a session that ends after so long without a request; None if name or password is wrong."""
        try:
            answer = self._bus.call("session", "login", {"username": username, "password": password, "timeout": timeout_s})
        except UbusError as error:
            if error.status is Status.PERMISSION_DENIED:
                return None
            raise
        session_id = answer.get("ubus_rpc_session")
        if not isinstance(session_id, str) or not is_session(session_id):
            raise UbusError(Status.NO_DATA, "session login")
        return SignedIn(session_id, timeout_s)

    def access(self, session_id: str, scope: str, name: str, function: str) -> bool:
        """Whether the session may do this, which keeps it alive, too; False if there is no such session."""
        if not is_session(session_id):
            return False
        asked = {"ubus_rpc_session": session_id, "scope": scope, "object": name, "function": function}
        try:
            return self._bus.call("session", "access", asked).get("access") is True
        except UbusError as error:
            if error.status is Status.NOT_FOUND:
                return False
            raise

    def destroy(self, session_id: str) -> None:
        """End a session; one that has ended already is no mistake."""
        if not is_session(session_id):
            return
        try:
            self._bus.call("session", "destroy", {"ubus_rpc_session": session_id})
        except UbusError as error:
            if error.status is not Status.NOT_FOUND:
                raise


def is_session(session_id: str) -> bool:
    """Whether a text may be the id of somebody who has signed in."""
    return _ID.fullmatch(session_id) is not None and session_id != _NOBODY


class RouterAccounts:
    """Implements `model.access.Accounts` by rpcd's sessions: what an account may do says the access group of its name."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def sign_in(self, name: str, password: str) -> Account | None:
        """The router's account. Raises `OperatorError`."""
        return _asked(lambda: self._sign_in(name, password))

    def right(self, ticket: str) -> Right:
        """What rpcd's session may do. Raises `OperatorError`."""
        return _asked(lambda: self._right(ticket))

    def end(self, ticket: str) -> None:
        """End rpcd's session. Raises `OperatorError`."""
        _asked(lambda: self._sessions.destroy(ticket))

    def _sign_in(self, name: str, password: str) -> Account | None:
        signed = self._sessions.login(name, password, _IDLE_S)
        if signed is None:
            return None
        right = self._right(signed.session_id)
        if right is Right.NONE:
            self._sessions.destroy(signed.session_id)
        # rpcd takes every password of an account that has none.
        probe = self._sessions.login(name, "", _PROBE_S)
        if probe:
            self._sessions.destroy(probe.session_id)
        return Account(signed.session_id, right, unguarded=probe is not None)

    def _right(self, session_id: str) -> Right:
        for right in (Right.WRITE, Right.READ):
            if self._sessions.access(session_id, "access-group", _GROUP, right.name.lower()):
                return right
        return Right.NONE


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except UbusError as error:
        raise OperatorError(f"the router's accounts cannot be asked: {error}", "see whether rpcd runs") from error
