"""Hears from the kernel that devices, addresses, kernel routes or rules have changed.

A plain netlink socket, of whose messages only the header is read (rtnetlink(7)): a thread that sleeps until something
happens costs next to nothing, while pyroute2's listener decodes every message.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

from pathwarden.net.waiting import Waiter

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_ALIGN = 4
_ROOM = 65536  # the kernel sends at most 32 KiB at once
_BUFFER = 1 << 18  # a full buffer loses nothing but the detail: it counts as a change of everything
_QUIET_NS = 200_000_000  # netifd changes a device, its addresses and its kernel routes within a moment
_PATIENCE_NS = 1_000_000_000  # while it never gets quiet (a routing daemon at work), tell once a second
_FOR_EVER_NS = 3_600_000_000_000  # an hour, since poll wants a number

_KINDS = {16: "link", 17: "link", 20: "address", 21: "address", 24: "route", 25: "route", 32: "rule", 33: "rule"}
_EVERY_KIND = ("link", "address", "route", "rule")
# RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE, and group 19, RTNLGRP_IPV6_RULE
_GROUPS = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 1 << 18


class KernelEvents:
    """A thread that hears of changes until `close`.

    `at_once()` is called at the first sign of a change and again when it is over; `on_change(kind)` once for each kind
    (link, address, route, rule) when it has been quiet for 0.2 s, at least every second. Both are called from the thread.
    Raises OSError if the kernel gives no netlink socket.
    """

    def __init__(self, at_once: Callable[[], None], on_change: Callable[[str], None]) -> None:
        self._at_once = at_once
        self._on_change = on_change
        self._waiter = Waiter()
        self._closing = False
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._sock.bind((0, _GROUPS))
        self._waiter.add(self._sock)
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
            self._at_once()
            self._collect(kinds)
            self._at_once()
            for kind in kinds:
                self._on_change(kind)

    def _collect(self, kinds: dict[str, None]) -> None:
        deadline_ns = time.monotonic_ns() + _PATIENCE_NS
        while not self._closing and time.monotonic_ns() < deadline_ns and self._waiter.wait(_QUIET_NS):
            kinds.update(self._read())

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
                continue
            if sender == 0:  # the kernel
                kinds.update(dict.fromkeys(_kinds_in(message)))


def _kinds_in(message: bytes) -> Iterator[str]:
    offset = 0
    while offset + _HEADER.size <= len(message):
        length, kind, *_ = _HEADER.unpack_from(message, offset)
        if kind in _KINDS:
            yield _KINDS[kind]
        offset += max(length + -length % _ALIGN, _HEADER.size)
