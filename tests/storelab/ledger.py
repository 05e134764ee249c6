"""What the lives of one history have promised, held against what the history holds after an end."""

import sqlite3
from contextlib import closing
from pathlib import Path

from pathwarden.store.reader import Reader
from storelab.life import EVERY, TIDS, newest, number_of

ALL = 10**6
_RECENT = 300  # traces of each target: more than a life writes


class Ledger:
    """Reports of all lives so far, of records with greater numbers than `first`."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._saving = self._saved = first
        self._told: dict[int, int] = {}
        self._sent: set[int] = set()

    def heard(self, reports: str) -> None:
        """Take what a life has reported."""
        for line in reports.splitlines():
            word, *numbers = line.split()
            values = [int(number) for number in numbers]
            match word:
                case "saving":
                    assert values[0] > self._saved, f"a life went back to {values[0]} after {self._saved}"
                    self._saving = values[1]
                case "saved":
                    self._saved = values[0]
                case "told":
                    self._told[values[0]] = values[1]
                case "sent":
                    self._sent.update(values)
                case _:
                    raise AssertionError(f"no report: {line!r}")

    def resume(self, path: Path) -> None:
        """The next life goes on from what is there."""
        self._saving = self._saved = newest(path)

    def check(self, path: Path, most_traces: int = _RECENT) -> int:
        """Compare, of each target's traces the newest; how many events there are."""
        with closing(sqlite3.connect(path)) as db:
            verdict = db.execute("PRAGMA integrity_check").fetchall()
        assert verdict == [("ok",)], f"the file is damaged: {verdict}"
        with Reader(path) as reader:
            events = reader.events(since_seq=0, limit=ALL)
            waiting = [row.seq for row in reader.outbox(0, ALL)]
            traces = {tid: [number_of(each.trace.mono_ns) for each in reader.traces(tid, limit=most_traces)] for tid in TIDS}
            states, stats = reader.states(), reader.stats()
        self._check_events([(event.seq, int(str(event.body["n"]))) for event in events], waiting)
        self._check_traces(traces)
        for tid, of in traces.items():
            assert states[tid] == f'{{"n":{of[0]}}}', f"the state of {tid} is {states[tid]}, its last trace is {of[0]}"
        assert stats.size_bytes <= stats.limit_bytes
        return len(events)

    def _check_events(self, events: list[tuple[int, int]], waiting: list[int]) -> None:
        numbers = [number for _, number in events]
        before = self._first - self._first % EVERY
        last = before + len(numbers) * EVERY
        assert numbers == list(range(before + EVERY, last + 1, EVERY)), f"an event is lost, doubled or out of order: {numbers}"
        assert self._saved - EVERY < last <= self._saving, f"events up to {last}, but promised were those up to {self._saved}"
        assert [seq for seq, _ in events] == list(range(1, len(events) + 1)), "a number of the sequence is missing"
        of = dict(events)
        assert all(of[seq] == number for seq, number in self._told.items()), "an event has another number than subscribers saw"
        assert waiting == sorted(waiting), "the outbox is out of order"
        assert self._sent.isdisjoint(waiting), "what the broker has would be sent again"
        kept = {seq for seq in of if seq not in self._told or seq % EVERY == 0}
        assert kept <= set(waiting), f"the broker never took these events, and they wait nowhere: {sorted(kept - set(waiting))}"

    def _check_traces(self, numbers: dict[str, list[int]]) -> None:
        since = max(of[-1] for of in numbers.values())
        there = sorted(number for of in numbers.values() for number in of if number >= since)
        assert there == list(range(there[0], there[-1] + 1)), f"a trace is lost or doubled: {there}"
        assert self._saved <= there[-1] <= self._saving, f"traces up to {there[-1]}, but promised were those up to {self._saved}"
        assert all(of == sorted(of, reverse=True) for of in numbers.values()), "traces are out of order"
