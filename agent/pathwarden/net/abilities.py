"""Which methods work with a transport here, and what is missing for the others."""

import os
import re
import socket
from typing import NamedTuple, Protocol

from pathwarden.model.probe import Method
from pathwarden.net import ports
from pathwarden.net.sockets import DOMAINS, IPPROTO_UDPLITE

_BECOME_ROOT = "run as root or with CAP_NET_RAW"
_RAW_ALONE = (Method.TCP, Method.DCCP, Method.RAW)
_QUEUED = (5, 9)  # since then the kernel tells an ICMP error to a socket that connects


class Ability(NamedTuple):
    """A method over an address family (4, 6): `missing` is what it needs and `remedy` how to get it, '' if it works."""

    method: Method
    af: int
    missing: str = ""
    remedy: str = ""


class _Transport(Protocol):
    @property
    def name(self) -> str:
        """What it works by."""
        ...


def methods(transport: _Transport) -> list[Ability]:
    """Every method over both address families."""
    six = ports.has_ipv6()
    found = []
    for method in Method:
        lack = wanting(transport, method)
        found += [lack._replace(af=af) if lack else Ability(method, af) for af in (4, 6) if af == 4 or six]
        if not six:
            found.append(Ability(method, 6, "IPv6 in the kernel", "load its module"))
    return found


def wanting(transport: _Transport, method: Method) -> Ability | None:
    """What a method lacks on every address family; None if nothing."""
    if transport.name == "raw":
        return None
    missing = ""
    remedy = _BECOME_ROOT
    if method in _RAW_ALONE:
        missing = "raw sockets"
    elif method is Method.ICMP and not getattr(transport, "icmp", True):
        missing, remedy = "our group in net.ipv4.ping_group_range", "widen it, or run as root or with CAP_NET_RAW"
    elif method is Method.UDPLITE and not _speaks_udplite():
        missing = "a kernel that speaks UDP-Lite, or raw sockets"
    elif method is Method.TCP_CONNECT and _release() < _QUEUED:
        missing = "Linux 5.9, or raw sockets"
    return Ability(method, 0, missing, remedy) if missing else None


def _speaks_udplite() -> bool:
    try:
        socket.socket(DOMAINS[4], socket.SOCK_DGRAM, IPPROTO_UDPLITE).close()
    except OSError:
        return False
    return True


def _release() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
