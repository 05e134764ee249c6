#!/bin/sh
# promtool.sh: print the path of Prometheus's promtool, 2.42 or newer. Debian's package is unpacked into .cache and not installed, since it
# would start a server.
set -eu
cd "$(dirname "$0")/../.."

folder=$PWD/.cache/prometheus
for tool in promtool "$folder/usr/bin/promtool"; do
	if command -v "$tool" >/dev/null; then
		command -v "$tool"
		exit 0
	fi
done
if ! command -v dpkg-deb >/dev/null; then
	echo "This is not Debian: nothing is fetched for you. Needed: promtool, which comes with Prometheus." >&2
	exit 1
fi
echo "Fetching Debian's package prometheus for its promtool (once, 20 MB)" >&2
mkdir -p "$folder"
cd "$folder"
set -- -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o APT::Sandbox::User=root # else it minds a folder that only we may write to
if ! apt-get "$@" download prometheus </dev/null >&2; then
	apt-get "$@" update </dev/null >&2
	apt-get "$@" download prometheus </dev/null >&2
fi
dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
rm prometheus_*.deb
echo "$folder/usr/bin/promtool"
