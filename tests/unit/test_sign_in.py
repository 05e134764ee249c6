"""rpcd's sessions: what is asked is what was recorded, and the session of nobody is never one."""

from collections import Counter

import pytest

from equipment.ubus import exchange
from pathwarden.errors import OperatorError
from pathwarden.model.access import Right
from pathwarden.net.sign_in import RouterAccounts, Sessions, is_session
from pathwarden.net.ubus_message import Status
from pathwarden.net.ubus_session import Session, UbusError, object_id

SID = "fd49740783840fd6b63f462d62a68c12"
NOBODY = "0" * 32


class Recorded:
    """A bus that answers from a recorded exchange, and holds what is asked against it."""

    def __init__(self, name):
        self.said = list(exchange(name).said)

    def call(self, path, method, data):
        session, ended = Session(Counter()), []
        session.receive(self.said[0][1])
        session.lookup(
            path, 10**18, lambda _s, parts: session.invoke(object_id(parts), method, data, 10**18, lambda *end: ended.append(end))
        )
        for who, recorded in self.said[1:]:
            if who == "ubusd":
                session.receive(recorded)
            else:
                assert bytes(session.outgoing).hex() == recorded.hex()
                session.outgoing.clear()
        ((status, parts),) = ended
        if status is not Status.OK:
            raise UbusError(status)
        return parts[0].data() if parts else {}


class Bus:
    """A bus that says one thing."""

    def __init__(self, answer):
        self.answer, self.asked = answer, 0

    def call(self, *_args):
        self.asked += 1
        if isinstance(self.answer, Status):
            raise UbusError(self.answer)
        return self.answer


def test_login():
    assert Sessions(Recorded("login-ok-2")).login("root", "labpass", 300) == (SID, 300)
    assert Sessions(Recorded("login-ok")).login("root", "labpass", 300) == ("286b5fdf8116938ec8b582e0fee99118", 300)


def test_a_wrong_password_is_no_session_and_no_error():
    assert Sessions(Bus(Status.PERMISSION_DENIED)).login("root", "wrong", 300) is None
    with pytest.raises(UbusError, match="connection failed"):
        Sessions(Bus(Status.CONNECTION_FAILED)).login("root", "x", 300)


@pytest.mark.parametrize("answer", [{}, {"ubus_rpc_session": NOBODY}, {"ubus_rpc_session": 5}, {"ubus_rpc_session": "../../etc"}])
def test_a_session_that_is_none_is_not_believed(answer):
    with pytest.raises(UbusError):
        Sessions(Bus(answer)).login("root", "x", 300)


def test_access():
    assert Sessions(Recorded("access-granted")).access(SID, "access-group", "unauthenticated", "read") is True
    assert Sessions(Recorded("access-denied")).access(SID, "ubus", "no-such", "none") is False
    assert Sessions(Recorded("access-unknown-session")).access("0123456789abcdef" * 2, "ubus", "x", "y") is False
    assert Sessions(Bus({"access": 1})).access(SID, "ubus", "x", "y") is False
    with pytest.raises(UbusError):
        Sessions(Bus(Status.TIMEOUT)).access(SID, "ubus", "x", "y")


def test_destroy():
    Sessions(Recorded("destroy")).destroy(SID)
    Sessions(Bus(Status.NOT_FOUND)).destroy(SID)
    with pytest.raises(UbusError):
        Sessions(Bus(Status.TIMEOUT)).destroy(SID)


@pytest.mark.parametrize("session_id", [NOBODY, "", "x", SID.upper(), SID + "0", f"{SID}\n", " " + SID])
def test_nobodys_session_is_never_asked_about(session_id):
    """rpcd grants some things to the session of all zeros, as it was recorded; nobody gets in by it here."""
    bus = Bus({"access": True})
    sessions = Sessions(bus)
    assert not is_session(session_id)
    assert sessions.access(session_id, "ubus", "session", "login") is False
    sessions.destroy(session_id)
    assert bus.asked == 0


class Router:
    """rpcd with one account, whose password None means that it has none; `alive` holds the sessions."""

    def __init__(self, password="secret", rights=("read", "write")):
        self.password, self.rights, self.alive, self.away = password, rights, [], False

    def call(self, path, method, data):
        assert path == "session"
        if self.away:
            raise UbusError(Status.CONNECTION_FAILED)
        return getattr(self, method)(**data)

    def login(self, username, password, timeout):
        assert timeout > 0
        if username != "root" or self.password not in (None, password):
            raise UbusError(Status.PERMISSION_DENIED)
        self.alive.append(f"{len(self.alive) + 1:032x}")
        return {"ubus_rpc_session": self.alive[-1]}

    def access(self, ubus_rpc_session, scope, object, function):  # noqa: A002 - rpcd's own word
        if ubus_rpc_session not in self.alive:
            raise UbusError(Status.NOT_FOUND)
        return {"access": (scope, object) == ("access-group", "pathwarden") and function in self.rights}

    def destroy(self, ubus_rpc_session):
        self.alive.remove(ubus_rpc_session)
        return {}


@pytest.mark.parametrize(
    ("rights", "right"), [(("read", "write"), Right.WRITE), (("write",), Right.WRITE), (("read",), Right.READ), ((), Right.NONE)]
)
def test_rights_are_those_of_the_access_group(rights, right):
    router = Router(rights=rights)
    account = RouterAccounts(Sessions(router)).sign_in("root", "secret")
    assert (account.right, account.unguarded) == (right, False)
    assert router.alive == ([] if right is Right.NONE else [account.ticket]), "a session that is good for nothing ends at once"
    assert RouterAccounts(Sessions(router)).right(account.ticket) is right


def test_an_account_without_a_password_is_told():
    """rpcd takes any password there, so the one that was given tells nothing."""
    router = Router(password=None)
    account = RouterAccounts(Sessions(router)).sign_in("root", "whatever")
    assert account.unguarded
    assert router.alive == [account.ticket]


def test_the_router_refuses_and_forgets():
    router = Router()
    accounts = RouterAccounts(Sessions(router))
    assert accounts.sign_in("root", "wrong") is None
    account = accounts.sign_in("root", "secret")
    accounts.end(account.ticket)
    assert accounts.right(account.ticket) is Right.NONE
    assert accounts.right(NOBODY) is Right.NONE
    router.away = True
    for question in (lambda: accounts.sign_in("root", "x"), lambda: accounts.right(SID), lambda: accounts.end(SID)):
        with pytest.raises(OperatorError, match=r"the router's accounts cannot be asked: .*connection failed; see whether rpcd runs"):
            question()
