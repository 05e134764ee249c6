"""What the lives of one history have promised, held against what the history holds after an end."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from pathwarden.store.reader import Reader
from storelab.life import EVERY, TIDS, newest, number_of, tid_of, urgent

ALL = 10**6
_RECENT = 300  # traces of each target: more than a life writes


class Ledger:
    """Reports of all lives so far, of records with greater numbers than `first`.

    `cut` tells that lives end by power cuts: then only those samples are promised that a flush took to the lasting file, or an event or a
    change of path of their target; all samples before those of the life are.
    """

    def __init__(self, first: int, *, cut: bool) -> None:
        self._first = first
        self._cut = cut
        self._saved = first
        self._saving = (first + 1, first)
        self._waiting: set[int] = set()
        self._promised: set[int] = set()
        self._ended: set[int] = set()
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
                    self._saving = values[0], values[1]
                case "saved":
                    self._saved = values[0]
                    self._save(range(self._saving[0], self._saved + 1))
                case "flushed":
                    self._promise(self._waiting)
                case "told":
                    self._told[values[0]] = values[1]
                case "sent":
                    self._sent.update(values)
                case _:
                    raise AssertionError(f"no report: {line!r}")

    def resume(self, path: Path) -> None:
        """The next life goes on from what is there; what was being saved may be on the disk and not in memory, from where it comes then."""
        self._ended.update(range(self._saving[0], self._saving[1] + 1))
        self._saved = newest(path)
        self._saving = self._saved + 1, self._saved
        self._waiting.clear()

    def check(self, path: Path, most_traces: int = _RECENT) -> int:
        """Compare, of each target's traces the newest; how many events there are. What is there is promised from now on."""
        with closing(sqlite3.connect(path)) as db:
            verdict = db.execute("PRAGMA integrity_check").fetchall()
        assert verdict == [("ok",)], f"the file is damaged: {verdict}"
        with Reader(path) as reader:
            events = reader.events(since_seq=0, limit=ALL)
            waiting = [row.seq for row in reader.outbox(0, ALL)]
            traces = {tid: [number_of(each.trace.mono_ns) for each in reader.traces(tid, limit=most_traces)] for tid in TIDS}
            states, stats = reader.states(), reader.stats()
        numbers = [int(str(event.body["n"])) for event in events]
        self._check_events([event.seq for event in events], numbers)
        self._check_outbox(dict(zip((event.seq for event in events), numbers, strict=True)), waiting)
        self._check_traces(traces)
        self._check_states({tid: int(text[5:-1]) for tid, text in states.items()}, traces, numbers)
        assert stats.size_bytes <= stats.limit_bytes
        return len(events)

    def _save(self, numbers: Iterable[int]) -> None:
        self._waiting.update(numbers)
        at_once = {tid_of(number) for number in numbers if urgent(number)}
        self._promise({number for number in self._waiting if not self._cut or tid_of(number) in at_once})

    def _promise(self, numbers: set[int]) -> None:
        self._promised |= numbers
        self._waiting = self._waiting - numbers

    def _check_events(self, seqs: list[int], numbers: list[int]) -> None:
        before = self._first - self._first % EVERY
        last = before + len(numbers) * EVERY
        assert numbers == list(range(before + EVERY, last + 1, EVERY)), f"an event is lost, doubled or out of order: {numbers}"
        assert self._saved - EVERY < last <= max(self._saved, self._saving[1]), (
            f"events up to {last}, promised were those up to {self._saved}"
        )
        assert seqs == list(range(1, len(seqs) + 1)), "a number of the sequence is missing"

    def _check_outbox(self, events: dict[int, int], waiting: list[int]) -> None:
        assert all(events[seq] == number for seq, number in self._told.items()), "an event has another number than subscribers saw"
        assert waiting == sorted(waiting), "the outbox is out of order"
        assert self._sent.isdisjoint(waiting), "what the broker has would be sent again"
        kept = {seq for seq in events if seq not in self._told or seq % EVERY == 0}
        assert kept <= set(waiting), f"the broker never took these events, and they wait nowhere: {sorted(kept - set(waiting))}"

    def _check_traces(self, numbers: dict[str, list[int]]) -> None:
        assert all(of == sorted(of, reverse=True) for of in numbers.values()), "traces are out of order"
        since = max(of[-1] for of in numbers.values())
        there = [number for of in numbers.values() for number in of if number >= since]
        assert len(set(there)) == len(there), "a trace is doubled"
        lost = {number for number in self._promised if number >= since} - set(there)
        assert not lost, f"traces are lost: {sorted(lost)}"
        known = self._promised | self._waiting | self._ended | set(range(self._saving[0], self._saving[1] + 1))
        assert all(number in known for number in there if number > self._first), "there is a trace that nobody wrote"
        self._promised.update(number for number in there if number > self._first)

    def _check_states(self, states: dict[str, int], traces: dict[str, list[int]], events: list[int]) -> None:
        for tid, of in traces.items():
            least = max((number for number in events if tid_of(number) == tid), default=0) if self._cut else of[0]
            assert least <= states[tid] <= of[0], f"the state of {tid} is of {states[tid]}, it should be of {least} to {of[0]}"
