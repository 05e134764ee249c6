"""`pathwarden enrich`: whose addresses are and where, which databases tell it, and a database made of a table."""

import argparse
from ipaddress import ip_address
from pathlib import Path

from pathwarden.cli.terminal import clean, counted, remark, say, say_json
from pathwarden.config.load import load_here
from pathwarden.daemon.networks import databases
from pathwarden.enrich.enricher import Enricher, open_enricher
from pathwarden.enrich.table import make
from pathwarden.errors import ConfigError
from pathwarden.model.network import Network
from pathwarden.model.settings import AgentSettings
from pathwarden.present.instants import rfc3339

LEFT_OUT = 1
_NS = 1_000_000_000


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `enrich` command with its verbs."""
    parser = subparsers.add_parser(
        "enrich",
        help="networks and places of addresses",
        description="Whose addresses are and where: ranges of the IANA, then databases on this machine (agent.mmdb), then Team Cymru over "
        "DNS if agent.dns_lookups is on. Nothing is ever downloaded. Positions are estimates.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="lookup|update|status")
    lookup = verbs.add_parser("lookup", help="what is known of addresses", description="What is known of addresses, and who says so.")
    lookup.add_argument("addresses", nargs="+", metavar="ADDRESS", help="an IPv4 or IPv6 address")
    update = verbs.add_parser(
        "update",
        help="make a database of a table of prefixes",
        description="Makes a database of a table that you downloaded, packed by gzip or not: a line for each prefix with its AS number, as "
        "pyasn makes them (192.0.2.0/24 64496), or with the name of the exchange whose network it is. The table of the whole Internet "
        "becomes about 10 MB: beside a history on flash, rather name another place with -o, and with agent.mmdb.",
    )
    update.add_argument("file", type=Path, metavar="FILE", help="the table")
    update.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to; default: beside the history, where it is found")
    verbs.add_parser(
        "status",
        help="which databases there are",
        description="Databases in the order in which they count, when they were made, and what is wrong with others; exit code 1 "
        "if any is left out.",
    )


def run(args: argparse.Namespace) -> int:
    """Look up, make or list."""
    agent = load_here(args.config).agent
    if args.verb == "update":
        return _update(args, agent)
    enricher = open_enricher(databases(agent), lookups=agent.dns_lookups and args.verb == "lookup")
    try:
        return _lookup(args, enricher) if args.verb == "lookup" else _status(args, agent, enricher)
    finally:
        enricher.close()


def as_json(address: str, known: Network) -> dict[str, object]:
    """What is known of an address; what is not is null."""
    sources = [{"gives": each.gives, "name": each.name, "at": None if each.at is None else rfc3339(each.at)} for each in known.sources]
    return {"address": address, **{key: value if value != "" else None for key, value in known._asdict().items()}, "sources": sources}


def _update(args: argparse.Namespace, agent: AgentSettings) -> int:
    to = args.output or Path(agent.db).parent / f"{args.file.name.partition('.')[0]}.mmdb"
    made = make(args.file, to)
    if args.json:
        say_json({**made._asdict(), "path": str(made.path), "size_bytes": made.path.stat().st_size})
        return 0
    prefixes = "1 prefix" if made.prefixes == 1 else f"{made.prefixes} prefixes"
    what = f"{prefixes}, {counted(made.networks, 'network')}, {counted(made.exchanges, 'exchange')}"
    say(f"{made.path}: {what}, {made.path.stat().st_size / 1e6:.1f} MB")
    return 0


def _lookup(args: argparse.Namespace, enricher: Enricher) -> int:
    for address in args.addresses:
        try:
            ip_address(address)
        except ValueError:
            raise ConfigError(f"ADDRESS: {clean(address)} is no IP address", "write one like 192.0.2.1 or 2001:db8::1") from None
        enricher.now(address)
    if enricher.origins is not None:
        enricher.origins.settle()
        if enricher.origins.silent:
            remark(args, "the name server does not answer for Team Cymru: what no database knows stays unknown")
    found = {address: enricher.now(address) for address in args.addresses}
    for problem in enricher.notices():
        remark(args, problem)
    if args.json:
        say_json([as_json(address, known) for address, known in found.items()])
        return 0
    for address, known in found.items():
        say(f"{address}  {in_words(known)}")
    return 0


def in_words(known: Network) -> str:
    """What is known, and in brackets who says so."""
    network = f"AS{known.asn} {known.as_name}".strip() if known.asn is not None else ""
    place = ", ".join(each for each in (known.city, known.country) if each)
    where = f"{known.latitude:.2f} {known.longitude:.2f}" if known.latitude is not None and known.longitude is not None else ""
    near = f"about {where}" + (f" ({known.accuracy_km} km)" if known.accuracy_km else "") if where else ""
    parts = [known.special, known.ixp, network, known.prefix, place, near]
    said = ", ".join(f"{each.name}{'' if each.at is None else ' ' + rfc3339(each.at)[:10]}" for each in known.sources)
    return "; ".join(clean(part) for part in parts if part) + f"  [{clean(said)}]" if said else "unknown"


def _status(args: argparse.Namespace, agent: AgentSettings, enricher: Enricher) -> int:
    problems = enricher.notices()
    if args.json:
        rows = [
            {
                "path": str(path),
                "kind": about.kind,
                "built_at": rfc3339(about.built_s * _NS),
                "nodes": about.nodes,
                "size_bytes": path.stat().st_size,
            }
            for path, about in enricher.databases.about()
        ]
        say_json({"databases": rows, "problems": problems, "dns_lookups": agent.dns_lookups})
        return LEFT_OUT if problems else 0
    for path, about in enricher.databases.about():
        size = f"{path.stat().st_size / 1e6:.1f} MB"
        say(f"{path}: {clean(about.kind) or 'no name'}, made {rfc3339(about.built_s * _NS)[:10]}, {about.nodes} nodes, {size}")
    for problem in problems:
        say(f"left out: {problem}")
    if not enricher.databases.about():
        say("there is no database; name some with agent.mmdb, or put them beside the history or into /usr/share/GeoIP")
    say(f"Team Cymru over DNS: {'asked for what they do not know' if agent.dns_lookups else 'never asked (agent.dns_lookups is off)'}")
    return LEFT_OUT if problems else 0
