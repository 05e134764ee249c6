"""One trace as traceroute(8) prints it: lines as soon as their answers are in, with names and AS numbers looked up beside the tracing."""

import argparse
import os
from collections.abc import Iterable

from pathwarden.cli.tracing.methods import Chosen
from pathwarden.config.load import load_here
from pathwarden.daemon.networks import open_networks
from pathwarden.model.network import Whose, nobody
from pathwarden.model.trace import Hop
from pathwarden.net.names import ReverseNames
from pathwarden.net.whois import Origins
from pathwarden.present.text import Show, hop_line, quoted_mss

NAME_WAIT_S = 1.0  # how long a line waits for the names in it
ORIGIN_WAIT_S = 8.0  # and for the AS numbers, whose registry may be far: longer than one question to it takes


def networks_of(args: argparse.Namespace) -> Whose:
    """Whose addresses are by the databases of this machine, if AS numbers were asked for."""
    return open_networks(load_here(args.config).agent, lookups=False).now if args.origins else nobody


class Printer:
    """Prints hops; each once, from the first on. A line that waits for names holds up no probe: replies must be read in time."""

    def __init__(self, args: argparse.Namespace, chosen: Chosen) -> None:
        self._names = None if args.numeric else ReverseNames()
        self._origins = Origins(os.environ.get("RA_SERVER", ""), os.environ.get("RA_SERVICE", "")) if args.origins else None
        self.whose = networks_of(args)
        self._show = Show(extensions=args.extensions, segment=chosen.info, back=args.back)
        self._tells_mss = chosen.mss
        self._mss = 0
        self._shown = 0
        self._since_ns = 0  # since when the next line is waited for; 0: it is not

    @property
    def problem(self) -> str:
        """Why AS numbers could not be looked up, '' if they could or were not asked for."""
        return self._origins.problem if self._origins else ""

    def offer(self, hops: Iterable[Hop], af: int, mono_ns: int | None) -> None:
        """Print of these hops what is new, as far as all that stands in their lines is known or was waited for long enough.

        `mono_ns` None: at once, with what is known.
        """
        for hop in hops:
            if hop.ttl > self._shown:
                if mono_ns is not None and not self._ready(hop.responders, mono_ns):
                    return
                self._print(hop, af, 0)

    def finish(self, hops: Iterable[Hop], af: int) -> None:
        """Print of these hops what is new, and wait for what stands in their lines."""
        for hop in hops:
            if hop.ttl > self._shown:
                self._ask(hop.responders)
                self._print(hop, af, NAME_WAIT_S)

    def _ready(self, responders: tuple[str, ...], mono_ns: int) -> bool:
        self._ask(responders)
        names, origins = self._names, self._origins
        foreign = self._foreign(responders)
        if not (names is not None and names.pending(responders)) and not (origins is not None and origins.pending(foreign)):
            self._since_ns = 0
            return True
        self._since_ns = self._since_ns or mono_ns
        longest_s = NAME_WAIT_S if origins is None or origins.problem else ORIGIN_WAIT_S
        if mono_ns - self._since_ns < longest_s * 1e9:
            return False
        self._since_ns = 0
        return True

    def _ask(self, responders: tuple[str, ...]) -> None:
        for responder in responders:
            if self._names is not None:
                self._names.ask(responder)
            if self._origins is not None and self._foreign((responder,)):
                self._origins.ask(responder)

    def _foreign(self, responders: tuple[str, ...]) -> tuple[str, ...]:
        """Those whose AS no database of this machine knows: the registry is asked."""
        return tuple(each for each in responders if self.whose(each).asn is None)

    def _print(self, hop: Hop, af: int, wait_s: float) -> None:
        self._shown = hop.ttl
        if not self._tells_mss:
            hop = _without_mss(hop)
        show = self._show
        if self._names is not None:
            show = show._replace(names=self._names.get(hop.responders, wait_s))
        if self._origins is not None:
            known = {each: f"AS{self.whose(each).asn}" for each in hop.responders}
            foreign = self._foreign(hop.responders)
            show = show._replace(as_of={**known, **self._origins.get(foreign, wait_s and ORIGIN_WAIT_S)})
        # A reader waits for each line.
        print(hop_line(hop, af, show=show, mss=self._mss), flush=True)
        self._mss = quoted_mss(hop, self._mss)


def _without_mss(hop: Hop) -> Hop:
    """The hop without the segment sizes that it quotes, which traceroute(8) shows only to who asks."""
    if not any(answer.marks.mss for answer in hop.answers):
        return hop
    return hop._replace(answers=tuple(answer._replace(marks=answer.marks._replace(mss=0)) for answer in hop.answers))
