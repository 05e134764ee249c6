#!/bin/sh
# pytest.sh ENVIRONMENT DIRECTORY... [-- OPTION...]: run the tests of some directories of tests/; those without tests yet are passed over.
set -eu
cd "$(dirname "$0")/../.."

environment=$1
shift
paths=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	if [ -n "$(find "tests/$1" -name 'test_*.py' 2>/dev/null | head -n 1)" ]; then paths="$paths tests/$1"; fi
	shift
done
if [ $# -gt 0 ]; then shift; fi
if [ -z "$paths" ]; then
	echo "There are no such tests yet." >&2
	exit 1
fi
case $environment in
*oldest*) set -- -W "ignore:'cgi' is deprecated:DeprecationWarning" "$@" ;; # bottle 0.12 imports it
esac
# shellcheck disable=SC2086 # the directories are words
exec "$environment/bin/python" -m pytest "$@" $paths
