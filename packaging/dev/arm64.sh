#!/bin/sh
# arm64.sh: the installed package under an aarch64 Python (Debian's, by qemu-user), as root, on the loopback of a namespace of its own.
set -eu
cd "$(dirname "$0")/../.."

# One at a time, and with mounts of its own: whatever happens, nothing stays mounted below .cache, which make clean removes.
if [ "${1:-}" != inside ]; then
	mkdir -p .cache
	exec flock .cache/arm64.lock unshare --mount --propagation private packaging/dev/arm64.sh inside
fi

. packaging/dev/binfmt.sh
packaging/dev/arm64-root.sh
root=.cache/arm64/root
mount -t proc proc "$root/proc"
# shellcheck disable=SC2016 # the inner shell has its own $1
# With process numbers of its own too: nothing that was started outlives this.
unshare --net --pid --fork --kill-child --mount sh -c '
	mount -t proc proc "$1/proc"
	ip link set lo up
	chroot "$1" /usr/bin/python3 -c "import platform; print(platform.machine(), platform.python_version())"
	chroot "$1" /usr/bin/python3 /root/installed_check.py partial
' sh "$root"
echo 'The package works under an aarch64 Python.'
