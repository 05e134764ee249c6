"""A router's file system to install into and to run in, by chroot: busybox, a real Python, and stand-ins for OpenWrt's own functions.

The stand-ins do what OpenWrt's /lib/functions.sh, rc.common and procd do, as far as a package with a service meets them;
what procd would be told is written to /procd.log, what the system log would say to /syslog.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from equipment import adb, opkg
from equipment.packages import bytecode, site_packages

FUNCTIONS = r"""
# Functions, since Debian's busybox takes its own applets before programs in the PATH.
logger() { [ "$1" = -t ] && [ "$3" = -p ] && echo "$2 $4 $5" >>"$IPKG_INSTROOT/syslog"; }
killall() { echo "killall $*" >>"$IPKG_INSTROOT/procd.log"; }
list_has() { case " $1 " in *" $2 "*) return 0 ;; esac; return 1; }
user_exists() { grep -qs "^$1:" "$IPKG_INSTROOT/etc/passwd"; }
group_exists() { grep -qs "^$1:" "$IPKG_INSTROOT/etc/group"; }
free_id() { local id=32768; while cut -d: -f3 "$1" | grep -qx "$id"; do id=$((id + 1)); done; echo "$id"; }
group_add_next() {
	local gid; gid=$(grep -s "^$1:" "$IPKG_INSTROOT/etc/group" | cut -d: -f3)
	[ -n "$gid" ] && { echo "$gid"; return; }
	gid=$(free_id "$IPKG_INSTROOT/etc/group"); echo "$1:x:$gid:" >>"$IPKG_INSTROOT/etc/group"; echo "$gid"
}
user_add() {
	local uid="$2"; [ -n "$uid" ] || uid=$(free_id "$IPKG_INSTROOT/etc/passwd")
	echo "$1:x:$uid:${3:-$uid}:$1:/var/run/$1:/bin/false" >>"$IPKG_INSTROOT/etc/passwd"
}
add_group_and_user() {
	local wanted user group
	wanted=$(sed -n 's/^Require-User: *//p' "$IPKG_INSTROOT/usr/lib/opkg/info/$pkgname.control" 2>/dev/null)
	[ -f "$IPKG_INSTROOT/lib/apk/packages/$pkgname.rusers" ] && wanted=$(cat "$IPKG_INSTROOT/lib/apk/packages/$pkgname.rusers")
	[ -n "$wanted" ] || return 0
	user=${wanted%%:*}; group=${wanted#*:}
	group=$(group_add_next "$group"); user_exists "$user" || user_add "$user" "" "$group"
}
file_list() {
	[ -f "$IPKG_INSTROOT/lib/apk/packages/$pkgname.list" ] && { cat "$IPKG_INSTROOT/lib/apk/packages/$pkgname.list"; return; }
	cat "$IPKG_INSTROOT/usr/lib/opkg/info/$pkgname.list"
}
init_scripts() { file_list | grep '^/etc/init.d/'; }
own_part() { [ ! -f "$IPKG_INSTROOT/usr/lib/opkg/info/$pkgname.$1" ] || ( . "$IPKG_INSTROOT/usr/lib/opkg/info/$pkgname.$1" ); }
default_postinst() {
	local script ret=0
	[ -n "$pkgname" ] || pkgname=$(basename "${1%.*}")
	[ ! -e "$IPKG_INSTROOT/usr/lib/opkg/info/$pkgname.list" ] || add_group_and_user
	[ -n "$IPKG_INSTROOT" ] || for script in $(file_list | grep '^/etc/uci-defaults/'); do
		( [ -f "$script" ] && cd "$(dirname "$script")" && . "$script" ) && rm -f "$script"
	done
	own_part postinst-pkg || ret=$?
	for script in $(init_scripts); do
		if [ -n "$IPKG_INSTROOT" ]; then /bin/sh "$IPKG_INSTROOT/etc/rc.common" "$IPKG_INSTROOT$script" enable
		else [ "$PKG_UPGRADE" = 1 ] || "$script" enable; "$script" start; fi
	done
	return $ret
}
default_prerm() {
	local script ret=0
	[ -n "$pkgname" ] || pkgname=$(basename "${1%.*}")
	own_part prerm-pkg || ret=$?
	for script in $(init_scripts); do
		if [ -n "$IPKG_INSTROOT" ]; then /bin/sh "$IPKG_INSTROOT/etc/rc.common" "$IPKG_INSTROOT$script" disable
		else [ "$PKG_UPGRADE" = 1 ] || "$script" disable; "$script" stop; fi
	done
	return $ret
}
"""
RC_COMMON = r"""#!/bin/sh
. "$IPKG_INSTROOT/lib/functions.sh"
initscript=$1; action=$2; name=$(basename "$1")
told() { echo "$*" >>"$IPKG_INSTROOT/procd.log"; }
for word in procd_set_param procd_open_instance procd_close_instance procd_add_jail procd_add_reload_trigger procd_add_raw_trigger; do
	eval "$word() { told $word \"\$@\"; }"
done
procd_running() { [ -e /procd.running ]; }
procd_send_signal() { told procd_send_signal "$@"; }
extra_command() { :; }
stop_service() { :; }
. "$initscript"
start() { told start; : >/procd.pending; start_service && touch /procd.running; service_triggers; told started; }
stop() { stop_service; told procd_kill; rm -f /procd.running; }
restart() { stop; start; }
reload() { reload_service; }
links="$IPKG_INSTROOT/etc/rc.d"
enable() { mkdir -p "$links"; for link in "S$START" "K$STOP"; do ln -sf "../init.d/$name" "$links/$link$name"; done; }
disable() { rm -f "$links"/[SK]??"$name"; }
"$action"
"""
PROGRAMS = {
    "sbin/ujail": "#!/bin/sh\nexit 1\n",
    # Finds the daemon as often as /procd.ending has lines.
    "usr/bin/pgrep": "#!/bin/sh\n[ -s /procd.ending ] && sed -i 1d /procd.ending\n",
}
_RUN = r"""set -e
root=$1; shift
for pair in $BINDS; do mount --bind "${pair%%=*}" "$root/${pair#*=}"; done
mount --bind /proc "$root/proc"
exec chroot "$root" "$@"
"""


class Router:
    """A root folder. `libraries` are those of the feed: folder that holds them; None: Python without any."""

    def __init__(self, folder: Path, busybox: str, libraries: Path | None = None) -> None:
        self.root = folder
        for name in (
            "bin",
            "dev",
            "etc/config",
            "etc/init.d",
            "lib",
            "proc",
            "sbin",
            "tmp/run",
            "tmp/lock",
            "usr/bin",
            "usr/lib/opkg/info",
        ):
            (folder / name).mkdir(parents=True)
        (folder / "var").symlink_to("tmp")
        shutil.copy2(busybox, folder / "bin/busybox")
        for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
            if applet != "busybox":
                (folder / "bin" / applet).symlink_to("busybox")
        self.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nother:x:32768:32768::/:/bin/false\n")
        self.write("etc/group", "root:x:0:\nother:x:32768:\n")
        self.write("etc/openwrt_release", "DISTRIB_ID='OpenWrt'\n")
        self.write("lib/functions.sh", FUNCTIONS)
        self.write("etc/rc.common", RC_COMMON, 0o755)
        for name, text in PROGRAMS.items():
            self.write(name, text, 0o755)
        for number, name in ((3, "null"), (9, "urandom")):
            os.mknod(folder / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(1, number))
        self._binds = self._python(libraries)

    def _python(self, libraries: Path | None) -> str:
        """The interpreter that runs the tests as /usr/bin/python3: its own folders by bind mounts, so that nothing is copied."""
        real, prefix = Path(sys.executable).resolve(), Path(sys.base_prefix)
        (self.root / "usr/bin/python3").symlink_to(real if prefix != Path("/usr") else f"/usr/bin/{real.name}")
        binds = {str(path): path for path in (Path("/lib64"), *Path("/lib").glob("*-linux-gnu"), *Path("/usr/lib").glob("*-linux-gnu"))}
        if prefix == Path("/usr"):
            shutil.copy2(real, self.root / "usr/bin" / real.name)
            binds[f"/usr/lib/{real.name}"] = Path("/usr/lib") / real.name
        else:
            binds[str(prefix)] = prefix
        if libraries:
            binds[str(site_packages(real))] = libraries
        for place in binds:
            (self.root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return " ".join(f"{source}={place.lstrip('/')}" for place, source in binds.items())

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Write a file."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def read(self, name: str) -> str:
        """A file's text; '' if it is not there."""
        file = self.root / name
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def command(self, *words: str) -> list[str]:
        """The command line that runs these words inside."""
        return ["env", f"BINDS={self._binds}", "unshare", "-m", "sh", "-c", _RUN, "sh", str(self.root), *words]

    def run(self, *words: str, check: bool = True, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end."""
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environ}
        done = subprocess.run(self.command(*words), env=env, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done

    def init(self, action: str) -> list[str]:
        """Call the service's init script; what procd was told."""
        self.write("procd.log", "")
        self.run("/etc/init.d/pathwarden", action)
        return self.procd()

    def procd(self) -> list[str]:
        """What procd and killall were told, line by line."""
        return self.read("procd.log").splitlines()

    # --- packages

    def unpack_ipk(self, package: bytes) -> list[str]:
        """Lay down files and scripts as opkg does; a changed configuration stays. The installed paths."""
        ipk = opkg.read(package)
        info = f"usr/lib/opkg/info/{opkg.fields(ipk.control['control'].content.decode())['Package']}"
        known = self.read(f"{info}.list").split()
        for path in {f"/{member.name}" for member in ipk.data} ^ set(known):
            if path in known and path != "/etc/config/pathwarden":
                (self.root / path.lstrip("/")).unlink(missing_ok=True)
        paths = [f"/{m.name}" for m in ipk.data if m.kind == "0"]
        for member in ipk.data:
            self._lay(member.name, member.mode, None if member.kind == "5" else member.content, member.mtime)
        for name, member in ipk.control.items():
            self._lay(f"{info}.{name}", member.mode, member.content, member.mtime)
        self.write(f"{info}.list", "".join(f"{path}\n" for path in paths))
        return paths

    def bring_bytecode(self) -> None:
        """Lay down what the program's first start would compile: a second of a processor that most tests need not spend."""
        for name, content in bytecode().items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes(content)

    def unpack_apk(self, package: bytes) -> dict[str, str]:
        """Lay down files as apk does; the scripts by their names."""
        apk = adb.read(package)
        for name, (mode, _owner) in apk.folders.items():
            self._lay(name, mode, None, 0)
        for name, file in apk.files.items():
            self._lay(name, file.mode, file.content, file.mtime)
        return apk.scripts

    def remove_files(self, paths: Sequence[str]) -> None:
        """Remove what a package brought, and the folders that are empty then, as package managers do."""
        for path in paths:
            (self.root / path.lstrip("/")).unlink(missing_ok=True)
        folders = {parent for path in paths for parent in Path(path.lstrip("/")).parents} - {Path()}
        for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
            place = self.root / folder
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()

    def files(self, folder: str) -> set[str]:
        """The files below a folder."""
        return {str(path.relative_to(self.root)) for path in (self.root / folder).rglob("*") if path.is_file()}

    def _lay(self, name: str, mode: int, content: bytes | None, mtime: int) -> None:
        file = self.root / name
        if content is None:
            file.mkdir(exist_ok=True)
            file.chmod(mode)
        elif name != "etc/config/pathwarden" or not file.exists():
            assert file.parent.is_dir(), f"{name}: its folder does not come before it"
            file.write_bytes(content)
            file.chmod(mode)
            os.utime(file, (mtime, mtime))


def parameters(told: Sequence[str]) -> dict[str, str]:
    """The instance's parameters among what procd was told."""
    return {found[1]: found[2] for line in told if (found := re.fullmatch(r"procd_set_param (\S+) (.*)", line))}
