"""The change log."""

import json

import pytest

from equipment.page_data import HOSTILE, event, incident, said, story


def seqs(page):
    return [int(row) for row in page.js("return [...document.querySelectorAll('.change')].map((row) => row.dataset.seq)")]


def test_events_are_newest_first_with_words_severity_and_utc(page):
    page.open("#/changes")
    assert seqs(page) == [3, 2, 1]
    first = page.text(".change[data-seq='3']")
    parts = ("Path changed · rerouted", "Notice", "Cloudflare DNS", "Path to Cloudflare DNS changed at hop 3", "2.6 ms faster")
    assert [part for part in parts if part not in first] == []
    assert page.find(".change time").get_attribute("title").endswith(" UTC")
    assert page.all(".change[data-seq='2'] .icon[data-icon=critical]")


def test_before_and_after_stand_side_by_side_with_the_differing_hops_marked(page):
    page.open("#/changes")
    read = "return [...document.querySelectorAll(arguments[0])].map((row) => [...row.children].map((cell) => cell.innerText))"
    rows = page.js(read, ".change[data-seq='3'] tbody tr")
    assert [len(row) for row in rows] == [3] * 6
    assert rows[1][1:] == ["*", "*"]
    assert rows[3][1:] == ["198.51.100.9\n198.51.100.10", "198.51.100.33"]
    marked = page.js("return [...document.querySelectorAll('tr.differs')].map((row) => row.dataset.ttl)")
    assert marked == ["3", "4"]
    assert ["≠" in row[0] for row in rows] == [False, False, True, True, False, False]
    heads = page.texts(".change[data-seq='3'] thead th")
    assert heads == ["Hop", "Before B 14.2 ms", "After A 11.6 ms"]


def test_reachability_has_no_before_and_after(page, server):
    same = server.events[0]["new"]
    server.events = [event(9, event_type="target_unreachable", severity="critical", change="lost", old=same, new=same)]
    page.open("#/changes")
    assert page.text(".change .kind") == "Target unreachable"
    assert page.all(".change details:not(.note-edit)") == []


def test_an_event_of_the_agent_itself_has_no_target_and_no_hops(page):
    page.open("#/changes")
    assert page.text(".change[data-seq='1'] .change-title") == HOSTILE
    assert page.all(".change[data-seq='1'] details:not(.note-edit), .change[data-seq='1'] a") == []


def test_a_note_is_written_shown_as_text_and_refused_aloud(page, server):
    page.open("#/changes")
    edit = ".change[data-seq='3'] .note-edit"
    page.find(f"{edit} summary").click()
    field = page.find(f"{edit} input")
    field.send_keys(HOSTILE)
    page.until(lambda: len(server.asked("GET", "changes")) > 2)
    assert field.get_property("value") == HOSTILE, "a refresh takes nothing away"
    server.events[0]["note"] = HOSTILE
    page.find(f"{edit} [data-action=note]").click()
    page.shows(".change[data-seq='3'] .note", f"Note {HOSTILE}")
    page.shows(f"{edit} [role=status]", "Saved.")
    (asked,) = server.asked("POST", "events/")
    assert (asked.path, json.loads(asked.body)) == (f"events/{server.events[0]['event_id']}/note", {"note": HOSTILE})
    path = asked.path
    server.problems[path] = {"type": "about:blank", "title": "Not Found", "status": 404, "code": "no_event", "detail": "there is no event"}
    page.expected_errors = ("404",)
    page.find(f"{edit} [data-action=note]").click()
    page.shows(f"{edit} [role=alert]", "Not done: there is no event")


def test_a_new_event_appears_without_reload_and_folds_nothing(page, server):
    page.open("#/changes")
    page.js("window.kept = document.querySelector(\".change[data-seq='3']\")")
    server.events.insert(0, event(4, title="Something new"))
    page.shows(".change", "Something new")
    assert seqs(page) == [4, 3, 2, 1]
    assert page.js("return window.kept.isConnected && window.kept.querySelector('details').open")


def test_older_events_come_page_by_page_and_stay(page, server):
    server.events = [event(seq) for seq in range(120, 0, -1)]
    page.open("#/changes")
    assert seqs(page) == list(range(120, 70, -1))
    page.find("[data-action=older]").click()
    page.until(lambda: len(seqs(page)) == 100)
    page.find("[data-action=older]").click()
    page.until(lambda: len(seqs(page)) == 120)
    assert page.all("[data-action=older]") == []
    server.events.insert(0, event(121))
    page.until(lambda: seqs(page) == list(range(121, 0, -1)))


def test_the_filter_lives_in_the_address(page):
    page.open("#/changes")
    page.choose("filter", "six")
    page.until(lambda: seqs(page) == [2])
    assert page.js("return location.hash") == "#/changes?target=six"
    page.driver.back()
    page.until(lambda: seqs(page) == [3, 2, 1])
    assert page.find("#filter").get_property("value") == ""


def test_no_change_yet_is_told_apart_from_learning(page, server):
    server.events = []
    page.open("#/changes")
    assert "still learning" in page.text(".empty")
    for state in server.states:
        state["learning"] = False
    page.until(lambda: page.text(".empty") == "No change has been seen.")


def test_routes_of_different_length_meet_at_their_common_end(page, server):
    old = {"label": "A", "path_id": "p1", "rtt_ms": 20.0, "hops": [["10.0.0.1"], [], ["10.0.0.3"], ["10.0.0.4"], ["10.0.0.9"]]}
    new = {"label": "B", "path_id": "p2", "rtt_ms": 25.0, "hops": [["10.0.0.1"], [], ["10.0.0.7"], ["10.0.0.9"]]}
    server.events = [event(9, old=old, new=new, first_diff_ttl=3, last_diff_ttl=3)]
    page.open("#/changes")
    read = "return [...document.querySelectorAll('.diff tbody tr')].map((row) => [...row.children].map((cell) => cell.innerText))"
    rows = page.js(read)
    assert [row[0].split()[0] for row in rows] == ["1", "2", "3", "4", "5/4"]
    assert [row[1:] for row in rows[2:]] == [["10.0.0.3", "10.0.0.7"], ["10.0.0.4", ""], ["10.0.0.9", "10.0.0.9"]]
    assert page.js("return [...document.querySelectorAll('tr.differs')].map((row) => row.dataset.ttl)") == ["3", "4"]
    assert page.text(".change summary") == "Before and after: hop 3 differs"


def small(page, seq, kind):
    return page.text(f".change[data-seq='{seq}'] .{kind}")


def test_what_changed_its_cause_and_its_place_are_told(page, server):
    server.events = story()
    page.open("#/changes")
    kinds = {seq: small(page, seq, "kind") for seq in (28, 27, 26, 25, 24, 23, 21, 20, 19)}
    assert kinds == {
        28: "Path attribute changed · DSCP",
        27: "Path attribute changed · MPLS",
        26: "Path unstable",
        25: "Path stable again",
        24: "Latency shifted",
        23: "Target unreachable",
        21: "Digest",
        20: "Uplink down",
        19: "Cannot probe",
    }
    assert "Hop 4 differs; 0x28 → 0x00." in page.text(".change[data-seq='28']")
    assert "Off → on." in page.text(".change[data-seq='27']")
    assert "12.1 ms → 36.4 ms; 24.3 ms slower." in page.text(".change[data-seq='24']")
    assert small(page, 29, "cause") == "Cause your default route moved from wan to wanb 3 s earlier"
    place = "The fault is probably in a network on the way, between 198.51.100.33 (hop 4) and 203.0.113.9 (hop 5)."
    assert small(page, 23, "place") == f"Place {place}"
    assert "The hourly limit held them back; Target unreachable: 7." in page.text(".change[data-seq='21']")
    assert small(page, 20, "change-title") == "The uplink wan is down"
    assert "Your resolver does not answer." in page.text(".change[data-seq='19']")


def test_another_language_says_all_but_what_the_machine_tells_of_itself(page, server):
    server.events = story()
    page.open("#/changes")
    page.language("zh_Hant")
    assert small(page, 23, "change-title") == "Cloudflare DNS 不回應"
    place = "故障很可能在途中的轉送網路，介於 198.51.100.33 (第 4 跳) 與 203.0.113.9 (第 5 跳) 之間。"
    assert small(page, 23, "place") == f"位置 {place}"
    assert small(page, 29, "cause") == "原因 本機的路由已變更 – your default route moved from wan to wanb 3 s earlier"
    assert "無 → 有。" in page.text(".change[data-seq='27']")
    page.language("ja")
    place = "障害は途中の中継網、198.51.100.33 (ホップ 4) と 203.0.113.9 (ホップ 5) の間にあると思われます。"
    assert small(page, 23, "place") == f"場所 {place}"
    english = set(page.js("return [...document.querySelectorAll('.change [lang=en]')].map((node) => node.textContent)"))
    assert english == {"your default route moved from wan to wanb 3 s earlier", "wan has no carrier", "Your resolver does not answer"}


def test_events_of_one_incident_stand_together(page, server):
    server.events, server.incidents = story(), [incident()]
    page.open("#/changes")
    assert seqs(page) == [29, 23, 22, 28, 27, 26, 25, 24, 21, 20, 19]
    together = page.js("return [...document.querySelectorAll('.incident .change')].map((row) => Number(row.dataset.seq))")
    assert together == [29, 23, 22]
    head = page.text(".incident .change-head")
    assert [part for part in ("Critical", "Incident", "2 targets do not answer; 1 still do not answer.", "open") if part not in head] == []
    assert "Events that belong together: 3 · Cloudflare DNS, 台北 IPv6" in page.text(".incident")
    server.incidents = [incident(closed_at="2026-11-21T10:00:00.000Z")]
    page.shows(".incident .change-head", "over")


def test_events_whose_incident_is_not_known_any_more_stand_together_too(page, server):
    server.events = story()
    page.open("#/changes")
    assert len(page.all(".incident .change")) == 3
    assert page.text(".incident .change-head").startswith("Incident")


def test_what_nobody_translated_is_told_in_the_agents_own_words(page, server):
    server.events = [event(9, text=said("title.of_tomorrow", ("clause.of_tomorrow", {})))]
    page.open("#/changes")
    page.language("ja")
    assert page.text(".change .change-title") == "Path to Cloudflare DNS changed at hop 3"
    assert "Hops 3 to 4 were replaced; 2.6 ms faster." in page.text(".change")
    assert page.text(".change .change-title [lang=en]") != ""


@pytest.mark.parametrize("language", ["en", "zh_Hant", "ja"])
def test_a_phone_shows_incidents_without_scrolling_sideways(page, server, language):
    server.events, server.incidents = story(), [incident()]
    page.open("#/changes")
    page.language(language)
    for width in (360, 1280):
        for dark in (False, True):
            page.size(width, dark)
            assert page.overflow() == 0
            assert page.axe() == []
            page.shoot(f"incidents-{language}-{width}-{'dark' if dark else 'light'}")
