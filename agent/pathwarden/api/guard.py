"""Who may ask, and for what: the checks before any route is looked at.

A page of a stranger, open in the owner's browser, can send requests to the loopback interface. It cannot choose the Host header, so
a name that was rebound to our address (DNS rebinding) shows itself there; it cannot send JSON to another origin without asking first
(which we never grant), and the browser tells the origin of every write.
"""

import json
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from pathwarden.api.problem import Problem

BODY_LIMIT = 65_536  # requests carry a few short members
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+)(?::[0-9]{1,5})?", re.ASCII)

# Of a network of one's own: .local is mDNS's (RFC 6762), .home.arpa a home's (RFC 8375), .lan dnsmasq's on OpenWrt.
_PRIVATE_ENDINGS = ("", ".lan", ".local", ".home.arpa")

BODY = "pathwarden.body"  # where a write's JSON object is found once it was checked

Environ = Mapping[str, object]


class HostRule:
    """Which Host headers are ours: `localhost`, a loopback address, or an address we listen on; the port does not matter.

    Where we listen on all addresses (0.0.0.0 or ::), any address will do. Names can be rebound, but for those that no public server
    of names knows: `hostname`, a single word, alone or in the network at home. No browser reaches a socket that is a file: which
    names lead there is up to the proxy before it.
    """

    def __init__(self, addresses: Iterable[str], hostname: str = "") -> None:
        self._names = {"localhost", *(f"{hostname}{ending}".lower() for ending in _PRIVATE_ENDINGS if hostname)}
        self.listen_on(addresses)

    def listen_on(self, addresses: Iterable[str]) -> None:
        """From now on these addresses are ours."""
        self._ours = {ip_address(each) for each in addresses}

    def check(self, environ: Environ) -> None:
        """Raises `Problem` 421 for a foreign or missing Host header."""
        host = str(environ.get("HTTP_HOST", ""))
        match = _HOST.fullmatch(host)
        if match is None or not (through_socket(environ) or self._is_ours(match[1].strip("[]").lower())):
            raise Problem(421, "wrong_host", "this server answers to its address or to localhost, not to this Host header")

    def _is_ours(self, name: str) -> bool:
        if name in self._names:
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or address in self._ours or any(each.is_unspecified for each in self._ours)


def through_socket(environ: Environ) -> bool:
    """Whether a request came through a socket that is a file, so from a proxy; the server names it where others have their port."""
    return str(environ.get("SERVER_PORT", "")).startswith("/")


def check_write(environ: Environ) -> dict[str, object]:
    """Lets a write pass only from our own page or from a program, and only as a JSON object, which it gives.

    Raises `Problem` 403, 413, 415 or 400.
    """
    origin = environ.get("HTTP_ORIGIN")
    host = str(environ.get("HTTP_HOST", "")).lower()
    schemes = ("http", "https") if through_socket(environ) else (environ["wsgi.url_scheme"],)  # the proxy speaks TLS for us
    if origin is not None and str(origin).lower() not in [f"{scheme}://{host}" for scheme in schemes]:
        raise Problem(403, "foreign_origin", "writes are accepted from this server's own page only")
    # "none" is what the user typed or clicked outside of any page; programs send no such header.
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("same-origin", "none"):
        raise Problem(403, "foreign_origin", "writes are accepted from this server's own page only")
    if str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "not_json", "the body must be JSON with content type application/json")
    return _checked_body(environ)


def _checked_body(environ: Environ) -> dict[str, object]:
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if not (length.isascii() and length.isdecimal()):
        raise Problem(400, "bad_request", "Content-Length is not a number")
    if int(length) > BODY_LIMIT:
        raise Problem(413, "body_too_large", f"the body may have {BODY_LIMIT} bytes at most")
    stream = environ["wsgi.input"]
    raw = stream.read(int(length))  # type: ignore[attr-defined]  # PEP 3333 promises a file-like object
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):  # deeply nested brackets exhaust the parser's stack
        body = None
    if not isinstance(body, dict):
        raise Problem(400, "bad_body", "the body must be a JSON object such as {}")
    return body
