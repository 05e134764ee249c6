"""The events that the broker has not acknowledged: which one to send next, and what an answer means.

Rules.
1. Rows go out in the order of their `seq`. At most `HELD` are in memory; all others wait in the database, and are read many at a
   time, since a reader waits for each commit of the writer.
2. Of one target, one row is in flight at a time: a broker that refuses one row and accepts the next could otherwise turn them round.
3. Reason 0x00 or 0x10 (nobody subscribes): the row is done. 0x90, 0x95, 0x99: it can never succeed and is marked failed.
4. Any other reason (not authorised, quota, …): its target waits, twice as long each time, and then the same row is tried again.
   Rows of that target stay in the database meanwhile; other targets go on.
5. A new connection begins with the oldest row. Rows that exist at that moment are delayed, later ones are not.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pathwarden.model.history import OutboxRow
from pathwarden.model.protocols import Acknowledge

HELD = 120  # some 500 kB; the client has at most 20 of them in flight
LOW = 20  # so few are left when others are read
_DONE = 256  # acknowledged rows that the store's thread may not have taken out yet
_ACCEPTED = frozenset({0x00, 0x10})
_HOPELESS = frozenset({0x90, 0x95, 0x99})
_RETRY_NS = 1_000_000_000
_RETRY_MAX_NS = 60_000_000_000

REASONS = {
    0x80: "unspecified_error",
    0x83: "implementation_specific",
    0x87: "not_authorized",
    0x90: "topic_name_invalid",
    0x91: "packet_identifier_in_use",
    0x95: "packet_too_large",
    0x97: "quota_exceeded",
    0x99: "payload_format_invalid",
}

Fail = Callable[[int, str], None]


class OutboxReader(Protocol):
    """The part of `HistoryReader` that is needed here; called from any thread."""

    def outbox(self, after_seq: int, limit: int) -> list[OutboxRow]:
        """Events not acknowledged yet, oldest first, with `seq` greater than `after_seq`."""
        ...


class Sending(NamedTuple):
    """A row to send now."""

    row: OutboxRow
    delayed: bool


@dataclass(slots=True)
class _Refused:
    seq: int
    tries: int
    due_ns: int


class Outbox:
    """The state of rules 1 to 5; used by the publisher's thread alone."""

    def __init__(self, reader: OutboxReader, acknowledge: Acknowledge, fail: Fail) -> None:
        self._reader = reader
        self._acknowledge = acknowledge
        self._fail = fail
        self._waiting: deque[OutboxRow] = deque()
        self._flying: dict[int, OutboxRow] = {}
        self._refused: dict[str, _Refused] = {}
        self._done: deque[int] = deque(maxlen=_DONE)
        self._cursor = 0
        self._more = True
        self._delayed_upto = 0

    def restart(self) -> None:
        """A connection has come up: nothing is in flight, and the oldest row is next."""
        self._waiting.clear()
        self._flying.clear()
        self._refused.clear()
        self._cursor = 0
        self._more = True
        self._delayed_upto = _last_seq(self._reader)

    def stored(self) -> None:
        """The database has new rows."""
        self._more = True

    def next_row(self, mono_ns: int) -> Sending | None:
        """The row to send now; None if there is none or an answer must come first. Call `sent` or `failed` for it before the next call."""
        busy = {row.target for row in self._flying.values()}
        row = self._due(mono_ns, busy)
        if row is None:
            self._fill()
            row = next((row for row in self._waiting if row.target not in busy), None)
        return row and Sending(row, row.seq <= self._delayed_upto)

    def sent(self, row: OutboxRow, mid: int) -> None:
        """The client has taken a row."""
        self._take(row)
        self._flying[mid] = row

    def failed(self, row: OutboxRow, reason: str) -> None:
        """A row can never be sent."""
        self._take(row)
        self._settle(row)
        self._fail(row.seq, reason)

    def answered(self, mid: int, code: int, mono_ns: int) -> None:
        """The broker's answer to a row in flight."""
        row = self._flying.pop(mid)
        if code in _ACCEPTED:
            self._settle(row)
            self._acknowledge([row.seq])
        elif code in _HOPELESS:
            self._settle(row)
            self._fail(row.seq, REASONS[code])
        else:
            self._refuse(row, mono_ns)

    def next_wakeup(self) -> int | None:
        """Monotonic instant of the next retry; None if none is planned."""
        flying = {row.target for row in self._flying.values()}
        return min((refused.due_ns for target, refused in self._refused.items() if target not in flying), default=None)

    def __contains__(self, mid: int) -> bool:
        return mid in self._flying

    def _fill(self) -> None:
        while self._more and len(self._waiting) + len(self._flying) <= LOW:
            room = HELD - len(self._waiting) - len(self._flying)
            rows = self._reader.outbox(self._cursor, room)
            self._more = len(rows) == room
            held = {row.seq for row in (*self._waiting, *self._flying.values())}
            for row in rows:
                self._cursor = row.seq
                if row.target not in self._refused and row.seq not in held and row.seq not in self._done:
                    self._waiting.append(row)

    def _due(self, mono_ns: int, busy: set[str]) -> OutboxRow | None:
        """A refused row whose time has come, read again; a row that is gone by now frees its target."""
        for target, refused in list(self._refused.items()):
            if target in busy or refused.due_ns > mono_ns:
                continue
            rows = self._reader.outbox(refused.seq - 1, 1)
            if rows and rows[0].seq == refused.seq:
                return rows[0]
            self._free(target)
        return None

    def _take(self, row: OutboxRow) -> None:
        if row in self._waiting:
            self._waiting.remove(row)

    def _settle(self, row: OutboxRow) -> None:
        self._done.append(row.seq)
        if row.target in self._refused:
            self._free(row.target)

    def _free(self, target: str) -> None:
        """Read on from where the target stopped; rows that are held or done are passed over."""
        self._cursor = min(self._cursor, self._refused.pop(target).seq)
        self._more = True

    def _refuse(self, row: OutboxRow, mono_ns: int) -> None:
        before = self._refused.get(row.target)
        tries = before.tries + 1 if before else 1
        self._refused[row.target] = _Refused(row.seq, tries, mono_ns + min(_RETRY_NS << min(tries - 1, 6), _RETRY_MAX_NS))
        self._waiting = deque(other for other in self._waiting if other.target != row.target)


def _last_seq(reader: OutboxReader) -> int:
    """Highest `seq` in the outbox, 0 if it is empty: found by growing and shrinking steps, since a long outbox must not be read twice."""
    last, step = 0, 1
    while step:
        rows = reader.outbox(last + step - 1, 1)
        if rows:
            last, step = rows[0].seq, step * 2
        else:
            step //= 2
    return last
