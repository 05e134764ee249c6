"""Local databases together: what each file tells of an address, the first that tells a thing counting.

Rules:
1. A file that cannot be read, is none or is damaged is left out and said in one line; the others go on.
2. A file that was replaced or written anew is opened anew by the next look-up, one that was left out too.
3. Names come from strangers: what cannot be printed is replaced, and long ones are cut. A number that is no AS is none.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock

from pathwarden.enrich.mmdb import BadDatabase, Database, Metadata, Value, Want
from pathwarden.model.network import Network, Source

_WANT: Want = {
    "autonomous_system_number": None,  # GeoLite2-ASN, DB-IP
    "autonomous_system_organization": None,
    "asn": None,  # IPinfo
    "as_name": None,
    "country": {"iso_code": None},  # a text in IPinfo's
    "country_code": None,
    "city": {"names": {"en": None}},
    "location": {"latitude": None, "longitude": None, "accuracy_radius": None},
    "ixp": None,  # of tables that `pathwarden enrich update` made
}
_LAST_ASN = 2**32 - 1
_LONGEST_NAME = 64
_FARTHEST_KM = 20_038  # half around the Earth
_NS = 1_000_000_000
_Stamp = tuple[int, int, int]


class _File:
    """One database file, as it was when it was opened last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database: Database | None = None
        self.problem = ""
        self.sources: dict[str, Source] = {}  # one object of each for all addresses
        self._stamp: _Stamp | None = None
        self._seen = False

    def refresh(self) -> bool:
        """Open it if it is another one now; whether it is."""
        stamp = _stamp(self.path)
        if self._seen and stamp == self._stamp:
            return False
        self._seen, self._stamp = True, stamp
        self.drop("")
        try:
            self.database = Database(self.path)
            at = self.database.metadata.built_s * _NS
            self.sources = {gives: Source(gives, self.path.name, at) for gives in ("as", "place", "exchange")}
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror or error}"
        except BadDatabase as error:
            self.problem = f"{self.path}: {error}"
        return True

    def drop(self, problem: str) -> None:
        """Use it no more, until it changes."""
        if self.database is not None:
            self.database.close()
        self.database, self.problem = None, problem


class Databases:
    """The files, in the order in which they count. Any thread may ask."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._files = [_File(path) for path in paths]
        self._lock = Lock()
        self.renewed()

    def renewed(self) -> bool:
        """Open what is another file now; whether anything was."""
        with self._lock:
            return sum(file.refresh() for file in self._files) > 0  # each of them, so not any()

    def problems(self) -> list[str]:
        """A line for each file that is left out."""
        return [file.problem for file in self._files if file.problem]

    def about(self) -> list[tuple[Path, Metadata]]:
        """What each file says of itself."""
        return [(file.path, file.database.metadata) for file in self._files if file.database is not None]

    def get(self, version: int, number: int) -> Network:
        """What the files tell of an address."""
        found = Network()
        with self._lock:
            for file in self._files:
                if file.database is None:
                    continue
                try:
                    record = file.database.get(version, number, _WANT)
                except (BadDatabase, OSError) as error:
                    file.drop(f"{file.path}: {error}")
                    continue
                if record:
                    found = _with(found, record, file.sources)
        return found

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for file in self._files:
                file.drop("")


def _stamp(path: Path) -> _Stamp | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns


def _with(known: Network, record: Mapping[str, Value], sources: Mapping[str, Source]) -> Network:
    """What was known, and what this record adds to it."""
    asn = _asn(record)
    if known.asn is None and asn is not None:
        as_name = _name(record.get("autonomous_system_organization") or record.get("as_name"))
        known = known._replace(asn=asn, as_name=as_name, sources=(*known.sources, sources["as"]))
    country = _country(record)
    if country and not known.country:
        location = _members(record.get("location"))
        latitude, longitude = _degrees(location.get("latitude"), 90), _degrees(location.get("longitude"), 180)
        placed = latitude is not None and longitude is not None
        radius = location.get("accuracy_radius")
        known = known._replace(
            country=country,
            city=_name(_members(_members(record.get("city")).get("names")).get("en") or record.get("city")),
            latitude=latitude if placed else None,
            longitude=longitude if placed else None,
            accuracy_km=radius if placed and isinstance(radius, int) and 0 < radius <= _FARTHEST_KM else None,
            sources=(*known.sources, sources["place"]),
        )
    ixp = _name(record.get("ixp"))
    if ixp and not known.ixp:
        known = known._replace(ixp=ixp, sources=(*known.sources, sources["exchange"]))
    return known


def _asn(record: Mapping[str, Value]) -> int | None:
    number = record.get("autonomous_system_number", record.get("asn"))
    if isinstance(number, str) and number[:2] == "AS" and number[2:].isascii() and number[2:].isdigit() and len(number) <= 12:
        number = int(number[2:])
    return number if isinstance(number, int) and 0 < number <= _LAST_ASN else None


def _country(record: Mapping[str, Value]) -> str:
    said = record.get("country")
    code = record.get("country_code") or _members(said).get("iso_code") or said
    return code if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha() and code.isupper() else ""


def _members(value: Value | None) -> Mapping[str, Value]:
    return value if isinstance(value, dict) else {}


def _name(value: Value | None) -> str:
    if not isinstance(value, str):
        return ""
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value[:_LONGEST_NAME])
    return plain.strip()


def _degrees(value: Value | None, most: int) -> float | None:
    return value if isinstance(value, float) and -most <= value <= most else None
