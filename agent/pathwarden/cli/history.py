"""`pathwarden history`: a target's traces, its paths, and the trace in force at an instant; without a target, what the history holds."""

import argparse
import time
from itertools import chain, islice

from pathwarden.cli.past import Held, add_bounds, bounds, held, in_force, instant, limit
from pathwarden.cli.shares import shares
from pathwarden.cli.terminal import Screen, clean, counted, figure, line_of, local, remark, rows, say, say_json, span
from pathwarden.config.load import load_here
from pathwarden.config.targets import default_target
from pathwarden.detect.classify import as_path_of
from pathwarden.errors import ConfigError, OperatorError, explain
from pathwarden.export.origin import Origin
from pathwarden.model.history import Route, StoredTrace
from pathwarden.model.settings import Settings
from pathwarden.present import history
from pathwarden.present.instants import rfc3339
from pathwarden.present.text import Show, heading, hop_line, numbers_of

LIMIT = 20
HEAD = ("TIME", "PATH", "RTT ms", "LOSS", "HOPS", "ENDING", "REASON")
FIGURES = (2, 3, 4)
TARGETS = ("TARGET", "LAST TRACED", "RTT ms", "HOPS", "ENDING")
TARGET_FIGURES = (2, 3)
INDENT = 4
PAGE = 500  # traces of one reading while one path's are looked for


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `history` command."""
    parser = subparsers.add_parser(
        "history",
        help="a target's traces and paths",
        description="A target's newest traces, newest first; without a target, all targets, imported ones last. Times are this machine's "
        "local time; in JSON they are UTC.",
    )
    parser.add_argument("target", metavar="TARGET", nargs="?", help="id of a target, or of an imported one")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--at",
        metavar="TIME",
        help="print the trace in force at TIME in traceroute's layout: 2026-11-21T08:45:00Z, '2026-11-21 08:45' (local), 1795250700, or so "
        "long ago: -30m -2h -3d",
    )
    what.add_argument(
        "--paths",
        action="store_true",
        help="print the distinct paths, most time first; with --from or --to those of that time, where - "
        "are traces that no path was decided for",
    )
    add_bounds(parser)
    parser.add_argument("--path", metavar="LETTER", help="only traces of this path")
    parser.add_argument("--limit", type=limit, default=LIMIT, metavar="N", help=f"how many traces (default: {LIMIT})")


def run(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    settings = load_here(args.config)
    now_ns = time.time_ns()
    at = instant(args.at, now_ns) if args.at else None
    span_ns = bounds(args.since, args.until, now_ns)
    _check(args)
    if args.target is None:
        _print_targets(args, settings)
        return 0
    with held([args.target], settings) as found:
        where = found[args.target]
        if where.origin.form and not args.json:
            remark(args, f"imported: {clean(where.origin.words)}")
        if at is not None:
            _print_trace(args, where, at)
        elif args.paths:
            _print_paths(args, where, *span_ns, now_ns)
        else:
            _print_traces(args, where, *span_ns)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raises `ConfigError` for options that exclude each other."""
    asked = [name for name, given in (("--at", args.at), ("--paths", args.paths), ("--path", args.path)) if given]
    ranged = [name for name, given in (("--from", args.since), ("--to", args.until)) if given]
    if args.target is None and asked + ranged:
        raise ConfigError(f"{(asked + ranged)[0]} needs a TARGET", "name one; pathwarden history alone lists them")
    if args.at and ranged:
        raise ConfigError(f"{ranged[0]} goes not with --at", "leave out one of the two")
    if args.path and asked != ["--path"]:
        raise ConfigError(f"--path goes not with {asked[0]}", "leave out one of the two")


def _print_targets(args: argparse.Namespace, settings: Settings) -> None:
    """What the history holds."""
    with held(None, settings, imported=True) as found:
        latest = {tid: next(iter(where.reader.traces(tid, limit=1)), None) for tid, where in found.items()}
    if args.json:
        say_json([_target_json(tid, where.origin, latest[tid]) for tid, where in found.items()])
        return
    if not found:
        remark(args, "the history holds nothing yet")
        return
    screen = Screen(args)
    table = rows([TARGETS, *(_target_row(tid, latest[tid]) for tid in found)], TARGET_FIGURES, (0,), screen.columns)
    say(screen.paint(line_of(table[0]), "dim"))
    for cells, (_, where) in zip(table[1:], found.items(), strict=True):
        say(line_of(cells))
        if where.origin.form:
            say(" " * INDENT + screen.wrapped(f"imported: {clean(where.origin.words)}", INDENT))


def _target_row(tid: str, latest: StoredTrace | None) -> tuple[str, ...]:
    if latest is None:
        return tid, "-", "-", "-", "-"
    trace = history.trace(latest, None, full=False)
    return tid, local(latest.trace.at), figure(trace["rtt_ms"], 1), figure(trace["hop_count"] or None, 0), latest.trace.ending.value


def _target_json(tid: str, origin: Origin, latest: StoredTrace | None) -> dict[str, object]:
    trace = history.trace(latest, None, full=False) if latest else {}
    last = {key: trace.get(key) for key in ("rtt_ms", "hop_count", "ending")}
    return {"target": tid, "imported": _imported(origin), "last_at": rfc3339(latest.trace.at) if latest else None, **last}


def _imported(origin: Origin) -> dict[str, object] | None:
    """Where imported traces come from, None for our own."""
    return origin._asdict() if origin.form else None


def _print_traces(args: argparse.Namespace, where: Held, at_from: int | None, at_to: int | None) -> None:
    labels = {route.route_id: route.label for route in where.reader.routes(args.target)}
    stored = _chosen(args, where, labels, at_from, at_to)
    traces = [history.trace(each, labels.get(each.route_id or ""), full=False) for each in stored]
    if args.json:
        say_json([{**trace, "imported": _imported(where.origin)} for trace in traces])
        return
    if not traces:
        chosen = args.path or args.since or args.until
        remark(args, f"the history holds no such trace of {args.target}" if chosen else f"{args.target} has not been traced yet")
        return
    screen = Screen(args)
    table = rows([HEAD, *(_row(each, trace) for each, trace in zip(stored, traces, strict=True))], FIGURES, (), screen.columns)
    say(screen.paint(line_of(table[0]), "dim"))
    for cells, trace in zip(table[1:], traces, strict=True):
        say(line_of(cells))
        if trace["error_detail"]:
            say(" " * INDENT + screen.wrapped(clean(trace["error_detail"]), INDENT))


def _chosen(args: argparse.Namespace, where: Held, labels: dict[str, str], at_from: int | None, at_to: int | None) -> list[StoredTrace]:
    """The traces that are asked for. Raises `ConfigError` for a path that is not there."""
    if args.path is None:
        return where.reader.traces(args.target, at_from=at_from, at_to=at_to, limit=args.limit)
    wanted = {route_id for route_id, label in labels.items() if args.path in (label, route_id)}
    if not wanted:
        known = f"known are {', '.join(sorted(labels.values(), key=lambda label: (len(label), label)))}" if labels else "it has none yet"
        raise ConfigError(f"{args.target} has no path {args.path!r}", known)
    found: list[StoredTrace] = []
    before: int | None = None
    while len(found) < args.limit:
        page = where.reader.traces(args.target, before_id=before, at_from=at_from, at_to=at_to, limit=PAGE)
        found += islice((each for each in page if each.route_id in wanted), args.limit - len(found))
        if len(page) < PAGE:
            break
        before = page[-1].trace_id
    return found


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


def _print_trace(args: argparse.Namespace, where: Held, at: int) -> None:
    reader = where.reader
    stored = reader.trace_at(args.target, at)
    if stored is None:
        _print_path_then(args, where, at)
        return
    route = None if stored.route_id is None else reader.route(stored.route_id)
    label = None if route is None else route.label
    if args.json:
        earlier = reader.traces(args.target, before_id=stored.trace_id, limit=history.EARLIER)
        say_json({**history.trace(stored, label, full=True, earlier=earlier, whose=where.whose), "imported": _imported(where.origin)})
        return
    trace = stored.trace
    path = f", path {label}" if label else ""
    remark(args, f"the trace of {local(trace.at)}{path}, {trace.ending.value}{': ' if trace.error else ''}{clean(explain(trace.error))}")
    asked = where.target or default_target(args.target, trace.address, "", 0)
    host = where.target.host if where.target else where.origin.asked_for(trace.address)
    say(heading(clean(host), trace.address, asked.max_ttl, trace.flow.size))
    show = Show(as_of=numbers_of(trace.hops, where.whose))
    for hop in trace.hops:
        say(hop_line(hop, trace.flow.af, show=show))


def _print_path_then(args: argparse.Namespace, where: Held, at: int) -> None:
    """The path of a time whose traces are no longer kept. Raises `OperatorError` if not even that is known."""
    route = where.reader.path_at(args.target, at)
    if route is None:
        raise OperatorError(f"the history holds no trace of {args.target} from before {local(at)}", "ask for a later time")
    if args.json:
        say_json({"at": rfc3339(at), "path": history.route(route, share_pct=None, usual=False, current=False, whose=where.whose)})
        return
    remark(args, f"no trace from before {local(at)} is kept any more; path {route.label} was in force then")
    say(f"path to {route.address}, {counted(len(route.hops), 'hop')}")
    for ttl, responders in enumerate(route.hops, 1):
        say(f"{ttl:2}  {'  '.join(responders) or '*'}")


def _print_paths(args: argparse.Namespace, where: Held, at_from: int | None, at_to: int | None, now_ns: int) -> None:
    reader = where.reader
    routes = reader.routes(args.target)
    now, usual = in_force(args.target, reader.states(), routes)
    if where.origin.form or at_from is not None or at_to is not None:
        routes = _in_that_time(where, args.target, routes, at_from or 0, min(at_to or now_ns, now_ns))
    total = sum(route.held_s for route in routes)
    parts = [100 * route.held_s / total if total else None for route in routes]
    if args.json:
        paths = zip(routes, parts, strict=True)
        say_json(
            [
                _path_json(r, history.route(r, share_pct=part, usual=r.route_id == usual, current=r.route_id == now, whose=where.whose))
                for r, part in paths
            ]
        )
        return
    if not routes:
        remark(args, f"no path of {args.target} is known {'in that time' if at_from or at_to else 'yet'}")
        return
    screen = Screen(args)
    for route, part in zip(routes, parts, strict=True):
        marks = [word for word, other in (("in force", now), ("usual", usual)) if route.route_id and route.route_id == other]
        _print_path(screen, route, part, marks, as_path_of(route, where.whose))


def _in_that_time(where: Held, tid: str, routes: list[Route], at_from: int, at_to: int) -> list[Route]:
    """The paths of a time with figures of that time."""
    reader = where.reader
    traces = reader.walk(tid, at_from=at_from, at_to=at_to)
    first = list(islice(traces, 1))
    begun = first[0].trace.at if first else at_to
    # What was in force when the time began; if no trace of it is left, the history still knows the route.
    before = reader.traces(tid, at_to=begun - 1, limit=1)
    older_s = {} if before or where.origin.form else reader.shares(tid, at_from, begun)
    return shares(tid, {route.route_id: route for route in routes}, chain(before, first, traces), at_from, older_s)


def _path_json(route: Route, shown: dict[str, object]) -> dict[str, object]:
    """A path that no route stands for has no name."""
    return shown if route.route_id else {**shown, "path_id": None, "label": None, "epoch": None}


def _print_path(screen: Screen, route: Route, share: float | None, marks: list[str], networks: tuple[int, ...]) -> None:
    part = "no time yet" if share is None else f"{share:.1f} % of the time"
    head = ", ".join([f"{part} ({span(route.held_s)})", counted(route.traces, "trace"), f"{figure(route.rtt_ms, 1)} ms", *marks])
    name = f"{route.label or '-':{INDENT}}"
    say(screen.paint(name, "bold") + screen.wrapped(head, INDENT))
    say(" " * INDENT + screen.wrapped(f"first {local(route.first_at)}, last {local(route.last_at)}, to {route.address}", INDENT))
    say(" " * INDENT + screen.wrapped("  ".join("|".join(hop) or "*" for hop in route.hops), INDENT))
    if networks:
        say(" " * INDENT + screen.wrapped("  ".join(f"AS{number}" for number in networks), INDENT))
