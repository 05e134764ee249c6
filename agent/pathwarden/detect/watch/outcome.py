"""What an errand brought, and what it led to."""

from collections.abc import Sequence
from typing import NamedTuple

from pathwarden.detect.watch.values import Errand
from pathwarden.model.change import Change
from pathwarden.model.trace import Answer, Trace


class Got(NamedTuple):
    """What an errand got: answers in the order of its looks, and those of the monitored flow by hop."""

    errand: Errand
    answers: Sequence[Answer]
    glimpse: Trace
    mono_ns: int


class Outcome:
    """What an errand led to: changes to tell, more errands, whether a whole trace is wanted, or a quick one to follow a change."""

    __slots__ = ("changes", "errands", "follow", "wants_trace")

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.errands: list[Errand] = []
        self.wants_trace = False
        self.follow = False
