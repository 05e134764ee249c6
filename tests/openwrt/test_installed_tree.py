"""The installed program in a router's file system, with the libraries of OpenWrt 23.05 to 25.12: our package, and the feed's bytecode.

Runs with the interpreter that runs the tests; `make matrix` does so on each Python that a living release has.
"""

import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import pathwarden
from equipment.agent import awaited
from equipment.packages import TOP, built, environment, is_archive, site_packages
from equipment.router import Router, parameters
from netlab import StandardLab, standard_lab
from packager import archive

FEED_LIBRARIES = ("bottle", "paho", "paho_mqtt", "pr2modules", "pyroute2")
PAHO = "1.6.1"  # of every release so far; main has 2.1
PORT = 8866
STOPS_WITHIN_S = 15  # procd's term_timeout
CONFIG = """
config defaults 'defaults'
	option interval_s '1'
	option queries '1'
	option wait_s '0.3'

config target 'far'
	option host '{target}'
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The feed's libraries and nothing else: no waitress, no program of the checkout."""
    python = sys.executable if version("paho-mqtt") == PAHO else TOP / environment("oldest") / "bin/python"
    source = site_packages(python)
    folder = tmp_path_factory.mktemp("libraries")
    folder.chmod(0o755)
    for path in source.iterdir():
        if path.name.removesuffix(".py").split("-")[0] in FEED_LIBRARIES:
            shutil.copytree(path, folder / path.name) if path.is_dir() else shutil.copy2(path, folder)
    return folder


@pytest.fixture(scope="module", params=["package", "feed"])
def router(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str], libraries: Path) -> Router:
    """A router with our package, compiled; or with bytecode alone, as the feed installs it."""
    folder = tmp_path_factory.mktemp(request.param)
    folder.chmod(0o755)
    for parent in (folder.parent, folder.parent.parent):
        parent.chmod(0o755)  # the daemon's own user has to come by
    router = Router(folder, need("busybox"), libraries)
    for said, files in built().packages:
        router.unpack_ipk(built().of(said, "ipk"))
        if request.param == "feed":
            for node in archive.compiled(TOP, files):
                if not is_archive(node.path) and "/bytecode/" in node.path:
                    (router.root / node.path).parent.mkdir(exist_ok=True)
                    (router.root / node.path).write_bytes(node.content or b"")
    if request.param == "feed":
        shutil.rmtree(router.root / "usr/lib/pathwarden/source")
    shutil.copy2(need("setpriv"), router.root / "usr/bin/setpriv")
    for said, _ in built().packages:
        router.run("/bin/sh", "-c", f"/usr/lib/opkg/info/{said.name}.postinst configure")
    return router


@pytest.fixture(scope="module")
def lab() -> Iterator[StandardLab]:
    with standard_lab() as lab:
        lab.settle()
        yield lab


def ask(lab: StandardLab, path: str) -> tuple[int, str]:
    """A GET request to the page, asked from inside the namespace."""
    with lab.enter(lab.agent):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        connection.connect()
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def seen_target(lab: StandardLab) -> tuple[str, bool | None, int | None]:
    """The one target's id, whether it was reached, and its distance."""
    state = json.loads(ask(lab, "/api/v1/targets")[1])["targets"][0]
    return state["target"], state["reached"], state["hop_count"]


def confined(router: Router, told: list[str]) -> list[str]:
    """The command line that procd and ujail would make of what the init script told them."""
    found = parameters(told)
    user = router.run("id", "-u", found["user"]).stdout.strip()
    group = router.run("id", "-g", found["user"]).stdout.strip()
    allowed = [name.removeprefix("CAP_").lower() for name in json.loads(router.read(found["capabilities"].lstrip("/")))["ambient"]]
    sets = ",".join(["-all", *(f"+{name}" for name in allowed)])
    limits = [f"--{kind}={sets}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    command = ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs", *limits]
    return router.command(*command, *found["command"].split())


def test_the_command_says_its_version(router: Router) -> None:
    assert router.run("pathwarden", "--version").stdout == f"pathwarden {pathwarden.__version__}\n"


def test_every_command_works_without_docstrings_and_asserts(router: Router) -> None:
    """Ours are compiled away on the router; with -OO those of the libraries too, as far as their source is there."""
    python = ("/usr/bin/python3", "-IOO", "/usr/bin/pathwarden")
    commands = re.findall(r"^ {4}(\w+) ", router.run(*python, "--help").stdout, re.MULTILINE)
    assert {"config", "db", "doctor", "run", "status", "trace"} <= set(commands)
    for command in commands:
        shown = router.run(*python, command, "--help").stdout
        assert f"usage: pathwarden {command}" in shown
        assert "None" not in shown
    assert '"default_targets": true' in router.run(*python, "--json", "config", "show").stdout


def test_the_packaged_configuration_is_accepted(router: Router) -> None:
    assert router.run("pathwarden", "config", "check").stdout == "/etc/config/pathwarden: ok, the default targets, 0 sources\n"


def test_a_broken_configuration_is_told_with_option_value_and_remedy(router: Router) -> None:
    router.write("tmp/broken", "config agent 'agent'\n\toption max_pps 'many'\n")
    done = router.run("pathwarden", "config", "check", "/tmp/broken", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("pathwarden.agent.max_pps: many")
    assert "Traceback" not in done.stderr


def test_the_history_is_kept_where_a_reboot_does_not_reach(router: Router) -> None:
    shown = json.loads(router.run("pathwarden", "--json", "config", "show").stdout)
    assert shown["agent"]["db"] == "/etc/pathwarden/history.db"
    assert shown["web"]["root"] == "/usr/share/pathwarden/www"
    assert shown["web"]["listen"] == [f"127.0.0.1:{PORT}", f"@lan:{PORT}"], "who is not on the router itself signs in"
    assert shown["web"]["auth"] == "auto"


def test_nothing_is_written_into_the_program_when_it_runs(router: Router) -> None:
    before = {(name, (router.root / name).stat().st_mtime_ns) for name in router.files("usr/lib/pathwarden")}
    router.run("pathwarden", "config", "init")
    assert {(name, (router.root / name).stat().st_mtime_ns) for name in router.files("usr/lib/pathwarden")} == before


MOST_INSTALLED = 2_000_000  # bytes, of the 98 MiB of a stock overlay


def test_the_program_leaves_room_on_a_small_overlay(router: Router) -> None:
    size = sum(
        (router.root / name).stat().st_size for folder in ("usr/lib/pathwarden", "usr/share/pathwarden") for name in router.files(folder)
    )
    bytecode = [name for name in router.files("usr/lib/pathwarden/bytecode") if name.endswith(f".{sys.implementation.cache_tag}")]
    assert len(bytecode) == 3
    assert size <= MOST_INSTALLED, f"{size} bytes are installed"


def test_the_service_traces_serves_its_page_reloads_and_ends_in_time(router: Router, lab: StandardLab) -> None:
    router.write("etc/config/pathwarden", CONFIG.format(target=lab.target4), 0o600)
    told = router.init("start")
    log = router.root.parent / f"{router.root.name}.log"
    with log.open("wb") as output:
        daemon = lab.popen(lab.agent, confined(router, told), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        awaited(log.read_text, lambda text: "The page: http://127.0.0.1:8866/" in text or daemon.poll() is not None, "the daemon's page")
        assert daemon.poll() is None, log.read_text()
        code, page = ask(lab, "/")
        tag = re.search(r"static/(@\w+/)entry.js", page)
        assert tag, "a browser may keep the files"
        assert (code, page.replace(tag[1], "")) == (200, built_page())
        assert ask(lab, f"/static/{tag[1]}entry.js")[0] == 200
        status = awaited(lambda: json.loads(ask(lab, "/api/v1/status")[1]), lambda seen: sum(seen["rounds"].values()) > 0, "a round")
        assert status["transport"]["name"] == "raw"
        far = ("far", True, len(lab.hops4))
        awaited(lambda: seen_target(lab), lambda seen: seen == far, "the whole path to the target")
        assert ask(lab, "/api/v1/targets/far/export?format=csv")[0] == 200, "the tools are there"
        process = Path(f"/proc/{daemon.pid}/status").read_text(encoding="ascii")
        assert "\nCapEff:\t0000000000002000\n" in process, "CAP_NET_RAW and nothing else"
        assert "\nUid:\t0\t" not in process
        doctor = lab.exec(lab.agent, router.command("pathwarden", "--config", "/var/run/pathwarden/pathwarden.uci", "doctor"))
        assert f"runs as process {daemon.pid}" in doctor.stdout, (doctor.stdout, doctor.stderr)
        assert "Traceback" not in doctor.stderr
        router.write("etc/config/pathwarden", CONFIG.format(target=lab.target4).replace("'far'", "'other'"), 0o600)
        router.init("reload")
        daemon.send_signal(signal.SIGHUP)  # what procd is told to send
        awaited(log.read_text, lambda text: "INFO pathwarden: reloaded" in text, "the reload's end; meanwhile the page is away")
        awaited(lambda: ask(lab, "/api/v1/targets")[1], lambda text: '"other"' in text, "the new target")
        program = router.root / "usr/lib/pathwarden"
        program.rename(f"{program}.removed")  # a package manager takes the files away while the daemon ends
        daemon.terminate()
        assert daemon.wait(STOPS_WITHIN_S) == 0, log.read_text()
        Path(f"{program}.removed").rename(program)
    finally:
        daemon.kill()
        daemon.wait()
        router.init("stop")
    history = router.root / "etc/pathwarden/history.db"
    assert history.stat().st_size > 0
    assert history.stat().st_uid == (router.root / "etc/pathwarden").stat().st_uid != 0
    assert "Traceback" not in log.read_text()


def built_page() -> str:
    return next(node.content or b"" for node in built().page.files if node.path.endswith("www/index.html")).decode()
