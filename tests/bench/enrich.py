"""`python -m bench.enrich`: what it costs to know whose a responder is: time, memory beside a database of 60 MB, a table's conversion.

The databases are written here, as large and as deep as those that are offered: places with names in eight languages. Time is the
processor's. Memory is what a process that has loaded the daemon's code has more (resident, file pages too) and, of that, what is its own.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from ipaddress import IPv4Address
from pathlib import Path

from bench.figures import Row, table
from equipment.mmdb import asn, city, write
from pathwarden.enrich.databases import Databases
from pathwarden.enrich.enricher import Enricher
from pathwarden.enrich.table import make

SEED = 8866
PREFIXES = 6000
SIZE = 60_000_000
LOOKUPS = 2000
RESPONDERS = 500  # of 40 targets; figures of memory are for so many
TABLE = 1_000_000
CACHED_US, LOOKUP_US, MEMORY_MB = 5.0, 100.0, 3.0

# A process with the daemon's code: its memory before and after the look-ups, in kB: resident, and of that its own.
MEMORY = """
import sys
from pathlib import Path
from ipaddress import IPv4Address
def memory():
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return [int(lines[name].split()[0]) for name in ("VmRSS", "RssAnon")]
import pathwarden.daemon.runtime
before = memory()
from pathwarden.enrich.enricher import open_enricher
enricher = open_enricher(map(Path, sys.argv[2:]), lookups=False)
known = 0
for line in Path(sys.argv[1]).read_text().split():
    known += enricher.now(line).asn is not None
print(known, *before, *memory())
"""


def addresses(dice: random.Random) -> list[IPv4Address]:
    """The first address of each prefix."""
    return [IPv4Address((dice.randrange(11, 100) << 24) + (number << 10)) for number in range(PREFIXES)]


def databases(folder: Path, places: list[IPv4Address]) -> list[Path]:
    """One of networks, one of places with 60 MB."""
    networks = {f"{place}/24": asn(64_500 + number, f"EXAMPLE-{number}") for number, place in enumerate(places)}
    cities = {f"{place}/24": city("NL", f"City {number}", 52.0, 4.0 + number / 1e4) for number, place in enumerate(places)}
    cities_path = write(folder / "city.mmdb", cities, bits=28)
    write(cities_path, cities, bits=28, padding=SIZE - cities_path.stat().st_size)
    return [write(folder / "asn.mmdb", networks), cities_path]


def lookup_us(path: Path, places: list[IPv4Address]) -> float:
    """Processor time of one look-up in one database."""
    files = Databases([path])
    numbers = [int(place) + 5 for place in places[:LOOKUPS]]
    begun = time.process_time()
    for number in numbers:
        if not files.get(4, number).sources:
            raise SystemExit("an address was not found")
    return (time.process_time() - begun) / len(numbers) * 1e6


def cached_us(paths: list[Path], places: list[IPv4Address]) -> tuple[float, float]:
    """Processor time of `of` and `now` for a responder that is remembered."""
    enricher = Enricher(paths, None)
    texts = [str(place) for place in places[:LOOKUPS]]
    for text in texts:
        enricher.now(text)
    figures = []
    for ask in (enricher.of, enricher.now):
        begun = time.process_time()
        for _ in range(20):
            for text in texts:
                ask(text)
        figures.append((time.process_time() - begun) / len(texts) / 20 * 1e6)
    enricher.close()
    return figures[0], figures[1]


def memory_mb(folder: Path, paths: list[Path], places: list[IPv4Address]) -> tuple[float, float]:
    """What a fresh process has more after its look-ups: resident, and its own."""
    (folder / "addresses").write_text("\n".join(map(str, places[:RESPONDERS])))
    command = [sys.executable, "-c", MEMORY, str(folder / "addresses"), *map(str, paths)]
    known, rss, own, rss_after, own_after = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    if known != RESPONDERS:
        raise SystemExit(f"{known} of {RESPONDERS} addresses were found")
    return (rss_after - rss) / 1000, (own_after - own) / 1000


def conversion(folder: Path, dice: random.Random) -> tuple[float, float, float]:
    """A table as large as the Internet's: processor time in s, size in MB, time of a look-up in us."""
    with (folder / "table.dat").open("w") as file:
        for number in range(TABLE):
            file.write(f"{IPv4Address((number << 11) + (1 << 24))}/{dice.choice((21, 22, 23, 24, 24, 24))}\t{dice.randint(1, 75_000)}\n")
    begun = time.process_time()
    made = make(folder / "table.dat", folder / "table.mmdb")
    took_s = time.process_time() - begun
    found = [IPv4Address((dice.randrange(TABLE) << 11) + (1 << 24)) for _ in range(LOOKUPS)]
    return took_s, made.path.stat().st_size / 1e6, lookup_us(made.path, found)


def main() -> int:
    """Measure and print; exit code 1 if a figure is not met."""
    parser = argparse.ArgumentParser(prog="python -m bench.enrich", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    dice = random.Random(SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = addresses(dice)
        paths = databases(folder, places)
        of_us, now_us = cached_us(paths, places)
        networks_us, cities_us = (min(lookup_us(path, places) for _ in range(3)) for path in paths)
        rss_mb, own_mb = memory_mb(folder, paths, places)
        table_s, table_mb, table_us = conversion(folder, dice)
    figures = {
        "cached_of_us": of_us, "cached_now_us": now_us, "networks_us": networks_us, "places_us": cities_us, "rss_mb": rss_mb,
        "own_mb": own_mb, "table_s": table_s, "table_mb": table_mb, "table_us": table_us,
    }  # fmt: skip
    met = max(of_us, now_us) <= CACHED_US and max(networks_us, cities_us, table_us) <= LOOKUP_US and rss_mb <= MEMORY_MB
    if args.json:
        print(json.dumps({key: round(value, 2) for key, value in figures.items()} | {"met": met}))
        return 0 if met else 1
    rows = [
        Row("remembered, for the prober", "us", (of_us,), most=CACHED_US),
        Row("remembered, for other threads", "us", (now_us,), most=CACHED_US),
        Row("read in a database of networks", "us", (networks_us,), most=LOOKUP_US),
        Row("read in one of places, 60 MB", "us", (cities_us,), most=LOOKUP_US),
        Row("read in a table of a million prefixes", "us", (table_us,), most=LOOKUP_US),
        Row(f"memory with {RESPONDERS} responders", "MB", (rss_mb,), most=MEMORY_MB),
        Row("of that, the process's own", "MB", (own_mb,)),
        Row("making a database of that table", "s", (table_s,)),
        Row("its size", "MB", (table_mb,)),
    ]
    print(table("whose a responder is", rows))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
