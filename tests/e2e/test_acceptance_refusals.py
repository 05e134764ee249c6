"""What the operator gets wrong, as root and as an ordinary user: one line with option, value and remedy, the exit code, no traceback."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from equipment.agent import Agent, Runner, section
from netlab import Lab

FAILED, USAGE, CANNOT_PROBE, HELD = 1, 2, 3, 4
GATEWAY, OWN = "192.0.2.2", "192.0.2.1"
AT_ONCE = 3  # commands that run side by side: the machine has two cores
WRITABLE = "make the file and its folder writable for this user, or choose another place with option db"

TRACES = {
    "unknown host": (
        ["nowhere.invalid"],
        USAGE,
        "nowhere.invalid: the name does not resolve; check the spelling and the name server",
    ),
    "no route": (
        ["198.51.100.1"],
        CANNOT_PROBE,
        "198.51.100.1: no route to the target: No route to host; give the machine a route, or choose a way out with -i or -s",
    ),
    "device absent": (
        ["-i", "absent0", GATEWAY],
        CANNOT_PROBE,
        "-i absent0: the source's device does not exist: absent0; see the devices with: ip link",
    ),
    "device down": (
        ["-i", "spare", GATEWAY],
        CANNOT_PROBE,
        "-i spare: the source's device is down: spare; bring it up with: ip link set DEVICE up",
    ),
    "address absent": (
        ["-s", "192.0.2.99", GATEWAY],
        CANNOT_PROBE,
        "-s 192.0.2.99: the source's address is not on this machine: 192.0.2.99; see this machine's addresses with: ip address",
    ),
    "ttls crossed": (["-f", "9", "-m", "3", GATEWAY], USAGE, "-f 9: the first ttl is beyond the largest one, 3; raise -m or lower -f"),
    "wrong family": (
        ["-6", GATEWAY],
        USAGE,
        f"{GATEWAY}: the name does not resolve to an IPv6 address; check the spelling and the name server",
    ),
}
HOST = {"host": GATEWAY}
CONFIGURATIONS = {
    "unknown option": ([section("target", "t", **HOST, intervall_s=3)], "t.intervall_s: unknown option; did you mean interval_s?"),
    "unknown section": ([section("targett", "t", **HOST)], "t: unknown section type targett (line 10); did you mean target?"),
    "wrong type": ([section("target", "t", **HOST, interval_s="often")], "t.interval_s: often is not a whole number; write 1..86400 s"),
    "out of range": ([section("target", "t", **HOST, interval_s=0)], "t.interval_s: 0 is below 1"),
    "duplicate target": (
        [section("target", "t", **HOST), section("target", "u", **HOST)],
        "u: is the same target as t; leave one out, or give it another source, method or port",
    ),
    "no such source": (
        [section("target", "t", **HOST, source="nosuch")],
        "t.source: there is no source nosuch; add config source 'nosuch'",
    ),
    "no host": ([section("target", "t", label="T")], "t.host: is missing; say what to trace"),
}
Line = str
Case = tuple[subprocess.CompletedProcess[str], int, Line]


def _unreadable_folder(agent: Agent) -> Path:
    folder = agent.runner.place("closed")
    # For root every folder is open; where nobody at all can make a file is /proc.
    if agent.runner.uid == 0:
        return Path("/proc/nowhere/history.db")
    folder.chmod(0o500)
    return folder / "history.db"


def _in_a_file(agent: Agent) -> Path:
    file = agent.folder / "file"
    file.write_text("")
    return file / "history.db"


DATABASES: dict[str, tuple[Callable[[Agent], Path], tuple[str, str]]] = {
    # what the system says to root, and to others
    "folder closed": (_unreadable_folder, ("no such file or directory", "permission denied")),
    "folder is a file": (_in_a_file, ("file exists", "file exists")),
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        lab.nodes(hosts=["agent"], routers=["gateway"])
        lab.link("agent", "gateway", "192.0.2.0/24")
        lab.link("agent", "gateway", dev_a="spare", dev_b="spare")
        lab.down("agent", "spare")
        lab.route("agent", "0.0.0.0/0", GATEWAY)
        lab.ip("agent", "route add unreachable 198.51.100.0/24")
        lab.settle()
        yield lab


@pytest.fixture(scope="module")
def results(lab: Lab, both: tuple[Runner, Runner]) -> dict[tuple[str, str], Case]:
    """Every command's end with the exit code and the line that it should have, by user and case."""
    with ThreadPoolExecutor(AT_ONCE) as pool, lab.enter("agent"), closing(socket.create_server(("127.0.0.1", 8888))):
        running = {
            (runner.name, name): (pool.submit(runner.run, lab, "agent", *words), code, line)
            for runner in both
            for name, words, code, line in commands(lab, runner)
        }
        return {key: (future.result(), code, line) for key, (future, code, line) in running.items()}


def commands(lab: Lab, runner: Runner) -> Iterator[tuple[str, list[str], int, Line]]:
    """Case, words of the command line, exit code and line."""
    for name, (options, code, line) in TRACES.items():
        yield name, ["trace", "-n", *options], code, line
    for name, (sections, line) in CONFIGURATIONS.items():
        agent = Agent(lab, runner, "wrong")
        agent.configure(*sections)
        yield name, words(agent), USAGE, f"pathwarden.{line}"
    agent = Agent(lab, runner, "torn")
    agent.config.write_text("config agent 'agent\n")
    yield "torn file", words(agent), USAGE, f"{agent.config}: Parse error (EOF with unterminated ') at line 1, byte 20; correct it there"
    agent = Agent(lab, runner, "absent")
    yield "no file", words(agent), USAGE, f"{agent.config}: does not exist; pathwarden config init > {agent.config} writes one"
    for name, (place, said) in DATABASES.items():
        agent = Agent(lab, runner, "closed")
        db = place(agent)
        agent.configure(section("target", "t", **HOST), db=db)
        yield name, words(agent), FAILED, f"cannot use {db}.lock: {said[runner.uid > 0]}; {WRITABLE}"
    agent = Agent(lab, runner, "port", port=8888)
    agent.configure(section("target", "t", **HOST))
    line = "web.listen: 127.0.0.1:8888 is in use by another program; choose another port or 0 for any"
    yield "port in use", words(agent), FAILED, line


def words(agent: Agent) -> list[str]:
    return ["--config", str(agent.config), "run"]


@pytest.mark.parametrize("who", ["root", "nobody"])
@pytest.mark.parametrize("name", [*TRACES, *CONFIGURATIONS, "torn file", "no file", *DATABASES, "port in use"])
def test_one_line_and_the_exit_code(results: dict[tuple[str, str], Case], who: str, name: str) -> None:
    done, code, line = results[who, name]
    assert done.stderr == f"pathwarden: {line}\n"
    assert (done.returncode, done.stdout) == (code, "")


def test_every_problem_of_a_configuration_is_told_at_once(lab: Lab, both: tuple[Runner, Runner]) -> None:
    agent = Agent(lab, both[0], "many")
    agent.configure(section("target", "t", **HOST, interval_s=0), section("target", "u", hosts=GATEWAY), max_pps="fast")
    done = both[0].run(lab, "agent", *words(agent))
    assert done.returncode == USAGE
    assert [line.partition(": ")[2].partition(": ")[0] for line in done.stderr.splitlines()] == [
        "pathwarden.agent.max_pps",
        "pathwarden.t.interval_s",
        "pathwarden.u.hosts",
        "pathwarden.u.host",
    ]


@pytest.mark.parametrize("who", [0, 1], ids=["root", "nobody"])
def test_a_second_daemon_on_the_same_history_names_the_first(lab: Lab, both: tuple[Runner, Runner], who: int) -> None:
    runner = both[who]
    first = Agent(lab, runner, "first")
    first.configure(section("target", "t", **HOST))
    second = Agent(lab, runner, "second", port=8867)
    second.configure(section("target", "t", **HOST), db=first.db)
    with first:
        done = runner.run(lab, "agent", *words(second))
        remedy = "stop it first, or give this one a database of its own with option db"
        assert done.stderr == f"pathwarden: process {first.pid} already keeps the history {first.db}; {remedy}\n"
        assert done.returncode == HELD
        assert first.state("t")["target"] == "t", "the first goes on"
        assert first.stop() == 0
