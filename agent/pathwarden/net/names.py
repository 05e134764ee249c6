"""Host names of responders, looked up beside the tracing and never inside its timing."""

import re
import socket

from pathwarden.net.lookups import Lookups

# What a host name may look like (RFC 1123, with the underscore that some carriers use). A PTR record is written by a stranger:
# anything else is not shown.
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_ABSENT = ""


class ReverseNames(Lookups):
    """Asks the resolver."""

    def get(self, addresses: tuple[str, ...], wait_s: float) -> dict[str, str]:
        """The names of these addresses, '' for those without one; waits at most so long for all of them."""
        return dict.fromkeys(addresses, _ABSENT) | self._wait(addresses, wait_s)

    def _found(self, address: str) -> str:
        try:
            name = socket.gethostbyaddr(address)[0]  # Python's getnameinfo keeps all other threads waiting for a dead name server
        except (OSError, ValueError):  # ValueError: musl hands over any bytes, also such as are no UTF-8
            return _ABSENT
        return name if _HOST_NAME.fullmatch(name) else _ABSENT
