"""The client of ubus, the bus between OpenWrt's services, over the socket of ubusd.

Rules:
1. One thread of its own owns the socket: asleep it costs 16 KiB, and the prober has nothing to do with it. Everybody else hands it
   work; callbacks and methods run in it, one after another.
2. When the connection ends, it is tried again after 0.5 s, then after twice as long, at most after 30 s. Requests under way end with
   CONNECTION_FAILED.
3. What is published, subscribed and listened to stands again in every connection. What ubusd or a service refuses (it is not there
   yet, or the access list was not read yet) is tried again every 10 s, and `detail` says it meanwhile.
"""

import heapq
import itertools
import os
import select
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pathwarden.errors import MalformedPacket
from pathwarden.net.ubus_message import Message, Status
from pathwarden.net.ubus_session import Session, UbusError, object_id
from pathwarden.net.ubus_standing import Data, Heard, Listening, Method, Publication, Standing, Subscription

_FIRST_PAUSE_NS = 500_000_000  # ubusd is back that soon when procd starts it again
_LONGEST_PAUSE_NS = 30_000_000_000
_LASTING_NS = 10_000_000_000  # a connection that held so long was a good one: the pauses begin anew
_AGAIN_NS = 10_000_000_000  # services and access lists come within seconds
_SETUP_NS = 5_000_000_000  # for ubusd's greeting and its own answers, which take microseconds
_READ = 65536
_FOR_EVER_MS = 3_600_000  # since poll wants a number

Done = Callable[[Status, Data], None]


class UbusClient:
    """A connection to ubusd that comes back by itself. `publish`, `subscribe`, `listen` come before `start`.

    `on_ready` is called from the thread when a connection stands, and when something stands again in it.
    `counts` holds `answered`, `malformed`, `unexpected`, `timeouts` and `lost` (connections that ended or were refused).
    """

    def __init__(self, path: Path) -> None:
        self.on_ready: Callable[[], None] = lambda: None
        self.connected = False
        self.counts: Counter[str] = Counter()
        self._path = path
        self._troubles: dict[str, str] = {}
        self._standing: list[Standing] = []
        self._work: deque[Callable[[], None]] = deque()
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._number = itertools.count()  # so that two of the same instant are in order
        self._session = Session(self.counts)
        self._sock: socket.socket | None = None
        self._since_ns = 0
        self._pause_ns = _FIRST_PAUSE_NS
        self._closing = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._bell, select.POLLIN)
        self._thread = threading.Thread(target=self._run, name="ubus", daemon=True)

    @property
    def detail(self) -> str:
        """What does not work, in one line; '' if everything does."""
        return "; ".join(list(self._troubles.values()))

    def publish(self, path: str, methods: Mapping[str, Method]) -> None:
        """Offer an object with these methods."""
        self._standing.append(Publication(path, methods))

    def subscribe(self, path: str, heard: Heard) -> None:
        """Hear what the object of this path notifies: `heard(notification, data)`."""
        self._standing.append(Subscription(path, heard))

    def listen(self, pattern: str, heard: Heard) -> None:
        """Hear the events of this name, or of all that begin with it where it ends with `*`: `heard(event, data)`."""
        self._standing.append(Listening(pattern, heard))

    def start(self) -> None:
        """Connect, and stay connected."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; ubusd forgets what was published. Twice does no harm."""
        if self._closing:
            return
        self._closing = True
        if self._thread.ident:
            self._wake()
            self._thread.join()
        bell, self._bell = self._bell, -1
        os.close(bell)

    def ask(self, path: str, method: str, data: Mapping[str, object], timeout_s: float, done: Done) -> None:
        """Call a method; `done(status, data)` is called from the thread, exactly once, while the client is not closed."""
        deadline_ns = time.monotonic_ns() + round(timeout_s * 1e9)

        def found(status: Status, parts: Sequence[Message]) -> None:
            target_id = object_id(parts)
            if status is not Status.OK or not target_id:
                done(status or Status.NOT_FOUND, {})
                return
            self._session.invoke(target_id, method, data, deadline_ns, answered)

        def answered(status: Status, parts: Sequence[Message]) -> None:
            try:
                answer = parts[0].data() if parts else {}
            except MalformedPacket:
                self.counts["malformed"] += 1
                status, answer = Status.PARSE_ERROR, {}
            done(status, answer)

        def begin() -> None:
            if self.connected:
                self._session.lookup(path, deadline_ns, found)
            else:
                done(Status.CONNECTION_FAILED, {})

        self._work.append(begin)
        self._wake()

    def call(self, path: str, method: str, data: Mapping[str, object], timeout_s: float = 3.0) -> Data:
        """Call a method and wait for its answer; not from the thread itself. Raises UbusError."""
        ended = threading.Event()
        answers: list[tuple[Status, Data]] = []

        def done(status: Status, answer: Data) -> None:
            answers.append((status, answer))
            ended.set()

        self.ask(path, method, data, timeout_s, done)
        ended.wait(timeout_s + 1)  # the thread ends it in time, unless it is busy with a method of ours
        status, answer = answers[0] if answers else (Status.TIMEOUT, {})
        if status is not Status.OK:
            raise UbusError(status, f"{path} {method}")
        return answer

    def after(self, pause_s: float, action: Callable[[], None]) -> None:
        """Run this in the thread after a pause; to be called from there."""
        self._at(time.monotonic_ns() + round(pause_s * 1e9), action)

    def _wake(self) -> None:
        bell = self._bell
        if bell >= 0:
            os.eventfd_write(bell, 1)

    def _run(self) -> None:
        self._connect()
        while not self._closing:
            self._wait()
            while self._work:
                self._work.popleft()()
            now_ns = time.monotonic_ns()
            self._session.expire(now_ns)
            while self._later and self._later[0][0] <= now_ns:
                heapq.heappop(self._later)[2]()
            self._send()
        self._disconnect()
        while self._work:  # whoever still waits learns that there is no connection
            self._work.popleft()()

    def _wait(self) -> None:
        if self._sock:
            wanted = (select.POLLOUT if self._session.outgoing else 0) | (select.POLLIN if self._session.has_room else 0)
            self._poll.modify(self._sock, wanted)
        for fd, _ in self._poll.poll(self._left_ms()):
            if fd == self._bell:
                os.eventfd_read(self._bell)
            else:
                self._receive()

    def _left_ms(self) -> int:
        deadlines = [self._session.next_deadline_ns(), self._later[0][0] if self._later else None]
        next_ns = min((deadline for deadline in deadlines if deadline is not None), default=None)
        return _FOR_EVER_MS if next_ns is None else max(-(-(next_ns - time.monotonic_ns()) // 1_000_000), 0)

    def _receive(self) -> None:
        if self._sock is None:
            return
        try:
            data = self._sock.recv(_READ)
        except BlockingIOError:  # there was room to send
            return
        except OSError as error:
            self._broken(error.strerror or "the connection broke")
            return
        if not data:
            self._broken("ubusd ended the connection")
            return
        self._advance(lambda: self._session.receive(data))
        if self._session.peer and not self.connected:
            self._greeted()

    def _send(self) -> None:
        if self._sock is None or not self._session.outgoing:
            return
        try:
            sent = self._sock.send(self._session.outgoing)
        except BlockingIOError:
            return
        except OSError as error:
            self._broken(error.strerror or "the connection broke")
            return
        del self._session.outgoing[:sent]
        self._advance(self._session.advance)

    def _advance(self, step: Callable[[], None]) -> None:
        try:
            step()
        except MalformedPacket as error:
            self.counts["malformed"] += 1
            self._broken(str(error))

    def _connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            sock.connect(str(self._path))
        except OSError as error:
            sock.close()
            self._try_again(error.strerror or "no connection")
            return
        self._sock = sock
        self._poll.register(sock, select.POLLIN)
        self._since_ns = time.monotonic_ns()
        session = self._session

        def check() -> None:
            if session is self._session and not self.connected:
                self._broken("no greeting came")

        self._at(self._since_ns + _SETUP_NS, check)

    def _greeted(self) -> None:
        self.connected = True
        self._troubles = {}
        for standing in self._standing:
            self._set_up(standing, self._session)
        self.on_ready()

    def _set_up(self, standing: Standing, session: Session) -> None:
        def ended(status: Status) -> None:
            if session is not self._session:
                return  # the next connection sets everything up
            if status is Status.OK:
                self._troubles.pop(standing.what, None)
                self.on_ready()
                return
            self._troubles[standing.what] = f"cannot {standing.what}: {status.words}"
            self._at(time.monotonic_ns() + _AGAIN_NS, again)

        def again() -> None:
            if session is self._session:
                self._set_up(standing, session)

        standing.set_up(session, time.monotonic_ns() + _SETUP_NS, ended)

    def _broken(self, why: str) -> None:
        if self.connected and time.monotonic_ns() - self._since_ns > _LASTING_NS:
            self._pause_ns = _FIRST_PAUSE_NS
        self._disconnect()
        self._try_again(why)

    def _try_again(self, why: str) -> None:
        self.counts["lost"] += 1
        self._troubles = {"": f"{self._path}: {why}"}
        self._at(time.monotonic_ns() + self._pause_ns, self._connect)
        self._pause_ns = min(self._pause_ns * 2, _LONGEST_PAUSE_NS)

    def _disconnect(self) -> None:
        self.connected = False
        if self._sock:
            self._poll.unregister(self._sock)
            self._sock.close()
            self._sock = None
        old, self._session = self._session, Session(self.counts)
        old.lost()

    def _at(self, mono_ns: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._later, (mono_ns, next(self._number), action))
