"""How far long work is, for who waits at a terminal."""

import argparse
import sys
import time

from pathwarden.cli.terminal import clean

PROGRESS_S = 0.2  # between two lines of it
LONG_S = 1.0  # before the first: what takes less needs none


class Progress:
    """A line on standard error that is written over and over."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._told = sys.stderr.isatty() and not args.quiet
        self._next = time.monotonic() + LONG_S
        self._shown = False

    def say(self, what: str, part: float) -> None:
        """Tell how far `what` is, now and then."""
        if self._told and time.monotonic() >= self._next:
            self._next, self._shown = time.monotonic() + PROGRESS_S, True
            sys.stderr.write(f"\r\x1b[K{clean(what)}: {100 * part:.0f} %")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away: it was for the time of waiting."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            self._shown = False
