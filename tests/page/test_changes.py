"""The change log."""

from equipment.page_data import HOSTILE, event


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
    assert page.all(".change details") == []


def test_an_event_of_the_agent_itself_has_no_target_and_no_hops(page):
    page.open("#/changes")
    assert page.text(".change[data-seq='1'] .change-title") == HOSTILE
    assert page.all(".change[data-seq='1'] details, .change[data-seq='1'] a") == []


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
