"""Databases in MaxMind's format, written here with known entries: what is read from them; no file can do worse than be left out."""

from ipaddress import ip_address
from random import Random

import pytest

from equipment.mmdb import Names, Pointer, asn, city, control, encode, write
from pathwarden.enrich.databases import Databases
from pathwarden.enrich.mmdb import BadDatabase, Database
from pathwarden.model.network import Network, Source

BUILT = 1_700_000_000
ENTRIES = {
    "5.1.0.0/16": {"name": "sixteen"},
    "5.1.2.0/24": {"name": "twenty-four"},
    "5.1.2.7/32": {"name": "one"},
    "128.0.0.0/1": {"name": "half"},
    "2a00::/12": {"name": "six"},
    "2a00:1:2::/48": {"name": "forty-eight"},
}
FOUND = {
    "5.1.0.1": "sixteen", "5.1.2.6": "twenty-four", "5.1.2.7": "one", "5.1.2.8": "twenty-four", "5.2.0.1": None, "200.1.1.1": "half",
    "0.0.0.0": None, "255.255.255.255": "half", "2a00::1": "six", "2a00:1:2:3::4": "forty-eight", "2b00::": None, "::1": None,
}  # fmt: skip


def get(database, address, want=None):
    parsed = ip_address(address)
    return database.get(parsed.version, int(parsed), want)


def network(databases, address):
    parsed = ip_address(address)
    return databases.get(parsed.version, int(parsed))


@pytest.mark.parametrize("bits", [24, 28, 32])
def test_the_longest_prefix_is_found_in_records_of_every_size(tmp_path, bits):
    database = Database(write(tmp_path / "a.mmdb", ENTRIES, bits=bits))
    assert {address: get(database, address).get("name") for address in FOUND} == FOUND
    assert (database.metadata.built_s, database.metadata.kind, database.metadata.version) == (BUILT, "Test", 6)
    database.close()


def test_records_of_28_bits_lead_beyond_what_24_reach(tmp_path):
    database = Database(write(tmp_path / "a.mmdb", {"5.1.0.0/16": {"name": "far"}}, bits=28, head=bytes(2**24)))
    assert get(database, "5.1.0.1") == {"name": "far"}
    database.close()


def test_a_database_of_ipv4_alone_knows_no_ipv6(tmp_path):
    entries = {prefix: record for prefix, record in ENTRIES.items() if ":" not in prefix}
    database = Database(write(tmp_path / "a.mmdb", entries, version=4))
    assert get(database, "5.1.2.7") == {"name": "one"}
    assert get(database, "2a00::1") == {}
    database.close()


def test_every_type_and_size_of_value(tmp_path):
    record = {
        "text": "é日", "long": "x" * 300, "longer": "y" * 3000, "empty": "", "double": 52.25, "minus": -7, "nought": 0, "large": 2**100,
        "yes": True, "no": False, "bytes": b"\x00\xff", "list": [1, "two", [3.0]], "map": {"in": {"side": 1}},
        **{f"m{number}": number for number in range(40)},
    }  # fmt: skip
    database = Database(write(tmp_path / "a.mmdb", {"5.0.0.0/8": record}))
    assert get(database, "5.1.1.1") == record
    assert get(database, "5.1.1.1", {"text": None, "map": {"in": {"side": None}}, "absent": None}) == {
        "text": "é日",
        "map": {"in": {"side": 1}},
    }
    database.close()


@pytest.mark.parametrize("place", [3, 2047, 2048, 526_335, 526_336, 600_000])
def test_pointers_of_every_length(tmp_path, place):
    head = bytes(place) + encode("there")
    database = Database(write(tmp_path / "a.mmdb", {"5.0.0.0/8": {"name": Pointer(place), "next": 1}}, head=head))
    assert get(database, "5.1.1.1") == {"name": "there", "next": 1}
    assert get(database, "5.1.1.1", {"next": None}) == {"next": 1}
    database.close()


@pytest.mark.parametrize("far", [0, 2100, 9000, 530_000])
def test_names_of_members_by_pointers_read_as_written_out(tmp_path, far):
    """As those who offer databases write them; the names may lie out of the window of bytes that is read at once."""
    names = Names(bytes(far))
    plain = {f"5.{number}.0.0/16": city("NL", f"City {number}", number / 4, -number / 4) for number in range(120)}
    wordy = {f"6.{number}.0.0/16": {f"a name of {number} {'x' * 70}": number, "asn": number} for number in range(100)}
    pointed = {prefix: names.pointed(record) for prefix, record in (plain | wordy).items()}
    one = Database(write(tmp_path / "a.mmdb", plain | wordy))
    two = Database(write(tmp_path / "b.mmdb", pointed, head=names.head))
    for want in (None, {"city": {"names": {"en": None}}, "location": None, "asn": None}, {"country": None}):
        for turn in range(2):
            for number in range(120):
                for net in (5, 6):
                    found = get(two, f"{net}.{number}.1.1", want)
                    assert found == get(one, f"{net}.{number}.1.1", want), (turn, number)
                    assert want is not None or found or number >= 100
    assert len(two._names) <= 64
    one.close()
    two.close()


LOOP = control(7, 1) + encode("in") + encode(Pointer(0))  # a map that holds itself
HOSTILE = {
    "a map in itself": ({"a": Pointer(0)}, LOOP),
    "a pointer to a pointer": ({"a": Pointer(0)}, encode(Pointer(2)) + encode(Pointer(0))),
    "a pointer to nowhere": ({"a": Pointer(500_000)}, b""),
    "a list of sixteen million": ({"a": Pointer(0)}, control(11, 16_000_000)),
    "a text of sixteen megabytes": ({"a": Pointer(0)}, control(2, 16_000_000)),
    "a number of a thousand bytes": ({"a": Pointer(0)}, control(6, 1000) + bytes(1000)),
    "a name that points to a number": ({Pointer(0): 1}, encode(7)),
    "a name that points to nowhere": ({Pointer(500_000): 1}, b""),
    "a name that points to a pointer": ({Pointer(2): 1}, encode("a") + encode(Pointer(0))),
    "a name that is a number": ({"a": Pointer(0)}, control(7, 1) + encode(7) + encode(7)),
    "a kind that there is not": ({"a": Pointer(0)}, bytes([0, 200]) + bytes(200)),
    "a double of three bytes": ({"a": Pointer(0)}, control(3, 3) + bytes(3)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_records_are_refused(tmp_path, name):
    record, head = HOSTILE[name]
    database = Database(write(tmp_path / "a.mmdb", {"5.0.0.0/8": record}, head=head))
    with pytest.raises(BadDatabase):
        get(database, "5.1.1.1")
    database.close()


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"record_size": 20}, "nodes of 20 bits for IPv6"),
        ({"ip_version": 5}, "for IPv5"),
        ({"node_count": 0}, "it has 0 nodes"),
        ({"node_count": 10**9}, "1000000000 nodes are not all there"),
        ({"node_count": None}, "it does not say its node_count"),
        ({"node_count": "many"}, "it does not say its node_count"),
        ({"build_epoch": 2**63}, "no time that there is"),
        ({"binary_format_major_version": 3}, "another version of the format"),
    ],
)
def test_one_line_says_what_is_wrong_with_a_file(tmp_path, metadata, said):
    path = write(tmp_path / "a.mmdb", ENTRIES, metadata=metadata)
    databases = Databases([path])
    [problem] = databases.problems()
    assert problem.startswith(f"{path}: ")
    assert said in problem
    assert "\n" not in problem
    assert network(databases, "5.1.2.7") == Network()


def test_what_is_no_database_is_said_in_one_line(tmp_path):
    (tmp_path / "empty.mmdb").touch()
    (tmp_path / "text.mmdb").write_text("GeoIP?")
    (tmp_path / "folder.mmdb").mkdir()
    names = ("none", "empty", "text", "folder")
    problems = Databases([tmp_path / f"{name}.mmdb" for name in names]).problems()
    assert [problem.partition("mmdb: ")[2] for problem in problems] == [
        "No such file or directory", *["it is no MaxMind DB file, or its end is missing"] * 2, "Is a directory",
    ]  # fmt: skip


def test_a_file_that_is_cut_anywhere_or_has_wrong_bytes_gives_a_value_or_the_one_error(tmp_path, seed):
    whole = write(tmp_path / "a.mmdb", {**ENTRIES, "6.0.0.0/8": city("NL", "Delft", 52.0, 4.4), "7.0.0.0/8": asn(64500, "X")}).read_bytes()
    random = Random(seed)
    path = tmp_path / "b.mmdb"
    refused = 0
    for turn in range(400):
        if turn % 2:
            data = whole[: random.randrange(len(whole))]
        else:
            changed = bytearray(whole)
            for _ in range(random.randint(1, 20)):
                changed[random.randrange(len(changed))] = random.choice((0, 255, random.randrange(256)))
            data = bytes(changed)
        path.write_bytes(data)
        try:
            database = Database(path)
        except BadDatabase:
            refused += 1
            continue
        for address in ("5.1.2.7", "6.1.1.1", "7.1.1.1", "2a00::1"):
            try:
                assert isinstance(get(database, address), dict)
            except BadDatabase:
                refused += 1
        database.close()
    assert refused > 200, f"seed {seed}"


GEOLITE = {"5.1.0.0/16": asn(64500, "EXAMPLE-ONE")}
PLACES = {"5.1.0.0/16": city("NL", "Delft", 52.0, 4.36)}
IPINFO = {"5.1.0.0/16": {"asn": "AS64502", "as_name": "IPINFO", "country": "France", "country_code": "FR"}}


def test_the_first_database_that_knows_a_thing_counts(tmp_path):
    paths = [write(tmp_path / f"{n}.mmdb", each, built_s=BUILT + n) for n, each in enumerate((GEOLITE, PLACES, IPINFO))]
    found = network(Databases(paths), "5.1.2.3")
    assert found == Network(
        asn=64500, as_name="EXAMPLE-ONE", country="NL", city="Delft", latitude=52.0, longitude=4.36, accuracy_km=20,
        sources=(Source("as", "0.mmdb", BUILT * 10**9), Source("place", "1.mmdb", (BUILT + 1) * 10**9)),
    )  # fmt: skip
    found = network(Databases(paths[::-1]), "5.1.2.3")
    assert (found.asn, found.as_name, found.country, found.city) == (64502, "IPINFO", "FR", "")
    assert network(Databases(paths), "9.9.9.9") == Network()


@pytest.mark.parametrize(
    "record",
    [
        {"autonomous_system_number": 0},
        {"autonomous_system_number": 2**32},
        {"autonomous_system_number": "13"},
        {"asn": "ASxyz"},
        {"asn": "AS99999999999999"},
        {"country": {"iso_code": "nl"}},
        {"country": {"iso_code": 7}},
        {"country": "Netherlands"},
        {"country": ["NL"]},
        {"country_code": "<script>"},
        {"ixp": ""},
        {"city": {"names": {"en": "Delft"}}},
        {},
    ],
)
def test_what_makes_no_sense_is_unknown(tmp_path, record):
    assert network(Databases([write(tmp_path / "a.mmdb", {"5.0.0.0/8": record})]), "5.1.1.1") == Network()


def test_names_that_steer_a_terminal_and_places_off_the_earth_are_not_believed(tmp_path):
    record = {**city("NL", "De\x1b[2Jlft\n" + "x" * 99, 91.0, 4.0), **asn(7, "A\x00B")}
    found = network(Databases([write(tmp_path / "a.mmdb", {"5.0.0.0/8": record})]), "5.1.1.1")
    assert found.city == "De\ufffd[2Jlft\ufffd" + "x" * 54
    assert found.as_name == "A\ufffdB"
    assert (found.latitude, found.longitude, found.accuracy_km) == (None, None, None)


def test_a_file_that_is_overwritten_cut_off_or_replaced_is_noticed(tmp_path):
    path = write(tmp_path / "a.mmdb", GEOLITE)
    databases = Databases([path])
    assert network(databases, "5.1.2.3").asn == 64500
    with path.open("r+b") as file:  # cut off in place: a mapping would end the program here
        file.truncate(10)
    assert network(databases, "5.1.2.3") == Network()
    assert databases.problems() == [f"{path}: it was cut off"]
    assert databases.renewed()
    assert databases.problems() == [f"{path}: it is no MaxMind DB file, or its end is missing"]
    assert not databases.renewed()
    write(tmp_path / "new", IPINFO).replace(path)
    assert databases.renewed()
    assert (network(databases, "5.1.2.3").asn, databases.problems()) == (64502, [])
    path.unlink()
    assert databases.renewed()
    assert databases.problems() == [f"{path}: No such file or directory"]
    databases.close()
