"""Origins of addresses by Team Cymru's DNS, remembered by prefix; asked one after the other in a thread of its own.

Rules:
1. Nothing is asked before `want`, and of one network only once at a time. At most five questions a second go out; at most 256 wait,
   and what comes beyond is asked for when it is wanted again.
2. An answer holds for its prefix and as long as it says, an hour at least and a week at most. What has grown old is told until there is
   a newer answer. That nobody announces a network holds for an hour.
3. After a question without an answer nothing is asked for a minute: a dead resolver costs a question a minute, and delays nothing.
4. At most 4,096 networks and names are remembered; the oldest goes first.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import ip_network
from typing import NamedTuple, Protocol

from pathwarden.enrich import cymru
from pathwarden.enrich.cymru import NoAnswer, Origin, Texts
from pathwarden.model.network import Network, Source

NAME = "cymru.com"
_APART_S = 0.2
_PAUSE_S = 60.0
_LEAST_S, _MOST_S = 3600, 7 * 86400
_WAITING = 256
_REMEMBERED = 4096
_NS = 1_000_000_000
_Net = tuple[int, int, int]  # version, length of the prefix, its bits


class Asking(Protocol):
    """Asks a name server."""

    def texts(self, name: str) -> Texts:
        """The TXT records of a name. Raises `NoAnswer`."""
        ...


class _Known(NamedTuple):
    """Who announces a network (None: nobody), since when (wall clock) we know, and until when (monotonic) it holds."""

    prefix: str
    asn: int | None
    at: int
    until_ns: int


class Origins:
    """Asks in a thread that starts with the first question. `on_news` is called from there when something became known."""

    def __init__(
        self,
        server: Asking,
        on_news: Callable[[], None],
        *,
        mono_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
        apart_s: float = _APART_S,
        pause_s: float = _PAUSE_S,
    ) -> None:
        self.asked = 0
        self.silent = 0
        self._server = server
        self._on_news = on_news
        self._mono_ns = mono_ns
        self._wall_ns = wall_ns
        self._apart_s = apart_s
        self._pause_s = pause_s
        self._known: OrderedDict[_Net, _Known] = OrderedDict()
        self._names: OrderedDict[int, str] = OrderedDict()
        self._queue: deque[tuple[int, int]] = deque()
        self._queued: set[_Net] = set()
        self._news = threading.Condition()
        self._over = False
        self._thread: threading.Thread | None = None

    def get(self, version: int, number: int) -> Network | None:
        """What is known of an address; None if it was never asked for. Asks for it if that is not known or old."""
        with self._news:
            known = self._of(version, number)
            if known is None or known.until_ns <= self._mono_ns():
                self._want(version, number)
            if known is None:
                return None
            if known.asn is None:
                return Network()
            return Network(
                asn=known.asn, as_name=self._names.get(known.asn, ""), prefix=known.prefix, sources=(Source("as", NAME, known.at),)
            )

    def settle(self) -> None:
        """Wait until there is an answer to everything, or none to something."""
        with self._news:
            self._news.wait_for(lambda: not self._queue or self.silent)

    def close(self) -> None:
        """Let the thread end after the question that it is busy with."""
        with self._news:
            self._over = True
            self._news.notify_all()

    def _of(self, version: int, number: int) -> _Known | None:
        """The longest known prefix that holds the address, among those of an answer and the one that was asked for."""
        bits = 32 if version == 4 else 128
        for length in range(cymru.network(version, number)[1], 7, -1):
            known = self._known.get((version, length, number >> (bits - length)))
            if known is not None:
                return known
        return None

    def _want(self, version: int, number: int) -> None:
        net = cymru.network(version, number)
        if net in self._queued or len(self._queue) >= _WAITING or self._over:
            return
        self._queued.add(net)
        self._queue.append((version, number))
        self._news.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="origins", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        wait_s = 0.0
        while True:
            with self._news:
                self._news.wait_for(lambda: self._over, wait_s)
                self._news.wait_for(lambda: self._over or self._queue)
                if self._over:
                    return
                version, number = self._queue[0]
            before = self.asked
            answered = self._learn(version, number)
            with self._news:
                self._queue.popleft()
                self._queued.discard(cymru.network(version, number))
                self._news.notify_all()
            wait_s = self._apart_s * (self.asked - before) if answered else self._pause_s

    def _learn(self, version: int, number: int) -> bool:
        """Ask for one origin and, once, for the AS's name; whether there was an answer to each question."""
        net = cymru.network(version, number)
        texts = self._ask(cymru.origin_name(version, number))
        if texts is None:
            return False
        bits = 32 if version == 4 else 128
        found = cymru.origin(version, net[2] << (bits - net[1]), texts)
        until_ns = self._mono_ns() + min(max(texts.ttl_s, _LEAST_S), _MOST_S) * _NS
        self._remember(net, found, until_ns)
        if found is None or found.asn in self._names:
            return True
        texts = self._ask(cymru.as_name(found.asn))
        if texts is not None:
            with self._news:
                self._names[found.asn] = cymru.name_of(texts)
                if len(self._names) > _REMEMBERED:
                    self._names.popitem(last=False)
            self._on_news()
        return texts is not None

    def _ask(self, name: str) -> Texts | None:
        self.asked += 1
        try:
            return self._server.texts(name)
        except NoAnswer:
            self.silent += 1
            return None

    def _remember(self, net: _Net, found: Origin | None, until_ns: int) -> None:
        """Under the announced prefix; under the one that was asked for if nobody announces it, or a smaller one only."""
        version, length, value = net
        place = net
        if found is not None:
            shorter = min(ip_network(found.prefix).prefixlen, length)
            place = version, shorter, value >> (length - shorter)
        known = _Known(found.prefix if found else "", found.asn if found else None, self._wall_ns(), until_ns)
        with self._news:
            for old in (net, place):
                self._known.pop(old, None)
            self._known[place] = known
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._on_news()
