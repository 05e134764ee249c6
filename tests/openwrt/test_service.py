"""The maintainer scripts and the init script in a router's file system: install, upgrade, remove, offline root, and what can be missing."""

import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pathwarden
from equipment.packages import FEED, built
from equipment.router import Router, parameters
from equipment.waiting import until
from packager.recipe import Recipe

CONFIG = "config agent 'agent'\n\toption name 'mine'\n"
BYTECODE = "usr/lib/pathwarden/bytecode"
PROGRAM = {"pathwarden-0.1.0-r1", "vendor-0.1.0-r1"}
USERS = ("passwd", "group")
STARTED = ["killall -HUP ubusd", "start"]
SCRIPTS = ["postinst", "postinst-pkg", "prerm", "prerm-pkg", "post-install", "post-upgrade", "pre-deinstall"]


@pytest.fixture
def router(tmp_path: Path, need: Callable[[str], str]) -> Router:
    """A router without the package."""
    folder = tmp_path / "root"
    folder.mkdir()
    folder.chmod(0o755)
    return Router(folder, need("busybox"))


@pytest.fixture(params=["ipk", "apk"])
def manager(request: pytest.FixtureRequest, router: Router) -> "Manager":
    """Each package manager on such a router."""
    return Manager(router, request.param)


class Manager:
    """What opkg and apk do with a package of ours, in their order."""

    def __init__(self, router: Router, kind: str, said: Recipe | None = None) -> None:
        self.router = router
        self.kind = kind
        self.said = said or built().recipe
        self.package = built().of(self.said, kind)
        self.paths: list[str] = []

    def install(self, **environ: str) -> None:
        if self.kind == "ipk":
            self.paths = self.router.unpack_ipk(self.package)
            self.script("postinst", "configure", **environ)
        else:
            scripts = self.unpack_apk()
            self.script_text(scripts["post-install"], **environ)

    def upgrade(self) -> None:
        if self.kind == "ipk":
            self.script("prerm", "upgrade", "9.9.9-r1", PKG_UPGRADE="1")
            self.paths = self.router.unpack_ipk(self.package)
            self.script("postinst", "configure", PKG_UPGRADE="1")
        else:
            self.script_text(self.unpack_apk()["post-upgrade"])

    def remove(self) -> None:
        if self.kind == "ipk":
            self.script("prerm", "remove")
        else:
            self.script_text(self.unpack_apk()["pre-deinstall"])
        self.router.remove_files(self.paths)

    def unpack_apk(self) -> dict[str, str]:
        scripts = self.router.unpack_apk(self.package)
        listed = f"lib/apk/packages/{self.said.name}"
        self.paths = [f"/{name}" for name in self.router.files("lib/apk") if name.startswith(f"{listed}.")]
        self.paths += self.router.read(f"{listed}.list").split()
        return scripts

    def script(self, name: str, *words: str, **environ: str) -> None:
        self.router.run("/bin/sh", "-c", " ".join([f"/usr/lib/opkg/info/{self.said.name}.{name}", *words]), **environ)

    def script_text(self, text: str, **environ: str) -> None:
        self.router.write("tmp/script", text, 0o755)
        self.router.run("/tmp/script", "0.1.0-r1", **environ)


def compiled(router: Router, tag: str = f".{sys.implementation.cache_tag}") -> set[str]:
    return {path.name.removesuffix(tag) for path in (router.root / BYTECODE).iterdir()} if (router.root / BYTECODE).exists() else set()


def runs(router: Router) -> bool:
    return router.run("pathwarden", "--version").stdout == f"pathwarden {pathwarden.__version__}\n"


def owner(router: Router, name: str) -> tuple[str, str, int]:
    found = (router.root / name).stat()
    names = [{line.split(":")[2]: line.split(":")[0] for line in router.read(file).splitlines()} for file in ("etc/passwd", "etc/group")]
    return names[0][str(found.st_uid)], names[1][str(found.st_gid)], stat.S_IMODE(found.st_mode)


def test_an_installation_compiles_starts_and_enables(manager: Manager) -> None:
    router = manager.router
    manager.install()
    assert [line for line in router.procd() if line in STARTED] == STARTED
    assert router.read("syslog") == ""
    assert compiled(router) == PROGRAM
    assert runs(router)
    assert not (router.root / "etc/uci-defaults/90-pathwarden").exists(), "it runs once"
    links = {path.name: str(path.readlink()) for path in (router.root / "etc/rc.d").iterdir()}
    assert links == dict.fromkeys(("S95pathwarden", "K10pathwarden"), "../init.d/pathwarden")
    assert re.search(r"^pathwarden:x:(\d+):\d+:", router.read("etc/passwd"), re.MULTILINE)
    assert owner(router, "etc/pathwarden") == ("pathwarden", "pathwarden", 0o750)
    assert owner(router, "etc/config/pathwarden") == ("root", "root", 0o600)


def test_the_bytecode_is_for_this_python_and_without_what_only_people_read(manager: Manager) -> None:
    manager.install()
    router = manager.router
    launcher = router.read("usr/bin/pathwarden").replace("\nsys.exit(main())", "")
    code = (
        "import pathwarden.errors as e; f = e.OperatorError.__init__.__code__; "
        "print(e.__file__, e.__doc__, f.co_filename, {column for *_, column in f.co_positions()})"
    )
    router.write("usr/bin/asking", f"{launcher}\n{code}\n", 0o755)
    said = router.run("asking").stdout.split()
    assert said == ["/usr/lib/pathwarden/pathwarden/errors.py", "None", "/usr/lib/pathwarden/pathwarden/errors.py", "{None}"]


def test_a_compilation_that_the_power_cut_short_is_finished_at_the_next_start(router: Router) -> None:
    router.unpack_ipk(built().ipk)
    router.write(f"{BYTECODE}/pathwarden-0.1.0-r1.{sys.implementation.cache_tag}.new", "the first half")
    router.run("/etc/init.d/pathwarden", "start")
    assert compiled(router) == PROGRAM
    assert runs(router)
    before = {path: path.stat().st_mtime_ns for path in (router.root / BYTECODE).iterdir()}
    router.run("/etc/init.d/pathwarden", "start")
    assert {path: path.stat().st_mtime_ns for path in (router.root / BYTECODE).iterdir()} == before, "made once"


def test_bytecode_of_another_python_is_told_with_a_remedy_that_helps(router: Router) -> None:
    Manager(router, "ipk").install()
    for file in (router.root / BYTECODE).iterdir():
        file.rename(file.with_suffix(".cpython-310"))
    done = router.run("pathwarden", "--version", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "pathwarden: it is not compiled for this Python; run /etc/init.d/pathwarden compile\n"
    router.run("/etc/init.d/pathwarden", "compile")
    assert compiled(router) == PROGRAM, "the other Python's is gone"
    assert runs(router)
    for folder in ("source", "bytecode"):
        shutil.rmtree(router.root / "usr/lib/pathwarden" / folder)
    done = router.run("pathwarden", "--version", check=False)
    assert done.stderr == "pathwarden: it is not compiled for this Python; install the package again\n", "the feed's has no source"


def test_a_program_whose_files_are_replaced_goes_on_with_its_own_modules(router: Router) -> None:
    Manager(router, "ipk").install()
    launcher = router.read("usr/bin/pathwarden").replace("\nsys.exit(main())", "")
    code = "import shutil; shutil.rmtree('/usr/lib/pathwarden'); import pathwarden.wire.ipv4 as late; print(late.__name__)"
    router.write("usr/bin/asking", f"{launcher}\n{code}\n", 0o755)
    assert router.run("asking").stdout == "pathwarden.wire.ipv4\n"


def test_the_tools_come_and_go_beside_the_program(manager: Manager) -> None:
    router = manager.router
    manager.install()
    other = Manager(router, manager.kind, built().tools.recipe)
    done = router.run("pathwarden", "demo", "--help", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "pathwarden: demo is not installed; install the package pathwarden-tools\n"
    (router.root / "usr/bin/traceroute").symlink_to("pathwarden")
    done = router.run("traceroute", "127.0.0.1", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "traceroute: trace is not installed; install the package pathwarden-tools\n"
    other.install()
    assert compiled(router) == {*PROGRAM, "tools-0.1.0-r1"}
    assert router.run("pathwarden", "demo", "--help").stdout.startswith("usage: pathwarden demo")
    other.upgrade()
    assert compiled(router) == {*PROGRAM, "tools-0.1.0-r1"}
    router.write("usr/lib/pathwarden/VERSION", "0.1.0-r2\n")
    for archive in (router.root / "usr/lib/pathwarden/source").iterdir():
        if not archive.name.startswith("tools"):
            archive.rename(archive.with_name(archive.name.replace("-r1", "-r2")))
    router.run("/etc/init.d/pathwarden", "compile")
    assert compiled(router) == {name.replace("-r1", "-r2") for name in PROGRAM}, "tools of another version are not used"
    other.remove()
    router.run("/etc/init.d/pathwarden", "compile")
    assert compiled(router) == {name.replace("-r1", "-r2") for name in PROGRAM}
    assert runs(router)
    assert router.read("syslog") == ""


def test_an_upgrade_keeps_the_owners_files_and_starts_the_new_program(manager: Manager) -> None:
    router = manager.router
    manager.install()
    router.write("etc/config/pathwarden", CONFIG, 0o600)
    router.write("etc/pathwarden/history.db", "history")
    for stale in ("pathwarden-0.0.9-r1.cpython-310", f"pathwarden-0.1.0-r1.{sys.implementation.cache_tag}"):
        (router.root / BYTECODE / stale).write_bytes(b"of an earlier version")
    router.write("procd.log", "")
    manager.upgrade()
    told = router.procd()
    assert told.index("procd_kill") < len(told) - 1 - told[::-1].index("start"), "the old program ends, then the new one starts"
    assert (router.root / "procd.running").exists()
    assert router.read("etc/config/pathwarden") == CONFIG
    assert router.read("etc/pathwarden/history.db") == "history"
    assert router.read("var/run/pathwarden/pathwarden.uci") == CONFIG
    assert compiled(router) == PROGRAM
    assert runs(router)


def test_a_removal_leaves_the_history_alone_and_nothing_else_of_ours(manager: Manager) -> None:
    router = manager.router
    manager.install()
    router.write("etc/pathwarden/history.db", "history")
    router.write("procd.log", "")
    manager.remove()
    assert "procd_kill" in router.procd()
    assert not (router.root / "procd.running").exists()
    assert not list((router.root / "etc/rc.d").iterdir())
    assert not (router.root / "usr/lib/pathwarden").exists(), "bytecode stayed behind"
    assert not (router.root / "usr/share/pathwarden").exists()
    assert router.read("etc/pathwarden/history.db") == "history"


def test_an_offline_root_is_only_enabled_and_compiles_at_first_boot(manager: Manager) -> None:
    """As the image builder does it: the scripts run on the builder's machine, and whatever they touch lies below the root."""
    router = manager.router
    env = {"PATH": "/usr/bin:/bin", "IPKG_INSTROOT": str(router.root)}
    if manager.kind == "ipk":
        router.unpack_ipk(built().ipk)
        install, remove = (router.root / f"usr/lib/opkg/info/pathwarden.{name}" for name in ("postinst", "prerm"))
        commands = [[str(install), "configure"], [str(remove), "remove"]]
    else:
        scripts = manager.unpack_apk()
        commands = [["sh", "-c", scripts["post-install"]], ["sh", "-c", scripts["pre-deinstall"]]]
    subprocess.run(commands[0], env=env, check=True)
    assert router.procd() == []
    assert compiled(router) == set()
    assert {path.name for path in (router.root / "etc/rc.d").iterdir()} == {"S95pathwarden", "K10pathwarden"}
    assert (router.root / "etc/uci-defaults/90-pathwarden").is_file()
    assert "pathwarden" in router.read("etc/passwd")
    router.run("/etc/uci-defaults/90-pathwarden")  # the first boot
    assert compiled(router) == PROGRAM
    assert runs(router)
    subprocess.run(commands[1], env=env, check=True)
    assert not (router.root / "usr/lib/pathwarden").exists()
    assert not list((router.root / "etc/rc.d").iterdir())


def test_scripts_do_nothing_where_openwrts_functions_are_missing(manager: Manager) -> None:
    (manager.router.root / "lib/functions.sh").unlink()
    manager.install()
    manager.remove()
    assert manager.router.procd() == []


@pytest.fixture
def installed(router: Router) -> Router:
    """A router with the package, its service stopped."""
    router.bring_bytecode()
    Manager(router, "ipk").install()
    router.init("stop")
    return router


def test_the_service_runs_as_its_own_user_with_one_capability(installed: Router) -> None:
    installed.write("etc/config/pathwarden", CONFIG, 0o600)
    told = installed.init("start")
    assert parameters(told) == {
        "command": "/usr/bin/pathwarden --config /var/run/pathwarden/pathwarden.uci run",
        "file": "/var/run/pathwarden/pathwarden.uci /usr/lib/pathwarden/VERSION",
        "respawn": "3600 30 0",
        "term_timeout": "15",
        "limits": "core=0",
        "stdout": "1",
        "stderr": "1",
        "user": "pathwarden",
        "group": "pathwarden",
        "capabilities": "/etc/capabilities/pathwarden.json",
        "no_new_privs": "1",
    }
    assert [line for line in told if "param" not in line] == [
        "start",
        "procd_open_instance",
        "procd_add_jail pathwarden",
        "procd_close_instance",
        "procd_add_reload_trigger pathwarden",
        "procd_add_raw_trigger interface.*.up 5000 /etc/init.d/pathwarden interface_up",
        "started",
    ]
    assert installed.read("var/run/pathwarden/pathwarden.uci") == CONFIG
    assert owner(installed, "var/run/pathwarden/pathwarden.uci") == ("root", "pathwarden", 0o640)
    assert owner(installed, "var/run/pathwarden") == ("root", "pathwarden", 0o750)
    assert installed.read("syslog") == ""


def test_a_reload_renders_again_and_signals_and_a_stop_takes_the_copy_away(installed: Router) -> None:
    installed.init("start")
    installed.write("etc/config/pathwarden", CONFIG, 0o600)
    assert installed.init("reload") == ["procd_send_signal pathwarden"]
    assert installed.read("var/run/pathwarden/pathwarden.uci") == CONFIG
    assert owner(installed, "var/run/pathwarden/pathwarden.uci") == ("root", "pathwarden", 0o640)
    installed.init("stop")
    assert installed.files("tmp/run/pathwarden") == set()
    assert "start" in installed.init("reload"), "a service that waits to be started again is started at once"


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (CONFIG, ["procd_send_signal pathwarden"]),
        ("#config target 'far'\n", ["procd_send_signal pathwarden"]),
        ("config target 'far'\n\toption host '192.0.2.1'\n", []),
        ("config agent 'agent'\n  config\t\"target\" far\n", []),
    ],
)
def test_an_interface_reloads_only_a_daemon_that_chooses_its_targets(installed: Router, config: str, told: list[str]) -> None:
    """All else the daemon hears from ubus, without losing a trace or its page."""
    installed.write("etc/config/pathwarden", config, 0o600)
    installed.init("start")
    assert installed.init("interface_up") == told


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda root: (root / "sbin/ujail").unlink(), "runs as root: /sbin/ujail is missing; install procd-ujail, then restart"),
        (
            lambda root: (root / "etc/capabilities/pathwarden.json").unlink(),
            "runs as root: /etc/capabilities/pathwarden.json is missing; install the package again, then restart",
        ),
        (
            lambda root: [(root / f"etc/{name}").rename(root / f"tmp/{name}") and (root / f"etc/{name}").mkdir() for name in USERS],
            "runs as root: there is no user pathwarden and none can be made; see whether /etc can be written, then restart",
        ),
    ],
)
def test_without_jail_capabilities_or_user_it_runs_as_root_and_says_so(
    installed: Router, break_it: Callable[[Path], object], said: str
) -> None:
    break_it(installed.root)
    found = parameters(installed.init("start"))
    assert found["command"]
    assert not found.keys() & {"user", "group", "capabilities", "no_new_privs"}
    assert installed.read("syslog") == f"pathwarden daemon.warn {said}\n"


def test_a_lost_user_is_made_again(installed: Router) -> None:
    installed.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    installed.write("etc/group", "root:x:0:\n")
    assert parameters(installed.init("start"))["user"] == "pathwarden"
    assert installed.read("etc/passwd").count("pathwarden:x:") == 1
    installed.init("start")
    assert installed.read("etc/passwd").count("pathwarden:x:") == 1
    assert installed.read("syslog") == ""


def test_without_a_configuration_nothing_starts_and_the_log_says_how_to_write_one(installed: Router) -> None:
    (installed.root / "etc/config/pathwarden").unlink()
    assert "procd_open_instance" not in installed.init("start")
    said = "/etc/config/pathwarden is missing; pathwarden config init > /etc/config/pathwarden writes one"
    assert installed.read("syslog") == f"pathwarden daemon.err {said}\n"


def test_a_data_folder_that_cannot_be_made_is_told(installed: Router) -> None:
    (installed.root / "etc/pathwarden").rmdir()
    installed.write("etc/pathwarden", "a file in the way")
    assert parameters(installed.init("start"))["user"] == "pathwarden"
    said = "/etc/pathwarden cannot be written; make room on the overlay, or set agent.db to a place with room"
    assert f"pathwarden daemon.err {said}\n" in installed.read("syslog")


def test_what_ran_as_root_before_belongs_to_the_user_afterwards(installed: Router) -> None:
    installed.write("etc/pathwarden/history.db", "history", 0o600)
    installed.init("start")
    assert owner(installed, "etc/pathwarden/history.db") == ("pathwarden", "pathwarden", 0o600)


def test_bytecode_without_room_lies_in_memory_until_there_is_some(installed: Router) -> None:
    shutil.rmtree(installed.root / BYTECODE)
    installed.write(BYTECODE, "a file where the folder would be, for want of a full overlay")
    installed.init("start")
    spare = installed.root / "tmp/run/pathwarden/bytecode"
    assert {path.stem for path in spare.iterdir()} == PROGRAM
    said = installed.read("syslog").splitlines()
    assert [line for line in said if "lies in memory and is made again at each boot; make room on the overlay" in line] == said[:2] != []
    assert runs(installed)
    (installed.root / BYTECODE).unlink()
    installed.write("syslog", "")
    installed.init("start")
    assert (compiled(installed), list(spare.iterdir()), installed.read("syslog")) == (PROGRAM, [], "")
    assert runs(installed)


def test_a_compilation_that_fails_is_told_and_the_installation_goes_on(installed: Router) -> None:
    installed.write("usr/bin/python3.full", "#!/bin/sh\nexit 1\n", 0o755)
    (installed.root / "usr/bin/python3").unlink()
    (installed.root / "usr/bin/python3").symlink_to("python3.full")
    Manager(installed, "ipk").install()
    said = "pathwarden daemon.warn the program could not be compiled; see with df whether the overlay is full\n"
    assert said in installed.read("syslog")
    assert (installed.root / "procd.running").exists()


@pytest.mark.parametrize(("action", "told"), [("connected", 1), ("disconnected", 1), ("ifup", 0), ("ifdown", 0)])
def test_mwan3s_word_reloads_a_service_that_is_meant_to_run(installed: Router, action: str, told: int) -> None:
    hook = ["/bin/sh", "-c", ". /etc/hotplug.d/iface/90-pathwarden"]
    installed.write("procd.log", "")
    installed.run(*hook, ACTION=action)
    assert installed.procd() == [], "it was stopped, and stays so"
    installed.init("start")
    installed.write("procd.log", "")
    installed.run(*hook, ACTION=action)
    assert installed.procd() == ["procd_send_signal pathwarden"] * told


@pytest.mark.parametrize(("action", "there"), [("stratum", True), ("step", True), ("periodic", False)])
def test_ntpds_word_is_noted_where_the_daemon_can_see_it(installed: Router, action: str, there: bool) -> None:
    hook = ["/bin/sh", "-c", ". /etc/hotplug.d/ntp/30-pathwarden"]
    (installed.root / "tmp/run/pathwarden/live").rmdir()
    (installed.root / "tmp/run/pathwarden").rmdir()
    installed.run(*hook, ACTION=action)
    assert not (installed.root / "tmp/run/pathwarden").exists()
    installed.init("start")
    installed.run(*hook, ACTION=action)
    assert (installed.root / "tmp/run/pathwarden/time-synced").exists() == there


SYSUPGRADE = """
sysupgrade_init_conffiles=add_uci_conffiles
add_uci_conffiles() { echo "listed, running: $(ls /procd.running 2>/dev/null)" >>/procd.log; cat /lib/upgrade/keep.d/*; }
for file in /lib/upgrade/*.sh; do . "$file"; done
for hook in $sysupgrade_init_conffiles; do "$hook" /tmp/list; done
"""


def test_a_backup_lists_the_history_while_the_daemon_has_let_go_of_it(installed: Router) -> None:
    installed.write("bin/upgrade", f"#!/bin/sh\n{SYSUPGRADE}", 0o755)
    installed.init("start")
    installed.write("procd.log", "")
    installed.write("procd.ending", "it takes a second to end\n")
    assert installed.run("/bin/upgrade").stdout == "/etc/pathwarden/\n"
    assert installed.procd()[:2] == ["procd_kill", "listed, running: "]
    assert installed.read("procd.ending") == "", "sysupgrade waits for its end"
    until((installed.root / "procd.running").exists, "it runs again after the backup")


def test_a_backup_does_not_start_a_service_that_was_stopped(installed: Router) -> None:
    installed.write("bin/upgrade", f"#!/bin/sh\n{SYSUPGRADE}", 0o755)
    installed.write("procd.log", "")
    installed.run("/bin/upgrade")
    assert installed.procd() == ["listed, running: "]


def test_shellcheck_finds_nothing_in_any_script(tmp_path: Path, need: Callable[[str], str]) -> None:
    from equipment import adb, opkg

    texts = {name: member.content.decode() for name, member in opkg.read(built().ipk).control.items() if member.mode == 0o755}
    texts |= adb.read(built().apk).scripts
    assert sorted(texts) == sorted(SCRIPTS)
    texts |= {f"tools-{name}": text for name, text in adb.read(built().of(built().tools.recipe, "apk")).scripts.items()}
    files = [FEED / "files" / f"pathwarden.{part}" for part in ("init", "iface", "ntp", "defaults", "upgrade")]
    for name, text in texts.items():
        files.append(tmp_path / name)
        files[-1].write_text(text, encoding="utf-8")
    done = subprocess.run([need("shellcheck"), "--shell=sh", "--exclude=SC1091", *files], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("shell", ["dash", "busybox ash"])
def test_both_small_shells_can_read_every_script(shell: str, need: Callable[[str], str]) -> None:
    for part in ("init", "iface", "ntp", "defaults", "upgrade"):
        words = [need(shell.split(maxsplit=1)[0]), *shell.split()[1:], "-n", str(FEED / f"files/pathwarden.{part}")]
        assert subprocess.run(words, capture_output=True, text=True).stderr == ""
