"""A history that is not ours to use: every command ends with one line and its exit code, and the file stays as it was."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pathwarden.store.lock import hold
from pathwarden.store.migrate import newest
from pathwarden.store.writer import Writer

FAILED, USAGE, HELD = 1, 2, 4
ELSEWHERE = "choose another place with option db"
COMMANDS = {"run": ["run"], "history": ["history", "t"], "events": ["events"], "pack": ["db", "pack"]}


def run(path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    config = path.with_name("pathwarden.conf")
    config.write_text(f"config agent 'agent'\n\toption db '{path}'\n\nconfig target 't'\n\toption host '192.0.2.1'\n")
    # Should the daemon start all the same, there is no network to send to.
    words = ["unshare", "--net", sys.executable, "-m", "pathwarden", "--config", str(config), *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def statement(path: Path, text: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(text)


def refused(path: Path, command: str) -> tuple[int, str]:
    before = path.read_bytes(), path.stat().st_mtime_ns, set(path.parent.iterdir())
    done = run(path, *COMMANDS[command])
    assert done.stdout == ""
    left = set(path.parent.iterdir()) - before[2] - {path.with_name("pathwarden.conf"), path.with_name("history.db.lock")}
    assert (path.read_bytes(), path.stat().st_mtime_ns, left) == (*before[:2], set())
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_the_database_of_another_program(tmp_path: Path, command: str) -> None:
    path = tmp_path / "history.db"
    statement(path, "CREATE TABLE songs (title TEXT)")
    assert refused(path, command) == (USAGE, f"pathwarden: {path} is the database of another program; {ELSEWHERE}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_history_of_a_newer_pathwarden(tmp_path: Path, command: str) -> None:
    path = tmp_path / "history.db"
    Writer(path, max_mb=1, boot_id="boot").close()
    statement(path, f"PRAGMA user_version = {newest() + 1}")
    line = f"pathwarden: {path} has schema {newest() + 1}, but this Pathwarden knows only {newest()}; update Pathwarden, or {ELSEWHERE}\n"
    assert refused(path, command) == (FAILED, line)


def test_a_history_that_another_daemon_keeps(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    Writer(path, max_mb=1, boot_id="boot").close()
    remedy = "stop it first, or give this one a database of its own with option db"
    with hold(path):
        assert refused(path, "run") == (HELD, f"pathwarden: process {os.getpid()} already keeps the history {path}; {remedy}\n")
