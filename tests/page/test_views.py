"""The views over time: timeline, heat map, comparison; and what the overview finds, explains and mutes."""

import json
import re

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from equipment import page_data

VIEW = "#/target/cloudflare"
CHART = "[data-chart]"


def query(page):
    """The query of the address, by name."""
    return dict(part.split("=") for part in page.js("return location.hash").partition("?")[2].split("&") if part)


def place(page, x, y=60):
    """Move the pointer to so many pixels from the left of the chart."""
    chart = page.find(CHART)
    width, height = chart.size["width"], chart.size["height"]
    return ActionChains(page.driver).move_to_element_with_offset(chart, round(x - width / 2), round(y - height / 2))


def test_the_timeline_shows_latency_loss_paths_and_events(page):
    page.open(VIEW)
    page.size(1280)
    line = page.js("return document.querySelector('.time-chart .line').getAttribute('d')")
    assert line.count("M") == 3, "it breaks at the gap and where nothing came back"
    assert page.js("return document.querySelector('.loss-bar[d]').getAttribute('d')").count("z") == 2
    assert page.texts(".time-chart g[class^=path-] text") == ["A", "A", "B", "A"]
    assert page.texts(".time-chart .flag title")[0].endswith("Path changed")
    assert "Path B" in page.text(".key")


def test_a_click_sets_the_instant_of_the_hop_table_and_the_address(page, server):
    page.open(VIEW)
    page.size(1280)
    place(page, 300).click().perform()
    page.until(lambda: any(text.startswith("Trace at ") for text in page.texts("h3")))
    at = int(query(page)["at"])
    assert page_data.now_s() - 86_400 < at < page_data.now_s() - 40_000
    assert page.all(".time-chart .chosen")
    assert server.asked("GET", "targets/cloudflare/trace-at")
    page.driver.back()
    page.until(lambda: "Latest trace" in page.texts("h3"))


def test_arrow_keys_step_through_changes_and_escape_lets_go(page):
    page.open(VIEW)
    page.js("document.querySelector(arguments[0]).focus()", CHART)
    page.find(CHART).send_keys(Keys.ARROW_LEFT)
    page.until(lambda: "at" in query(page))
    changed = page.js("return Date.parse(document.querySelector('.change time').getAttribute('datetime')) / 1000")
    assert 0 <= int(query(page)["at"]) - changed <= 1
    assert page.js("return document.activeElement.matches('[data-chart]')")
    page.find(CHART).send_keys(Keys.ESCAPE)
    page.until(lambda: "at" not in query(page))


def test_a_drag_and_the_wheel_choose_a_span(page, server):
    page.open(VIEW)
    page.size(1280)
    place(page, 300).click_and_hold().move_by_offset(200, 0).release().perform()
    page.until(lambda: "from" in query(page))
    asked = query(page)
    length = int(asked["to"]) - int(asked["from"])
    assert 17_000 < length < 23_000  # 200 of 868 pixels of a day
    page.find(CHART).send_keys("-")
    page.until(lambda: int(query(page)["to"]) - int(query(page)["from"]) > 1.5 * length)
    page.until(lambda: len(server.asked("GET", "targets/cloudflare/series")) == 3)
    page.find("a[href*='last=604800']").click()
    page.until(lambda: query(page) == {"last": "604800"})


def test_pointing_tells_what_lies_there(page):
    page.open(VIEW)
    page.size(1280)
    place(page, 500).perform()
    page.until(lambda: re.search(r"ms \(.*Packet loss 0%.*Path [AB]", page.text(".readout")))


def test_a_time_without_a_trace_says_so(page, server):
    page.expected_errors = ("404",)
    server.problems["targets/cloudflare/trace-at"] = {"status": 404, "title": "Not Found", "code": "no_trace", "detail": "too old"}
    page.open(f"{VIEW}?at=1700000000")
    page.shows(".empty", "No trace of that time")


def test_the_heat_map_tells_a_fault_from_a_habit(page):
    page.open(f"{VIEW}/heat")
    cells = page.js(
        "return [...document.querySelectorAll('.heat > path[class^=heat-]')].map((path) => path.getAttribute('d').split('z').length - 1)"
    )
    assert cells == [2 * 48 + 2 * 40, 0, 0, 24, 24, 2 * 8], "the silent hop has none"
    page.find("[data-action=measure][data-value=rtt]").click()
    page.until(lambda: query(page).get("show") == "rtt")
    page.until(lambda: "as usual" in page.text(".key"))
    steps = page.find(CHART).get_attribute("data-steps").split()
    place(page, 300).click().perform()
    page.until(lambda: any(text.startswith("Trace at ") for text in page.texts("h3")))
    assert query(page)["at"] in steps, "the column's own trace"
    page.js("document.querySelector(arguments[0]).focus()", CHART)
    before = query(page)["at"]
    page.find(CHART).send_keys(Keys.ARROW_LEFT)
    page.until(lambda: query(page)["at"] < before)


def test_a_comparison_begins_with_a_sentence_and_keeps_the_agents_rows(page, server):
    page.open(f"{VIEW}/diff")
    assert page.text(".diff-sentence") == "Hops replaced: 1; Hops removed: 1; 2.60 ms faster."
    assert page.js("return [...document.querySelectorAll('tr[data-op]')].map((row) => row.dataset.op)") == [
        "same",
        "unknown",
        "replaced",
        "removed",
        "same",
    ]
    assert page.texts("tr.differs .address") == ["198.51.100.1", page_data.HOSTILE_ADDRESS, "198.51.100.9", "198.51.100.10"]
    assert page.js("return window.hacked") is None
    page.choose("side-a", "r1")
    page.until(lambda: query(page).get("a") == "r1")
    page.find("[data-action=mute-pair]").click()
    page.until(lambda: server.asked("POST", "targets/cloudflare/mute"))
    assert json.loads(server.asked("POST", "targets/cloudflare/mute")[0].body) == {"pair": ["A", "B"]}


def test_one_path_is_nothing_to_compare(page, server):
    server.paths = server.paths[:1]
    page.open(f"{VIEW}/diff")
    assert "Only one path" in page.text(".empty")


def test_the_way_is_told_in_parts_that_add_up(page):
    page.open()
    row = "tr[data-target='six']"
    assert page.texts(f"{row} .way li") == ["Home 0.42", "ISP 7.90", "Transit –", "Destination 3.30"]
    assert page.text(f"{row} .way .at-fault") == "ISP 7.90"
    assert len(page.all(f"{row} .way-bar rect")) == 3
    assert len(page.all(f"{row} .spark .moved")) == 1


def test_the_reasoning_opens_on_a_click(page):
    page.open()
    assert not page.find(".why li").is_displayed()
    page.find(".why summary").click()
    assert page.find(".why li").is_displayed()
    said = page.text(".why")
    parts = (
        "2 of 4 watched targets answer",
        "the fault is probably in your ISP's network, between 198.51.100.33 and 203.0.113.9",
        "several targets fail at the same link",
    )
    assert [part for part in parts if part not in said] == []
    page.language("ja")
    assert page.find(".why li").is_displayed()


def test_targets_are_found_by_words_and_state(page):
    page.open()
    page.find("#find").send_keys("台北")
    page.until(lambda: len(page.all("table.targets tbody tr")) == 1)
    assert "1 of 4" in page.text("[role=search]")
    assert page.js("return document.activeElement.id") == "find"
    page.open(page.js("return location.hash"))
    assert page.js("return document.querySelector('#find').value") == "台北"
    page.choose("state-filter", "error")
    page.shows(".empty", "No target matches")


def test_a_target_is_muted_from_the_overview(page, server):
    page.open()
    page.find("tr[data-target='six'] [data-action=mute]").click()
    page.until(lambda: server.asked("POST", "targets/six/mute"))
    assert json.loads(server.asked("POST", "targets/six/mute")[0].body) == {"for_s": 86400}
    server.summary["targets"][1]["muted_until"] = page_data.instant(-3600)
    page.until(lambda: page.all("tr[data-target='six'] [data-seconds='0']"))


def test_a_quiet_target_costs_one_question_a_poll(page, server):
    page.open(VIEW)
    page.until(lambda: len(server.asked("GET", "targets/cloudflare")) > 8)
    asked = [request.path for request in server.asked("GET", "")]
    assert asked.count("targets/cloudflare/series") == 1
    assert asked.count("targets/cloudflare/paths") == 1
    assert asked.count("status") == 1


@pytest.mark.parametrize("view", ["", "/heat", "/diff"])
def test_another_language_leaves_no_english_in_the_views(page, view):
    page.open(f"{VIEW}{view}")
    page.language("zh_Hant")
    words = page.js(
        "return [...document.querySelectorAll('#view p, #view .key, #view .span-bar')].map((node) => node.textContent).join(' ')"
    )
    assert re.findall(r"[A-Za-z]{5,}", words) == []


def test_the_network_of_a_hop_is_told_where_somebody_knows_it(page, server):
    shown = page_data.target(server.states[0])
    shown["trace"]["hops"][0] |= {"asn": 64500, "as_name": "Example", "city": "Taipei", "country": "TW"}
    whole = server.target_answer
    server.target_answer = lambda method, tid, tail: whole(method, tid, tail) if tail else (200, shown)
    page.open(VIEW)
    assert page.texts("table.hops thead th")[2] == "Network"
    assert page.text("tr[data-ttl='1'] .net") == "AS64500 Example · Taipei, TW"


def test_flapping_is_one_line(page, server):
    one, other = page_data.event(0)["old"], page_data.event(0)["new"]
    there = {"event_type": "path_reverted", "old": other, "new": one}
    server.events = [page_data.event(30 - n, **(there if n % 2 else {})) for n in range(5)] + [page_data.event(9, target="six")]
    page.open("#/changes")
    rows = page.texts(".cbi-section > .changes > li")
    assert len(rows) == 2
    assert "went between A ⇄ B 5 times" in rows[0]
    assert len(page.all(".changes .changes .change")) == 5
    assert page.all(".change a[href='#/target/cloudflare/diff?a=r2&b=r1']")


def test_the_report_tells_before_and_after_and_hides_the_household(page, server):
    server.events = page_data.story()
    page.open("#/report/cloudflare")
    text = page.text("main")
    parts = (" UTC (", "Cloudflare DNS does not answer", "Hops replaced: 1", "Flow-stable UDP over IPv4", "3 probes per hop, every 5 min")
    assert [part for part in parts if part not in text] == []
    assert "192.0.2.1" in text
    page.choose("mask", "3")
    page.until(lambda: query(page) == {"mask": "3"})
    shown = page.texts(".address")
    assert {"192.0.2.1", "198.51.100.1", "198.51.100.7"}.isdisjoint(shown)
    assert "192.0.2.44" not in page.text("main")
    assert shown.count("hidden") == 8
    assert "1.1.1.1" in shown


def test_the_report_is_saved_as_a_file_that_needs_no_agent(page):
    page.open("#/report/cloudflare")
    taken = "(blob) => { blob.text().then((text) => window.saved.push(text)); return '#/report/cloudflare'; }"
    page.js(f"window.saved = []; URL.createObjectURL = {taken}")
    page.find("[data-action=save]").click()
    page.until(lambda: page.js("return window.saved.length"))
    page.js("window.file = new DOMParser().parseFromString(window.saved[0].replace(/<style>.*<.style>/s, ''), 'application/xhtml+xml')")
    assert "Report on Cloudflare DNS" in page.js("return window.file.documentElement.textContent")
    assert ".table.hops" in page.js("return window.saved[0]"), "it brings its style"
    names = page.js("return [...window.file.querySelectorAll('*')].map((node) => node.localName)")
    assert {"script", "link", "button", "select", "parsererror"}.isdisjoint(names)


def test_an_incident_leads_to_its_report(page, server):
    server.events, server.incidents = page_data.story(), [page_data.incident()]
    page.open("#/changes")
    page.find(".incident a[href^='#/report/cloudflare']").click()
    page.find(".report")
    assert set(query(page)) == {"from", "to"}


def test_the_sentence_on_top_speaks_the_readers_language(page, server):
    page.open()
    assert server.summary["sentence"] in page.text(".verdict")
    page.language("ja")
    said = page.text(".alert-message.verdict")
    assert said == f"障害は ISP にあります。 監視中の 4 ターゲットのうち 2 が応答しています。 応答なし：{page_data.HOSTILE}。"
    assert page.js("return window.hacked") is None


def box_of(page):
    """The chart's place on the screen: x, y, width, height."""
    page.js("document.querySelector(arguments[0]).scrollIntoView()", CHART)
    return page.js(
        "const box = document.querySelector(arguments[0]).getBoundingClientRect(); return [box.x, box.y, box.width, box.height]", CHART
    )


def test_two_fingers_and_the_wheel_change_the_span(page):
    page.open(VIEW)
    page.size(1280)
    x, y, width, _ = box_of(page)

    def touch(kind, *places):
        points = [{"x": x + place * width, "y": y + 60, "id": number} for number, place in enumerate(places)]
        page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.4, 0.6)
    for step in (0.35, 0.3, 0.25, 0.2):
        touch("touchMove", step, 1 - step)
    touch("touchEnd")
    page.until(lambda: "from" in query(page))
    pinched = int(query(page)["to"]) - int(query(page)["from"])
    assert 20_000 < pinched < 40_000, "a third of a day"
    wheel = {"type": "mouseWheel", "x": x + width / 2, "y": y + 60, "deltaX": 0, "deltaY": 400, "modifiers": 2}
    page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", wheel)
    page.until(lambda: int(query(page)["to"]) - int(query(page)["from"]) > 1.5 * pinched)
