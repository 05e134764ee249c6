"""Ends of lives at random moments, forked from a process that has the imports and no threads: many end in a second."""

import os
import random
import select
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from pathwarden.store.opening import spool_of
from storelab.life import live, live_dir

LIVES_A_HISTORY = 20  # more would leave no room for traces beside the events
_REPORT_S = 30.0  # a life that has reported nothing by then is stuck


def nothing() -> None:
    """A kill: the machine goes on."""


def end_one(path: Path, rng: random.Random, longest_s: float, before_kill: Callable[[], None] = nothing) -> str:
    """Let one life begin and kill it a while later, `longest_s` at most, or a while after its first transaction began; what it reported."""
    reports, child_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(child_end, 1)
        live(path)
    os.close(child_end)
    # A half of the ends meets the opening, with its reading and trimming, or what comes right after.
    if rng.random() < 0.5:
        select.select([reports], [], [], _REPORT_S)
    threading.Event().wait(rng.uniform(0, longest_s))
    before_kill()
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(reports, encoding="ascii") as stream:
        text = stream.read()
    assert before_kill is not nothing or os.waitstatus_to_exitcode(status) == -signal.SIGKILL, f"the life ended by itself: {status}"
    return text


def left(path: Path) -> tuple[bool, bool]:
    """What an end has left beside a history: an unfinished write, samples that were written down."""
    return path.with_name(f"{path.name}-journal").exists(), spool_of(path).exists() and spool_of(path).stat().st_size > 0


def forget(path: Path) -> None:
    """Remove a history with all beside it: the next one is a copy of the same, and would take that for its own."""
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    shutil.rmtree(live_dir(path), ignore_errors=True)
