"""`pathwarden note EVENT TEXT`: what somebody knows about an event, kept with it."""

import argparse
from urllib.parse import quote

from pathwarden.cli.page import Door, get
from pathwarden.cli.terminal import clean, remark, say_json
from pathwarden.cli.wish import find, send
from pathwarden.errors import ConfigError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `note` command."""
    parser = subparsers.add_parser(
        "note",
        help="write a note to an event",
        description="Keep a line of text with an event, which `pathwarden events` and the page tell from then on; it is not published over "
        "MQTT. The running daemon is asked over its page; exit code 4 if none answers.",
    )
    parser.add_argument(
        "event", metavar="EVENT", help="event_id, as `pathwarden events --json` tells it; or the id of a target: its newest event"
    )
    parser.add_argument("text", metavar="TEXT", help="one line, at most 300 characters; '' takes the note away")


def run(args: argparse.Namespace) -> int:
    """Note."""
    door = find(args)
    event_id, title = _meant(door, args.event)
    path = f"/api/v1/events/{quote(event_id, safe='')}/note"
    answer = send(door, path, {"note": args.text}, "see the events with: pathwarden events --json")
    if args.json:
        say_json(answer)
    else:
        done = "the note is gone from" if answer.get("note") is None else "noted with"
        remark(args, f"{done} {title or event_id}")
    return 0


def _meant(door: Door, name: str) -> tuple[str, str]:
    """The id and the title of a target's newest event; a name that is no target's is taken for an event's id, without a title."""
    told = get(door, f"/api/v1/changes?target={quote(name, safe='')}&limit=1")
    if told is None:
        return name, ""
    if not told["changes"]:
        raise ConfigError(f"nothing was told of {name!r} yet", "see the events with: pathwarden events")
    event = told["changes"][0]
    return str(event["event_id"]), f"'{clean(event['title'])}'"
