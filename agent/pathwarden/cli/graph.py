"""`pathwarden graph`: the routes of the history as a picture."""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pathwarden.cli.drawing import graphviz, rendering
from pathwarden.cli.filing import put, write
from pathwarden.cli.past import Held, held_now, instant
from pathwarden.cli.terminal import counted, remark, say_json
from pathwarden.config.load import load_here
from pathwarden.errors import OperatorError
from pathwarden.picture.dot import dot
from pathwarden.picture.drawer import way_at
from pathwarden.picture.graph import Graph, Way, as_json, graph
from pathwarden.picture.svg import DARK, LIGHT, Theme, svg

ENDINGS = (".svg", ".dot", ".png")
LAYOUTS = ("auto", "dot", "builtin")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `graph` command."""
    parser = subparsers.add_parser(
        "graph",
        help="the routes as a picture",
        description="Draws the ways to targets as one graph: hops by their address, coloured by network where a database knows it (see "
        "enrich), destinations by outcome, silent hops as small circles. Where several routers share a hop, each leads "
        "to each of the next.",
    )
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default=LAYOUTS[0],
        help="who says where things stand: Graphviz' dot, our own layout, or dot where it is installed (auto, the default)",
    )
    parser.add_argument("--before", metavar="TIME", help="compare with those at this time: - is gone since, + is new")
    rendering.add_options(parser, ".svg, .dot (for Graphviz)")


def run(args: argparse.Namespace) -> int:
    """Draw."""
    if args.output:
        check("-o", args.output)
    now_ns = time.time_ns()
    at = instant(args.at, now_ns) if args.at else now_ns
    before = instant(args.before, now_ns, "--before") if args.before else None
    with held_now(args.targets, load_here(args.config)) as found:
        ways = list(_ways(found, at))
        if not ways:
            raise OperatorError("the history holds no trace of these targets from before then", "ask for a later time, or for others")
        earlier = None if before is None else list(_ways(found, before))
        whose = next(iter(found.values())).whose
        drawn = graph(ways, earlier, whose)
    if args.json:
        say_json(as_json(drawn))
    elif args.output is None:
        put([picture(drawn, DARK if args.dark else LIGHT, args.layout)])
    else:
        save(args.output, drawn, DARK if args.dark else LIGHT, args.layout)
        remark(args, f"{counted(len(drawn.nodes), 'node')}, {counted(len(drawn.edges), 'edge')}")
    return 0


def check(option: str, file: Path) -> None:
    """Whether this file's form is known, and can be made here. Raises ConfigError, OperatorError."""
    rendering.check(option, file, ENDINGS)


def save(file: Path, drawn: Graph, theme: Theme = LIGHT, layout: str = LAYOUTS[0]) -> None:
    """The graph as a file of the form that its ending says (see `check`). Raises OperatorError."""
    if file.suffix.lower() == ".dot":
        write(file, [dot(drawn)])
    else:
        rendering.save(file, picture(drawn, theme, layout))


def picture(drawn: Graph, theme: Theme, layout: str) -> str:
    """The graph as SVG, laid out by one of `LAYOUTS`. Raises OperatorError, if that is `dot` and it fails."""
    if layout == "builtin" or (layout == "auto" and not graphviz.installed()):
        return svg(drawn, theme)
    try:
        return svg(drawn, theme, by=graphviz.arrange)
    except OperatorError as error:
        if layout == "dot":
            raise
        sys.stderr.write(f"pathwarden: {error}, which laid this picture out\n")
        return svg(drawn, theme)


def _ways(found: dict[str, Held], at: int) -> Iterator[Way]:
    """The way of each target at an instant; none of one that was not traced before."""
    for tid, where in found.items():
        yield from way_at(where.reader, tid, (where.target.label if where.target else "") or tid, at)
