"""What a command line wants traced: each host with each port and flow, once names, targets and ways out are looked up."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from pathwarden.cli.tracing.methods import HELP, MODULES, STABLE, Chosen, Module, chosen
from pathwarden.cli.tracing.personality import Program
from pathwarden.cli.tracing.values import bad, is_number, number
from pathwarden.config.load import find, load_here, tables
from pathwarden.config.schema import KERNEL_TABLES
from pathwarden.daemon.sources import source_named
from pathwarden.errors import CannotProbe, ConfigError
from pathwarden.model.probe import PLAIN, Binding, Extra, Method
from pathwarden.model.settings import Source, Target
from pathwarden.net.resolver import resolve_now
from pathwarden.net.vrf import is_vrf
from pathwarden.wire.address import af_of

MAX_SIZE = 65000  # as traceroute(8)
MAX_TRACES = 256  # at once; more is a survey, which wants a pace of its own
MAX_GATEWAYS = {4: 8, 6: 127}  # what the headers hold (RFC 791, RFC 8200), as traceroute(8) counts
SIZED = frozenset({Method.UDP, Method.ICMP, Method.UDPLITE, Method.RAW})
PORTLESS = frozenset({Method.ICMP, Method.RAW})
_TABLE = number("--table", 1, 0xFFFFFFFF)
_V4_MAPPED = "::ffff:"

# Options that exclude each other, by their names in the namespace and as they are written.
_APART = (
    ("tos", "-t", "dscp", "--dscp"),
    ("tos", "-t", "ecn", "--ecn"),
    ("interface", "-i", "vrf", "--vrf"),
    ("direct", "-r", "next_hop", "--next-hop"),
    ("mda", "--mda", "mtu", "--mtu"),
    ("mda", "--mda", "flows", "--flows"),
    ("mtu", "--mtu", "flows", "--flows"),
    ("mtu", "--mtu", "words", "-O"),
    ("egress", "--egress", "mda", "--mda"),
    ("egress", "--egress", "mtu", "--mtu"),
    ("egress", "--egress", "pcap", "--pcap"),
    ("egress", "--egress", "graph", "--graph"),
    ("egress", "--egress", "map", "--map"),
    ("egress", "--egress", "matrix", "--matrix"),
    ("egress", "--egress", "live", "--live"),
    ("mda", "--mda", "graph", "--graph"),
    ("mda", "--mda", "map", "--map"),
    ("mda", "--mda", "matrix", "--matrix"),
    ("mda", "--mda", "live", "--live"),
    ("mtu", "--mtu", "live", "--live"),
    ("matrix", "--matrix", "live", "--live"),
    ("back", "--back", "live", "--live"),
    ("extensions", "-e", "live", "--live"),
)
_ALONE = {"flows": 1}  # values that count as not given, beside None, False, 0 and empty ones
_ONLY_WITH = (
    ("confidence", "--confidence", "mda"),
    ("dot", "--dot", "mda"),
    ("count", "--count", "live"),
    ("interval", "--interval", "live"),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing to trace; `shrinks`: its probes begin as long as they may be, to find the path's MTU.

    `port`, `label` and `size` 0 are the transport's own; `number` is the flow's (see `engine.flows.nth`).
    """

    host: str
    address: str
    tid: str
    chosen: Chosen
    port: int
    source: Source
    tos: int
    label: int
    size: int
    gateways: tuple[str, ...] = ()
    routing_type: int = PLAIN.routing_type
    split: bool = False
    shrinks: bool = False
    number: int = 0

    @property
    def af(self) -> int:
        """4 or 6."""
        return af_of(self.address)

    @property
    def extra(self) -> Extra:
        """What its packets carry beyond the usual."""
        return self.chosen.carried(self.af)._replace(gateways=self.gateways, routing_type=self.routing_type, split=self.split)


def method(args: argparse.Namespace) -> Chosen | None:
    """The method that is asked for; None if none is, and so a target's own or the program's holds. Raises ConfigError."""
    program: Program = args.program
    names = list(dict.fromkeys([*args.methods, *(["raw"] if args.protocol else [])]))
    if len(names) > 1:
        raise ConfigError(f"{' and '.join(names)}: two methods at once", "ask for one of them")
    words = [text for text in args.words if HELP not in text.split(",")]
    words += [f"protocol={args.protocol}"] if args.protocol else []
    if not names and not words and not program.module:
        return None
    return chosen(names[0] if names else program.module, words)


class UnknownHost(ConfigError):
    """A name that does not resolve."""


def wishes(args: argparse.Namespace, unknown: list[UnknownHost]) -> list[Wish]:
    """All that is to be traced, in the order of the command line: hosts, then their ports, then flows.

    Hosts that do not resolve stop no others: they go to `unknown`. Raises ConfigError, also if no host resolves.
    """
    _check_together(args)
    hosts, size = _places(args.hosts)
    asked = method(args)
    if len(set(args.family)) > 1:
        raise ConfigError("-4 and -6: two families at once", "ask for one of them")
    family = args.family[0] if args.family else args.program.family
    found = []
    for host in hosts:
        try:
            found.append(_wish(args, host, asked, family, size))
        except UnknownHost as error:
            unknown.append(error)
    if not found:
        raise unknown[0]
    ports = tuple(dict.fromkeys((*args.port, *args.ports)))
    if asked and asked.module.rising and len(ports) > 1:
        raise ConfigError("-p: several first ports", "rising ports start from one: name one, or leave out --classic")
    found = [replace(wish, port=port) for wish in found for port in (ports or (wish.port,))]
    found = [replace(wish, number=flow) for wish in found for flow in range(args.flows)]
    if args.mtu and any(wish.chosen.method not in SIZED for wish in found):
        raise ConfigError("--mtu: packets of this method have a length of their own", "choose UDP or ICMP")
    if len(ports) > 1 and any(wish.chosen.method in PORTLESS for wish in found):
        raise ConfigError("-p: several ports of a method that has none", "choose UDP or TCP, or leave the ports out")
    if args.pcap and any(wish.chosen.method is Method.TCP_CONNECT for wish in found):
        raise ConfigError(f"--pcap {args.pcap}: the kernel sends tcpconn's packets, unseen by us", "choose -T, or leave out --pcap")
    if len(found) > MAX_TRACES:
        raise ConfigError(f"{len(found)} traces at once: more than {MAX_TRACES}", "ask for fewer hosts, ports or flows")
    return found


def _check_together(args: argparse.Namespace) -> None:
    given = {name for name, value in vars(args).items() if value and value != _ALONE.get(name)}
    given |= {name for name in ("tos", "dscp", "ecn") if getattr(args, name) is not None}
    for one, one_shown, other, other_shown in _APART:
        if one in given and other in given:
            raise ConfigError(f"{one_shown} beside {other_shown}: they exclude each other", "leave out one of them")
    for name, shown, needed in _ONLY_WITH:
        if name in given and needed not in given:
            raise ConfigError(f"{shown} {getattr(args, name)}: only with --{needed}", f"add --{needed} or leave out {shown}")
    if args.first > args.max_hops:
        raise ConfigError(f"-f {args.first}: the first ttl is beyond the largest one, {args.max_hops}", "raise -m or lower -f")


def _places(words: list[str]) -> tuple[list[str], int]:
    """Hosts, and the length of packets that stands behind them; 0 without one."""
    if not words:
        raise ConfigError("no host", "name what to trace, or see --help")
    if len(words) == 1 or not is_number(words[-1]):
        return words, 0
    size = int(words[-1], 0)
    if size > MAX_SIZE:
        raise bad("length", words[-1], f"above {MAX_SIZE}", "a packet has at most so many bytes")
    return words[:-1], max(size, 1)  # a length that is too small grows to what the method needs


def _wish(args: argparse.Namespace, host: str, asked: Chosen | None, family: int, size: int) -> Wish:
    target, source = _configured(args, host)
    name = target.host if target else host
    use = asked or (of_target(target) if target else chosen(args.program.module, ()))
    own_port = target.port if target and asked is None else 0
    address = resolve(name, family or (target.family if target else 0))
    _check_spared(args, name, address)
    way = way_out(args, source or Source("", Binding()), address)
    gateways, kind = _gateways(args.gateway, af_of(address))
    if args.flowlabel and af_of(address) == 4:
        raise ConfigError(f"-l {args.flowlabel}: {host} is reached over IPv4, which has no flow labels", "leave out -l, or add -6")
    return Wish(
        host=name,
        address=address.partition("%")[0],
        tid=target.tid if target else host,
        chosen=use,
        port=own_port or use.module.port,
        source=way,
        tos=_tos(args, target.dscp << 2 | target.ecn if target else 0),
        label=args.flowlabel or (target.flow_label if target and af_of(address) == 6 else 0),
        size=size or (MAX_SIZE if args.mtu else target.size if target else 0),
        shrinks=args.mtu,
        gateways=gateways,
        routing_type=kind,
        # Only a length that somebody chose can be longer than a link carries.
        split=bool(size) and not (args.dont_fragment or args.mtu),
    )


def of_target(target: Target) -> Chosen:
    """A configured target's own method."""
    named = {module.method: name for name, module in MODULES.items() if not module.rising}
    if target.method is Method.UDP:
        return Chosen(STABLE, MODULES[STABLE], {})
    words: dict[str, int | bool] = {"protocol": target.protocol} if target.method is Method.RAW else {}
    return Chosen(named[target.method], Module(target.method, MODULES[named[target.method]].port), words)


def _configured(args: argparse.Namespace, word: str) -> tuple[Target | None, Source | None]:
    """The configured target of this id, with its source; None if there is none. Who stands in for traceroute(8) knows none."""
    if args.program.traceroute or not word.replace("_", "").isalnum() or find(args.config) is None:
        return None, None
    settings = load_here(args.config)
    target = next((target for target in settings.targets if target.tid == word), None)
    return target, source_named(settings, target.source) if target else None


def _check_spared(args: argparse.Namespace, host: str, address: str) -> None:
    """Whether this machine's configuration spares the target's network. Raises CannotProbe."""
    if find(args.config) is None:
        return
    one = ip_address(address.partition("%")[0])
    for network in load_here(args.config).agent.do_not_probe:
        if one in ip_network(network):
            raise CannotProbe(f"{host}: {network} asked not to be probed", "leave it out, or take the network out of do_not_probe")


def resolve(host: str, family: int) -> str:
    """The address of a host, of this family (0: any), with its zone. Raises UnknownHost."""
    if host.lower().startswith(_V4_MAPPED) and "." in host:  # no network carries them; they mean IPv4
        host = host[len(_V4_MAPPED) :]
    address = resolve_now(host, family)
    if address is None:
        what = f"{host}: the name does not resolve" + (f" to an IPv{family} address" if family else "")
        raise UnknownHost(what, "check the spelling and the name server")
    return address


def way_out(args: argparse.Namespace, source: Source, address: str) -> Source:
    """How to leave: what the options say, else the target's own source. A link-local address brings its device. Raises ConfigError."""
    af, zone = af_of(address), address.partition("%")[2]
    given = Binding(
        device=args.interface or args.vrf,
        address=_own(args.source, af, "-s"),
        table=_table(args.table),
        fwmark=args.fwmark,
        next_hop=_own(args.next_hop, af, "--next-hop"),
        direct=args.direct,
    )
    if args.vrf and not is_vrf(args.vrf):
        raise bad("--vrf", args.vrf, "not a VRF", "see them with: ip link show type vrf; leave through another device with -i")
    if given != Binding():
        source = Source("", given)
    binding = source.binding._replace(debug=args.debug)
    if zone and not (binding.device or source.interface):
        binding = binding._replace(device=zone)
    return Source(source.name, binding, source.interface)


def _own(word: str, af: int, option: str) -> str:
    """An address for an option, of the target's family."""
    if not word:
        return ""
    address = resolve_now(word, 0)
    if address is None:
        raise bad(option, word, "not an address", "write one, or a name that resolves")
    if af_of(address) != af:
        raise bad(option, word, f"an IPv{af_of(address)} address, but the target is reached over IPv{af}", f"write an IPv{af} address")
    return address


def _table(word: str) -> int:
    if not word:
        return 0
    if is_number(word):
        return _TABLE(word)
    known = {**KERNEL_TABLES, **tables()}
    if word not in known:
        raise bad("--table", word, "no routing table of this name", "add it to /etc/iproute2/rt_tables, or write its number")
    return known[word]


def _gateways(words: Iterable[str], af: int) -> tuple[tuple[str, ...], int]:
    """Addresses of -g, and the type of IPv6 routing header, which may stand first."""
    names = [name for text in words for name in text.split(",")]
    kind = PLAIN.routing_type
    if af == 6 and len(names) > 1 and is_number(names[0]):
        kind, names = number("-g", 0, 255)(names[0]), names[1:]
    if len(names) > MAX_GATEWAYS[af]:
        raise bad("-g", ",".join(names), f"{len(names)} gateways", f"name at most {MAX_GATEWAYS[af]} over IPv{af}")
    return tuple(_own(name, af, "-g") or _missing() for name in names), kind


def _missing() -> str:
    raise ConfigError("-g: an empty address", "write addresses with single commas between them")


def _tos(args: argparse.Namespace, own: int) -> int:
    if args.tos is not None:
        return int(args.tos)
    dscp = own >> 2 if args.dscp is None else args.dscp
    return int(dscp << 2 | (own & 3 if args.ecn is None else args.ecn))
