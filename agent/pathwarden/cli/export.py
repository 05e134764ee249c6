"""`pathwarden export`: the history in the forms of other programs."""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

from pathwarden.cli.filing import put, write
from pathwarden.cli.past import Held, add_bounds, bounds, held
from pathwarden.cli.progress import Progress
from pathwarden.cli.terminal import Paragraphs, counted, remark
from pathwarden.config.load import load_here
from pathwarden.errors import ConfigError
from pathwarden.export.exporter import FORMS, NO_PACKETS, PACKETS, PACKETS_REMEDY, Form, Subject, export
from pathwarden.model.history import StoredTrace

MAX_TTL = 30  # of a target that is no longer configured, as traceroute(8) says it without -m

ABOUT = """\
Writes traces of the history, oldest first, target after target, a piece at a time however many they are. Of the oldest times the
history keeps figures alone, and no traces.

atlas: RIPE Atlas traceroute results of firmware 5080, one a line.

scamper: the JSON of sc_warts2json, one trace a line.

mtr: mtr's JSON report, summed up over the time, one line for each path.

text: traceroute's layout, a comment with the time before each trace.

csv: a row for each probe; the first line names the columns.

jsonl: our own JSON with all hops, one trace a line.

pcapng: the history keeps no packets; `pathwarden trace --pcap` does.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `export` command."""
    parser = subparsers.add_parser(
        "export",
        help="the history in the forms of other programs",
        description=ABOUT,
        formatter_class=Paragraphs,
    )
    parser.add_argument("--format", required=True, choices=[*FORMS, PACKETS], metavar="FORM", help=f"what to write: {', '.join(FORMS)}")
    parser.add_argument(
        "--target", action="append", metavar="TARGET", help="only this target, several if given again; default: all that were measured here"
    )
    add_bounds(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write to a file, which appears when all is in it; default: standard output"
    )


def run(args: argparse.Namespace) -> int:
    """Write what was asked for."""
    if args.format == PACKETS:
        raise ConfigError(NO_PACKETS, PACKETS_REMEDY)
    form = FORMS[args.format]
    start, end = bounds(args.since, args.until, time.time_ns())
    with held(args.target, load_here(args.config)) as found:
        progress = _Counting(args, len(found), start, end)
        pieces = _pieces(form, found, start, end, progress)
        try:
            if args.output:
                write(args.output, pieces)
            else:
                put(pieces)
        finally:
            progress.clear()
    if args.output or not progress.traces:
        remark(args, f"{counted(progress.traces, 'trace')} of {counted(len(found), 'target')}")
    return 0


def _pieces(form: Form, found: dict[str, Held], start: int | None, end: int | None, progress: "_Counting") -> Iterable[str]:
    if form.head:
        yield form.head
    for tid, where in found.items():
        progress.begin(tid)
        subject = Subject(tid, where.origin, where.target.max_ttl if where.target else MAX_TTL, where.whose)
        yield from export(form, where.reader, subject, at_from=start, at_to=end, passed=progress.passed)


class _Counting(Progress):
    """How many traces were written, and which part of the targets and of the time that is."""

    def __init__(self, args: argparse.Namespace, targets: int, start: int | None, end: int | None) -> None:
        super().__init__(args)
        self.traces = 0
        self._targets = targets
        self._done = -1
        self._start, self._end = start, end or time.time_ns()
        self._first = 0
        self._tid = ""

    def begin(self, tid: str) -> None:
        """The next target's traces follow."""
        self._tid, self._first = tid, 0
        self._done += 1

    def passed(self, stored: StoredTrace) -> None:
        """A trace was written."""
        self.traces += 1
        at = stored.trace.at
        self._first = self._first or self._start or at
        part = (at - self._first) / max(self._end - self._first, 1)
        self.say(f"writing {self._tid}", (self._done + min(max(part, 0.0), 1.0)) / self._targets)
