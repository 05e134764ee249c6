"""A machine without Internet on which nothing is configured: the page says in words where the fault is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from equipment.agent import Agent, Runner, runners
from equipment.browser import Page, chromium, poll_faster
from netlab import Lab

PATIENCE_S = 60  # the first traces end at the gap limit, after a few seconds
NODES = {
    "alone": (
        "The fault is at home. No probe can leave: no route to the target: Network is unreachable.",
        {"cloudflare": "Cannot probe Fault: home no route to the target – Network is unreachable Learning"},
    ),
    "cut": (
        "The fault is at the ISP. Home: ok, ISP: no answer.",
        {"gateway": "OK Learning", "cloudflare": "Not known yet has never answered Learning"},
    ),
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two machines: one with nothing but its loopback, one whose gateway answers for itself and forwards nothing."""
    with Lab() as built:
        built.nodes(hosts=["alone", "cut", "gateway"])
        built.route("cut", "0.0.0.0/0", built.link("cut", "gateway", dev_a="wan").b4)
        yield built


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with runners() as (root, _):
        yield root


@pytest.mark.parametrize("node", NODES)
def test_the_page_says_where_the_fault_is(node: str, lab: Lab, runner: Runner, need: Callable[[str], str], tmp_path: Path) -> None:
    words, rows = NODES[node]
    agent = Agent(lab, runner, f"page-{node}", node=node)
    agent.configure()
    with agent, lab.enter(node), chromium(need, tmp_path) as driver, Page(driver, "http://127.0.0.1:8866/", PATIENCE_S).watched() as page:
        driver.set_window_size(1280, 900)
        poll_faster(driver, 500)
        page.open()
        early = page.text(".alert-message.verdict")
        assert not early.startswith("All is well.")
        page.until(lambda: page.text(".alert-message.verdict") == words)
        for target, state in rows.items():
            cell = page.js("return document.querySelector(arguments[0]).innerText", f"tr[data-target='{target}'] td")
            assert " ".join(cell.split()) == state
        page.shoot(f"no-internet-{node}")
        page.language("zh_Hant")
        page.shoot(f"no-internet-{node}-zh_Hant")
        assert page.all(".agent-text[lang=en]")
