"""The store thread killed at random moments: `python -m storelab.kills FOLDER COUNT SEED`."""

import random
import shutil
import sys
from pathlib import Path

from storelab.ends import LIVES_A_HISTORY, end_one, forget, left
from storelab.ledger import ALL, Ledger
from storelab.life import prepare

_LONGEST_S = 0.1  # some ten transactions


def main() -> None:
    """Kill, compare, and say what there was."""
    folder, count, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(sys.argv[3])
    base, path = folder / "base.db", folder / "history.db"
    first = prepare(base)
    unfinished = spooled = events = 0
    for start in range(0, count, LIVES_A_HISTORY):
        shutil.copy(base, path)
        ledger = Ledger(first, cut=False)
        for _ in range(start, min(start + LIVES_A_HISTORY, count)):
            ledger.heard(end_one(path, rng, _LONGEST_S))
            journal, samples = left(path)
            unfinished += journal
            spooled += samples
            ledger.check(path)
            ledger.resume(path)
        events += ledger.check(path, ALL)
        forget(path)
    print(f"{count} kills, {unfinished} of them left an unfinished write, {spooled} a samples file; {events} events kept")


if __name__ == "__main__":
    main()
