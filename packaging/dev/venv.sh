#!/bin/sh
# venv.sh KIND [PYTHON]: make or refresh a virtual environment and print its folder, the only line on standard output.
#   run     what the agent itself needs: .venv-run, or .venv when that exists
#   dev     that and the tools for work on the project: .venv
#   newest  the newest libraries and the test tools: .venv-newest
#   oldest  the oldest libraries that we support and the test tools: .venv-oldest
#   homeassistant  Home Assistant and its own test tools, without the agent: .venv-homeassistant (600 MB, five minutes)
# With PYTHON (such as python3.13) the folder's name ends in its name. An up-to-date environment costs nothing.
set -eu
cd "$(dirname "$0")/../.."

kind=$1
usable() { # ENVIRONMENT: whether the agent would run there, if perhaps not with the newest tools
	"$1/bin/python" -c 'import sys; from importlib.util import find_spec as has
sys.exit(not all(map(has, ("pathwarden", "bottle", "paho", "pyroute2", "waitress"))))' 2>/dev/null
}
# To run needs no pip, and so no Internet, where an environment stands already.
if [ "$kind" = run ]; then
	for folder in .venv .venv-run; do
		if usable "$folder"; then
			echo "$folder"
			exit 0
		fi
	done
fi
folder=.venv-$kind
if [ "$kind" = dev ]; then folder=.venv; fi
if [ $# -gt 1 ]; then folder=$folder-$(basename "$2"); fi

fail() {
	echo "$*" >&2
	exit 1
}

stamp=$(cksum pyproject.toml packaging/dev/venv.sh && pwd) # the folder's scripts hold the checkout's path
if [ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$folder/bin/python" ]; then
	echo "$folder"
	exit 0
fi

# The system's own Python first: another one in the PATH may hide it without having its packages.
python=${2:-/usr/bin/python3}
if [ $# -lt 2 ] && ! [ -x "$python" ]; then python=python3; fi
"$python" -c '' 2>/dev/null || fail "Python is missing: install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$("$python" --version) is too old: Pathwarden needs Python 3.11 or newer."
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then packaging/dev/debian.sh python3-venv; fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python has no venv module (Debian: apt-get install python3-venv)."

echo "Installing Pathwarden's $kind environment into $folder (once, a minute or more)" >&2
"$folder/bin/python" -c '' 2>/dev/null || "$python" -m venv --clear "$folder"
pip() { # no prompt, and no word unless something fails
	"$folder/bin/python" -m pip -qq --disable-pip-version-check --no-input install "$@" </dev/null >&2 ||
		fail "pip could not install into $folder; what it says stands above. It needs the Internet, this once."
}

# bottle 0.12 imports cgi, which Python 3.13 no longer has; OpenWrt ships 0.13.4 with 3.13.
bottle=0.12.25
if "$folder/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 13))'; then bottle=0.13.4; fi
case $kind in
run) pip --editable . ;;
dev)
	pip --upgrade 'pip>=25.1' # the first that knows --group
	pip --editable . --group dev
	;;
newest) pip --upgrade --editable . pytest pytest-timeout pytest-xdist hypothesis jsonschema ;;
oldest)
	pip --upgrade pip # an old one builds paho's source with a deprecated method, and says so at length
	pip --editable . "bottle==$bottle" paho-mqtt==1.6.1 pyroute2==0.7.9 waitress==3.0.1 pytest pytest-timeout pytest-xdist hypothesis jsonschema
	;;
# The newest whose Python, 3.13.0, is to be had everywhere; the test tools say which Home Assistant goes with them: 2025.4.4.
homeassistant) pip pytest-homeassistant-custom-component==0.13.236 paho-mqtt==2.1.0 ;;
*) fail "venv.sh: unknown kind $kind" ;;
esac
echo "$stamp" >"$folder/stamp"
echo "$folder"
