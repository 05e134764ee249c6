"""The command line itself: global options on both sides of the command, times that look like options, errors in one line."""

import argparse
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pathwarden.cli import diff, history, status
from pathwarden.cli.main import COMMANDS, main
from pathwarden.cli.terminal import Screen, say
from pathwarden.errors import CannotProbe


@pytest.fixture
def seen(monkeypatch):
    """The arguments as a command gets them."""
    found = []
    for module in (status, history):
        monkeypatch.setattr(module, "run", lambda args: found.append(args) or 0)
    return found


GLOBAL = ["--json", "--quiet", "-v", "--no-color", "--config", "file"]


@pytest.mark.parametrize("place", [0, 1])
def test_global_options_may_stand_on_either_side(seen, place):
    words = ["status"]
    words[place:place] = GLOBAL
    assert main(words) == 0
    (args,) = seen
    assert (args.json, args.quiet, args.verbose, args.no_color, str(args.config)) == (True, True, True, True, "file")


def test_global_options_may_stand_on_both_sides(seen):
    assert main(["--json", "status", "--quiet"]) == 0
    assert (seen[0].json, seen[0].quiet, seen[0].verbose, seen[0].config) == (True, True, False, None)


def test_verbs_of_a_command_take_them_too(capsys, tmp_path):
    (tmp_path / "c").write_text("")
    assert main(["config", "show", "--json", "--config", str(tmp_path / "c")]) == 0
    assert capsys.readouterr().out.startswith("{")


@pytest.mark.parametrize("words", [["--at", "-2h"], ["--at=-2h"]])
def test_a_time_ago_is_no_option(seen, words):
    assert main(["history", "web", *words]) == 0
    assert seen[0].at == "-2h"


def test_an_operators_error_is_one_line_and_its_exit_code(monkeypatch, capsys):
    def fail(_args: argparse.Namespace) -> int:
        raise CannotProbe("no probing method works here", "run as root")

    monkeypatch.setattr(status, "run", fail)
    assert main(["status"]) == 3
    assert capsys.readouterr().err == "pathwarden: no probing method works here; run as root\n"


def test_ctrl_c_is_130(monkeypatch):
    def interrupted(_args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "run", interrupted)
    assert main(["status"]) == 130


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"\n    {name} " in shown for name in COMMANDS)


def test_a_configuration_named_like_a_command_is_no_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--config", "status", "config", "show"]) == 2
    assert capsys.readouterr().err.startswith("status: ")


@pytest.mark.parametrize("words", [["--help"], ["config", "init"]])
def test_an_output_that_takes_nothing_is_one_line(words):
    with Path("/dev/full").open("wb") as full:
        # Another process: what Python itself does at its end is part of this.
        done = subprocess.run([sys.executable, "-m", "pathwarden", *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    said = "pathwarden: cannot write standard output: No space left on device; make room where it goes to\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_an_error_that_is_not_the_outputs_is_no_remark_about_it(monkeypatch):
    def fail(_args: argparse.Namespace) -> int:
        raise OSError(5, "ours")

    monkeypatch.setattr(status, "run", fail)
    with pytest.raises(OSError, match="ours"):
        main(["status"])


def test_a_closed_output_swallows_what_is_printed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(status, "run", lambda args: (Screen(args) and say("nobody reads this")) or 0)
    assert main(["status", "--no-color"]) == 0
    sys.stdout.close()


def test_a_sign_that_the_terminal_does_not_have_is_a_question_mark(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", narrow)
    monkeypatch.setattr(status, "run", lambda _args: say("路 to café") or 0)
    assert main(["status"]) == 0
    assert narrow.buffer.getvalue() == b"? to caf\xe9\n"


def test_words_may_stand_behind_options_too(monkeypatch):
    found = []
    monkeypatch.setattr(diff, "run", lambda args: found.append((args.target, args.sides)) or 0)
    assert main(["diff", "web", "--quiet", "-2h", "-1h"]) == 0
    assert found == [("web", ["-2h", "-1h"])]


def test_a_word_too_much_is_told_with_the_commands_own_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["status", "foo"])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: pathwarden status ") and said.endswith("pathwarden status: error: unrecognized arguments: foo\n")


@pytest.mark.parametrize(("given", "kept"), [(0o000, 0o022), (0o022, 0o022), (0o077, 0o077)])
def test_what_the_agent_writes_is_never_everybodys_to_write(monkeypatch, given, kept):
    masks = []

    def live(*_):
        masks.append(os.umask(0o022))
        return 0

    monkeypatch.setattr("pathwarden.daemon.run.run", live)
    before = os.umask(given)
    try:
        assert main(["run"]) == 0
    finally:
        os.umask(before)
    assert masks == [kept]
