"""Hooks: what a program gets, when, and that none of them can hold up the rest."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from equipment.fakes import NOW, FakeClock
from equipment.waiting import until
from pathwarden.daemon import hooks as module
from pathwarden.daemon.hooks import OLDEST_NS, Hooks
from pathwarden.errors import OperatorError
from pathwarden.model.history import StoredEvent
from pathwarden.model.settings import Hook


class History:
    """Events in a list; refuses to be read while `broken`."""

    def __init__(self) -> None:
        self.stored: list[StoredEvent] = []
        self.broken = False

    def add(self, kind: str = "path_changed", title: str = "News", target: str | None = "office", at: int = NOW) -> None:
        seq = len(self.stored) + 1
        body = {"event_type": kind, "severity": "notice", "notify": True, "target": target, "seq": seq, "title": title}
        self.stored.append(StoredEvent(seq, f"E{seq}", target or "", kind, at, body | {"event_id": f"E{seq}", "group_id": "G"}))

    def events(self, *, since_seq: int | None = None, limit: int = 100, **_more: Any) -> list[StoredEvent]:
        if self.broken:
            raise OperatorError("locked", "wait")
        if since_seq is None:
            return self.stored[::-1][:limit]
        return [event for event in self.stored if event.seq > since_seq][:limit]


@pytest.fixture
def history() -> History:
    return History()


@contextmanager
def running(history: History, *hooks: Hook, marks: list[str] | None = None) -> Iterator[Hooks]:
    """Hooks that go on at the last of the `marks`, and add to them."""
    marks = [] if marks is None else marks
    made = Hooks(hooks, history, FakeClock(), marks[-1] if marks else None, marks.append)
    made.start()
    try:
        yield made
    finally:
        made.stop(20)
        assert not made._thread.is_alive()


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Hook]:
    """A hook that runs this shell script, whose folder is `$here`."""

    def make(script: str, *event: str, timeout_s: int = 30, name: str = "alarm") -> Hook:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\nhere={tmp_path}\n{script}\n")
        file.chmod(0o755)
        return Hook(name, str(file), event, timeout_s)

    return make


def written(tmp_path: Path) -> list[dict[str, Any]]:
    file = tmp_path / "out"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_program_gets_the_event_on_its_standard_input(history: History, program: Any, tmp_path: Path) -> None:
    history.add(title="old news")
    with running(history, program('cat >>"$here/out"; env >"$here/env"; pwd >"$here/pwd"; echo "$#" >"$here/count"')) as hooks:
        history.add("incident", title="Weg 東京")
        history.add()
        hooks.event_stored()
        until(lambda: hooks.counts["hooks_run"] == 2, "both have run")
        until(lambda: len(written(tmp_path)) == 2, "both have written")
    assert [event["seq"] for event in written(tmp_path)] == [2, 3], "in order, and nothing from before the start"
    assert written(tmp_path)[0] == history.stored[1].body
    assert hooks.counts == {"hooks_run": 2, "hooks_failed": 0, "hooks_skipped": 0}
    assert (tmp_path / "pwd").read_text() == "/\n"
    assert (tmp_path / "count").read_text() == "0\n"
    names = {entry.partition("=")[0] for entry in (tmp_path / "env").read_text().splitlines()}
    assert names <= {"PATH", "PWD", "SHLVL", "_", "OLDPWD"}, "the shell's own beside PATH"


def test_only_the_events_that_it_wants(history: History, program: Any, tmp_path: Path) -> None:
    with running(history, program('cat >>"$here/out"', "incident", "digest")) as hooks:
        for kind in ("path_changed", "digest", "agent_started", "incident"):
            history.add(kind)
        hooks.event_stored()
        until(lambda: len(written(tmp_path)) == 2, "two are wanted")
    assert [event["event_type"] for event in written(tmp_path)] == ["digest", "incident"]


def test_failures_are_told_once_until_it_works_again(
    history: History, program: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hook = program('cat >/dev/null; test -e "$here/good"')

    def run_one(hooks: Hooks, count: int) -> None:
        history.add()
        hooks.event_stored()
        until(lambda: hooks.counts["hooks_run"] == count, "it has run")

    with caplog.at_level(logging.WARNING), running(history, hook) as hooks:
        run_one(hooks, 1)
        run_one(hooks, 2)
        (tmp_path / "good").touch()
        run_one(hooks, 3)
        (tmp_path / "good").unlink()
        run_one(hooks, 4)
        assert hooks.counts["hooks_failed"] == 3
    words = f"hook {hook.program}: ended with 1; run it by hand with an event of: pathwarden events --json"
    assert [record.message for record in caplog.records] == [words, words]


def test_one_that_cannot_be_run(history: History, caplog: pytest.LogCaptureFixture) -> None:
    gone = Hook("gone", "/nowhere/alarm", (), 30)
    with caplog.at_level(logging.WARNING), running(history, gone) as hooks:
        history.add()
        hooks.event_stored()
        until(lambda: hooks.counts["hooks_failed"], "it failed")
    assert "hook /nowhere/alarm: cannot be run (No such file or directory)" in caplog.text


def test_one_that_hangs_is_killed_with_all_that_it_started(
    history: History, program: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = program('sleep 1000 & echo $! >"$here/child"; wait', timeout_s=1)
    with caplog.at_level(logging.WARNING), running(history, stuck) as hooks:
        history.add()
        hooks.event_stored()
        until(lambda: hooks.counts["hooks_failed"], "it was killed", 30)
    assert "was killed after 1 s" in caplog.text
    assert gone(int((tmp_path / "child").read_text()))


def test_stop_does_not_wait_for_one_that_runs(history: History, program: Any, tmp_path: Path) -> None:
    with running(history, program('echo $$ >"$here/pid"; sleep 1000', timeout_s=600)) as hooks:
        history.add()
        hooks.event_stored()
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "it runs")
    assert gone(int((tmp_path / "pid").read_text()))


def gone(pid: int) -> bool:
    """Whether a process has ended, once its parent has noticed."""
    stat = Path(f"/proc/{pid}/stat")
    until(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z", "it has ended")
    return True


def test_one_that_reads_nothing_is_no_failure(history: History, program: Any) -> None:
    with running(history, program("exit 0")) as hooks:
        history.add(title="x" * 200_000)
        hooks.event_stored()
        until(lambda: hooks.counts["hooks_run"] == 1, "it has run")
    assert hooks.counts["hooks_failed"] == 0


def test_what_came_while_nobody_ran_is_told_after_it(history: History, program: Any, tmp_path: Path) -> None:
    hook, marks = program('cat >>"$here/out"'), []
    history.add(title="before the first start")
    with running(history, hook, marks=marks):
        pass
    assert marks == ["1"]
    history.add("digest")
    history.add()
    with running(history, hook, marks=marks) as hooks:
        until(lambda: hooks.counts["hooks_run"] == 2, "both have run, and nobody woke it")
    assert [event["seq"] for event in written(tmp_path)] == [2, 3]
    assert marks == ["1", "2", "3"]
    with running(history, hook, marks=marks):
        pass
    assert len(written(tmp_path)) == 2, "none is told again"


def test_what_was_killed_at_the_end_is_told_again(history: History, program: Any, tmp_path: Path) -> None:
    hook = program('cat >>"$here/out"; echo >"$here/runs"; test -e "$here/good" || sleep 1000', timeout_s=600)
    marks: list[str] = []
    with running(history, hook, marks=marks) as hooks:
        history.add()
        history.add()
        hooks.event_stored()
        until((tmp_path / "runs").exists, "the first runs")
    assert marks == ["0"]
    (tmp_path / "good").touch()
    with running(history, hook, marks=marks) as hooks:
        until(lambda: hooks.counts["hooks_run"] == 2, "both have run")
    assert [event["seq"] for event in written(tmp_path)] == [1, 1, 2]
    assert marks == ["0", "1", "2"]


def test_an_old_event_is_passed_over(history: History, program: Any, tmp_path: Path) -> None:
    marks = ["0"]
    history.add(at=NOW - OLDEST_NS - 1)
    history.add(at=NOW - OLDEST_NS)
    history.add(at=NOW + OLDEST_NS)  # the clock was ahead then
    with running(history, program('cat >>"$here/out"'), marks=marks) as hooks:
        until(lambda: marks[-1] == "3", "all are seen")
    assert [event["seq"] for event in written(tmp_path)] == [2, 3]
    assert hooks.counts == {"hooks_run": 2, "hooks_failed": 0, "hooks_skipped": 1}


def test_those_too_far_behind_are_passed_over(history: History, monkeypatch: pytest.MonkeyPatch, program: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "MOST_BEHIND", 3)
    for _ in range(10):
        history.add()
    with running(history, program('cat >>"$here/out"'), marks=["0"]) as hooks:
        until(lambda: hooks.counts["hooks_run"] == 3, "three have run")
    assert hooks.counts["hooks_skipped"] == 7
    assert [event["seq"] for event in written(tmp_path)] == [8, 9, 10]


@pytest.mark.parametrize("mark", ["17", "", "x", "-3", None])
def test_a_mark_that_cannot_be_is_the_newest_event(history: History, mark: str | None) -> None:
    history.add()
    kept: list[str] = []
    hooks = Hooks((), history, FakeClock(), mark, kept.append)
    assert kept == ["1"]
    assert not hooks._turn()
    assert kept == ["1"]


def test_a_history_that_cannot_be_read_is_read_later(
    history: History, monkeypatch: pytest.MonkeyPatch, program: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    with running(history, program('cat >>"$here/out"')) as hooks:
        history.broken = True
        history.add()
        hooks.event_stored()
        history.broken = False
        until(lambda: written(tmp_path), "it is told in the end")


def test_no_thread_remains(history: History) -> None:
    before = threading.active_count()
    with running(history):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
