"""Turns host names into addresses, in a thread of its own, so that a slow name server never holds up a probe.

Rules:
1. An address is answered at once, in canonical form. A name is answered from memory, or with None while nobody knows.
2. A name stays with its address as long as the name server still lists it, whatever else it lists: a target does not move
   because a list is shuffled.
3. A name is asked for again by the first look-up after `refresh_s`; one that did not resolve after 30 s. A failure never
   takes an address away.
4. The name servers are silent when questions in a row got no answer at all: names of two different zones, or one zone three times after
   a second or more (a zone alone may be broken: its name servers' failure comes quickly). "No such name" is an answer.
5. So that their silence is noticed, `check` asks for a known name early: once a minute, every 10 s after a question without an answer.
"""

import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pathwarden.net.sockets import DOMAINS

_RETRY_NS = 30_000_000_000  # at boot the name server comes up after us
_CHECK_NS = 60_000_000_000  # a question a minute, which the router's own cache usually answers
_DOUBT_NS = 10_000_000_000
_SLOW_NS = 1_000_000_000  # the C library waits five seconds for a silent name server
_ZONES = 2
_TIMES = 3
_REMEMBERED = 1024  # names; more than any configuration has
_SECOND_NS = 1_000_000_000

GetAddrInfo = Callable[..., Sequence[tuple[Any, ...]]]
_Question = tuple[str, int]


class NameServers:
    """Whether the name servers answer, judged by what became of questions."""

    def __init__(self) -> None:
        self.silent_since_ns: int | None = None
        self._first_ns: int | None = None  # when the first of the questions in a row without an answer was asked
        self._slow: dict[str, int] = {}  # by zone, how many of its questions took long

    @property
    def doubtful(self) -> bool:
        """Whether the last question got no answer."""
        return bool(self._slow)

    def on_answer(self) -> None:
        """There was an answer, be it that there is no such name."""
        self.silent_since_ns = self._first_ns = None
        self._slow.clear()

    def on_silence(self, host: str, asked_ns: int, took_ns: int) -> None:
        """There was none."""
        zone = ".".join(host.rstrip(".").lower().split(".")[-2:])
        self._first_ns = asked_ns if self._first_ns is None else self._first_ns
        self._slow[zone] = min(self._slow.get(zone, 0) + (took_ns >= _SLOW_NS), _TIMES)
        if len(self._slow) >= _ZONES or self._slow[zone] >= _TIMES:
            self.silent_since_ns = self._first_ns


class ThreadResolver:
    """A `Resolver`. `on_change(host)` is called from its thread when a name got its first or another address.

    The thread starts with the first name. `family` is 4, 6, or 0 for the system's own order (RFC 6724).
    """

    def __init__(
        self,
        on_change: Callable[[str], None],
        *,
        refresh_s: int = 900,
        getaddrinfo: GetAddrInfo = socket.getaddrinfo,
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._on_change = on_change
        self._refresh_ns = refresh_s * _SECOND_NS
        self._getaddrinfo = getaddrinfo
        self._mono_ns = mono_ns
        self._addresses: dict[_Question, str | None] = {}
        self._due_ns: dict[_Question, int | None] = {}  # None: asked for, not answered yet
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._name_servers = NameServers()
        self._asked_ns = mono_ns()

    @property
    def silent_since_ns(self) -> int | None:
        """Since when the name servers have not answered; None while they do, or while no name was asked for."""
        return self._name_servers.silent_since_ns

    def check(self) -> None:
        """Ask for the name that was asked for longest ago, if it is time to know whether the name servers answer; never blocks."""
        if self._mono_ns() - self._asked_ns < (_DOUBT_NS if self._name_servers.doubtful else _CHECK_NS):
            return
        questions = list(self._due_ns.items())
        if questions and all(due_ns is not None for _, due_ns in questions):
            self._ask(questions[0][0])

    def lookup(self, host: str, family: int) -> str | None:
        """The pinned address of a host, or None while it is being resolved or does not resolve; never blocks."""
        literal = _literal(host)
        if literal:
            return literal if family in (0, _family(literal)) else None
        question = (host, family)
        due_ns = self._due_ns.get(question, 0)
        if due_ns is not None and due_ns <= self._mono_ns():
            self._ask(question)
        return self._addresses.get(question)

    def close(self) -> None:
        """Let the thread end after the question that it is busy with."""
        self._questions.put(None)

    def _ask(self, question: _Question) -> None:
        if len(self._due_ns) >= _REMEMBERED and question not in self._due_ns:
            forgotten = next(iter(self._due_ns))
            del self._due_ns[forgotten]
            self._addresses.pop(forgotten, None)
        self._due_ns.pop(question, None)  # to the end: the first is the one that was asked for longest ago
        self._due_ns[question] = None
        self._asked_ns = self._mono_ns()
        self._questions.put(question)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="resolver", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (question := self._questions.get()) is not None:
            host, family = question
            asked_ns = self._mono_ns()
            found, answered = _ask_system(host, family, self._getaddrinfo)
            if answered:
                self._name_servers.on_answer()
            else:
                self._name_servers.on_silence(host, asked_ns, self._mono_ns() - asked_ns)
            pinned = self._addresses.get(question)
            if found and pinned not in found:
                self._addresses[question] = found[0]
            self._due_ns[question] = self._mono_ns() + (self._refresh_ns if found else _RETRY_NS)
            if found and pinned not in found:
                self._on_change(host)


def resolve_now(host: str, family: int, getaddrinfo: GetAddrInfo = socket.getaddrinfo) -> str | None:
    """The address of a host, or None if it has none of this family; waits for the name server. For the command line."""
    literal = _literal(host)
    found = [literal] if literal else _ask_system(host, family, getaddrinfo)[0]
    return next((address for address in found if family in (0, _family(address))), None)


def _family(address: str) -> int:
    return 6 if ":" in address else 4


def _literal(host: str) -> str:
    """The canonical form of an address, or ''."""
    for domain in DOMAINS.values():
        try:
            return socket.inet_ntop(domain, socket.inet_pton(domain, host))
        except (OSError, ValueError):  # ValueError: a NUL inside
            continue
    return ""


def _ask_system(host: str, family: int, getaddrinfo: GetAddrInfo) -> tuple[list[str], bool]:
    """The addresses of a name, and whether a name server answered."""
    domain = DOMAINS.get(family, socket.AF_UNSPEC)
    try:
        found = getaddrinfo(host, None, family=domain, type=socket.SOCK_DGRAM)
    except socket.gaierror as error:  # EAI_AGAIN: no server answered, or all of them failed
        return [], error.errno != socket.EAI_AGAIN
    except (OSError, ValueError):  # ValueError: no name that could exist
        return [], True
    return [str(address[0]) for *_, address in found], True
