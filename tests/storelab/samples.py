"""Histories of which samples wait in memory and are written down beside them, and a power cut that takes the memory."""

import shutil
from pathlib import Path

from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import SECOND, START, record

MINUTE = 60 * SECOND


def opened(path: Path, memory: Path, max_mb: int = 16) -> Writer:
    return Writer(path, max_mb=max_mb, boot_id="boot", live_dir=memory)


def cut(writer: Writer, memory: Path) -> None:
    """The power goes: what was memory is gone."""
    writer._live.db.close()
    writer._lasting.db.close()
    shutil.rmtree(memory)


def numbers(reader: Reader, target: str = "t1") -> list[int]:
    return [(one.trace.at - START) // MINUTE for one in reader.traces(target, limit=1000)]


def down(n: int) -> list[int]:
    return list(range(n, -1, -1))


def begun(path: Path, memory: Path, rounds: int, max_mb: int = 16) -> Writer:
    """A history of two targets with so many rounds, written down a few at a time."""
    writer = opened(path, memory, max_mb)
    for n in range(rounds):
        writer.save([record("t1", number=n), record("t2", number=n)])
        if n % 8 == 7 or n == rounds - 1:
            writer.flush()
    return writer
