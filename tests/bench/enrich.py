"""`python -m bench.enrich`: what it costs to know whose a responder is, and to draw it: time, memory beside a database of 60 MB.

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
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from bench.figures import Row, markdown, table
from bench.report import described, machine, write_table
from equipment import towns
from equipment.mmdb import Names, asn, city, write
from pathwarden.cli.drawing import graphviz
from pathwarden.enrich.databases import Databases
from pathwarden.enrich.enricher import Enricher
from pathwarden.enrich.table import make
from pathwarden.picture import map_svg
from pathwarden.picture.graph import Outcome, Way, graph
from pathwarden.picture.map_places import atlas, course_of
from pathwarden.picture.svg import svg

SEED = 8866
PREFIXES = 6000
SIZE = 60_000_000
LOOKUPS = 2000
RESPONDERS = 500  # of 40 targets; figures of memory are for so many
TABLE = 1_000_000
TARGETS, HOPS = 60, 15
RUNS = 5
CACHED_US, LOOKUP_US, MEMORY_MB, GRAPH_S = 5.0, 100.0, 3.0, 1.0
MARKERS = ("<!-- figures: make bench-enrich WRITE=1 -->", "<!-- end of the figures of networks and pictures -->")

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
    names = Names(), Names()
    networks = {f"{place}/24": names[0].pointed(asn(64_500 + number, f"EXAMPLE-{number}")) for number, place in enumerate(places)}
    cities = {
        f"{place}/24": names[1].pointed(city("NL", f"City {number}", 52.0, 4.0 + number / 1e4)) for number, place in enumerate(places)
    }
    cities_path = write(folder / "city.mmdb", cities, bits=28, head=names[1].head)
    write(cities_path, cities, bits=28, head=names[1].head, padding=SIZE - cities_path.stat().st_size)
    return [write(folder / "asn.mmdb", networks, head=names[0].head), cities_path]


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


def conversion(folder: Path, dice: random.Random) -> tuple[float, float, tuple[float, ...]]:
    """A table as large as the Internet's: processor time in s, size in MB, time of look-ups in us."""
    with (folder / "table.dat").open("w") as file:
        for number in range(TABLE):
            file.write(f"{IPv4Address((number << 11) + (1 << 24))}/{dice.choice((21, 22, 23, 24, 24, 24))}\t{dice.randint(1, 75_000)}\n")
    begun = time.process_time()
    made = make(folder / "table.dat", folder / "table.mmdb")
    took_s = time.process_time() - begun
    found = [IPv4Address((dice.randrange(TABLE) << 11) + (1 << 24)) for _ in range(LOOKUPS)]
    return took_s, made.path.stat().st_size / 1e6, tuple(lookup_us(made.path, found) for _ in range(RUNS))


def ways(dice: random.Random) -> list[Way]:
    """To so many targets over so many hops: they share the first ones, part and meet again, and a tenth is silent."""
    found = []
    for number in range(TARGETS):
        hops = [(f"10.0.{ttl}.{dice.randrange(1 + min(ttl, HOPS - ttl) * 3)}",) if dice.random() < 0.9 else () for ttl in range(HOPS - 1)]
        rtts = {address: 2.0 * ttl for ttl, hop in enumerate(hops) for address in hop}
        found.append(Way((f"t{number}",), "udp", f"203.0.113.{number}", tuple(hops), Outcome.ANSWERS, rtts))
    return found


def pictures(folder: Path, dice: random.Random) -> list[Row]:
    """The graph by our own layout and by dot, where that is installed, and the map. dot is another process: its time is the clock's."""
    several = ways(dice)
    what = f"{TARGETS} targets of {HOPS} hops"
    own = tuple(_cpu_s(lambda: svg(graph(several))) for _ in range(RUNS))
    rows = [Row(f"the graph of {what}, CPU, s", "s", own, most=GRAPH_S)]
    if graphviz.installed():
        begun = time.monotonic()
        svg(graph(several), by=graphviz.arrange)
        rows.append(Row("the same laid out by Graphviz' dot, s", "s", (time.monotonic() - begun,)))
    enricher = Enricher([towns.database(folder)], None)
    courses = [course_of(each.target, each) for each in towns.many(TARGETS)]
    drawn = tuple(_cpu_s(lambda: map_svg.svg(atlas(courses, enricher.now))) for _ in range(RUNS))
    enricher.close()
    return [*rows, Row(f"the map of {TARGETS} targets, CPU, s", "s", drawn)]


def _cpu_s(draw: Callable[[], str]) -> float:
    begun = time.process_time()
    draw()
    return time.process_time() - begun


def measured() -> dict[str, list[Row]]:
    """All rows."""
    dice = random.Random(SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = addresses(dice)
        paths = databases(folder, places)
        cached = [cached_us(paths, places) for _ in range(RUNS)]
        read = [tuple(lookup_us(path, places) for _ in range(RUNS)) for path in paths]
        grown = [memory_mb(folder, paths, places) for _ in range(RUNS)]
        table_s, table_mb, table_us = conversion(folder, dice)
        drawn = pictures(folder, dice)
    networks = [
        Row("remembered, for the prober, us", "us", tuple(of for of, _ in cached), most=CACHED_US),
        Row("remembered, for other threads, us", "us", tuple(now for _, now in cached), most=CACHED_US),
        Row("read in a database of networks, us", "us", read[0], most=LOOKUP_US),
        Row("read in one of places, 60 MB, us", "us", read[1], most=LOOKUP_US),
        Row("read in a table of a million prefixes, us", "us", table_us, most=LOOKUP_US),
        Row(f"memory with {RESPONDERS} responders, MB", "MB", tuple(rss for rss, _ in grown), most=MEMORY_MB),
        Row("of that, the process's own, MB", "MB", tuple(own for _, own in grown)),
        Row("making a database of that table, CPU, s", "s", (table_s,)),
        Row("its size, MB", "MB", (table_mb,)),
    ]
    return {"whose a responder is": networks, "pictures": drawn}


def main() -> int:
    """Measure and print; exit code 1 if a figure is not met."""
    parser = argparse.ArgumentParser(prog="make bench-enrich", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="put the figures into FIGURES.md")
    args = parser.parse_args()
    on = machine()
    groups = measured()
    rows = [row for each in groups.values() for row in each]
    if args.json:
        print(json.dumps({"machine": on, "rows": [row.json() for row in rows]}, indent=1))
    else:
        print(described(on), *(table(title, each) for title, each in groups.items()), sep="\n")
    if args.write:
        write_table("FIGURES.md", f"{described(on)}.", markdown(groups, all_rows=True), MARKERS)
    return 0 if all(row.met is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
