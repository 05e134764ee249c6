"""Traces that somebody asked for: which there are, and how far each is.

Rules:
1. Who asks gets a name for the trace at once. While a target waits for its trace, or runs, who asks for it again gets the same name.
2. The trace is the target's next one to begin, or the one that runs already.
3. What a running trace has found so far is put together by the prober's thread, and only when somebody looks.
4. `MOST` are remembered, the last ones. They end with the process: a name that nobody knows is of one before it.
"""

import secrets
import threading
from collections import deque
from collections.abc import Callable

from pathwarden.daemon.started import Started
from pathwarden.model.asked import Asked, Stage
from pathwarden.model.settings import Target
from pathwarden.model.trace import Ending, Trace

MOST = 16  # a long trace has some 10 kB, and a person looks at one or two
LOOK_S = 2.0  # the prober's thread answers in milliseconds; while it judges a burst of traces it takes longer
_NAME_BYTES = 8


class Entry:
    """One trace that was asked for; `done` is the whole trace."""

    __slots__ = ("done", "resolving", "started", "target")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.resolving = False
        self.started: Started | None = None
        self.done: Trace | None = None


class _Look:
    """Somebody waits for what a trace has found so far."""

    def __init__(self, started: Started) -> None:
        self.started = started
        self.trace: Trace | None = None
        self.answered = threading.Event()


class Asking:
    """`new` and `look` may be called from any thread, the rest from the prober's alone; `wake` makes that one call `answer` soon."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._entries: dict[str, Entry] = {}
        self._lock = threading.Lock()
        self._looks: deque[_Look] = deque()

    def new(self, target: Target) -> tuple[str, Entry]:
        """A name for the trace of a target that is now asked for."""
        with self._lock:
            for name, entry in self._entries.items():
                if target.tid and entry.target.tid == target.tid and entry.done is None:
                    return name, entry
            while len(self._entries) >= MOST:
                ended = (name for name, entry in self._entries.items() if entry.done is not None)
                del self._entries[next(ended, next(iter(self._entries)))]
            name, entry = secrets.token_hex(_NAME_BYTES), Entry(target)
            self._entries[name] = entry
        return name, entry

    def look(self, name: str) -> Asked | None:
        """How far a trace is; None if nobody asked for it, or too long ago. Waits a moment for the prober's thread."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None:
                return None
            done, started = entry.done, entry.started
        if done is not None:
            return Asked(entry.target, Stage.FAILED if done.ending is Ending.ERROR else Stage.DONE, done)
        if started is None:
            return Asked(entry.target, Stage.RESOLVING if entry.resolving else Stage.QUEUED)
        look = _Look(started)
        self._looks.append(look)
        self._wake()
        look.answered.wait(LOOK_S)
        return Asked(entry.target, Stage.RUNNING, look.trace)

    def resolving(self, tid: str) -> None:
        """The name of a configured target is being looked up."""
        for entry in self._waiting(tid):
            entry.resolving = True

    def begun(self, tid: str, started: Started) -> None:
        """A trace of a configured target begins, or runs already."""
        for entry in self._waiting(tid):
            entry.started = started

    def taken(self, entry: Entry, started: Started) -> None:
        """The trace of what is not configured begins."""
        with self._lock:
            entry.started = started

    def ended(self, started: Started, trace: Trace) -> None:
        """It has ended."""
        if not self._entries:
            return
        with self._lock:
            for entry in self._entries.values():
                if entry.started is started:
                    entry.done, entry.started = trace, None

    def answer(self) -> None:
        """Tell those who wait what their traces have found so far."""
        while self._looks:
            look = self._looks.popleft()
            look.trace = look.started.so_far()
            look.answered.set()

    def _waiting(self, tid: str) -> list[Entry]:
        if not self._entries:
            return []
        with self._lock:
            return [entry for entry in self._entries.values() if entry.target.tid == tid and not entry.started and not entry.done]
