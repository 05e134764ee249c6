"""What systemd is told (sd_notify(3)): ready, alive, stopping. Elsewhere nothing is told."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

READY, ALIVE, STOPPING = b"READY=1", b"WATCHDOG=1", b"STOPPING=1"


class Notifier:
    """The way to the supervisor that started this process.

    `every_s` is how often it wants `ALIVE`, half the time after which it acts (sd_watchdog_enabled(3)); None: never.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the NUL of Linux's abstract names.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        limit_us = environ.get("WATCHDOG_USEC", "")
        # A child that inherited the environment is not the one that is watched.
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.every_s = int(limit_us) / 2e6 if address and ours and limit_us.isdecimal() else None

    def tell(self, message: bytes) -> None:
        """Send one message; a supervisor that does not listen loses it."""
        if self._address:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
                way.sendto(message, self._address)
