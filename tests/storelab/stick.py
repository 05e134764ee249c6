"""A disk that is pulled out and put back: `unshare --mount --pid --fork --kill-child python -m storelab.stick FOLDER`."""

import sys
from pathlib import Path

from pathwarden.store.faults import StoreError
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.life import TIDS, of, tid_of, urgent
from storelab.powercut import Disk

ROUNDS = 3  # the disk is pulled out so often
_TOGETHER = 4  # records handed over at once: one of them has an event


def main() -> None:
    """Write, pull, write, put back, compare; and say what there was."""
    folder = Path(sys.argv[1])
    place, number, refused = folder / "disk", 0, 0
    disk, path = Disk(folder / "image", place), place / "history.db"
    disk.mount("data=ordered")
    with Writer(path, max_mb=1, boot_id="boot", live_dir=folder / "live") as writer, Reader(path) as reader:
        for _ in range(ROUNDS):
            number = _write(writer, number)
            disk.pull()
            refused += _refused(writer, number)
            assert not list(place.iterdir()), "something was written where the disk is missing"
            disk.mount("data=ordered")
            number = _write(writer, number)
            numbers = [event.body["n"] for event in reader.events(since_seq=0, limit=1000)]
            assert numbers == [each for each in range(1, number + 1) if each % _TOGETHER == 0], numbers
            for tid in TIDS:
                found = [trace.trace.mono_ns for trace in reader.traces(tid, limit=1000)]
                assert len(found) == sum(tid_of(each) == tid for each in range(1, number + 1)), "a trace is lost or doubled"
    disk.unmount()
    print(f"pulled {ROUNDS} times, {refused} writes refused, {number} records kept")


def _write(writer: Writer, last: int) -> int:
    """Write some records after one, and flush; the last."""
    for first in range(last + 1, last + 5 * _TOGETHER, _TOGETHER):
        writer.save([of(number) for number in range(first, first + _TOGETHER)])
    writer.flush()
    return last + 5 * _TOGETHER


def _refused(writer: Writer, last: int) -> int:
    """Try to write what needs the disk; how often that was refused. What does not need it waits in memory."""
    records = [of(number) for number in range(last + 1, last + 1 + _TOGETHER)]
    assert any(urgent(number) for number in range(last + 1, last + 1 + _TOGETHER))
    refused = 0
    for what in (lambda: writer.save(records), writer.flush):
        try:
            what()
        except StoreError as error:
            assert "is gone" in str(error), error
            refused += 1
    assert refused == 2, "a disk that is not there took something"
    return refused


if __name__ == "__main__":
    main()
