import itertools
import random
from collections import defaultdict

import pytest

from equipment.mqtt_agent import MemoryOutbox
from pathwarden.model.history import OutboxRow
from pathwarden.mqtt.outbox import HELD, LOW, Outbox

S = 1_000_000_000


class Peer:
    """Takes rows from an outbox as a publisher does, and hands answers back."""

    def __init__(self, reader: MemoryOutbox) -> None:
        self.reader = reader
        self.outbox = Outbox(reader, reader.acknowledge, reader.fail)
        self.flying: dict[int, OutboxRow] = {}
        self.delayed: dict[int, bool] = {}
        self.sent: list[int] = []
        self._mids = itertools.count(1)
        self.connect()

    def connect(self) -> None:
        self.flying.clear()
        self.outbox.restart()

    def send(self, mono_ns: int = 0, room: int = 20) -> list[int]:
        before = len(self.sent)
        while len(self.flying) < room and (sending := self.outbox.next_row(mono_ns)):
            mid = next(self._mids)
            self.outbox.sent(sending.row, mid)
            self.flying[mid] = sending.row
            self.sent.append(sending.row.seq)
            self.delayed[sending.row.seq] = sending.delayed
        return self.sent[before:]

    def answer(self, seq: int, code: int = 0, mono_ns: int = 0) -> None:
        mid = next(mid for mid, row in self.flying.items() if row.seq == seq)
        del self.flying[mid]
        self.outbox.answered(mid, code, mono_ns)


@pytest.fixture
def reader() -> MemoryOutbox:
    return MemoryOutbox()


def test_one_row_of_a_target_at_a_time_in_order(reader: MemoryOutbox) -> None:
    for target in ("a", "a", "b", "a"):
        reader.store(target)
    peer = Peer(reader)
    assert peer.send() == [1, 3]
    peer.answer(1)
    assert peer.send() == [2]
    peer.answer(2, 0x10)
    assert peer.send() == [4]
    peer.answer(4)
    peer.answer(3)
    assert peer.send() == []
    assert reader.acknowledged == [1, 2, 4, 3]
    assert peer.outbox.next_wakeup() is None


def test_few_are_in_memory_and_many_are_read_at_a_time(reader: MemoryOutbox) -> None:
    for number in range(2 * HELD):
        reader.store(f"t{number}")
    peer = Peer(reader)
    assert peer.send(room=999) == list(range(1, HELD + 1))
    reads = reader.reads
    for seq in range(1, HELD - LOW):
        peer.answer(seq)
        assert peer.send(room=999) == []
    assert reader.reads == reads
    peer.answer(HELD)
    assert peer.send(room=999) == list(range(HELD + 1, 2 * HELD - LOW + 1))
    assert reader.reads == reads + 1


def test_rows_there_at_the_connection_are_delayed_later_ones_not(reader: MemoryOutbox) -> None:
    for _ in range(50):
        reader.store("a")
    peer = Peer(reader)
    reader.store("a")
    peer.outbox.stored()
    while sent := peer.send():
        peer.answer(sent[0])
    assert [seq for seq, delayed in peer.delayed.items() if delayed] == list(range(1, 51))
    assert peer.delayed[51] is False


@pytest.mark.parametrize("gaps", [[1], [1, 2, 3], [5, 1000, 1001, 70000], [1, 99999]])
def test_newest_waiting_row_is_found_over_gaps(reader: MemoryOutbox, gaps: list[int]) -> None:
    for _ in range(max(gaps)):
        reader.store("a")
    reader.acknowledge([seq for seq in range(1, max(gaps) + 1) if seq not in gaps])
    reader.reads = 0
    peer = Peer(reader)
    assert reader.reads < 300
    while sent := peer.send():
        peer.answer(sent[0])
    assert peer.sent == gaps
    assert all(peer.delayed.values())


@pytest.mark.parametrize(("code", "name"), [(0x90, "topic_name_invalid"), (0x95, "packet_too_large"), (0x99, "payload_format_invalid")])
def test_hopeless_rows_are_marked_and_do_not_hold_up(reader: MemoryOutbox, code: int, name: str) -> None:
    reader.store("a")
    reader.store("a")
    peer = Peer(reader)
    peer.send()
    peer.answer(1, code)
    assert reader.failed == [(1, name)]
    assert peer.send() == [2]


@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x91, 0x97])
def test_refused_rows_wait_longer_each_time_and_others_pass(reader: MemoryOutbox, code: int) -> None:
    for target in ("a", "b", "a", "b"):
        reader.store(target)
    peer = Peer(reader)
    assert peer.send(0) == [1, 2]
    peer.answer(1, code, 0)
    peer.answer(2)
    assert peer.send(0) == [4]
    now = 0
    for wait in (1, 2, 4, 8, 16, 32, 60, 60):
        assert peer.outbox.next_wakeup() == now + wait * S
        assert peer.send(now + wait * S - 1) == []
        now += wait * S
        assert peer.send(now) == [1]
        peer.answer(1, code, now)
    now += 60 * S
    assert peer.send(now) == [1]
    assert peer.outbox.next_wakeup() is None, "an answer comes first"
    peer.answer(1)
    assert peer.send(now) == [3]
    peer.answer(3)
    peer.answer(4)
    assert len(reader) == 0


def test_a_refused_row_that_is_gone_frees_its_target(reader: MemoryOutbox) -> None:
    reader.store("a")
    reader.store("a")
    peer = Peer(reader)
    peer.send()
    peer.answer(1, 0x97)
    reader.acknowledge([1])
    assert peer.send(S) == [2]


def test_after_a_new_connection_all_that_is_unanswered_goes_again(reader: MemoryOutbox) -> None:
    for target in ("a", "b", "a"):
        reader.store(target)
    peer = Peer(reader)
    peer.send()
    peer.answer(2)
    peer.connect()
    assert peer.send() == [1]
    peer.answer(1)
    assert peer.send() == [3]


def test_a_row_that_the_store_has_not_yet_taken_out_is_not_sent_again(reader: MemoryOutbox) -> None:
    reader.store("a")
    peer = Peer(reader)
    peer.outbox = Outbox(reader, lambda _seqs: None, reader.fail)
    peer.connect()
    peer.send()
    peer.answer(1)
    peer.connect()
    assert peer.send() == []


@pytest.mark.parametrize("seed", range(20))
def test_any_answers_in_any_order_lose_nothing_and_keep_each_targets_order(reader: MemoryOutbox, seed: int) -> None:
    print("seed", seed)
    rng = random.Random(seed)
    peer, now, accepted = Peer(reader), 0, defaultdict(list)
    for step in range(3000):
        now += rng.randrange(S)
        if step < 400 and rng.random() < 0.5:
            reader.store(rng.choice("abcdefg"))
            peer.outbox.stored()
        if rng.random() < 0.005:
            peer.connect()
        peer.send(now, room=rng.randrange(1, 21))
        if peer.flying:
            row = rng.choice(list(peer.flying.values()))
            code = rng.choice((0, 0, 0, 0x10, 0x87, 0x97)) if step < 1500 else 0
            peer.answer(row.seq, code, now)
            if code < 0x80:
                accepted[row.target].append(row.seq)
    assert len(reader) == 0
    assert sum(map(len, accepted.values())) == len(reader.acknowledged)
    for target, seqs in accepted.items():
        assert seqs == sorted(set(seqs)), target
