"""The one poller: no overlap, pause, back-off, offline and back."""

import itertools

OFFLINE = ("ERR_EMPTY_RESPONSE", "ERR_CONNECTION")


def test_polls_never_overlap(page, server):
    page.open()
    page.until(lambda: len(server.asked("GET", "summary")) > 3)
    with server.held():
        page.until(lambda: server.waiting == 1)
        asked = len(server.requests)
        begun = page.js("return performance.now()")
        page.until(lambda: page.js("return performance.now()") - begun > 5 * server.poll_ms)
        assert len(server.requests) == asked
    page.until(lambda: len(server.requests) > asked + 3)
    assert server.most_at_once == 1


def test_the_other_views_are_there_before_an_agent_goes_away(page, server):
    page.expected_errors = OFFLINE
    page.open()
    loaded = "return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname)"
    views = {f"/static/views/{name}.js" for name in ("target", "changes", "graph", "map", "report", "heat", "timeline")}
    page.until(lambda: views <= set(page.js(loaded)))
    before = set(page.js(loaded))
    server.offline = True
    page.js("location.hash = '#/target/cloudflare'")
    page.shows("#view", "The agent does not answer.")
    server.offline = False
    page.find(".target-head")
    assert {name for name in set(page.js(loaded)) - before if name.startswith("/static/")} == set()


def test_the_pill_pauses_and_resumes(page, server):
    page.open()
    page.find("#pill").click()
    page.shows("#pill", "Paused")
    page.until(lambda: server.at_once == 0)
    asked = len(server.requests)
    begun = page.js("return performance.now()")
    page.until(lambda: page.js("return performance.now()") - begun > 5 * server.poll_ms)
    assert len(server.requests) <= asked + 2  # the round that was under way has two questions
    page.find("#pill").click()
    page.shows("#pill", "Refreshing")
    page.until(lambda: len(server.requests) > asked + 3)


def test_offline_keeps_what_is_shown_and_comes_back_by_itself(page, server):
    page.expected_errors = OFFLINE
    page.open()
    server.offline = True
    page.shows("#pill", "Offline - retrying")
    assert "The agent does not answer." in page.text(".alert-message.warning")
    assert page.all("tr[data-target='cloudflare']")
    server.summary["targets"][0]["name"] = "Back again"
    server.offline = False
    page.shows("tr[data-target='cloudflare']", "Back again")
    assert page.text("#pill") == "Refreshing"
    assert "The agent does not answer." not in page.text("main")


def test_retries_back_off(page, server):
    page.expected_errors = OFFLINE
    page.open()
    server.offline = True
    page.shows("#pill", "Offline - retrying")
    page.js("performance.clearResourceTimings()")
    polls = "performance.getEntriesByType('resource').filter((entry) => entry.initiatorType === 'fetch')"
    starts = f"return {polls}.map((entry) => entry.startTime)"
    times = page.until(lambda: len(page.js(starts)) >= 3 and page.js(starts))
    first, second, *_ = (after - before for before, after in itertools.pairwise(times))
    # At least two rounds have failed before the first of these pauses; timers may be a little early, never much.
    assert first > 0.95 * 4 * server.poll_ms
    assert second > 0.95 * 8 * server.poll_ms


def test_nothing_is_asked_while_the_tab_is_hidden(page, server):
    page.open()
    hide = (
        "Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.js(hide, True)
    asked = len(server.requests)
    begun = page.js("return performance.now()")
    page.until(lambda: page.js("return performance.now()") - begun > 5 * server.poll_ms)
    assert len(server.requests) <= asked + 2
    page.js(hide, False)
    page.until(lambda: len(server.requests) > asked + 3)


def test_leaving_a_slow_view_does_not_wait_for_it(page, server):
    page.open()
    with server.held():
        page.until(lambda: server.waiting == 1)
        page.js("location.hash = '#/changes'")
        page.until(lambda: server.asked("GET", "targets"))
    page.find("#filter")
    assert page.all("table.targets") == []
