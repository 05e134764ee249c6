"""The real daemon in a laboratory and a real browser beside it: what the page says of a network that we know, and move."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from selenium import webdriver

from equipment.agent import Agent, Runner, runners, section
from equipment.browser import Page, chromium, poll_faster
from netlab import StandardLab, standard_lab

PATIENCE_S = 40  # for what must come at all, on a loaded machine
TOLD_WITHIN_S = 20  # a moved path: an interval, then the confirmation
POLL_MS = 500
BEHIND = ("udp4", "udp6", "icmp4")  # the diamond
ROW = "tr[data-target='{}']"
OFFLINE = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")


class Net(NamedTuple):
    """A laboratory, and the browser in its agent's node."""

    lab: StandardLab
    runner: Runner
    driver: webdriver.Chrome


@pytest.fixture(scope="module")
def net(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """All tests here run inside the agent's node: there chromedriver listens and Chromium looks for the page."""
    profile = tmp_path_factory.mktemp("chromium")
    with runners() as (root, _), standard_lab() as lab, lab.enter(lab.agent), chromium(need, profile) as driver:
        driver.set_window_size(1280, 900)
        poll_faster(driver, POLL_MS)
        yield Net(lab, root, driver)


@pytest.fixture(scope="module")
def agent(net: Net) -> Iterator[Agent]:
    """The daemon with four targets that most tests look at, one after the other, as the network lives through what they do."""
    lab = net.lab
    with watching(
        Agent(lab, net.runner, "live"),
        section("target", "udp4", host=lab.target4, label="Zürich"),
        section("target", "udp6", host=lab.target6),
        section("target", "icmp4", host=lab.target4, method="icmp"),
        section("target", "home", host=lab.gateway4),
    ) as running:
        yield running


@pytest.fixture
def page(net: Net, agent: Agent) -> Iterator[Page]:
    """Its page."""
    with Page(net.driver, url(agent), PATIENCE_S).watched() as shown:
        yield shown


@contextmanager
def watching(agent: Agent, *sections: str) -> Iterator[Agent]:
    """Let a daemon watch targets every second; each has been traced when the block begins."""
    agent.configure(section("defaults", "defaults", interval_s=1, jitter_pct=0, queries=2, wait_s=0.3), *sections)
    with agent:
        agent.awaits(
            lambda: agent.get("/api/v1/targets")["targets"], lambda now: all(one["measured_at"] for one in now), "the first traces"
        )
        yield agent


def url(agent: Agent) -> str:
    """Where its page is."""
    return f"http://127.0.0.1:{agent.port}/"


def cells(page: Page, selector: str) -> list[list[str]]:
    """What the cells of a row say, line by line."""
    read = "return [...document.querySelector(arguments[0]).children].map((cell) => cell.innerText.trim().split(/\\n+/))"
    return list(page.js(read, selector))


def test_the_overview_shows_every_target_as_it_is(page: Page, agent: Agent, net: Net) -> None:
    page.open()
    page.until(lambda: page.text(".alert-message.verdict") == "All is well. All 4 targets answer.")
    expected = {
        "udp4": (net.lab.target4, " · 8 hops"),
        "udp6": (net.lab.target6, " · 8 hops"),
        "icmp4": (net.lab.target4, " · 8 hops"),
        "home": (net.lab.gateway4, " · 1 hop"),
    }
    for target, (address, hops) in expected.items():
        row = cells(page, ROW.format(target))
        assert row[0][1] == address
        assert (row[1][0], row[4], row[5][0]) == ("OK", ["0%"], "A ★"), row
        assert row[5][2].endswith(hops)
        assert [part.split()[0] for part in row[2]] == ["Home", "ISP", "Transit", "Destination"]
    assert cells(page, ROW.format("udp4"))[0] == ["Zürich", net.lab.target4, f"{net.lab.wan} · via {net.lab.gateway4}"]
    assert page.text(".agent-name").startswith(f"{agent.name} · ")
    page.shoot("live-overview")


def test_the_target_view_shows_the_laboratorys_hops(page: Page, agent: Agent, net: Net) -> None:
    assert agent.returncode is None
    page.open("#/target/udp4")
    page.shows("main .facts", "target reached")  # until the first trace is in the history there is only the path
    read = "return [...document.querySelectorAll('table.hops .who')].map((cell) => cell.innerText.split('\\n')[0]).slice(1)"
    rows = page.js(read)
    assert len(rows) == len(net.lab.hops4) == 8
    for ttl, (row, hop) in enumerate(zip(rows, net.lab.hops4, strict=True), 1):
        # Three targets share the hop that answers once a second.
        words = {"does not answer (normal)"} if ttl in (net.lab.silent_ttl, net.lab.limited_ttl) else set()
        assert row in (hop or set()) | words
    facts = page.text("main .facts")
    parts = ("target reached", "UDP · IPv4", "raw sockets", f"{net.lab.wan} · via {net.lab.gateway4} · table 254", net.lab.agent4)
    assert [part for part in parts if part not in facts] == []
    lines = page.find("#copy-text").get_property("value").split("\n")
    assert lines[0] == f"traceroute to {net.lab.target4} ({net.lab.target4}), 30 hops max"
    assert lines[net.lab.silent_ttl].startswith(f" {net.lab.silent_ttl}  *")
    page.shoot("live-target")


def test_trace_now_brings_a_new_trace(net: Net) -> None:
    slow = Agent(net.lab, net.runner, "live-slow", port=8867)
    with (
        watching(slow, section("target", "slow", host=net.lab.target4, interval_s=3600)),
        Page(net.driver, url(slow), PATIENCE_S).watched() as page,
    ):
        first = slow.awaits(lambda: slow.get("/api/v1/targets/slow")["trace"], bool, "the first trace is in the history")
        assert first["reason"] == "schedule"
        page.open("#/target/slow")
        assert "schedule" in page.text("main .facts")
        page.find("[data-action=trace]").click()
        page.shows("section.live [role=status]", "Finished: target reached")
        page.shows("main .facts", "asked for")
        page.until(lambda: page.find("[data-action=trace]").get_attribute("aria-disabled") is None)
        second = slow.get("/api/v1/targets/slow")["trace"]
        assert (second["reason"], second["id"], second["ending"]) == ("command", first["id"] + 1, "reached")
        # The same once more, as somebody would try it before saving: who asked is told, and nobody else.
        status, answer = slow.ask("POST", "/api/v1/traces", {"target": {"host": net.lab.target4, "queries": "1"}})
        asked = f"/api/v1/traces/asked/{json.loads(answer)['asked']}"
        once = slow.awaits(lambda: slow.get(asked), lambda now: now["state"] in ("done", "failed"), "it has ended")
        assert (status, once["state"], once["trace"]["ending"]) == (202, "done", "reached")
        assert {len(hop["answers"]) for hop in once["trace"]["hops"]} == {1}
        assert slow.get("/api/v1/targets/slow")["trace"]["id"] == second["id"]
        page.open()
        assert "in 59 min" in page.text(ROW.format("slow"))


def test_a_target_is_added_tried_changed_and_removed_on_the_page(net: Net) -> None:
    kept = Agent(net.lab, net.runner, "live-settings", port=8867)
    with watching(kept, section("target", "home", host=net.lab.gateway4)), Page(net.driver, url(kept), PATIENCE_S).watched() as page:
        page.expected_errors = OFFLINE  # the page of a daemon that reloads is away for a moment
        page.open("#/settings")
        page.js("window.kept = true")
        page.find("a[href='#/settings/target']").click()
        page.find("#set-host").send_keys(net.lab.target4)
        page.find("#set-label").send_keys("Zürich")
        page.find("[data-settings=trace]").click()
        page.shows("section.live", "Finished: target reached, 8 hops")
        assert len(page.all("section.live tbody tr")) == len(net.lab.hops4)
        assert kept.get("/api/v1/targets")["targets"][0]["target"] == "home", "trying it changes nothing"
        page.shoot("live-settings-tried")
        page.find("#setting [type=submit]").click()
        page.shows(".success", "Zurich is saved, and the agent runs with it.")
        page.js("location.hash = '#/'")
        page.shows(ROW.format("Zurich"), "OK")
        page.js("location.hash = '#/settings/target/Zurich'")
        page.find("#set-interval_s").send_keys("77", "\n")
        page.shows(".success", "Zurich is saved, and the agent runs with it.")
        assert kept.get("/api/v1/targets/Zurich")["config"]["interval_s"] == 77
        page.find("[data-settings=remove]").click()
        page.find("[data-settings=really]").click()
        page.shows(".success", "Zurich is removed, and the agent runs without it.")
        assert [each["target"] for each in kept.get("/api/v1/targets")["targets"]] == ["home"]
        assert page.js("return window.kept") is True, "and all of it without loading the page anew"


def test_a_daemon_that_is_killed_and_comes_back_is_followed(page: Page, agent: Agent) -> None:
    page.expected_errors = OFFLINE
    page.open()
    page.js("window.kept = true")
    agent.signal(signal.SIGKILL)
    agent.ended()
    page.shows("#pill", "Offline")
    assert "The agent does not answer." in page.text(".alert-message.warning")
    assert page.all(ROW.format("udp4"))
    agent.start()
    page.until(lambda: page.text("#pill") == "Refreshing")
    page.until(lambda: "All 4 targets answer." in page.text(".alert-message.verdict"))
    assert "The agent does not answer." not in page.text("main")
    assert page.js("return window.kept") is True


def test_what_hinders_a_target_stands_in_its_row(net: Net) -> None:
    net.lab.ip(net.lab.agent, "route add unreachable 198.51.100.0/24")
    hindered = Agent(net.lab, net.runner, "live-hindered", port=8867)
    reasons = {
        "roadless": "no route to the target – No route to host",
        "nameless": "the name does not resolve – nowhere.invalid",
        "sourceless": "the source's device does not exist – wanc",
    }
    with (
        watching(
            hindered,
            section("source", "gone", device="wanc"),
            section("target", "good", host=net.lab.target4),
            section("target", "roadless", host="198.51.100.1"),
            section("target", "nameless", host="nowhere.invalid"),
            section("target", "sourceless", host=net.lab.target4, source="gone", label="Over there"),
        ),
        Page(net.driver, url(hindered), PATIENCE_S).watched() as page,
    ):
        page.open()
        page.shows(".alert-message.verdict", "198.51.100.1, nowhere.invalid, Over there cannot be probed; another one answers.")
        page.shoot("live-errors")
        assert {target: page.text(f"{ROW.format(target)} div.tone-bad") for target in reasons} == reasons
        for target in reasons:
            row = cells(page, ROW.format(target))
            assert (row[1][0], row[2], row[3], row[4]) == ("Cannot probe", ["–"], ["–"], ["–"])
        assert cells(page, ROW.format("good"))[1][0] == "OK"
        page.open("#/target/roadless")
        page.shows("main .facts", "no probe could leave – no route to the target – No route to host")


def test_a_moved_path_comes_to_the_open_page(page: Page, agent: Agent, net: Net) -> None:
    # A path that few probes have seen takes longer to fall.
    path = f"/api/v1/targets/{BEHIND[0]}/paths"
    agent.awaits(lambda: agent.get(path)["paths"][0]["traces"], lambda traces: traces >= 8, "some quiet rounds")
    page.open("#/changes")
    assert set(page.texts(".change .kind")) == {"Agent started"}
    page.js("window.kept = true")
    begun = page.js("return performance.now()")
    net.lab.move()
    try:
        page.until(lambda: len(page.all(".change-head a")) == len(BEHIND))
        assert page.js("return performance.now()") - begun < TOLD_WITHIN_S * 1000
        page.shoot("live-changes")
        # The same path, told once for each target that goes there.
        kinds = [kind for kind in page.texts(".change .kind") if kind != "Agent started"]
        assert sorted(kinds) == ["Path changed · one hop", "Path changed · one hop", "Path changed · rerouted"]
        assert sorted(page.texts(".change-head a")) == sorted(["Zürich", net.lab.target4, net.lab.target6])
        page.js("location.hash = '#/changes?target=udp4'")
        page.until(lambda: len(page.all(".change")) == 1)
        read = (
            "return [...document.querySelectorAll('.diff tbody tr')].map((row) => [...row.children].slice(1).map((cell) => cell.innerText))"
        )
        for (before, after), old, new in zip(page.js(read), net.lab.hops4, net.lab.hops4_moved, strict=True):
            assert before in (old or {"*"}) | {"*"}  # the rate limit
            assert after in (new or {"*"}) | {"*"}
        assert page.js("return [...document.querySelectorAll('tr.differs')].map((row) => row.dataset.ttl)") == [str(net.lab.diamond_ttl)]
        page.js("location.hash = '#/'")
        page.until(
            lambda: [cells(page, ROW.format(target))[5][0] for target in BEHIND if page.all(ROW.format(target))] == ["B"] * len(BEHIND)
        )
        assert cells(page, ROW.format("home"))[5][0].startswith("A")
        assert page.js("return window.kept") is True
    finally:
        net.lab.move_back()


def test_a_target_that_stops_answering_is_told_in_words(page: Page, agent: Agent, net: Net) -> None:
    assert agent.returncode is None
    page.open("#/changes?target=udp4")
    net.lab.nft("r2", "add chain inet lab through { type filter hook forward priority 0; policy drop; }")
    try:
        page.shows(".change .kind", "Target unreachable")
        assert page.text(".change .change-title") == "Zürich does not answer"
        page.js("location.hash = '#/'")
        page.shows(".alert-message.verdict", "Home: ok, ISP: no answer.")
        rows = {target: cells(page, ROW.format(target))[1][0] for target in (*BEHIND, "home")}
        assert rows == dict.fromkeys(BEHIND, "Unreachable") | {"home": "OK"}
        page.shoot("live-unreachable")
    finally:
        net.lab.nft("r2", "delete chain inet lab through")
