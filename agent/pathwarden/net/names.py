"""Host names of responders, looked up beside the tracing and never inside its timing."""

import re
import socket
import threading

# What a host name may look like (RFC 1123, with the underscore that some carriers use). A PTR record is written by a stranger:
# anything else is not shown.
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_AT_ONCE = 4
_ABSENT = ""


class ReverseNames:
    """Looks addresses up in threads of its own, at most four at once; each address once."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._asked: set[str] = set()
        self._room = threading.Semaphore(_AT_ONCE)
        self._news = threading.Condition()

    def ask(self, address: str) -> None:
        """Begin to look an address up, unless that was done before."""
        if address not in self._asked:
            self._asked.add(address)
            threading.Thread(target=self._look_up, args=(address,), daemon=True).start()

    def pending(self, addresses: tuple[str, ...]) -> bool:
        """Whether any of these addresses is still being looked up."""
        with self._news:
            return any(address not in self._names for address in addresses)

    def get(self, addresses: tuple[str, ...], wait_s: float) -> dict[str, str]:
        """The names of these addresses, '' for those without one; waits at most so long for all of them."""
        with self._news:
            self._news.wait_for(lambda: all(address in self._names for address in addresses), wait_s)
            return {address: self._names.get(address, _ABSENT) for address in addresses}

    def _look_up(self, address: str) -> None:
        with self._room:
            try:
                name = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
            except OSError:
                name = _ABSENT
        with self._news:
            self._names[address] = name if _HOST_NAME.fullmatch(name) else _ABSENT
            self._news.notify_all()
