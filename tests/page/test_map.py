"""The places on the ways as a map of the page: in every size, scheme and language, with few targets and many, kept as a file."""

from itertools import combinations

import pytest

from equipment.fakes import NOW, FakeReader, make_settings
from equipment.towns import database, many
from pathwarden.enrich.enricher import open_enricher
from pathwarden.model.look import Look
from pathwarden.model.network import nobody
from pathwarden.picture.drawer import Drawer

VIEW = "#/map"
BOX = "[data-picture=map]"
DRAWN = f"return document.querySelector('{BOX} > svg').viewBox.baseVal.width"
SAID = {"en": "Positions are estimates", "zh_Hant": "位置是估計值", "zh_Hans": "位置是估计值", "ja": "位置は推定です"}


class World:
    """Draws for the page, as the agent does, the ways to `count` targets; `queries` is what it was asked."""

    def __init__(self, whose):
        self.count = 10
        self.whose = whose
        self.queries = []

    def __call__(self, query):
        self.queries.append({name: value for name, (value,) in query.items()})
        reader = FakeReader()
        for one in many(self.count):
            reader.add(one, None)
        asked = self.queries[-1]
        targets = make_settings([f"t{number}" for number in range(self.count)]).targets
        return Drawer(reader, self.whose).map(targets, NOW, Look(asked["theme"] == "dark", asked["lang"], int(asked["width"])))


@pytest.fixture(scope="module")
def whose(tmp_path_factory):
    networks = open_enricher([database(tmp_path_factory.mktemp("places"))], lookups=False)
    yield networks.now
    networks.close()


@pytest.fixture
def world(server, whose):
    server.map = World(whose)
    return server.map


def test_it_is_a_tab_with_tips_and_an_address_of_its_own(page, world):
    page.open()
    page.size(1280)
    page.find("a[href='#/map']").click()
    page.find(f"{BOX} text")
    assert any("Berlin, DE" in text for text in page.texts(f"{BOX} text"))
    assert any("good to about 20 km" in tip for tip in page.texts(f"{BOX} g > title"))
    page.choose("filter", "cloudflare")
    page.until(lambda: world.queries[-1].get("target") == "cloudflare")
    assert page.js("return location.hash") == "#/map?target=cloudflare"
    page.find("[data-wish=in]").click()
    page.until(lambda: page.js(f"return Number(document.querySelector('{BOX}').dataset.zoom)") > 1)
    page.driver.get("about:blank")
    world.queries.clear()
    page.open("#/map?target=cloudflare&at=1700000000")
    page.find(f"{BOX} text")
    assert world.queries[0]["target"] == "cloudflare" and world.queries[0]["at"] == "2023-11-14T22:13:20.000Z"
    assert page.all("[role=status] .notice") == []


@pytest.mark.parametrize("count", [1, 10, 60])
def test_it_fits_in_every_size_scheme_and_language(page, world, count):
    world.count = count
    page.open(VIEW)
    sizes = ((1280, False, "en"), (768, True, "ja"), (360, False, "zh_Hant"), (360, True, "zh_Hans"))
    for width, dark, language in sizes:
        page.language(language)
        page.size(width, dark)
        theme = "dark" if dark else "light"
        page.until(lambda theme=theme, language=language: (world.queries[-1]["theme"], world.queries[-1]["lang"]) == (theme, language))
        room = page.js("return document.querySelector('#maincontent').clientWidth")
        page.until(lambda room=room: max(room - 22, 320) <= page.js(DRAWN) <= max(room, 320))
        page.until(lambda language=language: any(SAID[language] in text for text in page.texts(f"{BOX} text")))
        assert page.overflow() == 0
        page.shoot(f"map-{count}-{language}-{width}-{theme}")
        boxes = page.js(
            "return [...document.querySelectorAll(arguments[0])].map((each) => { const { left, top, right, bottom } = "
            "each.getBoundingClientRect(); return [left, top + 2, right, bottom - 2, each.textContent] })",
            f"{BOX} text[paint-order]",
        )
        for one, other in combinations(boxes, 2):
            apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            assert apart, (one, other)
    if count == 10:
        assert page.axe() == []


def test_without_a_database_it_says_how_to_get_one(page, server):
    server.map = World(nobody)
    page.open(VIEW)
    page.shows("[role=status] .notice", "No position of these hops is known")
    page.shows("[role=status] .notice", "option mmdb")
    page.shows(f"{BOX}", "192.168.1.1")
    page.shoot("map-nowhere")


@pytest.mark.usefixtures("world")
def test_it_can_be_kept_as_png(page):
    page.open(VIEW)
    page.find(f"{BOX} text")
    page.js(
        "HTMLAnchorElement.prototype.click = function () { window.name = this.download; };"
        "URL.createObjectURL = (blob) => { window.kept = blob; return '#'; }"
    )
    page.find("[data-kind=png]").click()
    page.until(lambda: page.js("return window.kept?.type") == "image/png")
    assert page.js("return window.name") == "pathwarden-map.png"
    size = "const done = arguments[0]; createImageBitmap(window.kept).then((image) => done([image.width, image.height]))"
    ratio = "const { width, height } = document.querySelector(arguments[0]).viewBox.baseVal; return [width * 2, height * 2]"
    assert page.driver.execute_async_script(size) == [int(each) for each in page.js(ratio, f"{BOX} > svg")]


def test_an_agent_without_tools_says_so(page, server):
    page.expected_errors = ("404",)
    server.problems["map.svg"] = {"status": 404, "title": "Not Found", "code": "not_installed", "detail": "x"}
    page.open(VIEW)
    page.shows(".empty", "It is in the package pathwarden-tools.")
