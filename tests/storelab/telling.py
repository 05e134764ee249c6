"""An agent that tells and can be killed: `python -m storelab.telling DATABASE STEPS`.

What happens at a step follows from its number alone, and so do the random bytes of the event ids, so an agent that was never killed
tells the same. Each step is saved by itself; after its save has returned its number is printed. Without DATABASE (`story`) the same in
memory.
"""

import hashlib
import random
import sys
from dataclasses import replace
from pathlib import Path

from equipment.changes import HOUR, MINUTE, START_AT, attribute, back, change, lost, moved, route
from equipment.fakes import make_target
from pathwarden.daemon.telling import Teller
from pathwarden.model.change import Change, ChangeKind
from pathwarden.model.history import Event, Record, StoredIncident
from pathwarden.store import opening
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import trace

TIDS = ("t1", "t2", "t3")
MAX_MB = 64
_WORLD = 20261121  # the seed of the story itself; only the moments of the kills are drawn anew


class Steps:
    """Makes the records of one step after the other; `number` is the last step made, and is what a step's bytes follow from."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self._taken = 0
        self.teller = Teller("home-rt", [make_target(tid) for tid in TIDS], self._entropy, lambda tid: route("B", target=tid))

    def next(self) -> Record:
        """The record of the next step: a trace with the changes it found, or time that passed."""
        self.number += 1
        self._taken = 0
        rng = random.Random(f"{_WORLD}-{self.number}")
        at = START_AT + self.number * 2 * MINUTE
        tid = rng.choice(TIDS)
        if rng.random() < 0.1:
            told = self.teller.tick(at, True)
            return told.record(None, None, "")
        if rng.random() < 0.02:
            self.teller.mute(tid, at, at + HOUR)
        seen = trace(tid, number=self.number)
        told = self.teller.tell(tid, _changes(rng, at, tid), seen, at)
        return told.record(replace(seen, at=at), None, f'{{"step":{self.number}}}')

    def _entropy(self, count: int, /) -> bytes:
        self._taken += 1
        return hashlib.sha256(f"{self.number}-{self._taken}".encode()).digest()[:count]


def _changes(rng: random.Random, at: int, tid: str) -> tuple[Change, ...]:
    """What a trace found: mostly nothing in quiet times, much in wild ones."""
    quiet = (at - START_AT) // (3 * HOUR) % 2
    if rng.random() > (0.2 if quiet else 0.9):
        return ()
    old, new = rng.sample("ABC", 2)
    kinds = (
        moved(old, new, at, target=tid),
        lost(at),
        back(at),
        attribute("nat", at),
        change(ChangeKind.LATENCY_SHIFT, at=at, first_ttl=0, classes=("latency",), delta_ms=30.0),
    )
    return tuple(rng.choices(kinds, weights=(6, 2, 2, 1, 1), k=rng.choice((1, 1, 2))))


def story(steps: int) -> tuple[list[Event], dict[str, StoredIncident], dict[str, str]]:
    """What an agent that is never killed has told after so many steps: events in their order, incidents and states."""
    made, told = Steps(), []
    incidents: dict[str, StoredIncident] = {}
    telling: dict[str, str] = {}
    for _ in range(steps):
        record = made.next()
        told += record.events
        incidents |= {incident.incident_id: incident for incident in record.incidents}
        telling |= record.telling
    return told, incidents, telling


def resumed(path: Path) -> Steps:
    """An agent that goes on from a history; the history knows the step by a note that each save leaves."""
    with Reader(path) as reader:
        telling, numbers = reader.tellings(), reader.change_numbers()
    steps = Steps(int(telling.get("step", 0)))
    steps.teller.restore(telling, numbers)
    return steps


def main() -> None:
    """Tell until killed, or for so many steps."""
    path, most = Path(sys.argv[1]), int(sys.argv[2])
    opening.CACHE_KIB = 8
    with Writer(path, max_mb=MAX_MB, boot_id="boot") as writer:
        if writer.notice:
            raise SystemExit(writer.notice)
        steps = resumed(path)
        while steps.number < most:
            record = steps.next()
            writer.save([replace(record, telling={**record.telling, "step": str(steps.number)})])
            print(steps.number, flush=True)


if __name__ == "__main__":
    main()
