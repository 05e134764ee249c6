#!/usr/bin/env bash
# matrix.sh: the unit and sim tests with the newest and the oldest libraries, on each Python that a living OpenWrt release has;
# with the oldest, which those releases have, the installed packages too.
set -euo pipefail
cd "$(dirname "$0")/../.."

interpreters=()
for version in 3.11 3.13; do
	interpreter=$(packaging/dev/python.sh "$version")
	interpreters+=("$interpreter")
done

for interpreter in "${interpreters[@]}"; do
	for kind in newest oldest; do
		environment=$(packaging/dev/venv.sh "$kind" "$interpreter")
		echo "== $("$interpreter" --version), $kind libraries"
		packaging/dev/pytest.sh "$environment" unit sim -- -q
		if [ "$kind" = oldest ]; then "$environment/bin/python" -m pytest -q tests/openwrt/test_installed_tree.py; fi
	done
done
