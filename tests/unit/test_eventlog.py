"""The log's line for each event: what it says, and that none is missing."""

import logging
from typing import Any

import pytest

from pathwarden.daemon.eventlog import PAGE, EventLog, line
from pathwarden.errors import OperatorError
from pathwarden.model.history import StoredEvent


class History:
    """Events in a list; refuses to be read while `broken`."""

    def __init__(self) -> None:
        self.stored: list[StoredEvent] = []
        self.broken = False
        self.clauses: list[dict[str, Any]] = []

    def add(self, count: int = 1, title: str = "News", target: str | None = "office") -> None:
        for _ in range(count):
            seq = len(self.stored) + 1
            body = {"event_type": "path_changed", "severity": "notice", "notify": True, "target": target, "seq": seq, "title": title}
            body["text"] = {"message": self.clauses}
            self.stored.append(StoredEvent(seq, f"E{seq}", "", "path_changed", 0, body | {"event_id": f"E{seq}", "group_id": "G"}))

    def events(self, *, since_seq: int | None = None, limit: int = 100, **_more: Any) -> list[StoredEvent]:
        if self.broken:
            raise OperatorError("locked", "wait")
        if since_seq is None:
            return self.stored[::-1][:limit]
        return [event for event in self.stored if event.seq > since_seq][:limit]


def seqs(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [int(record.message.split(" seq=")[1].split()[0]) for record in caplog.records if record.name == "pathwarden.event"]


def test_each_event_has_its_line_once_and_those_from_before_have_had_theirs(caplog: pytest.LogCaptureFixture) -> None:
    history = History()
    history.add(3)
    log = EventLog(history)
    with caplog.at_level(logging.INFO):
        log.event_stored()
        history.add()
        log.event_stored()
        history.add(2 * PAGE)
        log.event_stored()
        log.event_stored()
    assert seqs(caplog) == list(range(4, 5 + 2 * PAGE))


def test_what_cannot_be_read_now_is_told_with_the_next(caplog: pytest.LogCaptureFixture) -> None:
    history = History()
    log = EventLog(history)
    with caplog.at_level(logging.INFO):
        history.add()
        history.broken = True
        log.event_stored()
        history.broken = False
        history.add()
        log.event_stored()
    assert seqs(caplog) == [1, 2]


def test_the_line_of_an_event() -> None:
    history = History()
    history.add(title='A "new"\npath\x1b[2J', target=None)
    assert line(history.stored[0].body) == (
        'event=path_changed severity=notice notify=1 target=- seq=1 id=E1 group=G title="A \\"new\\"?path?[2J"'
    )
    history.clauses.append({"key": "networks.added", "args": {"come": 'Ex"ample\x1b (AS64500)'}})
    history.add(title="x")
    assert line(history.stored[1].body).endswith(' title="x" networks="now through Ex\\"ample? (AS64500), too"')
