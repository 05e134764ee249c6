"""`pathwarden replay FILE…`: what recorded traces would have told."""

import argparse
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack

from pathwarden.cli.events import COLORS, SEVERITY, TIME
from pathwarden.cli.past import instant
from pathwarden.cli.progress import Progress
from pathwarden.cli.replaying.files import MOST_FILES, STANDARD_INPUT, Index, Source
from pathwarden.cli.replaying.judging import LEARN_S, Group, Groups, Judging, body
from pathwarden.cli.terminal import Paragraphs, Screen, clean, counted, local, remark, say, say_json, width
from pathwarden.errors import ConfigError
from pathwarden.export.reading.recorded import HERE, Recorded
from pathwarden.present.instants import LAST_NS, rfc3339

MOST_NAMED = 10  # targets that an error names

ABOUT = """\
Feeds recorded traces through the detector that the daemon uses, in the order in which they were made, and prints what it would have
told. Sends nothing, and touches no history.

It reads, whatever the file is called, packed by gzip or not: traceroute results of RIPE Atlas (a list, or one a line), scamper's JSON
(sc_warts2json), and what `pathwarden trace --json` and `pathwarden history TARGET --at TIME --json` print. Forms may be mixed.

Each observer, measurement, target and flow is watched on its own. RIPE Atlas rotates Paris ids, each a flow; what several of them
tell within ten minutes is one line that names them. The past cannot be traced again, so a stream's next traces confirm or dismiss
what one saw: a change needs three traces of a flow, and more where little was known before. Letters of paths are each flow's own.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `replay` command."""
    parser = subparsers.add_parser(
        "replay",
        help="what recorded traces would have told",
        description=ABOUT,
        epilog="Every file is checked before anything is told. Memory: about 70 bytes a trace, and 10 KB for each flow of each target. "
        "With --json one event a line: that of the MQTT topic, with `replay` that says whose traces told it.",
        formatter_class=Paragraphs,
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="what to read; - is standard input")
    parser.add_argument("--target", metavar="TARGET", help="only traces to this name, address or id")
    parser.add_argument(
        "--from", dest="since", metavar="TIME", help="only traces from then on: 2026-11-21T08:45:00Z, '2026-11-21 08:45', -2d"
    )
    parser.add_argument("--to", dest="until", metavar="TIME", help="only traces up to then")
    parser.add_argument("--summary", action="store_true", help="print counts instead of events: traces, targets, flows, routes, changes")
    parser.add_argument(
        "--no-learning",
        action="store_true",
        help="let changes notify from the first trace on; else a flow is learned for 24 h or 20 traces",
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave out what cannot be read, and say how much that was")


def run(args: argparse.Namespace) -> int:
    """Read, judge, print."""
    if len(args.files) > MOST_FILES or args.files.count(STANDARD_INPUT) > 1:
        raise ConfigError("FILE: standard input can be read once, and at most 65535 files", "leave out the others")
    with ExitStack() as stack:
        sources = []
        for name in args.files:
            sources.append(Source(name))
            stack.callback(sources[-1].close)
        progress = Progress(args)
        stack.callback(progress.clear)
        index = Index(sources, skip=args.skip_bad)
        index.fill(_Wanted(args), progress.say)
        if not len(index):
            return _nothing(args, index, progress)
        judging = Judging(0 if args.no_learning else LEARN_S)
        _replay(args, index, judging, progress)
        progress.clear()
        if args.summary:
            _print_summary(args, index, judging)
        _remarks(args, index, judging)
    # A reader that went away is noticed here rather than by Python at exit.
    sys.stdout.flush()
    return 0


class _Wanted:
    """Whether a trace is among those that the options ask for."""

    def __init__(self, args: argparse.Namespace) -> None:
        now = time.time_ns()
        self._target: str | None = args.target
        self._since = instant(args.since, now, "--from") if args.since else 0
        self._until = instant(args.until, now, "--to") if args.until else LAST_NS

    def __call__(self, recorded: Recorded) -> bool:
        named = self._target in (None, recorded.stream.target, recorded.trace.address)
        return named and self._since <= recorded.trace.at <= self._until


def _replay(args: argparse.Namespace, index: Index, judging: Judging, progress: Progress) -> None:
    groups, screen = Groups(), Screen(args)
    text = not args.summary and not args.json
    for recorded in index.replay(progress.say):
        _print(screen, groups.ended(recorded.trace.at), progress, told=text)
        for told in judging.take(recorded):
            group = groups.add(told)
            if args.json and not args.summary:
                progress.clear()
                say_json(body(told, group), indent=None)
    _print(screen, groups.ended(2 * LAST_NS), progress, told=text)


def _print(screen: Screen, groups: Iterable[Group], progress: Progress, *, told: bool) -> None:
    for group in groups:
        if told:
            progress.clear()
            _print_group(screen, group)


def _print_group(screen: Screen, group: Group) -> None:
    event, stream = group.first.event, group.first.stream
    head = f"{event.severity:{SEVERITY}}{clean(stream.target)}"
    first = f"{local(event.at)}  {screen.paint(head, COLORS.get(event.severity, ''))}  "
    say(first + screen.wrapped(clean(event.body["title"]), TIME, TIME + width(head) + 2))
    message = clean(event.body["message"])
    vantage = "" if stream.vantage == HERE else stream.vantage
    for line in (message, clean("; ".join(filter(None, [vantage, stream.series, _flows(group), _learning(group)])))):
        if line:
            say(" " * TIME + screen.wrapped(line, TIME))


def _flows(group: Group) -> str:
    """The flows that told it; where their letters differ, each with its own."""
    flows = {flow: told for flow, told in group.flows.items() if flow}
    letters = {flow: told.change.new.label if told.change.new else "" for flow, told in flows.items()}
    same = len(set(letters.values())) <= 1
    named = [flow if same else f"{flow} ({letter})" for flow, letter in letters.items()]
    return f"flow{'s' if len(named) > 1 else ''} {', '.join(named)}" if named else ""


def _learning(group: Group) -> str:
    return "still learning" if all(told.change.learning for told in group.told) else ""


def _print_summary(args: argparse.Namespace, index: Index, judging: Judging) -> None:
    first, last = index.span or (None, None)
    targets = {stream.target for stream in index.streams}
    observers = {stream.vantage for stream in index.streams}
    counts = dict(sorted(judging.kinds.items()))
    if args.json:
        say_json(
            {
                "traces": len(index),
                "targets": len(targets),
                "vantages": len(observers),
                "flows": len(index.streams),
                "routes": judging.routes,
                "changes": counts,
                "first_at": None if first is None else rfc3339(first),
                "last_at": None if last is None else rfc3339(last),
                "ignored": dict(sorted(index.ignored.items())),
                "bad": index.bad,
            }
        )
        return
    screen = Screen(args)
    changes = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"
    rows = {
        "traces": str(len(index)),
        "span": "none" if first is None or last is None else f"{local(first)} to {local(last)}",
        "observers": str(len(observers)),
        "targets": str(len(targets)),
        "flows": f"{len(index.streams)}, each with its own observer, measurement and target",
        "routes": str(judging.routes),
        "changes": changes,
    }
    room = max(map(len, rows)) + 2
    for name, value in rows.items():
        say(f"{name:{room}}{screen.wrapped(clean(value), room)}")


def _remarks(args: argparse.Namespace, index: Index, judging: Judging) -> None:
    """What the events do not say."""
    if not args.summary:
        told = counted(judging.kinds.total(), "event")
        remark(args, f"{counted(len(index), 'trace')} in {counted(len(index.streams), 'flow')}: {told}")
    alone = sum(count == 1 for count in index.streams.values())
    if alone:
        remark(args, f"flows that were traced once, so that nothing could be compared: {alone}")
    _left_out(args, index)


def _left_out(args: argparse.Namespace, index: Index) -> None:
    if index.ignored:
        remark(
            args, "left out, since no traceroute: " + ", ".join(f"{count} {clean(kind)}" for kind, count in sorted(index.ignored.items()))
        )
    if index.bad:
        remark(args, f"left out, since unreadable: {index.bad}; the first is {clean(index.first_bad)}")


def _nothing(args: argparse.Namespace, index: Index, progress: Progress) -> int:
    """No trace is wanted. Raises `ConfigError` where the files or the target are to blame; a time without traces is an answer."""
    progress.clear()
    _left_out(args, index)
    if not index.targets:
        raise ConfigError("there is no trace in what was read")
    if args.target is not None and args.target not in index.targets and not (args.since or args.until):
        names = sorted(index.targets)
        known = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
        raise ConfigError(f"there is no trace to {clean(args.target)!r}", f"known are {clean(known)}")
    remark(args, "there is no such trace in that time")
    if args.summary:
        _print_summary(args, index, Judging(0))
    return 0
