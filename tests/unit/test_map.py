"""The map of the world: distances and ways on a sphere, positions that cannot be, and that its file is what it should be."""

import json
import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from random import Random

import pytest

from equipment import towns
from equipment.fakes import hop, make_trace
from equipment.towns import address, database, many, point, trace
from pathwarden.enrich.enricher import open_enricher
from pathwarden.model.network import UNKNOWN, Network
from pathwarden.picture import map_svg
from pathwarden.picture.map_places import HERE, as_json, atlas, course_of
from pathwarden.picture.map_sphere import LIGHT_KM_PER_MS, Point, arc, distance_km
from pathwarden.picture.map_svg import svg
from pathwarden.picture.map_view import Box, Frame, frame, marks, window
from pathwarden.picture.map_wording import told
from pathwarden.picture.svg import DARK, LETTER, LIGHT
from pathwarden.picture.wording import longest
from pathwarden.picture.words import Words

SVG = "{http://www.w3.org/2000/svg}"
WHOLE = Frame(1200.0, 600.0)
ENGLISH = Words()


@pytest.fixture(scope="module")
def whose(tmp_path_factory):
    networks = open_enricher([database(tmp_path_factory.mktemp("places"))], lookups=False)
    yield networks.now
    networks.close()


def drawn(whose, *traces, here=None):
    return atlas([course_of(each.target, each) for each in traces], whose, here)


def contradictions(found):
    return {each.address: each.contradiction for place in found.places for each in place.responders if each.contradiction}


@pytest.mark.parametrize(
    ("one", "two", "km"),
    [
        ("Berlin", "Frankfurt", 424),
        ("London", "New York", 5570),
        ("Sydney", "Auckland", 2156),
        ("Berlin", "Berlin", 0),
        ("東京", "San Jose", 8337),
    ],
)
def test_distances(one, two, km):
    assert distance_km(point(one), point(two)) == pytest.approx(km, abs=15)


def test_a_way_is_the_shortest_and_goes_on_beyond_the_date_line():
    for one, two in combinations(("Berlin", "New York", "Sydney", "San Jose", "東京", "Auckland"), 2):
        line = arc(point(one), point(two))
        assert sum(distance_km(*each) for each in pairwise(line)) == pytest.approx(distance_km(point(one), point(two)), rel=1e-6)
        assert all(abs(before.longitude - after.longitude) < 30 for before, after in pairwise(line))
    assert arc(Point(0.0, 179.0), Point(0.0, -179.5))[-1].longitude == pytest.approx(180.5)
    assert arc(Point(10.0, 0.0), Point(-10.0, 180.0)) == [Point(10.0, 0.0), Point(-10.0, 180.0)]


def test_places_ways_and_what_is_unknown(whose):
    one = trace("a", "192.168.1.1", "Berlin/2", "Berlin/3", "*", "Frankfurt", "London/9")
    two = trace("b", "192.168.1.1", "Berlin/2", "203.0.113.7", "Frankfurt/2", "London/9")
    found = drawn(whose, one, two)
    assert [place.point for place in found.places] == [point("Berlin"), point("Frankfurt"), point("London")]
    assert [each.address for each in found.places[0].responders] == [address("Berlin", 2), address("Berlin", 3)]
    assert found.source == point("Berlin")
    assert [(leg.start, leg.end, leg.targets, leg.whole) for leg in found.legs] == [
        (point("Berlin"), point("Frankfurt"), ("a", "b"), False), (point("Frankfurt"), point("London"), ("a", "b"), True),
    ]  # fmt: skip
    assert [(each.address, each.network.special) for each in found.unknown] == [
        ("192.168.1.1", "private"),
        ("203.0.113.7", "documentation"),
    ]
    (london,) = found.places[2].responders
    assert (london.destination, london.targets, contradictions(found)) == (True, ("a", "b"), {})
    assert london.rtt_ms == min(answer.rtt_ns for each in (one, two) for answer in each.hops[-1].answers) / 1e6


def test_light_sets_a_limit(whose):
    km = distance_km(point("Berlin"), point("Sydney"))
    least = 2 * km / LIGHT_KM_PER_MS
    found = drawn(whose, trace("a", "Berlin/2", "Frankfurt", "Sydney=12"))
    assert contradictions(found) == {address("Sydney"): (HERE, km, least, 12.0)}
    assert [leg.end for leg in found.legs] == [point("Frankfurt")]
    # The database says 20 km at each end: light needs 0.4 ms for that.
    assert not contradictions(drawn(whose, trace("a", "Berlin/2", f"Sydney={least - 0.39:.3f}")))
    assert contradictions(drawn(whose, trace("a", "Berlin/2", f"Sydney={least - 0.41:.3f}")))


def test_without_a_known_source_positions_are_compared(whose):
    def judged(*stops, here=None):
        return set(contradictions(drawn(whose, trace("a", *stops, source="192.168.1.7"), here=here)))

    assert judged("Berlin/2", "Frankfurt", "Sydney=12") == {address("Sydney")}
    assert judged("Sydney=2", "Berlin/2=3", "Frankfurt=8") == {address("Sydney")}
    # Of two one is wrong, and nobody knows which.
    assert judged("Berlin/2", "Sydney=12") == {address("Berlin", 2), address("Sydney")}
    assert judged("Berlin/2", "Sydney=12", here=point("Sydney")) == {address("Berlin", 2)}
    assert judged("Berlin/2", "Frankfurt", "London") == set()
    (found,) = contradictions(drawn(whose, trace("a", "Berlin/2", "Frankfurt=8", "Sydney=12", source="192.168.1.7"))).values()
    assert (found.other, found.seen_ms) == (address("Berlin", 2), pytest.approx(13.2))


@pytest.mark.parametrize("where", [(None, 3.0), (91.0, 3.0), (1.0, 181.0), (float("nan"), 0.0), (0.0, float("inf"))])
def test_a_position_that_is_none_is_unknown(where):
    found = drawn(lambda _address: Network(latitude=where[0], longitude=where[1]), trace("a", "10.0.0.1"))
    assert (found.places, found.source, len(found.unknown)) == ((), None, 1)


def labels(document):
    """The words on the map and the room they take."""
    for each in ET.fromstring(document).iter(f"{SVG}text"):
        if each.get("paint-order"):
            x, y = float(each.get("x")), float(each.get("y"))
            yield each.text, Box(x, y - 10, x + longest([each.text]) * LETTER, y + 3)


def crowd(count, seed=3):
    """A database and ways with so many places, most of them near one another."""
    chance = Random(seed)
    found = {f"9.9.{number // 250}.{number % 250}": (chance.gauss(48, 9), chance.gauss(10, 14)) for number in range(count)}
    networks = {each: Network(latitude=lat, longitude=lon, city=f"Town {each}", country="XX") for each, (lat, lon) in found.items()}
    traces = [
        make_trace(*(hop(ttl, each, 300.0) for ttl, each in enumerate(chance.sample(sorted(found), 9), 1)), target=f"t{n}")
        for n in range(60)
    ]
    return lambda address: networks.get(address, UNKNOWN), traces


@pytest.mark.parametrize(
    ("theme", "language", "room"),
    [(LIGHT, "en", 1232), (DARK, "en", 1232), (LIGHT, "zh_Hant", 900), (LIGHT, "en", 326), (DARK, "ja", 326)],
)
@pytest.mark.parametrize("count", [1, 10, 60, "crowd"])
def test_labels_cover_nothing_and_are_all_there_or_below(whose, count, theme, language, room):
    by, traces = crowd(200) if count == "crowd" else (whose, many(count))
    found = drawn(by, *traces)
    document = svg(found, theme, language, room)
    assert document == svg(drawn(by, *traces), theme, language, room)
    size, words = frame(room - 32), Words(language)
    placed = list(labels(document))
    for (one, here), (two, there) in combinations(placed, 2):
        assert not here.meets(there), (one, two)
    shown = marks(found.places, found.source, window([place.point for place in found.places], [], size))
    assert sum(mark.number for mark in shown) == sum(len(place.responders) for place in found.places)
    root = ET.fromstring(document)
    rings = [each for each in root.iter() if each.tag in (f"{SVG}circle", f"{SVG}rect") and each.get("stroke-width") == "2"]
    for text, box in placed:
        assert box.left >= 0 and box.right <= size.width and box.top >= 0 and box.bottom <= size.height, text
        for ring in rings:
            if ring.tag == f"{SVG}circle" and float(ring.get("cx")) > 12:
                x, y = float(ring.get("cx")), float(ring.get("cy"))
                assert not box.meets(Box(x - 4, y - 4, x + 4, y + 4)), text
    below = " ".join(each.text for each in root.iter(f"{SVG}text") if each.text not in dict(placed))
    keys = [text for text, _ in placed if len(text) <= 2]
    assert all(f"{key}: " in below for key in keys)
    assert not keys or words("below.room", items="a: ") in below
    assert all(each.address in below for each in found.unknown)
    assert all(longest([each.text]) * LETTER <= size.width for each in root.iter(f"{SVG}text"))


def test_what_it_says(whose):
    traces = [
        trace("a", "192.168.1.1", "Berlin/2", "*", "Sydney=9", source="192.168.1.7"),
        trace("b", "Berlin/2", "Frankfurt", source="192.168.1.7"),
    ]
    text = "\n".join(each.text for each in ET.fromstring(svg(drawn(whose, *traces))).iter(f"{SVG}text"))
    assert "Positions are estimates (places.mmdb 2023-11-14)." in text
    assert "! Sydney, AU" not in text  # the map is of Europe, and tells below of what cannot be elsewhere
    near = [trace("a", "Berlin/2", "Frankfurt=2")]
    assert "! Frankfurt, DE 2.0 ms" in svg(drawn(whose, *near))
    assert "! 5.30.0.1 is said to be in Sydney, AU, and cannot be there: 16094 km from 5.0.0.2, light in fibre needs 161.1 ms" in text
    assert "Where this agent is, is unknown" in text
    assert "Position unknown: 192.168.1.1 (private)" in text
    nothing = "\n".join(each.text for each in ET.fromstring(svg(drawn(lambda _: UNKNOWN, *traces))).iter(f"{SVG}text"))
    assert "No position is known" in nothing


def test_names_of_strangers_are_text():
    network = Network(latitude=1.0, longitude=2.0, city='</text><script>"&\x00\x1b', country="<b", as_name="<i>&", asn=1)
    document = svg(drawn(lambda _: network, trace("<&\x01", "10.0.0.1")))
    root = ET.fromstring(document)
    assert not list(root.iter(f"{SVG}script"))
    assert "style=" not in document
    assert "url(" not in document
    (mark,) = marks(drawn(lambda _: network, trace("a", "10.0.0.1")).places, None, window([Point(1.0, 2.0)], [], WHOLE))
    assert len(told(mark, ENGLISH)) == 1


@pytest.mark.parametrize("size", [WHOLE, frame(900.0), frame(326.0)])
def test_the_window_shows_what_there_is(size):
    pacific = window([point("Sydney"), point("San Jose")], [arc(point("Sydney"), point("San Jose"))], size)
    assert 0 < pacific.xy(point("Sydney"))[0] < pacific.xy(point("San Jose"))[0] < size.width
    for names in (("Berlin",), ("Berlin", "Frankfurt"), ("Auckland", "Helsinki", "Seattle"), towns.NAMES):
        points = [point(name) for name in names]
        view = window(points, [], size)
        assert all(view.shows(*view.xy(each)) for each in points)
        assert 20 <= size.height / view.down <= 180.001
        assert size.width / view.across <= 360.001
    assert size.width / window([], [], size).across == pytest.approx(360)


def test_the_coast_is_small_whole_and_free():
    content = map_svg._COAST.read_bytes()
    told = json.loads(content)
    assert len(content) <= 12_500
    assert told["licence"] == "public domain"
    assert re.fullmatch(r"(M-?\d+ -?\d+l(?: ?-?\d+)+z)+", told["path"])
    coasts = map_svg._coasts()
    assert "".join(coast.path for coast in coasts) == told["path"]
    assert all(-360 <= coast.west < coast.east <= 360 for coast in coasts)
    assert sum(coast.east - coast.west > 100 for coast in coasts) >= 2  # the old world and Antarctica


def test_as_json(whose):
    told = json.loads(json.dumps(as_json(drawn(whose, trace("a", "192.168.1.1", "Berlin/2", "Sydney=9")))))
    assert told["source"] == {"latitude": 52.52, "longitude": 13.41}
    assert [(place["city"], place["responders"][0]["contradiction"] is None) for place in told["places"]] == [
        ("Berlin", True),
        ("Sydney", False),
    ]
    assert [each["special"] for each in told["unknown"]] == ["private"]
    assert told["ways"] == []
