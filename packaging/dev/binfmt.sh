#!/bin/sh
# binfmt.sh: sourced; this machine runs programs for arm64 until the sourcing script ends, unless it does so anyway.

binfmt=/proc/sys/fs/binfmt_misc
packaging/dev/debian.sh qemu-user-static
[ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt" || {
	echo 'This kernel runs no foreign programs: it has no binfmt_misc.' >&2
	exit 1
}
if ! [ -e "$binfmt/qemu-aarch64" ]; then
	trap 'echo -1 >"$binfmt/qemu-aarch64"' EXIT
	trap 'exit 1' INT TERM HUP
	cat /usr/lib/binfmt.d/qemu-aarch64.conf >"$binfmt/register"
fi
