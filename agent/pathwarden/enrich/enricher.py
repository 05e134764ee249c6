"""What is known of an address, from all who know something: the IANA's ranges, then local databases, then a name server.

Rules:
1. A special range is nobody's on the Internet: no name server is asked about it. A database may know it all the same, such as one of a
   company's own networks.
2. `of` never waits: it tells what is remembered, and leaves what must be read to a thread of its own. `now` reads.
3. What is remembered is looked up again after an hour, and when a name server told something; until then the old is told. At most 4,096
   addresses are remembered, the oldest goes first.
4. An address is no name: what is none is unknown.
"""

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from pathwarden.enrich.databases import Databases
from pathwarden.enrich.nameserver import NameServer
from pathwarden.enrich.origins import Asking, Origins
from pathwarden.enrich.special import special
from pathwarden.model.network import UNKNOWN, Network, Source

_HOLDS_NS = 3_600_000_000_000  # as seldom as a database is replaced
_REMEMBERED = 4096  # the responders of several hundred routes
_WAITING = 4096
IANA = "IANA"


class _Entry(NamedTuple):
    """What was found, when it is old (monotonic), and how much news there had been."""

    network: Network
    until_ns: int
    news: int


class Enricher:
    """Implements `model.network.Networks`. `server` is asked for origins, None for nobody."""

    def __init__(self, paths: Iterable[Path], server: Asking | None, *, mono_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.databases = Databases(paths)
        self.origins = Origins(server, self._note, mono_ns=mono_ns) if server is not None else None
        self._mono_ns = mono_ns
        self._news = 0
        self._cache: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._queued: set[str] = set()
        self._thread: threading.Thread | None = None

    def of(self, address: str) -> Network:
        """What is remembered; asks for the rest without waiting."""
        entry = self._cache.get(address)
        if entry is None or entry.news != self._news or entry.until_ns <= self._mono_ns():
            self._ask(address)
        return UNKNOWN if entry is None else entry.network

    def now(self, address: str) -> Network:
        """What is remembered or found in files."""
        entry = self._cache.get(address)
        if entry is not None and entry.news == self._news and entry.until_ns > self._mono_ns():
            return entry.network
        news = self._news  # before the look-up: what comes meanwhile makes it old again
        network = self._look(address)
        with self._lock:
            self._cache.pop(address, None)
            self._cache[address] = _Entry(network, self._mono_ns() + _HOLDS_NS, news)
            if len(self._cache) > _REMEMBERED:
                self._cache.popitem(last=False)
        return network

    def notices(self) -> list[str]:
        """A line for each database that is left out."""
        return self.databases.problems()

    def close(self) -> None:
        """Ask and read nothing more."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
        if self.origins is not None:
            self.origins.close()
        self.databases.close()

    def _look(self, address: str) -> Network:
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return UNKNOWN
        version, number = parsed.version, int(parsed)
        if self.databases.renewed():
            self._note()
        found = self.databases.get(version, number)
        name = special(version, number)
        if name:
            return found._replace(special=name, sources=(Source("range", IANA, None), *found.sources))
        if found.asn is None and self.origins is not None:
            origin = self.origins.get(version, number)
            if origin is not None:
                found = found._replace(
                    asn=origin.asn, as_name=origin.as_name, prefix=origin.prefix, sources=(*found.sources, *origin.sources)
                )
        return found

    def _note(self) -> None:
        """There is news: everything that is remembered is looked up again when it is asked for."""
        self._news += 1

    def _ask(self, address: str) -> None:
        if address in self._queued or len(self._queued) >= _WAITING:
            return
        self._queued.add(address)
        self._queue.put(address)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="networks", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (address := self._queue.get()) is not None:
            self._queued.discard(address)
            self.now(address)


def open_enricher(paths: Iterable[Path], *, lookups: bool) -> Enricher:
    """The enricher of this machine; `lookups` is the owner's leave to ask a name server."""
    return Enricher(paths, NameServer() if lookups else None)
