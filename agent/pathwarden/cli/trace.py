"""`pathwarden trace`: trace now, with traceroute(8)'s letters and layout."""

import argparse
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pathwarden.daemon.drive import Driver
from pathwarden.daemon.sources import binding_now, source_named
from pathwarden.daemon.started import Started
from pathwarden.engine.correlator import LAST_IDENT, Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.engine.session import TraceSession, TraceSpec
from pathwarden.errors import CannotProbe, ConfigError, ProbeError, explain
from pathwarden.model.history import StoredTrace
from pathwarden.model.probe import Binding, Flow, Method
from pathwarden.model.protocols import Clock, Transport
from pathwarden.model.settings import Source, Target
from pathwarden.model.trace import Hop, Reason
from pathwarden.net.choose import open_transport
from pathwarden.net.clock import SystemClock
from pathwarden.net.names import ReverseNames
from pathwarden.net.resolver import resolve_now
from pathwarden.present.history import trace as as_json
from pathwarden.present.text import heading, hop_line

PPS = 200.0  # a person waits for it, yet routers' rate limits deserve a pause between bursts
WINDOW = 16  # as traceroute(8)
GAP_LIMIT = 5
NAME_WAIT_S = 1.0  # how long a line waits for the names in it
STEP_NS = 100_000_000
NOT_REACHED = 5
UDP_PORT = 53  # what traceroute's -U means
REMEDIES = {
    "no_route": ("", "give the machine a route, or choose a way out with -i or -s"),
    "no_permission": ("", "run as root or with CAP_NET_RAW"),
    "device_absent": ("-i ", "see the devices with: ip link"),
    "device_down": ("-i ", "bring it up with: ip link set DEVICE up"),
    "address_absent": ("-s ", "see this machine's addresses with: ip address"),
    "no_table_rule": ("", "add the rule"),
    "send_failed": ("", "see the kernel's log"),
}


@dataclass(frozen=True, slots=True)
class _Wish:
    """One thing to trace, after names and configured targets are looked up."""

    host: str
    address: str
    tid: str
    method: Method
    port: int
    source: Source
    tos: int
    size: int


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `trace` command."""
    parser = subparsers.add_parser(
        "trace",
        help="trace the path to a target or host now",
        description="Trace the path to hosts, or to targets of the configuration by their id. All probes of a trace are one flow, so load "
        "balancers show one path. Exit code 0: reached, 5: not reached, 3: no probe could leave.",
    )
    add = parser.add_argument
    add("hosts", nargs="+", metavar="HOST", help="host name, address, or id of a configured target")
    family = parser.add_mutually_exclusive_group()
    family.add_argument("-4", dest="family", action="store_const", const=4, default=0, help="IPv4")
    family.add_argument("-6", dest="family", action="store_const", const=6, help="IPv6")
    method = parser.add_mutually_exclusive_group()
    method.add_argument("-I", "--icmp", dest="method", action="store_const", const="icmp", help="ICMP echo requests")
    method.add_argument(
        "-U",
        "--udp",
        dest="method",
        action="store_const",
        const="udp",
        help=f"UDP to port {UDP_PORT}; without -U and -I it is UDP to port 33434",
    )
    add("-n", dest="numeric", action="store_true", help="print addresses only, look up no names")
    add("-f", "--first", type=_number(1, 255), default=1, metavar="TTL", help="first ttl (default: 1)")
    add("-m", "--max-hops", type=_number(1, 255), default=30, metavar="TTL", help="largest ttl (default: 30)")
    add("-q", "--queries", type=_number(1, 10), default=3, metavar="N", help="probes per hop (default: 3)")
    add("-w", "--wait", type=_seconds, default=5.0, metavar="S", help="longest wait for a reply in seconds (default: 5)")
    add("-p", "--port", type=_number(1, 65535), default=0, metavar="PORT", help="destination port")
    add("-i", "--interface", default="", metavar="DEVICE", help="leave through this device")
    add("-s", "--source", default="", metavar="ADDRESS", help="send from this address")


def run(args: argparse.Namespace) -> int:
    """Trace each host in turn; 0 if all were reached, else 5."""
    if args.first > args.max_hops:
        raise ConfigError(f"-f {args.first}: the first ttl is beyond the largest one, {args.max_hops}", "raise -m or lower -f")
    wishes = [_wish(args, host) for host in args.hosts]
    transport, _how = open_transport()
    names = None if args.numeric or args.json else ReverseNames()
    try:
        reached = [_trace(args, wish, transport, names) for wish in wishes]
    finally:
        transport.close()
    return 0 if all(reached) else NOT_REACHED


def _wish(args: argparse.Namespace, host: str) -> _Wish:
    asked_for = Source("", Binding(args.interface, args.source))
    asked = Method(args.method) if args.method else None
    configured = _configured(args, host)
    if configured is None:
        port = args.port or (UDP_PORT if asked is Method.UDP else 0)
        return _Wish(host, _address(host, args.family), host, asked or Method.UDP, port, asked_for, 0, 0)
    target, source = configured
    port = args.port or (target.port if asked in (None, target.method) else 0)
    own = asked_for if args.interface or args.source else source
    address = _address(target.host, args.family or target.family)
    return _Wish(target.host, address, target.tid, asked or target.method, port, own, target.dscp << 2, target.size)


def _configured(args: argparse.Namespace, word: str) -> tuple[Target, Source] | None:
    """The configured target of this id, with its source; None if there is none."""
    if not word.replace("_", "").isalnum():
        return None
    from pathwarden.config.load import find, load_here

    if find(args.config) is None:
        return None
    settings = load_here(args.config)
    target = next((target for target in settings.targets if target.tid == word), None)
    if target is None:
        return None
    return target, source_named(settings, target.source)


def _address(host: str, family: int) -> str:
    address = resolve_now(host, family)
    if address is None:
        what = f"{host}: the name does not resolve" + (f" to an IPv{family} address" if family else "")
        raise ConfigError(what, "check the spelling and the name server")
    return address


def _trace(args: argparse.Namespace, wish: _Wish, transport: Transport, names: ReverseNames | None) -> bool:
    """Trace one wish and print it; whether the destination answered."""
    clock = SystemClock()
    try:
        binding = _sockets(wish)
        flow = transport.flow(wish.address, wish.method, wish.port, binding, wish.tos, wish.size)
        started = Started(clock, wish.tid, "", flow, Reason.COMMAND, transport.name)
        if not args.json:
            print(heading(wish.host, wish.address, args.max_hops, flow.size), flush=True)
        session = _session(args, flow, transport)
        shown = 0
        for hop in _drive(session, transport, binding, clock):
            if not args.json:
                _print_hop(hop, flow.af, names)
                shown = hop.ttl
    except ProbeError as error:
        raise _operators(error, wish) from None
    outcome = session.outcome()
    if outcome.error:
        raise CannotProbe(f"{wish.host}: {explain(outcome.error)}", "the trace ended there")
    if args.json:
        trace = started.trace(outcome)
        print(json.dumps(as_json(StoredTrace(0, trace.path.path_id, None, trace), None, full=True), ensure_ascii=False))
    else:
        for hop in outcome.hops:
            if hop.ttl > shown:
                _print_hop(hop, flow.af, names)
    return outcome.reached_ttl is not None


def _session(args: argparse.Namespace, flow: Flow, transport: Transport) -> TraceSession:
    window = min(transport.window(flow), WINDOW)
    spec = TraceSpec(flow, args.first, args.max_hops, args.queries, round(args.wait * 1e9), GAP_LIMIT, window, by_hop=True)
    return TraceSession(spec, Correlator(random.randint(1, LAST_IDENT)), random.Random())  # noqa: S311 - order, no secret


def _drive(session: TraceSession, transport: Transport, binding: Binding, clock: Clock) -> Iterator[Hop]:
    """Run a session to its end; hops as soon as all their answers are in."""
    driver = Driver(transport, clock, session.correlator, TokenBucket(PPS, WINDOW))
    driver.add(session, binding, lambda _session: None)
    given = 0
    while len(driver):
        driver.step(STEP_NS)
        for hop in session.known_hops():
            if hop.ttl > given:
                given = hop.ttl
                yield hop


def _sockets(wish: _Wish) -> Binding:
    """The binding for sockets; a routing table is reached through a rule, which only netlink can find. Raises ProbeError."""
    af = 6 if ":" in wish.address else 4
    binding = binding_now(wish.source, af)
    if not binding.table:
        return binding
    from pathwarden.net.netlink import KernelRoutes

    routes = KernelRoutes()
    try:
        return routes.effective(binding, af)
    finally:
        routes.close()


def _print_hop(hop: Hop, af: int, names: ReverseNames | None) -> None:
    known = None
    if names is not None:
        for responder in hop.responders:
            names.ask(responder)
        known = names.get(hop.responders, NAME_WAIT_S)
    print(hop_line(hop, af, known), flush=True)


def _operators(error: ProbeError, wish: _Wish) -> CannotProbe:
    """The network's fault in the operator's words: option, value, remedy."""
    option, remedy = REMEDIES[error.reason]
    value = {"-i ": wish.source.binding.device, "-s ": wish.source.binding.address}.get(option, "")
    return CannotProbe(f"{option}{value or wish.host}: {error}", remedy)


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not in {least}..{most}")
        return value

    return number


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 60:
        raise argparse.ArgumentTypeError(f"{text} is not in 0.1..60 seconds")
    return value
