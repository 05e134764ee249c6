"""`pathwarden replay` in a real shell: on what our own command and a real scamper recorded while a route moved, and as people use it."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netlab import StandardLab

CORPUS = Path(__file__).parents[1] / "corpus/recorded"
PATHWARDEN = (sys.executable, "-m", "pathwarden")
COMMAND = shlex.join(PATHWARDEN)
TRACE = (*PATHWARDEN, "trace", "--json", "--quiet", "-n", "-q", "3", "-w", "0.7")
BEFORE, AFTER = 4, 5  # traces; scamper sends one probe a hop, so its change takes longer to be beyond chance
SCAMPER = "trace -P udp-paris -s 33001 -w 1 -q 1 -g 6"
MOMENT_S = 30


def shell(line: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=MOMENT_S, cwd=CORPUS, **more)


@pytest.fixture(scope="module")
def recorded(lab: StandardLab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the two programs wrote of the same network, whose route moved halfway."""
    folder = tmp_path_factory.mktemp("recorded")
    files = {name: folder / f"{name}.json" for name in ("own", "scamper")}
    for file in files.values():
        file.touch()

    def record(times: int) -> None:
        for _ in range(times):
            for name, words in (("own", (*TRACE, lab.target4)), ("scamper", ("scamper", "-O", "json", "-c", SCAMPER, "-i", lab.target4))):
                done = lab.exec(lab.agent, words, timeout=MOMENT_S)
                assert done.returncode == 0, done.stderr
                with files[name].open("a") as file:
                    file.write(done.stdout)

    record(BEFORE)
    lab.move()
    record(AFTER)
    return files


def test_our_own_traces_tell_what_moved(lab: StandardLab, recorded: dict[str, Path]) -> None:
    done = shell(f"{COMMAND} replay --json {recorded['own']}")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(event["event_type"], event["target"]) for event in events] == [("path_changed", lab.target4)]
    assert events[0]["first_diff_ttl"] == 3


def test_every_trace_of_a_real_scamper_is_read(recorded: dict[str, Path]) -> None:
    done = shell(f"{COMMAND} replay --summary --json {recorded['scamper']}")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["traces"], found["targets"], found["flows"], found["ignored"], found["bad"]) == (BEFORE + AFTER, 1, 1, {}, 0)
    assert set(found["changes"]) <= {"path_changed"}
    quiet = shell(f"head -n {3 * BEFORE} {recorded['scamper']} | {COMMAND} replay -")  # each run has a cycle's start and stop
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", f"{BEFORE} traces in 1 flow: 0 events\n")


def test_pipes_and_globs() -> None:
    piped = shell(f"gzip -c atlas-change.json | {COMMAND} replay -")
    assert (piped.returncode, piped.stdout.count("changed to B")) == (0, 1)
    several = shell(f"{COMMAND} replay --json --quiet atlas-*.ndjson atlas-change.json scamper*.json")
    assert (several.returncode, several.stderr) == (0, "")
    assert [json.loads(line)["v"] for line in several.stdout.splitlines()]


def test_a_reader_that_goes_away_is_no_fault() -> None:
    done = shell(f"{{ {COMMAND} replay --json --quiet atlas-flows.ndjson; echo $? >&2; }} | true")
    assert done.stderr == "0\n"


def test_exit_codes_and_one_line_for_what_is_wrong(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_bytes((CORPUS / "scamper.json").read_bytes()[:-40])
    done = shell(f"{COMMAND} replay {bad}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"pathwarden: {bad}, line 29, item 29: the file ends inside it; it was cut off; --skip-bad leaves such out\n"
    assert shell(f"{COMMAND} replay --skip-bad {bad}").returncode == 0
    assert shell(f"{COMMAND} replay").returncode == 2
    assert shell(f"{COMMAND} replay --limit 3 x").returncode == 2


def test_ctrl_c_ends_it_with_130(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    running = subprocess.Popen([*PATHWARDEN, "replay", pipe], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with running, pipe.open("wb"):  # opens when the other side does, so the command runs and waits for more
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=MOMENT_S)
    assert (running.returncode, out, err) == (130, "", "")


def test_eighty_columns_of_a_terminal() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*PATHWARDEN, "replay", "--no-learning", CORPUS / "atlas-flows.ndjson"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm"},
    ) as running:
        os.close(theirs)
        assert running.wait(MOMENT_S) == 0
    lines = os.read(ours, 65536).decode().splitlines()
    os.close(ours)
    assert len(lines) == 3
    assert lines[0].endswith("notice    192.0.2.9  Path to 192.0.2.9 changed to B")
    assert all(len(line) <= 80 for line in lines)
