"""`pathwarden map`: the places on the routes of the history, on a map of the world."""

import argparse
import re
import time

from pathwarden.cli.drawing.rendering import add_options, check, save
from pathwarden.cli.filing import put
from pathwarden.cli.past import held_now, instant
from pathwarden.cli.terminal import counted, remark, say_json
from pathwarden.config.load import load_here
from pathwarden.errors import ConfigError, OperatorError
from pathwarden.picture.drawer import course_at
from pathwarden.picture.map_places import as_json, atlas
from pathwarden.picture.map_sphere import Point
from pathwarden.picture.map_svg import svg
from pathwarden.picture.svg import DARK, LIGHT

ENDINGS = (".svg", ".png")
_POSITION = re.compile(r"(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)", re.ASCII)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `map` command."""
    parser = subparsers.add_parser(
        "map",
        help="the routes on a map of the world",
        description="Draws the ways to targets over the world's coasts, as far as a database knows where hops are (see enrich). Positions "
        "are estimates: those that light could not reach in a hop's round-trip time are marked, and no line goes there. What has no "
        "position is listed below the map. Nothing is fetched for it.",
    )
    parser.add_argument(
        "--here", metavar="LAT,LON", help="where this agent is, as in --here=52.5,13.4; default: what is known of its address"
    )
    add_options(parser, ".svg")


def run(args: argparse.Namespace) -> int:
    """Draw."""
    if args.output:
        check("-o", args.output, ENDINGS)
    here = _position(args.here) if args.here else None
    now_ns = time.time_ns()
    at = instant(args.at, now_ns) if args.at else now_ns
    with held_now(args.targets, load_here(args.config)) as found:
        courses = [
            course
            for tid, where in found.items()
            for course in course_at(where.reader, tid, (where.target.label if where.target else "") or tid, at)
        ]
        if not courses:
            raise OperatorError("the history holds no trace of these targets from before then", "ask for a later time, or for others")
        drawn = atlas(courses, next(iter(found.values())).whose, here)
    if args.json:
        say_json(as_json(drawn))
        return 0
    picture = svg(drawn, DARK if args.dark else LIGHT)
    if args.output is None:
        put([picture])
    else:
        save(args.output, picture)
        remark(args, f"{counted(len(drawn.places), 'place')}, {counted(len(drawn.unknown), 'responder')} without a position")
    if not drawn.places:
        remark(args, "pathwarden: no database of places knows these addresses; name one with agent.mmdb, see: pathwarden enrich status")
    return 0


def _position(text: str) -> Point:
    match = _POSITION.fullmatch(text)
    point = Point(*map(float, match.groups())) if match else None
    if point is None or abs(point.latitude) > 90 or abs(point.longitude) > 180:
        raise ConfigError(f"--here {text!r} is no position", "give degrees north and east, as in --here=52.5,13.4 or --here=-33.9,151.2")
    return point
