"""One daemon per database."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pathwarden.errors import DaemonError, OperatorError
from pathwarden.store import lock

HOLDS = """
import sys
from pathlib import Path
from pathwarden.store.lock import hold
holding = hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def start_holder(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_another_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with start_holder(path) as holder:
        with pytest.raises(DaemonError) as caught:
            lock.hold(path)
        remedy = "stop it first, or give this one a database of its own with option db"
        assert str(caught.value) == f"process {holder.pid} already keeps the history {path}; {remedy}"
        assert caught.value.exit_code == 4
        assert lock.holder(path) == holder.pid
        holder.communicate("")
    assert lock.holder(path) is None
    with lock.hold(path):
        assert lock.holder(path) == os.getpid()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with start_holder(path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert lock.holder(path) is None
    with lock.hold(path):
        assert lock.holder(path) == os.getpid()


def test_a_released_lock_is_free(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    first = lock.hold(path)
    with pytest.raises(DaemonError, match=f"process {os.getpid()} "):
        lock.hold(path)
    first.release()
    first.release()
    with lock.hold(path) as second:
        assert isinstance(second, lock.Hold)
    assert lock.holder(path) is None


def test_asking_leaves_nothing_behind(tmp_path: Path) -> None:
    assert lock.holder(tmp_path / "history.db") is None
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_made_for_the_lock(tmp_path: Path) -> None:
    with lock.hold(tmp_path / "state" / "history.db"):
        assert [file.name for file in (tmp_path / "state").iterdir()] == ["history.db.lock"]


def test_a_place_that_cannot_hold_a_lock_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError) as caught:
        lock.hold(tmp_path / "file" / "history.db")
    assert str(caught.value).startswith(f"cannot use {tmp_path}/file/history.db.lock: ")


def test_an_unwritten_number_reads_as_zero(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with lock.hold(path):
        path.with_name("history.db.lock").write_text("")
        assert lock.holder(path) == 0
