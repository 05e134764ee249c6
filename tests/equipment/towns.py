"""Ways over the Earth: towns with their positions, a database of places that has them, and traces that light could follow."""

from dataclasses import replace
from pathlib import Path
from random import Random

from equipment.fakes import NOW, hop, make_trace
from equipment.mmdb import city, write
from pathwarden.model.trace import Trace
from pathwarden.picture.map_sphere import LIGHT_KM_PER_MS, Point, distance_km

TOWNS = {
    "Berlin": ("DE", 52.52, 13.41), "Frankfurt": ("DE", 50.11, 8.68), "Amsterdam": ("NL", 52.37, 4.90), "London": ("GB", 51.51, -0.13),
    "Paris": ("FR", 48.86, 2.35), "Marseille": ("FR", 43.30, 5.37), "Madrid": ("ES", 40.42, -3.70), "Milan": ("IT", 45.46, 9.19),
    "Vienna": ("AT", 48.21, 16.37), "Warsaw": ("PL", 52.23, 21.01), "Stockholm": ("SE", 59.33, 18.07), "Helsinki": ("FI", 60.17, 24.94),
    "Zürich": ("CH", 47.37, 8.54), "Düsseldorf": ("DE", 51.23, 6.77), "Hamburg": ("DE", 53.55, 9.99), "Munich": ("DE", 48.14, 11.58),
    "New York": ("US", 40.71, -74.01), "Ashburn": ("US", 39.04, -77.49), "Chicago": ("US", 41.88, -87.63), "Dallas": ("US", 32.78, -96.80),
    "San Jose": ("US", 37.34, -121.89), "Seattle": ("US", 47.61, -122.33), "São Paulo": ("BR", -23.55, -46.63), "Lagos": ("NG", 6.52, 3.38),
    "Johannesburg": ("ZA", -26.20, 28.05), "Dubai": ("AE", 25.20, 55.27), "Mumbai": ("IN", 19.08, 72.88), "Singapore": ("SG", 1.35, 103.82),
    "Hong Kong": ("HK", 22.32, 114.17), "東京": ("JP", 35.68, 139.69), "Sydney": ("AU", -33.87, 151.21), "Auckland": ("NZ", -36.85, 174.76),
}  # fmt: skip
NAMES = tuple(TOWNS)
SOURCE = "5.0.0.1"
_HUBS = {"DE": "Frankfurt", "NL": "Amsterdam", "GB": "London", "US": "New York", "BR": "Ashburn", "AU": "Singapore", "NZ": "Sydney"}


def point(name: str) -> Point:
    return Point(*TOWNS[name][1:])


def address(name: str, host: int = 1) -> str:
    """An address of a town."""
    return f"5.{NAMES.index(name)}.0.{host}"


def database(folder: Path) -> Path:
    """Knows every address of the towns."""
    return write(
        folder / "places.mmdb",
        {f"5.{number}.0.0/16": city(country, name, lat, lon) for number, (name, (country, lat, lon)) in enumerate(TOWNS.items())},
    )


def trace(target: str, *stops: str, source: str = SOURCE, at: int = NOW) -> Trace:
    """A trace over such stops: `Berlin` or `Berlin/7` (a host there), `*` a silent hop, `192.168.1.1` an address as it is.

    `=3` behind it is its RTT in ms. Without one, that is 1.4 times what light needs, and 1 ms.
    """
    hops, km, last = [], 0.0, point(NAMES[0])
    for ttl, stop in enumerate(stops, 1):
        if stop == "*":
            hops.append(hop(ttl, None, None, None))
            continue
        where, _, rtt = stop.partition("=")
        name, _, host = where.partition("/")
        if name in TOWNS:
            km, last = km + distance_km(last, point(name)), point(name)
        ms = float(rtt) if rtt else 1 + 0.2 * ttl + 1.4 * 2 * km / LIGHT_KM_PER_MS
        hops.append(hop(ttl, address(name, int(host or 1)) if name in TOWNS else where, round(ms + 0.4, 3), round(ms, 3)))
    made = make_trace(*hops, target=target, at=at)
    return replace(made, flow=made.flow._replace(src=source))


def many(count: int, seed: int = 7) -> list[Trace]:
    """As many traces from the first town, through hubs to all of them, with silent hops and addresses in no database."""
    chance = Random(seed)
    found = []
    for number in range(count):
        end = NAMES[(number * 5 + 2) % len(NAMES)]
        hub = _HUBS.get(TOWNS[end][0], chance.choice(("Frankfurt", "Amsterdam", "London", "Marseille")))
        between = [name for name in ("Frankfurt", hub) if name != end]
        hosts = [f"{name}/{chance.randrange(2, 6)}" for name in dict.fromkeys(between)]
        gap = ["*"] if chance.random() < 0.3 else [f"198.51.100.{number % 250 + 1}"] if chance.random() < 0.3 else []
        found.append(trace(f"t{number}", "192.168.1.1", "Berlin/2", *hosts, *gap, f"{end}/{10 + number}"))
    return found
