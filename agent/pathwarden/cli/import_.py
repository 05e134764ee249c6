"""`pathwarden import FILE…`: traces of RIPE Atlas and scamper, kept beside the history."""

import argparse
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from pathwarden.cli.importing.place import open_imports, origins, place_of
from pathwarden.cli.importing.taking import Taking, taking
from pathwarden.cli.past import add_bounds, bounds
from pathwarden.cli.progress import Progress
from pathwarden.cli.replaying.files import STANDARD_INPUT, Source
from pathwarden.cli.terminal import Screen, clean, counted, local, remark, say, say_json
from pathwarden.config.load import load_here
from pathwarden.errors import ConfigError
from pathwarden.export.origin import Origin
from pathwarden.export.reading.forms import traces
from pathwarden.export.reading.items import Item, Splitter
from pathwarden.export.reading.recorded import Ignored, Recorded, Unreadable
from pathwarden.present.instants import rfc3339
from pathwarden.store.reader import Reader

MOST_SHOWN = 10  # targets that the last line names
INDENT = 4
MB = 1_000_000

ABOUT = """\
Reads traceroute results of RIPE Atlas and scamper's JSON, packed by gzip or not, and keeps them beside the history, each origin as a
target of its own: `pathwarden history`, `diff` and `export` take its id. Sends nothing; the daemon may run meanwhile, and none of its own
targets ever mixes with an imported one. All files are taken or nothing is; what is there already is not taken twice.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `import` command."""
    parser = subparsers.add_parser("import", help="take in traces of RIPE Atlas and scamper", description=ABOUT)
    parser.add_argument("files", metavar="FILE", nargs="*", help="what to read; - is standard input")
    parser.add_argument("--list", action="store_true", help="print the imported targets and where they come from")
    parser.add_argument("--target", metavar="TARGET", help="only traces to this name or address")
    add_bounds(parser)
    parser.add_argument("--skip-bad", action="store_true", help="leave out what cannot be read, and say how much that was")


def run(args: argparse.Namespace) -> int:
    """Take in the files, or print what was taken in."""
    settings = load_here(args.config)
    db, most_bytes = Path(settings.agent.db), settings.agent.db_max_mb * MB
    if args.list:
        if args.files:
            raise ConfigError("--list reads no FILE", "leave out one of the two")
        return _list(args, db, most_bytes)
    if not args.files or args.files.count(STANDARD_INPUT) > 1:
        raise ConfigError("FILE: give at least one, standard input once", "see pathwarden import --help")
    progress = Progress(args)
    with ExitStack() as stack:
        stack.callback(progress.clear)
        sources = []
        for name in args.files:  # before anything else: whatever cannot be opened is told at once
            sources.append(Source(name))
            stack.callback(sources[-1].close)
        reading = _Reading(args)
        with taking(db, most_bytes) as taken:
            for source in sources:
                reading.read(source, taken, progress)
            if not reading.traces:
                raise ConfigError("there is no trace of RIPE Atlas or scamper in what was read")
    _print(args, reading, taken)
    return 0


class _Reading:
    """Reads files; counts what was left out."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.traces = self.unwanted = self.bad = 0
        self.first_bad = ""
        self.ignored: Counter[str] = Counter()
        self._skip: bool = args.skip_bad
        self._target: str | None = args.target
        self._since, self._until = bounds(args.since, args.until, time.time_ns())

    def read(self, source: Source, taken: Taking, progress: Progress) -> None:
        """All traces of a file. Raises `ConfigError` for the first that cannot be read, unless such are left out."""
        for item in Splitter(source):
            progress.say(f"reading {source.name}", source.done)
            try:
                found = _traces(item)
            except Unreadable as error:
                self._note_bad(f"{source.name}, line {item.line}, item {item.number}: {error}")
                continue
            if isinstance(found, Ignored):
                self.ignored.update([found.kind] if found.kind else [])
                continue
            for recorded, origin in found:
                self.traces += 1
                if self._is_wanted(recorded):
                    taken.take(recorded, origin, source.name)
                else:
                    self.unwanted += 1

    def _is_wanted(self, recorded: Recorded) -> bool:
        trace = recorded.trace
        named = self._target in (None, recorded.stream.target, trace.address)
        return named and (self._since is None or self._since <= trace.at) and (self._until is None or trace.at <= self._until)

    def _note_bad(self, problem: str) -> None:
        if not self._skip:
            raise ConfigError(problem, "nothing was imported; --skip-bad leaves such out")
        self.bad += 1
        self.first_bad = self.first_bad or problem


def _traces(item: Item) -> list[tuple[Recorded, Origin]] | Ignored:
    if item.problem:
        raise Unreadable(item.problem)
    found = traces(item.data)
    if isinstance(found, Ignored):
        return found
    if any(each.origin is None for each in found):
        raise Unreadable("it is our own JSON; import reads that of RIPE Atlas and scamper")
    return [(each, each.origin) for each in found if each.origin]


def _print(args: argparse.Namespace, reading: _Reading, taken: Taking) -> None:
    if args.json:
        left_out = {"ignored": dict(sorted(reading.ignored.items())), "bad": reading.bad}
        say_json({"imported": taken.new, "known": taken.known, "unwanted": reading.unwanted, "targets": taken.targets, **left_out})
        return
    if reading.ignored:
        kinds = ", ".join(f"{count} {clean(kind)}" for kind, count in sorted(reading.ignored.items()))
        remark(args, f"left out, since no traceroute: {kinds}")
    if reading.bad:
        remark(args, f"left out, since unreadable: {reading.bad}; the first is {clean(reading.first_bad)}")
    names = list(taken.targets)
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    of = f" of {', '.join(names[:MOST_SHOWN])}{more}" if names else ""
    known = f"; {taken.known} {'was' if taken.known == 1 else 'were'} there already" if taken.known else ""
    say(Screen(args).wrapped(f"{counted(taken.new, 'trace')}{of} imported{known}"))


def _list(args: argparse.Namespace, db: Path, most_bytes: int) -> int:
    with taking(db, most_bytes):  # brings them up to date
        pass
    imports = open_imports(db)
    if imports is None:
        if args.json:
            say_json([])
        else:
            remark(args, f"nothing was imported yet into {place_of(db)}")
        return 0
    with imports:
        found = origins(imports)
        if args.json:
            say_json([_listed(tid, origin, _last(imports, tid)) for tid, origin in found.items()])
            return 0
        for tid, origin in found.items():
            _print_origin(Screen(args), tid, origin, _last(imports, tid))
    return 0


def _print_origin(screen: Screen, tid: str, origin: Origin, last_at: int | None) -> None:
    say(screen.paint(tid, "bold"))
    last = f", last traced {local(last_at)}" if last_at is not None else ""
    say(" " * INDENT + screen.wrapped(f"{clean(origin.words)}; from {clean(Path(origin.file).name)}{last}", INDENT))


def _last(imports: Reader, tid: str) -> int | None:
    return next((stored.trace.at for stored in imports.traces(tid, limit=1)), None)


def _listed(tid: str, origin: Origin, last_at: int | None) -> dict[str, object]:
    return {"target": tid, **origin._asdict(), "last_at": None if last_at is None else rfc3339(last_at)}
