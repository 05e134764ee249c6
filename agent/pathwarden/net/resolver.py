"""Turns host names into addresses, in a thread of its own, so that a slow name server never holds up a probe.

Rules:
1. An address is answered at once, in canonical form. A name is answered from memory, or with None while nobody knows.
2. A name stays with its address as long as the name server still lists it, whatever else it lists: a target does not move
   because a list is shuffled.
3. A name is asked for again by the first look-up after `refresh_s`; one that did not resolve after 30 s. A failure never
   takes an address away.
"""

import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pathwarden.net.sockets import DOMAINS

_RETRY_NS = 30_000_000_000  # at boot the name server comes up after us
_REMEMBERED = 1024  # names; more than any configuration has
_SECOND_NS = 1_000_000_000

GetAddrInfo = Callable[..., Sequence[tuple[Any, ...]]]
_Question = tuple[str, int]


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
        self._due_ns[question] = None
        self._questions.put(question)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="resolver", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (question := self._questions.get()) is not None:
            host, family = question
            found = _resolve(host, family, self._getaddrinfo)
            pinned = self._addresses.get(question)
            if found and pinned not in found:
                self._addresses[question] = found[0]
            self._due_ns[question] = self._mono_ns() + (self._refresh_ns if found else _RETRY_NS)
            if found and pinned not in found:
                self._on_change(host)


def resolve_now(host: str, family: int, getaddrinfo: GetAddrInfo = socket.getaddrinfo) -> str | None:
    """The address of a host, or None if it has none of this family; waits for the name server. For the command line."""
    literal = _literal(host)
    found = [literal] if literal else _resolve(host, family, getaddrinfo)
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


def _resolve(host: str, family: int, getaddrinfo: GetAddrInfo) -> list[str]:
    domain = DOMAINS.get(family, socket.AF_UNSPEC)
    try:
        found = getaddrinfo(host, None, family=domain, type=socket.SOCK_DGRAM)
    except (OSError, ValueError):  # ValueError: no name that could exist
        return []
    return [str(address[0]) for *_, address in found]
