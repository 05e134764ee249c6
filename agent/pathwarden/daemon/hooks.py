"""Programs that are run on events, and a line in the log for each event.

Rules.
1. One thread, woken after the commit, reads the events from the history in their order: hooks get what subscribers get, and never wait
   in memory. Those from before the start are not told again.
2. A program gets the event's JSON and a newline on its standard input, no arguments, no shell, and the environment's PATH alone. It runs
   in a session of its own; when its time is over, all of that is killed.
3. Programs run one after the other. If they fall behind by more than `MOST_BEHIND` events, the oldest are passed over, counted.
4. A failure is told once per program until it succeeds again; nothing is tried twice.
   What it says on its standard error goes where the daemon's goes.
5. The line: `event=path_changed severity=notice notify=1 target=office seq=17 id=01... group=01... title="..."`. Members are only ever
   added at its end; `target` is - for the agent's own.
"""

import json
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from pathwarden.errors import OperatorError
from pathwarden.model.history import StoredEvent
from pathwarden.model.settings import Hook

log = logging.getLogger(__name__)
said = logging.getLogger("pathwarden.event")

MOST_BEHIND = 1000
PAGE = 50  # an event has a few kilobytes
RETRY_S = 5.0


class Events(Protocol):
    """The part of `HistoryReader` that is needed here."""

    def events(
        self,
        *,
        target: str | None = None,
        since_seq: int | None = None,
        before_seq: int | None = None,
        limit: int = 100,
        incidents: bool = True,
    ) -> list[StoredEvent]:
        """Events; with `since_seq` oldest first."""
        ...


class Hooks:
    """Runs the programs. `event_stored` may be called from any thread."""

    def __init__(self, hooks: Sequence[Hook], reader: Events) -> None:
        self.counts = {"hooks_run": 0, "hooks_failed": 0, "hooks_skipped": 0}
        self._hooks = hooks
        self._reader = reader
        self._failing: set[str] = set()
        self._running: subprocess.Popen[bytes] | None = None
        self._condition = threading.Condition()
        self._woken = False
        self._stopping = False
        newest = reader.events(limit=1)
        self._seq = newest[0].seq if newest else 0
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
        newest = self._reader.events(limit=1)
        behind = newest[0].seq - self._seq if newest else 0
        if behind > MOST_BEHIND:
            self.counts["hooks_skipped"] += behind - MOST_BEHIND
            self._seq = newest[0].seq - MOST_BEHIND
        page = self._reader.events(since_seq=self._seq, limit=PAGE)
        for event in page:
            if self._stopping:
                return False
            self._seq = event.seq
            said.info("%s", line(event.body))
            for hook in self._hooks:
                if not hook.event or event.event_type in hook.event:
                    self._call(hook, event.body)
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


def line(body: Mapping[str, object]) -> str:
    """The log's line for an event."""
    title = json.dumps(_plain(str(body["title"])), ensure_ascii=False)
    return (
        f"event={body['event_type']} severity={body['severity']} notify={int(bool(body['notify']))} target={body['target'] or '-'}"
        f" seq={body['seq']} id={body['event_id']} group={body['group_id']} title={title}"
    )


def _plain(text: str) -> str:
    """A text in which no stranger has hidden a line's end or a terminal's command."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
