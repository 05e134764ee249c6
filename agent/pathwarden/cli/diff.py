"""`pathwarden diff TARGET [A B]`: two of its paths side by side, hop by hop."""

import argparse
import time
from typing import Any

from pathwarden.cli.past import Held, held, instant
from pathwarden.cli.terminal import Screen, clean, counted, figure, local, remark, say, say_json, width
from pathwarden.config.load import load_here
from pathwarden.detect.align import Op
from pathwarden.errors import ConfigError, OperatorError
from pathwarden.model.history import Route
from pathwarden.model.network import Whose
from pathwarden.present.diff import Side, differ, side

DIFFER = 6  # the exit code that says so
TTL = 4  # columns of each ttl
RTT = 11  # and of each round-trip time
COLORS = {"-": "red", "+": "green", " ": ""}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `diff` command."""
    parser = subparsers.add_parser(
        "diff",
        help="two of a target's paths side by side, hop by hop",
        description="Two paths of a target, aligned: - is in A alone, + in B alone. A silent hop differs from nothing. Behind the address "
        "stand the median RTTs in A and in B. Exit code 0 if they are the same, 6 if they differ.",
    )
    parser.add_argument("target", metavar="TARGET", help="id of a target, or of an imported one")
    parser.add_argument(
        "sides",
        metavar="A B",
        nargs="*",
        help="a path by its letter or id, or the path at an instant: 2026-11-21T08:45:00Z, '2026-11-21 08:45' (local), 1795250700, -2h; "
        "B alone may be missing: the newest. Default: the newest path and the one before it",
    )


def run(args: argparse.Namespace) -> int:
    """Compare and print; 0 if they are the same, 6 if not."""
    if len(args.sides) > 2:
        raise ConfigError(f"A B: these are {len(args.sides)}", "give two")
    with held([args.target], load_here(args.config)) as found:
        where = found[args.target]
        old, new = _sides(args, where)
        if where.origin.form and not args.json:
            remark(args, f"imported: {clean(where.origin.words)}")
        compared: dict[str, Any] = differ(args.target, old, new, where.whose)
        if args.json:
            say_json(compared)
        else:
            _print(Screen(args), compared, old, new, where.whose)
    return 0 if compared["same"] else DIFFER


def _sides(args: argparse.Namespace, where: Held) -> tuple[Side, Side]:
    """What is compared. Raises `OperatorError` for what is not there."""
    routes = where.reader.routes(args.target)
    now_ns = time.time_ns()
    if args.sides:
        wanted = [*args.sides, ""][:2]
        old, new = (_side(args.target, each, where, routes, now_ns) for each in wanted)
        return old, new
    newest = sorted(routes, key=lambda route: route.last_at)[-2:]
    if len(newest) < 2:
        one = f"{args.target} has {counted(len(newest), 'path')} with a letter"
        raise OperatorError(f"{one}, so there is nothing to compare", "name two instants: pathwarden diff TARGET -2h -1h")
    old, new = (_of_route(args.target, route, where) for route in newest)
    return old, new


def _side(target: str, text: str, where: Held, routes: list[Route], now_ns: int) -> Side:
    route = next((route for route in routes if text in (route.label, route.route_id)), None)
    if route is not None:
        return _of_route(target, route, where)
    try:
        at = instant(text, now_ns, "A B") if text else now_ns
    except ConfigError as error:
        known = f"known are {', '.join(sorted((route.label for route in routes), key=lambda each: (len(each), each)))}" if routes else ""
        raise ConfigError(f"{text!r} is neither a path of {target} nor a time", known) from error
    stored = where.reader.trace_at(target, at)
    if stored is None and (route := where.reader.path_at(target, at)) is not None:  # known longer than the traces
        return side(route, None)
    if stored is None:
        raise OperatorError(f"the history holds no trace of {target} from before {local(at)}", "ask for a later time")
    return side(next((route for route in routes if route.route_id == stored.route_id), None), stored.trace)


def _of_route(target: str, route: Route, where: Held) -> Side:
    """A route, with the RTTs of its last trace if the history still holds that."""
    stored = where.reader.trace_at(target, route.last_at)
    return side(route, stored.trace if stored is not None and stored.route_id == route.route_id else None)


def _print(screen: Screen, compared: dict[str, Any], old: Side, new: Side, whose: Whose) -> None:
    say(screen.paint(f"--- {_title(old)}", "red"))
    say(screen.paint(f"+++ {_title(new)}", "green"))
    room = screen.columns - 2 - 2 * TTL - 2 * RTT
    for row in compared["rows"]:
        both = row["op"] in (Op.SAME, Op.UNKNOWN)
        if both:
            _print_row(screen, " ", row, _named(sorted({*row["old"], *row["new"]}), whose), room)
            continue
        if row["old_ttl"] is not None:
            _print_row(screen, "-", {**row, "new_ttl": None, "new_rtt_ms": None}, _named(row["old"], whose), room)
        if row["new_ttl"] is not None:
            _print_row(screen, "+", {**row, "old_ttl": None, "old_rtt_ms": None}, _named(row["new"], whose), room)
    say(_sentence(compared))


def _title(one: Side) -> str:
    path = f"path {one.route.label}" if one.route else "a path without a letter"
    when = f", traced {local(one.at)}" if one.at is not None else ""
    length = f", {counted(one.length, 'hop')}" if one.length is not None else ", destination silent"
    return f"{path}{when}{length}" + ("" if one.rtt_ms is None else f", {figure(one.rtt_ms, 1)} ms")


def _print_row(screen: Screen, mark: str, row: dict[str, Any], responders: list[str], room: int) -> None:
    """A line for each responder of the hop; the first has the ttls and the RTTs."""
    first, *more = responders or ["*"]
    ttls = "".join(f"{'' if ttl is None else ttl:>{TTL}}" for ttl in (row["old_ttl"], row["new_ttl"]))
    times = "".join(f"{'' if rtt is None else figure(rtt, 1) + ' ms':>{RTT}}" for rtt in (row["old_rtt_ms"], row["new_rtt_ms"]))
    say(screen.paint(f"{mark}{ttls} {first}{' ' * max(room - width(first), 0)}{times}".rstrip(), COLORS[mark]))
    for responder in more:
        say(screen.paint(f"{mark}{' ' * 2 * TTL} {responder}", COLORS[mark]))


def _named(responders: list[str], whose: Whose) -> list[str]:
    """With the AS of each that is known."""
    return [f"{each} [AS{number}]" if (number := whose(each).asn) is not None else each for each in responders]


def _sentence(compared: dict[str, Any]) -> str:
    if compared["same"]:
        return "The same path."
    counts = [(Op.REPLACED, "replaced"), (Op.ADDED, "added"), (Op.REMOVED, "removed")]
    told = [(sum(row["op"] == op for row in compared["rows"]), word) for op, word in counts]
    return "The paths differ: " + ", ".join(f"{counted(number, 'hop')} {word}" for number, word in told if number) + "."
