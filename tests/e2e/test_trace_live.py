"""`pathwarden trace --live` on a terminal, and what stands in for it where there is none."""

import json
import os
import signal
import subprocess
import sys
import termios
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from equipment.agent import Runner
from equipment.glass import Terminal
from netlab import StandardLab

PROGRAM = (sys.executable, "-m", "pathwarden", "trace", "-n")
LIVE = ("--live", "--interval", "0.5")


@contextmanager
def watching(
    lab: StandardLab, *words: str, columns: int = 80, height: int = 24, env: dict[str, str] | None = None
) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """The program on a terminal of its own, which must be afterwards as it was before."""
    terminal = Terminal(columns, height)
    before = termios.tcgetattr(terminal.inside)
    clean = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    ends = {"stdin": terminal.inside, "stdout": terminal.inside, "stderr": terminal.inside}
    process = lab.popen(lab.agent, [*PROGRAM, *LIVE, *words], env={**clean, **(env or {})}, cwd="/", start_new_session=True, **ends)
    try:
        yield terminal, process
        terminal.until(lambda _glass: process.poll() is not None)
        terminal.read(0)
        assert (terminal.glass.other, terminal.glass.cursor) == (False, True)
        assert termios.tcgetattr(terminal.inside) == before
    finally:
        process.kill()
        process.wait()
        terminal.close()


def test_the_table_rolls_on_until_it_is_left(lab: StandardLab) -> None:
    with watching(lab, lab.target4) as (terminal, process):
        seen = terminal.until(lambda glass: "\n3 rounds" in glass.text()).text().splitlines()
        assert seen[0] == f"{lab.target4} ({lab.target4})  udp 33434"
        assert seen[2].split() == ["Host", "Loss%", "Snt", "Last", "Avg", "Best", "Wrst", "StDev"]
        rows = {int(line[:2]): line.split()[1] for line in seen[3:-1] if line[:2].strip()}
        assert list(rows) == list(range(1, 9))
        assert all(rows[ttl] in (may or {"*"}) for ttl, may in enumerate(lab.hops4, 1) if ttl != lab.limited_ttl), rows
        assert "×" in seen[2 + lab.silent_ttl], "a silent hop's losses are marked"
        assert terminal.glass.colored
        lab.move()
        try:
            moved = next(iter(lab.hops4_moved[lab.diamond_ttl - 1] or ()))
            terminal.until(lambda glass: f"hop {lab.diamond_ttl}: {moved} instead of " in glass.text())
        finally:
            lab.move_back()
        terminal.press("d")
        terminal.until(lambda glass: "it never answers" in glass.text())
        terminal.press("p")
        terminal.until(lambda glass: "paused" in glass.text())
        terminal.resize(60, 20)
        terminal.until(lambda glass: "StDev" not in glass.text())
        terminal.press("r")
        terminal.press("p")
        terminal.until(lambda glass: "\n2 rounds" in glass.text())
        terminal.press("q")
    assert process.returncode == 0
    left = terminal.glass.left.splitlines()
    assert left[0] == f"{lab.target4} ({lab.target4})  udp 33434"
    assert left[-1].startswith(f" 8 {lab.target4}"), left


@pytest.mark.parametrize(("end", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_the_terminal_as_it_was(lab: StandardLab, end: signal.Signals, code: int) -> None:
    with watching(lab, lab.target4, columns=40, height=9, env={"NO_COLOR": "1"}) as (terminal, process):
        terminal.until(lambda glass: f" 8 {lab.target4}" in glass.text())
        process.send_signal(end)
    assert process.returncode == code
    assert not terminal.glass.colored
    report = [line for line in terminal.glass.left.splitlines() if line.startswith(f" 8 {lab.target4}")]
    assert len(report) == (end == signal.SIGINT), "an interrupted person still reads what was found"


def test_a_report_where_there_is_no_terminal(lab: StandardLab, tmp_path: Path) -> None:
    picture, world = tmp_path / "ways.svg", tmp_path / "world.svg"
    words = ("--live", "--count", "2", "--json", "--graph", str(picture), "--map", str(world), "-I", lab.target4, lab.gateway4)
    done = lab.exec(lab.agent, [*PROGRAM, *words])
    assert (done.returncode, done.stderr) == (0, "")
    far, near = json.loads(done.stdout)["targets"]
    assert (far["address"], far["rounds"], far["reached_ttl"], len(far["hops"])) == (lab.target4, 2, 8, 8)
    assert (near["address"], near["rounds"], near["reached_ttl"]) == (lab.gateway4, 2, 1)
    assert {hop["sent"] for hop in far["hops"]} == {2}
    drawn = "".join(ET.fromstring(picture.read_text()).itertext())
    assert lab.gateway4 in drawn
    assert lab.target4 in drawn
    placed = "".join(ET.fromstring(world.read_text()).itertext())
    assert lab.gateway4 in placed, "without a database it is listed below, without a position"
    refused = lab.exec(lab.agent, [*PROGRAM, "--live", lab.target4])
    line = "pathwarden: --live: standard output is no terminal; add --count N for a report after N rounds\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", line)


def test_without_privilege_and_where_no_registry_answers(lab: StandardLab, both: tuple[Runner, Runner]) -> None:
    done = both[1].run(lab, lab.agent, "trace", "--live", "--count", "2", "-n", "-A", lab.target4)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("pathwarden: no AS numbers: ")
    rows = [line.split() for line in done.stdout.splitlines()[3:]]
    assert (rows[0][1], rows[-1][1]) == (lab.gateway4, lab.target4)
    assert all(row[3] == "2" for row in rows if row[0].isdigit())


def test_one_target_as_a_table_of_outcomes(lab: StandardLab) -> None:
    done = lab.exec(lab.agent, [*PROGRAM, "-q", "1", "-w", "0.7", "--matrix", "-T", "-p", "443", lab.target4])
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[1:3] == ["ttl  tcp 443", f"  1  {lab.gateway4} expired"]
    assert lines[-2:] == [f"  8  {lab.target4} closed", "     closed"]
