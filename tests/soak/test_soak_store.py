"""A writer killed again and again: nothing that was saved is lost, nothing is half there.

PATHWARDEN_SOAK_SHARE is the share of the full count to run: 0.05 unless given, 1 for the whole campaign.
"""

import os
import random
import select
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.killed import BATCH

FULL_COUNT = 500
COUNT = max(1, round(FULL_COUNT * float(os.environ.get("PATHWARDEN_SOAK_SHARE") or 0.05)))
KILLS_A_DATABASE = 25  # more would meet the size limit, and with it the trimming of old events
LONGEST_S = 0.15  # from the first save to the kill: some ten saves
SEARCHED = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))


def kill_once(path: Path, first: int, delay_s: float) -> int:
    """Start a writer, kill it a while after its first save; the last number whose save returned."""
    command = [sys.executable, "-m", "storelab.killed", str(path), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": SEARCHED}) as writer:
        assert writer.stdout is not None
        reported = writer.stdout.readline()
        select.select([], [], [], delay_s)
        writer.kill()
        reported += writer.stdout.read()
    lines = reported.splitlines(keepends=True)
    assert lines, "the writer ended before its first save"
    return int(next(line for line in reversed(lines) if line.endswith("\n")))


def kill_repeatedly(path: Path, count: int, rng: random.Random) -> tuple[int, int]:
    """Kill writers of one database and look at it after each; how many left an unfinished write, and how many events there are."""
    number, unfinished = 1, 0
    for repetition in range(count):
        saved = kill_once(path, number, rng.uniform(0, LONGEST_S))
        unfinished += path.with_name(path.name + "-journal").exists()
        with Reader(path) as reader:
            newest = reader.events(limit=1)[0]
            stats = reader.stats()
        # One batch may have been committed without its report; nothing else may be there.
        there = int(newest.event_id.removeprefix("t1-"))
        assert there in {saved, saved + BATCH}, repetition
        assert stats.traces == stats.events == stats.outbox == newest.seq == there, repetition
        number = there + 1
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*) FROM events JOIN outbox USING (seq)").fetchone() == (number - 1,)
    with Writer(path, max_mb=64, boot_id="boot") as writer:
        assert writer.notice == ""
    return unfinished, number - 1


def test_kills_lose_nothing_that_was_saved(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    results = []
    for start in range(0, COUNT, KILLS_A_DATABASE):
        count = min(KILLS_A_DATABASE, COUNT - start)
        results.append(kill_repeatedly(tmp_path / f"history-{start}.db", count, rng))
    unfinished, events = (sum(column) for column in zip(*results, strict=True))
    print(f"{COUNT} kills, {unfinished} of them left an unfinished write, {events} events kept (seed {seed})")
