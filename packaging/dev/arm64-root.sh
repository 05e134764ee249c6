#!/bin/sh
# arm64-root.sh: Debian 12 for arm64 in .cache/arm64/root with Pathwarden installed as on a router. Run by arm64.sh and pi3b.sh.
# Debian's files are fetched once, from the mirror that apt uses here; libraries and package are put there anew each time.
set -eu
cd "$(dirname "$0")/../.."

suite=bookworm # its Python is that of OpenWrt 23.05 and 24.10: 3.11
libraries='bottle==0.12.25 paho-mqtt==1.6.1 pyroute2==0.7.9' # what OpenWrt 24.10 ships; all of it pure Python
cache=.cache/arm64
root=$cache/root

fail() {
	echo "$*" >&2
	exit 1
}

. packaging/dev/binfmt.sh
packaging/dev/debian.sh debootstrap
command -v debootstrap >/dev/null || fail 'debootstrap is missing'
environment=$(packaging/dev/venv.sh dev)
mkdir -p "$cache"
chmod 0700 "$cache" # Debian's set-uid programs are in there

if ! [ -e "$root/complete" ]; then
	# shellcheck disable=SC2016 # apt-get fills it in
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
	[ -n "$mirror" ] || fail "apt knows no mirror of Debian here; see /etc/apt/sources.list.d, then apt-get update"
	echo "Installing Debian $suite for arm64 into $root (once, some minutes)" >&2
	rm -rf "$root"
	{
		debootstrap --arch=arm64 --foreign --variant=minbase --include=python3,iproute2 "$suite" "$root" "$mirror" &&
			chroot "$root" /debootstrap/debootstrap --second-stage
	} >"$cache/debootstrap.log" 2>&1 || fail "debootstrap failed: $(tail -n 3 "$cache/debootstrap.log")"
	touch "$root/complete"
fi

# Where Debian's Python looks first for what is not Debian's.
place=usr/local/lib/python3.11/dist-packages
rm -rf "${root:?}/$place" "$cache/dist"
# shellcheck disable=SC2086 # the libraries are words
"$environment/bin/python" -m pip -qq --disable-pip-version-check --no-input install --no-deps --no-compile \
	--target "$root/$place" $libraries </dev/null >&2 || fail 'pip could not fetch the libraries; what it says stands above'
chroot "$root" python3 -m compileall -q "/$place" # OpenWrt's own packages carry bytecode

# As opkg does: the members of the outer archive, then the data, then what default_postinst runs.
PYTHONPATH=packaging "$environment/bin/python" -m packager build "$cache/dist" >/dev/null
rm -rf "$root/usr/lib/pathwarden" "$root/usr/share/pathwarden"
for package in "$cache"/dist/*.ipk; do
	tar -xzOf "$package" ./data.tar.gz | \
		tar -xzp -C "$root" --numeric-owner --keep-directory-symlink --no-overwrite-dir # Debian's /lib is a link
done
chroot "$root" sh -c 'extra_command() { :; }; . /etc/init.d/pathwarden; compile' # there is no rc.common
[ -e "$root/usr/lib/pathwarden/bytecode/tools-$(cat "$root/usr/lib/pathwarden/VERSION").cpython-311" ] ||
	fail 'the package was not compiled by its own script'
install -m 0644 packaging/dev/installed_check.py "$root/root/installed_check.py"
