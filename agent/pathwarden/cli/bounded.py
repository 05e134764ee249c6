"""A deadline for calls that have none of their own."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def bounded(call: Callable[[], T], seconds: float) -> T:
    """What the call gives or raises; `TimeoutError` if it is not done in time: its thread is given up and ends with the process."""
    given: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            given.append(call())
        except BaseException as fault:  # raised again below, in the caller's thread
            raised.append(fault)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not given:
        raise TimeoutError(f"not within {seconds:g} s")
    return given[0]
