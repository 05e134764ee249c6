"""A trace that somebody asked for, as far as it has come."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from pathwarden.model.access import Wrong
from pathwarden.model.settings import Target
from pathwarden.model.trace import Trace


class Stage(StrEnum):
    """How far a trace is that somebody asked for."""

    QUEUED = "queued"
    RESOLVING = "resolving"  # the target's name is being looked up
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # no probe could leave; the trace tells why


class Asked(NamedTuple):
    """`target` is what is traced, its `tid` '' if that is not configured; `trace` holds what is known by now, None before it runs."""

    target: Target
    stage: Stage
    trace: Trace | None = None


class BadOptions(ValueError):
    """What is wrong with the options of a target that is to be traced once: each option ('' for the whole) and what is wrong with it.

    `wrong` says the same for programs, in sections `target` and `source`.
    """

    def __init__(self, problems: Sequence[tuple[str, str]], wrong: Sequence[Wrong] = ()) -> None:
        super().__init__("; ".join(f"{option}: {problem}" for option, problem in problems))
        self.problems = tuple(problems)
        self.wrong = tuple(wrong)
