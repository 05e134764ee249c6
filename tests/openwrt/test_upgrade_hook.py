"""The upgrade hook in a router's file system: the packed history goes along in place of the history, and the first start reads it back."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from equipment.agent import awaited
from equipment.packages import built
from equipment.router import Router
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import event, record

# What sysupgrade does with the hooks: list, save, end. /list.out is what a backup holds.
SYSUPGRADE = r"""#!/bin/sh
. /lib/functions.sh
export CONF_BACKUP_LIST=0
[ "$1" != -l ] || export CONF_BACKUP_LIST=1
add_conffiles() {
	find $(sed -ne '/^[[:space:]]*$/d; /^#/d; p' /etc/sysupgrade.conf /lib/upgrade/keep.d/* 2>/dev/null) -type f 2>/dev/null | sort -u >"$1"
}
sysupgrade_init_conffiles=add_conffiles
for file in /lib/upgrade/*.sh; do . "$file"; done
for hook in $sysupgrade_init_conffiles; do "$hook" /tmp/list; done
cp /tmp/list /list.out
[ "$1" = -l ] || tar czf /backup.tar.gz $(cat /tmp/list) 2>/dev/null
[ -z "$HOLD" ] || touch /saved
while [ -n "$HOLD" ] && [ ! -e /go ]; do sleep 1; done
rm -f /tmp/list
"""
UCI = r"""#!/bin/sh
[ "$*" = "-q get pathwarden.@agent[0].db" ] || exit 2
sed -n "s/^[[:space:]]*option db '\(.*\)'/\1/p" /etc/config/pathwarden | grep .
"""
DATA = "etc/pathwarden"
HISTORY = f"{DATA}/history.db"
PASSWORD = f"/{DATA}/mqtt-password"
# What must not go along: of the running system alone, or tens of megabytes that whoever got them gets again.
_ENDINGS = (".lock", ".damaged-1", ".damaged-1-journal", ".upgrade.gz.damaged-1", ".imports", ".imports.lock", ".samples")
BESIDE = [*(f"history.db{ending}" for ending in _ENDINGS), "GeoLite2-City.mmdb"]


def new_router(folder: Path, busybox: str, shell: str | None = None) -> Router:
    """A router with the package and what sysupgrade needs; `shell` is another /bin/sh than busybox's."""
    folder.mkdir()
    folder.chmod(0o755)
    router = Router(folder, busybox)
    if shell:
        (folder / "bin/sh").unlink()
        shutil.copy2(shell, folder / "bin/sh")
    router.write("sbin/sysupgrade", SYSUPGRADE, 0o755)
    router.write("sbin/uci", UCI, 0o755)
    router.bring_bytecode()
    router.unpack_ipk(built().ipk)
    router.run("/bin/sh", "-c", "/usr/lib/opkg/info/pathwarden.postinst configure")
    router.init("stop")
    return router


@pytest.fixture(params=["busybox", "dash"])
def router(request: pytest.FixtureRequest, tmp_path: Path, need: Callable[[str], str]) -> Router:
    """Such a router with a history, a password, and what lies beside a history at times."""
    router = new_router(tmp_path / "root", need("busybox"), need("dash") if request.param == "dash" else None)
    fill(router, HISTORY)
    router.write(PASSWORD.lstrip("/"), "secret\n", 0o600)
    for name in BESIDE:
        router.write(f"{DATA}/{name}", "beside")
    return router


def fill(router: Router, name: str) -> None:
    with Writer(router.root / name, max_mb=16, boot_id="before") as writer:
        writer.save([record(number=n) for n in range(40)])
        writer.save([record(number=40, events=(event(),))])


def upgrade(router: Router, *words: str) -> list[str]:
    """Run sysupgrade to its end; what it kept of ours."""
    assert router.run("/sbin/sysupgrade", *words).stdout == ""
    return [line for line in router.read("list.out").splitlines() if "pathwarden" in line]


def await_end(router: Router) -> None:
    awaited(lambda: router.files(DATA), lambda files: f"{HISTORY}.upgrade.gz" not in files, "the archive is removed")


def traces(file: Path) -> int:
    with Reader(file) as reader:
        return reader.stats().traces


def test_the_archive_goes_along_and_the_first_start_reads_it_back(router: Router, tmp_path: Path, need: Callable[[str], str]) -> None:
    before = (router.root / HISTORY).read_bytes()
    assert upgrade(router) == [PASSWORD, f"/{HISTORY}.upgrade.gz"]
    await_end(router)
    assert (router.root / HISTORY).read_bytes() == before
    assert router.read("syslog") == ""
    assert not [name for name in router.files("tmp") if "list" in name or "pathwarden" in name]
    fresh = new_router(tmp_path / "next", need("busybox"))
    subprocess.run(["tar", "xzf", router.root / "backup.tar.gz", "-C", fresh.root], check=True)
    assert fresh.files(DATA) == {PASSWORD.lstrip("/"), f"{HISTORY}.upgrade.gz"}
    fresh.init("start")
    with Writer(fresh.root / HISTORY, max_mb=16, boot_id="after") as writer, Reader(fresh.root / HISTORY) as reader:
        assert writer.notice == ""
        assert writer.remark.startswith("the history was read back from ")
        assert (reader.stats().traces, reader.stats().events, reader.stats().outbox) == (41, 1, 1)
    assert fresh.files(DATA) == {PASSWORD.lstrip("/"), HISTORY}


def test_the_daemon_has_ended_before_and_runs_again_after_the_archive_is_gone(router: Router) -> None:
    router.init("start")
    router.write("procd.log", "")
    router.write("procd.ending", "it takes a second\n")
    held = subprocess.Popen(router.command("/sbin/sysupgrade"), env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOLD": "1"})
    try:
        awaited((router.root / "saved").exists, bool, "the backup is made")
        assert (router.root / f"{HISTORY}.upgrade.gz").exists()
        assert not (router.root / "procd.running").exists()
        assert router.procd() == ["procd_kill"]
    finally:
        router.write("go", "")
        assert held.wait(30) == 0
    awaited((router.root / "procd.running").exists, bool, "the daemon runs again")
    assert f"{HISTORY}.upgrade.gz" not in router.files(DATA)
    assert traces(router.root / HISTORY) == 41


def test_a_list_alone_names_the_archive_and_changes_nothing(router: Router) -> None:
    router.init("start")
    router.write("procd.log", "")
    before = router.files(DATA)
    assert upgrade(router, "-l") == [PASSWORD, f"/{HISTORY}.upgrade.gz"]
    assert router.procd() == []
    assert router.files(DATA) == before


def test_a_history_elsewhere_stays_where_it_is(router: Router) -> None:
    for name in (HISTORY, *(f"{DATA}/{name}" for name in BESIDE if "history" in name)):
        (router.root / name).unlink()
    router.write("etc/config/pathwarden", "config agent 'agent'\n\toption db '/mnt/usb/history.db'\n")
    fill(router, "mnt/usb/history.db")
    assert upgrade(router) == [PASSWORD]
    assert router.files("mnt/usb") == {"mnt/usb/history.db"}
    assert f"{HISTORY}.upgrade.gz" not in router.files(DATA)


def test_a_history_of_another_name_on_the_overlay_goes_along_packed(router: Router) -> None:
    (router.root / HISTORY).unlink()
    router.write("etc/config/pathwarden", f"config agent 'agent'\n\toption db '/{DATA}/mine.db'\n")
    fill(router, f"{DATA}/mine.db")
    kept = upgrade(router)
    assert f"/{DATA}/mine.db.upgrade.gz" in kept
    assert f"/{DATA}/mine.db" not in kept
    awaited(lambda: router.files(DATA), lambda files: f"{DATA}/mine.db.upgrade.gz" not in files, "the archive is removed")


def test_without_a_history_there_is_no_archive(router: Router) -> None:
    (router.root / HISTORY).unlink()
    assert f"/{HISTORY}.upgrade.gz" not in upgrade(router)
    assert router.read("syslog") == ""


def test_what_cannot_be_packed_goes_along_as_it_is(router: Router) -> None:
    router.write("etc/config/pathwarden", "config agent 'agent'\n\toption interval 'x'\n")
    router.write(f"{HISTORY}-journal", "")
    assert upgrade(router) == [f"/{HISTORY}", f"/{HISTORY}-journal", f"/{HISTORY}.samples", PASSWORD]
    said = "pathwarden daemon.warn the history goes along unpacked, and may be too large for that: pathwarden: pathwarden.agent.interval: "
    assert router.read("syslog").startswith(said)
    assert traces(router.root / HISTORY) == 41
