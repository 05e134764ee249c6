#!/bin/sh
# pi3b.sh: the installed package on an emulated Raspberry Pi 3B, as root: Debian's kernel, the root of arm64-root.sh as initramfs.
# WRITE=1 writes the figures to packaging/PI3B.md. The machine has no network device. Its console goes to .cache/arm64/console.log.
set -eu
cd "$(dirname "$0")/../.."

# One at a time, and with mounts of its own: whatever happens, nothing stays mounted below .cache, which make clean removes.
if [ "${1:-}" != inside ]; then
	mkdir -p .cache
	exec flock .cache/arm64.lock unshare --mount --propagation private packaging/dev/pi3b.sh inside
fi

patience_s=1200 # on two idle processors it takes half a minute
cache=.cache/arm64
kernel=$cache/kernel

fail() {
	echo "$*" >&2
	exit 1
}

packaging/dev/debian.sh qemu-system-arm cpio
packaging/dev/arm64-root.sh

here=$(pwd)/$cache/apt
# apt with a configuration of its own: the host's list of architectures stays as it is.
apt_arm64() { # COMMAND ARGUMENT...
	command=$1
	shift
	"$command" -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::Etc::sourcelist="$here/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null -o Dir::State="$here" -o Dir::State::status="$here/status" -o Dir::Cache="$here/cache" \
		-o APT::Sandbox::User=root "$@"
}

if ! [ -e "$kernel/complete" ]; then
	echo "Fetching Debian's kernel for arm64 into $kernel (once)" >&2
	rm -rf "$kernel" "$cache/apt"
	mkdir -p "$kernel" "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial"
	cp "$cache/root/etc/apt/sources.list" "$cache/apt/sources.list"
	: >"$cache/apt/status"
	apt_arm64 apt-get update >&2 || fail 'apt-get could not read the list of packages for arm64'
	package=$(apt_arm64 apt-cache depends linux-image-arm64 | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p')
	(cd "$kernel" && apt_arm64 apt-get download "$package") >&2 || fail "apt-get could not fetch the kernel: $package"
	dpkg-deb --fsys-tarfile "$kernel"/*.deb | tar -x -C "$kernel" --wildcards './boot/vmlinuz*' '*/bcm2837-rpi-3-b.dtb'
	rm "$kernel"/*.deb
	touch "$kernel/complete"
fi

# Without what Debian brings for people: all of it has to fit into the machine's memory, twice while it starts.
install -m 0755 packaging/dev/pi3b-init "$cache/root/init"
(cd "$cache/root" && find . \( -path ./usr/share/doc -o -path ./usr/share/man -o -path ./usr/share/locale -o -path ./usr/share/info \
	-o -path './var/lib/apt/lists/*' -o -path './var/cache/*' -o -path './proc/*' -o -path './sys/*' \) -prune -o -print0 |
	cpio --quiet --null --create --format=newc) >"$cache/initramfs"
rm "$cache/root/init"

# The guest's clock counts instructions, 2 ns each whichever core runs them, and jumps over idle time: so the figures are the
# same on every host, however busy. At 1.2 GHz that is 2.4 cycles an instruction: a guess at what caches cost, which qemu has not.
console=$cache/console.log
: >"$console"
qemu-system-aarch64 -M raspi3b -icount shift=1,sleep=off -display none -monitor none -serial file:"$console" \
	-kernel "$(echo "$kernel"/boot/vmlinuz*)" -dtb "$(find "$kernel" -name '*.dtb')" -initrd "$cache/initramfs" \
	-append 'console=ttyAMA0 rdinit=/init quiet panic=-1' </dev/null &
machine=$!
trap 'kill "$machine" 2>/dev/null || true' EXIT
trap 'exit 1' INT TERM HUP
# The board has no power switch that Debian's kernel knows without modules, so its last line on the console ends it.
waited_s=0
while kill -0 "$machine" 2>/dev/null && ! grep -q '^PI3B ends' "$console" && [ "$waited_s" -lt "$patience_s" ]; do
	sleep 1
	waited_s=$((waited_s + 1))
done
tr -d '\r' <"$console" | grep -v '^\[ *[0-9]'
grep -q '^PI3B ends with 0' "$console" || fail "The package does not work on an emulated Raspberry Pi 3B; its whole console: $console"
echo 'The package works on an emulated Raspberry Pi 3B.'

if [ -n "${WRITE:-}" ]; then
	{
		cat <<TEXT
# On a Raspberry Pi 3B, emulated

Written by \`make pi3b WRITE=1\` on $(date -u +%Y-%m-%d): $(qemu-system-aarch64 --version | head -n 1), \`-M raspi3b\`,
$(basename "$kernel"/boot/vmlinuz*), Debian's Python 3.11, the libraries of OpenWrt 24.10, the package compiled
by its own script; one target on loopback, no broker. It is an emulation: qemu counts 2 ns for each instruction, on all
four cores together, and knows neither caches nor a memory card. So these figures compare versions of the program and
tell the order of magnitude; a real board will differ. Memory is what the guest's kernel says.

| | |
|---|---|
TEXT
		tr -d '\r' <"$console" | sed -n 's/^FIGURE \(.*\): \(.*\)$/| \1 | \2 |/p'
	} >packaging/PI3B.md
fi
