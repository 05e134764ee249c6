#!/bin/sh
# debian.sh PACKAGE...: install the Debian packages that are missing, as root; otherwise say which and fail.
set -eu

if ! command -v dpkg-query >/dev/null; then
	echo "This is not Debian: nothing is installed for you. Needed, by Debian's names: $*" >&2
	exit 0 # the programs may be there; a test whose program is missing fails and names it
fi

missing=
for package in "$@"; do
	status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) || status=
	[ "$status" = 'install ok installed' ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "Missing Debian packages:$missing" >&2
	echo "Install them with: sudo apt-get install --no-install-recommends$missing" >&2
	exit 1
fi

echo "Installing Debian packages:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# Whoever has no Internet learns it in seconds.
set -- -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Dpkg::Use-Pty=0
# shellcheck disable=SC2086 # the names are words
if ! apt-get "$@" update </dev/null >&2 || ! apt-get "$@" install -y --no-install-recommends $missing </dev/null >&2; then
	echo "apt-get could not install:$missing" >&2
	exit 1
fi
