"""The ways to the targets as a picture of the page: moved, zoomed, compared, kept; nothing but shapes and texts gets in."""

import base64

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from equipment.fakes import NOW, SECOND, FakeReader, hop, make_settings, make_trace
from equipment.page_data import event, said
from pathwarden.model.look import Look
from pathwarden.model.network import nobody
from pathwarden.picture.drawer import Drawer

VIEW = "#/graph"
BOX = "[data-picture]"
MINUTE = 60 * SECOND
HERE = {"en": "here", "zh_Hant": "本機", "zh_Hans": "本机", "ja": "ここ"}
# What an SVG file may hold and the page must not.
HOSTILE = (
    "<script>hacked = 1</script>", "<a href='/x'><text>x</text></a>", "<rect onload='hacked = 1'/>", "<foreignObject/>",
    "<image href='/x'/>", "<rect fill='url(/x)'/>", "<g xmlns='http://www.w3.org/1999/xhtml'/>", "<rect style='fill:red'/>", "<style/>",
    "<svg onload='hacked = 1'/>", "<svg><g><script>hacked = 1</script></g></svg>", "<svg style='fill:red'/>",
    "<text font-family='x'>x</text>",
)  # fmt: skip


@pytest.fixture
def asked(server):
    """What the page wants drawn; the agent's own drawing answers."""
    reader = FakeReader()
    for age, via in ((30, "198.51.100.6"), (5, "198.51.100.7")):
        far = [hop(ttl, f"203.0.113.{ttl}", 2.0 * ttl) for ttl in range(3, 12)]
        reader.add(make_trace(hop(1, "10.0.0.1", 1.0), hop(2, via, 2.0), *far, hop(12, "192.0.2.9", 29.0), at=NOW - age * MINUTE), None)
    drawer, targets, queries = Drawer(reader, nobody), make_settings(("cloudflare",)).targets, []

    def draw(query):
        queries.append({name: value for name, (value,) in query.items()})
        before = NOW - 20 * MINUTE if "before" in query else None
        return drawer.graph(targets, NOW, before, Look(query["theme"] == ["dark"], *query["lang"]))

    server.picture = draw
    return queries


def figures(page):
    """Zoom and how far the picture is scrolled."""
    return page.js(f"const box = document.querySelector('{BOX}'); return [Number(box.dataset.zoom), box.scrollLeft, box.scrollTop]")


def wheel(page, **more):
    page.js(
        "const [selector, more] = arguments; const box = document.querySelector(selector);"
        "const { left, top } = box.getBoundingClientRect();"
        "box.dispatchEvent(new WheelEvent('wheel', { bubbles: true, cancelable: true, clientX: left + 200, clientY: top + 50, ...more }))",
        BOX, more,
    )  # fmt: skip


def test_the_graph_is_shown_moved_and_zoomed_by_pointer_wheel_keys_and_buttons(page, asked):
    page.open()
    page.size(1280)
    page.find("a[href='#/graph']").click()
    page.find(f"{BOX} text")
    assert {"198.51.100.7", "192.0.2.9"} <= set(page.texts(f"{BOX} text"))
    assert any("203.0.113.3" in tip for tip in page.texts(f"{BOX} g > title")), "its tips are there to be pointed at"
    first, *_ = figures(page)
    for press in (lambda: page.find("[data-wish=in]").click(), lambda: page.find(BOX).send_keys("+"), lambda: wheel(page, deltaY=-300)):
        before, *_ = figures(page)
        press()
        page.until(lambda before=before: figures(page)[0] > before)
    zoom, left, _ = figures(page)
    ActionChains(page.driver).move_to_element(page.find(BOX)).click_and_hold().move_by_offset(-80, 0).release().perform()
    page.until(lambda: figures(page)[1] > left + 60)
    drawn = page.js(f"return document.querySelector('{BOX} svg').getBoundingClientRect().width")
    count = len(asked)
    page.until(lambda: page.texts("#pill") == ["Refreshing"])
    assert figures(page)[0] == zoom
    page.find(BOX).send_keys("0")
    page.until(lambda: page.js(f"const box = document.querySelector('{BOX}'); return box.scrollWidth <= box.clientWidth + 1"))
    assert figures(page)[0] < first
    assert page.js(f"return document.querySelector('{BOX} svg').getBoundingClientRect().width") < drawn
    assert len(asked) == count == 1, "what is drawn already is not asked for again"


@pytest.mark.usefixtures("asked")
def test_two_fingers_zoom(page):
    page.open()
    page.size(360)  # before the picture is there: it is drawn anew for another width, some time later
    page.js("location.hash = arguments[0]", VIEW)
    page.find(f"{BOX} text")
    first, *_ = figures(page)
    x, y = page.js(
        f"const box = document.querySelector('{BOX}'); box.scrollIntoView({{ block: 'center' }});"
        "const { left, top } = box.getBoundingClientRect(); return [left + 100, top + 20]"
    )

    def touch(kind, *places):
        points = [{"x": x + place, "y": y, "id": number} for number, place in enumerate(places)]
        page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0, 40)
    touch("touchMove", 0, 60)
    touch("touchMove", 0, 80)
    touch("touchEnd")
    page.until(lambda: figures(page)[0] == pytest.approx(2 * first, rel=0.1))


def test_two_times_are_compared_and_one_target_is_chosen(page, asked):
    page.open(VIEW)
    page.find(".span-bar a").click()
    page.until(lambda: {"- 198.51.100.6", "+ 198.51.100.7"} <= set(page.texts(f"{BOX} text")))
    set_time = (
        "const input = document.querySelector('#moment-at'); input.value = arguments[0];"
        "input.dispatchEvent(new Event('change', { bubbles: true }))"
    )
    page.js(set_time, "2026-11-20T12:00")
    page.until(lambda: "at" in asked[-1])
    instant = page.js("return new Date('2026-11-20T12:00').toISOString()")
    assert asked[-1]["at"] == instant
    page.choose("filter", "cloudflare")
    page.until(lambda: asked[-1].get("target") == "cloudflare")
    page.driver.back()
    page.driver.back()
    page.until(lambda: not page.find("#moment-at").get_property("value"))


def test_it_fits_in_every_language_and_scheme_and_axe_finds_nothing_serious(page, asked):
    page.open(VIEW)
    for language, dark in zip(("en", "zh_Hant", "zh_Hans", "ja"), (False, True, False, True), strict=True):
        page.language(language)
        page.until(lambda language=language: asked[-1]["lang"] == language)
        page.shows(f"{BOX} text", HERE[language])
        for width in (360, 1280):
            page.size(width, dark)
            page.until(lambda dark=dark: asked[-1]["theme"] == ("dark" if dark else "light"))
            page.until(
                lambda dark=dark: (
                    page.js(f"return document.querySelector('{BOX} rect').getAttribute('fill')") == ("#16181c" if dark else "#ffffff")
                )
            )
            assert page.overflow() == 0, (language, width)
            page.shoot(f"graph-{language}-{width}-{'dark' if dark else 'light'}")
    assert page.axe() == []


@pytest.mark.usefixtures("asked")
def test_it_can_be_kept_as_svg_and_png(page):
    page.open(VIEW)
    # What a download would write, as data: the headless browser has no folder for it.
    page.js(
        "window.kept = []; HTMLAnchorElement.prototype.click = function () { const { download } = this;"
        "fetch(this.href).catch(() => null); };"
        "URL.createObjectURL = (blob) => { const reader = new FileReader(); reader.onload = () => kept.push([blob.type, reader.result]);"
        "reader.readAsDataURL(blob); return '#'; }"
    )
    for kind in ("svg", "png"):
        page.find(f"[data-kind={kind}]").click()
        page.until(lambda kind=kind: any(kind in name for name, _ in page.js("return kept")))
    (_, svg), (kind, png) = page.js("return kept")
    assert b"198.51.100.7" in base64.b64decode(svg.partition(",")[2])
    data = base64.b64decode(png.partition(",")[2])
    assert (kind, data[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
    width = page.js(f"return document.querySelector('{BOX} svg').viewBox.baseVal.width")
    assert int.from_bytes(data[16:20]) == int(2 * width)


@pytest.mark.parametrize("code", ["not_installed", "no_trace"])
def test_why_there_is_no_picture_is_said(page, server, code):
    page.expected_errors = ("404",)
    server.problems["graph.svg"] = {"status": 404, "title": "Not Found", "code": code, "detail": "x"}
    page.open(VIEW)
    said_so = {"not_installed": "It is in the package pathwarden-tools.", "no_trace": "There is no trace as old as that."}
    page.shows(".empty", said_so[code])


def test_nothing_but_shapes_and_texts_becomes_a_part_of_the_page(page, server):
    # The policy already holds where it is only read.
    page.expected_errors = ("Content Security Policy",)
    page.open()
    read = (
        "const done = arguments[1]; import('/static/picture.js').then(({ readPicture }) =>"
        "done(arguments[0].map((text) => readPicture(text) !== null)))"
    )
    head = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9' viewBox='0 0 9 9'>"
    texts = ["<svg overflow='hidden'><text text-anchor='middle'>x</text></svg>", *HOSTILE]
    taken = page.driver.execute_async_script(read, [*(f"{head}{text}</svg>" for text in texts), f"{head}<g>", "<html/>", ""])
    assert taken == [True] + [False] * (len(HOSTILE) + 3)
    server.picture = lambda _: f"{head}{HOSTILE[0]}</svg>"
    page.open(VIEW)
    page.shows(".empty", "The picture has parts that are not drawn here.")
    assert page.js("return window.hacked") is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ([64500, 3356, 13335], [64500, 1299, 13335], "now through AS1299 instead of AS3356"),
        ([64500, 13335], [64500, 1299, 13335], "now through AS1299, too"),
        ([64500, 1299, 13335], [64500, 13335], "no longer through AS1299"),
    ],
)
def test_a_change_of_networks_is_said(page, server, old, new, words):
    one = event(9, changes=["as_path"], text=said("title.path_changed", ("where.one", {"first": 3}), name="Cloudflare DNS", label="A"))
    server.events = [one | {"old": one["old"] | {"as_path": old}, "new": one["new"] | {"as_path": new}}]
    page.open("#/changes")
    assert f"Hop 3 differs; {words}." in page.text(".change")
    page.language("ja")
    page.until(lambda: "経由" in page.text(".change"))
