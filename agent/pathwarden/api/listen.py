"""Where the server listens: `address:port` pairs, IPv6 addresses in brackets."""

from ipaddress import ip_address

from pathwarden.errors import ConfigError


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


def join_listen(address: str, port: int) -> str:
    """The reverse of `split_listen`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
