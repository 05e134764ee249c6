"""AS numbers of addresses, asked of a routing registry (RFC 3912), in threads of its own beside the tracing.

Rules:
1. Nothing is asked before `ask`. Each address is asked for once, at most four at a time, one connection each.
2. An answer is written by strangers: at most 64 KiB of it are read, within five seconds in all, and nothing is believed but prefixes
   that hold the address and origins of the form AS and digits (RFC 2622).
3. Of several routes the longest prefix counts; its origins stand in their order, each once.
"""

import re
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address, ip_network

from pathwarden.net.lookups import Lookups

SERVER = "whois.radb.net"  # traceroute(8)'s
SERVICE = "nicname"
_PORT = 43  # of nicname, for a machine without /etc/services
NONE = "*"  # the registry knows no route
FAILED = "!!"  # it could not be asked; both as traceroute(8) writes them
_DEADLINE_S = 5.0
_LARGEST = 65536  # bytes; the answer for a much-registered prefix takes a few thousand
_MOST_ORIGINS = 8  # shown of one prefix
_ORIGIN = re.compile(r"AS[0-9]{1,10}", re.IGNORECASE)


class Origins(Lookups):
    """Asks a registry."""

    def __init__(self, server: str = "", service: str = "") -> None:
        super().__init__()
        self._server = server or SERVER
        self._service = service or SERVICE
        self._problem = ""

    @property
    def problem(self) -> str:
        """Why the registry could not be asked, '' if it could: the first reason."""
        return self._problem

    def get(self, addresses: tuple[str, ...], wait_s: float) -> dict[str, str]:
        """What stands in brackets behind these addresses: `AS1/AS2`, `*` (no route known), `!!` (could not be asked in time).

        Waits at most so long, and not at all once the registry has let us wait in vain.
        """
        known = self._wait(addresses, 0 if self._problem else wait_s)
        if not known.keys() >= set(addresses):
            self._problem = self._problem or f"{self._server} {self._service}: no answer in time"
        return dict.fromkeys(addresses, FAILED) | known

    def _found(self, address: str) -> str:
        try:
            return origins(address, self._answer(address)) or NONE
        except (OSError, ValueError) as error:  # ValueError: a server's name that cannot exist
            self._problem = self._problem or f"{self._server} {self._service}: {getattr(error, 'strerror', None) or error}"
            return FAILED

    def _answer(self, address: str) -> str:
        until = time.monotonic() + _DEADLINE_S
        data = b""
        with socket.create_connection((self._server, self._port()), _DEADLINE_S) as sock:
            sock.sendall(f"{address}\r\n".encode("ascii"))
            while len(data) < _LARGEST:
                sock.settimeout(max(until - time.monotonic(), 0.001))
                more = sock.recv(_LARGEST - len(data))
                if not more:
                    break
                data += more
        return data.decode("ascii", "replace")

    def _port(self) -> int:
        if self._service.isdecimal():
            return int(self._service)
        with suppress(OSError):
            return socket.getservbyname(self._service, "tcp")
        if self._service == SERVICE:
            return _PORT
        raise OSError(0, "no such service")


def origins(address: str, answer: str) -> str:
    """The origins in a registry's answer for an address, joined by `/`; '' if it has none. Raises nothing."""
    one = ip_address(address.partition("%")[0])
    best: dict[str, None] = {}
    longest = prefix = -1
    for key, value in _attributes(answer):
        if key in ("route", "route6"):
            prefix = _holds(value, one)
        elif prefix >= longest and prefix >= 0 and _ORIGIN.fullmatch(value):
            if prefix > longest:
                longest, best = prefix, {}
            best[value.upper()] = None
    return "/".join(list(best)[:_MOST_ORIGINS])


def _attributes(answer: str) -> Iterable[tuple[str, str]]:
    for line in answer.splitlines():
        key, colon, value = line.partition(":")
        if colon and key in ("route", "route6", "origin"):
            yield key, value.partition("#")[0].strip()


def _holds(prefix: str, address: object) -> int:
    """The length of a prefix that holds the address, else -1."""
    try:
        network = ip_network(prefix, strict=False)
    except ValueError:
        return -1
    return network.prefixlen if address in network else -1
