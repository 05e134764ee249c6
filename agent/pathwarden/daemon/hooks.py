"""Programs that are run on events. Without one in the configuration nothing here is loaded.

Rules.
1. One thread, woken after the commit, reads the events from the history in their order: hooks get what subscribers get, and never wait
   in memory. How far they are is kept in the history, so those of a stop, a reload or a kill are told after it: each event at least once,
   and twice, with the same `event_id`, if its program was running at the end. The very first start tells nothing old.
2. A program gets the event's JSON and a newline on its standard input, no arguments, no shell, and the environment's PATH alone. It runs
   in a session of its own; when its time is over, all of that is killed.
3. Programs run one after the other. An event that is older than `OLDEST_NS` when its turn comes is passed over, counted: an alarm about
   what was long ago helps nobody, and so a backlog never takes longer than that. So are the oldest beyond `MOST_BEHIND` events.
4. A failure is told once per program until it succeeds again; nothing is tried twice.
   What it says on its standard error goes where the daemon's goes.
"""

import json
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from pathwarden.daemon.eventlog import PAGE, Events, newest_seq
from pathwarden.errors import OperatorError
from pathwarden.model.protocols import Clock
from pathwarden.model.settings import Hook

log = logging.getLogger(__name__)

MARK = "/hooks"  # where the history keeps how far they are, among what is told of targets
MOST_BEHIND = 1000
OLDEST_NS = 600_000_000_000  # a router that is upgraded or restarted is back within this
RETRY_S = 5.0


class Hooks:
    """Runs the programs. `event_stored` may be called from any thread.

    `mark` is what `keep` was given last, None if it never was: the number of the last event that needs no program any more.
    """

    def __init__(self, hooks: Sequence[Hook], reader: Events, clock: Clock, mark: str | None, keep: Callable[[str], None]) -> None:
        self.counts = {"hooks_run": 0, "hooks_failed": 0, "hooks_skipped": 0}
        self._hooks = hooks
        self._reader = reader
        self._clock = clock
        self._keep = keep
        self._failing: set[str] = set()
        self._running: subprocess.Popen[bytes] | None = None
        self._condition = threading.Condition()
        self._woken = True  # there may be something from before
        self._stopping = False
        newest = newest_seq(reader)
        self._seq = min(int(mark), newest) if mark and mark.isdecimal() else newest
        if mark != str(self._seq):
            keep(str(self._seq))
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Kill what runs, and end."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
            running = self._running
        if running is not None:
            _kill(running)
        self._thread.join(timeout_s)

    def event_stored(self) -> None:
        """The history has something new."""
        with self._condition:
            self._woken = True
            self._condition.notify()

    def _run(self) -> None:
        while self._wait():
            try:
                while not self._stopping and self._turn():
                    pass
            except OperatorError as error:  # the history cannot be read now; its own thread says why
                log.debug("%s", error)
                with self._condition:
                    self._condition.wait_for(lambda: self._stopping, RETRY_S)
                    self._woken = True

    def _wait(self) -> bool:
        with self._condition:
            self._condition.wait_for(lambda: self._woken or self._stopping)
            self._woken = False
            return not self._stopping

    def _turn(self) -> bool:
        """Tell some events; whether there may be more."""
        behind = newest_seq(self._reader) - self._seq
        if behind > MOST_BEHIND:
            self.counts["hooks_skipped"] += behind - MOST_BEHIND
            self._seq += behind - MOST_BEHIND
        page = self._reader.events(since_seq=self._seq, limit=PAGE)
        for event in page:
            wanted = [hook for hook in self._hooks if not hook.event or event.event_type in hook.event]
            if wanted and self._clock.wall_ns() - event.at > OLDEST_NS:
                self.counts["hooks_skipped"] += 1
                wanted = []
            for hook in wanted:
                if not self._stopping:
                    self._call(hook, event.body)
            if self._stopping:
                return False  # what was killed at the end is told again
            self._seq = event.seq
            if wanted or event is page[-1]:
                self._keep(str(self._seq))
        return len(page) == PAGE

    def _call(self, hook: Hook, body: Mapping[str, object]) -> None:
        problem = self._problem(hook, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        if problem and hook.program not in self._failing and not self._stopping:
            log.warning("hook %s: %s; run it by hand with an event of: pathwarden events --json", hook.program, problem)
        (self._failing.add if problem else self._failing.discard)(hook.program)
        self.counts["hooks_failed"] += bool(problem)
        self.counts["hooks_run"] += 1

    def _problem(self, hook: Hook, data: bytes) -> str:
        """Run a program; what went wrong, '' if nothing."""
        try:
            process = subprocess.Popen(  # noqa: S603 - the owner's own program, named in the configuration alone
                [hook.program],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath)},
                start_new_session=True,
            )
        except OSError as error:
            return f"cannot be run ({error.strerror})"
        with self._condition:
            self._running = process
            stopping = self._stopping
        if stopping:
            _kill(process)
        try:
            process.communicate(data, hook.timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.communicate()
            return f"was killed after {hook.timeout_s} s"
        finally:
            with self._condition:
                self._running = None
        return f"ended with {process.returncode}" if process.returncode else ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
