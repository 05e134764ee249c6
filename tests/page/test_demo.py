"""`pathwarden demo` as a visitor meets it: a week that is all written before the page opens, then life, then nothing left behind."""

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from equipment.agent import awaited
from equipment.browser import Page
from pathwarden.cli.demo import SCENARIO

WEEK_S = 7 * 86_400
SPEED = 60
INTERVAL_S = 300 * 1.05  # a target's interval with its jitter
STARTS_WITHIN_S = 240  # about 20 s of computing, on a machine with other things to do
BEHIND_S = 60  # between our clock's reading and the beginning of the demo's week
LIVE_WITHIN_S = 60  # the first thing happens after ten seconds, and is found and confirmed within seven more
LANGUAGES = ("en", "zh_Hant", "zh_Hans", "ja")
VIEWS = {"overview": "#/", "target": "#/target/office", "changes": "#/changes"}
# The first detour of a target is a new path, later ones are returns; letters are given in the order of appearance.
WEEK = [
    (97_200, "office", "path_changed", "A", "B"),
    (115_200, "office", "path_reverted", "B", "A"),
    (180_000, "office", "target_unreachable", "A", "A"),
    (180_000, "video", "target_unreachable", "A", "A"),
    (183_600, "office", "target_reachable", "A", "A"),
    (183_600, "video", "target_reachable", "A", "A"),
    (216_000, "office", "path_attribute_changed", "A", "A"),
    (216_000, "video", "path_attribute_changed", "A", "A"),
    (260_000, "video", "path_changed", "A", "B"),
    (345_600, "video", "path_reverted", "B", "A"),
    (400_000, "game", "target_unreachable", "A", "A"),
    (403_600, "game", "target_reachable", "A", "A"),
    (475_000, "office", "path_changed", "A", "C"),
    (475_000, "video", "path_changed", "A", "C"),
    (490_000, "office", "path_reverted", "C", "A"),
    (490_000, "video", "path_reverted", "C", "A"),
    (540_000, "office", "path_reverted", "A", "B"),
    (561_600, "office", "path_reverted", "B", "A"),
]
SLOWER_S = (440_000, 461_600)  # the office becomes slower, and is as before
LIVE = ("office", "path_reverted", "A", "B")


class Demo:
    """The demo in a process of its own, with its temporary files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "temporary"
        self.folder.mkdir()
        self.began = time.time()
        self._stdout = folder / "stdout"
        self._stderr = folder / "stderr"
        # Who runs the tests in the background may have switched interrupts off for all that they start.
        command = ["env", "--default-signal=INT", sys.executable, "-m", "pathwarden", "demo"]
        with self._stdout.open("w") as stdout, self._stderr.open("w") as stderr:
            environment = os.environ | {"TMPDIR": str(self.folder)}
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd="/")
        self.url = ""
        self.week: list[dict[str, Any]] = []

    def await_page(self) -> None:
        """Wait until it is live, and ask at once for the changes so far."""
        awaited(self.lines, bool, "the demo tells its address", STARTS_WITHIN_S)
        self.url = self.lines()[0].removeprefix("The page: ").split()[0]
        self.week = self.get("changes?limit=100")["changes"][::-1]

    def lines(self) -> list[str]:
        """What it printed so far, in whole lines."""
        assert self.process.poll() is None, f"the demo ended with {self.process.returncode}: {self._stderr.read_text()}"
        return self._stdout.read_text(encoding="utf-8").split("\n")[:-1]

    def get(self, path: str) -> Any:
        """The JSON answer of the interface."""
        with urllib.request.urlopen(f"{self.url}api/v1/{path}", timeout=30) as answer:
            return json.load(answer)

    def interrupt(self) -> int:
        """Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def close(self) -> str:
        """End it if it still runs; what it wrote to standard error."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        return self._stderr.read_text()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that is live; it is interrupted at the end, whatever the tests did to it."""
    running = Demo(tmp_path_factory.mktemp("demo"))
    try:
        running.await_page()
        yield running
    finally:
        running.close()


@pytest.fixture
def shown(driver: webdriver.Chrome, demo: Demo) -> Iterator[Page]:
    """Its page."""
    with Page(driver, demo.url, LIVE_WITHIN_S).watched() as page:
        yield page


def _told(event: dict[str, Any]) -> tuple[str, str, str, str]:
    return event["target"], event["event_type"], event["old"]["label"], event["new"]["label"]


def _at_s(demo: Demo, event: dict[str, Any], key: str = "first_seen_at") -> float:
    return dt.datetime.fromisoformat(event[key]).timestamp() - demo.began + WEEK_S


def _scripted(demo: Demo) -> list[dict[str, Any]]:
    """What is told but of latency: a shift may follow each change of path, as chance will have it."""
    return [event for event in demo.week if event["event_type"] != "latency_shift"]


def test_the_week_has_the_scripted_events_and_no_other(demo):
    scripted = tomllib.loads(SCENARIO.read_text(encoding="utf-8"))["changes"]
    # A lossy router is no change of path, and nothing is told of it.
    happens = {change["at_s"] for change in scripted if change["at_s"] < WEEK_S and "loss" not in change}
    assert {at_s for at_s, *_ in WEEK} | {*SLOWER_S} == happens
    # On a slow machine the first live events may be there already.
    told = [_told(event) for event in _scripted(demo) if _at_s(demo, event) < WEEK_S]
    assert sorted(told) == sorted(tuple(event) for _, *event in WEEK)


def test_every_event_of_the_week_was_seen_soon_after_its_cause(demo):
    for event in _scripted(demo):
        causes = [at_s for at_s, *told in [*WEEK, (WEEK_S + 600, *LIVE)] if tuple(told) == _told(event)]
        seen_s = _at_s(demo, event)
        assert any(at_s - 30 < seen_s < at_s + 2 * INTERVAL_S + BEHIND_S for at_s in causes), (_told(event), seen_s)
        assert event["delayed"] is False


def test_a_shift_of_latency_alone_is_told_within_the_hour(demo):
    shifts = [_at_s(demo, event, "occurred_at") for event in demo.week if event["event_type"] == "latency_shift"]
    for at_s in SLOWER_S:
        assert [shift for shift in shifts if at_s < shift < at_s + 3600]


def test_what_moves_together_is_one_incident_and_a_loss_has_its_place(demo):
    moved = [event for event in demo.week if event["new"]["label"] == "C" and event["event_type"] == "path_changed"]
    assert len({event["group_id"] for event in moved}) == 1
    lost = [event for event in demo.week if event["event_type"] == "target_unreachable" and event["target"] in ("office", "video")]
    assert [event["location"]["between"] for event in lost] == [[["203.0.113.9"], ["203.0.113.13"]]] * 2
    stories = demo.get("incidents?limit=50")["incidents"]
    assert max(story["target_count"] for story in stories) == 2


def test_the_summary_covers_five_targets_and_the_history_seven_days(demo):
    summary = demo.get("summary")
    targets = {state["target"]: (state["name"], state["hop_count"], state["state"]) for state in summary["targets"]}
    # The office takes a detour of one hop less while we look.
    assert targets.pop("office") in (("Office VPN", 9, "ok"), ("Office VPN", 8, "ok"))
    assert targets == {
        "gateway": ("Home gateway", 1, "ok"),
        "dns": ("Resolver", 6, "ok"),
        "video": ("Video calls", 9, "ok"),
        "game": ("Game server", 7, "ok"),
    }
    assert (summary["verdict"], summary["sentence"]) == ("ok", "All 5 targets answer.")
    assert [state["usual_path"] for state in summary["targets"]] == ["A"] * 5
    for state in summary["targets"]:
        rtts = state["spark"]["rtt_ms"]
        assert len(rtts) == 36
        assert rtts.count(None) < 9  # five minutes without a trace, which jitter moved next door
        paths = demo.get(f"targets/{state['target']}/paths")["paths"]
        assert sum(path["held_s"] for path in paths) > 6.9 * 86_400


@pytest.mark.parametrize("view", VIEWS)
def test_pictures(shown, view):
    shown.open(VIEWS[view])
    for language in LANGUAGES:
        shown.language(language)
        for width, dark in ((1280, False), (1280, True), (360, False)):
            shown.size(width, dark)
            assert shown.overflow() == 0, (language, width, dark)
            shown.shoot(f"demo-{view}-{language}-{width}-{'dark' if dark else 'light'}")
    shown.size(1280)
    shown.language("en")


def test_a_live_event_comes_to_the_open_page(shown):
    shown.open("#/changes")
    # Once in the week, and once now.
    shown.until(lambda: shown.texts(".change-title").count("Path to Office VPN went back to B") == 2)


def test_what_happens_live_is_printed_as_a_subscriber_would_see_it(demo):
    topic = "pathwarden/demo/target/office/event "
    printed = awaited(
        demo.lines, lambda lines: lines if any(line.startswith(topic) for line in lines) else [], "a live event", LIVE_WITHIN_S
    )
    assert printed[0].startswith("The page: http://127.0.0.1:")
    event = json.loads(next(line for line in printed if line.startswith(topic)).removeprefix(topic))
    assert _told(event) == LIVE

    def told() -> list[dict[str, Any]]:
        return [change for change in demo.get("changes?target=office&limit=20")["changes"] if change["event_id"] == event["event_id"]]

    (change,) = awaited(told, bool, "the history has it", LIVE_WITHIN_S)
    assert change | {"seq": None} == event | {"seq": None, "note": None}


def test_the_page_reckons_with_the_demos_clock(shown):
    shown.open()
    shown.until(lambda: all("Next: " in row for row in shown.texts(".targets tbody tr")))  # from the first live trace on
    assert [row for row in shown.texts(".targets tbody tr") if not re.search(r"Next: (now|in [1-5] min\.|in \d+ sec\.)", row)] == []
    assert shown.all(".stale") == []
    assert shown.text("tr[data-target='gateway'] .path").count("for 7 days") == 1


def test_control_c_ends_it_and_leaves_nothing(demo):
    assert [path.name[:15] for path in demo.folder.iterdir()] == ["pathwarden-demo"]
    assert demo.interrupt() == 0
    assert list(demo.folder.iterdir()) == []
    assert demo.close() == ""


def test_control_c_while_the_week_is_written_leaves_nothing_either(tmp_path):
    running = Demo(tmp_path)
    try:
        awaited(lambda: list(running.folder.glob("*/history.db")), bool, "the week is being written", STARTS_WITHIN_S)
        assert running.lines() == []
        assert running.interrupt() == 130
        assert list(running.folder.iterdir()) == []
        assert running.close() == ""
    finally:
        running.close()
