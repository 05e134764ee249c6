"""A trace that the reader asked for appears hop by hop."""

import pytest

from equipment import page_data

HERE = "of-cloudflare"
LIVE = "section.live"
BUTTON = "[data-action=trace]"


def progress(state, hops=0, **trace):
    """How far a trace is, of which so many hops are known."""
    whole = page_data.trace()
    some = None if state in ("queued", "resolving") else whole | {"id": None, "ending": None, "findings": [], "hops": whole["hops"][:hops]}
    return {"asked": HERE, "target": "cloudflare", "host": "one.one.one.one", "state": state, "max_ttl": 30, "trace": some and some | trace}


def test_hops_appear_while_the_trace_runs_and_stay(page, server):
    server.followed[HERE] = progress("queued")
    page.open("#/target/cloudflare")
    page.find(BUTTON).click()
    page.shows(f"{LIVE} [role=status]", "It waits for its turn.")
    assert page.find(BUTTON).get_attribute("aria-disabled") == "true"
    server.followed[HERE] = progress("running", 1, probes=3)
    page.shows(LIVE, "3 probes")
    first = page.find(f"{LIVE} [data-ttl='1']")
    later = progress("running", 5, probes=15)
    del later["trace"]["hops"][1]
    server.followed[HERE] = later
    page.shows(LIVE, "15 probes")
    rows = page.texts(f"{LIVE} tbody tr")
    assert len(rows) == 5
    assert "waited for" in rows[1]
    assert page.texts(f"{LIVE} [role=status]") == ["Tracing…"], "what is told aloud does not change with every probe"
    assert page.find(f"{LIVE} [data-ttl='1']") == first, "what is there is not drawn anew"
    assert page.overflow() == 0
    assert page.axe() == []
    asked = len(server.asked("GET", "targets/cloudflare"))
    server.followed[HERE] = progress("done", 6, ending="reached")
    page.shows(f"{LIVE} [role=status]", "Finished: target reached, 6 hops, 11.9")
    page.until(lambda: len(server.asked("GET", "targets/cloudflare")) > asked)
    assert page.find(BUTTON).get_attribute("aria-disabled") is None
    looks = len(server.asked("GET", "traces/asked"))
    page.until(lambda: len(server.asked("GET", "targets/cloudflare")) > asked + 2)
    assert len(server.asked("GET", "traces/asked")) == looks, "nobody asks any more"


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (progress("failed", 0, ending="error", error="no_route", error_detail="no route to the target: 1.1.1.1"), "no route to the target"),
        (None, "The agent knows nothing of this trace any more, as after a restart."),
    ],
)
def test_why_there_is_none_is_said(page, server, ended, said):
    page.expected_errors = ("404",)
    server.followed[HERE] = progress("running", 2)
    page.open("#/target/cloudflare")
    page.find(BUTTON).click()
    page.shows(f"{LIVE} [role=status]", "Tracing…")
    if ended:
        server.followed[HERE] = ended
    else:
        del server.followed[HERE]
    page.shows(f"{LIVE} [role=status]", said)
    assert page.find(BUTTON).get_attribute("aria-disabled") is None


def test_a_trace_survives_an_agent_that_does_not_answer_for_a_while(page, server):
    page.expected_errors = ("ERR_EMPTY_RESPONSE", "ERR_CONNECTION")
    server.followed[HERE] = progress("running", 2)
    page.open("#/target/cloudflare")
    page.find(BUTTON).click()
    page.shows(f"{LIVE} [role=status]", "Tracing…")
    server.offline = True
    page.shows("#pill", "Offline - retrying")
    assert len(page.all(f"{LIVE} tbody tr")) == 2
    server.followed[HERE] = progress("done", 6, ending="reached")
    server.offline = False
    page.shows(f"{LIVE} [role=status]", "Finished: target reached")


def test_the_overview_says_how_far_it_is_and_the_target_s_page_goes_on(page, server):
    server.followed[HERE] = progress("running", 4)
    page.open()
    page.find(f"tr[data-target='cloudflare'] {BUTTON}").click()
    page.shows("tr[data-target='cloudflare'] .trace-now", "hop 4")
    page.js("location.hash = '#/target/cloudflare'")
    page.until(lambda: len(page.all(f"{LIVE} tbody tr")) == 4)
    server.followed[HERE] = progress("done", 6, ending="reached")
    page.shows(f"{LIVE} [role=status]", "Finished")
    page.js("location.hash = '#/'")
    page.find("tr[data-target='cloudflare']")
    page.js("location.hash = '#/target/cloudflare'")
    page.find(".target-head")
    assert page.all(LIVE) == [], "what has ended is told once"


def test_it_fits_a_phone_in_every_language(page, server):
    server.followed[HERE] = progress("running", 6, probes=18)
    page.open("#/target/cloudflare")
    page.size(360)
    page.find(BUTTON).click()
    page.until(lambda: len(page.all(f"{LIVE} tbody tr")) == 6)
    for language in ("ja", "zh_Hans", "zh_Hant"):
        page.language(language)
        page.until(lambda: "18" in page.text(f"{LIVE} .muted"))
        assert page.overflow() == 0
    page.shoot("followed-360")
