"""One option's text to its value, by kind; a text that is no such value raises `BadValue` with what is wrong and what to write."""

import ipaddress
import os
import re
import unicodedata
from collections.abc import Callable

from pathwarden.config.schema import ID_LENGTH, KERNEL_TABLES, LISTEN_OFF, PORT_MAX, Kind, Option
from pathwarden.model.change import AgentKind, ChangeKind

Value = str | int | float | bool | tuple[str, ...]

_BOOLS = {  # the words that OpenWrt's own scripts take (config_get_bool)
    **dict.fromkeys(("1", "on", "true", "yes", "enabled"), True),
    **dict.fromkeys(("0", "off", "false", "no", "disabled"), False),
}
# Digits are bounded because Python refuses to convert endless ones.
_INT = re.compile(r"-?[0-9]{1,100}")
_FLOAT = re.compile(r"-?[0-9]{1,100}(\.[0-9]{1,100})?")
_MARK = re.compile(r"0[xX][0-9a-fA-F]{1,100}")
_ID = re.compile(rf"[a-z0-9-]{{1,{ID_LENGTH}}}")
# RFC 1123 labels; `_` is no host's letter but stands in living names. 253 is the longest name that DNS carries (RFC 1035).
_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_HOST_LENGTH = 253
_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# IFNAMSIZ is 16 with the closing NUL; the kernel refuses `/`, `:` and white space (dev_valid_name).
_DEVICE = re.compile(r"[!-.0-9;-~]{1,15}")
# A section's name in /etc/config/network, or a device's name elsewhere.
_INTERFACE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LISTEN = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)\]|(?P<four>[0-9.]+)|@(?P<name>[A-Za-z0-9_.-]{1,64})):(?P<port>[1-9][0-9]{0,4})"
)
_SOCKET = "unix:"
_SOCKET_LENGTH = 107  # unix(7): 108 with the closing NUL
# Control characters, surrogates, line and paragraph separators. Not Cf: several scripts need the joiners in it.
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
_LOOPBACK6 = ipaddress.IPv6Address("::1")
_BROADCAST = ipaddress.IPv4Address("255.255.255.255")
# A value is quoted in one line, whatever it holds; longer ones are cut.
_SHOWN = 64


class BadValue(ValueError):
    """A text that is no value of its option; the message ends with the remedy where it is not plain."""


def default(option: Option) -> Value:
    """The value of an option that is not set; 0 stands for no table and no mark, '' for other empty ones."""
    if option.default:
        return read(option, option.default)
    if option.kind in (Kind.NETWORKS, Kind.PATHS, Kind.EVENTS):
        return ()
    return 0 if option.kind in (Kind.TABLE, Kind.MARK) else ""


def read(option: Option, text: str | tuple[str, ...]) -> Value:
    """The value of an option's text: bool, int, float, str, or a tuple for a list; a table's name stays a name until it is looked up.

    Raises `BadValue`.
    """
    if option.kind in LISTS:
        return LISTS[option.kind]((text,) if isinstance(text, str) else text)
    if not isinstance(text, str):
        raise BadValue(f"is a list; write option {option.name}, not list {option.name}")
    return _READERS[option.kind](option, text)


def shown(text: str) -> str:
    """A text as messages quote it: one line, printable, at most 64 characters."""
    plain = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[: _SHOWN + 1])
    return plain if len(plain) <= _SHOWN else plain[:_SHOWN] + "..."


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a text writes; None if it is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _plain(number: float) -> str:
    return str(number).removesuffix(".0")


def _check_bounds(option: Option, number: float) -> None:
    if option.zero and number == 0:
        return
    if option.low is not None and number < option.low:
        raise BadValue(f"{_plain(number)} is below {_plain(option.low)}")
    if option.high is not None and number > option.high:
        raise BadValue(f"{_plain(number)} is above {_plain(option.high)}")


def _bool(_option: Option, text: str) -> bool:
    if text not in _BOOLS:
        raise BadValue(f"{shown(text)} is neither 0 nor 1; write 1 for yes, 0 for no")
    return _BOOLS[text]


def _int(option: Option, text: str) -> int:
    if not _INT.fullmatch(text):
        raise BadValue(f"{shown(text)} is not a whole number; write {option.limits}")
    number = int(text)
    _check_bounds(option, number)
    return number


def _float(option: Option, text: str) -> float:
    if not _FLOAT.fullmatch(text):
        raise BadValue(f"{shown(text)} is not a number; write {option.limits}")
    number = float(text)
    _check_bounds(option, number)
    return number


def _enum(option: Option, text: str) -> str:
    if text not in option.choices:
        raise BadValue(f"{shown(text)} is not known; choose {' or '.join(option.choices)}")
    return text


def _string(option: Option, text: str) -> str:
    if any(unicodedata.category(char) in _UNPRINTABLE for char in text):
        raise BadValue(f"{shown(text)} holds a control character or a line break; leave it out")
    if option.high is not None and len(text) > option.high:
        raise BadValue(f"is {len(text)} characters long; at most {option.high:g}")
    return text


def _id(_option: Option, text: str) -> str:
    if not _ID.fullmatch(text):
        raise BadValue(f"{shown(text)} is not a name here; use 1 to {ID_LENGTH} of a-z, 0-9 and -")
    return text


def _host(_option: Option, text: str) -> str:
    address = address_of(text)
    if address:
        _check_unicast(address)
        return text
    labels = text.removesuffix(".").split(".")
    # A last label of digits alone is an IPv4 address gone wrong: 1.1.1 would silently become 1.1.0.1.
    if len(text) > _HOST_LENGTH or labels[-1].isdigit() or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise BadValue(f"{shown(text)} is neither a host name nor an address; write one like example.net, 192.0.2.1 or 2001:db8::1")
    return text


def _address(_option: Option, text: str) -> str:
    address = address_of(text)
    if not address:
        raise BadValue(f"{shown(text)} is not an IP address; write one like 192.0.2.1 or 2001:db8::1")
    _check_unicast(address)
    return text


def _check_unicast(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if address.is_multicast or address.is_unspecified or address == _BROADCAST:
        raise BadValue(f"{address} does not belong to one host; write a unicast address")
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise BadValue(f"{shown(str(address))} has a zone; leave out %{shown(address.scope_id)} and set device in a config source")


def _device(_option: Option, text: str) -> str:
    if not _DEVICE.fullmatch(text) or text in (".", ".."):
        raise BadValue(f"{shown(text)} is not a device name; write one that `ip link` shows, at most 15 characters")
    return text


def _interface(_option: Option, text: str) -> str:
    if not _INTERFACE.fullmatch(text) or text in (".", ".."):
        raise BadValue(f"{shown(text)} is not an interface; write its name in /etc/config/network, like wan")
    return text


def _table(option: Option, text: str) -> int | str:
    if _INT.fullmatch(text):
        return _int(option, text)
    if text in KERNEL_TABLES:
        return KERNEL_TABLES[text]
    if not _TABLE_NAME.fullmatch(text):
        raise BadValue(f"{shown(text)} is not a routing table; write its number or its name in /etc/iproute2/rt_tables")
    return text


def _mark(option: Option, text: str) -> int:
    if not _MARK.fullmatch(text) and not _INT.fullmatch(text):
        raise BadValue(f"{shown(text)} is not a mark; write a number like 256 or 0x100")
    number = int(text, 16) if text[:2] in ("0x", "0X") else int(text)
    _check_bounds(option, number)
    return number


def _path(option: Option, text: str) -> str:
    if not text.startswith("/"):
        raise BadValue(f"{shown(text)} is not an absolute path; start it with /")
    return _string(option, text)


def _source(_option: Option, text: str) -> str:
    return text


def _topic(option: Option, text: str) -> str:
    # MQTT 5 section 4.7: + and # are wildcards, a leading $ is the broker's own; an empty level only confuses.
    if set(text) & set("+#") or text[0] == "$" or "" in text.split("/"):
        raise BadValue(f"{shown(text)} cannot begin a topic; leave out + and #, a leading $, and / at either end or doubled")
    return _string(option, text)


def _listen(texts: tuple[str, ...]) -> tuple[str, ...]:
    if texts == (LISTEN_OFF,):
        return ()
    for index, text in enumerate(texts):
        _check_listen(text)
        if text in texts[:index]:
            raise BadValue(f"{text} stands twice; leave one out")
    return texts


def _networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_network(text) for text in texts if text))


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadValue(f"{shown(text)} is not a network; write one like 198.51.100.0/24 or 2001:db8::/32") from None
    raise BadValue(f"{shown(text)} has bits beyond its prefix; write {network}")


def _paths(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if text and not text.startswith("/"):
            raise BadValue(f"{shown(text)} is not an absolute path; start it with /")
    return tuple(dict.fromkeys(text for text in texts if text))


def _check_listen(text: str) -> None:
    if text == LISTEN_OFF:
        raise BadValue(f"{LISTEN_OFF} stands beside addresses; leave out one or the other")
    if text.startswith(_SOCKET):
        path = text.removeprefix(_SOCKET)
        if not path.startswith("/") or len(os.fsencode(path)) > _SOCKET_LENGTH or not path.isprintable():
            raise BadValue(f"{shown(text)} is not unix:PATH; write one like unix:/run/pathwarden/http.sock, {_SOCKET_LENGTH} bytes at most")
        return
    found = _LISTEN.fullmatch(text)
    if not found or not (found["name"] or address_of(found["six"] or found["four"])) or int(found["port"]) > PORT_MAX:
        raise BadValue(f"{shown(text)} is not ADDRESS:PORT; write one like 127.0.0.1:8866, [::1]:8866 or @lan:8866")


def is_loopback(listen: str) -> bool:
    """Whether a listener is for this machine alone."""
    address = address_of(listen.rpartition(":")[0].strip("[]"))
    # Not is_loopback for IPv6: Python's releases differ on ::ffff:127.0.0.1, and only ::1 is ours.
    return address == _LOOPBACK6 or (address is not None and address.version == 4 and address.is_loopback)


def _events(texts: tuple[str, ...]) -> tuple[str, ...]:
    known = [kind.value for kind in (*ChangeKind, *AgentKind)]
    for text in texts:
        if text and text not in known:
            raise BadValue(f"{shown(text)} is no event; known are {', '.join(known)}")
    return tuple(dict.fromkeys(text for text in texts if text))


LISTS: dict[Kind, Callable[[tuple[str, ...]], Value]] = {
    Kind.LISTEN: _listen,
    Kind.NETWORKS: _networks,
    Kind.PATHS: _paths,
    Kind.EVENTS: _events,
}
_READERS: dict[Kind, Callable[[Option, str], Value]] = {
    Kind.STRING: _string,
    Kind.BOOL: _bool,
    Kind.INT: _int,
    Kind.FLOAT: _float,
    Kind.ENUM: _enum,
    Kind.ID: _id,
    Kind.HOST: _host,
    Kind.ADDRESS: _address,
    Kind.DEVICE: _device,
    Kind.INTERFACE: _interface,
    Kind.TABLE: _table,
    Kind.MARK: _mark,
    Kind.PATH: _path,
    Kind.PROGRAM: _path,
    Kind.SOURCE: _source,
    Kind.TOPIC: _topic,
}
