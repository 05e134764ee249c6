"""What a reader gives: a trace, and where it comes from."""

from dataclasses import dataclass
from typing import NamedTuple

from pathwarden.export.origin import Origin
from pathwarden.model.trace import Trace

HERE = "here"  # the vantage of our own traces


class Unreadable(ValueError):
    """An item of a file that is no trace, or none that can be: one line that says what is wrong with it."""


class Stream(NamedTuple):
    """Traces that may be compared: one observer, one measurement, one target, one flow.

    `vantage` is who measured (`probe-6012`, a monitor, a source address, HERE), `series` how (`measurement 5006, IPv4 UDP`), `target` what
    was asked for: a name or an address. `flow` names what load balancers hash, '' where the file does not tell.
    """

    vantage: str
    series: str
    target: str
    flow: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """A trace of a file. Its `mono_ns` is its `at`: no file keeps the monotonic clock. `origin` is None for our own JSON."""

    stream: Stream
    trace: Trace
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """An item that is well-formed and no trace, such as `ping` or `tracelb`; '' for what marks the file alone."""

    kind: str
