"""A writer to be killed: `python -m storelab.killed DATABASE FIRST`.

Saves batch after batch, each of BATCH traces with one event each, numbered from FIRST, and prints the last number of a batch as
soon as `save` has returned. A small cache makes SQLite write to the file long before the commit, so that many kills leave a journal.
"""

import sys
from pathlib import Path

from pathwarden.store import opening
from pathwarden.store.writer import Writer
from storelab.values import event, record

BATCH = 20
_BODY = {"text": "x" * 3000}


def main() -> None:
    """Write until killed."""
    path, number = Path(sys.argv[1]), int(sys.argv[2])
    opening.CACHE_KIB = 8
    with Writer(path, max_mb=64, boot_id="boot") as writer:
        if writer.notice:
            raise SystemExit(writer.notice)
        while True:
            numbers = range(number, number + BATCH)
            writer.save([record(number=n, middle=f"10.1.{n % 50}.1", events=(event(change_no=n, body=_BODY),)) for n in numbers])
            number += BATCH
            print(number - 1, flush=True)


if __name__ == "__main__":
    main()
