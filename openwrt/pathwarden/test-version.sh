#!/bin/sh
# For the feed's tests: test-version.sh PACKAGE VERSION.
case "$1" in
pathwarden | pathwarden-tools) pathwarden --version | grep -Fx "pathwarden $2" ;;
esac
