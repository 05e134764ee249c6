"""The hop table, the paths taken, the target's latest changes, and what its owner wishes to hear of it."""

import json

import pytest

from equipment import page_data

VIEW = "#/target/cloudflare"


def cells(page, ttl):
    return page.js("return [...document.querySelectorAll(`tr[data-ttl='${arguments[0]}'] > *`)].map((cell) => cell.textContent)", ttl)


def test_a_click_on_a_target_opens_its_hop_table(page):
    page.open()
    page.find("tr[data-target='cloudflare'] .target-link").click()
    page.find("table.hops")
    assert page.js("return location.hash") == VIEW
    assert page.driver.title == "Cloudflare DNS – Pathwarden"


def test_a_hop_has_mtrs_columns(page):
    page.open(VIEW)
    heads = page.texts("table.hops thead th")
    assert heads == ["Hop", "Responder", "Packet loss", "Sent", "Last", "Best", "Median", "Worst", "Adds", "Range"]
    assert cells(page, 1)[:9] == ["1", "192.0.2.1", "0%", "3", "1.10", "0.99", "1.10", "1.23", "+1.10"]
    assert cells(page, 6)[2:5] == ["33%", "3", "11.9"]


def test_silence_and_rate_limits_are_words_and_never_red(page):
    page.open(VIEW)
    assert cells(page, 2)[1:4] == ["does not answer (normal)", "–", "3"]
    assert "limits its answers (normal)" in cells(page, 3)[1]
    assert page.all("tr[data-ttl='2'] .tone-bad, tr[data-ttl='3'] .tone-bad") == []
    assert [cell.text for cell in page.all("table.hops .tone-bad")] == ["33%"]


def test_what_one_trace_misses_is_told_in_numbers_and_is_no_loss(page, server):
    shown = page_data.target(server.states[0])
    shown["trace"]["hops"][4] = page_data.hop(5, "203.0.113.9", [9.0, None, 9.25])
    shown["trace"]["hops"][3] = page_data.hop(4, None, [None, None, None])
    whole = server.target_answer
    server.target_answer = lambda method, tid, tail: whole(method, tid, tail) if tail else (200, shown)
    page.open(VIEW)
    assert cells(page, 5)[1:3] == ["203.0.113.91 of 3 probes without a reply at this hop", "0%"]
    assert cells(page, 4)[1:3] == ["no reply", "0%"]
    assert "without a reply" not in cells(page, 6)[1]
    assert [cell.text for cell in page.all("table.hops .tone-bad")] == ["33%"]
    page.language("zh_Hant")
    assert page.all("tr[data-ttl='5'] .note")[0].text == page.find("tr[data-ttl='5'] .num span").get_attribute("title")


def test_annotations_and_labels_stand_beside_the_responder(page):
    page.open(VIEW)
    assert "!H" in cells(page, 5)[1]
    assert "MPLS 24012" in cells(page, 5)[1]


def test_whiskers_share_one_scale(page):
    page.open(VIEW)
    widths = page.js("return [...document.querySelectorAll('.whisker .median')].map((dot) => Number(dot.getAttribute('cx')))")
    assert len(widths) == 5
    assert max(widths) < 120
    assert widths[0] < widths[4]
    assert page.find("tr[data-ttl='4'] .whisker").get_attribute("aria-label") == "Best 8.13, median 8.25, worst 19.5 ms"


def test_a_responder_that_is_markup_stays_text(page):
    page.open(VIEW)
    assert page.text("tr[data-ttl='4'] .address") == page_data.HOSTILE_ADDRESS
    assert page.js("return window.hacked") is None


def test_the_traces_circumstances_are_told(page):
    page.open(VIEW)
    facts = page.text("main .facts")
    route = ("default · 192.0.2.44", "wan · via 192.0.2.1 · table 254")
    parts = (*route, "target reached", "schedule", "UDP · IPv4", "raw sockets", "18 sent, 1 late")
    assert [part for part in parts if part not in facts] == []
    assert page.find(".facts time").get_attribute("title").endswith(" UTC")


def test_copy_as_text_is_traceroutes_layout(page):
    page.open(VIEW)
    lines = page.find("#copy-text").get_property("value").split("\n")
    assert lines[:4] == [
        "traceroute to one.one.one.one (1.1.1.1), 30 hops max",
        " 1  192.0.2.1  1.234 ms  0.987 ms  1.100 ms",
        " 2  * * *",
        " 3  198.51.100.7  6.500 ms * *",
    ]
    assert lines[5].endswith("  9.000 ms !H  9.500 ms  9.250 ms")


@pytest.mark.parametrize(("permission", "words"), [("granted", "Copied."), ("denied", "The text is selected")])
def test_copying_works_with_and_without_a_clipboard(page, permission, words):
    page.open(VIEW)
    setting = {"permission": {"name": "clipboard-write"}, "setting": permission, "origin": page.url.rstrip("/")}
    page.driver.execute_cdp_cmd("Browser.setPermission", setting)
    page.find("[data-action=copy]").click()
    page.shows(".cbi-page-actions [role=status]", words)
    selected = page.js("const area = document.getElementById('copy-text'); return area.selectionEnd - area.selectionStart")
    assert (selected > 0) == (permission == "denied")


def test_the_paths_taken_have_letters_shares_and_times(page):
    page.open(f"{VIEW}/paths")
    first, second = page.texts("table.paths tbody tr")
    assert [part for part in ("A", "★", "in use", "97%", "6 days", "6 hops", "11.6 ms") if part not in first] == []
    assert "★" not in second
    assert "3.3%" in second
    assert "198.51.100.9, 198.51.100.10" in second


def test_the_targets_latest_changes_lead_to_all_of_them(page):
    page.open(VIEW)
    assert [row.get_attribute("data-seq") for row in page.all(".change")] == ["3"]
    page.find("a[href='#/changes?target=cloudflare']").click()
    page.find("#filter")
    assert page.find("#filter").get_property("value") == "cloudflare"


def test_a_target_without_a_trace_says_so(page):
    page.open("#/target/new")
    assert page.text(".empty").startswith("No trace yet.")
    assert "still learning" in page.text("main")


def test_without_its_trace_the_path_is_shown(page, server):
    shown = page_data.target(server.states[0]) | {"trace": None}
    whole = server.target_answer
    server.target_answer = lambda method, tid, tail: whole(method, tid, tail) if tail else (200, shown)
    page.open(VIEW)
    assert len(page.all("table.hops tbody tr")) == 6
    assert page.all("[data-action=copy]") == []


def test_an_unknown_target_is_told_in_words(page):
    page.expected_errors = ("404",)
    page.driver.get(f"{page.url}#/target/gone%20away")
    page.shows(".alert-message.error", "no target")


def wished(server):
    """What the page asked for, but traces."""
    return [(request.path, json.loads(request.body)) for request in server.asked("POST", "targets/cloudflare/")]


def click(page, action, data=""):
    page.find(f"[data-action='{action}']{data}").click()


def test_a_target_is_muted_for_an_hour_or_a_day_and_unmuted(page, server):
    page.open(VIEW)
    assert "notify you" in page.text("main")
    assert page.all("[data-action=mute][data-seconds='0']") == []
    click(page, "mute", "[data-seconds='3600']")
    page.shows("main", "Muted: changes are recorded")
    server.states[0]["muted_until"] = page_data.instant(-3600)
    page.shows("main", "Muted until ")
    assert "Muted until " in page.text(".target-head [role=status]")
    click(page, "mute", "[data-seconds='86400']")
    page.until(lambda: len(wished(server)) == 2)
    click(page, "mute", "[data-seconds='0']")
    page.shows("main", "Changes notify again.")
    assert wished(server) == [("targets/cloudflare/mute", {"for_s": seconds}) for seconds in (3600, 86400, 0)]


def test_going_between_two_paths_is_muted_and_unmuted(page, server):
    page.open(VIEW)
    assert page.text("[data-action=mute-pair]") == "Mute changes between A and B"
    click(page, "mute-pair")
    page.until(lambda: wished(server))
    server.states[0]["muted_pairs"] = [["A", "B"]]
    click(page, "unmute-pair")
    page.until(lambda: len(wished(server)) == 2)
    assert page.all("[data-action=mute-pair]") == []
    pair = ["A", "B"]
    assert wished(server) == [("targets/cloudflare/mute", {"pair": pair}), ("targets/cloudflare/mute", {"pair": pair, "for_s": 0})]


def test_a_path_that_is_not_usual_is_accepted(page, server):
    page.open(VIEW)
    assert page.all("[data-action=accept]") == []
    server.states[0] |= {"path_label": "B"}
    page.shows("[data-action=accept]", "Accept path B as usual")
    click(page, "accept")
    page.shows("main", "this path is the usual one now")
    assert wished(server) == [("targets/cloudflare/accept-path", {})]
    server.states[0] |= {"usual_path": "B"}
    page.until(lambda: page.all("[data-action=accept]") == [])


def test_a_wish_that_is_refused_says_why(page, server):
    page.expected_errors = ("409",)
    server.states[0] |= {"path_label": "B"}
    server.problems["targets/cloudflare/accept-path"] = {"status": 409, "title": "Conflict", "code": "no_path", "detail": "no path yet"}
    page.open(VIEW)
    click(page, "accept")
    page.shows("[role=alert].tone-bad.small:not(:empty)", "Not done: no path yet")


@pytest.mark.parametrize("language", ["en", "zh_Hant", "ja"])
def test_an_unstable_target_and_its_wishes_fit_a_phone(page, server, language):
    server.states[0] |= {
        "state": "unstable",
        "path_label": "B",
        "muted_until": page_data.instant(-3600),
        "muted_pairs": [["A", "B"], ["B", "C"]],
    }
    server.events = page_data.story()
    page.open(VIEW)
    page.language(language)
    assert page.all(".target-head .icon[data-icon=unstable]")
    for width in (360, 1280):
        page.size(width, dark=language == "ja")
        assert page.overflow() == 0
        assert page.axe() == []
        page.shoot(f"wishes-{language}-{width}")
