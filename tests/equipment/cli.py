"""A history on disk as the daemon would leave it, and the command line beside it."""

import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from equipment.fakes import hop, make_trace
from pathwarden.cli.main import main
from pathwarden.detect.detector import Detector
from pathwarden.model.history import Event, Record
from pathwarden.model.trace import Ending, Hop, Trace
from pathwarden.store.writer import Writer

SECOND = 1_000_000_000
_DOMAIN = ".example"  # each target has a host of its own
_HOME, _SILENT = hop(1, "10.0.0.1", 0.5, 0.6, 0.7), hop(2, None, None, None, None)
FIRST = (_HOME, _SILENT, hop(3, "198.51.100.6", 4.0, 4.1, 4.2), hop(4, "192.0.2.9", 9.9, 10.1, 10.4))
SECOND_PATH = (_HOME, _SILENT, hop(3, "198.51.100.7", 4.0, 4.1, 4.2), hop(4, "192.0.2.9", 19.9, 20.1, 20.4))


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output read as JSON."""
        return json.loads(self.out)


class Past:
    """A configuration and a history in one folder. `now` is when it was made; ages are seconds before it."""

    def __init__(self, folder: Path) -> None:
        self.db = folder / "history.db"
        self.config = folder / "config"
        self.now = time.time_ns()
        self._numbers = itertools.count(1)
        self.configure()

    def configure(self, *sections: str, agent: str = "") -> None:
        """Write a configuration without a page; `agent` are further options of the agent."""
        head = f"config agent 'agent'\n\toption name 'home-rt'\n\toption db '{self.db}'\n{agent}config web\n\toption listen 'off'\n"
        self.config.write_text(head + "".join(f"{section}\n" for section in sections))

    def target(self, tid: str, label: str = "", host: str = "") -> str:
        """A section of the configuration."""
        return f"config target '{tid}'\n\toption host '{host or tid + _DOMAIN}'\n\toption label '{label}'"

    def trace(self, tid: str, age_s: float, hops: Sequence[Hop] = FIRST, *, error: str = "") -> Trace:
        """A trace that reached its target, or that could not be sent."""
        seen = make_trace(*(() if error else hops), target=tid, reached=not error, at=self.now - round(age_s * SECOND))
        seen = replace(seen, mono_ns=10**15 - round(age_s * SECOND))
        return replace(seen, ending=Ending.ERROR, error=error, reached_ttl=None) if error else seen

    def event(self, tid: str, age_s: float, title: str, message: str = "", severity: str = "notice") -> Event:
        """An event with the members that the command line reads."""
        number, at = next(self._numbers), self.now - round(age_s * SECOND)
        body = {"v": 1, "event_type": "path_changed", "severity": severity, "target": tid, "title": title, "message": message}
        return Event(f"E{number}", tid, number, "path_changed", severity, True, at, True, body)

    def write(self, tid: str, *traces: Trace, events: Sequence[Event] = ()) -> None:
        """Let a detector see the traces, and save what the daemon would; the events come with the last trace."""
        detector = Detector(tid, 0)
        records = []
        for seen in traces:
            verdict = detector.on_trace(seen)
            records.append(Record(seen, verdict.route, detector.export(), tuple(events) if seen is traces[-1] else ()))
        with Writer(self.db, max_mb=16, boot_id="boot") as writer:
            writer.save(records)

    def note(self, event_id: str, text: str) -> None:
        """Write something about an event."""
        with Writer(self.db, max_mb=16, boot_id="boot") as writer:
            writer.save([Record(None, None, "", notes={event_id: text})])

    def run(self, capsys: pytest.CaptureFixture[str], *words: str) -> Result:
        """Run the command line in this process."""
        capsys.readouterr()
        code = main(["--config", str(self.config), *words])
        return Result(code, *capsys.readouterr())
