"""Called by another program's name: which names count, and what their words come to."""

import sys

import pytest

from pathwarden.cli import trace
from pathwarden.cli.main import main
from pathwarden.cli.tracing.personality import Program, arguments, program
from pathwarden.errors import CannotProbe, ConfigError


@pytest.mark.parametrize(
    ("called", "name", "module", "family"),
    [
        ("/usr/bin/traceroute", "traceroute", "default", 0),
        ("traceroute4", "traceroute4", "default", 4),
        ("./traceroute6", "traceroute6", "default", 6),
        ("tracert", "tracert", "icmp", 0),
        ("tcptraceroute", "tcptraceroute", "tcp", 0),
        ("/x/tcptraceroute6", "tcptraceroute6", "tcp", 6),
    ],
)
def test_names_that_count(called: str, name: str, module: str, family: int) -> None:
    assert program(called) == Program(name, module, family, traceroute=True)
    assert program("/usr/bin/python3", called) == program(called)


@pytest.mark.parametrize("called", ["pathwarden", "/usr/lib/pathwarden/__main__.py", "python3", "mytraceroute", "traceroute.py", ""])
def test_names_that_do_not(called: str) -> None:
    assert program(called) is None


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (["h"], ["--options=info", "h"]),
        (["h", "443"], ["--options=info", "--port=443", "h"]),
        (["h", "443", "100"], ["--options=info", "--port=443", "h", "100"]),
        (["-l", "100", "h"], ["--options=info", "h", "100"]),
        (["-np", "7", "-SAE", "h"], ["--options=info", "-n", "--sport=7", "--options=syn", "--options=ack", "--options=ecn", "h"]),
        (["-N", "-q2", "-w", "1", "--json", "h"], ["--options=info", "-q2", "-w1", "--json", "h"]),
        (["-h"], ["--options=info", "--help"]),
    ],
)
def test_tcptraceroutes_own_letters(words: list[str], seen: list[str]) -> None:
    called = program("tcptraceroute")
    assert called
    assert arguments(called, words) == seen


def test_an_unknown_letter_of_tcptraceroute_is_told_in_one_line() -> None:
    called = program("tcptraceroute")
    assert called
    with pytest.raises(ConfigError, match=r"^-Z: option -Z not recognized; see: tcptraceroute --help$"):
        arguments(called, ["-Z", "h"])


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list:
    found: list = []
    monkeypatch.setattr(trace, "run", lambda args: found.append(args) or 0)
    return found


def test_the_link_decides_what_the_program_is(seen: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/traceroute6", "-n", "--json", "h"])
    assert main() == 0
    (args,) = seen
    assert (args.program.name, args.program.family, args.hosts, args.numeric, args.json, args.quiet) == (
        "traceroute6", 6, ["h"], True, True, False,
    )  # fmt: skip


def test_a_renamed_interpreter_decides_as_well(seen: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/pathwarden/__main__.py", "h"])
    monkeypatch.setattr(sys, "orig_argv", ["tracert", "-m", "pathwarden", "h"])
    assert main() == 0
    assert seen[0].program.module == "icmp"


@pytest.mark.parametrize(("error", "code"), [(ConfigError("a", "b"), 2), (CannotProbe("a", "b"), 1)])
def test_its_errors_bear_its_name_and_end_with_traceroutes_codes(
    error: ConfigError | CannotProbe, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_args: object) -> int:
        raise error

    monkeypatch.setattr(trace, "run", fail)
    monkeypatch.setattr(sys, "argv", ["traceroute", "h"])
    assert main() == code
    assert capsys.readouterr() == ("", "traceroute: a; b\n")


@pytest.mark.parametrize("name", ["traceroute", "tcptraceroute"])
def test_its_help_bears_its_name(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: {name} [options] HOST")
    assert "configured target" not in shown
