"""The options of `pathwarden trace`: traceroute(8)'s letters first, then what it does not have."""

import argparse
from typing import NoReturn

from pathwarden import __version__
from pathwarden.cli.tracing import values
from pathwarden.cli.tracing.methods import ALIASES, MODULES
from pathwarden.cli.tracing.personality import OWN, Program
from pathwarden.errors import ConfigError

WINDOW = 16  # probes in flight, as traceroute(8)
GAP_LIMIT = 5
MAX_FLOWS = 64
CONFIDENCES = (95, 99)
_ABOUT = """\
Trace the path to hosts{ids}. A bare number at the end is the length of the packets. Several hosts, ports or flows are traced side by
side and shown as a table."""
_OWN_WAY = "All probes of a trace are one flow, so load balancers show one path; --classic is traceroute(8)'s rising port."
_EXITS = (
    "Exit code 0: reached, 5: not reached, 3: no probe could leave, or one of several hosts is unknown, 2: wrong options, 130: interrupted."
)
_TCP = " As in tcptraceroute(8), -p is the source port, -l the length, -S, -A and -E set flags; long options write their value behind '='."
_TRACEROUTE_EXITS = "Exit code 0: the trace was made, whether or not the destination answered; 1: no probe could leave, 2: wrong options."


def complain(message: str) -> NoReturn:
    """What argparse found wrong, in our form: one line. Raises ConfigError."""
    unknown = message.removeprefix("unrecognized arguments: ")
    if unknown != message:
        raise ConfigError(f"{unknown}: no such option", "see --help")
    raise ConfigError(message.removeprefix("argument "), "see --help")


def about(program: Program) -> str:
    """What the help of a program says first."""
    if program.traceroute:
        return f"{_ABOUT.format(ids='')} {_TRACEROUTE_EXITS}{_TCP if program.module == 'tcp' else ''}"
    return f"{_ABOUT.format(ids=', or to targets of the configuration by their id')} {_OWN_WAY} {_EXITS}"


def usage(program: Program) -> str:
    """How a program is called."""
    return f"{program.name} [options] {'HOST [PORT [LENGTH]]' if program.module == 'tcp' else 'HOST... [LENGTH]'}"


def add(parser: argparse.ArgumentParser, program: Program = OWN) -> None:
    """Give a parser all options; those of a program that we stand in for begin as it does."""
    parser.set_defaults(program=program, family=[], methods=[])
    hosts = "host name or address" if program.traceroute else "host name, address, or id of a configured target"
    parser.add_argument("hosts", nargs="*", metavar="HOST", help=hosts)
    _what(parser.add_argument_group("what is traced"), program)
    _method(parser.add_argument_group("method"), program)
    _pace(parser.add_argument_group("how it is probed"))
    _packets(parser.add_argument_group("what the packets carry"))
    _way_out(parser.add_argument_group("where they leave"))
    _shown(parser.add_argument_group("what is shown"))
    _live(parser.add_argument_group("round after round"))


def _what(group: "argparse._ArgumentGroup", program: Program) -> None:
    add = group.add_argument
    for af in (4, 6):
        add(f"-{af}", dest="family", action="append_const", const=af, help=f"IPv{af}")
    first = "the default of UDP is 53; the first of rising ports is 33434; the first sequence of ICMP is 1; TCP's is 80"
    more = "" if program.module == "tcp" else ", or several (80,443,8000-8010)"
    add("-p", "--port", type=values.ports("-p"), default=(), metavar="PORT", help=f"destination port{more}: {first}")
    add("--ports", type=values.ports("--ports"), default=(), metavar="LIST", help="the same")
    add("-f", "--first", type=values.number("-f", 1, 255), default=1, metavar="TTL", help="first ttl (default: 1)")
    add("-m", "--max-hops", type=values.number("-m", 1, 255), default=30, metavar="TTL", help="largest ttl (default: 30)")


def _method(group: "argparse._ArgumentGroup", program: Program) -> None:
    def letter(*names: str, module: str, text: str) -> None:
        group.add_argument(*names, dest="methods", action="append_const", const=module, help=text)

    letter("-I", "--icmp", module="icmp", text="ICMP echo requests")
    letter("-T", "--tcp", module="tcp", text="TCP SYN, half-open, to port 80")
    letter("-U", "--udp", module="udp", text="UDP to port 53")
    letter("-UL", module="udplite", text="UDP-Lite to port 53")
    letter("-D", "--dccp", module="dccp", text="DCCP requests to port 33434")
    raw = "IP packets of this protocol, by number or name (253); one at a time"
    group.add_argument("-P", "--protocol", default="", metavar="PROTOCOL", help=raw)
    letter("--classic", module="default", text="UDP, each probe to the next port")
    names = ", ".join(filter(None, [*MODULES, *ALIASES]))
    group.add_argument("-M", "--module", dest="methods", action="append", metavar="NAME", help=f"method by name: {names}")
    if not program.module:
        group.description = "Without any of these: UDP to port 33434, every probe alike."
    group.add_argument(
        "-O", "--options", dest="words", action="append", default=[], metavar="OPTIONS", help="options of the method; `-O help` lists them"
    )


def _pace(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    add("-q", "--queries", type=values.number("-q", 1, 10), default=3, metavar="N", help="probes per hop (default: 3)")
    in_flight = f"probes in flight at once (default: {WINDOW})"
    add("-N", "--sim-queries", dest="window", type=values.number("-N", 1, 255), default=WINDOW, metavar="N", help=in_flight)
    wait = "longest wait for a reply in seconds, and factors of the RTT of the same hop and of a later one (default: 5,3,10)"
    add("-w", "--wait", type=values.waits, default=values.Waits(), metavar="MAX[,HERE,NEAR]", help=wait)
    pause = "shortest time between probes in seconds; from 10 on in milliseconds"
    add("-z", "--sendwait", dest="pause", type=values.pause, default=0.0, metavar="TIME", help=pause)
    gap = f"silent hops in a row that end a trace, 0: none do (default: {GAP_LIMIT}; as traceroute: 0)"
    add("--gap-limit", type=values.number("--gap-limit", 0, 255), metavar="N", help=gap)
    flows = "trace so many flows of each target, which load balancers may lead along different paths"
    add("--flows", type=values.number("--flows", 1, MAX_FLOWS), default=1, metavar="N", help=flows)
    add("--mda", action="store_true", help="find all paths through load balancers (Multipath Detection Algorithm)")
    sure = "with --mda: how sure to be of having found all, in percent (default: 95)"
    add("--confidence", type=_confidence, metavar="{95,99}", help=sure)
    add("--mtu", action="store_true", help="find the path MTU: begin with the largest packet, show each F=NUM")


def _packets(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    add("-F", "--dont-fragment", action="store_true", help="send packets of a given length whole or not at all; others are short")
    add("-t", "--tos", type=values.number("-t", 0, 255), metavar="TOS", help="IPv4 type of service or IPv6 traffic class")
    add("--dscp", type=values.number("--dscp", 0, 63), metavar="DSCP", help="its upper six bits alone")
    add("--ecn", type=values.number("--ecn", 0, 3), metavar="ECN", help="its lower two bits alone")
    add("-l", "--flowlabel", type=values.number("-l", 0, 0xFFFFF), default=0, metavar="LABEL", help="IPv6 flow label")
    route = "go through these routers: IPv4 at most 8, IPv6 [TYPE,]ADDRESS,..."
    add("-g", "--gateway", action="append", default=[], metavar="GATE,...", help=route)
    add("--sport", type=lambda text: values.port("--sport", text), default=0, metavar="PORT", help="source port")
    add("-d", "--debug", action="store_true", help="ask the kernel for SO_DEBUG")


def _way_out(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    add("-i", "--interface", default="", metavar="DEVICE", help="leave through this device")
    add("-s", "--source", default="", metavar="ADDRESS", help="send from this address")
    add("-r", dest="direct", action="store_true", help="only to hosts on the link, past the routing tables")
    add("--fwmark", type=values.number("--fwmark", 1, 0xFFFFFFFF), default=0, metavar="MARK", help="firewall mark")
    add("--table", default="", metavar="TABLE", help="routing table by number or name; a rule must lead to it")
    add("--vrf", default="", metavar="DEVICE", help="leave through this VRF")
    add("--next-hop", default="", metavar="ADDRESS", help="hand packets to this neighbour, whatever the routes say")
    add("--egress", action="store_true", help="only tell what the kernel would do: device, source, gateway, table, rule; send nothing")


def _shown(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    add("-n", dest="numeric", action="store_true", help="addresses only, look up no names")
    asks = "ask a routing registry for AS numbers: whois.radb.net, or RA_SERVER and RA_SERVICE of the environment"
    add("-A", "--as-path-lookups", dest="origins", action="store_true", help=asks)
    add("-e", "--extensions", action="store_true", help="show MPLS labels and other ICMP extensions")
    add("--back", action="store_true", help="guess the length of the way back, show where it differs")
    add("--dot", default="", metavar="FILE", help="with --mda: write the paths as a graph for Graphviz")
    add("--matrix", action="store_true", help="a table of addresses and outcomes by ttl, target and port, for a single target, too")
    add("--graph", default="", metavar="FILE", help="draw the ways as well, as `graph` does: .svg, .dot or .png")
    add("--map", default="", metavar="FILE", help="and on a map of the world, as `map` does: .svg or .png")
    add("--pcap", default="", metavar="FILE", help="write all packets of the trace as pcapng, for Wireshark")
    add("-V", "--version", action="version", version=f"pathwarden {__version__}", help="print the version")


def _live(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    live = "a table in the terminal that rolls on, one probe per hop and round; Loss%% is what persists to the destination"
    add("--live", action="store_true", help=f"{live}; keys: q quit, p pause, r reset, d detail, n next target")
    add("--count", type=values.number("--count", 1, 1_000_000), metavar="N", help="with --live: end with a report after N rounds")
    between = "with --live: between rounds (default: 1; at least 0.5 for each target)"
    add("--interval", type=values.interval, metavar="SECONDS", help=between)


def _confidence(text: str) -> int:
    value = values.number("--confidence", 1, 99)(text)
    if value not in CONFIDENCES:
        raise values.bad("--confidence", text, "not a level that the stopping points are known for", "write 95 or 99")
    return value
