"""A line in the log for each event.

Rules.
1. The store's thread writes it after the commit, so it is there for each event that is in the history, those of a stop and a reload too;
   those from before the start have theirs.
2. `event=path_changed severity=notice notify=1 target=office seq=17 id=01... group=01... title="..."`. Members are only ever added at its
   end: `networks="now through Example Net (AS64500) instead of AS64501"` where these changed. `target` is - for the agent's own.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from pathwarden.errors import OperatorError
from pathwarden.model.history import StoredEvent
from pathwarden.present.sentences import networks_of

log = logging.getLogger(__name__)
said = logging.getLogger("pathwarden.event")

PAGE = 50  # an event has a few kilobytes


class Events(Protocol):
    """The part of `HistoryReader` that is needed here."""

    def events(self, *, since_seq: int | None = None, limit: int = 100) -> list[StoredEvent]:
        """Events; with `since_seq` oldest first, else newest first."""
        ...


class EventLog:
    """Writes the lines; the store's thread calls `event_stored`."""

    def __init__(self, reader: Events) -> None:
        self._reader = reader
        self._seq = newest_seq(reader)

    def event_stored(self) -> None:
        """The history has something new."""
        while True:
            try:
                page = self._reader.events(since_seq=self._seq, limit=PAGE)
            except OperatorError as error:  # the next event brings these, too
                log.debug("%s", error)
                return
            for event in page:
                self._seq = event.seq
                said.info("%s", line(event.body))
            if len(page) < PAGE:
                return


def newest_seq(reader: Events) -> int:
    """The number of the newest event; 0 without one."""
    newest = reader.events(limit=1)
    return newest[0].seq if newest else 0


def line(body: Mapping[str, Any]) -> str:
    """The log's line for an event."""
    networks = networks_of(body["text"])
    more = f" networks={_quoted(networks)}" if networks else ""
    return (
        f"event={body['event_type']} severity={body['severity']} notify={int(bool(body['notify']))} target={body['target'] or '-'}"
        f" seq={body['seq']} id={body['event_id']} group={body['group_id']} title={_quoted(body['title'])}{more}"
    )


def _quoted(text: str) -> str:
    return json.dumps(_plain(text), ensure_ascii=False)


def _plain(text: str) -> str:
    """A text in which no stranger has hidden a line's end or a terminal's command."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
