"""Hears from the kernel that devices, addresses, kernel routes or rules have changed.

A plain netlink socket (rtnetlink(7)) and a thread that sleeps until something happens: that costs next to nothing, while pyroute2's
listener decodes every message.

Rules:
1. What happened is told at once (`on_happening`), that something changed when it has been quiet for a moment (`on_change`).
2. When `_MANY` narrow routes have changed in one go (a routing daemon at work), the kernel is told to keep the rest for itself until the
   second is over: that many changed is all there is to say.
3. After an overflow, all kinds count as changed, and links and addresses are read anew.
"""

import socket
import threading
import time
from collections import deque
from collections.abc import Callable

from pathwarden.model.happening import Happening
from pathwarden.net import filters
from pathwarden.net.happenings import KernelMemory
from pathwarden.net.rtnetlink import DONE, GET_ADDRESS, GET_LINK, PART, dump, messages
from pathwarden.net.waiting import Waiter

_ROOM = 65536  # the kernel sends at most 32 KiB at once
_BUFFER = 1 << 18
_QUIET_NS = 200_000_000  # netifd changes a device, its addresses and its kernel routes within a moment
_PATIENCE_NS = 1_000_000_000  # while it never gets quiet (a routing daemon at work), tell once a second
_FOR_EVER_NS = 3_600_000_000_000  # an hour, since poll wants a number
_MANY = 64

_EVERY_KIND = ("link", "address", "route", "rule")
# RTMGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE, and group 19, RTNLGRP_IPV6_RULE
_GROUPS = 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 1 << 18


def _nobody(_happening: Happening) -> None:
    """Nobody wants to know."""


class KernelEvents:
    """A thread that hears of changes until `close`.

    `at_once()` is called before each happening is told, and again when all is over; `on_change(kind)` once for each kind
    (link, address, route, rule) when it has been quiet for 0.2 s, at least every second; `on_happening` for each happening as it is
    read, in the kernel's order. All are called from the thread. Raises OSError if the kernel gives no netlink socket.
    """

    def __init__(
        self, at_once: Callable[[], None], on_change: Callable[[str], None], on_happening: Callable[[Happening], None] = _nobody
    ) -> None:
        self._at_once = at_once
        self._on_change = on_change
        self._memory = KernelMemory(on_happening)
        self._waiter = Waiter()
        self._closing = False
        self._dumps: deque[int] = deque()  # asked for, one after another: the kernel bears one at a time
        self._sequence = 0
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        filters.attach(self._sock, filters.news(narrow_routes=True))
        self._sock.bind((0, _GROUPS))
        self._waiter.add(self._sock)
        self._learn()
        self._thread = threading.Thread(target=self._run, name="kernel-events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closing = True
        self._waiter.wake()
        self._thread.join()
        self._sock.close()
        self._waiter.close()

    def _run(self) -> None:
        while not self._closing:
            self._waiter.wait(_FOR_EVER_NS)
            kinds = self._read()
            if not kinds:
                continue
            self._collect(kinds)
            self._memory.flush()
            self._at_once()
            for kind in kinds:
                self._on_change(kind)

    def _collect(self, kinds: dict[str, None]) -> None:
        """Wait until it is quiet, or for a second."""
        deadline_ns = time.monotonic_ns() + _PATIENCE_NS
        flooded = False
        while not self._closing and (left_ns := deadline_ns - time.monotonic_ns()) > 0:
            if not flooded and self._memory.narrow >= _MANY:
                flooded = True
                filters.attach(self._sock, filters.news(narrow_routes=False))
            if not self._waiter.wait(min(left_ns, _PATIENCE_NS if flooded else _QUIET_NS)) and not flooded:
                break
            kinds.update(self._read())
        if flooded:
            filters.attach(self._sock, filters.news(narrow_routes=True))

    def _read(self) -> dict[str, None]:
        """The kinds of all messages that wait, in order."""
        kinds: dict[str, None] = {}
        while True:
            try:
                message, (sender, _) = self._sock.recvfrom(_ROOM)
            except BlockingIOError:
                return kinds
            except OSError:  # ENOBUFS: some were lost
                kinds.update(dict.fromkeys(_EVERY_KIND))
                self._memory.lost(time.monotonic_ns())
                self._learn()
                continue
            if sender == 0:  # the kernel
                if not all(flags & PART for _, flags, *_ in messages(message)):
                    self._at_once()  # who hears what happened, and asks where things stand, must not get the answer from before
                now_ns = time.monotonic_ns()
                kinds.update(self._memory.hear(message, now_ns))
                self._end_dump(message, now_ns)

    def _learn(self) -> None:
        """Read all links and addresses, after those that are being read."""
        waiting = len(self._dumps)
        self._dumps = deque([*list(self._dumps)[:1], GET_LINK, GET_ADDRESS])
        if not waiting:
            self._ask()

    def _ask(self) -> None:
        self._sequence += 1
        self._memory.begin_dump()
        self._sock.send(dump(self._dumps[0], self._sequence))

    def _end_dump(self, message: bytes, now_ns: int) -> None:
        if self._dumps and any(kind == DONE for kind, *_ in messages(message)):
            self._memory.end_dump(self._dumps.popleft(), now_ns)
            if self._dumps:
                self._ask()
