"""The store thread killed at random moments: `python -m storelab.kills FOLDER COUNT SEED`."""

import random
import shutil
import sys
from pathlib import Path

from storelab.ends import LIVES_A_HISTORY, end_one
from storelab.ledger import ALL, Ledger
from storelab.life import live_dir, prepare

_LONGEST_S = 0.1  # some ten transactions


def main() -> None:
    """Kill, compare, and say what there was."""
    folder, count, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(sys.argv[3])
    base, path = folder / "base.db", folder / "history.db"
    first = prepare(base)
    unfinished = events = 0
    for start in range(0, count, LIVES_A_HISTORY):
        shutil.copy(base, path)
        ledger = Ledger(first, cut=False)
        for _ in range(start, min(start + LIVES_A_HISTORY, count)):
            ledger.heard(end_one(path, rng, _LONGEST_S))
            unfinished += path.with_name(path.name + "-journal").exists()
            ledger.check(path)
            ledger.resume(path)
        events += ledger.check(path, ALL)
        path.unlink()
        shutil.rmtree(live_dir(path))
    print(f"{count} kills, {unfinished} of them left an unfinished write, {events} events kept")


if __name__ == "__main__":
    main()
