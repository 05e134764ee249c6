"""The history's disk vanishes and comes back: what waits is kept, it is said what is wrong, and then everything is written."""

import shutil
from pathlib import Path

import pytest

from pathwarden.daemon import keeper
from pathwarden.store.faults import StoreError
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import SECOND, START, event, record

MINUTE = 60 * SECOND


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """Where the disk is mounted."""
    return tmp_path / "stick"


@pytest.fixture
def path(stick: Path) -> Path:
    return stick / "history.db"


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "memory"


def begun(path: Path, memory: Path) -> Writer:
    writer = Writer(path, max_mb=16, boot_id="boot", live_dir=memory)
    writer.save([record("t1"), record("t2")])
    writer.save([record("t1", number=1)])
    writer.flush()
    return writer


def take_out(stick: Path) -> None:
    stick.rename(stick.with_name("taken"))
    stick.mkdir()


def put_back(stick: Path) -> None:
    """Put the disk back: to the system its files are others."""
    stick.rmdir()
    shutil.copytree(stick.with_name("taken"), stick)


def numbers(reader: Reader) -> list[int]:
    return [(one.trace.at - START) // MINUTE for one in reader.traces("t1", limit=100)]


def test_a_disk_that_comes_back_gets_everything(stick: Path, path: Path, memory: Path) -> None:
    with begun(path, memory) as writer, Reader(path) as reader:
        assert numbers(reader) == [1, 0]
        take_out(stick)
        writer.save([record("t1", number=2)])
        with pytest.raises(StoreError) as caught:
            writer.flush()
        assert str(caught.value) == f"the history {path} is gone; bring its disk back: then all that waits is written"
        told = record("t1", number=3, events=(event(),))
        with pytest.raises(StoreError, match="is gone"):
            writer.save([told])
        assert list(stick.iterdir()) == [], "nothing is written where the disk is missing"
        put_back(stick)
        writer.save([told])
        assert writer.flush() == 0, "the event took all of its target along"
        assert (numbers(reader), [one.event_id for one in reader.events()]) == ([3, 2, 1, 0], ["t1-000001"])
        writer.save([record("t2", number=4)])
        assert writer.flush() == 1
    with Reader(path) as reader:
        assert (numbers(reader), reader.stats().traces) == ([3, 2, 1, 0], 6)


def test_what_was_written_down_is_written_down_again(stick: Path, path: Path, memory: Path) -> None:
    writer = begun(path, memory)
    take_out(stick)
    writer.save([record("t1", number=2)])
    put_back(stick)
    assert writer.flush() == 2
    shutil.rmtree(memory)
    with Reader(path) as reader:
        assert numbers(reader) == [2, 1, 0]


def test_a_disk_that_comes_back_empty_takes_a_new_history(stick: Path, path: Path, memory: Path) -> None:
    with begun(path, memory) as writer:
        take_out(stick)
        path.touch()
        writer.save([record("t1", number=2, events=(event(),))])
        with Reader(path) as reader:
            assert numbers(reader) == [2, 1], "what waited in memory is what is left"
            assert reader.stats().limit_bytes == 16_000_000


def test_another_history_is_left_alone(stick: Path, path: Path, memory: Path) -> None:
    writer = begun(path, memory)
    take_out(stick)
    with Writer(path, max_mb=16, boot_id="other") as other:
        other.save([record("t9")])
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            writer.save([record("t1", number=2, events=(event(),))])
        assert str(caught.value) == f"another history lies at {path} now; the agent starts anew with it"
        assert caught.value.code in keeper.DAMAGED, "the daemon ends, and is started again"
    assert path.read_bytes().count(b"t9") == before.count(b"t9") > 0
    with Reader(path) as reader:
        assert reader.latest("t1") is None
    shutil.rmtree(stick)
    stick.mkdir()
    put_back(stick)
    writer.save([record("t1", number=2, events=(event(),))])
    with Reader(path) as reader:
        assert numbers(reader) == [2, 1, 0]


def test_too_much_that_is_written_and_too_little_room_are_told(path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with begun(path, memory) as writer:
        assert writer.warning() == ""
        monkeypatch.setattr(type(writer._lasting.disk), "free", lambda _: 1_000_000)
        assert "only 1.0 MB are free on its disk" in writer.warning()
        writer.budget.add(2_000_001)
        assert writer.warning().startswith(f"more than 2 MB were written to the history {path} in 24 hours")
