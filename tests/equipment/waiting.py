"""Await a condition with a deadline."""

import threading
import time
from collections.abc import Callable

_PAUSE_S = 0.005


def until(condition: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
    """Return as soon as the condition holds; raise `TimeoutError` naming `what` at the deadline."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s} s: {what}")
        pause.wait(_PAUSE_S)
