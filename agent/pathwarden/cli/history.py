"""`pathwarden history TARGET`: its traces, its paths, and the trace in force at an instant."""

import argparse
import time

from pathwarden.cli.past import check_target, in_force, instant, limit, open_history
from pathwarden.cli.terminal import Screen, clean, counted, figure, line_of, local, remark, rows, say, say_json, span
from pathwarden.config.load import default_target, load_here
from pathwarden.errors import OperatorError, explain
from pathwarden.model.history import Route, StoredTrace
from pathwarden.model.settings import Target
from pathwarden.present import history
from pathwarden.present.text import heading, hop_line
from pathwarden.store.reader import Reader

LIMIT = 20
HEAD = ("TIME", "PATH", "RTT ms", "LOSS", "HOPS", "ENDING", "REASON")
FIGURES = (2, 3, 4)
INDENT = 4


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `history` command."""
    parser = subparsers.add_parser(
        "history",
        help="a target's traces and paths",
        description="A target's newest traces, newest first. Times are this machine's local time; in JSON they are UTC.",
    )
    parser.add_argument("target", metavar="TARGET", help="id of a target")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--at",
        metavar="TIME",
        help="print the trace in force at TIME in traceroute's layout: 2026-11-21T08:45:00Z, '2026-11-21 08:45' (local), or so long ago: "
        "-30m -2h -3d",
    )
    what.add_argument("--paths", action="store_true", help="print the distinct paths, most time first")
    parser.add_argument("--limit", type=limit, default=LIMIT, metavar="N", help=f"how many traces (default: {LIMIT})")


def run(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    settings = load_here(args.config)
    at = instant(args.at, time.time_ns()) if args.at else None
    with open_history(settings) as reader:
        target = check_target(args.target, settings, reader)
        if at is not None:
            _print_trace(args, reader, target, at)
        elif args.paths:
            _print_paths(args, reader)
        else:
            _print_traces(args, reader)
    return 0


def _print_traces(args: argparse.Namespace, reader: Reader) -> None:
    labels = {route.route_id: route.label for route in reader.routes(args.target)}
    stored = reader.traces(args.target, limit=args.limit)
    traces = [history.trace(each, labels.get(each.route_id or ""), full=False) for each in stored]
    if args.json:
        say_json(traces)
        return
    if not traces:
        remark(args, f"{args.target} has not been traced yet")
        return
    screen = Screen(args)
    table = rows([HEAD, *(_row(each, trace) for each, trace in zip(stored, traces, strict=True))], FIGURES, (), screen.columns)
    say(screen.paint(line_of(table[0]), "dim"))
    for cells, trace in zip(table[1:], traces, strict=True):
        say(line_of(cells))
        if trace["error_detail"]:
            say(" " * INDENT + screen.wrapped(clean(trace["error_detail"]), INDENT))


def _row(stored: StoredTrace, trace: dict[str, object]) -> tuple[str, ...]:
    return (
        local(stored.trace.at),
        str(trace["path_label"] or "-"),
        figure(trace["rtt_ms"], 1),
        "-" if trace["loss_pct"] is None else f"{figure(trace['loss_pct'], 0)} %",
        figure(trace["hop_count"] or None, 0),
        stored.trace.ending.value,
        stored.trace.reason.value,
    )


def _print_trace(args: argparse.Namespace, reader: Reader, target: Target | None, at: int) -> None:
    stored = reader.trace_at(args.target, at)
    if stored is None:
        raise OperatorError(f"the history holds no trace of {args.target} from before {local(at)}", "ask for a later time")
    route = None if stored.route_id is None else reader.route(stored.route_id)
    label = None if route is None else route.label
    if args.json:
        earlier = reader.traces(args.target, before_id=stored.trace_id, limit=history.EARLIER)
        say_json(history.trace(stored, label, full=True, earlier=earlier))
        return
    trace = stored.trace
    path = f", path {label}" if label else ""
    remark(args, f"the trace of {local(trace.at)}{path}, {trace.ending.value}{': ' if trace.error else ''}{clean(explain(trace.error))}")
    asked = target or default_target(args.target, trace.address, "", 0)
    say(heading(clean(asked.host), trace.address, asked.max_ttl, trace.flow.size))
    for hop in trace.hops:
        say(hop_line(hop, trace.flow.af, None))


def _print_paths(args: argparse.Namespace, reader: Reader) -> None:
    routes = reader.routes(args.target)
    now, usual = in_force(args.target, reader.states(), routes)
    total = sum(route.held_s for route in routes)
    shares = [100 * route.held_s / total if total else None for route in routes]
    if args.json:
        paths = zip(routes, shares, strict=True)
        say_json([history.route(r, share_pct=share, usual=r.route_id == usual, current=r.route_id == now) for r, share in paths])
        return
    if not routes:
        remark(args, f"no path of {args.target} is known yet")
        return
    screen = Screen(args)
    for route, share in zip(routes, shares, strict=True):
        marks = [word for word, other in (("in force", now), ("usual", usual)) if route.route_id == other]
        _print_path(screen, route, share, marks)


def _print_path(screen: Screen, route: Route, share: float | None, marks: list[str]) -> None:
    part = "no time yet" if share is None else f"{share:.1f} % of the time"
    head = ", ".join([f"{part} ({span(route.held_s)})", counted(route.traces, "trace"), f"{figure(route.rtt_ms, 1)} ms", *marks])
    name = f"{route.label:{INDENT}}"
    say(screen.paint(name, "bold") + screen.wrapped(head, INDENT))
    say(" " * INDENT + screen.wrapped(f"first {local(route.first_at)}, last {local(route.last_at)}, to {route.address}", INDENT))
    say(" " * INDENT + screen.wrapped("  ".join("|".join(hop) or "*" for hop in route.hops), INDENT))
