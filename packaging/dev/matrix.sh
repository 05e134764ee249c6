#!/usr/bin/env bash
# matrix.sh: the unit and sim tests with the newest and the oldest libraries, on each Python that a living OpenWrt release has;
# with the oldest, which those releases have, the installed packages too.
set -euo pipefail
cd "$(dirname "$0")/../.."

interpreters=()
for version in 3.11 3.13; do
	found=
	# pyenv's own command only stands in for an interpreter, so its folders come after.
	for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version"*/bin/"python$version"; do
		if "$candidate" -c '' 2>/dev/null; then found=$candidate && break; fi
	done
	if [ -z "$found" ]; then
		echo "make matrix needs Python $version, and there is no python$version here." >&2
		exit 1
	fi
	interpreters+=("$found")
done

for interpreter in "${interpreters[@]}"; do
	for kind in newest oldest; do
		environment=$(packaging/dev/venv.sh "$kind" "$interpreter")
		echo "== $("$interpreter" --version), $kind libraries"
		packaging/dev/pytest.sh "$environment" unit sim -- -q
		if [ "$kind" = oldest ]; then "$environment/bin/python" -m pytest -q tests/openwrt/test_installed_tree.py; fi
	done
done
