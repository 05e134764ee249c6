"""The store's thread: what it writes when, and what it does when the disk refuses."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from equipment.traces import trace_of
from equipment.waiting import until
from pathwarden.daemon import keeper as module
from pathwarden.daemon.keeper import Keeper
from pathwarden.errors import OperatorError
from pathwarden.model.history import Event, Record
from pathwarden.model.instants import ClockShift
from pathwarden.model.trace import Trace

LONG_S = 3600.0  # never comes within a test
STOP_S = 20.0


def record(number: int, *, event: bool = False, target: str = "site") -> Record:
    trace = trace_of("gw", "D", mono_s=number)
    events = (Event(f"E{number}", target, number, "path_changed", "notice", True, trace.at, True, {}),) if event else ()
    return Record(trace, None, str(number), events)


class FakeStore:
    """Notes what is written; refuses while `refuses` says so."""

    def __init__(self) -> None:
        self.saved: list[list[str]] = []
        self.acknowledged: list[int] = []
        self.failed: list[tuple[int, str]] = []
        self.refuses: set[str] = set()
        self.attempts = 0
        self.outboxes_dropped = 0
        self.bounds: list[int] = []
        self.closed = False
        self.flushes = 0
        self.sends = True
        self.warns = ""

    def drop_outbox(self, most: int = 0) -> int:
        self._check("drop_outbox")
        if most == 0:
            self.outboxes_dropped += 1
        self.bounds.append(most)
        return 3

    def _check(self, what: str) -> None:
        if what in self.refuses:
            self.attempts += 1
            raise OperatorError("no space left on the device", "make room")

    def save(self, records: Sequence[Record]) -> None:
        if "in turns" in self.refuses:
            self.attempts += 1
            raise OperatorError(("no room", "no journal")[self.attempts % 2])
        self._check("save")
        self.saved.append([each.state for each in records])

    def acknowledge(self, seqs: Sequence[int]) -> None:
        self._check("acknowledge")
        self.acknowledged.extend(seqs)

    def fail(self, seq: int, reason: str) -> None:
        self._check("fail")
        self.failed.append((seq, reason))

    def correct_clock(self, shift: ClockShift) -> int:
        self.saved.append([f"corrected by {shift.by_ns}"])
        return 0

    def warning(self) -> str:
        return self.warns

    def flush(self) -> int:
        self._check("flush")
        self.flushes += 1
        return 0

    def close(self) -> None:
        self._check("close")
        self.closed = True

    def all_saved(self) -> list[str]:
        return [state for group in self.saved for state in group]


class FakePublisher:
    """Notes what it is told, and how much was written by then."""

    def __init__(self, store: FakeStore) -> None:
        self.told: list[tuple[str, int]] = []
        self.traces: list[tuple[str, int]] = []
        self.infos = 0
        self._store = store

    def traced(self, trace: Trace) -> None:
        self.traces.append((trace.target, len(self._store.saved)))

    def state_changed(self, tid: str) -> None:
        self.told.append((tid, len(self._store.saved)))

    def event_stored(self) -> None:
        self.told.append(("event", len(self._store.saved)))

    def info_changed(self) -> None:
        self.infos += 1


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def started(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    """A running keeper that gathers and retries only when it must."""
    monkeypatch.setattr(module, "GATHER_S", LONG_S)
    monkeypatch.setattr(module, "RETRY_S", LONG_S)
    keeper = Keeper(store)
    keeper.publisher = FakePublisher(store)
    keeper.start()
    yield keeper
    store.refuses.clear()
    keeper.stop(STOP_S)
    assert store.closed


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for that might be written together."""
    monkeypatch.setattr(module, "GATHER_S", 0.0)


def written(store: FakeStore, count: int) -> Callable[[], bool]:
    return lambda: len(store.all_saved()) >= count


def told(keeper: Keeper) -> list[tuple[str, int]]:
    assert isinstance(keeper.publisher, FakePublisher)
    return keeper.publisher.told


def test_records_gather_until_one_has_an_event(started: Keeper, store: FakeStore) -> None:
    for number in range(3):
        started.put(record(number))
    assert store.saved == []
    assert started.waiting() == 3
    started.put(record(3, event=True))
    until(written(store, 4), "all are written")
    assert store.saved == [["0", "1", "2", "3"]]
    until(lambda: started.waiting() == 0, "nothing waits")


def test_what_the_owner_wished_waits_for_nothing(started: Keeper, store: FakeStore) -> None:
    started.put(record(1))
    started.put(replace(record(2), telling={"site/rest": "{}"}))
    assert store.saved == []
    started.put(Record(None, None, "3", telling={"site": "{}"}))
    until(written(store, 3), "all are written")
    until(lambda: ("site", 1) in told(started), "subscribers know")
    started.put(Record(None, None, "4", notes={"E1": "the ISP moved us"}))
    until(written(store, 4), "a note, too")


def test_records_without_events_are_written_when_the_time_is_over(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER_S", 0.01)
    keeper = Keeper(store)
    keeper.start()
    keeper.put(record(1))
    until(written(store, 1), "it is written")
    keeper.stop(STOP_S)


def test_what_time_brings_is_told_of_every_target_that_it_names(started: Keeper) -> None:
    events = tuple(Event(f"E{tid}", tid, 1, "digest", "notice", True, 1, True, {}) for tid in ("site", "", "other"))
    started.put(Record(None, None, "time", events))
    until(lambda: len(told(started)) == 3, "all are told")
    assert sorted(told(started)) == [("event", 1), ("other", 1), ("site", 1)]


def test_what_the_owner_wished_is_told_of_its_target_alone(store: FakeStore) -> None:
    keeper = Keeper(store)
    keeper.publisher = FakePublisher(store)
    keeper.put(Record(None, None, "wish", telling={"site": "{}", "": "{}", "other/rest": "{}", "/load": "{}"}))
    keeper.start()
    keeper.stop(STOP_S)
    assert told(keeper) == [("site", 1)]


@pytest.mark.usefixtures("prompt")
def test_what_time_brings_under_a_wrong_clock_is_corrected_too(store: FakeStore) -> None:
    keeper = Keeper(store)
    keeper.put(Record(None, None, "wrong", clock_synced=False))
    keeper.correct(ClockShift(0, 10, 5, 0))
    keeper.put(Record(None, None, "right"))
    keeper.start()
    until(written(store, 2), "both are written")
    keeper.stop(STOP_S)
    assert store.all_saved() == ["wrong", "corrected by 5", "right"]


@pytest.mark.usefixtures("prompt")
def test_a_clock_that_becomes_right_twice_corrects_what_came_in_between(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper(store)

    def correct(shift: ClockShift) -> int:
        if shift.by_ns == 5:
            keeper.put(Record(None, None, "wrong again", clock_synced=False))
            keeper.correct(ClockShift(20, 30, 7, 0))
        return FakeStore.correct_clock(store, shift)

    monkeypatch.setattr(store, "correct_clock", correct)
    keeper.put(Record(None, None, "wrong", clock_synced=False))
    keeper.correct(ClockShift(0, 10, 5, 0))
    keeper.start()
    until(lambda: "corrected by 7" in store.all_saved(), "both corrections are written")
    keeper.stop(STOP_S)
    assert store.all_saved() == ["wrong", "corrected by 5", "wrong again", "corrected by 7"]


def test_subscribers_are_told_after_the_commit_only(started: Keeper, store: FakeStore) -> None:
    started.put(record(1, event=True))
    until(lambda: len(told(started)) == 2, "both are told")
    assert told(started) == [("site", 1), ("event", 1)]
    assert isinstance(started.publisher, FakePublisher)
    assert started.publisher.traces == [("site", 1)]
    assert store.all_saved() == ["1"]


def test_without_events_no_event_is_announced(store: FakeStore) -> None:
    keeper = Keeper(store)
    keeper.publisher = FakePublisher(store)
    keeper.put(record(1))
    keeper.put(record(2))
    keeper.start()
    keeper.stop(STOP_S)
    assert told(keeper) == [("site", 1)]


def test_nobody_is_told_of_what_the_disk_refused(started: Keeper, store: FakeStore) -> None:
    store.refuses = {"save"}
    started.put(record(1, event=True))
    until(lambda: started.notice, "the refusal is noticed")
    assert "no space left" in started.notice
    assert told(started) == []
    assert started.waiting() == 1


def test_a_refusing_disk_is_tried_again(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    store.refuses = {"save"}
    keeper = Keeper(store)
    keeper.start()
    keeper.put(record(1, event=True))
    until(lambda: store.attempts >= 3, "it is tried again")
    keeper.put(record(2))
    store.refuses = set()
    until(written(store, 2), "both are written")
    until(lambda: not keeper.notice, "the notice goes")
    assert store.all_saved() == ["1", "2"]
    keeper.stop(STOP_S)


def test_a_disk_that_refuses_in_two_ways_by_turns_is_logged_once_each(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    store.refuses = {"in turns"}
    keeper = Keeper(store)
    publisher = keeper.publisher = FakePublisher(store)
    with caplog.at_level("INFO"):
        keeper.start()
        keeper.put(record(1, event=True))
        until(lambda: store.attempts >= 6, "it is tried again and again")
        store.refuses = set()
        until(lambda: not keeper.notice and store.saved, "it is written")
        keeper.stop(STOP_S)
    assert [entry.message for entry in caplog.records] == ["no journal", "no room", "the history is written again"]
    assert publisher.infos >= 7, "each change is told at once"


def test_a_refusing_disk_is_not_asked_for_each_record(started: Keeper, store: FakeStore) -> None:
    store.refuses = {"save"}
    started.put(record(1, event=True))
    until(lambda: started.notice, "the refusal is noticed")
    for number in range(50):
        started.put(record(number, event=True))
    assert store.attempts == 1


def test_what_was_written_is_told_even_if_the_outbox_refuses(started: Keeper, store: FakeStore) -> None:
    store.refuses = {"acknowledge"}
    started.acknowledge([7])
    until(lambda: started.notice, "the refusal is noticed")
    started.put(record(1, event=True))
    store.refuses = {"fail"}
    started.fail(8, "refused")
    started.stop(STOP_S)
    assert store.all_saved() == ["1"]
    assert ("event", 1) in told(started)
    assert store.acknowledged[:1] == [7]


def test_without_a_broker_the_outbox_stays_empty(store: FakeStore) -> None:
    keeper = Keeper(store)
    keeper.forget_outbox()
    keeper.put(record(1, event=True))
    keeper.start()
    keeper.stop(STOP_S)
    assert (store.outboxes_dropped, store.sends) == (1, False)


def test_with_a_broker_the_outbox_is_bounded_and_what_went_is_counted(started: Keeper, store: FakeStore) -> None:
    called: list[int] = []
    started.on_events = (lambda: called.append(1),)
    started.put(record(1, event=True))
    started.put(record(2))
    started.stop(STOP_S)
    assert store.bounds == [module.MOST_SENDINGS]
    assert called == [1], "only the record with an event"
    assert started.sendings_dropped == 3


@pytest.mark.usefixtures("prompt")
def test_what_the_disk_does_not_bear_is_noted_and_logged_once(store: FakeStore, caplog: pytest.LogCaptureFixture) -> None:
    keeper = Keeper(store, 0.0)
    keeper.publisher = publisher = FakePublisher(store)
    with caplog.at_level("WARNING"):
        for number, warning in enumerate(("", "much: 1", "much: 2", "")):
            store.warns = warning
            keeper.put(record(number))
            keeper._work()
            assert keeper.warning == warning
    assert [entry.message for entry in caplog.records] == ["much: 1"]
    assert publisher.infos == 2


def test_what_was_written_is_not_written_again_when_the_outbox_refuses(store: FakeStore) -> None:
    store.refuses = {"drop_outbox"}
    keeper = Keeper(store)
    keeper.publisher = FakePublisher(store)
    keeper.put(record(1, event=True))
    keeper.start()
    keeper.stop(STOP_S)
    assert store.saved == [["1"]]


@pytest.mark.parametrize("code", module.DAMAGED)
def test_a_damaged_file_ends_the_thread(store: FakeStore, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    damage = OperatorError("damaged", "start again")
    damage.code = code  # type: ignore[attr-defined] - the store's own kind of error has it
    monkeypatch.setattr(store, "save", lambda _: (_ for _ in ()).throw(damage))
    keeper = Keeper(store)
    keeper.put(record(1, event=True))
    with pytest.raises(OperatorError, match="damaged"):
        keeper._work()
    assert keeper.waiting() == 1


def test_what_waits_is_bounded_and_records_without_events_go_first(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    keeper = Keeper(store)
    for number in range(4):
        keeper.put(record(number, event=number % 2 == 0))
    for number in range(4, 8):
        keeper.put(record(number, event=True))
    assert (keeper.waiting(), keeper.dropped) == (5, 3)
    keeper.start()
    keeper.stop(STOP_S)
    assert store.all_saved() == ["2", "4", "5", "6", "7"]


def test_acknowledgements_and_refusals_are_noted(started: Keeper, store: FakeStore) -> None:
    started.acknowledge([3, 4])
    started.fail(5, "not authorised")
    until(lambda: store.failed, "the refusal is noted")
    assert (store.acknowledged, store.failed) == ([3, 4], [(5, "not authorised")])
    assert store.saved == []


def test_stop_writes_what_waits(store: FakeStore) -> None:
    keeper = Keeper(store)
    keeper.start()
    for number in range(10):
        keeper.put(record(number))
    keeper.acknowledge([1])
    keeper.stop(STOP_S)
    assert store.all_saved() == [str(number) for number in range(10)]
    assert store.acknowledged == [1]
    assert store.closed


def test_stop_tries_a_refusing_disk_once_more_and_says_what_is_lost(
    started: Keeper, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.refuses = {"save"}
    started.put(record(1, event=True))
    until(lambda: started.notice, "the refusal is noticed")
    started.stop(STOP_S)
    assert store.closed
    assert store.attempts == 2
    assert started.waiting() == 1
    assert caplog.messages[-1] == "traces that could not be written and are lost: 1"


def test_many_threads_lose_nothing(store: FakeStore) -> None:
    keeper = Keeper(store)
    keeper.start()

    def put(first: int) -> None:
        for number in range(first, first + 100):
            keeper.put(record(number, event=number % 10 == 0))

    threads = [threading.Thread(target=put, args=(n * 100,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keeper.stop(STOP_S)
    assert sorted(store.all_saved(), key=int) == [str(number) for number in range(400)]


def test_what_waits_in_memory_is_flushed_now_and_then(store: FakeStore) -> None:
    keeper = Keeper(store, flush_s=0.01)
    keeper.start()
    until(lambda: store.flushes >= 3, "it is flushed although nothing comes")
    store.refuses = {"flush"}
    until(lambda: keeper.notice, "a refusal is noticed")
    assert "no space left" in keeper.notice
    keeper.stop(STOP_S)
    assert store.closed


def test_an_end_that_cannot_write_is_told_in_the_log(store: FakeStore, caplog: pytest.LogCaptureFixture) -> None:
    store.refuses = {"close"}
    keeper = Keeper(store, flush_s=LONG_S)
    keeper.start()
    keeper.stop(STOP_S)
    assert "what waits in memory could not be written: no space left on the device; make room" in caplog.text
    assert store.flushes == 0
