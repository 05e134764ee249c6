"""`pathwarden demo`: the whole agent on a simulated network, with a week of history behind it."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from pathwarden.config.load import load_here
from pathwarden.sim.scenario import load

SCENARIO = Path(__file__).parent.parent / "sim" / "scenarios" / "demo.toml"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `demo` command."""
    parser = subparsers.add_parser(
        "demo",
        help="run the whole agent on a simulated network, with a week of history",
        description="Write a week of history of a simulated network, then watch it with the clock 60 times as fast: page, history, path "
        "changes, all as in earnest. Events are printed as `mosquitto_sub -v` would show them. Needs no root and no network, "
        "and leaves nothing behind.",
    )
    parser.add_argument("--scenario", type=Path, default=SCENARIO, metavar="FILE", help="another network (TOML; see sim/scenario.py)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="equal seeds give equal weeks (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Run the demo until it is interrupted."""
    from pathwarden.daemon import demo

    def say(line: str) -> None:
        print(line, flush=True)

    def progress(day: int) -> None:
        if sys.stderr.isatty() and not args.quiet:
            sys.stderr.write(f"\rWriting a week of history: day {day} of 7{chr(10) if day == 7 else ''}")
            sys.stderr.flush()

    # However it is ended, the folder goes.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    scenario = load(args.scenario)
    with tempfile.TemporaryDirectory(prefix="pathwarden-demo-") as folder:
        demo.run(scenario, Path(folder), args.seed, load_here(args.config).web.root, say, progress)
    return 0
