"""Methods of `pathwarden trace`: traceroute(8)'s modules (-M), their own options (-O), and what both come to on the wire."""

from collections.abc import Callable, Sequence
from pathlib import Path
from struct import pack
from typing import Any, NamedTuple

from pathwarden.cli.tracing.values import bad, number, protocol
from pathwarden.model.probe import PLAIN, Extra, Method

STABLE = ""  # our own default: UDP whose ports stay the same
HELP = "help"
MAX_OPTIONS = 15  # as traceroute(8)
_SYSCTL = Path("/proc/sys/net/ipv4")
_MSS = {4: 1460, 6: 1440}  # what fits into Ethernet's 1500 bytes beside the headers
_MAX_MSS = 65535
_SCALE = 2  # traceroute's; nobody will ever send so much
_STAMP = 1  # any value will do; one that never changes keeps the flow's packets alike
_FLAGS = {"fin": 0x01, "syn": 0x02, "rst": 0x04, "psh": 0x08, "ack": 0x10, "urg": 0x20, "ece": 0x40, "cwr": 0x80}
_SYN, _ACK = _FLAGS["syn"], _FLAGS["ack"]
_ECN = _FLAGS["ece"] | _FLAGS["cwr"]
_ALL_FLAGS = 0x1FF  # the header's byte 13, and ECN's AE before it
_SWITCHABLE = ("ecn", "sack", "timestamps", "window_scaling")  # what sysctl decides


class Module(NamedTuple):
    """A method under traceroute's name. `port` 0 leaves it to the transport; `rising` sends each probe to the next port."""

    method: Method
    port: int = 0
    rising: bool = False


class Chosen(NamedTuple):
    """The method that a command line asks for. `words` maps the names of -O's options to their values, True without one."""

    name: str
    module: Module
    words: dict[str, int | bool]

    @property
    def method(self) -> Method:
        """How probes are made."""
        return self.module.method

    @property
    def info(self) -> bool:
        """Whether flags and options of the target's answer are shown."""
        return bool(self.words.get("info"))

    @property
    def mss(self) -> bool:
        """Whether a changed maximum segment size is shown."""
        return "mss" in self.words

    def carried(self, af: int) -> Extra:
        """What probes carry beyond the usual."""
        make = _EXTRAS.get(self.method)
        return make(self.words, af) if make else PLAIN


class _Option(NamedTuple):
    """An option of a method. `read` reads its value, None if it takes none; `may_lack` lets the value be left out."""

    text: str
    read: Callable[[str], int] | None = None
    may_lack: bool = False


MODULES = {
    STABLE: Module(Method.UDP),
    "default": Module(Method.UDP, rising=True),
    "icmp": Module(Method.ICMP),
    "tcp": Module(Method.TCP, 80),
    "tcpconn": Module(Method.TCP_CONNECT, 80),
    "udp": Module(Method.UDP, 53),
    "udplite": Module(Method.UDPLITE, 53),
    "dccp": Module(Method.DCCP, 33434),
    "raw": Module(Method.RAW),
}
ALIASES = {"classic": "default", "tcp-connect": "tcpconn"}

_OPTIONS: dict[str, dict[str, _Option]] = {
    "icmp": {
        "raw": _Option("Use raw sockets alone."),
        "dgram": _Option("Use ping sockets alone, which need no privilege (net.ipv4.ping_group_range)."),
    },
    "tcp": {
        **{name: _Option(f"Set the flag {name.upper()}.") for name in _FLAGS},
        "flags": _Option("Set the flags to exactly this number.", number("-O flags", 0, _ALL_FLAGS)),
        "ecn": _Option("SYN with ECE and CWR (RFC 3168)."),
        "sack": _Option("Carry the option that permits SACK."),
        "timestamps": _Option("Carry the option timestamps."),
        "window_scaling": _Option("Carry the option window scale."),
        "sysctl": _Option("ecn, sack, timestamps and window_scaling as this machine has them; so it is if nothing else is said."),
        "fastopen": _Option("Ask for a TCP Fast Open cookie (RFC 7413)."),
        "reuse": _Option("Taken, and always so: all our probes leave from one port."),
        "mss": _Option("Announce this segment size, or the usual; show where the way lowers it.", number("-O mss", 1, _MAX_MSS), True),
        "info": _Option("Show flags and options of the target's answer."),
    },
    "udplite": {"coverage": _Option("Bytes that the checksum covers: 0 is all, else 8 or more.", number("-O coverage", 0, 65535))},
    "dccp": {"service": _Option("Service code.", number("-O service", 0, 0xFFFFFFFF))},
    "raw": {"protocol": _Option("IP protocol, by number or name.", lambda text: protocol("-O protocol", text))},
}


def chosen(name: str, words: Sequence[str]) -> Chosen:
    """The method of this name with these options (each `NAME` or `NAME=VALUE`, several separated by commas). Raises ConfigError."""
    name = ALIASES.get(name, name)
    if name not in MODULES:
        raise bad("-M", name, "no such method", f"choose one of {', '.join(filter(None, MODULES))}")
    options = _OPTIONS.get(name, {})
    values: dict[str, int | bool] = {}
    single = [word for text in words for word in text.split(",")]
    if len(single) > MAX_OPTIONS:
        raise bad("-O", ",".join(single), f"more than {MAX_OPTIONS} options", "ask for fewer")
    for word in single:
        key, equals, value = word.partition("=")
        option = options.get(key)
        if option is None:
            raise bad("-O", key, f"no option of {_title(name)}", _others(options))
        values[key] = _value(key, option, value if equals else None)
    _check(values)
    return Chosen(name, MODULES[name], values)


def asks_for_help(words: Sequence[str]) -> bool:
    """Whether -O asks what there is."""
    return any(HELP in text.split(",") for text in words)


def options_help(name: str) -> list[tuple[str, str]]:
    """The options of a method as pairs of how to write them and what they do."""

    def written(key: str, option: _Option) -> str:
        return key + ("" if option.read is None else "[=NUM]" if option.may_lack else "=NUM")

    return [(written(key, option), option.text) for key, option in _OPTIONS.get(ALIASES.get(name, name), {}).items()]


def _title(name: str) -> str:
    return f"the method {name}" if name else "UDP"


def _others(options: dict[str, _Option]) -> str:
    return f"it has {', '.join(options)}" if options else "it has none: leave -O out"


def _value(key: str, option: _Option, value: str | None) -> int | bool:
    if option.read is None:
        if value is not None:
            raise bad("-O", f"{key}={value}", "takes no value", f"write {key}")
        return True
    if value is None:
        if not option.may_lack:
            raise bad("-O", key, "lacks its value", f"write {key}=NUMBER")
        return True
    return option.read(value)


def _check(values: dict[str, int | bool]) -> None:
    if values.get("raw") and values.get("dgram"):
        raise bad("-O", "raw,dgram", "two kinds of sockets", "leave one out")
    coverage = values.get("coverage", 0)
    if 0 < coverage < 8:
        raise bad("-O", f"coverage={coverage}", "less than the header's 8 bytes (RFC 3828)", "write 0 or 8 and more")


def _tcp(words: dict[str, int | bool], af: int) -> Extra:
    flags = sum(bit for name, bit in _FLAGS.items() if words.get(name))
    flags = int(words.get("flags", flags))
    wanted = {name for name in _SWITCHABLE if words.get(name)}
    if words.get("sysctl") or not (flags or wanted or "flags" in words):
        wanted |= {name for name in _SWITCHABLE if _switched_on(name)}
    if not flags and "flags" not in words:
        flags = _SYN | (_ECN if "ecn" in wanted else 0)
    return PLAIN._replace(tcp_flags=flags, tcp_options=_tcp_options(words, wanted, flags, af))


def _tcp_options(words: dict[str, int | bool], wanted: set[str], flags: int, af: int) -> bytes:
    """The header's options (RFC 9293, 7323, 2018, 7413) in Linux's order, each filled to a whole word with NOPs."""
    options = b""
    if flags & _SYN:
        mss = words.get("mss", True)
        options += pack(">BBH", 2, 4, _MSS[af] if mss is True else mss)
    if "timestamps" in wanted:
        options += b"\4\2" if "sack" in wanted else b"\1\1"
        options += pack(">BBII", 8, 10, _STAMP, _STAMP if flags & _ACK else 0)
    elif "sack" in wanted:
        options += b"\1\1\4\2"
    if "window_scaling" in wanted:
        options += pack(">BBBB", 1, 3, 3, _SCALE)
    if words.get("fastopen") and flags & _SYN:
        options += b"\x22\2\1\1"
    return options


def _switched_on(name: str) -> bool:
    try:
        return (_SYSCTL / f"tcp_{name}").read_text(encoding="ascii").startswith("1")  # 2 of tcp_ecn means: only if asked
    except OSError:  # a kernel that does not show it
        return False


_EXTRAS: dict[Method, Callable[[dict[str, Any], int], Extra]] = {
    Method.TCP: _tcp,
    Method.UDPLITE: lambda words, _af: PLAIN._replace(coverage=words.get("coverage", PLAIN.coverage)),
    Method.DCCP: lambda words, _af: PLAIN._replace(service=words.get("service", PLAIN.service)),
    Method.RAW: lambda words, _af: PLAIN._replace(protocol=words.get("protocol", PLAIN.protocol)),
}
