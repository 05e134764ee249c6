"""Traces on their way to the broker as results of RIPE Atlas.

Rules.
1. They go after everything else, with QoS 0, and only while there is a connection: what comes meanwhile is not kept for later.
2. At most `_WAITING` wait; then the oldest goes.
3. One that is longer than `_MOST_BYTES`, or than the broker takes, is not sent: the form has no way to say that something was left out.
4. What goes by 2 and 3 is counted.
"""

import threading
from collections import deque
from collections.abc import Callable

from pathwarden.model.protocols import AsResult
from pathwarden.model.trace import Trace
from pathwarden.mqtt.link import Link
from pathwarden.mqtt.payload import encode
from pathwarden.mqtt.topics import Topics

_WAITING = 64  # three rounds of a home with 20 targets
_MOST_BYTES = 65_536  # 30 hops with 10 answers each and MPLS labels have some 50,000; AWS takes 128 KiB


class Results:
    """What waits. Any thread may `put`; the rest is the publisher's. `count` is told the reason for each that was not sent."""

    def __init__(self, as_result: AsResult, topics: Topics, count: Callable[[str], None]) -> None:
        self._as_result = as_result
        self._topics = topics
        self._count = count
        self._lock = threading.Lock()
        self._traces: deque[Trace] = deque()

    def put(self, trace: Trace) -> None:
        """There is a new trace."""
        with self._lock:
            self._traces.append(trace)
            overflow = len(self._traces) > _WAITING
            if overflow:
                self._traces.popleft()
        if overflow:
            self._count("results_waiting")

    def clear(self) -> None:
        """Forget what waits."""
        with self._lock:
            self._traces.clear()

    def send(self, link: Link) -> bool:
        """Send what waits; False if the window is full."""
        while trace := self._oldest():
            topic = self._topics.result(trace.target)
            payload, theirs = encode(self._as_result(trace)), link.payload_limit(topic)
            if len(payload) > (_MOST_BYTES if theirs is None else min(_MOST_BYTES, theirs)):
                self._count("packet_too_large")
            elif link.publish(topic, payload, retain=False, qos=0) is None:
                with self._lock:
                    self._traces.appendleft(trace)
                return False
        return True

    def _oldest(self) -> Trace | None:
        with self._lock:
            return self._traces.popleft() if self._traces else None
