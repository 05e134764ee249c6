"""Where the server listens: `address:port` pairs, IPv6 addresses in brackets, or the path of a socket."""

from collections.abc import Callable, Iterable
from ipaddress import ip_address

from pathwarden.errors import ConfigError

UNIX = "unix:"


def split_listen(listen: str) -> tuple[str, int]:
    """Address and port of `127.0.0.1:8866` or `[::1]:8866`; port 0 is any free one. Raises `ConfigError`."""
    host, colon, port = listen.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    address = host[1:-1] if bracketed else host
    try:
        right = (
            bool(colon) and port.isascii() and port.isdecimal() and int(port) <= 65535 and (ip_address(address).version == 6) == bracketed
        )
    except ValueError:
        right = False
    if not right:
        raise ConfigError(f"web.listen: {listen!r} is not address:port", "write it like 127.0.0.1:8866 or [::1]:8866")
    return address, int(port)


def split_interface(listen: str) -> tuple[str, str] | None:
    """Interface and port of `@lan:8866`; None for what names an address."""
    name, _, port = listen.removeprefix("@").rpartition(":")
    return (name, port) if listen.startswith("@") else None


def split_socket(listen: str) -> str | None:
    """The path of `unix:/run/pathwarden/http.sock`; None for what names an address or an interface."""
    return listen.removeprefix(UNIX) if listen.startswith(UNIX) else None


def at_addresses(listen: Iterable[str], addresses: Callable[[str], Iterable[str]]) -> tuple[str, ...]:
    """What listeners that name interfaces come to: `addresses(name)` gives those of an interface as they are now."""
    named = [found for each in listen if (found := split_interface(each))]
    return tuple(dict.fromkeys(join_listen(address, int(port)) for name, port in named for address in addresses(name)))


def join_listen(address: str, port: int) -> str:
    """The reverse of `split_listen`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
