"""`pathwarden trace`: trace now, with traceroute(8)'s letters and layout."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pathwarden.cli.terminal import Screen, remark, say, say_json
from pathwarden.cli.tracing import egress, matrix, methods, options
from pathwarden.cli.tracing.lines import Printer, networks_of
from pathwarden.cli.tracing.personality import OWN
from pathwarden.cli.tracing.probing import Bench, Rules, Running, finish, held_port, in_words
from pathwarden.cli.tracing.wish import UnknownHost, Wish, method, wishes
from pathwarden.errors import CannotProbe, ProbeError, explain
from pathwarden.model.probe import Method
from pathwarden.net.choose import open_transport
from pathwarden.net.clock import SystemClock
from pathwarden.net.raw import RawTransport
from pathwarden.net.rootless import RootlessTransport
from pathwarden.present.text import heading

NOT_REACHED = 5
INTERRUPTED = 130
_CUT = "interrupted: what was traced is not complete"
_WRITTEN = 17  # columns of an option of -O
_PROGRESS_STEPS = 10  # of the loop, about a second

complain = options.complain


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `trace` command."""
    text = "trace the path to a target or host now"
    options.add(subparsers.add_parser("trace", help=text, description=options.about(OWN), usage=options.usage(OWN)))


def run(args: argparse.Namespace) -> int:
    """Trace; 0 if all targets were reached, else 5 (3 if one of several has an unknown name; 0 for who stands in for traceroute)."""
    if methods.asks_for_help(args.words):
        return _help(args)
    unknown: list[UnknownHost] = []
    todo = wishes(args, unknown)
    for error in unknown:
        sys.stderr.write(f"pathwarden: {error}\n")
    done = _traced(args, todo)
    if unknown and done in (0, NOT_REACHED):
        return CannotProbe.exit_code
    return done if done != NOT_REACHED or not args.program.traceroute else 0


def _traced(args: argparse.Namespace, todo: Sequence[Wish]) -> int:
    """Trace what can be traced; the exit code."""
    if args.graph or args.map:
        from pathwarden.cli.tracing import drawn

        drawn.check(args)
    if args.live:
        from pathwarden.cli.tracing import live

        live.check(args, len(todo))
    with ExitStack() as stack:
        kernel = egress.Kernel()
        stack.callback(kernel.close)
        if args.egress:
            return _egress(args, todo, kernel)
        transport = stack.enter_context(_transport(args, todo))
        clock = SystemClock()
        _record(args, stack, transport, clock)
        first_ident = args.port[0] if args.port and todo[0].chosen.method is Method.ICMP else 0
        bench = Bench(transport, kernel, clock, args.pause, first_ident)
        return _way_of_tracing(args, todo)(args, bench, todo)


def _way_of_tracing(args: argparse.Namespace, todo: Sequence[Wish]) -> Callable[[argparse.Namespace, Bench, Sequence[Wish]], int]:
    if args.live:
        return _live
    if args.mda:
        return _all_paths
    return _many if len(todo) > 1 or args.matrix else _one


def _help(args: argparse.Namespace) -> int:
    args.words = []
    asked = method(args)
    name = asked.name if asked else methods.STABLE
    shown = methods.options_help(name)
    say(f"Options of the method {name or 'udp'}{':' if shown else ': none'}")
    for written, text in shown:
        say(f"  {written:{_WRITTEN}}{Screen(args).wrapped(text, _WRITTEN + 2, _WRITTEN + 2)}")
    return 0


def _egress(args: argparse.Namespace, todo: Sequence[Wish], kernel: egress.Kernel) -> int:
    """Tell what the kernel would do, for each host once."""
    for number, wish in enumerate({wish.tid: wish for wish in todo}.values()):
        try:
            binding = kernel.binding(wish)
            route = kernel.route(wish, binding)
            answer = wish, binding, route, kernel.rule(wish, binding, route)
        except ProbeError as error:
            raise in_words(error, wish) from None
        if args.json:
            say_json(egress.as_json(*answer), indent=None)
            continue
        for line in ["", *egress.as_text(*answer)][0 if number else 1 :]:
            say(line)
    return 0


@contextmanager
def _transport(args: argparse.Namespace, todo: Sequence[Wish]) -> Iterator[RawTransport | RootlessTransport]:
    """The transport that the method's options ask for, or the best that is permitted. Raises CannotProbe."""
    words = todo[0].chosen.words
    transport: RawTransport | RootlessTransport
    if words.get("raw"):
        transport = RawTransport(args.sport)
    else:
        transport, how = open_transport(args.sport, rootless=bool(words.get("dgram")))
        if args.verbose:
            remark(args, f"probing: {how}")
    try:
        held_port(args.sport, transport.source_port)
        yield transport
    finally:
        transport.close()


def _record(args: argparse.Namespace, stack: ExitStack, transport: RawTransport | RootlessTransport, clock: SystemClock) -> None:
    """Have all packets written to a file, if that is wanted. Raises CannotProbe, and OperatorError for the file."""
    if not args.pcap:
        return
    if not isinstance(transport, RawTransport):
        raise CannotProbe(f"--pcap {args.pcap}: without raw sockets packets are not seen", "run as root or with CAP_NET_RAW")
    from pathwarden.export.pcapng import Recorder

    transport.record = stack.enter_context(Recorder(Path(args.pcap), clock, wait_ns=round(args.wait.longest_s * 1e9))).record


def _rules(args: argparse.Namespace) -> Rules:
    gap = args.gap_limit
    if gap is None:
        gap = 0 if args.program.traceroute else options.GAP_LIMIT
    return Rules(args.first, args.max_hops, args.queries, args.window, args.wait, gap, args.mtu)


def _one(args: argparse.Namespace, bench: Bench, todo: Sequence[Wish]) -> int:
    """Trace one wish, and print its lines as they come."""
    wish = todo[0]
    running = bench.prepared(wish)
    if running.error is not None or running.flow is None or running.started is None:
        raise in_words(running.error or ProbeError("no_route"), wish)
    flow, printer = running.flow, Printer(args, wish.chosen)
    if not args.json:
        print(heading(wish.host, wish.address, args.max_hops, flow.size), flush=True)
    bench.begin(running, _rules(args))
    try:
        while bench.step():
            if not args.json and running.session is not None:
                printer.offer(running.session.known_hops(), flow.af, bench.clock.mono_ns())
        _print_result(args, running, printer)
    except KeyboardInterrupt:
        finish(running)
        _print_known(args, running, printer)
        sys.stderr.write(f"{'' if args.json else chr(10)}pathwarden: {_CUT}\n")
        return INTERRUPTED
    _tell_mismatches(args, [running])
    _draw(args, [running])
    return 0 if running.reached else NOT_REACHED


def _print_result(args: argparse.Namespace, running: Running, printer: Printer) -> None:
    """What is left to print once the trace has ended. Raises CannotProbe if it ended since no probe could leave."""
    trace = running.trace
    if trace is None:
        return
    if trace.error:
        raise CannotProbe(f"{running.wish.host}: {explain(trace.error)}", "the trace ended there")
    if args.json:
        say_json(matrix.full_json(trace, printer.whose), indent=None)
        return
    printer.finish(trace.hops, trace.flow.af)
    if printer.problem:
        remark(args, f"pathwarden: no AS numbers: {printer.problem}")


def _print_known(args: argparse.Namespace, running: Running, printer: Printer) -> None:
    """What an interrupted trace knows so far, at once: nobody waits for names any more."""
    if running.trace is None:
        return
    if args.json:
        say_json({**matrix.full_json(running.trace, printer.whose), "interrupted": True}, indent=None)
    else:
        printer.offer(running.trace.hops, running.trace.flow.af, None)


def _many(args: argparse.Namespace, bench: Bench, todo: Sequence[Wish]) -> int:
    """Trace all wishes side by side, and print the table."""
    all_running = [bench.prepared(wish) for wish in todo]
    if all(running.error for running in all_running):
        raise in_words(all_running[0].error or ProbeError("no_route"), todo[0])
    rules = _rules(args)
    for running in all_running:
        bench.begin(running, rules)
    interrupted = False
    try:
        _until_done(args, bench, all_running)
    except KeyboardInterrupt:
        interrupted = True
        for running in all_running:
            finish(running)
    if args.json:
        say_json(matrix.as_json(all_running, interrupted=interrupted, whose=networks_of(args)), indent=None)
    else:
        shown_as = matrix.Cell.outcome if args.matrix else str
        for line in matrix.as_text(matrix.columns(all_running, interrupted=interrupted), Screen(args), shown_as):
            say(line)
    if interrupted:
        sys.stderr.write(f"pathwarden: {_CUT}\n")
        return INTERRUPTED
    _tell_mismatches(args, all_running)
    _draw(args, all_running)
    failed = [running for running in all_running if running.failed]
    for running in failed:
        sys.stderr.write(f"pathwarden: {running.wish.host}: {matrix.outcome(running)}\n")
    if failed:
        return CannotProbe.exit_code
    return 0 if all(running.reached for running in all_running) else NOT_REACHED


def _live(args: argparse.Namespace, bench: Bench, todo: Sequence[Wish]) -> int:
    """Trace all wishes round after round."""
    from pathwarden.cli.tracing import live

    all_running = [bench.prepared(wish) for wish in todo]
    rounds, interrupted = live.watch(args, bench, all_running, _rules(args))
    _draw(args, all_running)
    if interrupted:
        return INTERRUPTED
    return 0 if rounds.reached else NOT_REACHED


def _draw(args: argparse.Namespace, all_running: Sequence[Running]) -> None:
    """Draw the ways, if that is wanted. Raises OperatorError."""
    if args.graph or args.map:
        from pathwarden.cli.tracing import drawn

        drawn.draw(args, all_running)


def _all_paths(args: argparse.Namespace, bench: Bench, todo: Sequence[Wish]) -> int:
    """Search all paths of each wish in turn, and print its graph."""
    from pathwarden.cli.tracing import paths, picture

    graphs = []
    code = 0
    for wish in todo:
        running = bench.prepared(wish)
        if running.error is not None or running.flow is None:
            raise in_words(running.error or ProbeError("no_route"), wish)
        session = paths.search(bench, running, _rules(args), args.confidence or paths.CONFIDENCE)
        try:
            _until_done(args, bench, [running])
        except KeyboardInterrupt:
            code = INTERRUPTED
        found = session.outcome()
        graphs.append(found)
        if found.error:
            raise CannotProbe(f"{wish.host}: {explain(found.error)}", "the search ended there")
        if args.json:
            say_json(paths.as_json(running, found), indent=None)
        else:
            say(f"all paths to {wish.host} ({wish.address}), {args.max_hops} hops max, {running.flow.size} byte packets")
            for line in picture.lines(found, picture.signs(sys.stdout.encoding)):
                say(line)
        if code:
            sys.stderr.write(f"pathwarden: {_CUT}\n")
            break
    if args.dot:
        paths.write_dot(args, graphs)
    return code or (0 if all(found.reached_ttls for found in graphs) else NOT_REACHED)


def _until_done(args: argparse.Namespace, bench: Bench, all_running: Sequence[Running]) -> None:
    """Let the traces run; a person who waits at a terminal sees how far they are."""
    told = sys.stderr.isatty() and not args.quiet
    steps = 0
    while bench.step():
        steps += 1
        if told and steps % _PROGRESS_STEPS == 0:
            done = sum(running.trace is not None or running.error is not None for running in all_running)
            sys.stderr.write(f"\r{done} of {len(all_running)} traces done, {bench.correlator.probes} probes sent ")
            sys.stderr.flush()
    if told:
        sys.stderr.write("\r\x1b[K")  # the line was for the time of waiting


def _tell_mismatches(args: argparse.Namespace, all_running: Sequence[Running]) -> None:
    """Say where the first hop is not what the kernel said, each thing once."""
    said = {}
    for running in all_running:
        if running.trace is not None:
            hops = {hop.ttl: hop for hop in running.trace.hops}
            said[egress.mismatch(hops, running.wish, running.route)] = running.wish.host
    for text, host in said.items():
        if text:
            remark(args, f"pathwarden: {host}: {text}")
