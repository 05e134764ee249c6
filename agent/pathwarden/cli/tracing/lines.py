"""One trace as traceroute(8) prints it: lines as soon as their answers are in, with names and AS numbers looked up beside the tracing."""

import argparse
import os

from pathwarden.cli.terminal import say
from pathwarden.model.trace import Hop
from pathwarden.net.names import ReverseNames
from pathwarden.net.whois import Origins
from pathwarden.present.text import hop_line

NAME_WAIT_S = 1.0  # how long a line waits for the names in it


class Printer:
    """Prints hops; each once, from the first on."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._names = None if args.numeric else ReverseNames()
        self._origins = Origins(os.environ.get("RA_SERVER", ""), os.environ.get("RA_SERVICE", "")) if args.origins else None
        self._shown = 0

    @property
    def problem(self) -> str:
        """Why AS numbers could not be looked up, '' if they could or were not asked for."""
        return self._origins.problem if self._origins else ""

    def show(self, hop: Hop, af: int) -> None:
        """Print a hop, unless that was done before."""
        if hop.ttl <= self._shown:
            return
        self._shown = hop.ttl
        known = None
        for responder in hop.responders:
            if self._names is not None:
                self._names.ask(responder)
            if self._origins is not None:
                self._origins.ask(responder)
        if self._names is not None:
            known = self._names.get(hop.responders, NAME_WAIT_S)
        say(hop_line(hop, af, known))
