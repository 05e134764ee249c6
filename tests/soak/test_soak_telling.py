"""An agent killed again and again while it tells: no event is lost, doubled or out of order, and folding goes on as if nothing had been.

PATHWARDEN_SOAK_SHARE is the share of the full count to run: 0.05 unless given, 1 for the whole campaign.
"""

import os
import random
import select
import subprocess
import sys
from pathlib import Path

from pathwarden.store.reader import Reader
from storelab.telling import story

FULL_COUNT = 200
COUNT = max(1, round(FULL_COUNT * float(os.environ.get("PATHWARDEN_SOAK_SHARE") or 0.05)))
KILLS_A_DATABASE = 20  # the incidents of some hundred steps, of which the history keeps as many
MOST_SAVES = 12  # in one life
LONGEST_S = 0.15  # from the report of the last of them to the kill: two saves
MOST_STEPS = 10**9
SEARCHED = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))


def kill_once(path: Path, saves: int, delay_s: float) -> int:
    """Start an agent, kill it a while after so many saves; the last step whose save returned."""
    command = [sys.executable, "-m", "storelab.telling", str(path), str(MOST_STEPS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": SEARCHED}) as agent:
        assert agent.stdout is not None
        reported = "".join(agent.stdout.readline() for _ in range(saves))
        select.select([], [], [], delay_s)
        agent.kill()
        reported += agent.stdout.read()
    lines = reported.splitlines(keepends=True)
    assert lines, "the agent ended before its first save"
    return int(next(line for line in reversed(lines) if line.endswith("\n")))


def kill_repeatedly(path: Path, count: int, rng: random.Random) -> tuple[int, int, int]:
    """Kill agents of one history and compare it after each with one that was never killed: unfinished writes, events, incidents."""
    unfinished = 0
    for repetition in range(count):
        saved = kill_once(path, rng.randint(1, MOST_SAVES), rng.uniform(0, LONGEST_S))
        unfinished += path.with_name(path.name + "-journal").exists()
        with Reader(path) as reader:
            telling = reader.tellings()
            events = reader.events(since_seq=0, limit=10**6)
            waiting = [row.event_id for row in reader.outbox(0, 10**6)]
            incidents = reader.incidents(10**6)
        # One step may have been saved without its report; nothing else may be there.
        step = int(telling.pop("step"))
        assert step in {saved, saved + 1}, repetition
        told, folded, states = story(step)
        assert [event.event_id for event in events] == [event.event_id for event in told], repetition
        assert [event.body for event in events] == [{**event.body, "seq": seq, "note": None} for seq, event in enumerate(told, start=1)]
        assert waiting == [event.event_id for event in told]
        assert telling == states, repetition
        assert {each.incident_id: each for each in incidents} == dict(list(folded.items())[-len(incidents) :])
    return unfinished, len(events), len(folded)


def test_kills_lose_no_event_and_leave_folding_as_it_was(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    results = []
    for start in range(0, COUNT, KILLS_A_DATABASE):
        count = min(KILLS_A_DATABASE, COUNT - start)
        results.append(kill_repeatedly(tmp_path / f"history-{start}.db", count, rng))
    unfinished, events, incidents = (sum(column) for column in zip(*results, strict=True))
    assert events >= COUNT / 2  # of a dozen steps of one life, half a dozen bring something in wild times
    print(f"{COUNT} kills, {unfinished} of them left an unfinished write, {events} events and {incidents} incidents kept (seed {seed})")
