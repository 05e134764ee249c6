"""What stands in every connection to ubusd: objects that we publish, notifications and events that we hear.

Each is set up anew in a new connection, and again in the same one after it was refused or its other side went away.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from pathwarden.net import ubus_message
from pathwarden.net.blobmsg import Value
from pathwarden.net.ubus_message import Message, Status
from pathwarden.net.ubus_session import EVENT_OBJECT, Session, UbusError, object_id, signature

Data = Mapping[str, Value]
Heard = Callable[[str, Data], None]
Ended = Callable[[Status], None]


class Method(NamedTuple):
    """A method that we offer: its arguments with their types (str or int), all optional, and what answers; it may raise UbusError."""

    arguments: Mapping[str, type]
    run: Callable[[Data], Mapping[str, object]]


class Standing(Protocol):
    """One thing that is to stand. `what` says it in words."""

    what: str

    def set_up(self, session: Session, deadline_ns: int, ended: Ended) -> None:
        """Set it up; `ended(status)` is called at the end, and once more with NOT_FOUND when it does not stand any longer."""
        ...


class Publication:
    """An object with a path and methods."""

    def __init__(self, path: str, methods: Mapping[str, Method]) -> None:
        self.what = f"publish {path}"
        self._path = path
        self._methods = methods

    def set_up(self, session: Session, deadline_ns: int, ended: Ended) -> None:
        """Add the object."""
        offered = signature({name: method.arguments for name, method in self._methods.items()})
        path = ubus_message.text(self._path)
        session.add_object(self._answer, deadline_ns, lambda status, _id: ended(status), path=path, signature=offered)

    def _answer(self, name: str, data: Data) -> Mapping[str, object]:
        """Run a method. Arguments that it does not know are left out: rpcd adds the caller's session."""
        method = self._methods.get(name)
        if method is None:
            raise UbusError(Status.METHOD_NOT_FOUND)
        given = {arg: data[arg] for arg in method.arguments if data.get(arg) is not None}
        if any(type(value) is not method.arguments[arg] for arg, value in given.items()):
            raise UbusError(Status.INVALID_ARGUMENT)
        return method.run(given)


class _Ear:
    """An object without a path, at which we hear; one in each connection."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._session: Session | None = None
        self._own_id = 0

    def open(self, session: Session, deadline_ns: int, ended: Ended, then: Callable[[int], None]) -> None:
        """Call `then(object_id)` with the ear of this connection, which is made once."""
        if session is self._session:
            then(self._own_id)
            return

        def added(status: Status, own_id: int) -> None:
            if status is not Status.OK:
                ended(status)
                return
            self._session, self._own_id = session, own_id
            then(own_id)

        session.add_object(self._hear, deadline_ns, added)

    def _hear(self, name: str, data: Data) -> None:
        self._heard(name, data)


class Listening:
    """Events of a name, or of all names that begin with it where it ends with `*`."""

    def __init__(self, pattern: str, heard: Heard) -> None:
        self.what = f"listen to {pattern}"
        self._pattern = pattern
        self._ear = _Ear(heard)

    def set_up(self, session: Session, deadline_ns: int, ended: Ended) -> None:
        """Register the pattern with ubusd's own object."""

        def register(own_id: int) -> None:
            # The table knows only signed numbers, as ubusd's ids are not.
            data = {"object": own_id - (own_id >> 31 << 32), "pattern": self._pattern}
            session.invoke(EVENT_OBJECT, "register", data, deadline_ns, lambda status, _parts: ended(status))

        self._ear.open(session, deadline_ns, ended, register)


class Subscription:
    """What the object of a path notifies."""

    def __init__(self, path: str, heard: Heard) -> None:
        self.what = f"subscribe to {path}"
        self._path = path
        self._ear = _Ear(heard)

    def set_up(self, session: Session, deadline_ns: int, ended: Ended) -> None:
        """Find the object and subscribe; when it goes away, it has to be found again."""

        def find(own_id: int) -> None:
            session.lookup(self._path, deadline_ns, lambda status, parts: found(own_id, status, parts))

        def found(own_id: int, status: Status, parts: Sequence[Message]) -> None:
            target_id = object_id(parts)
            if status is not Status.OK or not target_id:
                ended(status or Status.NOT_FOUND)
                return
            session.subscribe(
                own_id, target_id, deadline_ns, done=lambda status, _parts: ended(status), gone=lambda: ended(Status.NOT_FOUND)
            )

        self._ear.open(session, deadline_ns, ended, find)
