"""`python -m bench.store`: what the history costs: bytes on disk and to the flash, time to write and to read, memory to read.

A year of 20 targets every 5 minutes goes through the real writer as fast as it goes, in virtual time: the writer takes its instants from
the records, and samples are flushed as often as the agent would. Then the page's requests are made of it, as a browser makes them.
"""

import argparse
import gc
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import NamedTuple, TypeVar
from urllib.parse import urlencode

from bench import flash
from bench.figures import Row, markdown, table
from bench.report import described, machine, write_table
from bench.year import DAY_S, HOPS, INTERVAL_S, SECOND, START_AT, Year, tid_of
from equipment.fakes import FakeAgent, FakeClock, make_settings
from equipment.web import Client
from pathwarden.api.app import make_app
from pathwarden.present.instants import rfc3339
from pathwarden.store import budget, writer
from pathwarden.store.reader import Reader
from pathwarden.store.retention import RAW_DAYS
from pathwarden.store.writer import Writer

TARGETS, QUERIES, MAX_MB, FLUSH_S = 20, 3, 16, 900  # the defaults; written out, so that a change of them changes no figure
ROOMY_MB = 4000  # no ceiling
MOST_BYTES = 60.0  # a trace, with one answer a hop
MOST_YEAR_MB = 15.0
MOST_DAY_MB = 2.0
FLASH_WORLDS = 3  # of one there may be twice the events of another, and each costs its write
MOST_PAGE_MS = 50.0
MOST_ROUND_MS = 5.0
MOST_READER_MB = 5.0
ASKED = 40  # times each request is made, of targets and instants that are drawn
MARKERS = ("<!-- figures: make bench-store WRITE=1 -->", "<!-- end of the history's figures -->")


_T = TypeVar("_T")


class Spent(NamedTuple):
    """How long something took each time; CPU is what it would have taken if nobody else had used the machine, but for waits for a disk."""

    wall_ms: list[float]
    cpu_ms: list[float]

    def rows(self, name: str, most: float | None = None) -> list[Row]:
        """Both, with their target."""
        if not self.wall_ms:
            return []
        return [Row(name, "ms", tuple(self.wall_ms), most=most), Row(f"{name}: CPU", "ms", tuple(self.cpu_ms), most=most)]


class Built(NamedTuple):
    """A history that was built: how large it became, and how long what took."""

    path: Path
    size: int
    traces: int
    events: int
    took_s: float
    saves: Spent  # of rounds without an event
    urgent: Spent  # of rounds with one
    flushes: Spent


def build(path: Path, live: Path, seed: int, days: float, queries: int, max_mb: int) -> Built:
    """Write so many days of records round by round."""
    year = Year(seed, TARGETS, queries)
    writer.time = budget.time = SimpleNamespace(monotonic=lambda: year.now_s)  # type: ignore[assignment] - all that they use of it
    saves, urgent, flushes = Spent([], []), Spent([], []), Spent([], [])
    events, begun = 0, time.monotonic()
    with Writer(path, max_mb=max_mb, boot_id="boot", live_dir=live) as history:
        history.sends = False
        for number, records in enumerate(year.run(days), start=1):
            told = sum(len(record.events) for record in records)
            events += told
            _timed(urgent if told else saves, lambda records=records: history.save(records))  # type: ignore[misc] - called at once
            if number * INTERVAL_S % FLUSH_S == 0:
                _timed(flushes, history.flush)
            if number % (DAY_S // INTERVAL_S) == 0:
                day = number * INTERVAL_S // DAY_S
                _say(f"{path.stem}, day {day} of {days:g}: {path.stat().st_size / 1e6:.2f} MB", often=day % 30 != 0)
    return Built(path, path.stat().st_size, year.traces, events, time.monotonic() - begun, saves, urgent, flushes)


def _timed(spent: Spent, what: Callable[[], _T]) -> _T:
    wall, cpu = time.perf_counter(), time.process_time()
    got = what()
    spent.cpu_ms.append(1000 * (time.process_time() - cpu))
    spent.wall_ms.append(1000 * (time.perf_counter() - wall))
    return got


def requests(tids: list[str], days: float, reader: Reader, dice: Random) -> Iterator[tuple[str, str, str]]:
    """Each kind of request of the page with values that are drawn: what it is, path and query."""
    end = START_AT + round(days * DAY_S) * SECOND
    api = "/api/v1"

    def span(length_days: float) -> str:
        last = end - round(dice.random() * max(days - length_days, 0) * DAY_S) * SECOND
        return urlencode({"from": rfc3339(last - round(length_days * DAY_S) * SECOND), "to": rfc3339(last), "points": 600})

    def drawn_at() -> str:
        return rfc3339(end - round(dice.random() * min(days, RAW_DAYS) * DAY_S) * SECOND)

    tid = f"{api}/targets/{dice.choice(tids)}"
    latest = reader.latest(dice.choice(tids))
    routes = reader.routes(dice.choice(tids))
    newest = next(iter(reader.events(limit=1)), None)
    yield "overview", f"{api}/summary", ""
    yield "target", tid, ""
    for name, length_days in (("a day", 1), ("a week", 7), ("a month", 30), ("the year", days)):
        yield f"series of {name}", f"{tid}/series", span(length_days)
    yield "traces, newest", f"{tid}/traces", "limit=50"
    yield "traces, a span of old", f"{tid}/traces", urlencode({"to": drawn_at(), "limit": 200})
    if latest is not None:
        yield "trace", f"{api}/traces/{latest.trace_id}", ""
        yield "trace at an instant", f"{tid}/trace-at", urlencode({"at": drawn_at()})
    yield "paths", f"{tid}/paths", ""
    if routes:
        yield "path", f"{api}/paths/{dice.choice(routes).route_id}", ""
    yield "changes, newest", f"{api}/changes", "limit=50"
    yield "changes of a target", f"{api}/changes", urlencode({"target": dice.choice(tids), "limit": 200})
    if newest is not None:
        yield "changes, old", f"{api}/changes", urlencode({"before_seq": dice.randint(1, newest.seq) + 1, "limit": 200})
    yield "incidents", f"{api}/incidents", ""


def client(reader: Reader, tids: list[str], days: float) -> Client:
    """The page's server, at the end of the year, without sockets."""
    clock = FakeClock(START_AT + round(days * DAY_S) * SECOND)
    return Client(make_app(FakeAgent(tids), reader, make_settings(tids), clock))


def ask(path: Path, seed: int, days: float, times: int) -> dict[str, Spent]:
    """Make each kind of request so often; how long each took, in ms."""
    dice, tids = Random(seed), [tid_of(number) for number in range(TARGETS)]
    took: dict[str, Spent] = {}
    with Reader(path) as reader:
        for _ in range(times):
            page = client(reader, tids, days)  # a new one: it would know the overview
            for name, where, query in requests(tids, days, reader, dice):
                got = _timed(took.setdefault(name, Spent([], [])), lambda page=page, where=where, query=query: page.get(where, query))
                if got.status not in {200, 404}:
                    raise RuntimeError(f"{where}?{query}: {got.status} {got.body[:200]!r}")
    return took


def memory(path: Path, seed: int, days: float) -> None:
    """Print how many bytes this process grows by at most while every request is made, once it has made them of an empty history."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "history.db"
        # In a process of its own: the memory that building leaves behind would serve reading, or not yet.
        building = get_context("spawn").Process(target=build, args=(small, Path(folder) / "live", seed, 0.05, 1, ROOMY_MB))
        building.start()
        building.join()
        ask(small, seed, 0.05, 1)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak starts anew
    before = _peak_kb()
    ask(path, seed, days, 3)
    print((_peak_kb() - before) * 1024)


def _peak_kb() -> int:
    return int(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-store", description="Size, writes, times and memory of the history.")
    parser.add_argument("--days", type=float, default=365, help="length of the year (default: 365)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="put the rows that have a target into FIGURES.md")
    parser.add_argument("--memory", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory is not None:
        memory(args.memory, args.seed, args.days)
        return
    begun, on = time.monotonic(), machine()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir="/dev/shm") as live:
        groups = _groups(Path(folder), Path(live), args.seed, args.days)
    if args.json:
        rows = [row.json() | {"group": title} for title, each in groups.items() for row in each]
        print(json.dumps({"machine": on, "seed": args.seed, "days": args.days, "rows": rows}, indent=1))
    else:
        print(f"{described(on)}; seed {args.seed}", *(table(title, each) for title, each in groups.items()), sep="\n")
        print(f"\n{time.monotonic() - begun:.0f} s")
    if args.write:
        write_table("FIGURES.md", f"{args.days:g} days, seed {args.seed}. {described(on)}.", markdown(groups), MARKERS)


def _groups(folder: Path, live: Path, seed: int, days: float) -> dict[str, list[Row]]:
    _say("what a day writes to the flash")
    worlds = [flash.measure(seed + number) for number in range(FLASH_WORLDS)]
    raw = build(folder / "raw.db", live, seed, min(days, RAW_DAYS), 1, ROOMY_MB)
    year = build(folder / "year.db", live, seed, days, QUERIES, MAX_MB)
    _say("requests of the page")
    took = ask(year.path, seed, days, ASKED)
    command = [sys.executable, "-m", "bench.store", "--memory", str(year.path), "--seed", str(seed), "--days", str(days)]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
    size = [
        Row(f"raw traces, {HOPS} hops, one answer each: bytes a trace", "B", (raw.size / raw.traces,), most=MOST_BYTES),
        Row(f"{days:g} days of {TARGETS} targets every {INTERVAL_S // 60} min, MB", "MB", (year.size / 1e6,), most=MOST_YEAR_MB),
        Row("traces in it, thousands", "1000", (year.traces / 1000,)),
        Row("events told meanwhile", "", (year.events,)),
        Row("the text of those that are kept, MB", "MB", (_events_bytes(year.path) / 1e6,)),
        Row("building it, s", "s", (year.took_s,)),
    ]
    flashed = [
        Row("by write(2), MB", "MB", tuple(day.written / 1e6 for day in worlds), most=MOST_DAY_MB),
        Row("as the agent counts it, MB", "MB", tuple(day.counted / 1e6 for day in worlds)),
        Row("pages dirtied on ext4, MB", "MB", tuple(day.dirtied / 1e6 for day in worlds)),
        Row("at the block device under ext4, its log included, MB", "MB", tuple(day.at_device / 1e6 for day in worlds)),
        Row("traces", "", tuple(day.traces for day in worlds)),
        Row("events", "", tuple(day.events for day in worlds)),
    ]
    writing = [
        *year.saves.rows("round without events", MOST_ROUND_MS),
        *year.urgent.rows("round with events"),
        *year.flushes.rows("flush of the samples"),
    ]
    asked = [row for name, spent in took.items() for row in spent.rows(name, MOST_PAGE_MS)]
    return {
        "The history's size": size,
        f"Written to flash in a day, {flash.TARGETS} targets": flashed,
        "Commit of a round, ms": writing,
        "Requests of the page, ms": asked,
        "Reading": [Row("memory that all these requests take at most, MB", "MB", (grown / 1e6,), most=MOST_READER_MB)],
    }


def _events_bytes(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT coalesce(sum(length(body)), 0) FROM events").fetchone()[0])


def _say(text: str, *, often: bool = False) -> None:
    """Tell what goes on; what comes often replaces what stood there, and a file is spared it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
    elif not often:
        sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
