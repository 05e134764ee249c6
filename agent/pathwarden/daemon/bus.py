"""OpenWrt's bus: what it tells of interfaces, and the object `pathwarden` that we publish there. Imported only where there is a bus."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from ipaddress import IPv6Address, IPv6Network
from typing import TypeVar

from pathwarden.api.answers import COLUMNS, MOST_COLUMNS, MOST_POINTS, POINTS, Answers, Span
from pathwarden.api.problem import Problem
from pathwarden.daemon.sources import UBUS, names_interface
from pathwarden.errors import OperatorError
from pathwarden.model.access import Accounts
from pathwarden.model.happening import Happening
from pathwarden.model.look import NARROWEST, WIDEST
from pathwarden.model.protocols import Agent, Clock, HistoryReader, Pictures, SourceResolver
from pathwarden.model.settings import Settings
from pathwarden.net.interfaces import Interfaces
from pathwarden.net.marks import Marks
from pathwarden.net.netlink import KernelRoutes
from pathwarden.net.sign_in import RouterAccounts, Sessions, is_session
from pathwarden.net.ubus import UbusClient
from pathwarden.net.ubus_message import Status
from pathwarden.net.ubus_session import UbusError
from pathwarden.net.ubus_standing import Data, Method
from pathwarden.present.instants import parse_instant

NAME = "pathwarden"
CHANGES, MOST_CHANGES = 50, 100  # with both paths an event has several kilobytes
MOST_PATHS = 100  # of a target; with all their hops a tenth of what ubus carries in one message
TOLD_S = 1.5  # netifd answers in milliseconds; whoever starts does not wait longer for it
LAST_ID = 2**63 - 1  # SQLite's integers

SESSION = "ubus_rpc_session"
SPAN: dict[str, type] = {"id": str, "from": str, "to": str}
PICTURE: dict[str, type] = {"target": str, "at": str, "theme": str, "lang": str}
UNIQUE_LOCAL = IPv6Network("fc00::/7")

T = TypeVar("T")
NewCode = Callable[[str], str]
Answer = Callable[[Data], Mapping[str, object]]


class Bus:
    """A connection to ubus with the interfaces of netifd. Nothing happens before `start` or `listen`."""

    def __init__(self, oracle: KernelRoutes) -> None:
        self._agent: Agent | None = None
        self._client = UbusClient(UBUS)
        self._interfaces = Interfaces(self._client, Marks(oracle.marks))
        self.sources: SourceResolver = self._interfaces

    def start(
        self,
        agent: Agent,
        reader: HistoryReader,
        settings: Settings,
        clock: Clock,
        new_code: NewCode | None = None,
        pictures: Callable[[], Pictures | None] = lambda: None,
    ) -> None:
        """Connect, publish the agent, and wait a moment for netifd if a source or a listener names an interface.

        `new_code` gives the code by which a browser takes over a session of rpcd's, `pictures` what draws, if that is installed.
        """
        self._agent = agent
        self._client.publish(NAME, methods(Answers(agent, reader, settings, clock, pictures), agent.trace_now, new_code))
        self._client.start()
        if names_interface(settings):
            self._interfaces.wait(TOLD_S)

    def accounts(self) -> Accounts:
        """The router's accounts."""
        return RouterAccounts(Sessions(self._client))

    def addresses(self, interface: str) -> tuple[str, ...]:
        """The addresses of an interface that its network reaches and that stay: IPv4, and unique local ones (RFC 4193)."""
        found = self._interfaces.known.get(interface)
        if found is None:
            return ()
        return (*found.addresses4, *(each for each in (*found.addresses6, *found.assigned) if IPv6Address(each) in UNIQUE_LOCAL))

    def listen(self) -> None:
        """Connect, and wait a moment for netifd."""
        self._client.start()
        self._interfaces.wait(TOLD_S)

    def interfaces(self) -> list[str]:
        """The names of all interfaces; `snapshot` says why there are none."""
        return sorted(self._interfaces.known)

    def on_change(self, changed: Callable[[str], None]) -> None:
        """From now on call `changed(name)`, in the bus's thread, when an interface changed; what could not be traced is asked for again."""

        def told(name: str) -> None:
            changed(name)
            self._ask_again()

        self._interfaces.on_change = told

    def on_happening(self, noted: Callable[[Happening], None]) -> None:
        """From now on call `noted`, in the bus's thread, when netifd tells of an interface."""
        self._interfaces.on_happening = noted

    def _ask_again(self) -> None:
        """Ask for the targets whose probes had no way out, or whose name did not resolve: now there may be one, by any interface."""
        if self._agent:
            for state in self._agent.target_states():
                if state["state"] == "error":
                    self._agent.trace_now(str(state["target"]))

    def close(self) -> None:
        """End the connection; twice does no harm."""
        self._client.close()

    def snapshot(self) -> dict[str, object]:
        """The bus in `info`; `detail` is what does not work."""
        connected = self._client.connected
        troubles = [self._client.detail, self._interfaces.trouble if connected else ""]
        return {"connected": connected, "detail": "; ".join(trouble for trouble in troubles if trouble)}

    def counters(self) -> dict[str, int]:
        """What was counted, for `info`."""
        return {f"ubus_{name}": count for name, count in sorted(self._client.counts.items())}


@contextmanager
def listening() -> Iterator[Bus]:
    """A connection for a command that runs once, with the interfaces as they are now."""
    oracle = KernelRoutes()
    bus = Bus(oracle)
    try:
        bus.listen()
        yield bus
    finally:
        bus.close()
        oracle.close()


def methods(answers: Answers, trace_now: Callable[[str], str], new_code: NewCode | None = None) -> dict[str, Method]:
    """What is published: the HTTP interface's own objects, each within the megabyte that ubus carries in a message.

    What does something stands at the end: rpcd's access lists have it among what is written. `sign_in` gives a code to who signed in to
    LuCI.
    """
    answering: dict[str, tuple[dict[str, type], Answer]] = {
        "status": ({}, lambda _asked: answers.status()),
        "summary": ({}, lambda _asked: answers.summary()),
        "targets": ({}, lambda _asked: answers.targets()),
        "target": ({"id": str}, lambda asked: answers.target(_target(asked))),
        "paths": ({"id": str}, lambda asked: answers.paths(_target(asked), MOST_PATHS)),
        "trace": ({"id": int}, lambda asked: answers.trace(_required(_number(asked, "id")))),
        "trace_asked": ({"asked": str}, lambda asked: answers.asked(_required(_text(asked, "asked")))),
        "trace_at": ({"id": str, "at": str}, lambda asked: answers.trace_at(_target(asked), _required(_instant(asked, "at")))),
        "series": (SPAN | {"points": int}, lambda asked: answers.series(_target(asked), _span(asked), _points(asked))),
        "heatmap": (SPAN | {"columns": int}, lambda asked: answers.heatmap(_target(asked), _span(asked), _columns(asked))),
        "diff": ({"id": str, "a": str, "b": str}, lambda asked: answers.diff(_target(asked), _text(asked, "a"), _text(asked, "b"))),
        "changes": (
            {"since_seq": int, "before_seq": int, "target": str, "from": str, "to": str, "limit": int},
            lambda asked: _changes(answers, asked),
        ),
        "incidents": (
            {"limit": int, "before": str},
            lambda asked: answers.incidents(_number(asked, "limit", 1, MOST_CHANGES) or CHANGES, _text(asked, "before")),
        ),
        # A hundred kilobytes for 20 targets.
        "graph": (PICTURE | {"before": str}, lambda asked: {"svg": _graph(answers, asked)}),
        "map": (PICTURE | {"width": int}, lambda asked: {"svg": _map(answers, asked)}),
        "trace_now": ({"target": str}, lambda asked: _trace_now(trace_now, _required(_text(asked, "target")))),
        "mute": (
            {"id": str, "for_s": int, "a": str, "b": str},
            lambda asked: answers.mute(_target(asked), asked.get("for_s"), _pair(asked)),
        ),
        "accept_path": ({"id": str}, lambda asked: answers.accept_path(_target(asked))),
        "note": ({"id": str, "note": str}, lambda asked: answers.note(_required(_text(asked, "id")), asked.get("note"))),
    }
    sign_in = Method({SESSION: str}, lambda asked: {"code": _code(new_code, _text(asked, SESSION))})
    return {"sign_in": sign_in} | {name: Method(arguments, _said(answer)) for name, (arguments, answer) in answering.items()}


def _target(asked: Data) -> str:
    return _required(_text(asked, "id"))


def _points(asked: Data) -> int:
    return _number(asked, "points", 1, MOST_POINTS) or POINTS


def _columns(asked: Data) -> int:
    return _number(asked, "columns", 1, MOST_COLUMNS) or COLUMNS


def _pair(asked: Data) -> list[str] | None:
    """Two letters of paths; None without any. Raises UbusError."""
    pair = [_text(asked, "a"), _text(asked, "b")]
    return None if pair == [None, None] else [_required(letter) for letter in pair]


def _code(new_code: NewCode | None, session: str | None) -> str:
    """A code for rpcd's session, which rpcd itself adds to what it passes on; nobody else has one to name. Raises UbusError."""
    if new_code is None:  # nobody signs in to the page
        raise UbusError(Status.NOT_SUPPORTED)
    if session is None or not is_session(session):
        raise UbusError(Status.PERMISSION_DENIED)
    return new_code(session)


def _changes(answers: Answers, asked: Data) -> Mapping[str, object]:
    limit = _number(asked, "limit", 1, MOST_CHANGES) or CHANGES
    return answers.changes(_number(asked, "since_seq"), _number(asked, "before_seq"), _text(asked, "target"), limit, _span(asked))


def _graph(answers: Answers, asked: Data) -> str:
    tid, language = _text(asked, "target"), _text(asked, "lang")
    return answers.graph(tid, _instant(asked, "at"), _instant(asked, "before"), _text(asked, "theme"), language)


def _map(answers: Answers, asked: Data) -> str:
    tid, width = _text(asked, "target"), _number(asked, "width", NARROWEST, WIDEST)
    return answers.map(tid, _instant(asked, "at"), _text(asked, "theme"), _text(asked, "lang"), width)


def _trace_now(trace_now: Callable[[str], str], tid: str) -> Mapping[str, object]:
    """Ask for a trace, which runs later."""
    name = trace_now(tid)
    if not name:
        raise UbusError(Status.NOT_FOUND)
    return {"target": tid, "asked": name}


def _required(value: T | None) -> T:
    """An argument that must be there. Raises UbusError."""
    if value is None:
        raise UbusError(Status.INVALID_ARGUMENT)
    return value


def _text(asked: Data, name: str) -> str | None:
    """An argument's text; None if absent."""
    value = asked.get(name)
    return value if isinstance(value, str) else None


def _instant(asked: Data, name: str) -> int | None:
    """An argument's instant (RFC 3339) in wall-clock nanoseconds; None if absent. Raises UbusError."""
    text = _text(asked, name)
    try:
        return None if text is None else parse_instant(text)
    except ValueError as error:
        raise UbusError(Status.INVALID_ARGUMENT) from error


def _span(asked: Data) -> Span:
    return _instant(asked, "from"), _instant(asked, "to")


def _number(asked: Data, name: str, low: int = 0, high: int = LAST_ID) -> int | None:
    """An argument's number; None if absent. Raises UbusError."""
    value = asked.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or not low <= value <= high:
        raise UbusError(Status.INVALID_ARGUMENT)
    return value


def _said(answer: Answer) -> Answer:
    """The answer with what is wrong as ubus says it."""

    def run(asked: Data) -> Mapping[str, object]:
        try:
            return answer(asked)
        except Problem as problem:
            raise UbusError(_status(problem)) from problem
        except OperatorError as error:  # the history cannot be read; the page and the log say why
            raise UbusError(Status.SYSTEM_ERROR) from error

    return run


def _status(problem: Problem) -> Status:
    """What is wrong as ubus says it."""
    if problem.code == "not_installed":
        return Status.NOT_SUPPORTED
    return Status.NOT_FOUND if problem.status == HTTPStatus.NOT_FOUND else Status.INVALID_ARGUMENT
