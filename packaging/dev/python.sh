#!/bin/sh
# python.sh VERSION: print a Python of this version (such as 3.13), from the PATH or of pyenv; fail where there is none.
set -eu

# pyenv's own command only stands in for an interpreter, so its folders come after.
for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1"*/bin/"python$1"; do
	if "$candidate" -c '' 2>/dev/null; then
		echo "$candidate"
		exit 0
	fi
done
echo "This needs Python $1, and there is no python$1 here." >&2
exit 1
