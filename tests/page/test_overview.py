"""The overview: verdict, notices, a row per target, trace now."""

import pytest
from selenium.webdriver.common.keys import Keys

from equipment.page_data import HOSTILE, instant

ROW = "tr[data-target='{}']"


def test_the_sentence_stands_first_with_the_verdict_in_words(page, server):
    page.open()
    verdict = page.text(".alert-message.verdict")
    assert verdict.startswith("The fault is at the ISP.")
    assert server.summary["sentence"] in verdict
    assert page.find(".alert-message.verdict").get_attribute("aria-live") == "polite"


def test_mqtt_switched_off_is_a_notice_and_no_error(page):
    page.open()
    classes = [box.get_attribute("class").split() for box in page.all(".alert-message") if "MQTT" in box.text]
    assert len(classes) == 1
    assert "notice" in classes[0]


def test_a_row_tells_state_latency_loss_hops_path_and_egress(page):
    page.open()
    text = page.text(ROW.format("six"))
    parts = ("Degraded", "ISP", "38.3 ms", "8.3%", "6", "AB", "Changes in 24 h: 2", "in 2 min", "wanb · pppoe-wanb · via fe80::ffff:eeee")
    assert [part for part in parts if part not in text] == []


def test_states_differ_in_shape_and_not_only_in_colour(page):
    page.open()
    shapes = page.js("return [...document.querySelectorAll('.badge .icon')].map((icon) => icon.innerHTML)")
    assert len(shapes) == len(set(shapes)) == 4


def test_the_sparkline_marks_each_lost_bucket_and_breaks_at_gaps(page):
    page.open()
    row = ROW.format("cloudflare")
    assert len(page.all(f"{row} .spark .lost")) == 2
    path = page.js("return document.querySelector(arguments[0]).getAttribute('d')", f"{row} .spark .line")
    assert path.count("M") == 2
    assert "2 probes lost" in page.find(f"{row} .spark").get_attribute("aria-label")
    assert page.all(f"{ROW.format('new')} .spark .lost") == []


def test_a_target_in_error_says_why_and_an_unknown_one_is_neutral(page):
    page.open()
    assert "Cannot probe" in page.text(ROW.format("odd"))
    assert page.text(f"{ROW.format('odd')} div.tone-bad") == f"the name does not resolve – {HOSTILE}"
    assert page.text(f"{ROW.format('new')} td .muted") == "Looking up the name…"
    assert page.all(f"{ROW.format('new')} .badge.tone-calm")
    assert "Learning" in page.text(ROW.format("new"))


def test_the_agents_detail_stands_beside_the_translated_fault(page):
    page.open()
    page.language("zh_Hant")
    fault = f"{ROW.format('odd')} div.tone-bad"
    assert page.text(fault) == f"無法解析名稱 – {HOSTILE}"
    assert page.text(f"{fault} [lang=en]") == HOSTILE


def test_a_trace_that_is_due_comes_now_and_never_in_the_past(page, server):
    server.summary["targets"][0]["next_run_at"] = instant(5)
    page.open()
    assert "Next: now" in page.text(ROW.format("cloudflare"))


def test_a_name_that_is_markup_stays_text(page):
    page.open()
    assert page.text(f"{ROW.format('odd')} .target-link") == HOSTILE
    assert page.all("main img, main script") == []
    assert page.js("return window.hacked") is None


def test_old_data_is_called_stale_by_the_agents_clock(page, server):
    page.open()
    assert page.all(".stale") == []
    server.summary["targets"][0] |= {"measured_at": instant(1000), "stale_after_s": 900}
    page.shows(f"{ROW.format('cloudflare')} .stale", "16 min")
    assert len(page.all(".stale")) == 1


def test_no_target_is_a_state_with_advice(page, server):
    server.summary["targets"] = []
    page.open()
    assert "/etc/config/pathwarden" in page.text(".empty")


def test_the_skeleton_holds_the_place_of_the_first_answer(page, server):
    with server.held():
        page.driver.get(server.url)
        page.find(".skeleton")
    page.find(ROW.format("cloudflare"))
    assert page.all(".skeleton") == []


def test_an_answer_that_says_no_is_shown_in_its_own_words(page, server):
    page.expected_errors = ("503",)
    server.problems["summary"] = {"status": 503, "title": "Unavailable", "code": "starting", "detail": "the history is being opened"}
    page.driver.get(server.url)
    page.shows(".alert-message.error", "the history is being opened")
    server.problems.clear()
    page.find(ROW.format("cloudflare"))
    page.until(lambda: "the history is being opened" not in page.text("main"))


def test_trace_now_posts_once_and_waits_for_the_end(page, server):
    page.open()
    button = f"{ROW.format('cloudflare')} [data-action=trace]"
    with server.held():
        page.find(button).click()
        page.until(lambda: page.find(button).get_attribute("aria-disabled") == "true")
        assert "Tracing" in page.text(button)
        page.find(button).click()
        server.summary["targets"][0]["running"] = True
    page.until(lambda: len(server.asked("GET", "summary")) > 3)
    assert page.find(button).get_attribute("aria-disabled") == "true"
    server.summary["targets"][0]["running"] = False
    page.until(lambda: page.find(button).get_attribute("aria-disabled") is None)
    posts = server.asked("POST", "targets/")
    assert [(post.path, post.content_type) for post in posts] == [("targets/cloudflare/trace", "application/json")]


def test_a_refused_trace_says_why_beside_its_button(page, server):
    page.expected_errors = ("429",)
    server.problems["targets/six/trace"] = {"status": 429, "title": "Too Many", "code": "too_many", "detail": "one trace a minute"}
    page.open()
    page.find(f"{ROW.format('six')} [data-action=trace]").click()
    page.shows(f"{ROW.format('six')} [role=alert]", "one trace a minute")
    assert "one trace" not in page.text(ROW.format("cloudflare"))


def test_a_refresh_keeps_the_keyboards_place(page, server):
    page.open()
    button = f"{ROW.format('cloudflare')} [data-action=trace]"
    page.js("document.querySelector(arguments[0]).focus()", button)
    server.summary["targets"][0]["name"] = "Renamed"
    page.shows(ROW.format("cloudflare"), "Renamed")
    assert page.js("return document.activeElement === document.querySelector(arguments[0])", button)


def test_the_keyboard_alone_reaches_a_target(page):
    page.open()
    body = page.find("body")
    for _ in range(40):
        body.send_keys(Keys.TAB)
        if page.js("return document.activeElement.classList.contains('target-link')"):
            break
    outline = page.js("return getComputedStyle(document.activeElement).outlineStyle")
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.find("table.hops")
    assert outline == "solid"
    assert page.js("return document.activeElement.id") == "content"


@pytest.mark.parametrize(
    ("mqtt", "text"),
    [({"connected": True}, "MQTTconnected"), ({"outbox": 7, "detail": "refused"}, "not connected, 7 messages wait refused")],
)
def test_the_agents_facts_tell_how_mqtt_stands(page, server, mqtt, text):
    server.status["mqtt"] |= mqtt | {"enabled": True}
    page.open()
    assert text in page.text(".facts")


def test_a_target_that_a_command_added_says_so(page):
    page.open()
    assert "added over MQTT" in page.text(ROW.format("six"))
    assert "added over MQTT" not in page.text(ROW.format("cloudflare"))
