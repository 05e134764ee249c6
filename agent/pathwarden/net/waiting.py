"""Waiting for sockets, and being woken from any thread or signal handler."""

import os
import select
import socket

_MS = 1_000_000


class Waiter:
    """Sockets to wait for, and a bell that ends the waiting. `wake` alone may be called from anywhere."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._bell, select.POLLIN)
        self._alone = select.poll()
        self._alone.register(self._bell, select.POLLIN)

    def add(self, sock: socket.socket, *, writable: bool = False) -> None:
        """Wait for this socket, too: for packets, and for its error queue; `writable` for the end of its connecting as well."""
        self._poll.register(sock, select.POLLIN | select.POLLOUT if writable else select.POLLIN)  # POLLERR comes unasked

    def remove(self, sock: socket.socket) -> None:
        """Wait for this socket no longer; call it before closing."""
        self._poll.unregister(sock)

    def wait(self, timeout_ns: int) -> list[int]:
        """Descriptors that have something, at once if any has; empty after `timeout_ns` (rounded up to ms) or when woken."""
        bell = self._bell
        ready = []
        for fd, _ in self._poll.poll(-(-timeout_ns // _MS)):
            if fd == bell:
                os.eventfd_read(bell)
            else:
                ready.append(fd)
        return ready

    def pause(self, timeout_ns: int) -> None:
        """Let so much time pass (rounded up to ms), whatever the sockets have; less if woken."""
        if self._alone.poll(-(-timeout_ns // _MS)):
            os.eventfd_read(self._bell)

    def wake(self) -> None:
        """End the waiting, or the next one."""
        bell = self._bell
        if bell >= 0:
            os.eventfd_write(bell, 1)

    def close(self) -> None:
        """Release the bell; `wake` does nothing from now on."""
        bell, self._bell = self._bell, -1
        if bell >= 0:
            os.close(bell)
