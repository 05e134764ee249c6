"""`pathwarden mute TARGET 1h`: changes are recorded and notify nobody, for so long."""

import argparse

from pathwarden.cli.terminal import remark, say_json, span
from pathwarden.cli.wish import span_s, tell
from pathwarden.errors import ConfigError

OFF = "off"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `mute` command."""
    parser = subparsers.add_parser(
        "mute",
        help="notify nothing of a target for a while",
        description="Notify nothing of a target for so long, 'off' to hear of it again; or nothing when it goes from one of two paths to "
        "the other. Events are recorded and published all the same, with notify false. The running daemon is asked over its page; exit "
        "code 4 if none answers.",
    )
    parser.add_argument("target", metavar="TARGET", help="id of a target")
    parser.add_argument("time", metavar="TIME", help="for how long: 30m, 1h, 2d, at most 30d; or off", type=_time, nargs="?")
    parser.add_argument("--between", nargs=2, metavar=("A", "B"), help="the letters of two paths, until told otherwise; with off no more")


def run(args: argparse.Namespace) -> int:
    """Mute, or unmute."""
    if args.time is None and args.between is None:
        raise ConfigError("for how long is missing", f"write: pathwarden mute {args.target} 1h")
    if args.time and args.between:
        raise ConfigError("paths are muted until told otherwise", f"leave the time out, or write off to hear of them again: {_end(args)}")
    wish: dict[str, object] = {} if args.time is None else {"for_s": args.time}
    if args.between:
        wish["pair"] = args.between
    tell(args, "mute", wish)
    if args.json:
        say_json({"target": args.target, "for_s": args.time, "pair": args.between})
    else:
        remark(args, _done(args))
    return 0


def _time(text: str) -> int:
    return 0 if text == OFF else span_s(text)


def _end(args: argparse.Namespace) -> str:
    return f"pathwarden mute {args.target} {OFF} --between {' '.join(args.between)}"


def _done(args: argparse.Namespace) -> str:
    what = args.target if args.between is None else f"{args.target} between {args.between[0]} and {args.between[1]}"
    if args.time == 0:
        return f"{what} notifies again"
    return f"{what} is muted" + (f" for {span(args.time)}" if args.time else f" until you write off: {_end(args)}")
