"""`pathwarden events`: what was told, newest last."""

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pathwarden.cli.past import add_bounds, bounds, check_target, limit, open_history
from pathwarden.cli.terminal import Screen, clean, local, remark, say, say_json, width
from pathwarden.config.load import load_here
from pathwarden.errors import ConfigError
from pathwarden.model.history import StoredEvent
from pathwarden.model.settings import Settings

LIMIT = 20
POLL_S = 0.5
AT_ONCE = 200  # events of one reading while following
TIME = 21  # columns of the time and what parts it from the rest
SEVERITY = 10
AGENT = "agent"  # what it tells of itself, in the place of a target
COLORS = {"notice": "", "warning": "yellow", "critical": "red", "info": "dim"}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `events` command."""
    parser = subparsers.add_parser(
        "events",
        help="what was told, newest last",
        description="What was told, newest last, with cause and place where they are known; how incidents stand is told by `pathwarden "
        "status`. Times are this machine's local time; in JSON they are UTC. --follow goes on "
        "until Ctrl-C; with --json it prints one object a line.",
    )
    parser.add_argument("--follow", action="store_true", help="wait for more and print it as it comes")
    parser.add_argument("--target", metavar="TARGET", help="events of this target alone")
    add_bounds(parser)
    parser.add_argument("--limit", type=limit, default=LIMIT, metavar="N", help=f"how many of the past (default: {LIMIT})")


def run(args: argparse.Namespace) -> int:
    """Print past events, and new ones as they come if so asked."""
    settings = load_here(args.config)
    screen = Screen(args)
    start, end = bounds(args.since, args.until, time.time_ns())
    if args.follow and end is not None:
        raise ConfigError("--to goes not with --follow", "leave out one of the two")
    with open_history(settings) as reader:
        if args.target is not None:
            check_target(args.target, settings, reader)
        newest = next((event.seq for event in reader.events(limit=1)), 0)
        past = reader.events(target=args.target, at_from=start, at_to=end, limit=args.limit, incidents=False)[::-1]
    if args.json and not args.follow:
        say_json([event.body for event in past])
        return 0
    if not past:
        remark(args, "nothing was told in that time" if args.since or args.until else "nothing was told yet")
    for event in past:
        _print(args, screen, event)
    if args.follow:
        sys.stdout.flush()
        for event in _coming(settings, args.target, max([newest, *(event.seq for event in past)])):
            _print(args, screen, event)
            sys.stdout.flush()
    return 0


def _coming(settings: Settings, target: str | None, since: int) -> Iterator[StoredEvent]:
    """New events for ever; a damaged history that the daemon sets aside is left for the new one."""
    pause = threading.Event()
    while True:
        with open_history(settings) as reader:
            file = _inode(reader.path)
            while file is None or _inode(reader.path) in (file, None):
                for event in reader.events(target=target, since_seq=since, limit=AT_ONCE, incidents=False):
                    since = event.seq
                    yield event
                pause.wait(POLL_S)
        since = 0


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:  # the daemon is just exchanging it
        return None


def _print(args: argparse.Namespace, screen: Screen, event: StoredEvent) -> None:
    if args.json:
        say_json(event.body, indent=None)
        return
    severity, title = clean(event.body["severity"]), clean(event.body["title"])
    head = f"{severity:{SEVERITY}}{clean(event.target) or AGENT}"
    first = f"{local(event.at)}  {screen.paint(head, COLORS.get(severity, ''))}  "
    say(first + screen.wrapped(title, TIME, TIME + width(head) + 2))
    message = clean(event.body["message"])
    if message:
        say(" " * TIME + screen.wrapped(message, TIME))
    if event.body["note"] is not None:
        say(" " * TIME + screen.wrapped(f"Note: {clean(event.body['note'])}", TIME))
