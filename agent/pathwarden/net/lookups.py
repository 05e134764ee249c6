"""Texts about addresses, looked up in threads of their own beside the tracing, never inside its timing."""

import threading
from abc import ABC, abstractmethod

_AT_ONCE = 4


class Lookups(ABC):
    """Looks addresses up by `_found`, at most four at once; each address once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
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
            return not self._all_known(addresses)

    def _wait(self, addresses: tuple[str, ...], wait_s: float) -> dict[str, str]:
        """What is known of these addresses after at most so long; the others are left out."""
        with self._news:
            self._news.wait_for(lambda: self._all_known(addresses), wait_s)
            return {address: self._known[address] for address in addresses if address in self._known}

    def _all_known(self, addresses: tuple[str, ...]) -> bool:
        return all(address in self._known for address in addresses)

    def _look_up(self, address: str) -> None:
        with self._room:
            found = self._found(address)
        with self._news:
            self._known[address] = found
            self._news.notify_all()

    @abstractmethod
    def _found(self, address: str) -> str:
        """What is to be known of an address; raises nothing."""
