"""The store thread ended again and again, by kills and by power cuts: no event that was promised is lost, nothing doubled or out of order.

PATHWARDEN_SOAK_SHARE is the share of the full counts to run: 0.02 unless given, 1 for the whole campaigns.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FULL_KILLS = 1000
FULL_CUTS = 500  # of each kind
CARELESS_CUTS = 20  # a disk on which nothing is synced loses something at nearly every one
ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
SEARCHED = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))

Done = subprocess.CompletedProcess[str]


def share(full: int) -> int:
    return max(1, round(full * float(os.environ.get("PATHWARDEN_SOAK_SHARE") or 0.02)))


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory: what the kernel holds outlives a kill there, too, and what is synced is known from the calls."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield beside(Path(name))


def beside(folder: Path) -> Path:
    """A folder with room beside it: samples wait there (`storelab.life.live_dir`)."""
    lasting = folder / "lasting"
    lasting.mkdir()
    return lasting


def campaign(
    program: str, folder: Path, count: int, seed: int, *how: str, inside: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    command = [*inside, sys.executable, "-m", f"storelab.{program}", str(folder), str(count), str(seed), *how]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": SEARCHED})


def assert_clean(done: Done, begins: str, seed: int) -> None:
    assert done.returncode == 0, done.stderr[-3000:]
    figures = done.stdout.splitlines()[-1]
    assert figures.startswith(begins)
    print(f"{figures} (seed {seed})")


def test_kills_lose_nothing_that_was_saved(folder: Path, seed: int) -> None:
    count = share(FULL_KILLS)
    assert_clean(campaign("kills", folder, count, seed), f"{count} kills, ", seed)


def test_power_cuts_of_a_real_filesystem_lose_no_event(tmp_path: Path, seed: int, need: Callable[[str], str]) -> None:
    need("mkfs.ext4")
    count = share(FULL_CUTS)
    assert_clean(campaign("powercut", beside(tmp_path), count, seed, inside=ALONE), f"{count} power cuts, ", seed)


def test_a_disk_that_reorders_and_tears_writes_loses_no_event(folder: Path, seed: int, need: Callable[[str], str]) -> None:
    need("strace")
    count = share(FULL_CUTS)
    assert_clean(campaign("crashes", folder, count, seed), f"{count} power cuts, ", seed)


def test_that_disk_would_show_a_writer_that_does_not_sync(folder: Path, seed: int, need: Callable[[str], str]) -> None:
    need("strace")
    done = campaign("crashes", folder, CARELESS_CUTS, seed, "careless")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(("AssertionError: ", "sqlite3.DatabaseError: ")), done.stderr[-3000:]


def test_a_disk_that_is_pulled_out_and_put_back_gets_everything(tmp_path: Path, need: Callable[[str], str]) -> None:
    need("mkfs.ext4")
    command = [*ALONE, sys.executable, "-m", "storelab.stick", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": SEARCHED})
    assert_clean(done, "pulled 3 times, 6 writes refused, 120 records kept", 0)
